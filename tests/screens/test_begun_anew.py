"""The database goes away under the running app: the lists begin anew, in the app that records and in one that looks on.

The one surprise: in a new file requests are numbered from one again, so that "newer than the newest that is known"
finds nothing in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from generated import trace
from houses import PATIENCE_S, QWEN, House, settled, until
from textual.pilot import Pilot

from ccr_tui import viewing
from ccr_tui.app import CcrApp
from ccr_tui.records import Trace
from ccr_tui.screens import listed
from ccr_tui.store import schema
from ccr_tui.viewing import Viewer


def made(name: str, count: int) -> list[Trace]:
    """Requests of one session, the newest now."""
    now = time.time()
    return [
        trace(f"{name}{n}", session=name, project=f"/home/ada/{name}", started_at=now - count + n) for n in range(count)
    ]


def moved(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        file = Path(f"{path}{ending}")
        if file.exists():
            file.rename(path.with_name(f"moved.db{ending}"))


def deleted(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


AWAY: dict[str, Callable[[Path], None]] = {"moved": moved, "deleted": deleted, "damaged": damaged}


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(viewing, "FOLLOW_S", 0.02)
    monkeypatch.setattr(listed, "LOOK_S", 0.05)
    yield
    schema.only_look("")


@asynccontextmanager
async def recording(path: Path) -> AsyncIterator[tuple[House, Pilot[None]]]:
    house = House(path)
    async with CcrApp(house).run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        house.land(made("old", 30))
        await until(pilot, "Requests · 30 · following")
        yield house, pilot
    await house.stop()


@asynccontextmanager
async def looking(path: Path) -> AsyncIterator[Pilot[None]]:
    viewer = Viewer(replace(QWEN, db=path), "http://127.0.0.1:3456", 4711, dict)
    async with CcrApp(viewer).run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        yield pilot
    await viewer.stop()


def said(pilot: Pilot[None]) -> list[str]:
    """What was told, its path left out."""
    return [note.message.rpartition("ccr.db ")[2] for note in pilot.app._notifications]


ANOTHER = "is another file now; the one before was moved, deleted or damaged. The lists begin anew."
"""Told unless somebody looked while there was none."""
GONE = "is gone; a new one comes with the next request. The lists begin anew."


@pytest.mark.parametrize("go_away", AWAY.values(), ids=AWAY)
async def test_the_lists_begin_anew_and_say_so(tmp_path: Path, go_away: Callable[[Path], None]) -> None:
    path = tmp_path / "ccr.db"
    async with recording(path) as (house, pilot):
        await pilot.press("2")
        await until(pilot, "Sessions · 1", "▾ old")
        await pilot.press("1")
        while house.writer._recent._traces:  # what stands in the log alone would be stored again
            await pilot.pause(0.02)
        go_away(path)
        house.land(made("new", 12))
        await until(pilot, "Requests · 12 · following")
        end = time.monotonic() + PATIENCE_S
        while not said(pilot) and time.monotonic() < end:  # which comes a message later
            await pilot.pause(0.02)
        assert said(pilot) in ([ANOTHER], [GONE])
        await pilot.press("2")
        screen = await until(pilot, "Sessions · 1", "▾ new")
        assert "▾ old" not in screen
        await pilot.press("1", "enter")
        await until(pilot, "1 Overview", "asked for")
        await pilot.press("escape")
        house.land(made("later", 3))
        await until(pilot, "Requests · 15")


async def test_a_row_that_is_opened_when_the_file_is_gone_says_so(tmp_path: Path) -> None:
    async with recording(tmp_path / "ccr.db") as (_, pilot):
        moved(tmp_path / "ccr.db")
        await pilot.press("enter")
        await until(pilot, "Requests · 0 · following")
        assert GONE in said(pilot)


async def test_a_session_s_own_list_is_empty_where_the_session_is_gone(tmp_path: Path) -> None:
    async with recording(tmp_path / "ccr.db") as (house, pilot):
        await pilot.press("2")
        await until(pilot, "▾ old")
        await pilot.press("j", "enter")
        await until(pilot, "· 30 · following")
        moved(tmp_path / "ccr.db")
        house.land(made("new", 2))
        await until(pilot, "· 0 · following")
        assert said(pilot) in ([ANOTHER], [GONE])


async def test_who_looks_on_begins_anew_too(tmp_path: Path) -> None:
    path = tmp_path / "ccr.db"
    house = House(path)
    await house.start()
    house.land(made("old", 30))
    async with looking(path) as pilot:
        await until(pilot, "Requests · 30 · following")
        moved(path)
        await until(pilot, "Requests · 0 · following")
        assert said(pilot) == [GONE]
        schema.only_look("")
        house.land(made("new", 12))
        await until(pilot, "Requests · 12 · following")
    await house.stop()


async def test_as_many_requests_in_another_file_are_others_to_who_looks_on(tmp_path: Path) -> None:
    path = tmp_path / "ccr.db"
    other = House(tmp_path / "other.db")
    house = House(path)
    for one, name in ((house, "old"), (other, "new")):
        await one.start()
        one.land(made(name, 3))
        await one.stop()
    async with looking(path) as pilot:
        await until(pilot, "Requests · 3 · following")
        (tmp_path / "other.db").replace(path)
        await until(pilot, "  new  ")
        assert said(pilot) == [ANOTHER]
        await pilot.press("2")
        await until(pilot, "▾ new")
