"""Numbers, times and recorded text as a person sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from generated import texts
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from ccr_tui.screens import show

FORMATS: list[tuple[Callable[..., str], Any, str]] = [
    (show.tokens, None, "?"),
    (show.tokens, 0, "0"),
    (show.tokens, 312, "312"),
    (show.tokens, 1_200, "1.2k"),
    (show.tokens, 48_130, "48.1k"),
    (show.tokens, 99_949, "99.9k"),
    (show.tokens, 128_000, "128k"),
    (show.tokens, 999_600, "1.0M"),
    (show.tokens, 4_120_000, "4.1M"),
    (show.tokens, 2_000_000_000, "2.0G"),
    (show.seconds, None, "–"),
    (show.seconds, 400, "0.4"),
    (show.seconds, 2_100, "2.1"),
    (show.seconds, 31_000, "31"),
    (show.seconds, 123_000, "2m03"),
    (show.seconds, 4_980_000, "1h23"),
    (show.duration, 12, "12 ms"),
    (show.duration, 800, "0.80 s"),
    (show.duration, 17_600, "17.6 s"),
    (show.duration, 123_000, "2 m 03 s"),
    (show.size, 340, "340"),
    (show.size, 3_400, "3.4 k"),
    (show.size, 583_000, "583 k"),
    (show.size, 3_100_000, "3.1 M"),
    (show.money, None, "?"),
    (show.money, 4_320_000, "$0.0043"),
    (show.model, None, "?"),
    (show.model, "claude-opus-5-5-20260801", "opus-5-5"),
    (show.model, "claude-opus-5-5[1m]", "opus-5-5"),
    (show.model, "qwen/qwen3-coder", "qwen3-coder"),
    (show.model, "deepseek-v4-pro", "deepseek-v4-pro"),
]


@pytest.mark.parametrize(("shown", "value", "words"), FORMATS, ids=[f"{f.__name__}-{v}" for f, v, _ in FORMATS])
def test_a_value_reads_so(shown: Callable[..., str], value: Any, words: str) -> None:
    assert shown(value) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 0, "–"), (0, 9, "0%"), (1, 999, "<1%"), (6, 1000, "1%"), (9, 9, "100%"), (999, 1000, "99%"), (1, 3, "33%")],
)
def test_a_share_is_all_or_nothing_only_if_it_really_is(part: int, whole: int, words: str) -> None:
    assert show.percent(part, whole) == words


def test_a_time_of_today_has_seconds_and_an_older_one_its_day() -> None:
    now = time.mktime((2026, 11, 22, 12, 3, 2, 0, 0, -1))
    assert show.clock(now, now) == "12:03:02"
    assert show.clock(now - 86400, now) == "21 12:03"
    assert show.clock(now - 90 * 86400, now) == "Aug 2026"
    assert {len(show.clock(now - days * 86400, now)) for days in range(0, 400, 7)} == {8}


HARMFUL = {
    "escape": ("\x1b[2J\x1b]0;owned\x07", "␛[2J␛]0;owned␇"),
    "tab": ("a\tb", "a    b"),
    "delete": ("\x7f", "␡"),
    "c1": ("\x9b31m", "␦31m"),
    "bidi": ("\u202egnp.exe", "␦gnp.exe"),
    "separator": ("a\u2028b", "a␤b"),
    "surrogate": ("\ud800", "�"),
    "joiner": ("👩\u200d💻", "👩💻"),
    "markup": ("[bold]x[/] [@click=quit]", "[bold]x[/] [@click=quit]"),
}


@pytest.mark.parametrize(("text", "shown"), HARMFUL.values(), ids=HARMFUL)
def test_recorded_text_is_drawn_harmless(text: str, shown: str) -> None:
    assert show.harmless(text) == shown


@given(texts())
def test_harmless_text_is_printable_and_can_be_written(text: str) -> None:
    shown = show.harmless(text)
    assert all(char.isprintable() or char in "\u3000 \xa0" or ord(char) > 0xA0 for char in shown)
    shown.encode("utf-8")
    assert show.harmless(shown) == shown


@given(texts(), st.integers(1, 30))
def test_fitting_gives_exactly_the_width(text: str, width: int) -> None:
    shown = show.harmless(text)
    assert cell_len(show.fit(shown, width)) == width
    assert cell_len(show.fit_right(shown, width)) == width


@given(st.floats(-1, 2), st.integers(1, 40))
def test_a_bar_is_as_wide_as_its_room(share: float, width: int) -> None:
    full, rest = show.bar(share, width)
    assert len(full) + len(rest) == width


def test_a_sparkline_has_the_last_hours() -> None:
    assert show.sparkline([0, 0, 1, 4, 8], 4) == "▁▂▅█"
    assert show.sparkline([], 4) == ""
