"""How one model's tokens become another's.

Owns the ratio of a model's tokens to those that we count, and how far it may be off. Must never claim to be exact
where nothing was learned. The one surprise: a recording teaches by itself: every request in it whose tokens were
reported says how the model that answered it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.records import Json
from ccr_tui.replay.words import Step
from ccr_tui.store.paths import Answer
from ccr_tui.tally import PER_MESSAGE, PER_REPLY
from ccr_tui.tokens import Calibration, Counter

UNKNOWN_ERROR = 0.15
"""Taken where nothing was learned: the counts of other tokenizers were 8 % below to 21 % above ours (see tokens.py)."""
ENOUGH = 3
"""Requests after which what was learned is believed."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A model's tokens for one of ours."""

    value: float
    error: float
    """A share: 0.02 is 2 %."""
    n: int
    """Requests that it was learned from; 0: it is the family's fact, or 1."""


class Ratios:
    """Of every model, by provider and id. `learned` is what live traffic has taught; the recording adds to it.

    `answers` gives the latest recorded answers of a model: how it counts what it says itself is not how it counts a
    prompt, which is mostly code and JSON.
    """

    def __init__(
        self,
        learned: Mapping[str, tuple[float, int, float | None]],
        answers: Callable[[str, str], Sequence[Answer]],
        counter: Counter,
    ) -> None:
        self.calibration = Calibration()
        self.calibration.load(learned)
        self._known = set(learned)
        self._answers, self._counter = answers, counter
        self._spoken: dict[tuple[str, str], Ratio | None] = {}

    def learn(self, steps: tuple[Step, ...], raws: Mapping[int, int]) -> None:
        """From a recording: only for models that live traffic has taught nothing about."""
        for step in steps:
            row = step.row
            key = f"{row.provider}/{row.model}"
            if row.usage_basis == "reported" and row.origin != "imported" and key not in self._known:
                prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
                self.calibration.learn(key, raws[row.n], prompt)

    def of(self, provider: Provider, model: Model) -> Ratio:
        """A configured model's."""
        return self.by_name(provider.name, model.id, facts_for(provider, model).token_ratio)

    def spoken(self, provider: str, id: str) -> Ratio | None:
        """Of what a model says; None where too few of its answers are recorded. Raises StoreError."""
        if (provider, id) not in self._spoken:
            pairs = [(self.said(each.message, each.reasoning > 0), each.output - each.reasoning)
                     for each in self._answers(provider, id)]  # fmt: skip
            pairs = [(ours, theirs) for ours, theirs in pairs if ours > 0 and theirs > 0]
            self._spoken[provider, id] = _fitted(pairs) if len(pairs) >= ENOUGH else None
        return self._spoken[provider, id]

    def said(self, message: Json, reasons: bool) -> int:
        """Tokens of ours in an answer; without its reasoning where that was reported apart."""
        counted = self._counter.request({"messages": [message]}, thinking=not reasons).total
        return counted - PER_REPLY - PER_MESSAGE

    def by_name(self, provider: str, id: str, seed: float = 1.0) -> Ratio:
        """The model's own, else that of a model of the same name elsewhere, else `seed`."""
        known = self.calibration.known
        found = known.get(f"{provider}/{id}") or next((v for key, v in known.items() if key.endswith(f"/{id}")), None)
        if found is None or found.n < ENOUGH:
            return Ratio(found.ratio if found else seed, UNKNOWN_ERROR, found.n if found else 0)
        return Ratio(found.ratio, UNKNOWN_ERROR if found.error is None else found.error, found.n)


def _fitted(pairs: Sequence[tuple[int, int]]) -> Ratio:
    value = sum(theirs for _, theirs in pairs) / sum(ours for ours, _ in pairs)
    return Ratio(value, mean(abs(ours * value - theirs) / theirs for ours, theirs in pairs), len(pairs))
