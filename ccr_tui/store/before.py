"""The request before this one, in the same conversation, as the database has it.

Owns how a conversation is told (session, subagent, and run of a replay) and what two requests have in common. Must
never write. The one surprise: bodies are compared by the numbers of their nodes, never by their words: two paths share
a beginning exactly as far as they share nodes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ccr_tui import economy
from ccr_tui.economy import Before
from ccr_tui.records import Trace
from ccr_tui.store.codec import utf8
from ccr_tui.wire import loads

LATEST = f"""
SELECT t.request_id, m.provider, m.model, a.input_tokens + a.cache_read_tokens + a.cache_write_tokens
FROM trace t INDEXED BY trace_turn JOIN attempt a ON a.trace = t.n AND a.answer AND a.usage_basis IS NOT NULL
    JOIN model m ON m.id = a.model_id
WHERE t.session_id = ? AND t.started_at >= ? AND t.started_at <= ? AND t.agent_id IS ? AND t.run_id IS ?
    AND t.n < ?
    AND t.kind IN {economy.CONVERSING}
ORDER BY t.started_at DESC, t.n DESC LIMIT 1
"""
NODES = """
WITH RECURSIVE path(id, parent, chunk, height) AS (
    SELECT node.id, node.parent, node.chunk, 0 FROM body JOIN node ON node.id = body.node WHERE body.id = ?
    UNION ALL SELECT node.id, node.parent, node.chunk, height + 1 FROM path JOIN node ON node.id = path.parent)
SELECT path.id, chunk.size FROM path JOIN chunk ON chunk.id = path.chunk ORDER BY height DESC
"""
NOTHING = (0.0, 0.0)


def before(
    db: sqlite3.Connection,
    trace: Trace,
    session: int | None,
    run: int | None,
    request: int | None,
    n: int,
    settle: Callable[[], None] = lambda: None,
) -> Before | None:
    """What the conversation sent last, if a cache may still hold it; `trace` itself need not have been inserted.

    `session`, `run` and `request` are the rows' ids, `n` is its own. What both begin with is worked out only where it
    matters; then `settle` is called, and must see to it that the request's body is in the database.
    """
    answer = trace.answer
    if session is None or request is None or trace.kind not in economy.CONVERSING or answer is None:
        return None
    subagent = None if trace.agent_id is None else utf8(trace.agent_id)
    since = trace.started_at - economy.ALIVE_S
    found = db.execute(LATEST, (session, since, trace.started_at, subagent, run, n)).fetchone()
    if found is None:
        return None
    last, model, prompt = found[0], (found[1], found[2]), found[3]
    is_same = model == (utf8(answer.provider), utf8(answer.model))
    if is_same and not any(attempt.purpose in economy.HOPS for attempt in trace.attempts):
        return Before(model, prompt, *NOTHING)
    settle()
    return Before(model, prompt, *_shares(db, request, last))


def _shares(db: sqlite3.Connection, request: int, last: int | None) -> tuple[float, float]:
    """The part of the request's bytes that both begin with; and the same without tools."""
    if last is None:
        return NOTHING
    nodes, sizes = zip(*db.execute(NODES, (request,)).fetchall(), strict=True)
    others = [node for node, _ in db.execute(NODES, (last,))]
    end, tools = len(nodes) - 1, _tools(db, request)  # the last one is the frame
    both = min(economy.common(nodes, others), end)
    return _share(sizes[:both], sizes[:end]), _share(sizes[tools:both], sizes[tools:end])


def _share(part: tuple[int, ...], whole: tuple[int, ...]) -> float:
    return sum(part) / sum(whole) if part else 0.0


def _tools(db: sqlite3.Connection, request: int) -> int:
    """How many nodes of a body are tools; they come first."""
    parts = (*loads(db.execute("SELECT manifest FROM body WHERE id = ?", (request,)).fetchone()[0]), [])[0]
    return next((count or 1 for key, count in parts if key == "tools"), 0)
