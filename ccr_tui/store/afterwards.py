"""What older versions did not write down, worked out afterwards from what they did.

Owns the table `afterwards`, which says how far that has come: what a cache saved and a switch of models lost, and
which writes to a cache were for an hour. Must never keep the writer from a trace: it looks at a few hundred requests at
once and mends at most a few, newest first, and what an end interrupts goes on with the next start. The one surprise:
sums are not made anew, but changed by what a request's share in them is more than it was.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ccr_tui import economy
from ccr_tui.records import Trace
from ccr_tui.store import schema
from ccr_tui.store.before import before
from ccr_tui.store.codec import BROKEN, from_json, unpack
from ccr_tui.store.shares import SPEND_KEYS, THAT, adding

LOOKED = 2000
"""Requests that one step looks at."""
MENDED = 20
"""Those of them that it mends at most."""
REST_S = 0.002
"""How long others are let in between two steps, at least; else as long as the last one took."""
LEFT = "SELECT count(*) FROM trace WHERE n <= (SELECT next FROM afterwards WHERE name = 'economy')"
NEXT = "SELECT next FROM afterwards WHERE name = 'economy'"
LACKING = """
SELECT t.n FROM trace t WHERE t.n BETWEEN ? AND ? AND EXISTS (
    SELECT 1 FROM attempt a WHERE a.trace = t.n AND a.usage_basis IS NOT NULL
        AND (a.cache_saved IS NULL OR a.cache_lost IS NULL OR a.cache_write_tokens))
ORDER BY t.n DESC LIMIT ?
"""
ROW = """
SELECT t.session_id, t.run_id, t.request_id, r.data FROM trace t JOIN record r ON r.trace = t.n WHERE t.n = ?
"""
ATTEMPT = """
UPDATE attempt SET cache_saved = ?, cache_lost = ?, switched_tokens = ?, cache_write_1h_tokens = ?
WHERE id = (SELECT id FROM attempt WHERE trace = ? ORDER BY id LIMIT 1 OFFSET ?)
"""
TRACE = "UPDATE trace SET cache_saved = ?, cache_lost = ? WHERE n = ?"
ADD = adding("spend")


def is_left(db: sqlite3.Connection) -> bool:
    """Whether there is anything to be done."""
    return db.execute(NEXT).fetchone() is not None


def left(db: sqlite3.Connection) -> int:
    """Requests that are still to be looked at."""
    return int(db.execute(LEFT).fetchone()[0])


def catch_up(path: Path, tell: Callable[[int, int], None]) -> tuple[int, int]:
    """All of it, in short transactions; `tell` gets how many were looked at, of how many. How many were, and how many
    of them were mended. Raises StoreError."""
    mended = 0
    with closing(schema.writable(path)) as db:
        try:
            whole = left(db)
            while is_left(db):
                began = time.monotonic()
                mended += _stepped(db)
                tell(whole - left(db), whole)
                threading.Event().wait(max(REST_S, time.monotonic() - began))
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error
    return whole, mended


def _stepped(db: sqlite3.Connection) -> int:
    db.execute("BEGIN IMMEDIATE")
    try:
        mended = step(db)
        db.execute("COMMIT")
        return mended
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def step(db: sqlite3.Connection) -> int:
    """A little of it, within the caller's transaction; how many requests were mended."""
    row = db.execute(NEXT).fetchone()
    if row is None:
        return 0
    newest = int(row[0])
    oldest = newest - LOOKED + 1
    found = [n for (n,) in db.execute(LACKING, (oldest, newest, MENDED))]
    for n in found:
        _mend(db, n)
    before_these = found[-1] - 1 if len(found) == MENDED else oldest - 1
    db.execute("UPDATE afterwards SET next = ? WHERE name = 'economy'", (before_these,))
    db.execute("DELETE FROM afterwards WHERE next < 1")
    return len(found)


def _mend(db: sqlite3.Connection, n: int) -> None:
    session, run, request, data = db.execute(ROW, (n,)).fetchone()
    try:
        trace = _light(data)
    except BROKEN:  # which `traces verify` tells
        return
    was = db.execute(THAT, (n, n)).fetchall()
    _work_out(db, n, trace, before(db, trace, session, run, request, n))
    now = db.execute(THAT, (n, n)).fetchall()
    db.executemany(ADD, [(*share[:SPEND_KEYS], *(-value for value in share[SPEND_KEYS:])) for share in was])
    db.executemany(ADD, now)


def _work_out(db: sqlite3.Connection, n: int, trace: Trace, last: economy.Before | None) -> None:
    found = [economy.of(attempt, attempt is trace.answer, last) for attempt in trace.attempts]
    for at, (attempt, one) in enumerate(zip(trace.attempts, found, strict=True)):
        hour = attempt.usage.cache_write_1h if attempt.usage else 0
        db.execute(ATTEMPT, (one.saved, one.lost, one.switched, hour, n, at))
    told = [one for one, attempt in zip(found, trace.attempts, strict=True) if attempt.usage]
    db.execute(TRACE, (economy.total([one.saved for one in told]), economy.total([one.lost for one in told]), n))


def _light(data: bytes) -> Trace:
    """The trace without its bodies and streams."""
    given = unpack(data)
    empty = [{"sent": None, "stream": ()}] * len(given["attempts"])
    return from_json(given, empty, body=None, reply=None, raw=None)
