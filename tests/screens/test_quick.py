"""The quick filter shows what Textual's shows."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import MONOKAI
from textual.color import Color
from textual.filter import ANSIToTruecolor

from ccr_tui.screens.quick import Quick

BLACK = Color(0, 0, 0)
LINES = {
    "true colours": ["#ff0000", "#00ff00 on #0000ff", "bold #123456"],
    "the terminal's": ["red", "default on blue", "bright_cyan"],
    "both": ["#ff0000", "green on #111111"],
    "dim": ["dim #ff0000", "dim"],
    "none": [""],
}


def shown(filter: ANSIToTruecolor, words: list[str]) -> list[tuple[str, Style | None]]:
    segments = [Segment("a", Style.parse(word)) for word in words] + [Segment("b")]
    return [(text, style) for text, style, _ in filter.apply(segments, BLACK)]


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_it_is_what_textual_shows(words: list[str]) -> None:
    theirs = ANSIToTruecolor(MONOKAI)
    quick = Quick(theirs)
    for _ in range(2):
        assert shown(quick, words) == shown(theirs, words)
