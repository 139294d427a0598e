"""The context of a session over time: what each request's prompt was made of, and which one blew it up.

Owns the sums by kind, request by request. Must never put a body together: messages are counted once, on the chunks that
requests share. The one surprise: a session is several conversations, since each subagent has its own; a request is
compared with the one before it in its own conversation whose tokens are known in the same way (reported, or counted
here), and requests aside (titles, searches) are in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from ccr_tui import anatomy, prices
from ccr_tui.anatomy import Kind
from ccr_tui.slim import dataclass
from ccr_tui.store.conversing import TALKING
from ccr_tui.store.paths import Paths, Sent
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import TraceRow, iso
from ccr_tui.tally import PER_MESSAGE, PER_REPLY, Scale
from ccr_tui.wire import loads

Group = Literal["tools", "system", "prompts", "answers", "thinking", "calls", "results", "media"]
GROUPS: tuple[Group, ...] = ("tools", "system", "prompts", "answers", "thinking", "calls", "results", "media")
"""In the order in which they are stacked, from the bottom."""
OF: Mapping[Kind, Group] = {
    "tools": "tools", "system": "system", "prompts": "prompts", "reminders": "system", "answers": "answers",
    "thinking": "thinking", "calls": "calls", "results": "results", "images": "media", "documents": "media",
    "framing": "system",
}  # fmt: skip
SHRUNK = 0.6
"""A prompt of less than this share of the one before it was compacted, or taken back."""

Sums = tuple[int, ...]
"""Raw tokens by group."""
NOTHING: Sums = (0,) * len(GROUPS)


@dataclass(frozen=True, slots=True)
class Point:
    """One request of a session. Tokens are scaled to what was reported, where it was."""

    row: TraceRow
    tokens: Mapping[Group, int]
    total: int
    reported: bool
    grown: int | None = None
    """Tokens more than the request before it in its conversation whose tokens have the same basis; None for the first:
    what was counted here and what a provider reported are two scales."""
    drop: Literal["", "compacted", "shrunk"] = ""
    """Whether the context fell: after a compaction, or for another reason."""

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        row = self.row
        return {
            "id": row.id,
            "started_at": iso(row.started_at),
            "kind": row.kind,
            "agent_id": row.agent_id,
            "model": row.model,
            "tokens": dict(self.tokens),
            "total_tokens": self.total,
            "tokens_basis": "reported" if self.reported else "counted",
            "grown_tokens": self.grown,
            "cached_tokens": row.cache_read_tokens,
            "drop": self.drop or None,
            "cost_usd": prices.usd(row.cost),
        }


@dataclass(frozen=True, slots=True)
class Growth:
    """A session's requests in order of time."""

    points: tuple[Point, ...]
    aside: int
    """Requests that are no conversation's: titles, searches."""

    def conversations(self) -> list[str | None]:
        """None for the main one, and the subagents' ids, in order of their first request."""
        return list(dict.fromkeys(point.row.agent_id for point in self.points))

    def of(self, agent: str | None) -> tuple[Point, ...]:
        """The requests of one conversation."""
        return tuple(point for point in self.points if point.row.agent_id == agent)


def blown(points: Sequence[Point]) -> list[int]:
    """Indexes of the requests that grew, those that grew most first."""
    grew = [n for n, point in enumerate(points) if point.grown is not None and point.grown > 0]
    return sorted(grew, key=lambda n: -(points[n].grown or 0))


def of_session(reader: Reader, session: str, scale: Scale) -> Growth:
    """The session with exactly this id. For threads; may raise StoreError."""
    rows = reader.in_order(session)
    talking = [row for row in rows if row.kind in TALKING]
    paths = reader.paths([row.n for row in talking])
    sums = _Sums(paths, scale)
    points = [_point(row, sums.of(paths.sent[row.n])) for row in talking if row.n in paths.sent]
    return Growth(tuple(_compared(points)), len(rows) - len(talking))


