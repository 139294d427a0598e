"""Rerunning: each recorded request is sent for real, with the history as it was recorded; no tool is ever run.

Owns the order of the requests, how many are under way, what is kept before and after each, and that the budget stops it
exactly. Must never send a step again whose answer was kept. The one surprise: a step is kept as done before its whole
trace is stored, because what must not be lost is that it was paid for; so a trace whose step is not done can't be.

    hold its worst case -> write that down (mark) -> exchange.run -> settle the bill -> keep (done) -> store the trace
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, replace

from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.prices import show
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.routing import resolve
from ccr_tui.records import Json, Price, Trace
from ccr_tui.replay import agreement
from ccr_tui.replay import judge as judging
from ccr_tui.replay.budget import Budget, BudgetReached, Purse
from ccr_tui.replay.covering import covered
from ccr_tui.replay.metered import Metered, unpriced
from ccr_tui.replay.routes import ONE
from ccr_tui.replay.variation import candidates, config_for, headers_for, memory_for
from ccr_tui.replay.words import Done, Keep, Progress, Recording, Settings, Step, StepResult, Stopped, Tell, Variant
from ccr_tui.replay.worst import Worst
from ccr_tui.slim import dataclass
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

FLOOR = 1024
"""Output tokens that a request is left at the least where the budget is nearly spent."""
ROOMY = 4
"""How many times the recorded output it is left then."""
UNHEARD = "may have been billed for answers that never came"
FUTILE = 3
"""Failures of a variant, one after the other and none before, after which it is given up."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be rerun, and where everything goes."""

    recording: Recording
    steps: Sequence[Step]
    variants: Sequence[Variant]
    settings: Settings
    run: str
    """Id of the run in the database."""
    counter: Counter
    standing: Callable[[], AbstractAsyncContextManager[Context]]
    """Opens what exchanges stand on: the upstreams, prices and calibration."""
    mark: Callable[[str, str, int, int], None]
    """Told before anything is sent: variant, step, its place, and all that it may have been billed at worst."""
    keep: Keep
    land: Callable[[Trace], None]
    """Takes the traces of the replay."""
    done: Done = field(default_factory=dict)
    held: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What earlier parts of the run may have been billed for calls whose end is not known, by variant and step; 0: it
    was sent, and nobody wrote down what it may cost."""
    judge: Variant | None = None
    """One model that scores pairs of answers."""
    tell: Tell | None = None
    cancelled: Callable[[], bool] = lambda: False
    """Looked at before each request; those that are under way come to their end."""
    ticks: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    results: dict[str, list[StepResult]]
    """By variant, in the order of the recording."""
    spent: int
    """Nano-USD, earlier parts of the run included."""
    finished: bool
    notes: tuple[str, ...] = ()
    """Why it ended early, a sentence each."""
    stopped: Stopped | None = None
    """The same in a word; None where it is finished."""


def rerun(job: Job) -> Outcome:
    """Send what is not done yet. Blocks; any thread without a loop of its own may call it. Raises CcrError."""
    return asyncio.run(run(job))


async def run(job: Job) -> Outcome:
    """The same on a running loop. Raises CcrError where a model can't be asked at all."""
    can_be_asked(job.variants)
    async with job.standing() as context:
        running = Running(job, context)
        running.check_prices()
        try:
            return await running.all()
        except BaseExceptionGroup as several:
            raise first_of(several) from several


def can_be_asked(variants: Sequence[Variant]) -> None:
    """Raises CcrError for a variant of models that are known by their price alone."""
    for variant in variants:
        if variant.priced_only:
            names = ", ".join(variant.priced_only)
            raise CcrError(f"{variant.name}: {names} is not configured, so it can be repriced but not asked.")


