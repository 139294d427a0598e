"""The context of a session over time: what each request's prompt was made of, and which one blew it up.

Owns the sums by kind, request by request. Must never put a body together: messages are counted once, on the chunks that
requests share. The one surprise: a session is several conversations, since each subagent has its own; a request is
compared with the one before it in its own conversation whose tokens are known in the same way (reported, or counted
here), and requests aside (titles, searches) are in none. What was not sent on is left out, as on the x-ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ccr_tui import prices, xray
from ccr_tui.anatomy import Kind
from ccr_tui.slim import dataclass
from ccr_tui.store.conversing import TALKING
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import TraceRow, iso
from ccr_tui.tally import Scale
from ccr_tui.weighing import Weigher

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
    weigher = Weigher(reader.paths([row.n for row in talking], translated=True), scale)
    points = [_point(row, weigher.sent(row.n)) for row in talking if row.n in weigher.paths.sent]
    return Growth(tuple(_compared(points)), len(rows) - len(talking))


def _point(row: TraceRow, raw: Mapping[Kind, int]) -> Point:
    """Tokens as the x-ray of this request has them, kinds that are alike taken together."""
    counted = sum(raw.values())
    reported = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
    known = row.usage_basis == "reported" and reported > 0 and xray.is_sensible(reported, counted)
    whole = reported if known else counted
    tokens = dict.fromkeys(GROUPS, 0)
    for kind, own in zip(xray.LAID, xray.apportioned((raw[kind] for kind in xray.LAID), whole), strict=True):
        tokens[OF[kind]] += own
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
