"""The house: the proxy and its memory, joined.

Owns what `ccr-tui serve` and the app have in common: one engine, one writer, one reader, one feed between them. Must
never import a screen. The one surprise: the feed hands a finished trace to the writer's queue and nothing else, so that
the proxy does not know that it is recorded.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import date
from pathlib import Path

from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.journal import journal
from ccr_tui.proxy.engine import Engine, price_all
from ccr_tui.settings import default_db
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer
from ccr_tui.tokens import Calibration, Counter

SESSIONS = 1000
"""Sessions whose spending is recalled at the start: the latest ones."""


class House:
    """Engine and store, started and stopped together."""

    def __init__(self, config: Config, counter: Counter | None = None) -> None:
        self.feed = Feed()
        self.db: Path = config.db or default_db()
        self.rejected: list[str] = []
        """Sentences about traces that could not be written; a banner shows the last."""
        self._counter = counter or Counter()
        self._commits: list[Callable[[int], None]] = []
        self.writer = Writer(self.db, self._committed, self.rejected.append)
        self.engine = Engine(config, self.feed, self._counter, Calibration(), self.writer.put_calibration)
        self._reader: Reader | None = None
        self._ending = ExitStack()

    @property
    def reader(self) -> Reader:
        """Queries of the store; there once the house has started."""
        assert self._reader is not None
        return self._reader

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """`listener` gets the last row number after each commit, on the writer's thread."""
        self._commits.append(listener)

    def _committed(self, last: int) -> None:
        for listener in self._commits:
            listener(last)

    async def start(self) -> None:
        """Open the store, load the tokenizer, listen. Raises CcrError."""
        await asyncio.to_thread(self.writer.start)
        self._ending.enter_context(journal(self.db))
        self._reader = await asyncio.to_thread(Reader, self.db)
        self.engine.calibration.load(await asyncio.to_thread(self._reader.calibrations))
        await asyncio.to_thread(self._recall)
        await asyncio.to_thread(self._counter.load)
        self.feed.subscribe(self.writer.put)
        try:
            await self.engine.start()
        except CcrError:
            await asyncio.to_thread(self.writer.close)
            self._ending.close()
            raise
        self._pricing = asyncio.create_task(asyncio.to_thread(price_all, self.engine))
        gc.collect()
        gc.freeze()

    def _recall(self) -> None:
        """What was spent today and by the sessions of late, for the budgets."""
        day, today = date.today(), self.reader.today()
        sessions = {row.id: row.cost for row in self.reader.sessions(limit=SESSIONS)}
        self.engine.spent.seed(day, today.cost, today.unpriced, sessions)

    async def flush(self) -> bool:
        """Wait until every finished trace is in the database; False if that took over 10 s."""
        return await asyncio.to_thread(self.writer.flush, 10.0)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Let streams end, then write everything down."""
        await self.engine.stop(grace_s)
        await self._pricing
        await asyncio.to_thread(self.writer.close)
        self._ending.close()


@asynccontextmanager
async def open(config: Config, counter: Counter | None = None) -> AsyncIterator[House]:
    """A running house, stopped at the end of the block. Raises CcrError."""
    house = House(config, counter)
    await house.start()
    try:
        yield house
    finally:
        await house.stop()


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Run the proxy with no screen until SIGTERM or SIGINT; `say` gets the narration. Raises CcrError if it can't."""
    asyncio.run(_serve(config, say))


async def _serve(config: Config, say: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with open(config) as house:
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, ended.set)
            except NotImplementedError:  # Windows has no signal handlers on its loop
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
        say(f"listening on {house.engine.address}")
        await ended.wait()
        say("ending; running streams get 10 s")
    for sentence in house.rejected:
        say(sentence)
