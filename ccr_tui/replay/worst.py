"""What a request may cost at worst, before it is sent.

Owns the bound: as many input tokens as there can be (bound.py), as many output tokens as are allowed, each at its
dearest price, of this hour or the next. Must never be lower than what is billed then. The one surprise: cached tokens
are not hoped for, and no estimate is believed, so a request may be held back that would have been cheap; as soon as it
is answered, its bill takes the place of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import Book, cost
from ccr_tui.proxy.quirks import Facts, facts_for
from ccr_tui.records import Attempt, Json, Price, Usage
from ccr_tui.replay.bound import most_input
from ccr_tui.tokens import Counter

UNLIMITED = 131_072
"""Output tokens where no limit is sent."""
THOUGHTS = 81_920
"""Reasoning tokens that max_tokens does not limit (Qwen's enable_thinking without thinking_budget)."""
LATER_S = 3600.0
"""An answer may end in the next hour, which may be a dearer one."""


class Worst:
    """The bounds of one run, for any model of its variants."""

    def __init__(self, book: Book, counter: Counter, clock: Callable[[], float]) -> None:
        self._book, self._counter, self._clock = book, counter, clock
        self._passed: dict[str, float] = {}
        """By model, how many times more tokens were billed than there can be: then the bound was none."""

    def of(self, sent: Json, model: Model, provider: Provider) -> int | None:
        """A body in the client's or the provider's format; None where no price is known."""
        return self.bill(self.usage(sent, model, provider), model, provider)

    def usage(self, sent: Json, model: Model, provider: Provider) -> Usage:
        """The most tokens that it may take."""
        passed = self._passed.get(_key(provider.name, model.id), 1.0)
        most = round(most_input(sent, model.id, self._counter.pages) * passed)
        return Usage(input=most, output=output(sent, model, provider), basis="estimated")

    def bill(self, usage: Usage, model: Model, provider: Provider) -> int | None:
        """Those tokens at the dearest price that they may have: now or soon, however few they are, thought or said."""
        kinds = (usage, replace(usage, reasoning=usage.output), Usage(), Usage(output=1, reasoning=1))
        moments = (self._clock(), self._clock() + LATER_S)
        found = [self._book.quote(model, provider, at, kind) for at in moments for kind in kinds]
        known = [price for price in found if price is not None]
        return cost(usage, dearest(known)) if len(known) == len(found) else None

    def lost(self, done: Iterable[Attempt], config: Config) -> int:
        """What answers may be billed, beyond what is counted, that broke before they told what they took."""
        broken = [a for a in done if a.status == 200 and (a.usage is None or a.usage.basis != "reported")]
        return sum(max(0, (self._attempt(a, config) or 0) - (a.cost or 0)) for a in broken)

    def learn(self, done: Attempt) -> None:
        """What was really counted."""
        if done.usage is None or done.usage.basis != "reported":
            return
        key, most = _key(done.provider, done.model), most_input(done.sent, done.model, self._counter.pages)
        self._passed[key] = max(self._passed.get(key, 1.0), done.usage.prompt / most)

    def _attempt(self, done: Attempt, config: Config) -> int | None:
        model = model_of(config, done.provider, done.model)
        return self.of(done.sent, model, config.providers[done.provider])


def _key(provider: str, id: str) -> str:
    return f"{provider}/{id}"


def dearest(prices: Iterable[Price]) -> Price:
    """All input at its highest: fresh, written to a cache, or written for an hour; all output too."""
    known = list(prices)
    inputs = [p for each in known for p in (each.input, each.cache_read, each.cache_write, each.cache_write_1h)]
    most = max(each for each in inputs if each is not None)
    return Price(most, max(each.output for each in known), most, most)


def output(sent: Json, model: Model, provider: Provider) -> int:
    """The most output tokens that a body allows, reasoning included."""
    asked = sent.get("max_tokens") or sent.get("max_completion_tokens")
    facts = facts_for(provider, model)
    limits = [limit for limit in (asked, model.max_output, facts.max_output) if isinstance(limit, int)]
    return (min(limits) if limits else UNLIMITED) + thoughts(sent, facts)


def thoughts(sent: Json, facts: Facts) -> int:
    """Reasoning tokens beyond max_tokens."""
    thinking = sent.get("thinking")
    asked = sent.get("enable_thinking") is True or (isinstance(thinking, dict) and thinking.get("type") != "disabled")
    if facts.thinking != "enable_thinking" or not (asked or facts.always_thinks):
        return 0
    budget = sent.get("thinking_budget")
    return budget if isinstance(budget, int) else THOUGHTS


def model_of(config: Config, provider: str, id: str) -> Model:
    """The configured model of that id, or one that is known by its id alone."""
    found = (model for model in config.models.values() if (model.provider, model.id) == (provider, id))
    return next(found, Model(f"{provider},{id}", provider, id))
