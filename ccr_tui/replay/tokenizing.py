"""How one model's tokens become another's.

Owns what is known of each model's tokenizer, and how far it may be off. Must never claim to be exact where nothing was
learned. The one surprise: a database teaches more than a ratio. Each request whose tokens were reported says how its
model counts tools, code and prose, so that weights can be fitted to those (fitting.py); the ratio that live traffic has
learned is what remains where there are too few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.replay import spoken
from ccr_tui.replay.fitting import Fit, Sample, fit, minus, plain, whole
from ccr_tui.replay.prompts import Prompts
from ccr_tui.replay.spoken import ENOUGH, UNKNOWN_ERROR, Spoken
from ccr_tui.replay.words import Step
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Reported
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Calibration, Counter

REACH = 8
"""How many times as large as some that were counted a prompt, or its tools and system prompt, may be."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A model's tokens for one of ours."""

    value: float
    error: float
    """A share: 0.02 is 2 %."""
    n: int
    """Requests that it was learned from; 0: it is the family's fact, or 1."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """How a model counts."""

    ratio: Ratio
    prompt: Fit
    said: Spoken | None
    """What it says itself; None where too few of its answers are recorded, or their counts don't follow their texts."""
    fitted: bool
    """Whether `prompt` is more than the ratio."""
    reaches: bool
    """Whether what was learned comes from requests like those of the recording."""

    @property
    def known(self) -> bool:
        """Whether anything was learned of prompts like these."""
        return self.fitted or (self.reaches and self.ratio.n >= ENOUGH)


class Ratios:
    """Of every model, by provider and id. `store` is what live traffic is kept in; the recording adds to it."""

    def __init__(self, store: Reader, counter: Counter, prompts: Prompts, steps: Sequence[Step]) -> None:
        """Raises StoreError."""
        self.calibration = Calibration()
        learned = store.calibrations()
        self.calibration.load(learned)
        self._store, self._counter = store, counter
        self._prompts, self._steps = prompts, steps
        self._tongues: dict[tuple[str, str], Tongue] = {}
        self._said: dict[tuple[str, str], Spoken | None] = {}
        self._own = list(self._reported())
        self._learn(set(learned))

    def of(self, provider: Provider, model: Model) -> Tongue:
        """A configured model's. Raises StoreError."""
        key = (provider.name, model.id)
        if key not in self._tongues:
            self._tongues[key] = self._tongue(*key, facts_for(provider, model).token_ratio)
        return self._tongues[key]

    def factor(self, target: Tongue, provider: str, id: str) -> float:
        """A target's tokens for one of those that another model has counted in its answers. Raises StoreError."""
        key = (provider, id)
        if key not in self._said:
            known = self._tongues.get(key)
            self._said[key] = known.said if known else spoken.learned(self._samples(provider, id)[1], None)
        return spoken.factor(target.ratio.value, self._said[key])

    def ratio(self, provider: str, id: str, seed: float = 1.0) -> Ratio:
        """The model's own, else that of a model of the same name elsewhere, else `seed`."""
        known = self.calibration.known
        found = known.get(f"{provider}/{id}") or next((v for key, v in known.items() if key.endswith(f"/{id}")), None)
        if found is None or found.n < ENOUGH:
            return Ratio(found.ratio if found else seed, UNKNOWN_ERROR, found.n if found else 0)
        return Ratio(found.ratio, UNKNOWN_ERROR if found.error is None else found.error, found.n)

    def _learn(self, known: set[str]) -> None:
        """From the recording, of models that live traffic has taught nothing about."""
        for reported in self._own:
            row = self._steps[reported.n - 1].row
            key = f"{row.provider}/{row.model}"
            if key not in known:
                self.calibration.learn(key, self._prompts.raw(row.n), reported.prompt)

    def _reported(self) -> Iterator[Reported]:
        """The recording's requests, by their places in it."""
        for step in self._steps:
            row = step.row
            if row.usage_basis == "reported" and row.origin != "imported":
                prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
                yield Reported(step.n, None, prompt, row.output_tokens, row.reasoning_tokens)

    def _tongue(self, provider: str, id: str, seed: float) -> Tongue:
        ratio = self.ratio(provider, id, seed)
        asked, said = self._samples(provider, id)
        reaches = self._reaches(asked)
        simple = plain(ratio.value, ratio.error if reaches else max(ratio.error, UNKNOWN_ERROR), ratio.n)
        fitted = fit(asked, simple.weights) if reaches else None
        return Tongue(ratio, fitted or simple, spoken.learned(said, fitted), fitted is not None, reaches)

    def _reaches(self, samples: Sequence[Sample]) -> bool:
        """Whether some requests like the recording's were counted: what was learned from short prompts, or from some
        without tools, says nothing of long ones with them, and one that was long is one of many."""
        rows = [step.row.n for step in self._steps]
        if not rows or len(samples) < ENOUGH:
            return not rows and bool(samples)
        asked = [self._prompts.features(n) for n in rows]
        for part in (whole, itemgetter(-1)):
            if max(map(part, asked)) > REACH * sorted(part(sample.features) for sample in samples)[-ENOUGH]:
                return False
        return True

    def _samples(self, provider: str, id: str) -> tuple[list[Sample], list[Sample]]:
        """Of requests, and of answers. Where the database has none, the recording's own."""
        reported = self._store.reported(provider, id)
        if reported:
            paths = self._store.paths([each.n for each in reported])
            return _sampled(Prompts(paths, self._counter), [each for each in reported if each.n in paths.sent])
        steps = [step.row for step in self._steps if (step.row.provider, step.row.model) == (provider, id)]
        own = {self._steps[each.n - 1].row.n: each for each in self._own}
        mine = [own[row.n] for row in steps if row.n in own]
        return _sampled(self._prompts, [_at(each, self._steps[each.n - 1].row.n) for each in mine])


def _at(reported: Reported, n: int) -> Reported:
    return Reported(n, reported.session, reported.prompt, reported.output, reported.reasoning)


def _sampled(prompts: Prompts, reported: Sequence[Reported]) -> tuple[list[Sample], list[Sample]]:
    asked: list[Sample] = []
    said: list[Sample] = []
    before: Reported | None = None
    for each in reported:
        features = prompts.features(each.n)
        asked.append(Sample(features, each.prompt, session=each.session))
        if before and before.session == each.session and before.prompt < each.prompt:
            grown = minus(features, prompts.features(before.n))
            if min(grown) >= 0:
                asked.append(Sample(grown, each.prompt - before.prompt, whole=False, session=each.session))
        answer = prompts.said(each.n, reasoning=each.reasoning > 0)
        if answer and answer[0] > 0 and each.output > each.reasoning:
            said.append(Sample(answer, each.output - each.reasoning, session=each.session))
        before = each
    return asked, said