def first_of(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of the faults of several workers: the others were ended because of it."""
    one = several.exceptions[0]
    return first_of(one) if isinstance(one, BaseExceptionGroup) else one


class Running:
    """A rerun under way, on one loop."""

    def __init__(self, job: Job, context: Context) -> None:
        self.job, self.context = job, context
        self.done = {key: result for key, result in job.done.items() if is_settled(result)}
        spent = sum((result.cost or 0) + result.judge_cost for result in job.done.values())
        self.budget = Budget(job.settings.max_cost, spent)
        self.worst = Worst(context.book, job.counter, context.clock)
        self.todo = [
            (step, variant)
            for step in job.steps
            for variant in job.variants
            if (variant.name, step.uid) not in self.done
        ]
        self.total = len(job.steps) * len(job.variants)
        self.busy: dict[str, int] = {variant.name: 0 for variant in job.variants}
        self.failures: dict[str, int] = {}
        self.notes: list[str] = []
        self.lost: dict[tuple[str, str], int] = {}
        """What earlier parts of the run may have been billed for steps that are not done, and are asked again."""
        self.stopped = False
        self.began, self.first = job.ticks(), len(self.done)
        self._changed = asyncio.Event()

    async def all(self) -> Outcome:
        """Everything that is to be done, so many at once as are allowed."""
        self._account_for_lost()
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.job.settings.concurrency, max(1, len(self.todo)))):
                group.create_task(self._worker())
        wanted = {
            variant.name: [self.done.get((variant.name, s.uid)) for s in self.job.steps]
            for variant in self.job.variants
        }
        results = {name: [each for each in found if each is not None] for name, found in wanted.items()}
        finished = len(self.done) >= self.total
        return Outcome(results, self.budget.spent, finished, tuple(self.notes), None if finished else self._why())

    def _why(self) -> Stopped:
        if self.stopped:
            return "budget"
        return "cancelled" if self.job.cancelled() else "failures"

    def check_prices(self) -> None:
        """Raises CcrError where there is a cap, and a model without a price."""
        if self.budget.cap is None or not self.todo:
            return
        body = self.job.recording.load(self.todo[0][0].uid).body
        for variant in self.job.variants:
            if self._most(variant, body) is None:
                raise CcrError(f"{variant.name}: {unpriced(', '.join(candidates(variant)))}")

    def _account_for_lost(self) -> None:
        """What was sent before a kill may have been billed, and what was not answered will be asked again."""
        self.lost = {key: result.lost for key, result in self.job.done.items() if result.lost}
        unknown = {(variant.name, step.uid): (step, variant) for step, variant in self.todo}
        for key, held in self.job.held.items():
            if not held and key in unknown:
                step, variant = unknown[key]
                held = self._most(variant, self.job.recording.load(step.uid).body) or 0
            self.lost[key] = self.lost.get(key, 0) + held
        self.budget.lost += sum(self.lost.values())
        if again := len(self.job.held.keys() & unknown.keys()):
            what = "1 request was" if again == 1 else f"{again} requests were"
            self.notes.append(
                f"{what} under way when the run was cut off, and asked again: an answer may have been paid for that "
                f"nobody received (at worst {show(self.budget.lost)}, which counts against --max-cost)."
            )

    async def _worker(self) -> None:
        while (next_one := await self._next()) is not None:
            step, variant = next_one
            self.busy[variant.name] += 1
            try:
                await self._step(step, variant)
            finally:
                self.busy[variant.name] -= 1
                self._change()

    async def _next(self) -> tuple[Step, Variant] | None:
        """The next request in the order of the recording, each variant's one after the other for its cache's sake."""
        most = -(-self.job.settings.concurrency // len(self.job.variants))
        while self.todo and not self.stopped and not self.job.cancelled():
            for at, (_, variant) in enumerate(self.todo):
                if self.busy[variant.name] < most:
                    return self.todo.pop(at)
            await self._change_comes()
        return None

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change_comes(self) -> None:
        await self._changed.wait()

    # --- one step ---------------------------------------------------------------------------------------------------

    async def _step(self, step: Step, variant: Variant) -> None:
        trace = self.job.recording.load(step.uid)
        held = await self._purse(variant, trace)
        if held is None:
            return
        purse, body, note = held
        again, lost = await self._exchange(variant, trace, body, purse, lambda held: self._mark(variant, step, held))
        bill = sum(attempt.cost or 0 for attempt in again.attempts)
        lost += self.lost.pop((variant.name, step.uid), 0)
        result = replace(result_of(step, variant, again, trace), notes=(note,) if note else (), lost=lost)
        if is_budgets(again) and not bill:
            self.job.mark(variant.name, step.uid, step.n, lost)
            self._stop_for_budget()
            return
        self.job.keep(result)
        self.job.land(again)
        if self.job.judge is not None and result.outcome == "ok":
            result = await self._judged(self.job.judge, step, variant, trace, again, result)
            self.job.keep(result)
        self.done[variant.name, step.uid] = result
        self._watch(variant, result)
        self._told(variant)

    def _mark(self, variant: Variant, step: Step, held: int) -> None:
        """Written down before each call: what this step may be billed, earlier parts of the run included."""
        key = variant.name, step.uid
        self.job.mark(*key, step.n, held + self.lost.get(key, 0))

    async def _exchange(
        self, variant: Variant, trace: Trace, body: Json, purse: Purse, drawn: Callable[[int], None]
    ) -> tuple[Trace, int]:
        """Down the street that live requests take; with what was lost to calls that nobody answered."""
        config, capped = config_for(variant, trace), self.budget.cap is not None
        upstreams = Metered(self.context.upstreams, purse, self.worst, config, capped=capped, drawn=drawn)
        context = replace(
            self.context, config=config, feed=Feed(), upstreams=upstreams, verdicts=memory_for(variant, trace)
        )
        again = await exchange.run(dumps(body), Collector(headers_for(variant, trace)), context, "replay")
        lost = upstreams.lost + self.worst.lost(again.attempts, config)
        purse.settle(sum(attempt.cost or 0 for attempt in again.attempts), lost)
        for attempt in again.attempts:
            self.worst.learn(attempt)
        kept = covered(again, self.context.config, config)
        return replace(kept, session=None, run=self.job.run, replay_of=trace.uid), lost

    async def _judged(
        self, judge: Variant, step: Step, variant: Variant, recorded: Trace, again: Trace, result: StepResult
    ) -> StepResult:
        """The result with a judge's score, where he can be paid and understood."""
        verdicts, paid, lost, unpriced = list[str | None](), 0, result.lost, 0
        for body in judging.questions(recorded.body, recorded.reply, again.reply):
            most = self._most(judge, body) or 0
            if not self.budget.fits(most):
                result = replace(result, notes=(*result.notes, "not judged: the budget was too small"))
                break
            beside = paid + lost - result.lost

            def drawn(held: int, beside: int = beside) -> None:
                self.job.mark(variant.name, step.uid, step.n, beside + held)

            purse = Purse(self.budget, most)
            said, unheard = await self._exchange(judge, replace(recorded, headers={}), body, purse, drawn)
            paid += sum(attempt.cost or 0 for attempt in said.attempts)
            unpriced += total(said) is None
            lost += unheard
            self.job.land(said)
            verdicts.append(judging.verdict(said.reply))
        else:
            found = judging.score(verdicts)
            notes = result.notes if found is not None else (*result.notes, "the judge could not be understood")
            result = replace(result, judged=found, notes=notes)
        return replace(
            result, judge_cost=paid, lost=lost, judge_asked=len(verdicts), judge_unpriced=unpriced,
            judge_usable=sum(each is not None for each in verdicts),
        )  # fmt: skip

    async def _purse(self, variant: Variant, trace: Trace) -> tuple[Purse, Json, str] | None:
        """Money set aside for the worst case, the body, and a word where it had to be changed; None: there is none.

        While others are under way it is waited for what they leave.
        """
        while True:
            if self.stopped:
                return None
            most = self._most(variant, trace.body) or 0
            if self.budget.fits(most):
                return Purse(self.budget, most), trace.body, ""
            if not self.budget.held:
                return self._last_purse(variant, trace, most)
            await self._change_comes()

    def _last_purse(self, variant: Variant, trace: Trace, most: int) -> tuple[Purse, Json, str] | None:
        """With a lower limit of output tokens it may still fit; else the run is over."""
        usage = trace.answer.usage if trace.answer else None
        limit = max(FLOOR, ROOMY * (usage.output if usage else 0))
        asked = trace.body.get("max_tokens")
        if isinstance(asked, int) and limit < asked:
            body = {**trace.body, "max_tokens": limit}
            most = self._most(variant, body) or 0
            if self.budget.fits(most):
                note = f"the budget was nearly spent: max_tokens was {limit} instead of {asked}"
                return Purse(self.budget, most), body, note
        self._stop_for_budget(most)
        return None

    def _stop_for_budget(self, most: int | None = None) -> None:
        if self.stopped:
            return
        self.stopped = True
        cap, spent, lost = self.budget.cap or 0, self.budget.spent, self.budget.lost
        left = f"{show(cap - spent - lost)} was left" + (f" beside {show(lost)} that {UNHEARD}" if lost else "")
        needed = "at worst the next request would have passed it" if most is None else (
            f"the next request may cost {show(most)} at worst"
        )  # fmt: skip
        self.notes.append(f"The budget of {show(cap)} ended it at {show(spent)}: {needed}, and {left}.")
        self._change()

    def _most(self, variant: Variant, body: Json) -> int | None:
        """What an answer may cost at worst, whichever of the variant's models is asked; None: a price is not known."""
        config, found = variant.config, list[int | None]()
        for name in candidates(variant):
            model = resolve(config, name)
            found.append(self.worst.of(body, model, config.providers[model.provider]))
        known = [each for each in found if each is not None]
        return max(known, default=0) if len(known) == len(found) else None

    def _watch(self, variant: Variant, result: StepResult) -> None:
        """A variant that fails from its first step on is given up: its key or its address is wrong."""
        name = variant.name
        if result.outcome == "ok":
            self.failures[name] = -1
        elif self.failures.get(name, 0) >= 0:
            self.failures[name] = self.failures.get(name, 0) + 1
        if self.failures.get(name) == FUTILE:
            self.todo = [each for each in self.todo if each[1].name != name]
            self.notes.append(f"{name} was given up after {FUTILE} failures in a row: {result.error}")

    def _told(self, variant: Variant) -> None:
        if self.job.tell is None:
            return
        done, left = len(self.done), self.total - len(self.done)
        took = (self.job.ticks() - self.began) / max(1, done - self.first)
        self.job.tell(Progress(done, self.total, self.budget.spent, variant.name, took * left))


def is_settled(result: StepResult) -> bool:
    """Whether a kept step need not be sent again: it was answered, or it was billed."""
    return result.outcome == "ok" or bool(result.cost)


def is_budgets(trace: Trace) -> bool:
    """Whether it was the budget that kept a request from being answered."""
    failure = trace.failure
    return failure is not None and (failure.status, failure.type) == (BudgetReached.status, BudgetReached.type)


def result_of(step: Step, variant: Variant, again: Trace, recorded: Trace) -> StepResult:
    """What came of one step, compared with the recording."""
    answer, decision = again.answer, again.decision
    if variant.model and recorded.decision:
        decision = recorded.decision
    cost = total(again)
    made = StepResult(
        step=step.uid,
        n=step.n,
        variant=variant.name,
        kind="rerun",
        provider=answer.provider if answer else "",
        model=answer.model if answer else "",
        agent=decision.agent if decision else "",
        rule=ONE if variant.model else decision.rule if decision else "",
        route_from="asked" if any(a.purpose == "route" for a in again.attempts) else "recomputed",
        usage=answer.usage if answer else None,
        cost=cost,
        cost_from="rerun",
        cost_basis=answer.cost_basis if answer else "unknown",
        low=cost,
        high=cost,
        price=price_of(again),
        router_cost=beside(again, "route"),
        hop_cost=beside(again, "think", "code"),
        calls=len(again.attempts),
        ttft_ms=again.ttft_ms,
        duration_ms=again.duration_ms,
        outcome=again.outcome,
        error=again.failure.message if again.failure else None,
        trace=again.uid,
    )
    then = agreement.described(replace(made, outcome="ok"), recorded.reply)
    return agreement.compared(agreement.described(made, again.reply), then)


def total(trace: Trace) -> int | None:
    """What all calls were billed; None where a price is not known, 0 where nobody answered."""
    if any(a.cost is None and a.usage is not None for a in trace.attempts):
        return None
    return sum(a.cost or 0 for a in trace.attempts)


def beside(trace: Trace, *purposes: str) -> int:
    """What the calls for these purposes were billed."""
    return sum(a.cost or 0 for a in trace.attempts if a.purpose in purposes)


def price_of(trace: Trace) -> Price | None:
    """What the answer was billed at."""
    return trace.answer.price if trace.answer else None


def recorded_results(results: Sequence[StepResult], load: Callable[[str], Trace]) -> list[StepResult]:
    """The recording's own results with what its answers called and how long they are."""
    return [agreement.described(each, load(each.step).reply) for each in results]


def by_step(results: Sequence[StepResult]) -> Mapping[str, StepResult]:
    """Results by the recorded trace."""
    return {each.step: each for each in results}
