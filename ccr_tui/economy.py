"""What the prompt cache saved, and what routing to another model took from it.

Owns both definitions, in tokens and in nano-USD. Pure. Must never take what is not known for 0: without a price, or
without reported tokens, it is None. The one surprise: what was lost is a lower bound, because it counts only what the
shortest-lived of the usual caches would still have held.

*Saved* is what the same tokens would have cost without a cache, minus what they cost: cache reads below the price of
input, less what a provider charges extra for writing. It is never negative by rule, only by arithmetic.

*Lost* is counted where the model (or its provider) that answered a request of a conversation is not the one that
answered the request before it: a rule, the router, a fallback or the person's own /model has switched. One model would
have had the beginning that both requests share in its cache: that share of the prompt's tokens (by the bytes of its
tools, system blocks and messages), at most what the request before sent, and only if that came no more than `ALIVE_S`
before. What the provider reports as cached nevertheless is taken off; the rest is billed as new although it was not.
Where no cache is known of that the answering model would have had, or the beginning is shorter than the least that it
keeps, nothing was lost: by the same rules as the verdict on one request (`caching.rules_met`, `Rules.holds`).
An agent that works before the one that answers (a hop) is sent the conversation over again without its cache, and loses
in the same way; its share is that of system blocks and messages, since it gets no tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ccr_tui import caching
from ccr_tui.prices import cost
from ccr_tui.records import Attempt, Price, Usage
from ccr_tui.slim import dataclass

ALIVE_S = 300.0
"""How long a prompt is taken to stay cached, from one request's start to the next: Anthropic's five minutes. OpenAI
names five to ten, DeepSeek hours."""
CONVERSING = ("main", "subagent")
"""Kinds of requests that continue a conversation."""
HOPS = ("think", "code")
"""Purposes of attempts that send the conversation to an agent without tools."""

Model = tuple[str, str]
"""Provider, and the provider's id."""


@dataclass(frozen=True, slots=True)
class Before:
    """The request before, in the same conversation, and what this one has in common with it."""

    model: Model
    prompt: int
    """Tokens that it sent, cached or not."""
    share: float
    """The part of this request's bytes that both begin with: 0 to 1."""
    share_said: float
    """The same without the tools."""


@dataclass(frozen=True, slots=True)
class Economy:
    """One attempt's dealings with the cache; None is unknown."""

    saved: int | None = None
    lost: int | None = None
    switched: int = 0
    """Tokens that the answering model was sent as new, and that one model for all would have had cached."""


def of(attempt: Attempt, is_answer: bool, before: Before | None) -> Economy:
    """What one attempt saved and lost. `before` is None for the first request of a conversation, and where the one
    before is too long ago."""
    usage = attempt.usage
    if usage is None:
        return Economy()
    warm = 0
    if before is not None and is_answer and before.model != (attempt.provider, attempt.model):
        warm = min(round(usage.prompt * before.share), before.prompt)
    elif before is not None and attempt.purpose in HOPS:
        warm = min(round(usage.prompt * before.share_said), before.prompt)
    warm = warm and _held(attempt, usage, warm)
    if usage.basis == "estimated":
        return Economy(None, None if warm else 0)
    cold = max(0, warm - usage.cache_read)
    return Economy(saved(usage, attempt.price), lost(usage, attempt.price, cold), cold if is_answer else 0)


def _held(attempt: Attempt, usage: Usage, warm: int) -> int:
    """What of it the cache of the model that was asked would have kept."""
    rules = caching.rules_met(attempt.provider, attempt.model, attempt.family, attempt.sent)
    return caching.proven(rules, usage.cache_read).holds(warm)


def saved(usage: Usage, price: Price | None) -> int | None:
    """What the cache made cheaper, in nano-USD."""
    if not usage.cache_read and not usage.cache_write:
        return 0
    return None if price is None else cost(uncached(usage), price) - cost(usage, price)


def lost(usage: Usage, price: Price | None, cold: int) -> int | None:
    """What it cost that `cold` tokens were not read from the cache, in nano-USD."""
    if not cold:
        return 0
    return None if price is None else cost(usage, price) - cost(cached(usage, cold), price)


def uncached(usage: Usage) -> Usage:
    """The same tokens where nothing is cached."""
    return replace(usage, input=usage.prompt, cache_read=0, cache_write=0, cache_write_1h=0)


def cached(usage: Usage, more: int) -> Usage:
    """The same tokens with `more` of them read from the cache: first those that were written to it, being a
    beginning."""
    more = min(more, usage.input + usage.cache_write)
    written = min(more, usage.cache_write)
    left = usage.cache_write - written
    return replace(
        usage,
        cache_write=left,
        cache_write_1h=min(usage.cache_write_1h, left),
        input=usage.input - (more - written),
        cache_read=usage.cache_read + more,
    )


def total(parts: Sequence[int | None]) -> int | None:
    """The sum; None where a part is unknown, or where there is none."""
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many elements both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
