"""The router lab: how well a router model, or a prompt for one, dispatches the turns of a recorded session.

Owns the turns and the questions. Must never ask a question again whose answer was kept, nor one that does not fit into
the budget. The one surprise: the recorded routes are what another router said, and not the truth; hand-made labels win
over them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, replace

from ccr_tui.config import Model, Provider
from ccr_tui.errors import CcrError
from ccr_tui.feed import Feed
from ccr_tui.prices import show
from ccr_tui.proxy import exchange
from ccr_tui.proxy.asked import about, newest_turn, texts_of
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.consult import USES, question, verdict
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.request import translate
from ccr_tui.proxy.rules import ROUTED
from ccr_tui.proxy.turn import goes_on
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.replay.asrecorded import verdicts
from ccr_tui.replay.budget import Budget, Purse
from ccr_tui.replay.covering import covered
from ccr_tui.replay.labsums import Said
from ccr_tui.replay.metered import Metered, unpriced
from ccr_tui.replay.rerun import is_budgets
from ccr_tui.replay.variation import config_for, headers_for
from ccr_tui.replay.words import Progress, Recording, Stopped, Tell, Variant
from ccr_tui.replay.worst import Worst
from ccr_tui.slim import dataclass
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

SURE = frozenset({"llm_classifier", "router_cache"})
"""Causes that mean: a router really said so."""
FUTILE = 3
"""Failures of a router, one after the other and none before, after which it is given up."""
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
    mark: Callable[[str, str, int, int], None] = lambda router, question, n, held: None
    """Told before anything is sent: the router, the question, its place, what it may be billed."""
    keep: Callable[[str, str, int, Said], None] = lambda router, question, n, said: None
    """Takes an answer as soon as it is there: what was kept is not asked again."""
    done: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    """What an earlier part of the run was told, by router and question."""
    held: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """What it may have been billed for questions whose answers are not known."""


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


def ask_all(bench: Bench, candidates: Sequence[Candidate]) -> Asked:
    """Every router about every turn. Blocks; raises CcrError."""
    return asyncio.run(_ask_all(bench, candidates))


async def _ask_all(bench: Bench, candidates: Sequence[Candidate]) -> Asked:
    for each in candidates:
        if each.variant.priced_only:
            raise CcrError(
                f"{each.name}: {', '.join(each.variant.priced_only)} is not configured, so it can't be asked."
            )
    async with bench.standing() as context:
        asking = Asking(bench, context, len(candidates))
        said = {each.name: await asking.about_all(each) for each in candidates}
        finished = asking.done == asking.total
        return Asked(said, tuple(asking.notes), finished, asking.budget.spent, None if finished else asking.why())


@dataclass(frozen=True, slots=True)
class Asked:
    """What routers have said."""

    said: Mapping[str, Mapping[str, Sequence[Said]]]
    """By router and turn, first things first."""
    notes: tuple[str, ...]
    """Why it ended early, if it did."""
    finished: bool
    spent: int
    """Nano-USD, earlier parts of the run included."""
    stopped: Stopped | None = None
    """Why it is not finished."""


class Asking:
    """The questions of one lab, under one budget."""

    def __init__(self, bench: Bench, context: Context, routers: int) -> None:
        self.bench, self.context = bench, context
        self.known = {key: said for key, said in bench.done.items() if said.ok}
        """A question that nobody answered is asked again."""
        kept = bench.done.values()
        lost = sum(held for key, held in bench.held.items() if key not in bench.done)
        self.budget = Budget(bench.cap, sum(said.cost or 0 for said in kept), lost + sum(said.lost for said in kept))
        self.worst = Worst(context.book, bench.counter, context.clock)
        self.notes: list[str] = []
        if lost:
            self.notes.append(
                f"Some answers were under way when the run was cut off; at worst {show(lost)} was billed for them, "
                f"which counts against the budget."
            )
        self.done, self.sent, self.total = 0, 0, len(bench.turns) * bench.repeat * routers
        self.futile: dict[str, int] = {}
        self.ended = False
        """By a person, or by the budget."""
        self.began = time.monotonic()
        self._places = asyncio.Semaphore(bench.concurrency)

    async def about_all(self, candidate: Candidate) -> dict[str, list[Said]]:
        """What it says to each turn, as often as it is asked. Turns are asked in order, for the router's own cache."""
        found: dict[str, list[Said]] = {}

        async def one(turn: Turn, nth: int) -> None:
            async with self._places:
                said = await self._once(candidate, turn, nth)
            if said is not None:
                found.setdefault(turn.uid, []).append(said)

        for nth in range(self.bench.repeat):
            await asyncio.gather(*(one(turn, nth) for turn in self.bench.turns))
        return found

    async def _once(self, candidate: Candidate, turn: Turn, nth: int) -> Said | None:
        """The answer to one question: the kept one, or a new one. None: it is not asked any more."""
        question = question_of(turn, nth)
        known = self.known.get((candidate.name, question))
        if known is not None:
            self._told(candidate)
            return known
        if self.futile.get(candidate.name, 0) >= FUTILE:
            return None
        said = await self._about(candidate, turn, question)
        if said is not None:
            self._watch(candidate, said)
            self.sent += 1
            self._told(candidate)
        return said

    async def _about(self, candidate: Candidate, turn: Turn, question: str) -> Said | None:
        body = question_for(candidate, turn, self.bench.offered, self.bench.counter)
        variant = candidate.variant
        model = variant.config.models[variant.model or ""]
        most = at_worst(self.worst, body, model, variant.config.providers[model.provider])
        if most is None and self.budget.cap is not None:
            raise CcrError(f"{candidate.name}: {unpriced(model.name)}")
        if self.bench.cancelled() or not self.budget.fits(most or 0):
            self._stopped()
            return None
        self.bench.mark(candidate.name, question, turn.n, most or 0)
        return await self._exchange(candidate, turn, question, body, Purse(self.budget, most or 0))

    async def _exchange(self, candidate: Candidate, turn: Turn, question: str, body: Json, purse: Purse) -> Said | None:
        variant, plain = candidate.variant, replace(turn.trace, headers={})
        config = config_for(variant, plain)
        capped = self.budget.cap is not None
        upstreams = Metered(
            self.context.upstreams, purse, self.worst, config, capped=capped,
            drawn=lambda held: self.bench.mark(candidate.name, question, turn.n, held),
        )  # fmt: skip
        context = replace(self.context, config=config, feed=Feed(), upstreams=upstreams)
        client = Collector(headers_for(variant, plain))
        trace = await exchange.run(dumps(body), client, context, "replay")
        lost = upstreams.lost + self.worst.lost(trace.attempts, config)
        bill = sum(attempt.cost or 0 for attempt in trace.attempts)
        purse.settle(bill, lost)
        if is_budgets(trace) and not bill:
            self._stopped()
            return None
        before = self.bench.done.get((candidate.name, question))
        trace = covered(trace, self.context.config, config)
        answer = replace(said(trace, self.bench.offered), lost=lost + (before.lost if before else 0))
        self.bench.keep(candidate.name, question, turn.n, answer)
        self.bench.land(replace(trace, session=None, run=self.bench.run, replay_of=turn.uid))
        return answer

    def _watch(self, candidate: Candidate, said: Said) -> None:
        """A router that fails from its first question on is given up: its key or its address is wrong."""
        before = self.futile.get(candidate.name, 0)
        self.futile[candidate.name] = -1 if said.ok or before < 0 else before + 1
        if self.futile[candidate.name] == FUTILE:
            self.notes.append(f"{candidate.name} was given up after {FUTILE} failures in a row: {said.words}")

    def why(self) -> Stopped:
        """Why not all was asked."""
        if self.ended:
            return "cancelled" if self.bench.cancelled() else "budget"
        return "failures"

    def _stopped(self) -> None:
        self.ended = True
        if not any(note.startswith("It ended early") for note in self.notes):
            why = "it was cancelled"
            if not self.bench.cancelled() and self.bench.cap is not None:
                why = f"the next question would at worst have passed the budget of {show(self.bench.cap)}"
            self.notes.append(f"It ended early, at {show(self.budget.spent)}: {why}.")

    def _told(self, candidate: Candidate) -> None:
        self.done += 1
        if self.bench.tell:
            took = (time.monotonic() - self.began) / self.sent if self.sent else None
            left = None if took is None else took * (self.total - self.done)
            self.bench.tell(Progress(self.done, self.total, self.budget.spent, candidate.name, left))


def at_worst(worst: Worst, body: Json, model: Model, provider: Provider) -> int | None:
    """What a question may cost: as it is put, or as it is sent, which is longer with some providers; None where no
    price is known."""
    asked = worst.of(body, model, provider)
    if asked is None or provider.kind != "openai":
        return asked
    sent = translate(body, model.id, facts_for(provider, model), model.max_output).body
    return max(asked, worst.of(sent, model, provider) or 0)


def question_of(turn: Turn, nth: int) -> str:
    """What the question that is asked about a turn for the nth time, from 0 on, is kept under."""
    return turn.uid if nth == 0 else f"{turn.uid}#{nth + 1}"


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
        trace.outcome == "ok" or any(a.cost for a in trace.attempts),
    )


def tokens(answer: Attempt | None) -> tuple[int, int]:
    """Tokens in and out."""
    return (answer.usage.prompt, answer.usage.output) if answer and answer.usage else (0, 0)


def is_priced(trace: Trace) -> bool:
    """Whether all that was used has a price."""
    return all(a.cost is not None or a.usage is None for a in trace.attempts)
