"""A trace as a page for people: headings, figures and pieces of conversation, for Markdown and HTML alike.

Owns what is told and in which order. Must never do I/O or write in any markup: what is text stays text, and whoever
prints it escapes it. The one surprise: of a session's requests each tells only what is new since the one before of the
same agent, because every request repeats all that was said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from ccr_tui.prices import show
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import totals
from ccr_tui.transfer.transcript import blocks_of

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ud800-\udfff\ufeff"
    "\U000e0000-\U000e007f]"
)
LONG = 2_000
"""Characters from which a piece is folded where the format can."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that was said, or what a tool was given or gave."""

    kind: str
    """text, thinking, tool, result, image, system, json."""
    title: str
    text: str

    @property
    def folded(self) -> bool:
        """Whether it is beside the point at first sight."""
        return self.kind in ("thinking", "result", "system", "json") or len(self.text) > LONG


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One request."""

    title: str
    figures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    """What translation changed, how a request was reconstructed, why the route was taken."""
    earlier: int
    """Messages that were said before and are not repeated."""
    said: tuple[Said, ...]
    answer: tuple[Piece, ...]
    failure: str | None

    @property
    def repeated(self) -> str:
        """A word on what is not repeated."""
        return f"{self.earlier} earlier message{'s stand' if self.earlier > 1 else ' stands'} above."


@dataclass(slots=True)
class Teller:
    """Tells requests one after the other."""

    _last: dict[tuple[str | None, str | None], list[Json]] = field(default_factory=dict)

    def page(self, trace: Trace) -> Page:
        """The request, without what an earlier one of its conversation has told."""
        messages = _messages(trace.body)
        whose = (trace.session, trace.agent_id)
        known = _common(self._last.get(whose, []), messages) if trace.session else 0
        if trace.session and trace.kind in ("main", "subagent"):
            self._last[whose] = [*messages, *_answered(trace.reply)]
        head = [] if known else [*_system(trace.body), *_tools(trace.body)]
        said = [Said("system", tuple(head))] if head else []
        said += [Said(str(message.get("role")), tuple(pieces(message.get("content")))) for message in messages[known:]]
        return Page(
            title=title(trace),
            figures=tuple(figures(trace)),
            notes=tuple(_notes(trace)),
            earlier=known,
            said=tuple(said),
            answer=tuple(pieces(trace.reply.get("content"))) if isinstance(trace.reply, dict) else (),
            failure=trace.failure.message if trace.failure else None,
        )


def visible(text: str) -> str:
    """Text without what steers a terminal, turns the direction of writing, can't be seen, or is no character at all."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\r\n", "\n"))


def title(trace: Trace) -> str:
    """Which request it is, in a line."""
    answered = trace.answer.model if trace.answer else "nobody"
    return f"{when(trace.started_at)}  {trace.asked_model} → {answered}"


def when(at: float) -> str:
    """A time that is the same wherever it is read."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def figures(trace: Trace) -> Iterator[tuple[str, str]]:
    """What a request was and what it took, as names and values."""
    yield "id", trace.uid
    if trace.session:
        yield "session", trace.session
    if trace.agent_id:
        yield "subagent", trace.agent_id
    if trace.project:
        yield "project", trace.project
    yield "origin", trace.origin
    if trace.decision:
        yield "route", f"{trace.decision.agent} ({trace.decision.mode} mode, rule {trace.decision.rule})"
    yield "outcome", f"{trace.outcome}, status {trace.status}"
    yield "took", _took(trace)
    usage = totals.usage(trace)
    if usage:
        yield "tokens in", f"{usage.prompt:,} ({usage.cache_read:,} cached, {usage.cache_write:,} written to the cache)"
        yield "tokens out", f"{usage.output:,} ({usage.reasoning:,} reasoning), {usage.basis}"
    yield "cost", f"{show(totals.cost(trace.attempts))} ({_price(trace.answer)})"
    if len(trace.attempts) > 1:
        yield "calls", ", ".join(f"{a.purpose}: {a.provider}/{a.model} {a.status or '-'}" for a in trace.attempts)


def pieces(content: Json) -> Iterator[Piece]:
    """A message's content, block by block."""
    for block in blocks_of(content):
        yield _piece(block)


