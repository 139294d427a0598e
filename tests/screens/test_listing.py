"""Long lists draw their lines themselves: as Textual would, once, and without garbage that must be searched for."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from generated import failed, trace
from houses import House, settled
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widget import Widget

from ccr_tui.app import CcrApp
from ccr_tui.records import Trace
from ccr_tui.screens import show
from ccr_tui.screens.ink import Line
from ccr_tui.screens.scrolled import LINES, Listing
from ccr_tui.screens.table import Table
from ccr_tui.screens.tree import SessionTree
from ccr_tui.store import archive

KEYS = {"Live": "1", "Sessions": "2"}


def month(count: int) -> list[Trace]:
    """Requests of as many sessions, some failed, some said in wide letters, the newest first."""
    now = time.time()
    texts = ("Mend the parser", "日本語を直す", "naïve → ⟨résumé⟩ 🎉", "x" * 300)
    made = []
    for n in range(count):
        body = {"model": "m", "messages": [{"role": "user", "content": f"{n} {texts[n % len(texts)]}"}]}
        make: Any = failed if n % 7 == 3 else trace
        made.append(make(f"t{n:04d}", body=body, session=f"s{n:04d}", started_at=now - n))
    return made


@asynccontextmanager
async def opened(tmp_path: Path, count: int, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    archive.take_in(tmp_path / "ccr.db", month(count))
    house = House(tmp_path / "ccr.db")
    async with CcrApp(house).run_test(size=size) as pilot:
        await settled(pilot)
        yield pilot
    await house.stop()


def listing(pilot: Pilot[None], screen: str) -> Listing:
    assert isinstance(pilot.app, CcrApp)
    return pilot.app.live.table if screen == "Live" else pilot.app.sessions.tree_


def looks(strips: list[Strip], width: int) -> list[list[tuple[str, str]]]:
    """What a terminal is sent, letter by letter, without the column of the scroll bar."""
    lines = []
    for strip in strips:
        letters = [(letter, str(style)) for text, style, _ in strip.crop(0, width) for letter in text]
        lines.append([(letter, "" if letter == " " and "on" not in style else style) for letter, style in letters])
    return lines


@pytest.mark.parametrize("screen", KEYS)
@pytest.mark.parametrize("count", [3, 60], ids=["few", "more than a page"])
async def test_lines_look_as_textual_would_draw_them(tmp_path: Path, screen: str, count: int) -> None:
    async with opened(tmp_path, count) as pilot:
        await pilot.press(KEYS[screen], "down", "down")
        await settled(pilot)
        shown = listing(pilot, screen)
        region = Region(0, 0, *shown.region.size)
        width = region.width - shown.show_vertical_scrollbar
        own = looks(shown.render_lines(region), width)
        shown.notify_style_update()
        assert own == looks(Widget.render_lines(shown, region), width)


def known(shown: Listing, line: int) -> bool:
    """Whether the row of a line has been read."""
    if isinstance(shown, Table):
        return shown.row_at(line) is not None
    assert isinstance(shown, SessionTree)
    kind, session, _ = shown._lines[line].key
    return kind != "session" or session in shown.rows


@pytest.mark.parametrize("screen", KEYS)
async def test_the_rows_of_the_next_page_are_read_before_it_is_shown(tmp_path: Path, screen: str) -> None:
    async with opened(tmp_path, 500, (80, 24)) as pilot:
        await pilot.press(KEYS[screen])
        await settled(pilot)
        shown = listing(pilot, screen)
        for key in ["pagedown"] * 15 + ["pageup"] * 15:
            await pilot.press(key)
            await settled(pilot)
            top = shown.scroll_offset.y
            ahead = range(max(0, top - shown.height), min(shown.total, top + 2 * shown.height))
            assert [line for line in ahead if not known(shown, line)] == [], key


@pytest.mark.parametrize("screen", KEYS)
async def test_no_more_lines_are_kept_than_some_screens_full(tmp_path: Path, screen: str) -> None:
    async with opened(tmp_path, 500, (80, 24)) as pilot:
        await pilot.press(KEYS[screen])
        await settled(pilot)
        shown = listing(pilot, screen)
        for _ in range(20):
            await pilot.press("pagedown")
            await settled(pilot)
        assert 0 < len(shown._drawn) <= LINES


def test_a_line_that_was_drawn_goes_without_a_search_for_garbage() -> None:
    gc.collect()
    gc.disable()
    try:
        strip = Line([], 0).adjust_cell_length(5)
        line = Line(strip._segments, 5)
        assert line.divide([5]) == [line] and [part.text for part in line.divide([2, 5])] == ["  ", "   "]
        del line, strip
        assert gc.collect() == 0
    finally:
        gc.enable()


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs", "Cc"]), max_size=30))
def test_a_text_takes_as_many_columns_as_textual_counts(text: str) -> None:
    assert show.cells(text) == cell_len(text)


def test_every_letter_that_is_taken_for_narrow_is() -> None:
    narrow = (chr(code) for code in range(0x20, 0xD800))
    assert [each for each in narrow if show._NARROW.fullmatch(each) and cell_len(each) != 1] == []
