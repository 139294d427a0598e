"""What many requests come to: tokens and money, with where each part of the money is known from.

Owns the shapes of sums and their JSON. Must never read the database, nor show an unknown price as 0. The one surprise:
the tokens are those of every call, the router's and the hops' included, while what one model for all would have cost
is worked out from the answers alone: with one model, nobody asks a router.

*One model for all* is the answers' tokens as they were recorded, at that model's price. What was cached counts as
cached, and so does what a switch of models lost (see economy.py), since one model would not have switched. No cache
writes are added, which some providers charge for, and tokens are counted as the model that answered counts them.
"""

from __future__ import annotations

from typing import Any

from ccr_tui import economy
from ccr_tui.origin import origin
from ccr_tui.prices import cost, usd
from ccr_tui.records import Price, Usage
from ccr_tui.slim import dataclass

ABOUT = 100
"""A sum is marked as estimated where more than a hundredth of it is: below that its digits are the same."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Tokens and money of many requests; `cost` is the sum of what is known, `unpriced` counts what is not."""

    requests: int = 0
    failed: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    router_cost: int = 0
    unpriced: int = 0
    """Calls that used tokens at a price nobody knows."""
    hop_cost: int = 0
    """What the agents cost that worked before the one that answered."""
    reported_cost: int = 0
    """The part of `cost` that providers reported themselves."""
    user_cost: int = 0
    """The part at prices of the user's own; the rest is at list prices."""
    estimated_cost: int = 0
    """The part that rests on tokens which nobody reported."""
    estimated_tokens: int = 0
    """How many of all tokens rest on an estimate, because the provider reported none."""
    cache_saved: int = 0
    cache_lost: int = 0
    cache_unknown: int = 0
    """Calls of which it is not known what the cache saved or a switch lost; both sums leave them out."""
    switched_tokens: int = 0
    """Tokens of the answers that one model for all would have had cached."""
    answer_input: int = 0
    answer_output: int = 0
    answer_read: int = 0
    answer_written: int = 0
    priced_input: int = 0
    """Of these answers, those whose price is known; and so below."""
    priced_output: int = 0
    priced_read: int = 0
    priced_written: int = 0
    priced_switched: int = 0
    answer_hour: int = 0
    """Of what the answers wrote to a cache, that which is kept for an hour; some bill it at another price."""
    priced_hour: int = 0
    unheard_input: int = 0
    """What was sent in calls of which no provider told the tokens, a cancelled one for instance: what of it a cache
    served nobody knows."""

    @property
    def prompt_tokens(self) -> int:
        """Everything that was sent, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def cached_share(self) -> float | None:
        """The part of what was sent that a cache served, 0 to 1, as far as it was reported; None if none was."""
        told = self.prompt_tokens - self.unheard_input
        return self.cache_read_tokens / told if told > 0 else None

    @property
    def spent(self) -> int | None:
        """The cost in nano-USD; None if nothing of it is known."""
        return None if self.unpriced and not self.cost else self.cost

    @property
    def is_unbilled(self) -> bool:
        """Whether nobody is known to bill anything: there were requests, and no token was counted."""
        counted = self.prompt_tokens + self.output_tokens + self.unpriced
        return bool(self.requests) and not self.cost and not counted

    @property
    def list_cost(self) -> int:
        """The part of `cost` at list prices."""
        return self.cost - self.reported_cost - self.user_cost

    @property
    def is_about(self) -> bool:
        """Whether the cost rests on estimated tokens to a degree that its digits show."""
        return self.estimated_cost * ABOUT > self.cost

    @property
    def has_guesses(self) -> bool:
        """The same of the tokens."""
        return self.estimated_tokens * ABOUT > self.prompt_tokens + self.output_tokens

    @property
    def mix(self) -> Usage:
        """The answers' tokens as one model for all would have been sent them."""
        tokens = self.answer_input, self.answer_output, self.answer_read, self.answer_written
        recorded = Usage(*tokens, cache_write_1h=self.answer_hour)
        return economy.cached(recorded, self.switched_tokens)

    def at(self, price: Price) -> int:
        """What one model for all would have cost, in nano-USD."""
        return cost(self.mix, price)

    def at_priced(self, price: Price) -> int:
        """The same for those answers alone whose own price is known, so that it may be set against `cost`."""
        tokens = self.priced_input, self.priced_output, self.priced_read, self.priced_written
        recorded = Usage(*tokens, cache_write_1h=self.priced_hour)
        return cost(economy.cached(recorded, self.priced_switched), price)

    def beside(self, price: Price) -> int:
        """What one model for all would have cost for the calls that `cost` holds, so that both can stand side by side;
        for all of them where no price is known."""
        return self.at(price) if self.spent is None else self.at_priced(price)

    def is_partly(self, price: Price) -> bool:
        """Whether that leaves calls out."""
        return self.beside(price) != self.at(price)

    def against(self, price: Price) -> float | None:
        """How much more was paid than one model for all would have cost, as a part of that: -0.9 is 90 % less. Answers
        whose price nobody knows are left out on both sides; None where nothing is left."""
        other = self.at_priced(price)
        return (self.cost - other) / other if other and self.spent is not None else None

    def against_json(self, price: Price) -> dict[str, Any]:
        """The share with both its terms: what was paid, and what one model would have cost for the same calls."""
        share = self.against(price)
        return {
            "spent_usd": usd(self.spent),
            "comparable_usd": None if self.spent is None else usd(self.beside(price)),
            "share": None if share is None else round(share, 6),
        }

    def sums_json(self) -> dict[str, Any]:
        """What scripts get of it."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "input_tokens": self.input_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "output_tokens": self.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "estimated_tokens": self.estimated_tokens,
            "cost_usd": usd(self.spent),
            "cost_by_basis": {
                "reported": usd(self.reported_cost),
                "list": usd(self.list_cost),
                "user": usd(self.user_cost),
            },
            "estimated_cost_usd": usd(self.estimated_cost),
            "unpriced": self.unpriced,
            "router_cost_usd": usd(self.router_cost),
            "hop_cost_usd": usd(self.hop_cost),
            "cache_saved_usd": usd(self.cache_saved),
            "cache_lost_usd": usd(self.cache_lost),
            "cache_unknown": self.cache_unknown,
            "switched_tokens": self.switched_tokens,
        }


@dataclass(frozen=True, slots=True)
class SpendRow(Sums):
    """What one hour, day, week, model, agent, session, project or provider cost."""

    by: str = ""
    key: str | None = None
    """An hour is ISO 8601 in UTC, a day a local date, a week ISO's (2026-W47, local). None: it has none (a request
    outside any session)."""
    baseline: int | None = None
    """What one model for all would have cost at the baseline's price, in nano-USD; None if none was asked for."""
    title: str | None = None
    """What a session is called, where its id is the key."""

    def as_json(self) -> dict[str, Any]:
        """What `spend --json` prints."""
        told = {"title": self.title} if self.by == "session" else {}
        return {self.by: self.key} | told | self.sums_json() | {"baseline_usd": usd(self.baseline)}


@dataclass(frozen=True, slots=True)
class Today(Sums):
    """Since local midnight."""

    per_hour: tuple[int, ...] = ()
    """Requests in each of the local day's hours."""
    baseline: int | None = None
    """What one model for all would have cost at the baseline's price; None if none was asked for."""


@dataclass(frozen=True, slots=True)
class Billed:
    """A part of the money, and where it is known from."""

    basis: str
    """reported, list, user or unknown."""
    source: str
    """The price's, for people; empty where the provider reported the cost, or where nobody knows a price."""
    since: str
    """The date of the price."""
    tokens: int
    cost: int
    unpriced: int = 0
    """Calls whose price nobody knows."""

    @property
    def origin(self) -> str:
        """Where it is known from, in words."""
        return origin(self.basis, self.source, self.since)

    def as_json(self) -> dict[str, Any]:
        """What `spend --summary --json` prints of it."""
        known = None if self.basis == "unknown" else usd(self.cost)
        told = {"basis": self.basis, "source": self.source, "since": self.since}
        return told | {"cost_usd": known, "tokens": self.tokens, "unpriced": self.unpriced}
