"""Which sessions said what: the first request of each session that brought a text.

Owns the table `again`. A chunk names the request that brought it first; `again` adds, for every other session that said
the same, the first request there. Must never grow with the length of a conversation: what a session has said is walked
back only to what is known. The one surprise: requests outside any session count as one session, number 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from ccr_tui.store.bodies import PATH

MEMORY = 20_000
"""Nodes remembered before all are forgotten: some 2 MB."""
OWNER = """
SELECT c.trace, ifnull(t.session_id, 0) FROM chunk c LEFT JOIN trace t ON t.n = c.trace WHERE c.id = ?
"""
KEEP = "INSERT OR IGNORE INTO again (chunk, session_id, trace) VALUES (?, ?, ?)"

Step = tuple[int, int]
"""A node of a body's path, and its chunk."""

SAID = PATH.replace("FROM path ORDER", "FROM path WHERE chunk IN (SELECT id FROM said_docsize) ORDER")


class Mentions:
    """Notes what each request says, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._known: set[int] = set()

    def note(
        self, session: int | None, trace: int, path: Iterable[Step], unwritten: Mapping[int, tuple[int, int]] = {}
    ) -> None:
        """`path` is that of a body of this request, from its end; what the session said before is not noted again.
        `unwritten` are chunks that the database does not have yet, and who brought them: the request, and its session
        or 0."""
        if len(self._known) > MEMORY:
            self.forget()
        for chunk in self._news(session or 0, path):
            owner = unwritten.get(chunk) or self._db.execute(OWNER, (chunk,)).fetchone()
            if owner and owner[0] != trace and owner[1] != (session or 0):
                self._db.execute(KEEP, (chunk, session or 0, trace))

    def forget(self) -> None:
        """What is remembered; a transaction was rolled back, or another process has removed something."""
        self._known.clear()

    def _news(self, session: int, path: Iterable[Step]) -> list[int]:
        """The chunks at the end of the path that this session has not been seen to say: a path is known as a whole."""
        fresh = []
        for node, chunk in path:
            one = node << 32 | session  # one number takes half of what a pair of them does
            if one in self._known:
                break
            self._known.add(one)
            fresh.append(chunk)
        return fresh[::-1]


def path_of(db: sqlite3.Connection, body: int | None) -> list[Step]:
    """The nodes and chunks of a body that are in the full text index, from the first to the last."""
    return [] if body is None else db.execute(SAID, (body,)).fetchall()


def fill(db: sqlite3.Connection) -> None:
    """Note everything that the database holds: for one that was made before there was such a table."""
    mentions = Mentions(db)
    traces = "SELECT n, session_id, request_id, reply_id FROM trace ORDER BY n"
    for n, session, *bodies in db.execute(traces).fetchall():
        for body in bodies:
            mentions.note(session, n, reversed(path_of(db, body)))
