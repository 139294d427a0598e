"""A second ccr-tui beside the one that hosts the proxy: it opens the same database, writes nothing, and follows.

Owns what the screens see in place of a house: the store as the other program fills it, and whether that still runs.
Must never write, neither into the database nor into config.toml. The one surprise: it has no board; what is running
there is known by number only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from ccr_tui import places
from ccr_tui.config import Config
from ccr_tui.editing import Edit
from ccr_tui.errors import CcrError, ConfigError, StoreError
from ccr_tui.feed import Feed
from ccr_tui.places import default_db, is_same
from ccr_tui.records import Badge, Mode
from ccr_tui.store import schema
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Counter

Health = Mapping[str, Any]
"""What GET /health says."""
FOLLOW_S = 0.3
"""Between two looks for what is new."""
ASK_S = 2.0
"""Between two questions whether the proxy still runs."""


class Shown:
    """What the screens see of the engine: where it is, and with what configuration."""

    def __init__(self, config: Config, address: str) -> None:
        self.feed = Feed()
        self.config = config
        self.address = address
        self.stall_ms = 0.0


class Viewer:
    """In place of a house. `health` is what the proxy says of itself, None where it answers no more; it is asked in a
    thread."""

    def __init__(
        self, config: Config, address: str, pid: int | None, health: Callable[[], Health | None],
        theirs: Path | None = None,
    ) -> None:  # fmt: skip
        """`theirs` is where the proxy records, as far as it tells."""
        self.db: Path = config.db or default_db()
        self._apart = "" if theirs is None or is_same(theirs, self.db) else places.short(theirs)
        """The proxy's database, where that is not what is shown here."""
        self.is_apart = bool(self._apart)
        self.viewing = self._said(address, f"pid {pid}" if pid else "")
        """What the header says."""
        self.rejected: list[str] = []
        self.problem: str | None = None
        self.engine = Shown(replace(config, origins={}), address)
        self.counter = Counter()
        self._whose = f"pid {pid}" if pid else address
        self._health = health
        self._reader: Reader | None = None
        self._commits: list[Callable[[int], object]] = []
        self._following: asyncio.Task[None] | None = None

    def _said(self, address: str, who: str) -> str:
        if not self._apart:
            return f"viewing; the proxy runs {f'in {who} ' if who else ''}at {address}: {places.short(self.db)}"
        mine, other = apart(self.db, Path(self._apart))
        return f"{mine} is shown; the proxy records into {other}: {f'{who} at ' if who else ''}{address}"

    def _elsewhere(self, what: str) -> str:
        """Where a person can do what is refused here."""
        if self._apart:
            return (
                f"This ccr-tui only looks on: the proxy at {self.engine.address} is another's ({self._whose}, "
                f"{self._apart}). With a port of its own (--port) it hosts {places.short(self.db)}, and can {what}."
            )
        return f"This ccr-tui only looks on; {what} in the one that runs the proxy ({self._whose})."

    @property
    def reader(self) -> Reader:
        """Queries of the store; there once it has started."""
        assert self._reader is not None
        return self._reader

    def on_commit(self, listener: Callable[[int], object]) -> None:
        """`listener` gets the last row number when something has come."""
        self._commits.append(listener)

    def on_config(self, listener: Callable[[str], object]) -> None:
        """Nothing changes here."""

    async def start(self) -> None:
        """Open the store to look at. Raises CcrError."""
        schema.only_look(self._elsewhere("do that"))
        self._reader = Reader(self.db)
        await self._ask()
        self._following = asyncio.create_task(self._follow(await asyncio.to_thread(self._newest)))

    def _newest(self) -> tuple[object, int]:
        """Which file it is, and its newest request's number."""
        return self.reader.place(), self.reader.last_n()

    async def _follow(self, last: tuple[object, int]) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(FOLLOW_S)
            with suppress(StoreError):
                now = await asyncio.to_thread(self._newest)
                for listener in self._commits if now != last else ():
                    listener(now[1])
                last = now
            ticks += 1
            if ticks % max(1, round(ASK_S / FOLLOW_S)) == 0:
                await self._ask()

    async def _ask(self) -> None:
        """Whether the proxy still runs, in which mode, and with which models."""
        said = await asyncio.to_thread(self._health)
        gone = f"The proxy has ended ({self._whose}). Quit, and start ccr-tui again to host it here."
        self.rejected[:] = [gone] if said is None else []
        config = with_theirs(self.engine.config, said or {})
        if config != self.engine.config:
            self.engine.config = config

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        """Refused: raises ConfigError."""
        raise ConfigError(self._elsewhere("change it"))

    def hold(self, mode: Mode | None = None, agents: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Nothing is held here."""

    async def test(self, model: str) -> AsyncGenerator[Badge, None]:
        """Refused: raises CcrError."""
        raise CcrError(self._elsewhere("test it"))
        yield

    async def models_of(self, provider: str) -> list[str]:
        """Refused: raises CcrError."""
        raise CcrError(self._elsewhere("ask"))

    async def stop(self, grace_s: float = 10.0) -> None:
        """Look no more."""
        if self._following:
            self._following.cancel()
        if self._reader:
            self._reader.close()


def with_theirs(config: Config, said: Health) -> Config:
    """The configuration with the mode and the agents that a proxy tells of; models that are not known here are left
    out."""
    mode: Mode | None = next((each for each in get_args(Mode) if each == said.get("mode")), None)
    models = said.get("models")
    if mode is not None:
        config = replace(config, mode=mode)
    if isinstance(models, Mapping):
        agents = {agent: (name,) for agent, name in models.items() if name in config.models}
        same = {agent for agent, (name,) in agents.items() if config.agents.get(agent, ("",))[0] == name}
        config = replace(config, agents={a: config.agents[a] if a in same else names for a, names in agents.items()})
    return config


def apart(one: Path, other: Path) -> tuple[str, str]:
    """Both in as few letters as tell one from the other."""
    return (one.name, other.name) if one.name != other.name else (places.short(one), places.short(other))
