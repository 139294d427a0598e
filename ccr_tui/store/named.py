"""The numbers of small things that are stated once: projects, sessions, models, prices, runs.

Owns the rows of those tables that a request points at; a new thing gets its row when it is asked for. Must never change
a row that is there: a request keeps the price that it was billed at. The one surprise: numbers are remembered, so
`forget` must be called after a rollback, and when another connection may have removed one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from ccr_tui.records import Attempt, Price, Trace
from ccr_tui.store.codec import utf8

PRICE = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "since", "source", "basis")


def inserting(table: str, columns: Iterable[str]) -> str:
    """The statement that adds a row."""
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


class Names:
    """Finds numbers, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._ids: dict[tuple[object, ...], int] = {}
        self._models: dict[tuple[str, str], int] = {}
        self._latest: tuple[Price | None, int] = None, 0
        """The price that was looked up last: mostly it is the next one's."""

    def forget(self) -> None:
        """What is remembered."""
        self._ids.clear()
        self._models.clear()
        self._latest = None, 0

    def project(self, path: str | None) -> int | None:
        """None for none."""
        return None if path is None else self._id("project", path=text(path))

    def session(self, uid: str) -> int:
        """Of one that is there."""
        return self._id("session", uid=text(uid))

    def answered_by(self, trace: Trace, answer: Attempt | None) -> int | None:
        """Whoever answered, else whoever was to: then only our own name for it is known."""
        if answer:
            return self.model(answer)
        return self._id("model", provider="", model=text(trace.decision.model)) if trace.decision else None

    def model(self, attempt: Attempt) -> int:
        """Which one was asked."""
        known = self._models.get((attempt.provider, attempt.model))
        if known is None:
            known = self._id("model", provider=text(attempt.provider), model=text(attempt.model))
            self._models[attempt.provider, attempt.model] = known
        return known

    def price(self, price: Price | None) -> int:
        """0 for none."""
        if price is None:
            return 0
        if price is not self._latest[0]:
            self._latest = price, self._price(price)
        return self._latest[1]

    def _price(self, price: Price) -> int:
        row = (*(getattr(price, name) for name in PRICE[:5]), text(price.since), text(price.source), price.basis)
        return self._kept("price", PRICE, row)

    def run(self, trace: Trace) -> int:
        """The replay that it is part of."""
        row = (text(trace.run), trace.started_at)
        self._db.execute("INSERT OR IGNORE INTO run (uid, started_at) VALUES (?, ?)", row)
        return int(self._db.execute("SELECT id FROM run WHERE uid = ?", row[:1]).fetchone()[0])

    def _id(self, table: str, **values: Any) -> int:
        return self._kept(table, tuple(values), tuple(values.values()))

    def _kept(self, table: str, columns: tuple[str, ...], row: tuple[Any, ...]) -> int:
        """Made if it is new."""
        known = self._ids.get((table, *row))
        if known is None:
            same = " AND ".join(f"{name} IS ?" for name in columns)
            self._db.execute(inserting(table, columns).replace("INSERT", "INSERT OR IGNORE"), row)
            found = self._db.execute(f"SELECT id FROM {table} WHERE {same}", row).fetchone()
            known = self._ids[table, *row] = int(found[0])
        return known


def text(value: str | None) -> str | None:
    """For a column to search by; the exact string is in the record."""
    return None if value is None else utf8(value)
