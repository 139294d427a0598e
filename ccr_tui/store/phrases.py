"""The filters that a person typed, and those that he saved.

Owns the table `phrase`. Must never be written by the writer's thread: a person types rarely, so it brings a connection
of its own. The one surprise: a filter is kept as it was typed and not as it was understood, so that "since:2h" means
the last two hours whenever it is used.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ccr_tui.slim import dataclass
from ccr_tui.store import codec, schema

KEPT = 100
"""Unnamed ones that are kept, the latest."""
ALL = "SELECT text, name FROM phrase ORDER BY at DESC"
KEEP = "INSERT INTO phrase (text, at) VALUES (?, ?) ON CONFLICT (text) DO UPDATE SET at = excluded.at"
NAME = """
INSERT INTO phrase (text, name, at) VALUES (?, ?, ?)
ON CONFLICT (text) DO UPDATE SET at = excluded.at, name = excluded.name
"""
FORGET = """
DELETE FROM phrase WHERE name IS NULL AND text NOT IN (
    SELECT text FROM phrase WHERE name IS NULL ORDER BY at DESC LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A filter as it was typed."""

    text: str
    name: str | None = None
    """What it was saved as; None: it was only used."""


def load(db: sqlite3.Connection) -> list[Phrase]:
    """All of them, the latest first."""
    return [Phrase(*row) for row in db.execute(ALL)]


def use(path: Path, text: str) -> None:
    """It was used. Blocks; raises StoreError."""
    _run(path, ((KEEP, (codec.utf8(text), time.time())), (FORGET, (KEPT,))))


def save(path: Path, text: str, name: str) -> None:
    """Keep it under a name, in place of what had that name. Blocks; raises StoreError."""
    clean = codec.utf8(name)
    free = ("UPDATE phrase SET name = NULL WHERE name = ?", (clean,))
    _run(path, (free, (NAME, (codec.utf8(text), clean, time.time()))))


def drop(path: Path, name: str) -> None:
    """Its name goes; it stays among those that were used. Blocks; raises StoreError."""
    _run(path, (("UPDATE phrase SET name = NULL WHERE name = ?", (codec.utf8(name),)),))


def _run(path: Path, statements: tuple[tuple[str, tuple[object, ...]], ...]) -> None:
    with closing(schema.writable(path)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                db.execute(statement, values)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error
