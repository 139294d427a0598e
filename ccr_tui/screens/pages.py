"""Pages of the store's requests, found by key.

Owns which pages were read, and how to get to one that was not. Must never read all of a list. The one surprise: a page
is read from whichever key is nearest: after the one before it, before the one after it, from the end for the last; only
for a jump into the dark does the store count rows off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Protocol

from ccr_tui.slim import dataclass
from ccr_tui.store.queries import CutOff, Key, Order, TraceRow

PAGE = 200
KEPT = 24
"""Pages that are held; further ones are read again."""
Stop = Callable[[], bool]
"""Whether nobody waits any more."""
Place = tuple[int, int] | None
"""Which file is read, whatever its name; None where there is none."""


class Opened(Protocol):
    """Rows as they were at one moment; called in threads."""

    @property
    def most(self) -> int:
        """The number of the newest request that is in it."""

    def rows(self, after: Key | None, limit: int, forward: bool, stop: Stop) -> list[TraceRow]:
        """The rows after a key, or those just before it. Raises CutOff with what was found where that took too long."""

    def key_after(self, after: Key | None, count: int, stop: Stop) -> Key | None:
        """The key of the row `count` rows further."""

    def count(self, stop: Stop) -> int:
        """How many there are."""


class Source(Protocol):
    """Where rows come from."""

    @property
    def order(self) -> Order:
        """What they are sorted by."""

    def open(self) -> Opened:
        """The rows as they are now; called in a thread."""

    def newer(self, than: int, limit: int) -> list[TraceRow]:
        """Rows whose number is above `than`, the newest first; called in a thread."""

    def place(self) -> Place:
        """Which file it is now; called in a thread."""


@dataclass(frozen=True)
class Way:
    """How to read a page: rows to skip after a key, then how many to read, and in which direction."""

    page: int
    after: Key | None
    skip: int = 0
    forward: bool = True
    limit: int = PAGE

    def read(self, rows: Opened, stop: Stop) -> list[TraceRow]:
        """Go there, in a thread."""
        after = rows.key_after(self.after, self.skip, stop) if self.skip else self.after
        return [] if self.skip and after is None else rows.rows(after, self.limit, self.forward, stop)


@dataclass
class Pages:
    """What was read. `starts[p]` is the key after which page p begins, `firsts[p]` that of its first row."""

    opened: Opened | None = None
    place: Place = None
    order: Order = field(default_factory=Order)
    total: int = 0
    counted: bool = False
    """Whether `total` is known; before, it is what was read."""
    rows: dict[int, list[TraceRow]] = field(default_factory=dict)
    starts: dict[int, Key | None] = field(default_factory=lambda: {0: None})
    firsts: dict[int, Key] = field(default_factory=dict)
    cut: CutOff | None = None
    """Why there may be more than was found."""

    @property
    def top(self) -> Key | None:
        """The key of the first row of all."""
        return self.firsts.get(0)

    def way(self, page: int) -> Way:
        """How to get to a page that was not read."""
        if page in self.starts:
            return Way(page, self.starts[page])
        if self.counted and page == (self.total - 1) // PAGE:
            return Way(page, None, forward=False, limit=self.total - page * PAGE)
        if page + 1 in self.firsts:
            return Way(page, self.firsts[page + 1], forward=False)
        near = max(p for p in self.starts if p < page)
        return Way(page, self.starts[near], skip=(page - near) * PAGE)

    def put(self, page: int, rows: list[TraceRow]) -> None:
        """Keep a page; the oldest of those kept goes."""
        self.rows[page] = rows
        if not self.counted:
            self.total = max(self.total, page * PAGE + len(rows))
        if rows:
            self.firsts[page] = self.order.key(rows[0])
        if len(rows) == PAGE:
            self.starts[page + 1] = self.order.key(rows[-1])
        while len(self.rows) > KEPT:
            del self.rows[next(iter(self.rows))]

    def beyond(self, row: int) -> list[int]:
        """The page after all that were read, where nobody has counted and a row of it is nearly seen."""
        page = self.total // PAGE
        return [page] if not self.counted and row >= self.total and page in self.starts and not self.cut else []

    def count(self, total: int) -> None:
        """It is known how many there are."""
        self.total, self.counted = max(total, len(self.rows.get(0, ()))), True


def first_pages(source: Source, stop: Stop) -> Pages:
    """The first page; how many there are is known where there is no second one."""
    place, opened = source.place(), source.open()
    rows, cut = part(lambda: opened.rows(None, PAGE, True, stop))
    pages = Pages(opened, place, source.order, len(rows), len(rows) < PAGE and cut is None, cut=cut)
    pages.put(0, rows)
    return pages


def part(read: Callable[[], list[TraceRow]]) -> tuple[list[TraceRow], CutOff | None]:
    """What was found, and why there may be more."""
    try:
        return read(), None
    except CutOff as cut:
        return cut.rows, cut
