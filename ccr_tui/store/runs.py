"""Replays in the database: what was asked for, how far it came, and what came of each step.

Owns the tables run and run_step. Must never know what a result means: it keeps JSON under a variant and a step. The one
surprise: a step is marked as begun before anything is sent for it, so that after a kill it is known which answers may
have been paid for.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ccr_tui.errors import StoreError
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.store import codec, schema
from ccr_tui.store.filters import BEYOND
from ccr_tui.wire import dumps

BEGIN = """
INSERT INTO run (uid, started_at, kind, session, title, source, asked) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (uid) DO UPDATE SET kind = excluded.kind, session = excluded.session, title = excluded.title,
    source = excluded.source, asked = excluded.asked
"""
MARK = """
INSERT INTO run_step (run_id, variant, step, n, state, at, held) SELECT id, ?, ?, ?, 'begun', ?, ? FROM run
WHERE uid = ?
ON CONFLICT (run_id, variant, step) DO UPDATE SET at = excluded.at, held = excluded.held
"""
KEEP = """
INSERT INTO run_step (run_id, variant, step, n, state, cost, at, data)
SELECT id, ?, ?, ?, 'done', ?, ?, ? FROM run WHERE uid = ?
ON CONFLICT (run_id, variant, step) DO UPDATE SET state = 'done', cost = excluded.cost, at = excluded.at,
    data = excluded.data, held = 0
"""
END = "UPDATE run SET finished = ?, spent = ?, found = ? WHERE uid = ?"
ROW = """
SELECT uid, started_at, kind, session, title, source, finished, spent, asked, found FROM run WHERE kind IS NOT NULL
"""
STEPS = """
SELECT variant, step, n, state, s.cost, data, held FROM run_step s JOIN run r ON r.id = s.run_id
WHERE r.uid = ?1 AND (?2 IS NULL OR variant IN (SELECT value FROM json_each(?2))) ORDER BY n, variant
"""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One replay. Money is nano-USD."""

    id: str
    started_at: float
    kind: str
    session: str
    title: str
    source: str
    finished: bool
    spent: int
    """What it was billed itself."""
    asked: Json
    """What was asked for: variants as they were written, and settings."""
    found: Json
    """The comparison; None where it was cut off."""


@dataclass(frozen=True, slots=True)
class KeptStep:
    """One step of one variant. `data` is None where it was only begun."""

    variant: str
    step: str
    n: int
    state: str
    cost: int | None
    data: Json
    held: int | None = None
    """Nano-USD that may have been billed for calls whose end was never written down; None: an older version's step."""


class Runs:
    """Writes replays to the database at `path`; each call is a transaction of its own. Any thread; raises StoreError.

    It stands beside the writer of live traces: SQLite lets them take turns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, uid: str, at: float, kind: str, session: str, title: str, source: str, asked: Json) -> None:
        """A new replay; one of that id is given its words anew."""
        words = [codec.utf8(text) for text in (uid, kind, session, title, source)]
        with self._writing() as db:
            db.execute(BEGIN, (words[0], at, *words[1:], codec.pack(asked)))

    def mark(self, uid: str, variant: str, step: str, n: int, held: int = 0) -> None:
        """This step is about to be sent, and may be billed so much. One that is done stays done."""
        with self._writing() as db:
            db.execute(MARK, (codec.utf8(variant), step, n, time.time(), held, uid))

    def keep(self, uid: str, steps: Iterable[tuple[str, str, int, int | None, Json]]) -> None:
        """These steps are done: variant, step, its place, its cost, what came of it."""
        now = time.time()
        rows = [(codec.utf8(v), step, n, cost, now, codec.pack(data), uid) for v, step, n, cost, data in steps]
        with self._writing() as db:
            db.executemany(KEEP, rows)

    def end(self, uid: str, *, finished: bool, spent: int, found: Json) -> None:
        """How it ended, and the comparison."""
        with self._writing() as db:
            db.execute(END, (finished, spent, codec.pack(found), uid))

    def delete(self, uid: str) -> None:
        """Forget a replay; traces that it made stay."""
        with self._writing() as db:
            db.execute("DELETE FROM run_step WHERE run_id = (SELECT id FROM run WHERE uid = ?)", (uid,))
            db.execute("UPDATE run SET kind = NULL, asked = NULL, found = NULL WHERE uid = ?", (uid,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = schema.writable(self.path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise schema.trouble(self.path, error) from error
        finally:
            connection.close()


def rows(db: sqlite3.Connection, limit: int, labs: bool = False) -> list[RunRow]:
    """The newest first: replays, or labs."""
    page = f"{ROW} AND (kind = 'lab') = ? ORDER BY started_at DESC, id DESC LIMIT ?"
    return [_row(row) for row in db.execute(page, (labs, limit))]


def row(db: sqlite3.Connection, id: str, path: Path, labs: bool = False) -> RunRow:
    """The one of that id, or whose id alone begins so; `last` is the newest replay, or lab. Raises StoreError."""
    what = "lab" if labs else "replay"
    if id == "last":
        found = rows(db, 1, labs)
    else:
        page = db.execute(f"{ROW} AND uid >= ? AND uid < ? ORDER BY uid LIMIT 3", (id, id + BEYOND)).fetchall()
        found = [each for each in map(_row, page) if each.id == id] or [_row(each) for each in page]
    if len(found) == 1 and id:
        return found[0]
    if found:
        raise StoreError(f"{what} {id!r} is not the only one that begins so: {', '.join(r.id for r in found)}.")
    raise StoreError(f"there is no {what} {id!r} in {path}; `ccr-tui {what} runs` lists them.")


def steps(db: sqlite3.Connection, uid: str, variants: Sequence[str] | None = None) -> list[KeptStep]:
    """Every step of a replay, or of some of its variants, in the order of the recording."""
    names = None if variants is None else dumps([codec.utf8(name) for name in variants]).decode()
    page = db.execute(STEPS, (uid, names))
    return [
        KeptStep(variant, step, n, state, cost, data and codec.unpack(data), held)
        for variant, step, n, state, cost, data, held in page
    ]


def _row(row: tuple[Any, ...]) -> RunRow:
    uid, at, kind, session, title, source, finished, spent, asked, found = row
    unpacked = [data and codec.unpack(data) for data in (asked, found)]
    return RunRow(uid, at, kind, session, title, source, bool(finished), spent, *unpacked)
