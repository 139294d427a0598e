"""How many tokens a recorded answer takes in another model's tongue, and how far off that may be.

Owns what is learned of a model's answers, and when it is not believed. Must never shorten or lengthen an answer on the
word of counts that do not follow their texts. The one surprise: what is learned of prompts says little about answers.
A provider adds a template to a prompt, and writes calls in words of its own; so a model none of whose answers is known
is taken to say as many tokens as were recorded, and the bounds hold what we count in the text as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui.records import Usage
from ccr_tui.replay.fitting import Features, Fit, Sample, fit, missed, plain, whole
from ccr_tui.slim import dataclass

ENOUGH = 3
"""Answers after which what was learned is believed."""
APART = 0.5
"""Counts that are further off than this from the texts that they are of, on average, do not follow them."""
TOKENIZERS = 1.25
"""By what factor tokenizers differ at most (they were measured from 0.92 to 1.21 of ours); more is something else."""
UNKNOWN_ERROR = 0.15
"""Taken where nothing was learned: the counts of other tokenizers were 8 % below to 21 % above ours (see tokens.py)."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How a model counts what it says itself."""

    fit: Fit
    value: float
    """Its tokens for one of ours, over all."""
    least: float
    """The same, of the answer that has fewest."""
    most: float

    def tokens(self, answer: Features) -> int:
        """What it counts in a text; for one of ours never more or fewer than it has ever counted."""
        ours = whole(answer)
        return max(1, round(min(max(self.fit.tokens(answer), self.least * ours), self.most * ours)))


@dataclass(frozen=True, slots=True)
class Length:
    """Of an answer, in tokens."""

    tokens: int
    low: int
    high: int


def learned(said: Sequence[Sample], fitted: Fit | None) -> Spoken | None:
    """What suits the answers best: their own ratio, what was fitted to prompts and answers, or to answers alone. None
    where there are too few, or where the counts don't follow the texts."""
    if len(said) < ENOUGH:
        return None
    ratios = [sample.tokens / whole(sample.features) for sample in said]
    value = sum(sample.tokens for sample in said) / sum(whole(sample.features) for sample in said)
    starts = [plain(value, 0.0, 0).weights, *([fitted.weights] if fitted else [])]
    start = min(starts, key=lambda weights: missed(weights, said))
    best = fit(said, start) or Fit(start, missed(start, said), len(said))
    return Spoken(best, value, min(ratios), max(ratios)) if best.error < APART else None


def factor(target: float, recorded: Spoken | None) -> float:
    """A target's tokens for one of the recorded model's, as far as that is a matter of their tokenizers."""
    return _plausible(target) / _plausible(recorded.value if recorded else 1.0)


def length(usage: Usage, answer: Features | None, target: Spoken | None, ratio: float, factor: float) -> Length:
    """An answer without its reasoning, of a model with this `ratio` to ours; `factor` as above."""
    then = usage.output - usage.reasoning
    if answer is None or not whole(answer):
        told = round(then * factor)
        return Length(told, *around(told, UNKNOWN_ERROR, then))
    if target is not None:
        told, error = target.tokens(answer), target.fit.error
        alike = error < UNKNOWN_ERROR and 1 / TOKENIZERS <= then / whole(answer) <= TOKENIZERS
        return Length(told, *(around(told, error) if alike else around(told, error, then)))
    told = round(then * factor)
    return Length(told, *around(told, UNKNOWN_ERROR, then, round(whole(answer) * _plausible(ratio))))


def around(told: int, error: float, *others: int) -> tuple[int, int]:
    """The bounds of what may be off by a share, and must hold the others."""
    return min(round(told * (1 - error)), *others, told), max(round(told * (1 + error)), *others, told)


def _plausible(ratio: float) -> float:
    return ratio if 1 / TOKENIZERS <= ratio <= TOKENIZERS else 1.0
