"""The user's own Python file that chooses a model: `def route(request, facts) -> str | None`.

Owns when that file may run (it belongs to the user, and nobody else may write it), that it is loaded once for each
version of it, and that it can't hold a request up: it runs in a thread of its own, with a deadline. Must never let it
fail a request: whatever goes wrong becomes a sentence of the trace, and the rules below decide. The one surprise: a
thread can't be stopped, so a function that never returns is left behind, and after a few of those none is begun.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock, Thread
from types import ModuleType
from typing import Any, NamedTuple

from ccr_tui.proxy.asked import kept_headers
from ccr_tui.proxy.question import Question, Verdict
from ccr_tui.proxy.routing import FIRST, counts, settled
from ccr_tui.proxy.rules import ruled
from ccr_tui.records import Json
from ccr_tui.wire import dumps, loads

DEADLINE_S = 2.0
SETTLE_S = 0.1
"""A new version must have stood still for so long before it is loaded in place of another."""
STUCK = 4
"""Calls that may be left behind before no more are begun."""
MODULE = "ccr_tui_custom_route"


class Unusable(Exception):
    """The file can't be asked; the message says why, without its folder."""


class Version(NamedTuple):
    """What tells one version of the file from others."""

    path: Path
    changed_ns: int
    size: int
    inode: int

    def stands_still(self) -> bool:
        """Whether nobody is about to write more: an editor empties a file first. One of the future counts as it is."""
        return not 0 <= time.time_ns() - self.changed_ns < SETTLE_S * 1e9


class Own:
    """The user's file, whichever one the configuration names; loaded again when it changes."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._loading = Lock()
        self._loaded: tuple[Version, ModuleType | Unusable] | None = None
        self._left: set[Thread] = set()

    async def ask(self, path: Path, request: Json, facts: dict[str, Any]) -> Verdict:
        """What the file's `route` says. Never raises for what it does."""
        self._left = {thread for thread in self._left if thread.is_alive()}
        if len(self._left) >= STUCK:
            return Verdict(None, f"{path.name} was not asked: {STUCK} of its calls have not returned yet")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Verdict] = loop.create_future()

        def run() -> None:
            verdict = self._answer(path, request, facts)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(_tell, told, verdict)

        thread = Thread(target=run, name="ccr-tui custom route", daemon=True)
        thread.start()
        try:
            await asyncio.wait({told}, timeout=self._deadline_s)
        finally:
            if not told.done():  # the deadline passed, or the client left
                self._left.add(thread)
        if told.done():
            return told.result()
        told.cancel()
        return Verdict(None, f"{path.name} did not answer within {self._deadline_s:g} s")

    def _answer(self, path: Path, request: Json, facts: dict[str, Any]) -> Verdict:
        try:
            said = self._module(path).route(loads(dumps(request)), facts)
        except Unusable as error:
            return Verdict(None, str(error))
        except BaseException as error:  # noqa: BLE001 - the user's code may raise anything, SystemExit too
            return Verdict(None, _trouble(path, error))
        return _verdict(path, said)

    def _module(self, path: Path) -> ModuleType:
        """The loaded file; its own failure to load is kept too, until it changes. Raises Unusable.

        While it is being written what it was before counts.
        """
        with self._loading:
            source, version = _read(path)
            known = self._loaded
            if known is None or known[0].path != path or (known[0] != version and version.stands_still()):
                known = self._loaded = version, _load(path, source)
            found = known[1]
        if isinstance(found, Unusable):
            raise found
        return found


def _tell(told: asyncio.Future[Verdict], verdict: Verdict) -> None:
    if not told.done():
        told.set_result(verdict)


def _read(path: Path) -> tuple[bytes, Version]:
    """The file's text, and which version of it that is. Raises Unusable."""
    try:
        _check_way(path)
        with path.open("rb") as file:
            _check(path, os.fstat(file.fileno()))
            source = file.read()
            about = os.fstat(file.fileno())  # afterwards: what was changed meanwhile does not stand still
            return source, Version(path, about.st_mtime_ns, about.st_size, about.st_ino)
    except OSError as error:
        raise Unusable(f"{path.name} could not be read: {error.strerror or error}") from error


def _check_way(path: Path) -> None:
    """Who may put another file or a link there chooses what runs. Raises Unusable or OSError."""
    if not hasattr(os, "getuid"):
        return
    link = path.lstat()
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (os.getuid(), 0):
        raise Unusable(f"{path.name} is a link of somebody else (user {link.st_uid}), so it is not followed")
    if any(each.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH for each in _folders(path)):
        raise Unusable(f"{path.name} lies in a directory that anybody can write into, so it is not run; chmod o-w it")


def _folders(path: Path) -> set[Path]:
    """Where the name stands, and where the file does."""
    return {path.absolute().parent, path.resolve().parent}


def _check(path: Path, about: os.stat_result) -> None:
    """It runs with the user's rights, so only the user (or root) may be able to write it."""
    if not hasattr(os, "getuid"):
        return  # Windows: its permissions don't show in the mode
    if about.st_uid not in (os.getuid(), 0):
        raise Unusable(f"{path.name} belongs to somebody else (user {about.st_uid}), so it is not run")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unusable(f"{path.name} can be written by others, so it is not run; chmod go-w makes it yours alone")


def _load(path: Path, source: bytes) -> ModuleType | Unusable:
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module  # dataclasses look their module up there
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException as error:  # noqa: BLE001 - as above
        return Unusable(_trouble(path, error))
    if not callable(getattr(module, "route", None)):
        return Unusable(f"{path.name} has no function route(request, facts)")
    return module


def _trouble(path: Path, error: BaseException) -> str:
    """Where in the file it happened, and what; one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())[:300]
    return f"{path.name}{f' line {line}' if line else ''}: {type(error).__name__}{f': {said}' if said else ''}"


def _verdict(path: Path, said: object) -> Verdict:
    if said is None or (isinstance(said, str) and not said.strip()):
        return Verdict(None, f"{path.name} left it open")
    if isinstance(said, str):
        return Verdict(said.strip()[:200])
    if asyncio.iscoroutine(said):
        said.close()
        return Verdict(None, f"{path.name}: route must be a plain def, not async def")
    return Verdict(None, f"{path.name}: route gave {type(said).__name__}, and not a model's name or None")


async def informed(question: Question, own: Own, count: Callable[[], Awaitable[int]]) -> Question:
    """The question with what its rules need: its tokens where one counts them, and the word of the user's file.

    Neither is asked for where an earlier rule decides. Raises NotFound as `decide` would.
    """
    path, counted = question.config.routing.custom, counts(question.config)
    if (path is None and not counted) or settled(question, FIRST):
        return question
    if counted:
        question = replace(question, estimate=await count())
    if path is None or settled(question, (ruled,)):
        return question
    return replace(question, custom=await own.ask(path, question.body, facts(question)))


def facts(question: Question) -> dict[str, Any]:
    """What the user's `route` is told beside the body: plain values, its own copies."""
    config = question.config
    return {
        **asdict(question.asked),
        "tokens": question.estimate,
        "mode": config.mode,
        "models": list(config.models),
        "agents": {agent: list(models) for agent, models in config.agents.items()},
        "headers": kept_headers(question.headers),
    }
