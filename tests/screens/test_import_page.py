"""The import form, opened with `i` and pressed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from houses import House, flat, settled, text, until
from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.screens.importing import ImportScreen

sys.path.append(str(Path(__file__).parent.parent / "transfer"))
import transcripts

RECORDED = Path(__file__).parent.parent.parent / "traces" / "coding.jsonl"


@asynccontextmanager
async def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[CcrApp, Pilot[None]]]:
    """An empty house; Claude Code's folder is below it."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    app = CcrApp(house := House(tmp_path / "ccr.db"))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settled(pilot)
        yield app, pilot
    await house.stop()


async def press(pilot: Pilot[None], *keys: str) -> str:
    await pilot.press(*keys)
    await settled(pilot)
    assert isinstance(pilot.app, CcrApp)
    return text(pilot.app)


async def test_the_first_run_takes_in_what_claude_code_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcripts.project(tmp_path / "claude")
    async with opened(tmp_path, monkeypatch) as (_, pilot):
        assert "i imports what Claude Code has done before" in text(pilot.app)
        assert "no session yet; i imports" in await press(pilot, "2")
        assert "5 transcripts of Claude Code's own" in await press(pilot, "i")
        assert "5 files read, 0 unchanged" in await press(pilot, "enter")
        assert "Sessions · 3" in await press(pilot, "enter")
        assert "5 files read" not in text(pilot.app)
        await press(pilot, "i", "enter")
        assert "0 files read, 5 unchanged since the last import" in text(pilot.app)


async def test_an_empty_folder_is_not_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "claude" / "projects").mkdir(parents=True)
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        screen = await press(pilot, "i")
        assert "has left no transcripts in" in flat(screen) and "0 B" not in screen
        assert isinstance(app.screen, ImportScreen)
        assert app.screen.path.value == ""
        assert "A folder of Claude Code's transcripts, or a file" in flat(await press(pilot, "enter"))


async def test_a_file_is_taken_in_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        assert "Claude Code has left no transcripts" in await press(pilot, "i")
        assert isinstance(app.screen, ImportScreen)
        app.screen.path.value = str(tmp_path / "nothing.har")
        await pilot.press("enter")
        await until(pilot, "No such file")
        app.screen.path.value = str(RECORDED)
        await pilot.press("enter")
        await until(pilot, "new, 0 known already")
        assert "no request yet" not in await press(pilot, "escape")


async def test_breaking_off_says_that_what_was_taken_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, monkeypatch) as (app, pilot):
        await press(pilot, "i")
        assert isinstance(app.screen, ImportScreen)
        app.screen._cancelled.set()
        form = app.screen
        monkeypatch.setattr(form._cancelled, "clear", lambda: None)
        form.path.value = str(RECORDED)
        await pilot.press("enter")
        await until(pilot, "Broken off; what was taken stays")
