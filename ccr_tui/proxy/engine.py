"""The proxy as one thing that starts, answers and stops, on whatever event loop it is given.

Owns the listening socket, the upstream clients, the counting thread, the current config and the measure of the loop's
stalls. Must never know a screen or a database: it has callables only. The one surprise: stopping waits for the streams
that run (10 s at most), because a person's work hangs on them.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf

from aiohttp import ClientResponseError, web

from ccr_tui import __version__
from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.memory import Memory
from ccr_tui.places import default_db
from ccr_tui.prices import Book
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.connection import Runner
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.guards import Pace, Spent
from ccr_tui.proxy.keys import Keyring
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.server import Server
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.records import Json, Price
from ccr_tui.tally import Count
from ccr_tui.tokens import Calibration, Counter

AT_ONCE = 4096
"""Bytes of new text that are counted on the loop: 0.4 ms at most, where the way to a thread and back takes 0.2."""
LONG = 4 * 1024 * 1024
"""Bytes of new text that have a thread to themselves: 60 MB take 15 s, and other requests are not to wait for that."""
TICK_S = 0.05
"""How often the loop is asked whether it is on time."""
FAREWELL_S = 1.0
"""How long clients may take to read that the program ends."""
WAITING = 1024
"""Connections that may wait to be taken in; those beyond the usual 128 were reset where hundreds came at once."""
WINDOW = 40
"""Ticks that the shown stall looks back on: two seconds."""


class Engine:
    """The proxy. `config` may be swapped at any time; each exchange reads it once."""

    def __init__(
        self,
        config: Config,
        feed: Feed,
        counter: Counter,
        calibration: Calibration,
        learned: Callable[[str, float, int, float | None], None],
    ) -> None:
        self.feed = feed
        self.calibration = calibration
        self.stalls: deque[float] = deque(maxlen=WINDOW)
        self._counter, self._learned = counter, learned
        self.spent = Spent()
        feed.subscribe(self.spent.land)
        self._breakers, self._keyring, self._pace = Breakers(), Keyring(), Pace()
        self._memory = Memory()
        self._upstreams = Upstreams(garbled=ClientResponseError)
        self._threads = ThreadPoolExecutor(1, "count")
        self._long = ThreadPoolExecutor(1, "count long")
        self._runner: web.AppRunner | None = None
        self._server: Server | None = None
        self._stopping, self._hastened = asyncio.Event(), asyncio.Event()
        self._ticker: asyncio.Task[None] | None = None
        self.address = ""
        self.ready = asyncio.Event()
        """Cleared while the tokenizer is loaded by somebody, else it is loaded where it is first needed. Who asks
        meanwhile is passed on at once; only his answer waits for it."""
        self.ready.set()
        self._files: Json = {
            "config": config.path and str(config.path.absolute()),
            "database": str((config.db or default_db()).absolute()),
        }
        """Whose they are: a second program looks whether they are its own."""
        self.trouble: Callable[[], str] = str
        """What keeps the store from writing now, a sentence; "" where nothing does."""
        self.swap(config)

    def swap(self, config: Config) -> None:
        """Answer with this config from the next request on; those under way keep theirs."""
        self.config = config
        user = {name: model.price for name, model in config.models.items() if model.price}
        self._context = Context(
            config=config,
            upstreams=self._upstreams,
            feed=self.feed,
            book=Book(user),
            calibration=self.calibration,
            count=self.count,
            tokens_of=self._counter.text,
            learn=self._learn,
            breakers=self._breakers,
            keyring=self._keyring,
            spent=self.spent,
            pace=self._pace,
            memory=self._memory,
            stopping=self._stopping,
            ready=self.ready,
        )

    @property
    def context(self) -> Context:
        """What the next exchange stands on."""
        return self._context

    @property
    def stall_ms(self) -> float:
        """The loop's worst delay of the last two seconds, in milliseconds."""
        return max(self.stalls, default=0.0)

    async def start(self) -> None:
        """Listen. Raises CcrError if the port is taken or the address can't be bound."""
        self._server = Server(lambda: self._context, self.ready.wait, self.health, self.estimate)
        turned_away = self._server.turned_away.stranger
        self._runner = Runner(
            self._server.app(), turned_away, handler_cancellation=True, access_log=None, shutdown_timeout=0.2
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.host, self.config.port, backlog=WAITING)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise CcrError(unbindable(error, self.config)) from error
        self.address = f"http://{shown(self.config.host)}:{self._runner.addresses[0][1]}"
        self._ticker = asyncio.create_task(self._tick())

    def warm(self) -> None:
        """What the first request needs and 0.1 s of CPU is gone on: certificates and prices. Any thread."""
        self._upstreams.warm()
        self._context.book.warm()

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more requests, let those under way end, tell those that do not why, close everything."""
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()
            await self._landed(grace_s)
            await self._dismiss()
            await self._runner.cleanup()
            if self._server is not None:
                self._server.turned_away.end()
        if self._ticker is not None:
            self._ticker.cancel()
        await self._upstreams.close()
        for threads in (self._threads, self._long):
            threads.shutdown(wait=False, cancel_futures=True)

    def hasten(self) -> None:
        """Stop at once, whoever is still answered."""
        self._hastened.set()

    async def _landed(self, grace_s: float) -> None:
        """Wait until the board is empty, `grace_s` seconds at most, or until there is no time for that."""
        self.feed.subscribe(lambda _: None if self.feed.board else self._hastened.set())
        if self.feed.board:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._hastened.wait()

    async def _dismiss(self) -> None:
        """End what runs; its clients are told."""
        self._stopping.set()
        running = list(self._server.running) if self._server else []
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=FAREWELL_S)

    def health(self) -> Json:
        """What GET /health says."""
        config = self.config
        return {
            "status": "ok",
            "mode": config.mode,
            "version": __version__,
            "models": {agent: models[0] for agent, models in config.agents.items() if models},
            "in_flight": len(self.feed.board),
            "pid": os.getpid(),
            **self._files,
            "trouble": self.trouble(),
            "breakers": self._breakers.health(self._context.ticks()),
        }

    def count(self, body: Json) -> asyncio.Future[Count]:
        """Uncalibrated input tokens of a Messages body, counted in a thread unless little of it is new."""
        loop = asyncio.get_running_loop()
        news = self._counter.news(body)
        if news > AT_ONCE or not self.ready.is_set():
            held = [body]  # a thread's queue keeps what was cancelled until its turn comes
            threads = self._long if LONG < news < inf else self._threads
            counting = loop.run_in_executor(threads, lambda: self._counter.request(held[0]))
            counting.add_done_callback(lambda _: held.clear())
            return counting
        counted: asyncio.Future[Count] = loop.create_future()
        counted.set_result(self._counter.request(body))
        return counted

    async def estimate(self, body: Json) -> int:
        """What count_tokens answers: the count as the model that would be asked is expected to report it."""
        count, config = await self.count(body), self.config
        name = next(iter(config.agents.get("default", ())), "")
        if name not in config.models:
            return count.total
        model = config.models[name]
        ratio = facts_for(config.providers[model.provider], model).token_ratio
        return self.calibration.estimate(f"{model.provider}/{model.id}", count.total, ratio).tokens

    def _learn(self, key: str, raw: int, reported: int, ratio: float) -> None:
        before = self.calibration.known.get(key)
        learned = self.calibration.learn(key, raw, reported, ratio)
        if learned is not before:
            self._learned(key, learned.ratio, learned.n, learned.error)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self.stalls.append(max(0.0, (loop.time() - due) * 1000))


def shown(host: str) -> str:
    """The host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def unbindable(error: OSError, config: Config) -> str:
    """Why we can't listen, and what to do."""
    where = f"{shown(config.host)}:{config.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {config.port} on {config.host} is taken, perhaps by another ccr-tui. "
            f"End that program, or choose another port: ccr-tui --port {config.port + 1}."
        )
    if error.errno == errno.EACCES:
        return f"The system does not allow listening on {where}; choose a port over 1023."
    return f"Cannot listen on {where}: {error.strerror or error}. Check --host and --port."


def price_all(engine: Engine) -> None:
    """Look every configured model's price up once; the large table takes 0.3 s to load, so call it in a thread."""
    context = engine.context
    for model in context.config.models.values():
        provider = context.config.providers[model.provider]
        price: Price | None = context.book.quote(model, provider, context.clock())
        del price
