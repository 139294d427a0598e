"""Keeping the database bounded: what is to go, how much that frees, and its going.

Owns the choice of requests by age, size and session, and the pieces in which they are removed. Must never hold the
writer's lock for long, nor touch a pinned session or a request with a bookmark or a note. The one surprise: a file
shrinks only when its free pages are given back, which databases made since can do bit by bit; an older one is written
anew once, and meanwhile other writers wait.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Literal

from ccr_tui import sizes
from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.slim import dataclass
from ccr_tui.store import schema
from ccr_tui.store.codec import utf8
from ccr_tui.store.removal import Removal

HOLD_S = 0.03
"""How long one transaction may remove, before what it freed is swept up."""
PIECE = 50
"""Requests in one transaction at most."""
CAREFUL = 10
"""The same where each may be the one that is enough."""
REST_S = 0.02
"""How long others are let in between two transactions, at least; else as long as the last one took."""
PAGES = 200
"""Pages that are given back at a time."""
FRESH_S = 3600.0
"""What is younger stays, however large the database is."""
TOO_FRESH = "requests of the last hour stay, however large the database is."


def missed(plan: Plan, wish: Wish) -> int | None:
    """How many bytes would be left where that is more than was asked for; None where it is not."""
    left = plan.size.used - plan.bytes
    return left if wish.larger_than is not None and left > wish.larger_than else None


ROW = 1500
"""Bytes that a request takes in rows and indexes, apart from its bodies: for a forecast."""
REWRITE = 0.1
"""The free part of an older file from which on it is written anew."""

SPARED = """(EXISTS (SELECT 1 FROM session s WHERE s.id = t.session_id AND s.pinned)
    OR EXISTS (SELECT 1 FROM mark m WHERE m.trace = t.n))"""
CHOSEN = f"""
SELECT t.n, t.started_at FROM trace t
WHERE (t.started_at, t.n) > (?, ?) AND t.started_at < ? AND {{only}} AND NOT {SPARED}
ORDER BY t.started_at, t.n LIMIT ?
"""
COUNTED = """
SELECT count(*), min(t.started_at), max(t.started_at), ifnull(sum(t.cost), 0) FROM trace t WHERE t.n IN ({marks})
"""
SESSIONS = "SELECT DISTINCT session_id FROM trace t WHERE t.n IN ({marks}) AND session_id IS NOT NULL"
HEAVY = """
SELECT ifnull((SELECT sum(length(data) + ifnull(length(raw), 0)) FROM record WHERE trace IN ({marks})), 0)
    + ifnull((SELECT sum(length(data)) FROM stream WHERE attempt IN (
        SELECT id FROM attempt WHERE trace IN ({marks}))), 0)
    + ifnull((SELECT sum(length(data)) FROM chunk WHERE trace IN ({marks})), 0)
"""
AGES_AGO = (float("-inf"), 0)
LOTS = 2**62

Phase = Literal["removing", "giving back", "done"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to go: what is too old, and the oldest of what is too much. Without anything nothing goes."""

    before: float | None = None
    """Requests that began earlier."""
    larger_than: int | None = None
    """The oldest requests, until what is kept takes so many bytes."""
    session: str | None = None
    """Of this session alone (its id, or how its id begins); all of it, unless age or size is given too."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is wished for."""
        return self == Wish()