def _point(row: TraceRow, raw: Sums) -> Point:
    counted = sum(raw)
    reported = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
    known = row.usage_basis == "reported" and reported > 0
    whole = reported if known else counted
    ends = [round(sum(raw[: n + 1]) * whole / counted) if counted else 0 for n in range(len(raw))]
    tokens = {group: ends[n] - (ends[n - 1] if n else 0) for n, group in enumerate(GROUPS)}
    return Point(row, tokens, whole, known)


def _compared(points: Sequence[Point]) -> Iterator[Point]:
    last: dict[tuple[str | None, bool], Point] = {}
    kinds: dict[str | None, str] = {}
    """Of the request before, whatever its basis."""
    for point in points:
        agent = point.row.agent_id
        before, kind = last.get((agent, point.reported)), kinds.get(agent)
        last[agent, point.reported], kinds[agent] = point, point.row.kind
        if before is None:
            yield point
            continue
        drop: Literal["", "compacted", "shrunk"] = ""
        if point.total < before.total * SHRUNK:
            drop = "compacted" if "compaction" in (before.row.kind, kind) else "shrunk"
        yield replace(point, grown=point.total - before.total, drop=drop)


@dataclass(slots=True)
class _Sums:
    """Tokens by group along the paths, each chunk weighed once and each node summed once."""

    paths: Paths
    scale: Scale
    nodes: dict[int, tuple[int, Sums]] = field(default_factory=dict)
    """A node: how many chunks lead to it, and their sum."""
    weights: dict[int, Sums] = field(default_factory=dict)

    def of(self, sent: Sent) -> Sums:
        """Of one request; what primes the answer is part of it."""
        new, node = list[tuple[int, int]](), self.paths.nodes[sent.node][0]  # the last node is the frame's
        while node and node not in self.nodes:
            parent, chunk = self.paths.nodes[node]
            new.append((node, chunk))
            node = parent
        depth, sums = self.nodes.get(node, (0, NOTHING))
        keys = _keys(sent.manifest)
        for node, chunk in reversed(new):
            key = keys[depth] if depth < len(keys) else ""
            sums = _add(sums, self._weight(chunk, key))
            depth += 1
            self.nodes[node] = depth, sums
        sums = _add(sums, _one("tools", -_left_out(sums[GROUPS.index("tools")], keys, sent.translated)))
        return _add(sums, _one("system", PER_REPLY + PER_MESSAGE * ("system" in keys)))

    def _weight(self, chunk: int, key: str) -> Sums:
        known = self.weights.get(chunk)
        if known is None:
            known = self.weights[chunk] = _weigh(key, self.paths.chunks.get(chunk), self.scale)
        return known


def _keys(manifest: bytes) -> list[str]:
    """The key that each chunk of a body belongs to."""
    parts = (*loads(manifest), [])[0]
    return [key for key, count in parts for _ in range(1 if count is None else count)]


def _left_out(tools: int, keys: list[str], translated: bytes | None) -> int:
    """Of the tools' tokens what was not sent, by how many of them were: the bodies stay unread."""
    offered = keys.count("tools")
    if translated is None or not offered:
        return 0
    return tools - round(tools * min(1.0, _keys(translated).count("tools") / offered))


def _weigh(key: str, value: Any, scale: Scale) -> Sums:
    body = {key: value if isinstance(value, str) else [value]}
    found = list(NOTHING)
    for block in anatomy.blocks(body):
        for kind, tokens in anatomy.weigh(block, scale).kinds.items():
            found[GROUPS.index(OF[kind])] += tokens
        found[GROUPS.index("system")] += PER_MESSAGE * (block.leads and key == "messages")
    return tuple(found)


def _add(one: Sums, other: Sums) -> Sums:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _one(group: Group, tokens: int) -> Sums:
    return tuple(tokens if name == group else 0 for name in GROUPS)
