"""Reruns: what is sent, what is kept, and that no bill passes the cap."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import (
    PICTURE,
    Habits,
    Simulated,
    answered,
    event,
    recording,
    rendered,
    small,
    standing,
    told,
    variants,
)

from ccr_tui.commands import rerunning
from ccr_tui.errors import CcrError
from ccr_tui.prices import cost
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.replay import export, instant, rerun, sums
from ccr_tui.replay import judge as judging
from ccr_tui.replay.bound import most_input, runs_tools
from ccr_tui.replay.rerun import Job, Outcome
from ccr_tui.replay.words import RECORDED, Progress, Settings, StepResult
from ccr_tui.replay.work import Found

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

CHEAP, DEAR = Price(100_000_000, 400_000_000, 10_000_000), Price(3_000_000_000, 15_000_000_000, 300_000_000)
ONE = {"cheap": CHEAP}
DONE = b"data: [DONE]\n\n"


class Kept:
    """Where everything goes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.results: dict[tuple[str, str], StepResult] = {}
        self.traces: list[Trace] = []
        self.told: list[Progress] = []
        self.held: dict[tuple[str, str], int] = {}
        self.marks: list[int] = []
        self.dead = False
        """Killed: nothing is written down any more."""

    def mark(self, variant: str, step: str, n: int, held: int) -> None:
        if not self.dead:
            self.events.append(("begun", f"{variant}/{step}"))
            self.held[variant, step] = held
            self.marks.append(held)

    def keep(self, result: StepResult) -> None:
        if not self.dead:
            self.events.append(("done", f"{result.variant}/{result.step}"))
            self.results[result.variant, result.step] = result
            self.held.pop((result.variant, result.step), None)

    def land(self, trace: Trace) -> None:
        self.traces.append(trace)


def go(
    counter: Counter,
    provider: Simulated,
    traces: list[Trace],
    *,
    prices: dict[str, Price] | None = None,
    kept: Kept | None = None,
    **more: Any,
) -> tuple[Outcome, Kept]:
    """A rerun in no time."""
    kept = kept or Kept()
    given_settings = Settings("rerun", more.pop("cap", None), more.pop("concurrency", 1))
    of = recording(traces)
    job = Job(
        recording=of,
        steps=of.steps,
        variants=variants(prices or ONE),
        settings=given_settings,
        run="run-1",
        counter=counter,
        standing=partial(standing, provider, counter),
        mark=kept.mark,
        keep=kept.keep,
        land=kept.land,
        tell=kept.told.append,
        **more,
    )
    return instant.run(rerun.run(job)), kept


def made(counter: Counter, seed: int = 1, prices: dict[str, Price] | None = None, **habits: float) -> Simulated:
    return Simulated(seed, counter, prices or ONE, Habits(**habits))


def test_every_step_is_sent_to_the_other_model_with_its_history(counter: Counter) -> None:
    provider, traces = made(counter), [small(n) for n in range(3)]
    outcome, kept = go(counter, provider, traces)
    assert outcome.finished and outcome.spent == provider.bill
    assert [sent["model"] for sent in provider.asked] == ["cheap"] * 3
    assert [sent["messages"][0]["content"] for sent in provider.asked] == [
        trace.body["messages"][0]["content"] for trace in traces
    ]
    assert [result.n for result in outcome.results["cheap"]] == [1, 2, 3]
    assert all(result.cost_from == "rerun" and result.usage for result in outcome.results["cheap"])
    landed = kept.traces[0]
    assert (landed.origin, landed.session, landed.run, landed.replay_of) == ("replay", None, "run-1", "step-0")


def test_a_step_is_marked_before_it_is_sent_and_kept_before_the_next(counter: Counter) -> None:
    _, kept = go(counter, made(counter), [small(n) for n in range(2)])
    names = ["begun", "done", "begun", "done"]
    assert kept.events == [(name, f"cheap/step-{n // 2}") for n, name in enumerate(names)]


def test_progress_tells_of_time_and_money(counter: Counter) -> None:
    outcome, kept = go(counter, made(counter), [small(n) for n in range(3)])
    assert [(each.done, each.total) for each in kept.told] == [(1, 3), (2, 3), (3, 3)]
    assert kept.told[-1].spent == outcome.spent > 0 and kept.told[-1].eta_s == 0