def _piece(block: dict[str, Any]) -> Piece:
    kind = block.get("type")
    if kind == "text":
        return Piece("text", "", str(block.get("text") or ""))
    if kind == "thinking":
        return Piece("thinking", "thinking", str(block.get("thinking") or ""))
    if kind in ("tool_use", "server_tool_use"):
        return Piece("tool", f"{block.get('name')}  {block.get('id') or ''}".strip(), pretty(block.get("input")))
    if kind == "tool_result":
        failed = ", an error" if block.get("is_error") else ""
        return Piece("result", f"result{failed}  {block.get('tool_use_id') or ''}".strip(), _flat(block.get("content")))
    if kind in ("image", "document"):
        return Piece("image", kind, _file(block))
    return Piece("json", str(kind), pretty(block))


def _flat(content: Json) -> str:
    """A tool's result as text."""
    return "\n".join(
        piece.text if piece.kind == "text" else f"[{piece.title}: {piece.text}]" for piece in pieces(content)
    )


def _file(block: dict[str, Any]) -> str:
    given = block.get("source")
    source: dict[str, Any] = given if isinstance(given, dict) else {}
    data = source.get("data") or source.get("url") or source.get("file_id") or ""
    size = len(str(data)) * 3 // 4 if source.get("type") == "base64" else len(str(data))
    return f"{source.get('media_type') or source.get('type') or 'unknown'}, {size:,} bytes"


def pretty(value: Json) -> str:
    """JSON over several lines. Everything JSON can hold, lone surrogates included."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _messages(body: Json) -> list[Json]:
    messages = body.get("messages") if isinstance(body, dict) else None
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def _system(body: Json) -> Iterator[Piece]:
    texts = [piece.text for piece in pieces(body.get("system") if isinstance(body, dict) else None) if piece.text]
    if texts:
        yield Piece("system", "system prompt", "\n\n".join(texts))


def _tools(body: Json) -> Iterator[Piece]:
    tools = body.get("tools") if isinstance(body, dict) else None
    named = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    if named:
        names = ", ".join(str(tool.get("name") or tool.get("type")) for tool in named)
        yield Piece("system", f"{len(named)} tools", names)


def _common(earlier: list[Json], messages: list[Json]) -> int:
    """How many messages at the beginning are the same, the moving cache marks aside."""
    pairs = zip(earlier, messages, strict=False)
    same = next((n for n, (one, other) in enumerate(pairs) if _said(one) != _said(other)), None)
    return min(len(earlier), len(messages)) if same is None else same


def _answered(reply: Json) -> list[Json]:
    """An answer as the message that it is in the next request."""
    return [{"role": "assistant", "content": reply.get("content")}] if isinstance(reply, dict) else []


def _said(message: dict[str, Any]) -> Json:
    return [message.get("role"), _bare(blocks_of(message.get("content")))]


def _bare(message: Json) -> Json:
    if isinstance(message, dict):
        return {key: _bare(value) for key, value in message.items() if key != "cache_control"}
    return [_bare(each) for each in message] if isinstance(message, list) else message


def _notes(trace: Trace) -> Iterator[str]:
    if trace.decision:
        yield f"Routed by {trace.decision.rule}: {trace.decision.reason}"
    seen = set[str]()
    for attempt in trace.attempts:
        yield from (note for note in attempt.notes if note not in seen)
        seen.update(attempt.notes)
        if attempt.failure and attempt.failure != trace.failure:
            yield f"{attempt.provider}/{attempt.model}: {attempt.failure.message}"
    if trace.raw is not None:
        yield f"The request was no JSON: {trace.raw[:500].decode('utf-8', 'replace')}"


def _took(trace: Trace) -> str:
    first = f", first token after {trace.ttft_ms / 1000:.2f} s" if trace.ttft_ms is not None else ""
    return f"{trace.duration_ms / 1000:.2f} s{first}"


def _price(answer: Attempt | None) -> str:
    if answer is None or answer.cost is None:
        return "the price is not known"
    if answer.cost_basis == "reported":
        return "reported by the provider"
    return answer.price.source if answer.price else str(answer.cost_basis)
