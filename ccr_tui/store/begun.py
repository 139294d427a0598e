"""Requests under way, noted where kill -9 does not reach: the next start knows what was running when a program ended.

Owns one small file for each running program, `<db>.running-…`, and what is read of those whose program is gone.
Must never hold what was said, nor wait for the disk: a line is one write into the system's memory, which outlives the
process. The one surprise: the file's lock tells whether its program still runs.

A request has a line when it has been understood, and another before its client has the end of the answer, with its
tokens and costs: until its trace is committed, a tenth of a second later in dense traffic, that line is all there is of
it. Both are written on the event loop, between two requests' work, when nothing of this is in the processor's caches:
so there are few calls, no lock (0.3 us of 4), and what a line holds is named field by field (`attrgetter` takes thrice
as long). Instead, a line is remembered before it is written, and whoever writes the file anew looks once more
afterwards: a line may stand there twice, which says nothing new, but never not at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from errno import ENOSPC
from pathlib import Path
from secrets import token_hex
from typing import Any

import orjson

from ccr_tui import ownfiles
from ccr_tui.records import Attempt, Failure, Flight, Price, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store.codec import BROKEN
from ccr_tui.wire import dumps, loads

if sys.platform == "win32":  # there an open file can't be removed, which tells as much

    def _lock(fd: int) -> None:
        """Nothing."""
else:
    from fcntl import LOCK_EX, LOCK_NB, flock

    def _lock(fd: int) -> None:
        """Make the file ours. Raises OSError where it is another's."""
        flock(fd, LOCK_EX | LOCK_NB)


LINE = orjson.OPT_APPEND_NEWLINE
LARGEST = 256 * 1024
"""Bytes after which the file is written anew, with what still counts."""
KILLED = "ccr-tui was ended (killed, or its machine went down) while this request ran."
CUT_OFF = "The client got this answer, but ccr-tui was killed before it was written down: its texts are lost."
ATTEMPT = (
    *("n", "purpose", "provider", "model", "started_at", "ttft_ms", "duration_ms", "status", "stop_reason"),
    *("cost", "cost_basis"),
)
"""What is noted of a call, beside its usage and its price."""
USAGE = tuple(each.name for each in fields(Usage))
PRICE = tuple(each.name for each in fields(Price))


class Begun:
    """This program's file. `begin` and `end` are called on the event loop, `kept` by the writer's thread."""

    def __init__(self, db: Path, cover: Callable[[bytes], bytes] = bytes) -> None:
        """`cover` makes of a line what may be kept of it."""
        self._cover = cover
        self.path = db.with_name(f"{db.name}.running-{token_hex(4)}")
        self._lines: dict[str, bytes] = {}
        self._running: dict[str, bytes] = {}
        """Those of requests that have not ended."""
        self._size = 0
        self._fd = -1

    def open(self) -> None:
        """Make the file. Without one (a full disk, a read-only directory) nothing is noted, and nothing fails."""
        with suppress(OSError):
            self._make()

    def _make(self) -> None:
        self._fd = ownfiles.create(self.path, os.O_RDWR | os.O_APPEND | os.O_EXCL)
        _lock(self._fd)

    def stay(self) -> None:
        """The file may have been deleted, with the database or alone, or cut: it is made again, with what counts."""
        if self._fd >= 0 and not self._stands():
            self._write_anew()

    def _stands(self) -> bool:
        """Whether what was written is there."""
        written = self._size
        with suppress(OSError):
            found = self.path.stat()
            return found.st_size >= written and os.path.samestat(found, os.fstat(self._fd))
        return False

    def begin(self, flight: Flight) -> None:
        """A request was understood, and is being answered."""
        if self._fd >= 0:
            uid = flight.uid
            told = (uid, flight.started_at, flight.kind, flight.session, flight.project, flight.asked_model)
            self._running[uid] = self._note(uid, b"", told)

    def end(self, trace: Trace) -> None:
        """It has ended; its trace is on the way into the database, or will be at once. What is noted is not again."""
        uid = trace.uid
        begun = self._running.pop(uid, b"")
        if begun:
            t = trace
            told = (uid, t.outcome, t.status, t.agent_id, t.streamed, t.ttft_ms, t.duration_ms, *map(_told, t.attempts))
            self._note(uid, begun, told)

    def kept(self, uids: Iterable[str]) -> None:
        """The traces of these are in the database, or in a file beside it."""
        for uid in uids:
            self._lines.pop(uid, None)
        if self._size > LARGEST:
            self._write_anew()
        else:
            self.stay()

    def close(self) -> None:
        """Everything was kept: the file goes. What could be kept nowhere else stays in it, for the next start."""
        with suppress(OSError):
            if self._fd >= 0 and self._lines:
                self._write_anew()
            if self._fd >= 0:
                os.close(self._fd)
                if not self._lines:
                    self.path.unlink()
        self._fd = -1

    def _note(self, uid: str, before: bytes, told: tuple[Any, ...]) -> bytes:
        """The request's lines; `before` is the one of before."""
        try:
            line = self._cover(orjson.dumps(told, None, LINE))
        except TypeError:  # half a character
            line = self._cover(dumps(told)) + b"\n"
        self._lines[uid] = lines = b"".join((before, line))  # a copy: what orjson gives holds on to ten times its size
        try:  # `suppress` would take a tenth of it
            self._size += os.write(self._fd, line)
        except OSError:
            pass
        return lines

    def _write_anew(self) -> None:
        """With what still counts."""
        try:
            self._replace()
        except OSError:  # a full disk; or Windows, where no open file is replaced
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
                self._size = os.write(self._fd, b"".join(self._lines.values()))

    def _replace(self) -> None:
        """By another file, so that whoever kills us meanwhile leaves the one or the other. Raises OSError."""
        made = self.path.with_name(f"{self.path.name}-new")
        fd = ownfiles.create(made, os.O_RDWR | os.O_APPEND | os.O_EXCL)
        try:
            _lock(fd)
            there = self._lines.copy()
            self._size = _written(fd, there.values())
            made.replace(self.path)
            os.dup2(fd, self._fd, inheritable=False)  # the number stays: the loop may be about to write to it
            self._size += _written(fd, [late for uid, late in self._lines.copy().items() if there.get(uid) != late])
        finally:
            os.close(fd)
            made.unlink(missing_ok=True)


