"""Every question the screens and the command line ask of the store.

Owns the reading connections, one a thread, read only. Must never touch a body to make a list, never page by OFFSET,
and never let an sqlite3 error out: it becomes a StoreError with its cure. The one surprise: a database that does not
exist yet reads as an empty one, and nothing is created by reading.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ccr_tui.errors import StoreError
from ccr_tui.records import Price, Trace
from ccr_tui.store import afterwards, asked, badges, codec, paths, patterns, runs, schema, standing, sums
from ccr_tui.store.amounts import Billed, SpendRow, Sums, Today
from ccr_tui.store.bodies import Desk
from ccr_tui.store.browsing import Browsing, Stop
from ccr_tui.store.conversing import Conversing
from ccr_tui.store.filters import BEYOND, Filter
from ccr_tui.store.listing import ROW, CutOff, Key, List, Order
from ccr_tui.store.paid import Paid, paid
from ccr_tui.store.paths import Reported
from ccr_tui.store.phrases import Phrase
from ccr_tui.store.replayed import Replayed, replayed
from ccr_tui.store.rows import SessionRow, TraceRow, trace_json
from ccr_tui.store.runs import KeptStep, RunRow
from ccr_tui.store.sums import By

__all__ = [
    "Billed", "By", "CutOff", "Filter", "Key", "List", "Order", "Phrase", "Reader", "SessionRow", "SpendRow", "Sums",
    "Today", "TraceRow", "trace_json",
]  # fmt: skip

STEPS_A_LOOK = 50_000
"""Steps of SQLite's machine, some milliseconds, between two looks whether a query is still wanted."""
HEAVY = """
SELECT t.request_id, t.reply_id, r.data, r.raw FROM trace t JOIN record r ON r.trace = t.n WHERE t.n = ?
"""
STEPS = """
SELECT a.sent_id, s.data FROM attempt a LEFT JOIN stream s ON s.attempt = a.id WHERE a.trace = ? ORDER BY a.id
"""

HOPS = "SELECT trace, purpose FROM attempt WHERE trace IN ({marks}) ORDER BY id"


