"""Rehearsals and reruns of a whole recording, from what was asked for to the comparison, kept in the database.

Owns how a run begins, goes on after it was cut off, and ends. Must never print. The one surprise: it blocks and makes
an event loop of its own, so a screen calls it in a thread, and the proxy's loop never waits for it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial

from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.prices import Book
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.engine import Engine
from ccr_tui.records import Trace
from ccr_tui.replay import agreement, kept
from ccr_tui.replay import judge as judging
from ccr_tui.replay.rehearse import Unrehearsable, rehearse
from ccr_tui.replay.rerun import Job, Outcome, by_step, can_be_asked, recorded_results, rerun
from ccr_tui.replay.sampling import sampled
from ccr_tui.replay.sums import compare
from ccr_tui.replay.words import RECORDED, Done, Progress, Recording, Settings, Step, StepResult, Tell, Variant
from ccr_tui.replay.work import Bench, Found, asked
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import Runs
from ccr_tui.store.writer import Writer
from ccr_tui.tokens import Calibration, Counter

REHEARSED = "rehearsed"
"""The name of the one variant of a rehearsal."""
Land = Callable[[Trace], None]
Teach = Callable[[str, float, int, float | None], None]
"""Takes what was learned of a model's tokens: its key, ratio, how often, the error."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier part of a run has done."""

    done: Done
    held: Mapping[tuple[str, str], int]
    """What may have been billed, by variant and step, for calls whose end nobody has written down."""
    at: float


# --- rerun -----------------------------------------------------------------------------------------------------------


