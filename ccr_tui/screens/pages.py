"""Pages of the store's requests, found by key.

Owns which pages were read and where the others begin. Must never count rows off from the start (OFFSET). The one
surprise: where numbers have no gaps, the key of any page is known at once, so that the oldest of a million requests is
one query away; where they have some, one walks there from the nearest page that is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ccr_tui.store.queries import TraceRow

PAGE = 200
KEPT = 24
"""Pages that are held; further ones are read again."""


class Source(Protocol):
    """Where the rows come from, newest first; called in threads."""

    def rows(self, before: int | None, limit: int) -> list[TraceRow]:
        """Rows whose number is below `before`."""

    def count(self) -> int:
        """How many there are."""


@dataclass
class Pages:
    """What was read: `keys[p]` is the number that page p starts below."""

    head: int | None = None
    """Number of the newest row when the table was read."""
    total: int = 0
    dense: bool = False
    """Whether numbers have no gaps, so that the key of any page is known at once."""
    rows: dict[int, list[TraceRow]] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)

    def key(self, page: int) -> tuple[int, int]:
        """The nearest page at or before `page` whose key is known, and its key."""
        if self.dense and self.head is not None:
            return page, self.head + 1 - page * PAGE
        known = max(p for p in self.keys if p <= page)
        return known, self.keys[known]

    def put(self, page: int, rows: list[TraceRow]) -> None:
        """Keep a page; the oldest of those kept goes."""
        self.rows[page] = rows
        if rows:
            self.keys[page + 1] = rows[-1].n
        while len(self.rows) > KEPT:
            del self.rows[next(iter(self.rows))]


def first_pages(source: Source) -> Pages:
    """The newest page, and what is known about those below."""
    rows, total = source.rows(None, PAGE), source.count()
    pages = Pages(rows[0].n if rows else None, max(total, len(rows)))
    pages.keys[0] = rows[0].n + 1 if rows else 1
    pages.put(0, rows)
    pages.dense = total > PAGE and _dense(source, rows[0].n, total)
    return pages


def _dense(source: Source, head: int, total: int) -> bool:
    """Whether numbers have no gaps: nothing below the last one, and the page in the middle where it should be."""
    if source.rows(head + 1 - total, 1):
        return False
    key = head + 1 - (total // PAGE // 2) * PAGE
    rows = source.rows(key, 1)
    return bool(rows) and rows[0].n == key - 1
