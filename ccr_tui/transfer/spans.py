"""A trace as OpenTelemetry spans, by the semantic conventions for generative AI.

Owns the names of the attributes (semantic-conventions-genai, status Development, read in November 2026) and what is put
under them. Must never do I/O, need the SDK, or tell what was said unless it is asked to. The one surprise: the
convention's input tokens include what a cache served, Anthropic's and ours do not; they are added up here and nowhere
else. Ids are made from the trace's own, so that an export which is repeated says nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from hashlib import blake2b
from typing import Any

from ccr_tui.prices import usd
from ccr_tui.records import Attempt, Json, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store import totals
from ccr_tui.transfer.transcript import blocks_of

Value = str | int | float | bool | list[str]

ASKED = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
}
PROVIDERS = {"moonshot": "moonshot_ai", "mistral": "mistral_ai", "gemini": "gcp.gemini", "xai": "x_ai"}
"""Names of ours for which the convention has another."""


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Times are nanoseconds since the epoch."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    started: int
    ended: int
    client: bool
    """Whether it is a call to somebody else, or a request to us."""
    attributes: dict[str, Value] = field(default_factory=dict)
    error: str | None = None


def slim(trace: Trace) -> Trace:
    """The trace with no more than what its spans tell: what was said is left out, and takes no time then."""
    return replace(
        trace,
        body=_only(trace.body, ASKED),
        raw=None,
        reply=_only(trace.reply, ("id", "stop_reason")),
        attempts=tuple(replace(each, sent=_only(each.sent, ASKED), stream=()) for each in trace.attempts),
        timeline=(),
    )


def spans(trace: Trace, content: bool = False) -> Iterator[Span]:
    """The request, then each call that it led to. `content`: what was said, too."""
    trace_id = int.from_bytes(blake2b(trace.uid.encode(), digest_size=16).digest(), "big") or 1
    root = _id(trace.uid, "request")
    yield Span(
        name=f"chat {trace.asked_model}",
        trace_id=trace_id,
        span_id=root,
        parent_id=None,
        started=_ns(trace.started_at),
        ended=_ns(trace.started_at) + trace.duration_ms * 1_000_000,
        client=False,
        attributes=_clean(_of_request(trace) | (_content(trace) if content else {})),
        error=trace.failure.message if trace.failure else "cancelled" if trace.outcome == "cancelled" else None,
    )
    for at, attempt in enumerate(trace.attempts):
        yield Span(
            name=f"chat {attempt.model}",
            trace_id=trace_id,
            span_id=_id(trace.uid, f"attempt {at}"),
            parent_id=root,
            started=_ns(attempt.started_at),
            ended=_ns(attempt.started_at) + attempt.duration_ms * 1_000_000,
            client=True,
            attributes=_clean(_of_attempt(trace, attempt)),
            error=attempt.failure.message if attempt.failure else None,
        )


def _of_request(trace: Trace) -> dict[str, Any]:
    answer, decision = trace.answer, trace.decision
    body = trace.body if isinstance(trace.body, dict) else {}
    reply = trace.reply if isinstance(trace.reply, dict) else {}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider(answer.provider) if answer else None,
        "gen_ai.request.model": trace.asked_model,
        "gen_ai.response.model": (answer.answered_by or answer.model) if answer else None,
        "gen_ai.response.id": reply.get("id"),
        "gen_ai.response.finish_reasons": [str(reply["stop_reason"])] if reply.get("stop_reason") else None,
        "gen_ai.response.time_to_first_chunk": None if trace.ttft_ms is None else trace.ttft_ms / 1000,
        "gen_ai.conversation.id": trace.session,
        "gen_ai.agent.id": trace.agent_id,
        "gen_ai.agent.name": decision.agent if decision else None,
        "error.type": trace.failure.type if trace.failure else None,
        "http.response.status_code": trace.status or None,
        **{name: body.get(key) for key, name in ASKED.items()},
        **_tokens(totals.usage(trace)),
        "ccr_tui.trace.id": trace.uid,
        "ccr_tui.kind": trace.kind,
        "ccr_tui.origin": trace.origin,
        "ccr_tui.project": trace.project,
        "ccr_tui.mode": decision.mode if decision else None,
        "ccr_tui.rule": decision.rule if decision else None,
        "ccr_tui.reason": decision.reason if decision else None,
        "ccr_tui.cost_usd": usd(totals.cost(trace.attempts)),
        "ccr_tui.cost_basis": totals.cost_basis(trace),
        "ccr_tui.router_cost_usd": usd(totals.router_cost(trace)),
    }


def _of_attempt(trace: Trace, attempt: Attempt) -> dict[str, Any]:
    sent = attempt.sent if isinstance(attempt.sent, dict) else {}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _provider(attempt.provider),
        "gen_ai.request.model": attempt.model,
        "gen_ai.response.model": attempt.answered_by,
        "gen_ai.response.finish_reasons": [attempt.stop_reason] if attempt.stop_reason else None,
        "gen_ai.response.time_to_first_chunk": None if attempt.ttft_ms is None else attempt.ttft_ms / 1000,
        "gen_ai.conversation.id": trace.session,
        "error.type": attempt.failure.type if attempt.failure else None,
        "http.response.status_code": attempt.status,
        **{name: sent.get(key) for key, name in ASKED.items()},
        **_tokens(attempt.usage),
        "ccr_tui.purpose": attempt.purpose,
        "ccr_tui.cost_usd": usd(attempt.cost),
        "ccr_tui.cost_basis": attempt.cost_basis,
    }


def _tokens(usage: Usage | None) -> dict[str, Any]:
    """Cached tokens are part of the convention's input tokens."""
    if usage is None:
        return {}
    return {
        "gen_ai.usage.input_tokens": usage.prompt,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        "ccr_tui.usage.basis": usage.basis,
    }