def rerun_all(
    bench: Bench,
    variants: Sequence[Variant],
    settings: Settings,
    reader: Reader,
    counter: Counter,
    *,
    run: str | None = None,
    land: Land | None = None,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Every sampled step, for real; `run` is one that was cut off. `land` None: traces are written here.

    Raises CcrError before anything is sent where something is wrong, StoreError where it can't be kept.
    """
    can_be_asked(variants)
    runs, id = Runs(reader.path), run or kept.new_run()
    earlier = earlier_part(reader, id) if run else Earlier({}, {}, time.time())
    kept.begin(runs, id, earlier.at, "rerun", bench.recording, asked(variants, settings))
    with landing(reader, land) as (put, teach):
        job = Job(
            recording=bench.recording,
            steps=chosen(bench, settings),
            variants=variants,
            settings=settings,
            run=id,
            counter=counter,
            standing=partial(standing, bench.config, counter, reader.calibrations(), teach),
            mark=partial(runs.mark, id),
            keep=lambda result: kept.keep(runs, id, [result]),
            land=put,
            done=earlier.done,
            held=earlier.held,
            judge=judge_of(bench, settings),
            tell=tell,
            cancelled=cancelled,
        )
        try:
            outcome = rerun(job)
        except CcrError:
            if run is None and not reader.run_steps(id):  # nothing was sent: it never was a run
                runs.delete(id)
            raise
    found = put_together(bench, variants, settings, id, earlier.at, outcome)
    kept.keep(runs, id, found.results[RECORDED])
    kept.end(runs, found.comparison)
    return found


def earlier_part(reader: Reader, run: str) -> Earlier:
    """What is known of a run that was cut off."""
    steps = reader.run_steps(run)
    unknown = {(step.variant, step.step): 0 for step in steps if step.held is None and step.state == "begun"}
    held = unknown | {(step.variant, step.step): step.held for step in steps if step.held}
    done = {key: result for key, result in kept.done(reader, run).items() if key[0] != RECORDED}
    return Earlier(done, held, reader.run(run).started_at)


def judge_of(bench: Bench, settings: Settings) -> Variant | None:
    """The judge as one model that answers everything. Raises CcrError where there is no such model to be asked."""
    if settings.judge is None:
        return None
    judge = bench.grammar.one(f"judge={settings.judge}", option="--judge")
    if judge.priced_only or judge.model is None:
        raise CcrError(f"--judge {settings.judge}: the judge must be one of the models of config.toml.")
    return judge


def chosen(bench: Bench, settings: Settings) -> list[Step]:
    """The steps that are replayed."""
    places = sampled(bench.recording, bench.repricer.paths, settings.sample)
    return [step for step in bench.recording.steps if step.n in places]


def put_together(
    bench: Bench, variants: Sequence[Variant], settings: Settings, run: str, at: float, outcome: Outcome
) -> Found:
    """The comparison of what was found with the recording, over the same steps."""
    steps = {step.n for step in chosen(bench, settings)}
    own = [result for result in bench.repricer.recorded() if result.n in steps]
    recorded = recorded_results(own, bench.recording.load)
    notes = {variant.name: () for variant in variants}
    made = compare(run, "rerun", bench.recording, at, recorded, variants, outcome.results, notes)
    judged = judging.counts(result for results in outcome.results.values() for result in results)
    told = (judging.summary(settings.judge, judged),) if settings.judge else ()
    comparison = replace(
        made, finished=outcome.finished, spent=outcome.spent, judge_cost=judged.cost, judge_asked=judged.asked,
        judge_usable=judged.usable, notes=(*made.notes, *outcome.notes, *told), stopped=outcome.stopped,
    )  # fmt: skip
    return Found(comparison, {"recorded": recorded, **outcome.results})


@contextmanager
def landing(reader: Reader, land: Land | None) -> Iterator[tuple[Land, Teach]]:
    """Where the traces of a replay go, and what is learned of tokens."""
    if land is not None:
        yield land, lambda *_: None
        return
    writer = Writer(reader.path)
    writer.start()
    try:
        yield writer.put, writer.put_calibration
    finally:
        writer.close(None)


@asynccontextmanager
async def standing(
    config: Config,
    counter: Counter,
    learned: dict[str, tuple[float, int, float | None]],
    teach: Teach,
) -> AsyncIterator[Context]:
    """What exchanges stand on: the same as live ones, with connections of their own."""
    calibration = Calibration()
    calibration.load(learned)
    engine = Engine(config, Feed(), counter, calibration, teach)
    try:
        yield replace(engine.context, book=Book())
    finally:
        await engine.stop(0)


# --- rehearsal -------------------------------------------------------------------------------------------------------


def rehearse_all(
    bench: Bench,
    settings: Settings,
    counter: Counter,
    at: float,
    *,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Every sampled step once more, free and offline. A step that comes out otherwise is an error of its result."""
    steps = chosen(bench, settings)
    own = [result for result in bench.repricer.recorded() if result.n in {step.n for step in steps}]
    recorded = recorded_results(own, bench.recording.load)
    then, results = by_step(recorded), list[StepResult]()
    for step in steps:
        if cancelled():
            break
        results.append(rehearsed(step, bench.recording, counter, then[step.uid]))
        if tell:
            tell(Progress(len(results), len(steps), variant=REHEARSED))
    variant = Variant(REHEARSED, "as recorded", bench.config)
    made = compare(
        kept.new_run(), "rehearse", bench.recording, at, recorded, [variant], {REHEARSED: results},
        {REHEARSED: ("the recorded upstream bytes went down the proxy once more: nothing was sent or paid",)},
    )  # fmt: skip
    finished = len(results) == len(steps)
    comparison = replace(made, spent=0, finished=finished, stopped=None if finished else "cancelled")
    return Found(comparison, {"recorded": recorded, REHEARSED: results})


def rehearsed(step: Step, recording: Recording, counter: Counter, then: StepResult) -> StepResult:
    """One step once more, compared with what was recorded of it."""
    base = replace(then, variant=REHEARSED, kind="rehearse", cost_from="rehearsed", notes=())
    try:
        found = rehearse(recording.load(step.uid), counter)
    except Unrehearsable as error:
        return replace(base, outcome="error", error=str(error), cost=None, low=None, high=None)
    again = replace(agreement.described(base, found.trace.reply), duration_ms=found.trace.duration_ms)
    compared = agreement.compared(replace(again, ttft_ms=found.trace.ttft_ms), then)
    if found.differences:
        return replace(compared, outcome="error", error=found.differences[0], notes=(*found.differences, *found.sent))
    return replace(compared, notes=found.sent)
