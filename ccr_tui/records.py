"""The words of the house: what one request was, as frozen records.

Owns the vocabulary that every floor shares. Must never import anything of ours, do I/O or hold behaviour beyond a
property. The one surprise: a `Trace` is emitted once, at the end of an exchange, and never changed afterwards; what is
still happening lives on the board in `feed.py`.

Units: tokens are integers; money is an integer of nano-US-dollars (1e-9 USD), None where a price is unknown (never 0
for unknown); times are seconds since the epoch (UTC, float); durations are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from ccr_tui.slim import dataclass

Json = Any
"""A parsed JSON value. Nobody changes one that he was given: translators build new ones."""
MOST = 2**48
"""Of any number: nano-dollars, tokens, milliseconds. A thousand of them can be added up."""

Basis = Literal["reported", "estimated", "mixed"]
Mode = Literal["normal", "router"]
Outcome = Literal["ok", "error", "cancelled"]
Origin = Literal["live", "replay", "imported"]
Purpose = Literal["answer", "route", "think", "code"]
CostBasis = Literal["reported", "list", "user", "unknown"]
Ability = Literal["ok", "no", "failed"]
Kind = Literal["main", "subagent", "title", "compaction", "web_search", "background", "other"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one upstream call, in Anthropic's sense: `input` excludes what was read from or written to a cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    """The part of `output` that was reasoning; already counted in it."""
    basis: Basis = "reported"
    cache_write_1h: int = 0
    """The part of `cache_write` that is kept for an hour, which costs more than five minutes; already counted in it."""

    @property
    def prompt(self) -> int:
        """Everything that was sent, cached or not."""
        return self.input + self.cache_read + self.cache_write


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in nano-USD ($0.15 per million is 150_000_000)."""

    input: int
    output: int
    cache_read: int | None = None
    """None: the provider names no cache price, so cached tokens are billed as input."""
    cache_write: int | None = None
    since: str = ""
    """The date (YYYY-MM-DD) that the price was read or became valid."""
    source: str = ""
    """Where it comes from, for people: "config.toml", "ccr-tui table 2026-11-22", "genai-prices 0.2.3"."""
    basis: CostBasis = "list"
    cache_write_1h: int | None = None
    """None: no price of its own is known, so it is billed as `cache_write`."""


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """Which model answers, and why."""

    mode: Mode
    agent: str
    model: str
    """The model's name in our config, not the provider's id."""
    rule: str
    reason: str
    fallbacks: tuple[str, ...] = ()
    considered: tuple[tuple[str, str], ...] = ()
    """Every rule that was looked at, in order, with why it passed or matched."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as the client was told."""

    status: int
    type: str
    """Anthropic's error type, such as "overloaded_error"."""
    message: str
    """One sentence: cause and cure."""
    should_retry: bool | None = None
    """None leaves it to the client's own rules for the status."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one upstream model. A consultation of the router is one too."""

    n: int
    purpose: Purpose
    provider: str
    model: str
    """The provider's id of the model, as it was sent."""
    sent: Json
    """The translated body."""
    started_at: float
    ttft_ms: int | None
    """Until the first token of any kind (reasoning counts); None if none came."""
    duration_ms: int
    status: int | None
    """HTTP status; None if no response came."""
    stop_reason: str | None
    usage: Usage | None
    price: Price | None
    cost: int | None
    cost_basis: CostBasis
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    """What translation dropped, merged, clamped or repaired, a sentence each."""
    answered_by: str | None = None
    """The model that the provider says has answered."""
    connect_ms: int | None = None
    """Until the response headers."""
    stream: tuple[tuple[int, bytes], ...] = ()
    """The upstream's bytes as they came: milliseconds since started_at, and the piece."""
    estimate: int | None = None
    """The input tokens that were expected of it, as message_start told them; None: not known any more."""
    family: str = ""
    """The family of models whose facts were heeded; "": not known any more."""
    request_id: str = ""
    """What the provider calls the request, for its support; "": it named none."""


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event that the client was sent. Its text is found again in the reply by adding up the sizes of its block."""

    ms: int
    """Since the request arrived."""
    type: str
    index: int | None = None
    size: int = 0
    """Characters of text, thinking or JSON that it carried."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One request of the client, from its first byte to its last."""

    uid: str
    origin: Origin
    kind: Kind
    session: str | None
    project: str | None
    agent_id: str | None
    asked_model: str
    streamed: bool
    body: Json
    """The client's body; None if it could not be parsed, and then `raw` has it."""
    raw: bytes | None
    headers: Mapping[str, str]
    """Allow-listed request headers only; never a credential."""
    decision: RouteDecision | None
    attempts: tuple[Attempt, ...]
    reply: Json
    """The message the client received: the fold of the very events that were sent. None if there was none."""
    timeline: tuple[TimelineEvent, ...]
    outcome: Outcome
    status: int
    failure: Failure | None
    estimate: int | None
    """Input tokens as estimated before the upstream answered."""
    started_at: float
    ttft_ms: int | None
    duration_ms: int
    spans: tuple[tuple[str, int, int], ...] = ()
    """The waterfall: name, start and end in ms since started_at (parse, route, translate, connect, wait, stream)."""
    replay_of: str | None = None
    run: str | None = None
    app_version: str = ""

    @property
    def answer(self) -> Attempt | None:
        """The last attempt that was made to answer; the one whose tokens the client saw."""
        return next((a for a in reversed(self.attempts) if a.purpose == "answer"), None)


@dataclass(frozen=True, slots=True)
class Badge:
    """What a test has shown of one ability of a model."""

    check: str
    """auth, models, one_token, streaming, tools, parallel_tools, reasoning, json_schema, cached_usage, mid_system."""
    ability: Ability
    """"no": it was asked, and can't; "failed": it could not be found out."""
    sentence: str
    """What was seen, or what is wrong and how to mend it."""
    ms: int
    cost: int | None
    """Nano-USD of all requests that it took; None where a price is unknown."""
    at: float


@dataclass(slots=True)
class Flight:
    """One request under way, as the board shows it. Latest state wins; written on the event loop only."""

    uid: str
    started_at: float
    asked_model: str
    kind: Kind = "main"
    project: str | None = None
    session: str | None = None
    agent: str = ""
    model: str = ""
    phase: Literal["routing", "connecting", "waiting", "retrying", "thinking", "text", "tool"] = "routing"
    estimate: int | None = None
    ttft_ms: int | None = None
    output_chars: int = 0
    """Characters received; a quarter of it is the shown guess at tokens, marked with a tilde."""
    tool: str = ""
    tail: str = ""
    """The last few characters of what it says."""
    extra: dict[str, Any] = field(default_factory=dict)
    """`retry` while a model is about to be asked again: `status` that it answered with, `at` (seconds since the epoch),
    `try` (the one that comes) and `of` (how many there may be)."""
    """`retry` while a model is about to be asked again: `status` that it answered with, `at` (seconds since the epoch),
    `try` (the one that comes) and `of` (how many there may be)."""
