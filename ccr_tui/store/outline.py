"""The tree of projects and sessions, as far as it is seen.

Owns the outline (which sessions there are, in which project, the latest first) and the rows of those that are asked
for. Must never sum what nobody looks at: ten thousand sessions are ten thousand numbers until one is on the screen. The
one surprise: a project's own sums come with all projects' at once, because adding up one costs as much.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ccr_tui.slim import dataclass
from ccr_tui.store import sums
from ccr_tui.store.codec import utf8
from ccr_tui.store.rows import SessionRow

ALL = """
SELECT s.project_id, p.path, s.id, s.last_at FROM session s LEFT JOIN project p ON p.id = s.project_id
{where} ORDER BY s.last_at DESC
"""
NAMED = """
WHERE s.uid LIKE ? ESCAPE '!' OR s.prompt LIKE ? ESCAPE '!' OR s.title LIKE ? ESCAPE '!' OR p.path LIKE ? ESCAPE '!'
"""


@dataclass(frozen=True, slots=True)
class Project:
    """One project: the numbers of its sessions, the latest first."""

    id: int
    """0: sessions whose project is not known."""
    path: str | None
    last_at: float
    sessions: tuple[int, ...]


def outline(db: sqlite3.Connection, words: str = "") -> list[Project]:
    """Projects, the latest first; of sessions those whose title, project or id holds the words."""
    part = f"%{_literally(words)}%"
    found = db.execute(ALL.format(where=NAMED if words else ""), [part] * 4 if words else ())
    groups: dict[int, tuple[str | None, float, list[int]]] = {}
    for project, path, session, last in found:
        groups.setdefault(project or 0, (path, last, []))[2].append(session)
    return [Project(id, path, last, tuple(some)) for id, (path, last, some) in groups.items()]


def sessions(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, SessionRow]:
    """The rows of these sessions."""
    found = sums.SESSION + f" WHERE s.id IN ({','.join('?' * len(numbers))})"
    rows = db.execute(found, list(numbers)).fetchall()
    return {row[0]: told for row, told in zip(rows, sums.session_rows(db, rows), strict=True)}


def changed(db: sqlite3.Connection, after: int) -> set[int]:
    """Sessions of which a request has come after number `after`."""
    return {
        id
        for (id,) in db.execute("SELECT DISTINCT session_id FROM trace NOT INDEXED WHERE n > ?", (after,))
        if id is not None
    }


def _literally(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return utf8(text)
