"""The rows that lists show, and the JSON that scripts get.

Owns the shapes of what a query returns, each frozen, with `as_json()` as the command line promises it: money as an
exact decimal string or null, times as ISO 8601 in UTC, tokens as integers. Must never read the database. The one
surprise: a request that was never answered has no known cost (null), while asking no router costs "0".
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from ccr_tui.prices import usd
from ccr_tui.records import Attempt, Failure, Json, Price, RouteDecision, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store.amounts import Sums
from ccr_tui.wire import loads

RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One request in a list. Costs are nano-USD; None is unknown."""

    n: int
    """Its number in this database: later ones are larger."""
    id: str
    session: str | None
    project: str | None
    agent_id: str | None
    origin: str
    started_at: float
    duration_ms: int
    ttft_ms: int | None
    outcome: str
    status: int
    error: str | None
    asked_model: str
    mode: str | None
    agent: str | None
    rule: str | None
    model: str | None
    """The provider's id of the model that answered, or our name of the one that was to."""
    provider: str | None
    stop_reason: str | None
    input_tokens: int
    """Without what was read from or written to a cache."""
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_basis: str | None
    """None: nobody reported or estimated any."""
    estimated_input_tokens: int | None
    cost: int | None
    """Of all attempts together."""
    cost_basis: str
    router_cost: int | None
    attempts: int
    kind: str
    cache_saved: int | None = None
    """What the prompt cache made cheaper (see economy.py); None: a price or the tokens are not known."""
    cache_lost: int | None = None
    """What it cost that another model answered than the request before, or an agent was sent everything anew."""
    hops: str = ""
    """Where lists ask for it: what each call was for, in order, such as "route,think,route,answer,answer"."""
    snippet: str | None = None
    """What a search found, in its surroundings."""
    marked: int = 0
    """1: a person has put a bookmark on it."""
    note: str | None = None
    """What a person has written about it."""
    run_kind: str | None = None
    """Where a replay or a lab has sent it: which of them, as "rerun" and "lab"; None too where that run was deleted."""

    @property
    def is_about(self) -> bool:
        """Whether the cost rests on tokens that nobody reported."""
        return self.has_guesses and self.cost_basis != "reported"

    @property
    def is_unbilled(self) -> bool:
        """Whether nobody is known to bill anything: no tokens were counted. Where the router was asked, some may have
        been, at a price that is not known."""
        return self.cost is None and self.usage_basis is None and not (self.mode == "router" and self.attempts > 1)

    @property
    def has_guesses(self) -> bool:
        """Whether tokens are estimated, at least in part."""
        return self.usage_basis in ("estimated", "mixed")

    @property
    def cached_share(self) -> float | None:
        """The part of the prompt that a cache served, 0 to 1; None where no provider reported the tokens, or none."""
        prompt = self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
        return self.cache_read_tokens / prompt if prompt and self.usage_basis in ("reported", "mixed") else None

    def as_json(self) -> dict[str, Any]:
        """What `traces ls --json` prints."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        shown = {_JSON_NAMES.get(name, name): value for name, value in given.items() if name not in _NOT_JSON}
        shown |= {
            "started_at": iso(self.started_at),
            "cost_usd": usd(self.cost),
            "router_cost_usd": usd(self.router_cost),
            "cache_saved_usd": usd(self.cache_saved),
            "cache_lost_usd": usd(self.cache_lost),
            "marked": bool(self.marked),
            "unbilled": self.is_unbilled,
        }
        return shown if self.snippet is None else shown | {"snippet": self.snippet}


_NOT_JSON = ("n", "hops", "snippet")
_JSON_NAMES = {name: f"{name}_usd" for name in ("cost", "router_cost", "cache_saved", "cache_lost")}


@dataclass(frozen=True, slots=True)
class SessionRow(Sums):
    """One session of Claude Code, its subagents included."""

    id: str = ""
    project: str | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    subagents: int = 0
    models: tuple[str, ...] = ()
    """Who answered, the busiest first."""
    title: str | None = None
    """What the client called it, or what was typed first in it."""
    pinned: int = 0
    """1: it is kept whatever is pruned."""

    def as_json(self) -> dict[str, Any]:
        """What `sessions --json` prints."""
        head = {
            "id": self.id,
            "title": self.title,
            "pinned": bool(self.pinned),
            "project": self.project,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
        }
        span = round((self.ended_at - self.started_at) * 1000)
        return head | {"span_ms": span, "subagents": self.subagents, "models": list(self.models)} | self.sums_json()


def trace_json(trace: Trace, row: TraceRow) -> dict[str, Any]:
    """What `traces show --json` prints: the row, the request, the decision, the response, what happened when (name,
    start and end in ms) and every step."""
    more = {
        "request": trace.body if trace.raw is None else trace.raw.decode("utf-8", "replace"),
        "decision": trace.decision and _decision_json(trace.decision),
        "response": trace.reply,
        "failure": trace.failure and _failure_json(trace.failure, trace.status),
        "replay_of": trace.replay_of,
        "spans": [list(span) for span in trace.spans],
        "steps": [_step_json(attempt) for attempt in trace.attempts],
    }
    return row.as_json() | more


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decision_json(decision: RouteDecision) -> dict[str, Any]:
    return {
        "mode": decision.mode,
        "agent": decision.agent,
        "model": decision.model,
        "rule": decision.rule,
        "reason": decision.reason,
        "fallbacks": list(decision.fallbacks),
        "considered": [list(pair) for pair in decision.considered],
    }


def _failure_json(failure: Failure, sent: int) -> dict[str, Any]:
    """`told`: "status", or "event" where the client's stream had begun with a 200, too late for `status`."""
    told = "status" if failure.status == sent else "event"
    return {"status": failure.status, "type": failure.type, "message": failure.message, "told": told}


def _step_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "n": attempt.n,
        "purpose": attempt.purpose,
        "provider": attempt.provider,
        "model": attempt.model,
        "answered_by": attempt.answered_by,
        "status": attempt.status,
        "request_id": attempt.request_id or None,
        "started_at": iso(attempt.started_at),
        "connect_ms": attempt.connect_ms,
        "ttft_ms": attempt.ttft_ms,
        "duration_ms": attempt.duration_ms,
        "stop_reason": attempt.stop_reason,
        "sent": attempt.sent,
        "response": _response(attempt),
        "usage": _usage_json(attempt.usage),
        "cost_usd": usd(attempt.cost),
        "cost_basis": "unknown" if attempt.cost is None else attempt.cost_basis,
        "price": _price_json(attempt.price),
        "error": attempt.failure and attempt.failure.message,
        "notes": list(attempt.notes),
    }


def _price_json(price: Price | None) -> dict[str, Any] | None:
    """What it was billed at, in dollars a million tokens, and where that is known from."""
    if price is None:
        return None
    rates = {f"{name}_usd": usd(getattr(price, name)) for name in RATES}
    return rates | {"basis": price.basis, "source": price.source, "since": price.since or None}


def _response(attempt: Attempt) -> Json:
    """What the upstream sent: JSON if it is that, else its text (a stream's events); None if it was not recorded."""
    if not attempt.stream:
        return None
    received = b"".join(piece for _, piece in attempt.stream)
    try:
        return loads(received)
    except ValueError:
        return received.decode("utf-8", "replace")


def _usage_json(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "cache_write_1h_tokens": usage.cache_write_1h,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "basis": usage.basis,
    }