class Reader(Browsing, Conversing):
    """Reads the database at `path` from any thread. Every method may raise StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._busy: set[sqlite3.Connection] = set()
        self._lock = threading.Lock()
        """For the two above."""
        self._asked: tuple[float, str] | None = None
        """A midnight, and the model that counts from then on."""

    def rows(self, filter: Filter | None = None, before: int | None = None, limit: int = 200) -> list[TraceRow]:
        """The newest requests, older than number `before` if that is given."""
        with self._reading() as db:
            where, values = (filter or Filter()).where(db)
            older = "t.n < ?" if before is not None else "?"
            page = f"{ROW} WHERE {older} AND {where} ORDER BY t.n DESC LIMIT ?"
            return [TraceRow(*row) for row in db.execute(page, [1 if before is None else before, *values, limit])]

    def rows_after(self, n: int, limit: int = 1000) -> list[TraceRow]:
        """What came after number `n`, oldest first: for a script that follows."""
        with self._reading() as db:
            page = db.execute(f"{ROW} WHERE t.n > ? ORDER BY t.n LIMIT ?", (n, limit))
            return [TraceRow(*row) for row in page]

    def count(self, filter: Filter | None = None) -> int:
        """How many requests pass the filter."""
        with self._reading() as db:
            where, values = (filter or Filter()).where(db)
            return int(db.execute(f"SELECT count(*) FROM trace t WHERE {where}", values).fetchone()[0])

    def row(self, id: str) -> TraceRow:
        """The request with this id, or whose id alone begins so. Raises StoreError where there is none, or several."""
        with self._reading() as db:
            return TraceRow(*db.execute(f"{ROW} WHERE t.n = ?", (self._number(db, id),)).fetchone())

    def trace(self, id: str) -> Trace:
        """The whole record, equal to what was put in. Raises StoreError as `row` does."""
        with self._reading() as db:
            return self._trace(db, self._number(db, id))

    def traces(self, filter: Filter | None = None) -> Iterator[Trace]:
        """Whole records, oldest first, one at a time: for the archive."""
        at = 0
        while page := self._numbers(filter, at):
            for at in page:
                with self._reading() as db:
                    trace = self._trace(db, at)
                yield trace

    def hops(self, numbers: Sequence[int]) -> dict[int, str]:
        """Of these requests, what each call was for, as `TraceRow.hops` has it; those without a call are left out.

        Lists do not ask for it by themselves: it reads the attempts.
        """
        marks = ",".join("?" * len(numbers))
        found: dict[int, str] = {}
        if not numbers:
            return found
        with self._reading() as db:
            for n, purpose in db.execute(HOPS.format(marks=marks), list(numbers)):
                found[n] = f"{found[n]},{purpose}" if n in found else purpose
        return found

    def paths(self, numbers: Sequence[int], translated: bool = False) -> paths.Paths:
        """What these requests sent as paths of chunks; a request whose body is no JSON is left out.

        With `translated`, what was sent on too.
        """
        with self._reading() as db:
            return paths.load(db, numbers, self._chunks, self._headers, translated)

    def reported(self, provider: str, model: str, limit: int = 40) -> list[Reported]:
        """The latest requests that a model answered and whose tokens it reported, oldest first."""
        with self._reading() as db:
            return paths.reported(db, provider, model, limit)

    def sessions(self, limit: int = 200, since: float | None = None, before: float | None = None) -> list[SessionRow]:
        """The sessions that were last active, `since` and `before` being times of their last activity."""
        with self._reading() as db:
            return sums.sessions(db, limit, since, before)

    def session(self, id: str) -> SessionRow:
        """The session with this id, or whose id alone begins so. Raises StoreError where there is none, or several."""
        with self._reading() as db:
            uid = _only(db, "session", id, self.path)[1]
            return sums.session(db, uid)

    def spend(
        self, by: By = "day", since: float | None = None, until: float | None = None, baseline: Price | None = None
    ) -> list[SpendRow]:
        """Sums by hour, local day or week, model, agent, session, project or provider; times count by quarter hours.

        Hours, days and weeks come in order of time, the rest dearest first. Raises ValueError for another `by`.
        """
        with self._reading() as db:
            return sums.spend(db, by, since, until, baseline)

    def total(self, since: float | None = None, until: float | None = None) -> Sums:
        """All that was spent in a time, in one."""
        with self._reading() as db:
            return sums.total(db, since, until)

    def sessionless(self, since: float | None = None) -> Sums:
        """What was spent outside any session, in one."""
        with self._reading() as db:
            return sums.sessionless(db, since)

    def billed(
        self, since: float | None = None, until: float | None = None, only: tuple[By, str | None] | None = None
    ) -> list[Billed]:
        """Where the money is known from, the largest part first; `only` of one key of a way to sum, such as
        ("model", "qwen-max")."""
        with self._reading() as db:
            return sums.billed(db, since, until, only)

    def course(self, by: By, edges: Sequence[float]) -> list[dict[str | None, int]]:
        """What was spent between each two of the times, by key; known costs only. By hour, day or week: by one key."""
        with self._reading() as db:
            return sums.course(db, by, edges)

    def began(self) -> float | None:
        """When the first request came, to a quarter of an hour; None without any."""
        with self._reading() as db:
            return sums.began(db)

    def asked(self, now: float | None = None) -> str | None:
        """The model that the client asks for, the same for a whole day; None if it named none of Claude's."""
        moment = datetime.now() if now is None else datetime.fromtimestamp(now)
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        if self._asked is None or self._asked[0] != midnight:
            with self._reading() as db:
                found = asked.before(db, midnight) or asked.first(db)
            if found is None:
                return None
            self._asked = midnight, found
        return self._asked[1]

    def today(self, baseline: Price | None = None, now: float | None = None) -> Today:
        """Everything since local midnight."""
        moment = datetime.now() if now is None else datetime.fromtimestamp(now)
        with self._reading() as db:
            return sums.today(db, moment, baseline)

    def calibrations(self) -> dict[str, tuple[float, int, float | None]]:
        """What was learned about each model's tokens: key to (ratio, n, error)."""
        with self._reading() as db:
            rows = db.execute("SELECT key, ratio, n, error FROM calibration").fetchall()
            return {key: (ratio, n, error) for key, ratio, n, error in rows}

    def badges(self) -> badges.Badges:
        """What tests of the models have shown, by provider and the provider's id of the model."""
        with self._reading() as db:
            return badges.load(db)

    def replayed(self, since: float | None = None, until: float | None = None) -> Replayed:
        """What replays have cost, which no other sum holds."""
        with self._reading() as db:
            return replayed(db, since, until)

    def paid(self, since: float | None = None, until: float | None = None) -> Paid:
        """What tests of models and routers that a command asked have cost, which no other sum holds."""
        with self._reading() as db:
            return paid(db, since, until)

    def runs(self, limit: int = 200, labs: bool = False) -> list[RunRow]:
        """Replays, or router labs, the newest first."""
        with self._reading() as db:
            return runs.rows(db, limit, labs)

    def run(self, id: str, labs: bool = False) -> RunRow:
        """The replay (or lab) with this id, or whose id alone begins so; `last` is the newest. Raises StoreError."""
        with self._reading() as db:
            return runs.row(db, codec.utf8(id), self.path, labs)

    def run_steps(self, id: str, variants: Sequence[str] | None = None) -> list[KeptStep]:
        """What came of each step of a replay, by its whole id; of some of its variants if they are named."""
        with self._reading() as db:
            return runs.steps(db, id, variants)

    def place(self) -> tuple[int, int] | None:
        """Which file is there now, whatever its name; None if there is none. Its numbers are no other file's."""
        return standing.place(self.path)

    def size_bytes(self) -> int:
        """What the database takes on disk, its write-ahead log included."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def unmended(self) -> int:
        """Requests of older versions that were not looked through yet for what those did not write down."""
        with self._reading() as db:
            return afterwards.left(db)

    def last_n(self) -> int:
        """The newest request's number; 0 without any."""
        with self._reading() as db:
            return int(db.execute("SELECT ifnull(max(n), 0) FROM trace").fetchone()[0])

    def close(self) -> None:
        """Close every thread's connection, those in use when they are not any more. The reader may be used again."""
        with self._lock:
            idle = [connection for connection in self._opened if connection not in self._busy]
            self._opened, self._own = [], threading.local()
        for connection in idle:
            connection.close()

    @contextmanager
    def _reading(self, stop: Stop | None = None) -> Iterator[sqlite3.Connection]:
        """This thread's connection, within one snapshot; what runs in it ends with an error once `stop` says so."""
        try:
            db = self._connection()
            with self._lock:
                self._busy.add(db)
            try:
                db.set_progress_handler(stop, STEPS_A_LOOK)
                db.execute("BEGIN")
                yield db
            finally:
                self._done(db)
        except sqlite3.Error as error:
            if why := patterns.why_broken_off():
                raise StoreError(why) from error
            raise schema.trouble(self.path, error) from error

    def _done(self, db: sqlite3.Connection) -> None:
        """Nobody may close a connection while its thread is within SQLite: that ends the whole program."""
        try:
            db.set_progress_handler(None, 0)
            if db.in_transaction:
                db.execute("ROLLBACK")
        finally:
            with self._lock:
                self._busy.discard(db)
                is_kept = db in self._opened
            if not is_kept:
                db.close()

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if known is not None and self._own.standing.holds():
            return known
        found = standing.Standing(self.path)
        made = schema.readable(self.path)
        if found.file is not None:  # the first look, or another file has taken its place
            self._own.connection, self._own.desk, self._own.standing = made, Desk(made), found
            self._opened.append(made)
        return made

    def _chunks(self, numbers: list[int]) -> list[tuple[int, bytes]]:
        with self._reading() as db:
            return paths.data(db, numbers)

    def _headers(self, n: int) -> Mapping[str, str]:
        with self._reading() as db:
            return paths.headers(db, n)

    def _number(self, db: sqlite3.Connection, id: str) -> int:
        return _only(db, "trace", id, self.path)[0]

    def _numbers(self, filter: Filter | None, after: int) -> list[int]:
        with self._reading() as db:
            where, values = (filter or Filter()).where(db)
            page = f"SELECT t.n FROM trace t WHERE t.n > ? AND {where} ORDER BY t.n LIMIT 500"
            return [n for (n,) in db.execute(page, [after, *values])]

    def _trace(self, db: sqlite3.Connection, n: int) -> Trace:
        try:
            return self._put_together(db, n)
        except codec.BROKEN as error:
            cure = "`ccr-tui traces verify` tells what is damaged."
            raise StoreError(f"{self.path}: request number {n} cannot be put together ({error}); {cure}") from error

    def _put_together(self, db: sqlite3.Connection, n: int) -> Trace:
        desk: Desk = self._own.desk
        found = db.execute(HEAVY, (n,)).fetchone()
        if found is None:
            raise LookupError(f"the record of request {n} is missing")
        request, reply, record, raw = found
        steps = [
            {"sent": desk.get(sent), "stream": codec.unpack_stream(stream) if stream else ()}
            for sent, stream in db.execute(STEPS, (n,)).fetchall()
        ]
        bodies = {"body": desk.get(request), "reply": desk.get(reply), "raw": raw and zlib.decompress(raw)}
        return codec.from_json(codec.unpack(record), steps, **bodies)


def _only(db: sqlite3.Connection, table: str, given: str, path: Path) -> tuple[int, str]:
    """Number and uid of the one row whose uid is this, or begins so."""
    id = codec.utf8(given)
    key: Any = "n" if table == "trace" else "id"
    exact = db.execute(f"SELECT {key}, uid FROM {table} WHERE uid = ?", (id,)).fetchone()
    if exact:
        return int(exact[0]), str(exact[1])
    like = f"SELECT {key}, uid FROM {table} WHERE uid >= ? AND uid < ? ORDER BY uid LIMIT 3"
    found = db.execute(like, (id, id + BEYOND)).fetchall() if id else []
    if len(found) == 1:
        return int(found[0][0]), str(found[0][1])
    if found:
        some = ", ".join(uid for _, uid in found)
        raise StoreError(f"{table} {id!r} is not the only one that begins so: {some}. Give more of it.")
    raise StoreError(f"there is no {table} {id!r} in {path}.")