def _content(trace: Trace) -> dict[str, Any]:
    """What was said, in the convention's form: messages of parts, as JSON."""
    body = trace.body if isinstance(trace.body, dict) else {}
    reply = trace.reply if isinstance(trace.reply, dict) else {}
    messages = [each for each in body.get("messages") or [] if isinstance(each, dict)]
    told: dict[str, Json] = {
        "gen_ai.system_instructions": _parts(body.get("system")) or None,
        "gen_ai.input.messages": [_message(each) for each in messages] or None,
        "gen_ai.output.messages": [_message(reply) | {"finish_reason": reply.get("stop_reason")}] if reply else None,
        "gen_ai.tool.definitions": body.get("tools") or None,
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in told.items() if value is not None}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": str(message.get("role")), "parts": _parts(message.get("content"))}


def _parts(content: Json) -> list[dict[str, Any]]:
    return [_part(block) for block in blocks_of(content)]


def _part(block: dict[str, Any]) -> dict[str, Any]:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "content": block.get("text")}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking")}
    if kind in ("tool_use", "server_tool_use"):
        return {"type": "tool_call", "id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
    if kind == "tool_result":
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": block.get("content")}
    return {"type": str(kind)}


def _clean(given: dict[str, Any]) -> dict[str, Value]:
    """What a span can hold, and only what is known."""
    return {name: value for name, value in given.items() if isinstance(value, str | int | float | bool | list)}


def _only(value: Json, keys: Iterable[str]) -> Json:
    return {key: value[key] for key in keys if key in value} if isinstance(value, dict) else None


def _provider(name: str) -> str | None:
    return PROVIDERS.get(name, name) or None


def _ns(at: float) -> int:
    return round(at * 1_000_000) * 1_000


def _id(uid: str, part: str) -> int:
    return int.from_bytes(blake2b(f"{uid} {part}".encode(), digest_size=8).digest(), "big") or 1
