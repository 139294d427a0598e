"""What a list is narrowed to, as SQL.

Owns `Filter` and its conditions. Must never put a value into SQL text. The one surprise: names are looked up first
(they are few) and their ids compared, so that the big table is searched by its indexes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from ccr_tui.records import Kind
from ccr_tui.store import said
from ccr_tui.store.codec import utf8

BEYOND = "\U0010ffff"
"""Comes after every character of a name that begins with something."""
LOOSE = "asked_model LIKE ? OR t.agent LIKE ? OR t.error LIKE ? OR t.chosen LIKE ?"
SAID = "SELECT c.trace FROM said JOIN chunk c ON c.id = said.rowid WHERE said MATCH ?"


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold."""

    session: str | None = None
    """An id, or how it begins."""
    since: float | None = None
    """Seconds since the epoch."""
    agent: str | None = None
    """An agent's name, or a kind of request, which stands for the default agent's requests of that kind."""
    model: str | None = None
    """The provider's id of it, or our name."""
    outcome: str | None = None
    project: str | None = None
    """A path, or its last part."""
    text: str | None = None
    """Words of what was said first in that request, or a part of the model's name, the agent's, the project's or the
    error."""

    def where(self, db: sqlite3.Connection) -> tuple[str, list[Any]]:
        """A condition on `trace t`, and its values."""
        conditions: list[str] = []
        values: list[Any] = []
        for condition, given in self._conditions(db):
            conditions.append(f"({condition})")
            values.extend(given)
        return " AND ".join(conditions) or "1", values

    def _conditions(self, db: sqlite3.Connection) -> Iterator[tuple[str, Sequence[Any]]]:
        if self.session is not None:
            found = "uid >= ? AND uid < ?"
            yield _among(
                "t.session_id", db, f"SELECT id FROM session WHERE {found}", self.session, self.session + BEYOND
            )
        if self.project is not None:
            path = "path = ? OR path LIKE ? ESCAPE '!'"
            end = f"%/{_literally(self.project)}"
            yield _among("t.project_id", db, f"SELECT id FROM project WHERE {path}", self.project, end)
        if self.model is not None:
            answered, ids = _among("t.model_id", db, "SELECT id FROM model WHERE model = ?", utf8(self.model))
            yield f"{answered} OR t.chosen = ?", [*ids, utf8(self.model)]
        if self.agent is not None:
            yield _agent(utf8(self.agent))
        if self.outcome is not None:
            yield _outcome(self.outcome)
        if self.since is not None:
            yield _since(db, self.since)
        if self.text:
            yield self._text(db, self.text)

    def _text(self, db: sqlite3.Connection, text: str) -> tuple[str, Sequence[Any]]:
        part, words = f"%{_literally(text)}%", said.query(text)
        model, models = _among("t.model_id", db, "SELECT id FROM model WHERE model LIKE ? ESCAPE '!'", part)
        project, projects = _among("t.project_id", db, "SELECT id FROM project WHERE path LIKE ? ESCAPE '!'", part)
        loose = LOOSE.replace("?", "? ESCAPE '!'")
        conditions, values = [loose, model, project], [part, part, part, part, *models, *projects]
        if words:
            conditions.append(f"t.n IN ({SAID})")
            values.append(words)
        return " OR ".join(conditions), values


def _among(column: str, db: sqlite3.Connection, wanted: str, *values: str) -> tuple[str, list[Any]]:
    ids = [row[0] for row in db.execute(f"{wanted} LIMIT 900", [utf8(value) for value in values])]
    return f"{column} IN ({', '.join('?' * len(ids))})", ids


def _agent(agent: str) -> tuple[str, Sequence[Any]]:
    if agent not in get_args(Kind):
        return "t.agent = ?", [agent]
    return "t.agent = ? OR t.kind = ? AND ifnull(t.agent, '') IN ('', 'default')", [agent, agent]


def _outcome(outcome: str) -> tuple[str, Sequence[Any]]:
    """Literal where it can be: the index of what failed only serves a condition that says so in words."""
    return ("t.outcome <> 'ok' AND t.outcome = ?" if outcome != "ok" else "t.outcome = ?"), [utf8(outcome)]


def _since(db: sqlite3.Connection, since: float) -> tuple[str, Sequence[Any]]:
    """By number too, so that a scan from the newest ends where older ones begin."""
    first = db.execute("SELECT min(n) FROM trace WHERE started_at >= ?", (since,)).fetchone()[0]
    return "t.n >= ? AND t.started_at >= ?", [0 if first is None else first, since]


def _literally(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return utf8(text)
