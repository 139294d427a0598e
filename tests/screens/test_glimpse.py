"""The words of the panel beside the tree of sessions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.screens import show
from ccr_tui.screens.glimpse import SAID, bars, said

NANO = 1_000_000_000


@given(st.text(max_size=300), st.integers(20, 80))
def test_what_was_typed_stands_whole_in_its_width_or_ends_in_dots(text: str, width: int) -> None:
    *lines, last = ["".join(piece for piece, _ in line) for line in said(text, width)]
    assert last == "" and 0 < len(lines) <= SAID
    assert all(show.cells(line) <= width for line in lines)
    flat = "".join(show.harmless("".join(text.split())).split())
    told = "".join("".join(lines).split())
    assert told == flat or told.endswith("…")


@pytest.mark.parametrize(
    ("text", "lines"),
    [("修正解析器里的错误" * 8, 4), ("word " * 30, 4), ("x" * 150, 4), ("", 1)],
    ids=["wide", "words", "one word", "nothing"],
)
def test_lines_of_forty_cells(text: str, lines: int) -> None:
    assert len(said(text, 42)) - 1 == lines


@given(st.lists(st.tuples(st.text(max_size=60), st.none() | st.integers(0, 9 * NANO)), max_size=60), st.integers(0, 40))
def test_bars_stay_in_their_room(parts: list[tuple[str, int | None]], room: int) -> None:
    lines = bars(parts, 60, room)
    assert len(lines) <= room
    assert all(sum(show.cells(text) for text, _ in line) <= 60 for line in lines)
    if lines and len(parts) > len(lines) - 1:
        assert "more" in lines[-1][0][0]