@pytest.mark.parametrize("concurrency", [1, 2, 3, 8])
def test_so_many_are_under_way_at_once(concurrency: int, counter: Counter) -> None:
    prices = {"one": CHEAP, "two": CHEAP}
    provider = made(counter, prices=prices)
    outcome, _ = go(counter, provider, [small(n) for n in range(24)], prices=prices, concurrency=concurrency)
    assert outcome.finished
    assert provider.most_at_once == concurrency


def test_two_at_once_are_one_of_each_variant(counter: Counter) -> None:
    """A variant's prompt cache is warm only if its requests follow one another."""
    prices = {"one": CHEAP, "two": CHEAP}
    _, kept = go(counter, made(counter, prices=prices), [small(n) for n in range(5)], prices=prices, concurrency=2)
    under_way: set[str] = set()
    for name, what in kept.events:
        variant = what.partition("/")[0]
        assert (variant in under_way) == (name == "done")
        under_way ^= {variant}


# --- the budget ------------------------------------------------------------------------------------------------------


def test_the_budget_ends_it_before_it_is_passed(counter: Counter) -> None:
    traces = [small(n) for n in range(40)]
    free, _ = go(counter, made(counter), traces)
    provider = made(counter)
    outcome, _ = go(counter, provider, traces, cap=free.spent // 2)
    assert (outcome.finished, outcome.stopped, free.stopped) == (False, "budget", None)
    assert provider.bill <= free.spent // 2
    assert provider.bill > free.spent // 4
    assert "ended it at" in outcome.notes[0]


def test_a_cap_that_fits_nothing_sends_nothing(counter: Counter) -> None:
    provider = made(counter)
    outcome, kept = go(counter, provider, [small(1)], cap=1)
    assert (provider.asked, outcome.spent, kept.events) == ([], 0, [])


def test_a_nearly_spent_budget_is_used_with_a_lower_limit(counter: Counter) -> None:
    provider = made(counter)
    outcome, _ = go(counter, provider, [small(1, max_tokens=100_000)], cap=2_000_000)
    assert outcome.finished
    assert [sent["max_tokens"] for sent in provider.asked] == [1024]
    assert outcome.results["cheap"][0].notes == ("the budget was nearly spent: max_tokens was 1024 instead of 100000",)


def test_without_a_price_there_is_no_budget(counter: Counter) -> None:
    provider, of = made(counter), recording([small(1)])
    (variant,) = variants(ONE)
    config = replace(variant.config, models={"cheap": replace(variant.config.models["cheap"], price=None)})
    kept = Kept()
    job = Job(
        of, of.steps, (replace(variant, config=config),), Settings("rerun", 10**9), "run", counter,
        partial(standing, provider, counter), kept.mark, kept.keep, kept.land,
    )  # fmt: skip
    with pytest.raises(CcrError, match=r"set models\.cheap\.price"):
        instant.run(rerun.run(job))
    assert provider.asked == []


rates = st.integers(0, 10_000_000_000)
price = st.builds(Price, rates, rates, st.none() | rates, st.none() | rates)
shares = st.sampled_from([0.0, 0.0, 0.1, 0.4])
sometimes = st.sampled_from([0.0, 0.5, 1.0])
habits = st.builds(Habits, shares, shares, shares, shares, sometimes, st.sampled_from([1.0, 0.5]), shares)
seen = st.sampled_from(["", "", "x = 1\n" * 40, "中文与表情😀" * 20, '"\\" \t {"a": [1, 2]}' * 10])
steps = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 3000), seen), min_size=1, max_size=3)
caps = st.floats(5, 9).map(lambda exponent: int(10**exponent))
moments = st.lists(st.floats(0.1, 8), max_size=1)
"""When the run is killed, to live once more."""


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_steps=steps,
    given_prices=st.lists(price, min_size=1, max_size=2),
    habits=habits,
    cap=caps,
    concurrency=st.integers(1, 4),
    kills=moments,
    seed=st.integers(0, 10**6),
)
def test_whatever_happens_the_bill_never_passes_the_cap(
    counter: Counter,
    given_steps: list[tuple[int, int, str]],
    given_prices: list[Price],
    habits: Habits,
    cap: int,
    concurrency: int,
    kills: list[float],
    seed: int,
) -> None:
    """The provider's own bill, over all lives of the run: cut answers, those of unknown length, answers that nobody
    received or kept, and tokens of a byte each included."""
    prices = {f"model-{n}": each for n, each in enumerate(given_prices)}
    provider = Simulated(seed, counter, prices, habits)
    traces = [small(n, *step) for n, step in enumerate(given_steps)]
    kept, total = Kept(), len(traces) * len(prices)
    for moment in (*kills, None):
        kept.dead = False
        outcome = lived(counter, provider, traces, prices, kept, cap, concurrency, moment)
        assert provider.bill <= cap
        if outcome is None:
            continue
        assert outcome.spent == sum((r.cost or 0) for r in kept.results.values())
        if outcome.finished:
            assert sum(map(len, outcome.results.values())) == total


