"""A session, told as what a person typed, and what each of it set off.

Owns how requests become turns: one begins with a request of the main conversation that ends in a prompt it has not
ended in before, and holds everything until the next; a subagent belongs whole to the turn in which it began. Must never
put a body together. The one surprise: sums are added up from every call, as the spending is, so that a turn's tokens
are not those of its rows (which are the answers' alone) but the session's are those of its turns.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from ccr_tui import prompts
from ccr_tui.prices import usd
from ccr_tui.records import Price
from ccr_tui.slim import dataclass
from ccr_tui.store.amounts import Sums
from ccr_tui.store.codec import BROKEN, spread
from ccr_tui.store.listing import ROW
from ccr_tui.store.rows import TraceRow, iso
from ccr_tui.store.sums import COLUMNS, TOTALS
from ccr_tui.wire import loads

ROWS = f"{ROW} WHERE t.session_id = ? ORDER BY t.started_at, t.n"
SHARES = f"""
WITH w AS (
    SELECT a.trace, a.purpose, a.answer AS requests, a.answer AND t.outcome = 'error' AS errors, a.input_tokens,
        a.cache_read_tokens, a.cache_write_tokens, a.output_tokens, a.reasoning_tokens, ifnull(a.cost, 0) AS cost,
        a.cost IS NULL AND a.usage_basis IS NOT NULL AS unpriced, ifnull(a.cache_saved, 0) AS cache_saved,
        CASE WHEN a.cost IS NULL THEN 'unknown' ELSE a.cost_basis END AS cost_basis, ifnull(a.usage_basis, '') AS basis,
        ifnull(a.cache_lost, 0) AS cache_lost, a.switched_tokens,
        a.usage_basis IS NOT NULL AND (a.cache_saved IS NULL OR a.cache_lost IS NULL) AS cache_unknown,
        a.cache_write_1h_tokens
    FROM trace t JOIN attempt a ON a.trace = t.n WHERE t.session_id = ?)
SELECT w.trace, {TOTALS} FROM w GROUP BY w.trace
"""
LEAVES = "SELECT t.n, b.node FROM trace t JOIN body b ON b.id = t.request_id WHERE t.session_id = ?"
NODES = """
WITH RECURSIVE used(id) AS (
    SELECT b.node FROM trace t JOIN body b ON b.id = t.request_id WHERE t.session_id = ?
    UNION SELECT node.parent FROM used JOIN node ON node.id = used.id WHERE node.parent <> 0)
