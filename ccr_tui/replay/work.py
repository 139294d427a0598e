"""A replay from what a person asked for to the comparison that he is shown.

Owns the order: read the variants, replay every step, compare, keep. Must never print or draw; progress goes to a
callable. The one surprise: it blocks for seconds and touches no event loop, so the command line calls it as it is and a
screen calls it in a thread.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ccr_tui.config import Config
from ccr_tui.prices import Book
from ccr_tui.proxy.question import resolve
from ccr_tui.records import Json
from ccr_tui.replay import kept
from ccr_tui.replay.reprice import Repricer
from ccr_tui.replay.sampling import sampled
from ccr_tui.replay.sums import compare
from ccr_tui.replay.variants import Grammar
from ccr_tui.replay.variation import candidates
from ccr_tui.replay.words import Comparison, Recording, Settings, StepResult, Tell, Variant
from ccr_tui.replay.worst import Worst
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import Runs
from ccr_tui.tokens import Counter


@dataclass(frozen=True, slots=True)
class Found:
    """What a replay has found."""

    comparison: Comparison
    results: Mapping[str, Sequence[StepResult]]
    """By the variant's name; "recorded" is the recording itself."""


class Bench:
    """One recording, read and counted once, on which any number of variants can be tried. Reading it blocks."""

    def __init__(self, recording: Recording, config: Config, store: Reader, counter: Counter) -> None:
        """`store` is what live traffic is kept in. Raises StoreError for a damaged database."""
        self.recording, self.config = recording, config
        self.book = Book({name: model.price for name, model in config.models.items() if model.price})
        with uncollected():
            self.repricer = Repricer(recording, counter, self.book, store)
        self.grammar = Grammar(config, recording, self.repricer.paths, self.book)

    def variants(self, written: Sequence[str], *, ask_router: bool = False) -> tuple[Variant, ...]:
        """Variants as they are written. Raises CcrError, which says what is wrong with which."""
        return self.grammar.read(written, ask_router=ask_router)

    def reprice(
        self,
        variants: Sequence[Variant],
        settings: Settings,
        at: float,
        tell: Tell | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Found:
        """What each variant would have cost. Raises CcrError."""
        base = (self.grammar.baseline(settings.baseline),) if settings.baseline else ()
        with uncollected():
            results = self.repricer.run((*variants, *base), tell, cancelled)
        chosen = sampled(self.recording, self.repricer.paths, settings.sample)
        results = {name: [r for r in found if r.n in chosen] for name, found in results.items()}
        recorded = [result for result in self.repricer.recorded() if result.n in chosen]
        baseline = results.pop(base[0].name) if base else None
        comparison = compare(
            kept.new_run(),
            "reprice",
            self.recording,
            at,
            recorded,
            variants,
            results,
            {variant.name: self.repricer.notes(variant, results[variant.name]) for variant in variants},
            (settings.baseline, baseline) if settings.baseline and baseline is not None else None,
        )
        return Found(comparison, {"recorded": recorded, **results})


def largest(bench: Bench, variants: Sequence[Variant], settings: Settings, counter: Counter) -> int:
    """What the longest of the requests may cost at worst: so much must be left of a cap, or it is not sent."""
    places = sampled(bench.recording, bench.repricer.paths, settings.sample)
    steps = [step for step in bench.recording.steps if step.n in places]
    if not steps or not variants:
        return 0
    longest = max(steps, key=lambda step: step.row.input_tokens + step.row.cache_read_tokens)
    body, worst = bench.recording.load(longest.uid).body, Worst(bench.book, counter, time.time)
    asked = [(v.config, resolve(v.config, name)) for v in variants for name in candidates(v)]
    return max((worst.of(body, model, config.providers[model.provider]) or 0 for config, model in asked), default=0)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's search for cycles: it looks at all that was read again and again, which takes a quarter of the
    time, and finds none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def keep(runs: Runs, found: Found, variants: Sequence[Variant], settings: Settings) -> None:
    """Keep a finished reprice as a run. Raises StoreError."""
    comparison = found.comparison
    runs.begin(
        comparison.run, comparison.started_at, comparison.kind, comparison.session, comparison.title,
        comparison.source, asked(variants, settings),
    )  # fmt: skip
    for results in found.results.values():
        kept.keep(runs, comparison.run, results)
    kept.end(runs, comparison)


def asked(variants: Sequence[Variant], settings: Settings) -> Json:
    """What was asked for, so that a run can be resumed and shown."""
    return {"variants": [f"{v.name}={v.written}" for v in variants], "settings": kept.to_json(settings)}
