"""The router lab: how well a router model, or a prompt for one, dispatches the turns of a recorded session.

Owns the turns, the questions, and the measures. Must never let a router look good without its price: its own cost, the
work of the agents, and the trivial routers (always one agent, random at the same mix) stand beside it. The one
surprise: the recorded routes are what another router said, and not the truth; hand-made labels win over them.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from statistics import median

from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.prices import show
from ccr_tui.proxy import exchange
from ccr_tui.proxy.asked import about, newest_turn, texts_of
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.consult import USES, question, verdict
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.rules import ROUTED
from ccr_tui.proxy.turn import goes_on
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.replay.asrecorded import verdicts
from ccr_tui.replay.budget import Budget, Purse
from ccr_tui.replay.metered import Metered, unpriced
from ccr_tui.replay.variation import config_for, headers_for
from ccr_tui.replay.words import Progress, Recording, Tell, Variant
from ccr_tui.replay.worst import Worst
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

SURE = frozenset({"llm_classifier", "router_cache"})
"""Causes that mean: a router really said so."""
AGENTS_HERE = "{agents}"
"""In a prompt of one's own: where the list of agents goes."""
_LIST = re.compile(r'(?:^- "\w+": .*\n?)+', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """A recorded request that begins a person's turn."""

    uid: str
    n: int
    """Its place in the recording."""
    trace: Trace = field(repr=False)
    label: str | None
    """Who should work; None: nobody knows."""
    by: str
    """"person", "recorded" or "": whose word the label is."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A router to be tried."""

    name: str
    variant: Variant
    """One model for all: the router."""
    prompt: str | None = None
    """Instructions in place of ours; `{agents}` becomes the list of agents."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a router said to one turn, once."""

    agent: str | None
    """None: the answer could not be used, so that the tool agent would have gone on."""
    ms: int
    input: int
    output: int
    cost: int | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How one router did. Money is nano-USD."""

    name: str
    model: str
    turns: int
    labelled: int
    right: int
    """Of the labelled ones."""
    confusion: Mapping[str, Mapping[str, int]]
    """By label, how often each agent was said; "invalid" for answers that could not be used."""
    invalid: int
    asked: int
    flips: float | None
    """The share of turns in which asking again gave another answer; None: asked once."""
    ms: int | None
    """Median."""
    input_tokens: int
    output_tokens: int
    cost: int | None
    """Of one question to each turn: repeats are not counted."""
    paid: int | None
    """Of all that was asked, repeats included."""
    says: Mapping[str, int]
    """How often each agent was named, in the first answers."""
    verdicts: Mapping[str, str | None] = field(default_factory=dict)
    """The first answer to each turn, by its uid."""
    hops_cost: int | None = None
    """What the agents that it names would have cost beside the tool agent."""
    answers_cost: int | None = None
    """What the tool agent's answers would have cost."""
    baseline_cost: int | None = None
    error: str | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of labelled turns that it got right."""
        return self.right / self.labelled if self.labelled else None

    @property
    def net_saving(self) -> int | None:
        """The baseline's cost less the agents' and the router's own; caches are in both, as they were simulated."""
        parts = (self.baseline_cost, self.answers_cost, self.hops_cost, self.cost)
        if any(part is None for part in parts):
            return None
        baseline, answers, hops, router = (part or 0 for part in parts)
        return baseline - answers - hops - router


@dataclass(frozen=True, slots=True)
class Trivial:
    """A router that needs no model."""

    name: str
    accuracy: float | None
    """Expected, where it is left to chance."""
    says: Mapping[str, float]
    hops_cost: int | None = None
    net_saving: int | None = None


@dataclass(frozen=True, slots=True)
class Money:
    """What routes would cost, nano-USD; None: a price is not known."""

    hops: Mapping[str, Mapping[str, int | None]]
    """By turn and agent, what its work beside the tool agent costs."""
    answers: int | None
    """The tool agent's answers to the whole session."""
    baseline: int | None
    """One model for all."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a lab stands on."""

    turns: Sequence[Turn]
    offered: Sequence[str]
    counter: Counter
    standing: Callable[[], AbstractAsyncContextManager[Context]]
    repeat: int = 1
    concurrency: int = 1
    cap: int | None = None
    land: Callable[[Trace], None] = lambda trace: None
    run: str | None = None
    tell: Tell | None = None
    cancelled: Callable[[], bool] = lambda: False


# --- the turns -------------------------------------------------------------------------------------------------------


def turns_of(recording: Recording, labels: Mapping[str, str]) -> list[Turn]:
    """The requests about which a router would be asked, with who should work on them."""
    found = []
    for step in recording.steps:
        if step.row.kind not in ROUTED:
            continue
        trace = recording.load(step.uid)
        if begins(trace):
            found.append(Turn(step.uid, step.n, trace, *label_of(trace, labels)))
    return found


def begins(trace: Trace) -> bool:
    """Whether the router would be asked about it."""
    asked = about(trace.body, trace.headers)
    return asked.max_tokens != 1 and bool(newest_turn(trace.body)) and not goes_on(trace.body)


def label_of(trace: Trace, labels: Mapping[str, str]) -> tuple[str | None, str]:
    """A person's label, else what the router said then."""
    if trace.uid in labels:
        return labels[trace.uid], "person"
    first = next(verdicts(trace), None)
    return (first.agent, "recorded") if first and first.cause in SURE else (None, "")


def offered_in(turns: Sequence[Turn], agents: Iterable[str]) -> list[str]:
    """The agents between which is chosen: those that are set, or were named; all of them if that leaves no choice."""
    there = set(agents) | {turn.label for turn in turns if turn.label} | {"tool"}
    found = [name for name in USES if name in there]
    return found if len(found) > 1 else list(USES)


# --- asking ----------------------------------------------------------------------------------------------------------


def ask_all(bench: Bench, candidates: Sequence[Candidate]) -> tuple[list[Report], list[str]]:
    """Every router about every turn; and why it ended early, if it did. Blocks; raises CcrError."""
    return asyncio.run(_ask_all(bench, candidates))


async def _ask_all(bench: Bench, candidates: Sequence[Candidate]) -> tuple[list[Report], list[str]]:
    for each in candidates:
        if each.variant.priced_only:
            raise CcrError(
                f"{each.name}: {', '.join(each.variant.priced_only)} is not configured, so it can't be asked."
            )
    async with bench.standing() as context:
        asking = Asking(bench, context)
        return [report(each, bench, await asking.about_all(each)) for each in candidates], asking.notes


class Asking:
    """The questions of one lab, under one budget."""

    def __init__(self, bench: Bench, context: Context) -> None:
        self.bench, self.context = bench, context
        self.budget = Budget(bench.cap)
        self.worst = Worst(context.book, bench.counter, context.clock)
        self.notes: list[str] = []
        self.done = 0
        self._places = asyncio.Semaphore(bench.concurrency)

    async def about_all(self, candidate: Candidate) -> dict[str, list[Said]]:
        """What it says to each turn, as often as it is asked. Turns are asked in order, for the router's own cache."""
        found: dict[str, list[Said]] = {}

        async def one(turn: Turn) -> None:
            async with self._places:
                said = await self._about(candidate, turn)
            if said is not None:
                found.setdefault(turn.uid, []).append(said)

        for _ in range(self.bench.repeat):
            await asyncio.gather(*(one(turn) for turn in self.bench.turns))
        return found

    async def _about(self, candidate: Candidate, turn: Turn) -> Said | None:
        body = question_for(candidate, turn, self.bench.offered, self.bench.counter)
        variant = candidate.variant
        model = variant.config.models[variant.model or ""]
        most = self.worst.of(body, model, variant.config.providers[model.provider])
        if most is None and self.budget.cap is not None:
            raise CcrError(f"{candidate.name}: {unpriced(model.name)}")
        if self.bench.cancelled() or not self.budget.fits(most or 0):
            self._stopped()
            return None
        return await self._exchange(candidate, turn, body, Purse(self.budget, most or 0))

    async def _exchange(self, candidate: Candidate, turn: Turn, body: Json, purse: Purse) -> Said:
        variant, plain = candidate.variant, replace(turn.trace, headers={})
        config = config_for(variant, plain)
        capped = self.budget.cap is not None
        upstreams = Metered(self.context.upstreams, purse, self.worst, config, capped=capped)
        context = replace(self.context, config=config, feed=Feed(), upstreams=upstreams)
        client = Collector(headers_for(variant, plain))
        trace = await exchange.run(dumps(body), client, context, "replay")
        lost = upstreams.lost + self.worst.lost(trace.attempts, config)
        purse.settle(sum(attempt.cost or 0 for attempt in trace.attempts), lost)
        self.bench.land(replace(trace, session=None, run=self.bench.run, replay_of=turn.uid))
        self._told(candidate)
        return said(trace, self.bench.offered)

    def _stopped(self) -> None:
        if not self.notes:
            cap = "" if self.bench.cap is None else f" of {show(self.bench.cap)}"
            self.notes.append(
                f"It ended early, at {show(self.budget.spent)}: it was cancelled, or the budget{cap} was too small."
            )

    def _told(self, candidate: Candidate) -> None:
        self.done += 1
        if self.bench.tell:
            total = len(self.bench.turns) * self.bench.repeat
            self.bench.tell(Progress(min(self.done, total), total, self.budget.spent, candidate.name))


def question_for(candidate: Candidate, turn: Turn, offered: Sequence[str], counter: Counter) -> Json:
    """The question as live requests put it, with the candidate's own instructions."""
    made = question(turn.trace.body, offered, (), counter.text)
    if candidate.prompt is None:
        return made
    agents = _LIST.search(made["system"])
    return {**made, "system": candidate.prompt.replace(AGENTS_HERE, agents[0].rstrip() if agents else "")}


def said(trace: Trace, offered: Sequence[str]) -> Said:
    """What a router's answer amounts to."""
    words = "\n".join(texts_of((trace.reply or {}).get("content")))
    found = verdict(words, offered)
    answer = trace.answer
    return Said(
        found.agent if found.cause == "llm_classifier" else None,
        trace.duration_ms,
        *tokens(answer),
        sum(a.cost or 0 for a in trace.attempts) if is_priced(trace) else None,
        words or (trace.failure.message if trace.failure else ""),
    )


def tokens(answer: Attempt | None) -> tuple[int, int]:
    """Tokens in and out."""
    return (answer.usage.prompt, answer.usage.output) if answer and answer.usage else (0, 0)


def is_priced(trace: Trace) -> bool:
    """Whether all that was used has a price."""
    return all(a.cost is not None or a.usage is None for a in trace.attempts)


# --- measures --------------------------------------------------------------------------------------------------------


def report(candidate: Candidate, bench: Bench, found: Mapping[str, Sequence[Said]]) -> Report:
    """How a router did."""
    firsts = {turn.uid: found[turn.uid][0] for turn in bench.turns if found.get(turn.uid)}
    every = [each for several in found.values() for each in several]
    labelled = [turn for turn in bench.turns if turn.label and turn.uid in firsts]
    confusion: dict[str, dict[str, int]] = {}
    for turn in labelled:
        row = confusion.setdefault(turn.label or "", dict.fromkeys((*bench.offered, "invalid"), 0))
        row[firsts[turn.uid].agent or "invalid"] += 1
    variant = candidate.variant
    failed = [each for each in every if not each.output and not each.agent]
    return Report(
        name=candidate.name,
        model=variant.config.models[variant.model or ""].id,
        turns=len(firsts),
        labelled=len(labelled),
        right=sum((firsts[turn.uid].agent or "tool") == turn.label for turn in labelled),
        confusion=confusion,
        invalid=sum(each.agent is None for each in every),
        asked=len(every),
        flips=flips(found),
        ms=round(median(each.ms for each in every)) if every else None,
        input_tokens=sum(each.input for each in firsts.values()),
        output_tokens=sum(each.output for each in firsts.values()),
        cost=total(each.cost for each in firsts.values()),
        paid=total(each.cost for each in every),
        says=dict(Tally(each.agent or "invalid" for each in firsts.values())),
        verdicts={uid: each.agent for uid, each in firsts.items()},
        error=failed[0].words if failed and len(failed) == len(every) else None,
    )


def flips(found: Mapping[str, Sequence[Said]]) -> float | None:
    """The share of turns, asked more than once, whose answers are not all the same."""
    several = [said for said in found.values() if len(said) > 1]
    return sum(len({each.agent for each in said}) > 1 for said in several) / len(several) if several else None


def total(costs: Iterable[int | None]) -> int | None:
    """The sum; None if one is not known."""
    known = list(costs)
    return None if None in known else sum(cost or 0 for cost in known)


def trivial(turns: Sequence[Turn], offered: Sequence[str]) -> list[Trivial]:
    """Always one agent, and random at the labels' own mix."""
    labels = [turn.label for turn in turns if turn.label]
    mix = {name: labels.count(name) / len(labels) for name in offered} if labels else {}
    always = [
        Trivial(f"always {name}", mix.get(name, 0.0) if labels else None, {name: 1.0})
        for name in offered
        if name in ("tool", "think")
    ]
    chance = sum(share * share for share in mix.values()) if labels else None
    return [*always, Trivial("random, same mix", chance, mix)]


def with_money(
    reports: Sequence[Report], trivials: Sequence[Trivial], money: Money
) -> tuple[list[Report], list[Trivial]]:
    """The same with what their routes would cost."""
    made = [
        replace(
            each,
            answers_cost=money.answers,
            baseline_cost=money.baseline,
            hops_cost=total(money.hops.get(uid, {}).get(agent, 0) for uid, agent in each.verdicts.items() if agent),
        )
        for each in reports
    ]
    return made, [_costed(each, money) for each in trivials]


def _costed(each: Trivial, money: Money) -> Trivial:
    parts = [
        None if (cost := by_agent.get(agent, 0)) is None else round(share * cost)
        for by_agent in money.hops.values()
        for agent, share in each.says.items()
    ]
    work = total(parts) if each.says else None
    if work is None or money.answers is None or money.baseline is None:
        return replace(each, hops_cost=work)
    return replace(each, hops_cost=work, net_saving=money.baseline - money.answers - work)
