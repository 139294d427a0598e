"""The Trace screen, looked at and pressed."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from generated import failed, recorded, trace
from houses import House, settled, text
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.records import Trace
from ccr_tui.screens.heads import SHORT, TABS
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.viewer import Viewer


@asynccontextmanager
async def opened(
    tmp_path: Path, traces: list[Trace], size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[CcrApp, Pilot[None]]]:
    """The newest of these traces, open."""
    house = House(tmp_path / "ccr.db")
    house.writer.start()
    for one in traces:
        house.writer.put(one)
    house.writer.close()
    house = House(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        yield app, pilot
    await house.stop()


def talk(count: int = 4) -> list[Trace]:
    return [replace(one, started_at=time.time() - count + i) for i, one in enumerate(recorded(1, count))]


def viewer(app: CcrApp) -> Viewer:
    assert isinstance(app.screen, TraceScreen)
    return app.screen.viewer


TELLING = {
    "overview": ("asked for  claude-opus-5-5", "estimate     reported", "parse  "),
    "conversation": ("❯ Find out why the", "── the reply to this request"),
    "bodies": ("Received · asked for opus-5-5", "Sent · qwen-max at dashscope", '"model": "qwen-max"'),
    "route": ("because    nothing else matched", "· image  no image"),
    "stream": ("message_start", "content_block_delta"),
    "tokens": ("counted", "by qwen-max", "tool schemas", "Heaviest blocks"),
    "cache": ("first", "The first request of this conversation", "from the cache"),
    "diff": ("as the client sent it", "as qwen-max at dashscope was sent it", "⊕ "),
}


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"])
async def test_every_tab_opens_by_its_number(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, talk(1), size) as (app, pilot):
        for number, (name, title) in enumerate(TABS, 1):
            await pilot.press(str(number))
            await settled(pilot)
            screen = text(app)
            assert f"{number} {title if size[0] > 80 else SHORT.get(name, title)}" in screen
            assert "opus-5-5 → qwen-max  ✓ ok" in screen
            for words in TELLING[name]:
                assert words in screen, name
            assert "esc back" in screen
            assert "q quit" in screen


async def test_a_page_without_a_cursor_tells_that_it_goes_on(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(1), (80, 24)) as (app, pilot):
        await pilot.press("1")
        await settled(pilot)
        page = viewer(app)
        assert page.place == f"{page.height}/{page.total} ↓"
        assert page.place in text(app)
        await pilot.press("G")
        await settled(pilot)
        assert f" {page.total}/{page.total} " in text(app)
        await pilot.resize_terminal(120, 60)
        await settled(pilot)
        assert page.place == ""


async def test_bodies_stand_side_by_side_or_one_above_the_other(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(1)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        received, sent = app.screen.query_one("#received"), app.screen.query_one("#sent")
        assert received.region.y == sent.region.y
        assert received.region.right <= sent.region.x
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert received.region.x == sent.region.x
        assert received.region.bottom <= sent.region.y
        assert '"model": "claude-opus-5-5"' in text(app)


async def test_tab_goes_to_the_other_side_and_folds_work_there(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(2)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        assert "tab side" in text(app)
        await pilot.press("tab")
        assert viewer(app).id == "sent"
        rows = len(viewer(app)._rows)
        await pilot.press("plus")
        await settled(pilot)
        assert len(viewer(app)._rows) > rows
        await pilot.press("minus")
        await settled(pilot)
        assert len(viewer(app)._rows) < rows
        await pilot.press("g", "j", "j", "l")
        await settled(pilot)
        assert '"messages": [' in text(app)
        await pilot.press("j", "h", "h")
        await settled(pilot)
        line = viewer(app).document.lines[viewer(app)._place[0]]
        assert line.text == '  "messages": [', "a second fold goes to what encloses"


async def test_a_search_opens_the_folds_around_its_hits(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(3)) as (app, pilot):
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("slash", *"find out WHY", "enter")
        await settled(pilot)
        assert "“find out WHY” 1/1" in text(app)
        assert "Find out why the" in text(app)
        await pilot.press("slash")
        app.screen.search.value = "def "  # type: ignore[attr-defined]
        await pilot.press("enter")
        await settled(pilot)
        first = viewer(app)._place
        assert len(viewer(app).hits) > 1
        await pilot.press("n")
        await settled(pilot)
        assert viewer(app)._at == 1
        await pilot.press("N")
        await settled(pilot)
        assert viewer(app)._place[0] == first[0]
        assert viewer(app)._at == 0
        await pilot.press("escape")
        await settled(pilot)
        assert "“def ”" not in text(app)
        await pilot.press("slash")
        app.screen.search.value = "no such words"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await settled(pilot)
        assert "“no such words” not found" in text(app)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert not isinstance(app.screen, TraceScreen)


async def test_the_error_stands_in_one_sentence(tmp_path: Path) -> None:
    async with opened(tmp_path, [failed(started_at=time.time())], (80, 24)) as (app, pilot):
        assert "✗ error" in text(app)
        assert "✗ dashscope says: slow down; try again in 20 s." in text(app)
        await pilot.press("3")
        await settled(pilot)
        assert "Sent · qwen-max at dashscope" in text(app)


@pytest.mark.parametrize(
    ("key", "starts"),
    [("c", "curl -sS -N http://127.0.0.1:3456/v1/messages"), ("j", '{\n  "id": "0001-00000"'), ("t", "Step 0.")],
    ids=["curl", "JSON", "text"],
)
async def test_y_copies_in_three_forms(tmp_path: Path, key: str, starts: str) -> None:
    async with opened(tmp_path, talk(1)) as (app, pilot):
        await pilot.press("y")
        await settled(pilot)
        assert "curl command" in text(app)
        await pilot.press(key)
        await settled(pilot)
        assert app.clipboard.startswith(starts)
        if key == "c":
            body = app.clipboard.split("<<'JSON'\n")[1].removesuffix("\nJSON\n")
            assert json.loads(body) == next(recorded(1, 1)).body


async def test_the_requests_beside_it_are_one_key_away(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(3)) as (app, pilot):
        assert isinstance(app.screen, TraceScreen)
        assert app.screen.row.id == "0001-00002"
        await pilot.press("J")
        await settled(pilot)
        assert app.screen.row.id == "0001-00001"
        assert app.screen.trace is not None
        assert app.screen.trace.uid == "0001-00001"
        await pilot.press("K", "K")
        await settled(pilot)
        assert app.screen.row.id == "0001-00002"
        await pilot.pause(0.1)
        assert "No further request" in text(app)


async def test_recorded_text_is_harmless_on_every_tab(tmp_path: Path) -> None:
    nasty = "\x1b[2J[bold]\u202e\ud800 \x9b31m[@click=app.quit]"
    body = {"model": nasty, "system": nasty, "messages": [{"role": "user", "content": nasty}], nasty: {nasty: nasty}}
    record = replace(trace(body=body), asked_model=nasty, started_at=time.time())
    async with opened(tmp_path, [record]) as (app, pilot):
        for number in "12345":
            await pilot.press(number)
            await settled(pilot)
            await pilot.press("plus")
            await settled(pilot)
            screen = text(app)
            assert "\x1b" not in screen
            assert not set(screen) & {"\u202e", "\ud800", "\x9b"}
            assert number in "45" or "[2J[bold]" in screen


async def test_escape_goes_back_to_the_row(tmp_path: Path) -> None:
    async with opened(tmp_path, talk(3)) as (app, pilot):
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen is app.live
        await pilot.press("j", "enter")
        await settled(pilot)
        assert isinstance(app.screen, TraceScreen)
        assert app.screen.row.id == "0001-00001"


async def test_a_600_kb_body_is_browsed_to_its_end(tmp_path: Path) -> None:
    big = replace(list(recorded(2, 110))[-1], started_at=time.time())
    async with opened(tmp_path, [big], (80, 24)) as (app, pilot):
        await pilot.press("3", "plus")
        await settled(pilot)
        await pilot.press("plus")
        await settled(pilot)
        assert len(viewer(app)._rows) > 8000
        await pilot.press("G")
        await settled(pilot)
        assert text(app).split("\n")[3:12][-2].strip("│ ") == "}"
