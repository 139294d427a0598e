"""What lists of requests ask, page by page: half of `Reader`.

Owns the questions of the tables on the screen, each of which may be given up half-way. Must never be used but through
`Reader`, which has the connections. The one surprise: `stop` is asked from within SQLite every few milliseconds, so
that a count over a million requests ends when nobody waits for it any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from ccr_tui.store import found, listing, outline, phrases, turns
from ccr_tui.store.filters import Filter
from ccr_tui.store.listing import Key, List, Order
from ccr_tui.store.outline import Project
from ccr_tui.store.phrases import Phrase
from ccr_tui.store.rows import SessionRow, TraceRow
from ccr_tui.store.turns import Branch, Turn

__all__ = ["Branch", "Browsing", "Project", "Stop", "Turn"]

Stop = Callable[[], bool]
"""Whether nobody waits for the answer any more."""


class Browsing:
    """Pages, jumps and counts of requests in any order. Every method may raise StoreError."""

    def _reading(self, stop: Stop | None = None) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def listed(self, filter: Filter | None = None, order: Order | None = None) -> List:
        """The requests that pass a filter, in an order, as they are now: what the other questions are about."""
        with self._reading() as db:
            newest = db.execute("SELECT ifnull(max(n), 0) FROM trace").fetchone()[0]
            return List(filter or Filter(), order or Order(), int(newest))

    def page(
        self, of: List, after: Key | None, limit: int, forward: bool = True, stop: Stop | None = None
    ) -> list[TraceRow]:
        """The rows after a key (None is the beginning), with `forward` False those just before it (None: the end)."""
        with self._reading(stop) as db:
            return of.rows(db, after, limit, forward)

    def key_after(self, of: List, after: Key | None, count: int, stop: Stop | None = None) -> Key | None:
        """The key of the row that is `count` rows after a key."""
        with self._reading(stop) as db:
            return of.key_after(db, after, count)

    def counted(self, of: List, stop: Stop | None = None) -> int:
        """How many requests a list has."""
        with self._reading(stop) as db:
            return of.count(db)

    def newer(self, filter: Filter | None, than: int, limit: int) -> list[TraceRow]:
        """Requests that pass and have come after number `than`, the newest first."""
        with self._reading() as db:
            return listing.newer(db, filter or Filter(), than, limit)

    def names(self, key: str) -> Sequence[str]:
        """Values of a filter's key that occur in the database, for completion."""
        with self._reading() as db:
            return listing.names(db, key)

    def phrases(self) -> list[Phrase]:
        """The filters that were typed of late, and those that were saved under a name."""
        with self._reading() as db:
            return phrases.load(db)

    def outline(self, words: str = "") -> list[Project]:
        """Projects and the numbers of their sessions, the latest first; those whose title, project or id holds the
        words."""
        with self._reading() as db:
            return outline.outline(db, words)

    def session_rows(self, numbers: Sequence[int]) -> dict[int, SessionRow]:
        """The sessions with these numbers."""
        with self._reading() as db:
            return outline.sessions(db, numbers)

    def sessions_after(self, n: int) -> tuple[set[int], int]:
        """The numbers of the sessions that requests after number `n` belong to, and the newest request's number."""
        with self._reading() as db:
            newest = db.execute("SELECT ifnull(max(n), 0) FROM trace").fetchone()[0]
            return outline.changed(db, n), int(newest)

    def turns(self, session: int) -> list[Turn]:
        """A session by its number, told by what a person typed."""
        with self._reading() as db:
            return turns.turns(db, session)

    def turns_of(self, id: str) -> list[Turn]:
        """The same by exactly this id."""
        with self._reading() as db:
            found = db.execute("SELECT id FROM session WHERE uid = ?", (id,)).fetchone()
            return turns.turns(db, found[0]) if found else []

    def search(self, text: str, limit: int = 50) -> list[TraceRow]:
        """Of each session that said these words the request that brought them first; newest first, with a snippet.

        All words must occur in one message; "quoted ones" side by side; the last one may be unfinished.
        """
        with self._reading() as db:
            return found.search(db, text, limit)
