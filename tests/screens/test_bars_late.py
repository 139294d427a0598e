"""What the footer says of a machine that is busy, and which keys help tells first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import generated
import pytest
from houses import House, settled, until

from ccr_tui.app import CcrApp
from ccr_tui.screens import bars


@pytest.fixture(autouse=True)
def long_started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(bars, "START_S", -1.0)
    yield


SAID = [
    (3, 120, "loop 3 ms"),
    (131, 120, "loop 131 ms"),
    (1337, 120, "! the machine is busy: this screen and streams were late by 1.3 s"),
    (1337, 80, "! busy: late by 1.3 s"),
]


@pytest.mark.parametrize(("stall", "width", "says"), SAID, ids=[f"{ms} ms at {width}" for ms, width, _ in SAID])
async def test_lateness_is_told_in_words_where_it_can_be_seen(
    tmp_path: Path, stall: int, width: int, says: str
) -> None:
    house = House(tmp_path / "ccr.db")
    house.engine.stall_ms = stall
    async with CcrApp(house).run_test(size=(width, 24)) as pilot:
        footer = (await until(pilot, says)).splitlines()[-1]
        assert footer.endswith(says) and "? help" in footer
    await house.stop()


async def test_the_start_itself_is_not_told_as_a_busy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "START_S", 1e9)
    house = House(tmp_path / "ccr.db")
    house.engine.stall_ms = 1337
    async with CcrApp(house).run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        footer = (await until(pilot, "? help")).splitlines()[-1]
        assert "busy" not in footer and "loop" not in footer
    await house.stop()


HELP = [
    ("1", "Live", "Normal mode or Router mode"),
    ("2", "Sessions", "The session's context over time"),
    ("3", "Spend", "A longer time"),
    ("4", "Models", "Test the connection: what can this model do?"),
    ("5", "Replay", "Add"),
]


async def test_help_begins_with_the_keys_of_the_screen(tmp_path: Path) -> None:
    house = House(tmp_path / "ccr.db")
    async with CcrApp(house).run_test(size=(80, 24)) as pilot:
        house.land([generated.trace("a")])
        for key, title, words in HELP:
            await pilot.press(key)
            await settled(pilot)
            await pilot.press("question_mark")
            page = await until(pilot, "Keys", words)
            assert title in page.splitlines()[2], page
            await pilot.press("escape")
            await settled(pilot)
        await pilot.press("1", "enter")
        await settled(pilot)
        await pilot.press("question_mark")
        assert "Trace" in (await until(pilot, "Keys")).splitlines()[2]
    await house.stop()
