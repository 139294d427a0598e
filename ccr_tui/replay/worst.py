"""What a request may cost at worst, before it is sent.

Owns the bound: input tokens at the upper end of the estimate's error and at the dearest price of input, and as many
output tokens as are allowed. Must never be lower than what is billed then; where a provider has counted more than was
expected, the bound grows. The one surprise: cached tokens are not hoped for, so at the end of a budget a request may be
held back that would have been cheap.
"""

from __future__ import annotations

from collections.abc import Callable

from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import Book, cost
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.records import Attempt, Json, Price, Usage
from ccr_tui.tokens import Calibration, Counter

UNSURE = 0.3
"""How far an estimate may be off before anything has been learned (o200k against others: 8 % below to 21 % above)."""
SPREAD = 3.0
"""How many times the mean error an estimate may be off."""
LEAST = 0.05
TEMPLATE = 256
"""Tokens that a provider's own words around a request may take."""
UNLIMITED = 131_072
"""Output tokens where no limit is sent."""
THOUGHTS = 81_920
"""Reasoning tokens that max_tokens does not limit (Qwen's enable_thinking without thinking_budget)."""


class Worst:
    """The bounds of one run, for any model of its variants."""

    def __init__(self, book: Book, calibration: Calibration, counter: Counter, clock: Callable[[], float]) -> None:
        self._book, self._calibration, self._counter, self._clock = book, calibration, counter, clock
        self._seen: dict[str, float] = {}
        """By model, the most tokens that were billed for one of ours."""

    def of(self, sent: Json, model: Model, provider: Provider) -> int | None:
        """A body in the client's or the provider's format; None where no price is known."""
        return self.bill(self.usage(sent, model, provider), model, provider)

    def usage(self, sent: Json, model: Model, provider: Provider) -> Usage:
        """The most tokens that it may take."""
        return Usage(input=self.input(sent, model, provider), output=output(sent, model, provider), basis="estimated")

    def input(self, sent: Json, model: Model, provider: Provider) -> int:
        """The most input tokens."""
        key = f"{provider.name}/{model.id}"
        raw = self._counter.request(sent).total
        found = self._calibration.estimate(key, raw, facts_for(provider, model).token_ratio)
        unsure = UNSURE if found.error is None else max(LEAST, min(UNSURE, found.error * SPREAD))
        return round(max(found.tokens * (1 + unsure), raw * self._seen.get(key, 0.0) * (1 + LEAST))) + TEMPLATE

    def bill(self, usage: Usage, model: Model, provider: Provider) -> int | None:
        """Those tokens, all of the input at its dearest price."""
        price = self._book.quote(model, provider, self._clock(), usage)
        return None if price is None else cost(usage, dearest(price))

    def learn(self, done: Attempt) -> None:
        """What was really counted."""
        if done.usage is None or not isinstance(done.sent, dict):
            return
        key, raw = f"{done.provider}/{done.model}", self._counter.request(done.sent).total
        self._seen[key] = max(self._seen.get(key, 0.0), (done.usage.prompt - TEMPLATE) / max(1, raw))


def dearest(price: Price) -> Price:
    """The price with all input at its highest: fresh, written to a cache, or written for an hour."""
    inputs = (price.input, price.cache_read, price.cache_write, price.cache_write_1h)
    most = max(each for each in inputs if each is not None)
    return Price(most, price.output, most, most)


def output(sent: Json, model: Model, provider: Provider) -> int:
    """The most output tokens that a body allows, reasoning included."""
    asked = sent.get("max_tokens") or sent.get("max_completion_tokens")
    facts = facts_for(provider, model)
    limits = [limit for limit in (asked, model.max_output, facts.max_output) if isinstance(limit, int)]
    return (min(limits) if limits else UNLIMITED) + thoughts(sent, facts.thinking)


def thoughts(sent: Json, knob: str) -> int:
    """Reasoning tokens beyond max_tokens."""
    thinking = sent.get("thinking")
    wanted = sent.get("enable_thinking") is True or (isinstance(thinking, dict) and thinking.get("type") != "disabled")
    if knob != "enable_thinking" or not wanted:
        return 0
    budget = sent.get("thinking_budget")
    return budget if isinstance(budget, int) else THOUGHTS


def model_of(config: Config, provider: str, id: str) -> Model:
    """The configured model of that id, or one that is known by its id alone."""
    found = (model for model in config.models.values() if (model.provider, model.id) == (provider, id))
    return next(found, Model(f"{provider},{id}", provider, id))
