"""A running house, as a test sees it, and the configuration that it runs with.

The one surprise: a test finds its own trace by the header x-ccr-trace, because one house serves many tests.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from scripted_openai import ScriptedOpenAI

from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.host import House
from ccr_tui.records import Price, Trace

KEY = "sk-scripted-0123456789abcdef"
"""The provider's key: it must never reach the store."""


@dataclass
class Place:
    """A house and the upstream behind it."""

    house: House
    upstream: ScriptedOpenAI | None
    landed: dict[str, Trace] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.house.feed.subscribe(self._land)

    def _land(self, trace: Trace) -> None:
        self.landed[trace.uid] = trace
        self._news.set()

    @property
    def address(self) -> str:
        return self.house.engine.address

    async def trace(self, uid: str) -> Trace:
        """The trace of that id as the store gives it back, once the exchange is over."""
        while uid not in self.landed:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)
        assert await self.house.flush()
        return await asyncio.to_thread(self.house.reader.trace, uid)

    async def next_trace(self, known: set[str]) -> Trace:
        """The first trace that is not among the known ones: for exchanges that gave the client no header.

        Those of strangers that were turned away are left out: some land a minute later.
        """
        while not (fresh := {uid for uid in self.landed.keys() - known if not is_strangers(self.landed[uid])}):
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)
        return await self.trace(fresh.pop())


def is_strangers(trace: Trace) -> bool:
    """Whether it was turned away by the door."""
    return trace.status in (401, 403, 404) and trace.body is None and trace.raw is None


def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, for somebody who will.

    None of those that the system hands out by itself: the tests beside this one ask it for many, and one of them would
    now and then get this very port before it is listened on.
    """
    while True:
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", secrets.choice(UNASKED)))
            return int(taken.getsockname()[1])


UNASKED = range(20_000, 32_000)
"""Below what Linux hands out (32768 on), macOS and Windows (49152 on), as they come."""


@cache
def dead_port() -> int:
    """A port of 127.0.0.1 on which nobody can listen while the tests run, whatever ports they take side by side."""
    HELD.bind(("127.0.0.1", 0))
    return int(HELD.getsockname()[1])


HELD = socket.socket()
"""Bound and never listening: who connects is refused."""


def config_for(upstream: ScriptedOpenAI, folder: Path, **more: Any) -> Config:
    """Models that the upstream answers, and some that nobody can reach. Nothing is tried twice, nobody rests.

    What `scripted` reports teaches the estimates of it; a test of an estimate asks `untaught` for no report.
    """
    price = Price(input=1_000_000_000, output=4_000_000_000, cache_read=100_000_000, source="test", basis="user")
    dead = f"http://127.0.0.1:{dead_port()}/v1"
    tls = f"https://127.0.0.1:{upstream.port}/v1"
    providers = {
        "scripted": Provider("scripted", "openai", upstream.base_url, api_key=KEY),
        "wrongkey": Provider("wrongkey", "openai", upstream.base_url, api_key="sk-wrong"),
        "dead": Provider("dead", "openai", dead, api_key=KEY),
        "tls": Provider("tls", "openai", tls, api_key=KEY),
        "nokey": Provider("nokey", "openai", upstream.base_url, api_key="$CCR_TEST_KEY_THAT_IS_NOT_SET"),
    }
    models = {
        "scripted": Model("scripted", "scripted", "scripted-model", price=price),
        "untaught": Model("untaught", "scripted", "untaught-model", price=price),
        "tagged": Model("tagged", "scripted", "tagged-model", price=price, quirks={"think_tags": True}),
        **{name: Model(name, name, "any-model") for name in ("wrongkey", "dead", "tls", "nokey")},
    }
    whole = Config(
        port=0,
        providers=providers,
        models=models,
        agents={"default": ("scripted",)},
        db=folder / "data" / "ccr.db",
        patience=Patience(waits_s=(), breaker_failures=1_000_000),
    )
    return replace(whole, **more)