SELECT node.id, node.parent, node.chunk FROM used JOIN node ON node.id = used.id
"""
CHUNKS = "SELECT id, data FROM chunk WHERE id IN (SELECT value FROM json_each(?))"
_RESULT = b'"type":"tool_result"'


@dataclass(frozen=True, slots=True)
class Span(Sums):
    """Some requests together."""

    started_at: float = 0.0
    ended_at: float = 0.0
    rows: tuple[TraceRow, ...] = ()

    def at_json(self, price: Price | None) -> dict[str, Any]:
        """What scripts get of it, its requests apart."""
        head = {"started_at": iso(self.started_at), "ended_at": iso(self.ended_at)}
        span = {"span_ms": round((self.ended_at - self.started_at) * 1000)}
        return (
            head
            | span
            | self.sums_json()
            | {
                "baseline_usd": None if price is None else usd(self.at(price)),
                "against_baseline": None if price is None else self.against_json(price),
            }
        )


@dataclass(frozen=True, slots=True)
class Branch(Span):
    """One subagent's requests."""

    agent_id: str = ""
    prompt: str | None = None
    """What it was told to do."""

    def as_json(self, price: Price | None) -> dict[str, Any]:
        """What `sessions show --json` prints."""
        told = {"agent_id": self.agent_id, "prompt": self.prompt} | self.at_json(price)
        return told | {"requests_list": [row.as_json() for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Turn(Span):
    """One thing that a person typed, and all that it set off; `rows` are without those of subagents."""

    prompt: str | None = None
    """None: requests that belong to none, such as those of a program."""
    branches: tuple[Branch, ...] = ()

    @property
    def steps(self) -> list[TraceRow | Branch]:
        """Requests and subagents, in order of when they began."""
        mixed: list[TraceRow | Branch] = [*self.rows, *self.branches]
        return sorted(mixed, key=lambda step: step.started_at)

    def as_json(self, price: Price | None) -> dict[str, Any]:
        """What `sessions show --json` prints."""
        branches = [branch.as_json(price) for branch in self.branches]
        told = {"prompt": self.prompt} | self.at_json(price)
        return told | {"requests_list": [row.as_json() for row in self.rows], "subagents": branches}


def turns(db: sqlite3.Connection, session: int) -> list[Turn]:
    """The turns of a session, by its number, in order of time."""
    rows = [TraceRow(*row) for row in db.execute(ROWS, (session,))]
    shares = {n: numbers for n, *numbers in db.execute(SHARES, (session,))}
    typed = Typed.of(db, session)
    begun = list(_begun(rows, typed))
    starts = [start for start, _ in begun] or [0.0]
    texts = [text for _, text in begun] or [None]
    groups: list[list[TraceRow]] = [[] for _ in starts]
    homes: dict[str, int] = {}
    for row in rows:
        at = max(0, bisect_right(starts, row.started_at) - 1)
        groups[homes.setdefault(row.agent_id, at) if row.agent_id else at].append(row)
    return [_turn(group, text, shares, typed) for group, text in zip(groups, texts, strict=True) if group]


def _begun(rows: Iterable[TraceRow], typed: Typed) -> Iterator[tuple[float, str | None]]:
    """When each turn began, and what was typed."""
    last: tuple[int, int] | None = None
    for row in rows:
        if row.agent_id is None and row.kind in ("main", "other") and (prompt := typed.last(row.n)) and prompt != last:
            last = prompt
            yield row.started_at, typed.text(prompt[0])


def _turn(rows: Sequence[TraceRow], prompt: str | None, shares: Mapping[int, list[int]], typed: Typed) -> Turn:
    own = tuple(row for row in rows if row.agent_id is None)
    agents = dict.fromkeys(row.agent_id for row in rows if row.agent_id)
    branches = [tuple(row for row in rows if row.agent_id == agent) for agent in agents]
    made = tuple(
        Branch(**_span(some, shares), agent_id=some[0].agent_id or "", prompt=typed.first(some[0].n))
        for some in branches
    )
    return Turn(**_span(rows, shares) | {"rows": own}, prompt=prompt, branches=made)


def _span(rows: Sequence[TraceRow], shares: Mapping[int, list[int]]) -> dict[str, Any]:
    total = [sum(column) for column in zip(*(shares[row.n] for row in rows if row.n in shares), strict=True)]
    sums = dict(zip(COLUMNS, total or [0] * len(COLUMNS), strict=True))
    alone = [row for row in rows if row.n not in shares or not shares[row.n][0]]  # never answered: counted by itself
    sums["requests"] += len(alone)
    sums["failed"] += sum(row.outcome == "error" for row in alone)
    ended = max(row.started_at + row.duration_ms / 1000 for row in rows)
    return {**sums, "started_at": rows[0].started_at, "ended_at": ended, "rows": tuple(rows)}


@dataclass(slots=True)
class Typed:
    """Which prompts stand in each request's path."""

    leaves: Mapping[int, int]
    nodes: Mapping[int, tuple[int, int]]
    prompts: Mapping[int, str]
    """Chunk to what was typed in it."""
    _last: dict[int, tuple[int, int] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, db: sqlite3.Connection, session: int) -> Typed:
        """Reads every node and chunk of the session once."""
        nodes = {id: (parent, chunk) for id, parent, chunk in db.execute(NODES, (session,))}
        chunks = list({chunk for _, chunk in nodes.values()})
        found = (db.execute(CHUNKS, (str(chunks[at : at + 500]),)) for at in range(0, len(chunks), 500))
        texts = {id: text for part in found for id, data in part if (text := _typed(data))}
        return cls(dict(db.execute(LEAVES, (session,))), nodes, texts)

    def last(self, n: int) -> tuple[int, int] | None:
        """The last prompt in a request: its chunk, and which one of the conversation it is."""
        path, node = [], self.leaves.get(n, 0)
        while node and node not in self._last:
            path.append(node)
            node = self.nodes[node][0]
        known = self._last.get(node)
        for node in reversed(path):
            chunk = self.nodes[node][1]
            known = (chunk, known[1] + 1 if known else 1) if chunk in self.prompts else known
            self._last[node] = known
        return known

    def text(self, chunk: int) -> str:
        """What was typed, as a title."""
        return self.prompts[chunk]

    def first(self, n: int) -> str | None:
        """The first prompt in a request."""
        found, node = None, self.leaves.get(n, 0)
        while node:
            node, chunk = self.nodes[node]
            found = self.prompts.get(chunk, found)
        return found


def _typed(data: bytes) -> str | None:
    """What a person typed, if this chunk is a message of his; most are told by their bytes alone."""
    try:
        plain = spread(data)
        if b'"role":"user"' not in plain or _RESULT in plain:
            return None
        text = prompts.typed(loads(plain))
    except BROKEN:
        return None
    return prompts.line(text) if text else None