def lived(
    counter: Counter,
    provider: Simulated,
    traces: list[Trace],
    prices: dict[str, Price],
    kept: Kept,
    cap: int,
    concurrency: int,
    moment: float | None,
) -> Outcome | None:
    """One life of a run, which goes on from what was written down; None: it was killed at that moment."""
    of = recording(traces)
    job = Job(
        of, of.steps, variants(prices), Settings("rerun", cap, concurrency), "run-1", counter,
        partial(standing, provider, counter), kept.mark, kept.keep, kept.land, dict(kept.results), dict(kept.held),
    )  # fmt: skip

    async def life() -> Outcome | None:
        work = asyncio.ensure_future(rerun.run(job))
        await asyncio.wait({work}, timeout=moment)
        if work.done():
            return work.result()
        kept.dead = True
        work.cancel()
        await asyncio.wait({work})
        return None

    return instant.run(life())


@pytest.mark.parametrize("text", ["x = 1\n" * 40, "中文与表情😀" * 20, "\ud800 \0"], ids=["code", "chinese", "broken"])
@pytest.mark.parametrize("model_id", ["any", "gpt-4o-mini"])
def test_no_template_shows_more_bytes_than_are_counted_on(counter: Counter, text: str, model_id: str) -> None:
    provider = made(counter, tells=1.0)
    go(counter, provider, [small(1, 5, 100, text)])
    (sent,) = provider.asked
    assert most_input(sent, model_id, counter.pages) >= len(rendered(sent).encode("utf-8", "replace")) + PICTURE


