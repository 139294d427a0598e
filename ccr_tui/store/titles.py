"""What a session is called.

Owns the columns `prompt` and `title` of a session: what was typed first in it, and the title that the client had made.
Must never read a body to make a list. The one surprise: requests land when they end, so the first that lands need not
be the first that began; one that began earlier names the session anew.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from ccr_tui import prompts
from ccr_tui.records import Trace
from ccr_tui.store import codec
from ccr_tui.store.bodies import Desk

NAME = """
UPDATE session SET prompt = ? WHERE id = ? AND (prompt IS NULL OR ? <= first_at)
"""
FIRST = "SELECT request_id FROM trace WHERE session_id = ? AND kind = 'main' ORDER BY started_at LIMIT 1"


class Titles:
    """Names sessions as their requests come, within the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._named: dict[int, float] = {}

    def note(self, session: int | None, trace: Trace) -> None:
        """One request of the session; called after its span was widened."""
        if session is None:
            return
        if trace.kind == "title":
            self._title(session, prompts.given_title(trace.reply))
        elif trace.kind == "main" and trace.started_at < self._named.get(session, float("inf")):
            self._named[session] = trace.started_at
            if found := prompts.first_prompt(trace.body):
                self._db.execute(NAME, (codec.utf8(found), session, trace.started_at))

    def forget(self) -> None:
        """What is remembered; a transaction was rolled back."""
        self._named.clear()

    def _title(self, session: int, title: str | None) -> None:
        if title:
            self._db.execute("UPDATE session SET title = ? WHERE id = ?", (codec.utf8(title), session))


def fill(db: sqlite3.Connection) -> None:
    """Name every session of a database that was made before they had names."""
    desk = Desk(db)
    for (session,) in db.execute("SELECT id FROM session WHERE prompt IS NULL").fetchall():
        row = db.execute(FIRST, (session,)).fetchone()
        with suppress(*codec.BROKEN):
            if row and (found := prompts.first_prompt(desk.get(row[0]))):
                db.execute("UPDATE session SET prompt = ? WHERE id = ?", (codec.utf8(found), session))
