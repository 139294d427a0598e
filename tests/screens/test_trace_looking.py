"""Tokens, Cache, Diff, Stream and the levels of a trace, and the context of its session, looked at and pressed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import pytest
from houses import COUNTER, House, settled, text
from realistic import talk
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.records import Trace
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.levels import CATEGORIES, PRESETS
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.viewer import Viewer
from ccr_tui.store.queries import Reader

SIZES = [(80, 24), (120, 40), (200, 60)]


@cache
def recorded() -> tuple[Trace, ...]:
    """The session is made once."""
    return tuple(talk(COUNTER, at=time.time() - 1500))


@asynccontextmanager
async def opened(
    tmp_path: Path, uid: str, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[CcrApp, Pilot[None]]]:
    """The session's trace that begins so, open."""
    house = House(tmp_path / "ccr.db")
    house.writer.start()
    for one in recorded():
        house.writer.put(one)
    house.writer.close()
    house = House(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        app.push_screen(TraceScreen(house, Reader(house.db).row(uid), lambda by: None))
        await settled(pilot)
        yield app, pilot
    await house.stop()


async def go(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


def viewer(app: CcrApp) -> Viewer:
    assert isinstance(app.screen, TraceScreen)
    return app.screen.viewer


def row(app: CcrApp, words: str) -> int:
    """The row of the first line of the page that has these words."""
    lines = viewer(app).document.lines
    return viewer(app)._row_of(next(n for n, each in enumerate(lines) if words in each.text), 0)


@pytest.mark.parametrize(
    ("size", "theme"),
    [(SIZES[0], "ccr-dark"), (SIZES[1], "ccr-light"), (SIZES[2], "ccr-dark")],
    ids=["80x24", "120x40", "200x60"],
)
async def test_tokens_tell_parts_and_what_grew(tmp_path: Path, size: tuple[int, int], theme: str) -> None:
    async with opened(tmp_path, "7014", size) as (app, pilot):
        app.theme = theme
        await go(pilot, "6")
        screen = text(app)
        assert "tool results" in screen
        assert "+74." in screen
        assert "by qwen-max: × " in screen
        page = viewer(app).document
        assert len([each for each in page.lines if each.link and each.text[:3].strip().isdigit()]) == 10
        assert all(len(each.text) <= viewer(app)._width for each in page.lines if "%" in each.text)


async def test_a_heavy_block_opens_where_it_was_received(tmp_path: Path) -> None:
    async with opened(tmp_path, "7014") as (app, pilot):
        await go(pilot, "6")
        assert "⏎ open" in text(app)
        viewer(app).go(row(app, " 1 result of Bash"))
        await go(pilot, "enter")
        assert viewer(app).id == "received"
        assert viewer(app)._place[0] not in viewer(app).folded
        place = viewer(app).document.lines[viewer(app)._place[0]]
        below = viewer(app).document.lines[viewer(app)._place[0] + 1]
        assert place.text.strip() == "{"
        assert "tool_result" in below.text
        assert "call_log" in text(app)


CAUSES = {
    "7000": ("first", "The first request of this conversation"),
    "7004": ("grew", "only grew at its end"),
    "7005": ("tools", "The tools changed: added"),
    "7008": ("expired", "and such a cache lives 5 minutes"),
    "7011": ("system", "The system prompt changed at character"),
    "7016": ("provider", "this one to deepseek-v4-pro at deepseek"),
    "7017": ("grew", "In between, deepseek-v4-pro at deepseek was asked"),
    "7020": ("compacted", "a summary stands where its messages stood"),
    "7109": ("grew", "only grew at its end"),
}


async def test_the_cache_tells_the_cause(tmp_path: Path) -> None:
    async with opened(tmp_path, "7000") as (app, pilot):
        reader = Reader(tmp_path / "ccr.db")
        for uid, (cause, words) in CAUSES.items():
            app.push_screen(TraceScreen(app.house, reader.row(uid), lambda by: None))
            await settled(pilot)
            await go(pilot, "7")
            page = "\n".join(each.text for each in viewer(app).document.lines)
            assert cause in page.split("\n")[0], uid
            assert words in page
            await go(pilot, "escape")
        reader.close()


async def test_the_first_difference_and_the_other_request_are_one_key_away(tmp_path: Path) -> None:
    async with opened(tmp_path, "7011") as (app, pilot):
        await go(pilot, "7")
        assert "The date is 2026-11-23." in text(app)
        viewer(app).go(row(app, "in common  "))
        await go(pilot, "enter")
        assert isinstance(app.screen, TraceScreen)
        assert app.screen.row.id.startswith("7010")
        await go(pilot, "escape")
        viewer(app).go(row(app, "of message 1, character"))
        await go(pilot, "enter")
        assert viewer(app).id == "sent"


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_the_cache_tells_how_its_conversation_went_and_opens_what_it_tells(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, "7014", size) as (app, pilot):
        await go(pilot, "7")
        lines = viewer(app).document.lines
        told = [line for line in lines if line.link and line.link[0] == "trace"][1:]
        assert [line.link[1][:4] for line in told if line.link][:2] == ["7013", "7012"]
        assert all(len(line.text) <= viewer(app)._width for line in told)
        viewer(app).go(row(app, told[1].text))
        await go(pilot, "enter")
        assert isinstance(app.screen, TraceScreen) and app.screen.row.id.startswith("7012")


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_what_is_new_and_short_stands_open_where_there_is_room(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, "7014", size) as (app, pilot):
        await go(pilot, "8")
        page = viewer(app).document
        new = [n for n, line in enumerate(page.lines) if line.text.startswith("+ ") and line.until > n]
        short = {n for n in new if 2 < page.lines[n].until - n <= 13}
        assert short and set(new) - page.folded == (short if size[0] >= 160 else set())


async def test_diff_compares_with_the_request_before_and_with_what_was_sent(tmp_path: Path) -> None:
    async with opened(tmp_path, "7011") as (app, pilot):
        await go(pilot, "8")
        screen = text(app)
        assert "~ 1 changed" in screen
        assert "+ The date is 2026-11-23." in screen
        await go(pilot, "d")
        assert "the request before" in text(app)
        await go(pilot, "s")
        screen = text(app)
        assert "the client's billing line was left out" in screen
        assert "⊕ 6 merged" in screen
        assert "− metadata" in screen


async def test_diff_compares_with_any_request_that_has_a_bookmark(tmp_path: Path) -> None:
    async with opened(tmp_path, "7003") as (app, pilot):
        await go(pilot, "b")
        assert isinstance(app.screen, TraceScreen)
        house, marked = app.screen.house, app.screen.row.id
        app.push_screen(TraceScreen(house, Reader(house.reader.path).row("7006"), lambda by: None))
        await settled(pilot)
        await go(pilot, "d")
        assert "1  bookmark: " in text(app)
        await go(pilot, "1")
        assert "another request: " in text(app)
        assert marked in text(app)


async def test_lanes_tell_when_each_block_came_and_where_it_was_silent(tmp_path: Path) -> None:
    async with opened(tmp_path, "7004") as (app, pilot):
        await go(pilot, "5")
        screen = text(app)
        assert "first token  0.68 s" in screen
        assert "80 tokens a second" in screen
        assert "⏸ 2.2 s of silence" in screen
        for words in ("1 thinking", "2 text", "3 Read", "4 Bash", "╌╌╌", "25 pieces ▸"):
            assert words in screen
        viewer(app).go(row(app, "25 pieces"))
        rows = viewer(app).total
        await go(pilot, "space")
        assert viewer(app).total >= rows + 25


async def test_number_keys_change_levels_while_their_line_is_open(tmp_path: Path) -> None:
    async with opened(tmp_path, "7008", (200, 60)) as (app, pilot):
        await go(pilot, "2")
        assert "v levels" in text(app)
        await go(pilot, "v")
        assert "1 ● prompts full" in text(app)
        assert "3 ◐ tools summary" in text(app)
        whole = viewer(app).total
        await go(pilot, "3")
        assert "3 ● tools full" in text(app)
        assert viewer(app).total > whole
        await go(pilot, "3")
        assert "3 ○ tools hidden" in text(app)
        assert not [each for each in viewer(app).document.lines if "⎿" in each.text]
        await go(pilot, "4", "4", "5", "5", "6", "6")
        lines = [each.text for each in viewer(app).document.lines]
        assert not [each for each in lines if each.startswith(("▾ ", "● Read"))]
        await go(pilot, "escape")
        assert "v changes" in text(app), "the line stays, since something is hidden"
        await go(pilot, "3")
        assert viewer(app).id == "received"
        await go(pilot, "2", "v", "0")
        assert viewer(app).total == whole
        await go(pilot, "v")
        assert "○" not in text(app)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40", "200x60"])
async def test_one_key_goes_through_named_levels(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, "7008", size) as (app, pilot):
        await go(pilot, "2")
        whole = viewer(app).total
        seen = {}
        for name in [*list(PRESETS)[1:], "usual"]:
            await go(pilot, "p")
            seen[name] = viewer(app).total
            assert name == "usual" or f" {name} " in text(app).split("\n")[2]
        assert seen["usual"] == whole
        assert seen["conversation"] < whole < seen["everything"]
        await go(pilot, "v", "1")
        assert " mixed " in text(app) and "v done" in text(app), "every category and the way out are in sight"
        assert all(category in text(app).split("\n")[2] for category in CATEGORIES)


async def test_the_overview_tells_what_the_cache_saved_and_what_was_lost(tmp_path: Path) -> None:
    async with opened(tmp_path, "7016", (120, 60)) as (app, _):
        lines = text(app).split("\n")
        head = next(n for n, line in enumerate(lines) if "│ Cache " in line)
        assert "✗ nothing read from the cache" in lines[head]
        assert "lost" in lines[head + 2] and "tokens that were sent before were read anew" in lines[head + 2]
        assert any("what the answer would have cost at its price" in line for line in lines[head:])


async def test_a_summary_of_what_was_said_unfolds(tmp_path: Path) -> None:
    async with opened(tmp_path, "7008") as (app, pilot):
        await go(pilot, "2", "v", "2", "2")
        folded = [n for n in viewer(app).folded if viewer(app).document.lines[n].text.startswith("● Step")]
        assert folded
        assert viewer(app).document.lines[folded[0]].closed.endswith("▸")


@pytest.mark.parametrize("size", SIZES[::2], ids=["80x24", "200x60"])
async def test_the_context_over_time_starts_where_it_was_opened(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, "7011", size) as (app, pilot):
        await go(pilot, "c")
        screen = app.screen
        assert isinstance(screen, ContextScreen)
        assert screen.turns.points[screen.turns.cursor].row.id.startswith("7011")
        shown = text(app)
        for words in ("109k", "▲", "tool results", "main conversation", "x biggest growth"):
            assert words in shown
        await go(pilot, "x")
        assert screen.turns.points[screen.turns.cursor].row.id.startswith("7014")
        assert "+74.7k" in text(app)
        await go(pilot, "enter")
        assert isinstance(app.screen, TraceScreen)
        assert app.screen.row.id.startswith("7014")
        await go(pilot, "J")
        assert app.screen.row.id.startswith("7013")


async def test_the_context_marks_compactions_and_goes_through_subagents(tmp_path: Path) -> None:
    async with opened(tmp_path, "7000") as (app, pilot):
        app.push_screen(ContextScreen(app.house, recorded()[0].session or ""))
        await settled(pilot)
        screen = app.screen
        assert isinstance(screen, ContextScreen)
        assert screen.turns.points[screen.turns.cursor].row.id.startswith("7014"), "it starts where it grew most"
        assert [p.row.id[:4] for p in screen.turns.points if p.drop] == ["7020"]
        assert "compacted" in text(app)
        assert "⇣" in text(app)
        await go(pilot, "a")
        assert "subagent a576fa3afc719" in text(app)
        assert screen.turns.total == 3
        await go(pilot, "right", "right", "left")
        assert screen.turns.cursor in (0, 1)
        await go(pilot, "escape")
        assert isinstance(app.screen, TraceScreen)


async def test_a_session_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, "7000") as (app, pilot):
        app.push_screen(ContextScreen(app.house, "no such session"))
        await settled(pilot)
        await pilot.pause(0.1)
        assert isinstance(app.screen, TraceScreen)
        assert "there is no session 'no such session'" in text(app).replace("\n", " ")
