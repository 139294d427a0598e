"""The configuration of a running proxy, which follows its files.

Owns what happens when they change: the engine goes on with the new configuration, or keeps the old one and says what is
wrong. Must never tear a request in flight: each reads the configuration once, when it begins. The one surprise: the
address and the database stay what they were until a restart, whatever the file says, and that is said too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ccr_tui.config import Config
from ccr_tui.editing import Edit, apply
from ccr_tui.errors import ConfigError
from ccr_tui.proxy.engine import Engine, price_all
from ccr_tui.records import Mode
from ccr_tui.watching import Source, adopt, changes, loaded, watch


class Reloading:
    """Keeps the engine's configuration what its source says. Without a source it never changes."""

    def __init__(self, engine: Engine, source: Source | None) -> None:
        self.problem: str | None = None
        """What is wrong with the configuration on the disk, or waits for a restart."""
        self._engine, self._source = engine, source
        self._mode: Mode | None = None
        self._agents: dict[str, tuple[str, ...]] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._watching: asyncio.Task[None] | None = None
        self._pricing: set[asyncio.Task[None]] = set()
        self._editing = asyncio.Lock()

    def listen(self, listener: Callable[[str], None]) -> None:
        """`listener` gets a sentence on the loop when the configuration has changed, or could not be taken."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Look up the prices, and watch the files."""
        self._price()
        path = self._engine.config.path
        if self._source and path:
            self._watching = asyncio.create_task(watch((path, Path.cwd() / ".env"), self._source, self.take))

    async def stop(self) -> None:
        """Look no more."""
        if self._watching:
            self._watching.cancel()
        await asyncio.gather(*self._pricing)

    def take(self, found: Config | ConfigError) -> None:
        """Go on with what was found, or keep what there is."""
        before, problem = self._engine.config, self.problem
        if isinstance(found, ConfigError):
            wrong = "; ".join(found.problems)
            self.problem = f"The configuration was changed and is wrong, so the old one stays: {wrong}"
        else:
            config, self.problem = adopt(before, found)
            config = self._with_held(config)
            if config != before:
                self._engine.swap(config)
                self._price()
        keys = changes(before, self._engine.config)
        if keys or self.problem != problem:
            self._tell(keys)

    def hold(self, mode: Mode | None = None, agents: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Until the program ends: this mode, and these agents' models, whatever flags, environment and files say."""
        self._mode = mode or self._mode
        self._agents |= agents or {}
        self._engine.swap(self._with_held(self._engine.config))

    def _with_held(self, config: Config) -> Config:
        """The configuration with what is held; a model that is no longer there is held no more."""
        agents = {name: kept for name, models in self._agents.items() if (kept := _there(models, config)) or not models}
        origins = {f"agents.{name}": "here" for name in agents} | ({"mode": "here"} if self._mode else {})
        mine = {name: models for name, models in {**config.agents, **agents}.items() if models}
        return replace(config, mode=self._mode or config.mode, agents=mine, origins={**config.origins, **origins})

    def _tell(self, keys: list[str]) -> None:
        news = f"The configuration changed: {', '.join(keys)}." if keys else ""
        right = "" if news or self.problem else "The configuration is right again."
        for listener in self._listeners:
            listener(" ".join(sentence for sentence in (news, self.problem, right) if sentence))

    def _price(self) -> None:
        """The first look into the large table of prices takes a while, so no request should have to."""
        task = asyncio.create_task(asyncio.to_thread(price_all, self._engine))
        self._pricing.add(task)
        task.add_done_callback(self._pricing.discard)

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        """Change config.toml, and go on with it at once. Sentences about what wins over the file.

        Raises ConfigError, and then nothing has changed.
        """
        source, path = self._source, self._engine.config.path
        if source is None or path is None:
            raise ConfigError("This configuration stands in no file, so it can't be changed here.")
        async with self._editing:  # or one would write what the file held before the other
            await asyncio.to_thread(apply, path, edits, source.problems)
            self.take(await asyncio.to_thread(loaded, source))
        origins = self._engine.config.origins
        given = {key: origins.get(key, "config.toml") for key in (".".join(keys) for keys, _ in edits)}
        return [f"{path} has {key} now, but {by} wins over it." for key, by in given.items() if by != "config.toml"]


def _there(models: Sequence[str], config: Config) -> tuple[str, ...]:
    return tuple(model for model in models if model in config.models)
