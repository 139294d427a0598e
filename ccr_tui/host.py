"""The house: the proxy and its memory, joined.

Owns what `ccr-tui serve` and the app have in common: one engine, one writer, one reader, one feed between them, and a
configuration that follows its files. Must never import a screen. The one surprise: the feed hands a finished trace to
the writer's queue and nothing else, so that the proxy does not know that it is recorded.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from datetime import date
from pathlib import Path

from ccr_tui import lean, loops, wiretest
from ccr_tui.config import Config, secrets
from ccr_tui.editing import Edit
from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.journal import journal
from ccr_tui.keeping import Keeping
from ccr_tui.proxy import listing
from ccr_tui.proxy.engine import Engine
from ccr_tui.proxy.routing import resolve
from ccr_tui.records import Badge, Mode
from ccr_tui.reloading import Reloading
from ccr_tui.settings import default_db
from ccr_tui.slack import Slack, give_back
from ccr_tui.store import badges, paid
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer
from ccr_tui.tokens import Calibration, Counter
from ccr_tui.watching import Source

log = logging.getLogger(__name__)
ENDINGS = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""Signals after which streams may end and everything is written down; the last is the terminal that was closed."""
SESSIONS = 1000
"""Sessions whose spending is recalled at the start: the latest ones."""
SWITCH_S = 0.001
"""How long another thread of Python may keep the event loop waiting; the interpreter's own 5 ms show in a stream."""


