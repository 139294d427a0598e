"""How an answer came in: each block's lane over time, the first token, the speed, and the silences.

Owns the reading of a trace's timeline. Pure. Must never take a ping for a sign of the model's life: silence is measured
between events that say something. The one surprise: providers report tokens for the whole answer only, so a block's
tokens are its share of the characters, and are told as about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from ccr_tui.records import Json, TimelineEvent, Trace
from ccr_tui.slim import dataclass

SILENCE_MS = 1000
"""From here on a gap between two events is told as a silence."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A gap between two events."""

    at_ms: int
    """When it began, since the request arrived."""
    ms: int
    block: int | None
    """The block that was open."""


@dataclass(slots=True)
class Lane:
    """One block of the answer over time."""

    index: int
    kind: str
    """thinking, text, tool, or what the reply calls it."""
    name: str
    """Of a tool; else empty."""
    start_ms: int
    end_ms: int
    characters: int = 0
    pieces: list[tuple[int, int]] = field(default_factory=list)
    """When how many characters came."""
    tokens: int | None = None
    """About: its share of the answer's."""

    @property
    def rate(self) -> float | None:
        """Tokens a second between its first and its last piece."""
        return _rate(self.tokens, self.pieces[0][0], self.pieces[-1][0]) if self.pieces else None


@dataclass(frozen=True, slots=True)
class Pulse:
    """The whole stream. Times are milliseconds since the request arrived; None: it did not come to that."""

    first_ms: int | None
    """The first event that the client was sent."""
    first_token_ms: int | None
    """The first piece of text, thinking or arguments."""
    last_ms: int
    tokens: int | None
    """Of the answer, as reported or estimated."""
    rate: float | None
    """Tokens a second, from the first piece to the last."""
    pings: int
    lanes: tuple[Lane, ...]
    silences: tuple[Silence, ...]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "first_event_ms": self.first_ms,
            "first_token_ms": self.first_token_ms,
            "last_event_ms": self.last_ms,
            "output_tokens": self.tokens,
            "tokens_per_second": None if self.rate is None else round(self.rate, 2),
            "pings": self.pings,
            "lanes": [
                {
                    "index": lane.index,
                    "kind": lane.kind,
                    "name": lane.name,
                    "start_ms": lane.start_ms,
                    "end_ms": lane.end_ms,
                    "characters": lane.characters,
                    "events": len(lane.pieces),
                    "about_tokens": lane.tokens,
                    "tokens_per_second": None if lane.rate is None else round(lane.rate, 2),
                }
                for lane in self.lanes
            ],
            "silences": [{"at_ms": s.at_ms, "ms": s.ms, "block": s.block} for s in self.silences],
        }


def pulse(trace: Trace) -> Pulse:
    """The stream of a recorded request; empty where none was sent."""
    events = [event for event in trace.timeline if event.type != "ping"]
    lanes = _lanes(events, trace.reply)
    pieces = sorted(piece for lane in lanes for piece in lane.pieces)
    answer = trace.answer
    tokens = answer.usage.output if answer is not None and answer.usage is not None else None
    _share(lanes, tokens)
    return Pulse(
        first_ms=events[0].ms if events else None,
        first_token_ms=pieces[0][0] if pieces else None,
        last_ms=events[-1].ms if events else 0,
        tokens=tokens,
        rate=_rate(tokens, pieces[0][0], pieces[-1][0]) if pieces else None,
        pings=len(trace.timeline) - len(events),
        lanes=tuple(lanes),
        silences=tuple(silences(events)),
    )


def silences(events: Sequence[TimelineEvent]) -> list[Silence]:
    """Gaps between two events that say something."""
    found, before, block = list[Silence](), None, None
    for event in events:
        if event.type == "ping":
            continue
        if before is not None and event.ms - before >= SILENCE_MS:
            found.append(Silence(before, event.ms - before, block))
        before = event.ms
        block = None if event.type == "content_block_stop" else event.index if event.index is not None else block
    return found


def _lanes(events: Sequence[TimelineEvent], reply: Json) -> list[Lane]:
    content = reply.get("content") if isinstance(reply, dict) else None
    blocks = content if isinstance(content, list) else []
    found: dict[int, Lane] = {}
    for event in events:
        if event.index is None:
            continue
        lane = found.get(event.index)
        if lane is None:
            lane = found[event.index] = Lane(event.index, *_kind(blocks, event.index), event.ms, event.ms)
        lane.end_ms = event.ms
        if event.size:
            lane.characters += event.size
            lane.pieces.append((event.ms, event.size))
    return [found[index] for index in sorted(found)]


def _kind(blocks: Sequence[Any], index: int) -> tuple[str, str]:
    block = blocks[index] if index < len(blocks) and isinstance(blocks[index], dict) else {}
    kind = str(block.get("type") or "?")
    return ("tool", str(block.get("name"))) if kind.endswith("tool_use") else (kind, "")


def _share(lanes: Sequence[Lane], tokens: int | None) -> None:
    whole = sum(lane.characters for lane in lanes)
    for lane in lanes:
        lane.tokens = None if tokens is None or not whole else round(tokens * lane.characters / whole)


def _rate(tokens: int | None, start: int, end: int) -> float | None:
    return None if tokens is None or end - start < 50 or tokens < 2 else tokens / ((end - start) / 1000)