def test_a_tool_that_the_provider_would_run_is_not_sent(counter: Counter) -> None:
    """Neither is its work bounded, nor does a rerun run tools."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert runs_tools({"tools": [{"name": "Read", "input_schema": {}}, search]}) == "web_search_20250305"
    assert runs_tools({"tools": [{"name": "Read", "input_schema": {}}]}) is None


# --- cut off, and gone on with ---------------------------------------------------------------------------------------


def test_a_resumed_run_sends_only_what_was_not_answered(counter: Counter) -> None:
    traces, first = [small(n) for n in range(6)], made(counter)
    stop = iter([False, False, False, True])
    outcome, kept = go(counter, first, traces, cancelled=lambda: next(stop, True))
    assert outcome.stopped == "cancelled"
    assert not outcome.finished and len(kept.results) == 3
    second = made(counter, seed=2)
    resumed, again = go(counter, second, traces, done=dict(kept.results))
    assert resumed.finished and len(second.asked) == 3
    assert resumed.spent == first.bill + second.bill
    assert [result.n for result in resumed.results["cheap"]] == [1, 2, 3, 4, 5, 6]
    assert resumed.results["cheap"][:3] == list(kept.results.values())
    assert len(again.results) == 3


def test_what_was_under_way_at_a_kill_counts_against_the_cap(counter: Counter) -> None:
    traces, kept = [small(1), small(2)], Kept()
    outcome, _ = go(counter, made(counter), traces, kept=kept, held={("cheap", "step-1"): 0})
    assert outcome.finished
    assert outcome.notes[0].startswith("1 request was under way when the run was cut off, and asked again")


def test_what_was_sent_and_never_answered_counts_against_the_cap(counter: Counter) -> None:
    """Each try may have been billed, and the run that goes on knows it."""
    _, kept = go(counter, made(counter, hangs=1.0), [small(1)], cap=10**9)
    most = kept.marks[0]
    assert kept.marks == [most, 2 * most, 3 * most]  # a try and two more, each written down before it is sent
    provider = made(counter, hangs=1.0)
    outcome, kept = go(counter, provider, [small(1)], cap=2 * most - 1)
    assert len(provider.asked) == 1 and not outcome.finished
    resumed, _ = go(counter, provider, [small(1)], cap=2 * most - 1, done=dict(kept.results), held=dict(kept.held))
    assert len(provider.asked) == 1 and not resumed.finished
    assert "may have been billed for answers that never came" in resumed.notes[-1]


def test_the_worst_case_of_a_killed_call_is_not_spent_again(counter: Counter) -> None:
    _, kept = go(counter, made(counter), [small(1)], cap=10**9)
    most, provider = kept.marks[0], made(counter)
    outcome, _ = go(counter, provider, [small(1)], cap=2 * most - 1, held={("cheap", "step-1"): most})
    assert provider.asked == [] and not outcome.finished
    outcome, _ = go(counter, provider, [small(1)], cap=2 * most, held={("cheap", "step-1"): most})
    assert len(provider.asked) == 1 and outcome.finished


def test_failed_steps_are_sent_again_by_a_resumed_run(counter: Counter) -> None:
    failing = made(counter, refuses=1.0)
    outcome, kept = go(counter, failing, [small(1), small(2)])
    assert [result.outcome for result in outcome.results["cheap"]] == ["error", "error"]
    again, _ = go(counter, made(counter), [small(1), small(2)], done=dict(kept.results))
    assert [result.outcome for result in again.results["cheap"]] == ["ok", "ok"]


def test_a_variant_without_an_answer_has_saved_nothing(counter: Counter) -> None:
    """It cost nothing, and is no cheapest for that: no cost, nothing saved, no mark, an exit code of 1."""
    traces = [small(1), small(2)]
    outcome, _ = go(counter, made(counter, refuses=1.0), traces)
    of = recording(traces)
    then = [
        StepResult(step.uid, step.n, RECORDED, "reprice", usage=Usage(9, 9), cost=1000, cost_from="recorded")
        for step in of.steps
    ]
    told = sums.compare("r", "rerun", of, 1.0, then, variants(ONE), outcome.results, {})
    line = told.variants[1]
    assert (line.requests, line.failed, line.cost, line.saved, line.pareto, line.cheapest) == (
        2,
        2,
        None,
        None,
        False,
        False,
    )
    assert told.finished and rerunning.code(Found(told, outcome.results)) == 1
    assert export.money(line) == "–" and not any("cheapest" in head for head in export.heads(told))


def test_what_nobody_reported_is_told_as_estimated(counter: Counter) -> None:
    of = recording([small(1), small(2)])
    guess = Usage(176, 19, basis="estimated")
    then = [
        StepResult(step.uid, step.n, RECORDED, "reprice", usage=guess, cost=410_000, cost_from="recorded")
        for step in of.steps
    ]
    (line,) = sums.compare("r", "reprice", of, 1.0, then, (), {}, {}).variants
    told = dict(zip([name for name, _ in export.COLUMNS], [cell(line) for _, cell in export.COLUMNS], strict=True))
    assert (told["in"], told["cached"], told["out"], told["cost"]) == ("~352", "", "~38", "~$0.00082")
    assert line.notes[0].startswith("tokens of 2 of 2 requests are estimated (~)")


def test_a_variant_that_only_fails_is_given_up(counter: Counter) -> None:
    provider = made(counter, dies=1.0)
    outcome, _ = go(counter, provider, [small(n) for n in range(20)])
    assert len(outcome.results["cheap"]) == 3
    assert outcome.notes[0].startswith("cheap was given up after 3 failures in a row: ")
    assert outcome.stopped == "failures"


def test_a_model_that_is_known_by_its_price_alone_cannot_be_asked(counter: Counter) -> None:
    provider, of, kept = made(counter), recording([small(1)]), Kept()
    (variant,) = variants(ONE)
    job = Job(
        of, of.steps, (replace(variant, priced_only=("cheap",)),), Settings("rerun"), "run", counter,
        partial(standing, provider, counter), kept.mark, kept.keep, kept.land,
    )  # fmt: skip
    with pytest.raises(CcrError, match="repriced but not asked"):
        instant.run(rerun.run(job))


# --- agreement -------------------------------------------------------------------------------------------------------


def test_answers_are_compared_with_the_recorded_ones(counter: Counter) -> None:
    always, _ = go(counter, made(counter, calls=1.0), [small(1)])
    (same,) = always.results["cheap"]
    assert (same.tool_agreement, same.stop_agrees, same.chars) == (1.0, True, 0)
    never, _ = go(counter, made(counter, calls=0.0), [small(1)])
    (other,) = never.results["cheap"]
    assert (other.tool_agreement, other.stop_agrees, other.chars) == (0.0, False, 11)


# --- the judge -------------------------------------------------------------------------------------------------------


class Judged(Simulated):
    """Its model "judge" always finds the second answer better; whose that is changes with the order."""

    says = '{"better": "B"}'

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        if sent["model"] != "judge":
            return await super().handle_async_request(request)
        self.asked.append(sent)
        usage = Usage(input=500, output=10)
        self.bill += cost(usage, self.prices["judge"])
        said = event({"choices": [{"index": 0, "delta": {"content": self.says}, "finish_reason": "stop"}]})
        return answered(said + event({"choices": [], "usage": told(usage)}) + DONE, kind="text/event-stream")


def test_a_judge_is_asked_in_both_orders_and_his_bill_is_part_of_what_is_spent(counter: Counter) -> None:
    prices = {"cheap": CHEAP, "judge": DEAR}
    provider = Judged(1, counter, prices, Habits(calls=0.0))
    cheap, judge = variants(prices)
    of, kept = recording([small(1)]), Kept()
    job = Job(
        of, of.steps, (cheap,), Settings("rerun", judge="judge"), "run", counter, partial(standing, provider, counter),
        kept.mark, kept.keep, kept.land, judge=judge,
    )  # fmt: skip
    outcome = instant.run(rerun.run(job))
    (result,) = outcome.results["cheap"]
    asked = [sent["messages"][-1]["content"] for sent in provider.asked if sent["model"] == "judge"]
    assert len(asked) == 2 and asked[0] != asked[1]
    assert result.judged == 0.5  # an opinion that changes with the order is none
    assert result.judge_cost == 2 * cost(Usage(input=500, output=10), DEAR)
    assert outcome.spent == provider.bill == (result.cost or 0) + result.judge_cost
    assert len(kept.traces) == 3
    assert (result.judge_asked, result.judge_usable, result.judge_unpriced) == (2, 2, 0)


def test_a_judge_who_says_nothing_of_use_is_counted(counter: Counter) -> None:
    prices = {"cheap": CHEAP, "judge": DEAR}
    provider = Judged(1, counter, prices, Habits(calls=0.0))
    provider.says = "Both are fine."
    cheap, judge = variants(prices)
    of, kept = recording([small(1), small(2)]), Kept()
    job = Job(
        of, of.steps, (cheap,), Settings("rerun", judge="judge"), "run", counter, partial(standing, provider, counter),
        kept.mark, kept.keep, kept.land, judge=judge,
    )  # fmt: skip
    outcome = instant.run(rerun.run(job))
    counts = judging.counts(result for results in outcome.results.values() for result in results)
    assert counts == judging.Counts(4, 0, 4 * cost(Usage(input=500, output=10), DEAR), 0)


COUNTED = {
    "judge alpha: 0 of 12 verdicts usable, $0.011": judging.Counts(12, 0, 11_000_000, 0),
    "judge alpha: 1 of 1 verdict usable, $0.011+": judging.Counts(1, 1, 11_000_000, 1),
    "judge alpha: 12 of 12 verdicts usable, ?": judging.Counts(12, 12, 0, 12),
    "judge alpha: was asked nothing": judging.Counts(0, 0, 0, 0),
}


@pytest.mark.parametrize("words", COUNTED)
def test_what_came_of_judging_is_told(words: str) -> None:
    assert judging.summary("alpha", COUNTED[words]) == words


def test_a_judge_that_cannot_be_paid_is_not_asked(counter: Counter) -> None:
    prices = {"cheap": CHEAP, "judge": Price(10**12, 10**12)}
    provider = Judged(1, counter, prices, Habits(calls=0.0))
    cheap, judge = variants(prices)
    of, kept = recording([small(1)]), Kept()
    job = Job(
        of, of.steps, (cheap,), Settings("rerun", 10_000_000, judge="judge"), "run", counter,
        partial(standing, provider, counter), kept.mark, kept.keep, kept.land, judge=judge,
    )  # fmt: skip
    (result,) = instant.run(rerun.run(job)).results["cheap"]
    assert (result.outcome, result.judged, result.judge_cost) == ("ok", None, 0)
    assert result.notes == ("not judged: the budget was too small",)


async def test_it_runs_on_a_real_loop_too(counter: Counter) -> None:
    of, kept, provider = recording([small(1)]), Kept(), made(counter)
    provider.chance.random = lambda: 0.5  # type: ignore[method-assign]
    job = Job(
        of, of.steps, variants(ONE), Settings("rerun"), "run", counter, partial(standing, provider, counter),
        kept.mark, kept.keep, kept.land,
    )  # fmt: skip
    outcome = await asyncio.to_thread(rerun.rerun, job)
    assert outcome.finished and len(kept.traces) == 1
