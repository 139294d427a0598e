"""A house without a proxy: the real store, the real board, and traces put in by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from ccr_tui.app import CcrApp
from ccr_tui.config import Config, Model, Provider
from ccr_tui.editing import Edit
from ccr_tui.errors import CcrError, ConfigError
from ccr_tui.feed import Feed
from ccr_tui.records import Badge, Flight, Mode, Trace
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer
from ccr_tui.tokens import Counter

QWEN = Config(
    providers={"dashscope": Provider("dashscope", "openai", "https://dashscope.aliyuncs.com/compatible-mode/v1")},
    models={"qwen-max": Model("qwen-max", "dashscope", "qwen-max")},
    agents={"default": ("qwen-max",)},
)
ROUTER = replace(
    QWEN,
    mode="router",
    models={
        name: Model(name, "dashscope", name) for name in ("qwen-max", "deepseek-flash", "deepseek-v4-pro", "qwen-3b")
    },
    agents={
        "default": ("qwen-max",),
        "tool": ("qwen-max",),
        "coder": ("deepseek-flash",),
        "think": ("deepseek-v4-pro",),
        "router": ("qwen-3b",),
    },
)
DEMO = Config(
    providers={"demo": Provider("demo", "demo", "http://demo.invalid/v1")},
    models={"demo": Model("demo", "demo", "demo")},
    agents={"default": ("demo",)},
)


PATIENCE_S = 30.0
"""Until what should come is given up: a busy machine takes its time."""
COUNTER = Counter()
"""Loads itself when it is first asked."""


@dataclass
class Engine:
    """What the screens see of an engine."""

    config: Config
    feed: Feed
    address: str = ""
    stall_ms: float = 2.0


class House:
    """Starts and stops a store only."""

    def __init__(self, db: Path, config: Config = QWEN, refuses: str = "") -> None:
        self.feed = Feed()
        self.counter = COUNTER
        self.engine = Engine(config, self.feed)
        self.rejected: list[str] = []
        self.viewing, self.is_apart = "", False
        self.refuses = refuses
        self.stopped = False
        self.problem: str | None = None
        self.patient = asyncio.Event()
        """Until it is set, a test of a model makes one check only."""
        self.ended = False
        self._configs: list[Callable[[str], Any]] = []
        self._listeners: list[Callable[[int], Any]] = []
        self.writer = Writer(db, lambda last: [listener(last) for listener in self._listeners], self.rejected.append)
        self.db = db

    def on_commit(self, listener: Callable[[int], Any], /) -> None:
        self._listeners.append(listener)

    def on_config(self, listener: Callable[[str], Any], /) -> None:
        self._configs.append(listener)

    def swap(self, config: Config, news: str = "", problem: str | None = None) -> None:
        """Another configuration was found on the disk, or one that is wrong."""
        self.engine.config, self.problem = config, problem
        for listener in self._configs:
            listener(news or problem or "")

    def hold(self, mode: Mode | None = None, agents: Mapping[str, tuple[str, ...]] | None = None) -> None:
        config = self.engine.config
        held = {**config.origins, **({"mode": "here"} if mode else {})}
        mine = {**config.agents, **(agents or {})}
        self.engine.config = replace(config, mode=mode or config.mode, agents=mine, origins=held)

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        raise ConfigError("This configuration stands in no file, so it can't be changed here.")

    async def test(self, model: str) -> AsyncGenerator[Badge, None]:
        try:
            for check in ("auth", "models"):
                yield Badge(check, "ok", f"{model} is fine.", 12, 0, 0.0)
                await self.patient.wait()
        finally:
            self.ended = True

    async def models_of(self, provider: str) -> list[str]:
        return [model.id for model in self.engine.config.models.values() if model.provider == provider]

    async def start(self) -> None:
        if self.refuses:
            raise CcrError(self.refuses)
        self.writer.start()
        self.reader = Reader(self.db)
        self.feed.subscribe(self.writer.put)
        self.engine.address = "http://127.0.0.1:3456"

    async def stop(self, grace_s: float = 10.0) -> None:
        self.stopped = True
        await asyncio.to_thread(self.writer.close)

    def land(self, traces: Iterable[Trace]) -> None:
        """These requests have finished, and are in the database."""
        for one in traces:
            self.feed.land(one)
        assert self.writer.flush(10)

    def fly(self, uid: str, **changes: Any) -> Flight:
        """This request is running."""
        return self.feed.take_off(
            Flight(**{"uid": uid, "started_at": 0.0, "asked_model": "claude-opus-5-5", **changes})
        )


def text(app: CcrApp) -> str:
    """What is on the screen, a line a row."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def until(pilot: Pilot[None], *words: str) -> str:
    """Wait until all of it is on the screen, and give the screen. Breaks of lines do not matter."""
    assert isinstance(pilot.app, CcrApp)
    end = time.monotonic() + PATIENCE_S
    while True:
        screen = text(pilot.app)
        if all(word in screen or word in flat(screen) for word in words):
            return screen
        if time.monotonic() > end:
            raise AssertionError(f"{words} did not come:\n{screen}")
        await pilot.pause(0.02)


def flat(screen: str) -> str:
    """The screen as one line, without frames."""
    return " ".join(screen.replace("│", " ").replace("▌", " ").split())


async def settled(pilot: Pilot[None]) -> None:
    """Until threads have answered and the screen shows it."""
    while True:
        await pilot.pause()
        running = [worker for worker in pilot.app.workers if not worker.is_finished]
        if not running:
            return
        await pilot.app.workers.wait_for_complete(running)