class House:
    """Engine and store, started and stopped together."""

    def __init__(self, config: Config, counter: Counter | None = None, source: Source | None = None) -> None:
        self.feed = Feed()
        self.db: Path = config.db or default_db()
        self.rejected: list[str] = []
        """Sentences about traces that could not be written; a banner shows the last."""
        self.viewing = ""
        """A house that hosts the proxy views nobody else's."""
        self.is_apart = False
        self._counter = counter or Counter()
        self._commits: list[Callable[[int], None]] = []
        self._minders: list[Callable[[str], None]] = []
        self._trouble = ""
        self.writer = Writer(self.db, self._committed, self._rejected, self._secrets, self._store_troubled)
        self.engine = Engine(config, self.feed, self._counter, Calibration(), self.writer.put_calibration)
        self.engine.trouble = lambda: self._trouble
        self._reloading = Reloading(self.engine, source)
        self._keeping = Keeping(self.db, lambda: self.engine.config, self._tell_of_store)
        self._slack = Slack(self.feed)
        self._reader: Reader | None = None
        self._ending = ExitStack()
        self._settling: asyncio.Task[None] | None = None

    @property
    def reader(self) -> Reader:
        """Queries of the store; there once the house has started."""
        assert self._reader is not None
        return self._reader

    @property
    def counter(self) -> Counter:
        """What counts tokens, from any thread."""
        return self._counter

    def on_commit(self, listener: Callable[[int], None]) -> None:
        """`listener` gets the last row number after each commit, on the writer's thread."""
        self._commits.append(listener)

    def on_store(self, listener: Callable[[str], None]) -> None:
        """`listener` gets a sentence, on any thread, when something could not be written, and when that has passed."""
        self._minders.append(listener)

    def _secrets(self) -> list[str]:
        """What no record may hold: the keys of the configuration, and those that clients present."""
        return [*secrets(self.engine.config), *self.feed.presented]

    def _rejected(self, sentence: str) -> None:
        """A banner shows it from now on, and the log has it."""
        self.rejected.append(sentence)
        self._tell_of_store(sentence)

    def _store_troubled(self, sentence: str) -> None:
        """What keeps the store from writing is a banner until it has passed."""
        if self._trouble in self.rejected:
            self.rejected.remove(self._trouble)
        if sentence:
            self.rejected.append(sentence)
        self._trouble = sentence
        self._tell_of_store(sentence or f"{self.db} can be written again; nothing was lost.")

    def _tell_of_store(self, sentence: str) -> None:
        log.warning(sentence)
        for listener in self._minders:
            listener(sentence)

    def _committed(self, last: int) -> None:
        for listener in self._commits:
            listener(last)

    async def start(self) -> None:
        """Open the store, listen, and get ready for the first answer, which waits for that. Raises CcrError."""
        self._ending.enter_context(journal(self.db))
        try:
            await asyncio.to_thread(self.writer.start)
        except CcrError:
            self._ending.close()
            raise
        self._reader = await asyncio.to_thread(Reader, self.db)
        self.engine.calibration.load(await asyncio.to_thread(self._reader.calibrations))
        await asyncio.to_thread(self._recall)
        self.feed.on_begin(self.writer.begin)
        self.feed.on_end(self.writer.end)
        self.feed.subscribe(self.writer.put)
        self._send_spans()
        self.engine.ready.clear()
        try:
            await self.engine.start()
        except CcrError:
            await asyncio.to_thread(self.writer.close)
            self._ending.close()
            raise
        self._reloading.start()
        self._keeping.start()
        self._slack.start()
        self._settling = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        """What takes half a second of CPU and nobody needs to see the first screen."""
        try:
            await asyncio.gather(asyncio.to_thread(self.engine.warm), asyncio.to_thread(self._counter.load))
        finally:
            self.engine.ready.set()
        await asyncio.to_thread(lean.settle)
        await asyncio.to_thread(give_back)
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_S)

    def _send_spans(self) -> None:
        """To the collector that OTEL_EXPORTER_OTLP_ENDPOINT names, if it names one."""
        if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in self.engine.config.env):
            return  # and 20 ms of imports are saved
        from ccr_tui.transfer import otlp

        if spans := otlp.begin(self.engine.config, self.rejected.append):
            self.feed.subscribe(spans.put)
            self._ending.callback(spans.close)

    def _recall(self) -> None:
        """What was spent today and by the sessions of late, for the budgets."""
        day, today = date.today(), self.reader.today()
        sessions = {row.id: row.cost for row in self.reader.sessions(limit=SESSIONS)}
        self.engine.spent.seed(day, today.cost, today.unpriced, sessions)

    @property
    def problem(self) -> str | None:
        """What is wrong with the configuration on the disk, or waits for a restart; a banner shows it."""
        return self._reloading.problem

    def on_config(self, listener: Callable[[str], None]) -> None:
        """`listener` gets a sentence on the loop when the configuration has changed, or could not be taken."""
        self._reloading.listen(listener)

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        """Change config.toml (see `editing`), and go on with it at once. Sentences about what wins over the file.

        Raises ConfigError, and then nothing has changed.
        """
        return await self._reloading.edit(edits)

    def hold(self, mode: Mode | None = None, agents: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Until the program ends: this mode, and these agents' models, whatever flags, environment and files say."""
        self._reloading.hold(mode, agents)

    async def test(self, model: str) -> AsyncGenerator[Badge, None]:
        """Find out what the model of that name can do, a badge after each check; they are kept. Raises NotFound."""
        meant = resolve(self.engine.config, model)
        found: list[Badge] = []
        billed = paid.Paid()
        try:
            async with aclosing(wiretest.run(self.engine.context, model, sent=billed.take)) as testing:
                async for badge in testing:
                    found.append(badge)
                    yield badge
        finally:  # what is broken off ends with the test, and is paid for
            await asyncio.to_thread(paid.keep, self.db, "test", f"{meant.provider}/{meant.id}", billed)
            await asyncio.to_thread(badges.save, self.db, meant.provider, meant.id, found)

    async def models_of(self, provider: str) -> list[str]:
        """The ids that a configured provider lists. Raises ProxyError, or ConfigError where its key is not set."""
        return await listing.models_of(self.engine.context, self.engine.config.providers[provider])

    async def flush(self) -> bool:
        """Wait until every finished trace is in the database; False if that took over 10 s."""
        return await asyncio.to_thread(self.writer.flush, 10.0)

    async def settled(self) -> None:
        """Wait until nothing of the start is still under way: it may hold the loop for a moment."""
        if self._settling is not None:
            with suppress(CcrError):  # each request was told
                await self._settling

    async def stop(self, grace_s: float = 10.0) -> None:
        """Let streams end, then write everything down."""
        await self.settled()
        await self._reloading.stop()
        await self._keeping.stop()
        self._slack.stop()
        await self.engine.stop(grace_s)
        await asyncio.to_thread(self.writer.close)
        self._ending.close()


@asynccontextmanager
async def open(config: Config, counter: Counter | None = None, source: Source | None = None) -> AsyncIterator[House]:
    """A running house, stopped at the end of the block. Raises CcrError."""
    house = House(config, counter, source)
    await house.start()
    try:
        yield house
    finally:
        await house.stop()


def serve(config: Config, say: Callable[[str], None], source: Source | None = None) -> None:
    """Run the proxy with no screen until SIGTERM or SIGINT; `say` gets the narration. Raises CcrError if it can't."""
    loops.run(_serve(config, say, source))


async def _serve(config: Config, say: Callable[[str], None], source: Source | None) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(sentence: str) -> None:
        with suppress(OSError):  # the terminal may be closed
            say(sentence)

    async with open(config, source=source) as house:
        for sentence in house.rejected:
            tell(sentence)
        house.on_config(tell)
        house.on_store(tell)

        def told() -> None:
            if ended.is_set():
                house.engine.hasten()
            ended.set()

        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_IGN:  # as nohup has it
                continue
            try:
                loop.add_signal_handler(number, told)
            except NotImplementedError:  # Windows has no signal handlers on its loop
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(told))
        tell(f"listening on {house.engine.address}")
        await ended.wait()
        tell("ending; running streams get 10 s, or none if told so again")
    if lost := house.writer.lost:
        raise CcrError(f"{lost} requests could be written down nowhere; each was named, with the reason.")
