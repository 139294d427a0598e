"""The first picture needs none of the screens that nobody has opened; and they are there when somebody does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from houses import House, settled

from ccr_tui.app import CcrApp
from ccr_tui.screens import unopened
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.importing import ImportScreen
from ccr_tui.screens.replay_head import ReplayOf

DRIVER = "terminal_linux"
"""No screen: imported where one is shown on Linux or macOS, before the first picture."""
HOUSE = Path(__file__).parent.parent.parent / "ccr_tui"


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.removeprefix("ccr_tui.screens.") for name in done.stdout.split()}


def test_the_app_is_imported_without_the_screens_that_nobody_has_opened() -> None:
    loaded = loaded_by("import ccr_tui.app")
    assert "live" in loaded
    assert not {*unopened.NAMES, "textual_plotext", "plotext", "ccr_tui.player", "ccr_tui.replay", "json5"} & loaded


def test_what_is_loaded_afterwards_is_every_screen_that_there_is() -> None:
    loaded = loaded_by("import ccr_tui.app\nfrom ccr_tui.screens import unopened\nunopened.load()")
    there = {path.stem for path in (HOUSE / "screens").glob("*.py")} - {"__init__", DRIVER}
    assert there - loaded == set()


@pytest.mark.parametrize("message", [ContextScreen.Opened, ImportScreen.Taken, ReplayOf], ids=lambda m: m.__qualname__)
def test_the_app_hears_messages_of_screens_that_it_has_not_imported(message: type) -> None:
    assert callable(getattr(CcrApp, message.handler_name))  # type: ignore[attr-defined]


async def test_a_screen_that_is_asked_for_before_the_house_is_open_comes_then(tmp_path: Path) -> None:
    gate = asyncio.Event()

    class Slow(House):
        async def start(self) -> None:
            await gate.wait()
            await super().start()

    house = Slow(tmp_path / "ccr.db")
    app = CcrApp(house)
    async with app.run_test() as pilot:
        await pilot.press("3", "2")
        assert app.current_mode == "live"
        gate.set()
        await settled(pilot)
        assert app.current_mode == "sessions"
    await house.stop()
