"""What conversations ask: the request before another one, and a session from its beginning. A part of `Reader`.

Owns what belongs to one conversation: a session's requests by the same subagent, or by none, and in the same run of a
replay. Must never be used but through `Reader`, which has the connections. The one surprise: a request that no model
answered is passed over, since it left nothing in any cache and nothing to go on from.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from typing import Any

from ccr_tui.slim import dataclass
from ccr_tui.store.listing import ROW
from ccr_tui.store.rows import TraceRow

TALKING = ("main", "subagent", "compaction")
"""Kinds of requests that hold one conversation's messages; any other kind is only compared with its own."""
THIS = """
SELECT t.session_id, t.started_at, t.agent_id, t.run_id, t.kind,
    (SELECT model_id FROM attempt WHERE trace = t.n AND answer) FROM trace t WHERE t.uid = ?
"""
LATEST = """
SELECT t.n FROM trace t JOIN attempt a ON a.trace = t.n AND a.answer AND a.usage_basis IS NOT NULL
WHERE t.session_id = ? AND (t.started_at, t.uid) < (?, ?) AND t.agent_id IS ? AND t.run_id IS ? AND t.kind IN ({kinds})
    {same} ORDER BY t.started_at DESC, t.uid DESC LIMIT 1
"""
WHOLE = f"{ROW} WHERE t.session_id = (SELECT id FROM session WHERE uid = ?) ORDER BY t.started_at, t.n LIMIT ?"


@dataclass(frozen=True, slots=True)
class Turn:
    """What came before a request in its conversation."""

    before: TraceRow | None
    """The request before it."""
    warm: TraceRow | None
    """The last one that the same model of the same provider answered; often the same."""


class Conversing:
    """Questions about conversations. Every method may raise StoreError."""

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def turn(self, id: str) -> Turn:
        """What came before the request with exactly this id."""
        with self._reading() as db:
            this = db.execute(THIS, (id,)).fetchone()
            if this is None or this[0] is None:
                return Turn(None, None)
            same = [*this[:5]]
            return Turn(_latest(db, id, same, None), None if this[5] is None else _latest(db, id, same, this[5]))

    def in_order(self, session: str, limit: int = 20_000) -> list[TraceRow]:
        """The requests of the session with exactly this id, from its beginning."""
        with self._reading() as db:
            return [TraceRow(*row) for row in db.execute(WHOLE, (session, limit))]


def _latest(db: sqlite3.Connection, id: str, same: list[Any], model: int | None) -> TraceRow | None:
    """The request before `id`; `same` is its session, time, subagent, run and kind, `model` who must have answered."""
    session, at, agent, run, kind = same
    kinds = TALKING if kind in TALKING else (kind,)
    query = LATEST.format(kinds=",".join("?" * len(kinds)), same="" if model is None else "AND a.model_id = ?")
    values = [session, at, id, agent, run, *kinds, *([] if model is None else [model])]
    found = db.execute(query, values).fetchone()
    return None if found is None else TraceRow(*db.execute(f"{ROW} WHERE t.n = ?", found).fetchone())
