"""A screen that meets a mistake of ours: it is told and logged, and the proxy goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from houses import House, settled, text
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.screens.bars import Header
from ccr_tui.screens.live import LiveScreen
from ccr_tui.screens.sessions import SessionsScreen


def broken(*_: object) -> None:
    raise ZeroDivisionError("a mistake [of ours]")


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[tuple[House, CcrApp, Pilot[None]]]:
    house = House(tmp_path / "ccr.db")
    app = CcrApp(house)
    try:
        async with app.run_test(size=(100, 30), notifications=True) as pilot:
            await settled(pilot)
            yield house, app, pilot
            app._exception = None  # it was meant
    finally:
        await house.stop()


async def until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if is_so():
            return
    raise AssertionError(text(pilot.app))  # type: ignore[arg-type]


def told(app: CcrApp) -> str:
    return " ".join(f"{each.title} {each.message}" for each in app._notifications)


async def test_a_handler_that_fails_is_told_and_the_screen_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as (house, app, pilot):
        with monkeypatch.context() as patch:
            patch.setattr(LiveScreen, "action_flip", broken, raising=False)
            patch.setattr(LiveScreen, "key_z", broken, raising=False)
            await pilot.press("z")
            await until(pilot, lambda: "ZeroDivisionError: a mistake [of ours]" in told(app))
        assert "The proxy goes on" in told(app)
        await pilot.press("2")
        await until(pilot, lambda: app.current_mode == "sessions")
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "live")
        assert house.stopped is False
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info and record.exc_info[0] is ZeroDivisionError


async def test_a_screen_that_cannot_be_drawn_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as (_, app, pilot):
        with monkeypatch.context() as patch:
            patch.setattr(SessionsScreen, "render", broken)
            patch.setattr(SessionsScreen, "render_lines", broken)
            await pilot.press("2")
            await until(pilot, lambda: bool(app._failures))
            for _ in range(4):
                app.screen.refresh()
                await pilot.pause(0.05)
            await until(pilot, lambda: app.current_mode == "live")
        assert app.broken is None


async def test_where_the_first_screen_cannot_be_drawn_the_terminal_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as (house, app, _):
        monkeypatch.setattr(Header, "render_line", broken)
        for _turn in range(100):
            if app.broken:
                break
            app.live.query_one(Header).refresh()
            await asyncio.sleep(0.02)
        assert app.broken and "ZeroDivisionError" in app.broken
        assert app._exit and not house.stopped, "whoever ran the app goes on with the house"


async def test_a_worker_that_fails_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, app, pilot):
        app.run_worker(lambda: broken(), thread=True)
        await until(pilot, lambda: "ZeroDivisionError" in told(app))
        assert app.is_running


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (5, 60), (300, 4)], ids=["20x5", "1x1", "5x60", "300x4"])
async def test_any_size_of_the_terminal_is_survived(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path) as (_, app, pilot):
        await pilot.resize_terminal(*size)
        for key in ("2", "3", "4", "1", "question_mark", "escape", "ctrl+p", "escape"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.resize_terminal(100, 30)
        await settled(pilot)
        assert not app._failures
        assert "Requests" in text(app)
