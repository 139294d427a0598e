"""How one model's tokens become another's.

Owns the ratio of a model's tokens to those that we count, and how far it may be off. Must never claim to be exact
where nothing was learned. The one surprise: a recording teaches by itself: every request in it whose tokens were
reported says how the model that answered it counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.replay.words import Step
from ccr_tui.tokens import Calibration

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
    """Of every model, by provider and id. `learned` is what live traffic has taught; the recording adds to it."""

    def __init__(self, learned: Mapping[str, tuple[float, int, float | None]]) -> None:
        self.calibration = Calibration()
        self.calibration.load(learned)
        self._known = set(learned)

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

    def by_name(self, provider: str, id: str, seed: float = 1.0) -> Ratio:
        """The model's own, else that of a model of the same name elsewhere, else `seed`."""
        known = self.calibration.known
        found = known.get(f"{provider}/{id}") or next((v for key, v in known.items() if key.endswith(f"/{id}")), None)
        if found is None or found.n < ENOUGH:
            return Ratio(found.ratio if found else seed, UNKNOWN_ERROR, found.n if found else 0)
        return Ratio(found.ratio, UNKNOWN_ERROR if found.error is None else found.error, found.n)