def _written(fd: int, lines: Iterable[bytes]) -> int:
    """How many bytes. Raises OSError where not all of it could be written."""
    data = b"".join(lines)
    if os.write(fd, data) < len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    return len(data)


@dataclass(frozen=True, slots=True)
class Leftover:
    """The file of a program that is gone, and the requests of which it knew."""

    path: Path
    traces: tuple[Trace, ...]

    def remove(self) -> None:
        """They are kept elsewhere now."""
        with suppress(OSError):
            self.path.unlink()


def leftovers(db: Path) -> Iterator[Leftover]:
    """What programs that used this database left behind; those that still run are left alone."""
    for path in sorted(db.parent.glob(f"{db.name}.running-*")):
        with suppress(OSError):
            ownfiles.check(path)
            fd = os.open(path, os.O_RDWR | ownfiles.FLAGS)
            try:
                _lock(fd)
                if os.path.samestat(os.fstat(fd), path.stat()):  # else its program has just written another one
                    yield Leftover(path, tuple(_traces(path.read_bytes())))
            finally:
                os.close(fd)


def _traces(data: bytes) -> Iterator[Trace]:
    """As far as they can be told. The last line may be torn, and one may stand there twice."""
    known: dict[str, Trace] = {}
    for line in data.splitlines():
        with suppress(*BROKEN):
            uid, first, *others = loads(line)
            if isinstance(first, str):  # how it has ended, not when it began
                known[uid] = _ended(known[uid], first, *others)
            elif uid not in known:
                known[uid] = _interrupted(uid, first, *others)
    yield from known.values()


def _interrupted(
    uid: str, started_at: float, kind: Any, session: str | None, project: str | None, asked_model: str
) -> Trace:
    return Trace(
        uid=uid,
        origin="live",
        kind=kind,
        session=session,
        project=project,
        agent_id=None,
        asked_model=asked_model,
        streamed=True,
        body=None,
        raw=None,
        headers={},
        decision=None,
        attempts=(),
        reply=None,
        timeline=(),
        outcome="error",
        status=0,
        failure=Failure(0, "interrupted", KILLED),
        estimate=None,
        started_at=started_at,
        ttft_ms=None,
        duration_ms=0,
    )


def _ended(
    begun: Trace,
    outcome: Any,
    status: int,
    agent_id: str | None,
    streamed: bool,
    ttft_ms: int | None,
    duration_ms: int,
    *attempts: Any,
) -> Trace:
    return replace(
        begun,
        outcome=outcome,
        status=status,
        agent_id=agent_id,
        streamed=streamed,
        ttft_ms=ttft_ms,
        duration_ms=duration_ms,
        attempts=tuple(_attempt(*given) for given in attempts),
        failure=Failure(status, "interrupted", CUT_OFF),
    )


def _told(attempt: Attempt) -> tuple[Any, ...]:
    """In the order of ATTEMPT, then usage and price in the order of USAGE and PRICE."""
    a, u, p = attempt, attempt.usage, attempt.price
    return (
        a.n,
        a.purpose,
        a.provider,
        a.model,
        a.started_at,
        a.ttft_ms,
        a.duration_ms,
        a.status,
        a.stop_reason,
        a.cost,
        a.cost_basis,
        u and (u.input, u.output, u.cache_read, u.cache_write, u.reasoning, u.basis, u.cache_write_1h),
        p and (p.input, p.output, p.cache_read, p.cache_write, p.since, p.source, p.basis, p.cache_write_1h),
    )


def _attempt(*given: Any) -> Attempt:
    *plain, usage, price = given
    return Attempt(
        **dict(zip(ATTEMPT, plain, strict=True)),
        sent=None,
        usage=usage and Usage(**dict(zip(USAGE, usage, strict=True))),
        price=price and Price(**dict(zip(PRICE, price, strict=True))),
    )
