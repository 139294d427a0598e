"""Whether the configuration has changed on the disk, and what it says then.

Owns the looking: once a second, at the time and size of a few files. Must never read a file on the event loop, nor take
one for complete that is still being written. The one surprise: a config.toml that was there and is gone, or empty, is a
problem and not a change, because editors take it away for a moment, and because without it a demo model would answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.values import variable

EVERY_S = 1.0
SETTLE_S = 0.1
"""A file must have stood still for so long before it is read."""
RESTART = {"host": "server.host", "port": "server.port", "db": "store.path"}
"""What can't change while we run."""
_SAID = {
    "api_key": "server.api_key", "timeout_s": "timeouts.upstream_s", "connect_timeout_s": "timeouts.connect_s",
    "ping_s": "timeouts.ping_s", "keep_streams": "store.keep_streams",
    "keep_days": "store.keep_days", "keep_bytes": "store.keep_gb", "baseline": "spend.baseline",
    "theme": "screen.theme",
}  # fmt: skip
"""Fields of `Config` that have another name in config.toml."""
_UNSAID = frozenset({"path", "origins", "env", "notes", *RESTART})
_TABLES = ("providers", "models", "agents")

Stamp = tuple[int, int, int] | None


class Source(Protocol):
    """Where the configuration comes from: the same flags, environment and directory as at the start."""

    def load(self) -> Config:
        """It, as the files say it now. Raises ConfigError."""

    def problems(self, file: Path) -> list[str]:
        """What would be wrong with it if this file were config.toml."""


async def watch(
    paths: Collection[Path],
    source: Source,
    tell: Callable[[Config | ConfigError], None],
    every_s: float | None = None,
    settle_s: float = SETTLE_S,
) -> None:
    """Tell of every change of these files, config.toml first, until cancelled: the new configuration, or what is wrong
    with it.

    What they say at the beginning is told too: they may have changed since they were read.
    """
    main = next(iter(paths))
    known, found = await _whole(paths, source, settle_s)
    there = {path for path, stamp in known.items() if _holds_any(stamp)}
    tell(found)
    while True:
        await asyncio.sleep(every_s or EVERY_S)
        if await asyncio.to_thread(_stamps, paths) == known:
            continue
        known, found = await _whole(paths, source, settle_s)
        gone = main in there and not _holds_any(known[main])
        there |= {path for path, stamp in known.items() if _holds_any(stamp)}
        tell(_gone(main) if gone else found)


async def _whole(
    paths: Collection[Path], source: Source, settle_s: float
) -> tuple[dict[Path, Stamp], Config | ConfigError]:
    """What the files say, read while none of them changed: half a file may be a configuration, and an empty one is."""
    while True:
        known = await _settled(paths, settle_s)
        found = await asyncio.to_thread(loaded, source)
        if await asyncio.to_thread(_stamps, paths) == known:
            return known, found


async def _settled(paths: Collection[Path], settle_s: float) -> dict[Path, Stamp]:
    before: dict[Path, Stamp] = {}
    found = await asyncio.to_thread(_stamps, paths)
    while found != before:
        before = found
        await asyncio.sleep(settle_s)
        found = await asyncio.to_thread(_stamps, paths)
    return found


def _stamps(paths: Collection[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def loaded(source: Source) -> Config | ConfigError:
    """The configuration as the files say it now, or what is wrong with it."""
    try:
        return source.load()
    except ConfigError as error:
        return error


def _holds_any(stamp: Stamp) -> bool:
    return stamp is not None and stamp[1] > 0


def _gone(path: Path) -> ConfigError:
    what = "empty" if path.exists() else "gone"
    return ConfigError(f"{path} is {what}; what it said still counts. Put it back, or restart without it.")


def adopt(running: Config, found: Config) -> tuple[Config, str | None]:
    """The configuration to go on with, and a sentence about what needs a restart."""
    fixed: dict[str, Any] = {name: getattr(running, name) for name in RESTART}
    held = [key for name, key in RESTART.items() if getattr(found, name) != fixed[name]]
    if not held:
        return found, None
    return replace(found, **fixed), f"{' and '.join(held)} changed in the configuration: restart ccr-tui for that."


def changes(before: Config, after: Config) -> list[str]:
    """The keys that differ, for people: mode, agents.coder, models.flash."""
    names = [each.name for each in fields(Config) if each.name not in _UNSAID and each.name not in _TABLES]
    found = [_SAID.get(name, name) for name in names if getattr(before, name) != getattr(after, name)]
    for table in _TABLES:
        old, new = getattr(before, table), getattr(after, table)
        found += [f"{table}.{name}" for name in {**old, **new} if old.get(name) != new.get(name)]
    return found + [f"${name}" for name in _secrets(after) if before.env.get(name) != after.env.get(name)]


def _secrets(config: Config) -> list[str]:
    """The variables that keys and headers name."""
    written = [
        text
        for each in config.providers.values()
        for text in (each.api_key or "", *each.api_keys, *each.headers.values())
    ]
    return sorted({name for text in written if (name := variable(text))})
