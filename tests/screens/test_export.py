"""The export form, opened with `e` and pressed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from generated import recorded
from houses import House, settled, text
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.screens.export import ExportScreen


@asynccontextmanager
async def opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int = 4, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[CcrApp, Pilot[None]]]:
    """Live with a session's requests, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    house = House(tmp_path / "ccr.db")
    house.writer.start()
    for n, one in enumerate(recorded(1, count)):
        house.writer.put(replace(one, started_at=time.time() - count + n))
    house.writer.close()
    house = House(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        yield app, pilot
    await house.stop()


def form(app: CcrApp) -> ExportScreen:
    assert isinstance(app.screen, ExportScreen)
    return app.screen


async def test_the_chosen_request_is_written_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("e")
        await settled(pilot)
        assert "this request (0001-00003)" in text(app) and "request-0001-00003.jsonl" in text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "Exported" in text(app) and "1 account id" in text(app)
        assert not isinstance(app.screen, ExportScreen)
    head, only = (tmp_path / "request-0001-00003.jsonl").read_text().splitlines()
    assert json.loads(head)["redacted"] is True
    assert json.loads(only)["project"] == "/home/user/engine"


async def test_a_session_as_a_page_everything_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("e", "right", "down", "right", "right", "right", "down", "right")
        await settled(pilot)
        assert "session session-" in text(app) and "html: one HTML page" in text(app)
        assert "session-session-.html" in text(app) and "Look before you share it" in text(app)
        await pilot.press("enter")
        await settled(pilot)
    shown = (tmp_path / "session-session-.html").read_text()
    assert shown.count("<section") == 4 and "/home/ada/engine" in shown and "Not redacted." in shown


async def test_a_list_is_what_the_filter_lets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("slash", *"id:0001-00001", "enter")
        await settled(pilot)
        await pilot.press("e", "left")
        await settled(pilot)
        assert "the requests listed (1)" in text(app)
        await pilot.press("enter")
        await settled(pilot)
    assert len((tmp_path / "requests.jsonl").read_text().splitlines()) == 2


async def test_nothing_is_written_over_unless_it_is_said_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.md").write_text("mine")
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("e", "down", "right", "right", "tab")
        field = form(app).path
        field.value = str(tmp_path / "mine.md")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert "writes over it" in text(app) and (tmp_path / "mine.md").read_text() == "mine"
        await pilot.press("enter")
        await settled(pilot)
    assert (tmp_path / "mine.md").read_text().startswith("# ")


async def test_a_place_that_cannot_be_written_is_told_and_the_form_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("e")
        form(app).path.value = str(tmp_path / "nowhere" / "x.jsonl")
        await pilot.press("enter")
        await settled(pilot)
        assert "No such file or directory" in text(app)
        assert isinstance(app.screen, ExportScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, ExportScreen)


async def test_escape_breaks_it_off_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("e", "right")
        shown, gate = form(app), asyncio.Event()
        monkeypatch.setattr("ccr_tui.screens.export.EVERY_S", 0.0)
        far = type(shown).Far
        loop = asyncio.get_running_loop()

        def hold(words: str) -> ExportScreen.Far:
            """The thread waits where it tells how far it has come."""
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(20)
            return far(words)

        monkeypatch.setattr(shown, "Far", hold)
        await pilot.press("enter")
        await pilot.press("escape")
        gate.set()
        await settled(pilot)
        assert "Broken off" in text(app)
    assert list(tmp_path.glob("session*")) == []


async def test_sessions_and_traces_export_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await pilot.press("enter")
        await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        assert "this request" in text(app)
        await pilot.press("escape")
        await pilot.press("escape")
        await settled(pilot)
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("down", "e")
        await settled(pilot)
        assert "session session-, all its requests" in text(app)


async def test_it_fits_a_small_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch, size=(80, 24)) as (app, pilot):
        await pilot.press("e")
        await settled(pilot)
        assert all(words in text(app) for words in ("Export", "this request", "jsonl:", "redact", "⏎ writes"))
