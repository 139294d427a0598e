"""How an answer came in: each block's lane over time, the first token, the speed, and the silences.

Owns the reading of a trace's timeline, and what a speed is. Pure. Must never take a ping for a sign of the model's
life, nor a message that was begun here to send one: silence is measured between events that say something. The one
surprise: providers report tokens for the whole answer only, so a block's
tokens are its share of the characters, and are told as about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from ccr_tui.records import Attempt, Json, TimelineEvent, Trace
from ccr_tui.slim import dataclass

SILENCE_MS = 1000
"""From here on a gap between two events is told as a silence."""
BRIEF_MS = 50
"""A shorter time says nothing of a speed; and what came within it came together."""
ROUNDED_MS = 5
"""By so much two clocks' milliseconds may differ."""
OPENING = 8
"""Pieces of an answer in which its beginning is looked for."""


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
        return speed(self.tokens, self.pieces[-1][0] - self.pieces[0][0]) if self.pieces else None


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
    """Tokens a second after the first piece, until the last."""
    pings: int
    lanes: tuple[Lane, ...]
    silences: tuple[Silence, ...]
    is_opened_here: bool = False
    """Whether the first event was made here while nothing had come, to keep the client waiting."""

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
    ours = _is_opened_here(trace, events)
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
        rate=speed(tokens, pieces[-1][0] - pieces[0][0]) if pieces else None,
        pings=len(trace.timeline) - len(events),
        lanes=tuple(lanes),
        silences=tuple(silences(events[1:], 0) if ours else silences(events)),
        is_opened_here=ours,
    )


def rate(trace: Trace) -> float | None:
    """Tokens a second of the answer: by what the client was sent; without a stream by the answer's own times."""
    if trace.timeline:
        return pulse(trace).rate
    answer = trace.answer
    if answer is None or answer.usage is None or answer.ttft_ms is None:
        return None
    return speed(answer.usage.output, answer.duration_ms - answer.ttft_ms)


def speed(tokens: int | None, ms: int) -> float | None:
    """Tokens a second: those after the first over the time from the first to the last. None where that says nothing."""
    return None if tokens is None or tokens < 2 or ms < BRIEF_MS else (tokens - 1) * 1000 / ms


def _is_opened_here(trace: Trace, events: Sequence[TimelineEvent]) -> bool:
    """Whether the message began before anything came. One that begins with its content came with it."""
    answer = trace.answer
    if len(events) < 2 or events[0].type != "message_start" or events[1].ms - events[0].ms < BRIEF_MS:
        return False
    if answer is None or not answer.stream:
        return False
    theirs = (at for attempt in trace.attempts for at in _openings(attempt, trace.started_at))
    return not any(at <= events[0].ms + ROUNDED_MS for at in theirs)


def _openings(attempt: Attempt, started_at: float) -> list[float]:
    """When a provider began a message, in milliseconds since the request arrived."""
    began = (attempt.started_at - started_at) * 1000
    return [began + ms for ms, piece in attempt.stream[:OPENING] if b"message_start" in piece]


def silences(events: Sequence[TimelineEvent], before: int | None = None) -> list[Silence]:
    """Gaps between two events that say something; `before`: when it was last said, if that is no event."""
    found, block = list[Silence](), None
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
