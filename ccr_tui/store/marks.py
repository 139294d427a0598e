"""Bookmarks and notes that a person puts on requests.

Owns the table `mark`. Must never be written by the writer's thread: a person marks rarely, so it brings a connection of
its own. The one surprise: a note without a bookmark is kept too, and a request with neither has no row.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ccr_tui.slim import dataclass
from ccr_tui.store import codec, schema

MARK = """
INSERT INTO mark (trace, marked, note, at) VALUES (?, ?, NULL, ?)
ON CONFLICT (trace) DO UPDATE SET marked = excluded.marked, at = excluded.at
"""
NOTE = """
INSERT INTO mark (trace, marked, note, at) VALUES (?, 0, ?, ?)
ON CONFLICT (trace) DO UPDATE SET note = excluded.note, at = excluded.at
"""
CLEAR = "DELETE FROM mark WHERE NOT marked AND note IS NULL"
BRING = """
INSERT INTO mark (trace, marked, note, at) SELECT n, ?, ?, ? FROM trace WHERE uid = ? ON CONFLICT (trace) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person has put on a request."""

    marked: bool
    note: str | None


def mark(path: Path, n: int, marked: bool) -> None:
    """Put a bookmark on request number `n`, or take it off. Blocks; raises StoreError."""
    _run(path, MARK, (n, int(marked), time.time()))


def note(path: Path, n: int, words: str) -> None:
    """Write a note on request number `n`; an empty one takes it off. Blocks; raises StoreError."""
    _run(path, NOTE, (n, codec.utf8(words.strip()) or None, time.time()))


def bring(db: sqlite3.Connection, uid: str, mark: Mark) -> None:
    """What came with a trace, within the caller's transaction; what was put on it here stays."""
    words = codec.utf8((mark.note or "").strip()) or None
    if mark.marked or words:
        db.execute(BRING, (mark.marked, words, time.time(), codec.utf8(uid)))


def _run(path: Path, statement: str, values: tuple[object, ...]) -> None:
    with closing(schema.writable(path)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute(statement, values)
            db.execute(CLEAR)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error