@dataclass(frozen=True, slots=True)
class Size:
    """What a database takes, in bytes."""

    disk: int
    """Its file and its write-ahead log."""
    used: int
    """Its pages with something in them."""
    free: int = 0
    """Its pages that the next requests will fill."""
    log: int = 0
    """Its write-ahead log, which is emptied from time to time and is no part of what is kept."""

    @property
    def database(self) -> int:
        """All its pages, wherever they are now."""
        return self.used + self.free

    @property
    def told(self) -> str:
        """The database in words, wherever it is told; the log apart."""
        free = f", {sizes.show(self.free)} of it free for new requests" if self.free else ""
        return f"{sizes.show(self.database)} on the disk{free}"

    @property
    def beside(self) -> str:
        """The log in words; empty where there is none."""
        return f"{sizes.show(self.log)} of log beside it" if self.log else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go."""

    size: Size
    requests: int = 0
    sessions: int = 0
    bytes: int = 0
    """What that frees, about: parts that later requests share are counted though they stay."""
    oldest: float | None = None
    newest: float | None = None
    cost: int = 0
    """Its known cost in nano-USD, which stays in the spending."""
    spared: int = 0
    """Requests that would have gone, but are pinned or have a bookmark or a note."""
    total: int = 0
    """All requests that there are."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    phase: Phase
    requests: int
    done: float
    """From 0 to 1."""
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What has gone."""

    requests: int
    before: Size
    after: Size
    is_complete: bool
    """False: it was stopped."""

    @property
    def freed(self) -> int:
        """Bytes that the database has got smaller by, whatever becomes of its log."""
        return max(0, self.before.database - self.after.database)


def kept(config: Config, now: float | None = None) -> Wish:
    """What is to go as the configuration says it: [store] keep_days and keep_gb."""
    days = config.keep_days
    before = None if days is None else (time.time() if now is None else now) - days * 86_400
    return Wish(before, config.keep_bytes)


def size(path: Path) -> Size:
    """What the database takes. Raises StoreError."""
    if not path.exists():
        return Size(0, 0)
    with _open(path, schema.readable) as db:
        return _size(path, db)


def plan(path: Path, wish: Wish) -> Plan:
    """What `prune` would do. Raises StoreError where the file cannot be read, or has no such session."""
    if not path.exists():
        return Plan(Size(0, 0))
    with _open(path, schema.readable) as db:
        db.execute("BEGIN")
        found = Plan(_size(path, db))
        return found if wish.is_empty else _plan(db, found, wish, Choice(db, path, wish))


def prune(path: Path, wish: Wish, tell: Callable[[Progress], None] | None = None, stop: Event | None = None) -> Pruned:
    """Remove what is wished, piece by piece, and give the space back. `stop` ends it between two pieces.

    Raises StoreError; what was removed before a fault stays removed, and everything adds up.
    """
    forecast = plan(path, wish)
    if not path.exists() or wish.is_empty:
        return Pruned(0, forecast.size, forecast.size, True)
    with _open(path, schema.writable) as db:
        work = Work(db, path, forecast, tell or (lambda _: None), stop or Event())
        work.remove(Choice(db, path, wish))
        work.give_back()
        return Pruned(work.requests, forecast.size, _size(path, db), not work.stop.is_set())


class Choice:
    """Which requests are to go, the oldest first."""

    def __init__(self, db: sqlite3.Connection, path: Path, wish: Wish) -> None:
        """Raises StoreError for a session that is not there."""
        self._db, self._wish = db, wish
        self._only, self._values = "true", []
        if wish.session is not None:
            self._only, self._values = "t.session_id = ?", [_session(db, path, wish.session)]
        self.piece = PIECE if wish.larger_than is None else CAREFUL
        """How many may be removed at once."""
        self._fresh = time.time() - FRESH_S

    def page(self, after: tuple[float, int], used: int, limit: int) -> list[tuple[int, float]]:
        """The next ones after a time and a number, of a database with so many bytes in use: their numbers and times."""
        values = [*after, self._until(used), *self._values, limit]
        return self._db.execute(CHOSEN.format(only=self._only), values).fetchall()

    def spared(self, until: float | None) -> int:
        """How many are left out because somebody wants to keep them, of those that began before."""
        query = f"SELECT count(*) FROM trace t WHERE t.started_at < ? AND {self._only} AND {SPARED}"
        values = [self._until(LOTS) if until is None else until, *self._values]
        return int(self._db.execute(query, values).fetchone()[0])

    def _until(self, used: int) -> float:
        """Requests that began before are to go."""
        wish = self._wish
        if wish.before is None and wish.larger_than is None:
            return float("inf")
        old = float("-inf") if wish.before is None else wish.before
        return old if wish.larger_than is None or used <= wish.larger_than else max(old, self._fresh)


class Work:
    """One pruning under way."""

    def __init__(
        self, db: sqlite3.Connection, path: Path, forecast: Plan, tell: Callable[[Progress], None], stop: Event
    ) -> None:
        self._db, self._path, self._forecast, self._tell = db, path, forecast, tell
        self.stop = stop
        self.requests = 0
        self._began = time.monotonic()

    def remove(self, choice: Choice) -> None:
        """All that was chosen."""
        removal, after = Removal(self._db), AGES_AGO
        while not self.stop.is_set():
            with self._piece():
                page = choice.page(after, _used(self._db), choice.piece)
                after = self._take_out(removal, page, after)
                removal.sweep()
            self._say("removing", self.requests / max(1, self._forecast.requests, self.requests))
            if not page:
                return

    def _take_out(
        self, removal: Removal, page: Sequence[tuple[int, float]], after: tuple[float, int]
    ) -> tuple[float, int]:
        end = time.monotonic() + HOLD_S
        for n, started_at in page:
            removal.take_out(n)
            self.requests += 1
            after = (started_at, n)
            if time.monotonic() > end:
                break
        return after

    def give_back(self) -> None:
        """Free pages, to the disk."""
        if self.requests:
            self._merge_words()
        if self._pragma("auto_vacuum") == 2:
            self._give_back_pieces()
        elif self._pragma("freelist_count") > REWRITE * self._pragma("page_count") and not self.stop.is_set():
            self._say("giving back", 0.0)
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("VACUUM")
        self._db.execute("PRAGMA busy_timeout = 200")  # for the next step would keep writers out while it waits
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._say("done", 1.0)

    def _give_back_pieces(self) -> None:
        whole = left = self._pragma("freelist_count")
        before = left + 1
        while 0 < left < before and not self.stop.is_set():
            before, began = left, time.monotonic()
            self._db.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` would stop after one page
            self._rest(began)
            left = self._pragma("freelist_count")
            self._say("giving back", 1 - left / whole)

    def _merge_words(self) -> None:
        """What the full text index keeps of words that were removed, until nothing changes any more."""
        changed = 2
        while changed > 1 and not self.stop.is_set():
            before = self._db.total_changes
            with self._piece():
                self._db.execute("INSERT INTO said (said, rank) VALUES ('merge', 500)")
            changed = self._db.total_changes - before

    @contextmanager
    def _piece(self) -> Iterator[None]:
        """One short transaction, and a rest after it in which others may write."""
        self._db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self._rest(began)

    def _rest(self, began: float) -> None:
        """Let others write for a while."""
        self.stop.wait(max(REST_S, time.monotonic() - began))

    def _say(self, phase: Phase, done: float) -> None:
        took = time.monotonic() - self._began
        eta = took / done - took if phase == "removing" and done > 0.01 else None
        self._tell(Progress(phase, self.requests, min(1.0, done), eta))

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


def _plan(db: sqlite3.Connection, found: Plan, wish: Wish, choice: Choice) -> Plan:
    """Page by page, until it is enough."""
    requests, freed, cost, after = 0, 0, 0, AGES_AGO
    sessions: set[int] = set()
    oldest: float | None = None
    newest: float | None = None
    while page := choice.page(after, found.size.used - freed, 500 if wish.larger_than is None else CAREFUL):
        after = (page[-1][1], page[-1][0])
        numbers = [n for n, _ in page]
        marks = ",".join(f"?{at}" for at in range(1, len(numbers) + 1))
        count, first, newest, spent = db.execute(COUNTED.format(marks=marks), numbers).fetchone()
        sessions.update(session for (session,) in db.execute(SESSIONS.format(marks=marks), numbers))
        freed += int(db.execute(HEAVY.format(marks=marks), numbers).fetchone()[0]) + ROW * count
        requests, cost = requests + count, cost + spent
        oldest = first if oldest is None else oldest
    freed = min(freed, found.size.used)
    spared = choice.spared(after[0] if requests and wish.before is None and wish.larger_than is not None else None)
    total = int(db.execute("SELECT count(*) FROM trace").fetchone()[0])
    return Plan(found.size, requests, len(sessions), freed, oldest, newest, cost, spared, total)


def _session(db: sqlite3.Connection, path: Path, given: str) -> int:
    id = utf8(given)
    found = db.execute("SELECT id, uid FROM session WHERE uid = ? OR substr(uid, 1, ?) = ?", (id, len(id), id))
    rows = found.fetchmany(3)
    exact = [number for number, uid in rows if uid == id]
    if not rows or (len(rows) > 1 and not exact):
        raise StoreError(f"there is {'no' if not rows else 'more than one'} session {given!r} in {path}.")
    number: int = (exact or [rows[0][0]])[0]
    if db.execute("SELECT pinned FROM session WHERE id = ?", (number,)).fetchone()[0]:
        raise StoreError(f"session {given!r} is pinned; `ccr-tui sessions unpin {given}` lets it go.")
    return number


def _size(path: Path, db: sqlite3.Connection) -> Size:
    file, log = (each.stat().st_size if each.exists() else 0 for each in (path, path.with_name(path.name + "-wal")))
    pages, free, each = _pages(db)
    return Size(file + log, (pages - free) * each, free * each, log)


def _used(db: sqlite3.Connection) -> int:
    pages, free, each = _pages(db)
    return (pages - free) * each


def _pages(db: sqlite3.Connection) -> tuple[int, int, int]:
    """How many there are, how many of them are free, and the bytes of each."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, each = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return pages, free, each


@contextmanager
def _open(path: Path, how: Callable[[Path], sqlite3.Connection]) -> Iterator[sqlite3.Connection]:
    db = how(path)
    try:
        yield db
    except sqlite3.Error as error:
        raise schema.trouble(path, error) from error
    finally:
        db.close()
