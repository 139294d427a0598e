"""A walk through the screens: one database, one clock, one app, and a stop at each screen.

Owns the database that the goldens show and how each screen is reached. Must never show what differs between two
machines: the clock stands still in UTC, the database is named without its folder, the standard library of this Python
is not quoted, no table of prices is asked that others maintain, and nothing runs.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import generated
import pytest
from houses import COUNTER, ROUTER, House, settled, until
from month import month
from realistic import SESSION, talk
from textual.pilot import Pilot
from textual.widgets import Input

from ccr_tui.app import CcrApp
from ccr_tui.records import Price, Trace
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.storage import StorageScreen
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.store import archive

sys.path.append(str(Path(__file__).parent.parent / "transfer"))
import transcripts

NOW = datetime(2026, 11, 23, 16, 30, tzinfo=UTC).timestamp()
"""A Monday."""
CHOSEN = "7014"
"""The request whose tabs are looked at: a tool's result has just blown its context up."""
OPUS = Price(5_000_000_000, 25_000_000_000, 500_000_000, since="2026-11-22", source="a list", basis="list")
CONFIG = replace(
    ROUTER,
    models={name: replace(model, price=OPUS) for name, model in ROUTER.models.items()},
    baseline="qwen-max",
)
Go = Callable[[Pilot[None], House], Awaitable[None]]


@contextmanager
def still() -> Iterator[None]:
    """It is `NOW` in UTC, and the library that made-up sessions quote is the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        patch.setenv("CLAUDE_CONFIG_DIR", "claude")
        time.tzset()
        patch.setattr(time, "time", lambda: NOW)
        patch.setattr(generated, "_library", lambda: LIBRARY)
        yield
    time.tzset()


def _library() -> str:
    chance = random.Random(3)
    words = ("record", "slice", "parse", "index", "start", "count", "state", "line", "value", "engine", "cache", "step")
    lines = (
        f"def {chance.choice(words)}_{n}({chance.choice(words)}):\n    return {chance.choice(words)}[{n}] + len(self)\n"
        for n in range(20_000)
    )
    return "".join(lines)


LIBRARY = _library()


def traces(days: int = 12) -> Iterator[Trace]:
    """Some days of work, and at their end a session in which everything happens."""
    yield from month(datetime.fromtimestamp(NOW - 7200), days=days)
    yield from (replace(one, project="/home/ada/engine") for one in talk(COUNTER, at=NOW - 1500))


def built(folder: Path) -> Path:
    """The database, as `ccr.db` in this folder."""
    archive.take_in(folder / "ccr.db", traces())
    transcripts.project(folder / "claude")
    return folder


async def walked(size: tuple[int, int], names: tuple[str, ...] = ()) -> AsyncIterator[tuple[str, Pilot[None]]]:
    """The name of each stop, when its screen stands still. `ccr.db` must be in the working directory."""
    house = House(Path("ccr.db"), CONFIG)
    app = CcrApp(house)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for name, go in STOPS.items():
            if names and name not in names:
                continue
            while len(app.screen_stack) > 1:
                await app.pop_screen()
            await go(pilot, house)
            await settled(pilot)
            for footer in app.screen.query(Footer):
                footer.look()
            for line in app.screen.query(Input):
                line.cursor_blink = False
            await settled(pilot)
            yield name, pilot
    await house.stop()


async def pressed(pilot: Pilot[None], *keys: str) -> None:
    """Key by key, since a key acts on what the one before has brought."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


def keys(*wanted: str) -> Go:
    async def go(pilot: Pilot[None], _: House) -> None:
        await pressed(pilot, *wanted)

    return go


def tab(number: int) -> Go:
    async def go(pilot: Pilot[None], house: House) -> None:
        pilot.app.push_screen(TraceScreen(house, house.reader.row(CHOSEN), lambda by: None))
        await settled(pilot)
        await pressed(pilot, str(number))

    return go


async def context(pilot: Pilot[None], house: House) -> None:
    pilot.app.push_screen(ContextScreen(house, SESSION))


async def storage(pilot: Pilot[None], house: House) -> None:
    await pressed(pilot, "1")
    pilot.app.push_screen(StorageScreen(house))


async def palette(pilot: Pilot[None], _: House) -> None:
    await pressed(pilot, "1", "ctrl+p", *"sort")
    await until(pilot, "Sort by cost, tokens")


async def filtering(pilot: Pilot[None], _: House) -> None:
    """What is offered behind a key. Written at once: between two letters the list may already be filtered."""
    await pressed(pilot, "1", "slash")
    pilot.app.screen.query_one("FilterLine", Input).insert_text_at_cursor("error model:")
    await settled(pilot)


TABS = ("overview", "conversation", "bodies", "route", "stream", "tokens", "cache", "diff")
STOPS: dict[str, Go] = {
    "live": keys("1"),
    "sessions": keys("2", "j", "right", "j", "right"),
    "spend": keys("3"),
    **{name: tab(n) for n, name in enumerate(TABS, 1)},
    "context": context,
    "storage": storage,
    "models": keys("4"),
    "help": keys("1", "question_mark"),
    "palette": palette,
    "export": keys("1", "e"),
    "import": keys("1", "i"),
    "filtering": filtering,
}
