"""Requests that were removed: they are known, so that nothing is counted a second time if they come again.

Owns the table `gone`. Must never keep more of a removed request than a number. The one surprise: a request that comes
back from an archive adds nothing to the spending, which still has it; it is taken out of the removed part instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b


def number(uid: str) -> int:
    """A number that stands for a request's id: 63 bits, as SQLite's keys are."""
    return int.from_bytes(blake2b(uid.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def note(db: sqlite3.Connection, uids: Iterable[str]) -> None:
    """These were removed."""
    db.executemany("INSERT OR IGNORE INTO gone (id) VALUES (?)", ((number(uid),) for uid in uids))


def is_gone(db: sqlite3.Connection, uids: Iterable[str]) -> bool:
    """Whether one of these was here, and was removed."""
    return any(db.execute("SELECT 1 FROM gone WHERE id = ?", (number(uid),)).fetchone() for uid in uids)


def is_any(db: sqlite3.Connection) -> bool:
    """Whether anything was ever removed."""
    return db.execute("SELECT 1 FROM gone LIMIT 1").fetchone() is not None


def comes_back(db: sqlite3.Connection, uid: str) -> bool:
    """Whether it was removed before; from now on it is here again."""
    return db.execute("DELETE FROM gone WHERE id = ?", (number(uid),)).rowcount > 0
