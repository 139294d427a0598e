"""How a router did: its answers against the labels, and what its routes would cost.

Owns the measures of the router lab. Must never let a router look good without its price: its own cost, the work of the
agents, and the trivial routers (always one agent, random at the same mix) stand beside it. The one surprise: it knows
turns by their labels alone, and answers as they were kept, so a label that changes is measured anew for nothing; an
answer that cannot be used counts as the tool agent, as it does live, and as invalid beside.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from statistics import median
from typing import Protocol

from ccr_tui.slim import dataclass


class Labelled(Protocol):
    """A turn, as far as it is measured."""

    @property
    def uid(self) -> str:
        """Of the recorded request."""

    @property
    def label(self) -> str | None:
        """Who should work; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a router said to one turn, once."""

    agent: str | None
    """None: the answer could not be used, so that the tool agent would have gone on."""
    ms: int
    input: int
    output: int
    cost: int | None
    """Nano-USD; None: a price is not known."""
    words: str = ""
    ok: bool = True
    """False: nobody answered, and it may be asked again for nothing."""
    lost: int = 0
    """What may have been billed for no answer."""


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


def report(
    name: str, model: str, turns: Sequence[Labelled], offered: Sequence[str], found: Mapping[str, Sequence[Said]]
) -> Report:
    """How a router did: `found` is what it said to each turn, by its uid."""
    firsts = {turn.uid: found[turn.uid][0] for turn in turns if found.get(turn.uid)}
    every = [each for turn in turns for each in found.get(turn.uid, ())]
    labelled = [turn for turn in turns if turn.label and turn.uid in firsts]
    failed = [each for each in every if not each.output and not each.agent]
    return Report(
        name=name,
        model=model,
        turns=len(firsts),
        labelled=len(labelled),
        right=sum((firsts[turn.uid].agent or "tool") == turn.label for turn in labelled),
        confusion=confusion(labelled, offered, firsts),
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


def confusion(
    labelled: Sequence[Labelled], offered: Sequence[str], firsts: Mapping[str, Said]
) -> dict[str, dict[str, int]]:
    """By label, how often each agent was named first."""
    found: dict[str, dict[str, int]] = {}
    for turn in labelled:
        row = found.setdefault(turn.label or "", dict.fromkeys((*offered, "invalid"), 0))
        said = firsts[turn.uid].agent or "invalid"
        row[said] = row.get(said, 0) + 1
    return found


def flips(found: Mapping[str, Sequence[Said]]) -> float | None:
    """The share of turns, asked more than once, whose answers are not all the same."""
    several = [said for said in found.values() if len(said) > 1]
    return sum(len({each.agent for each in said}) > 1 for said in several) / len(several) if several else None


def total(costs: Iterable[int | None]) -> int | None:
    """The sum; None if one is not known."""
    known = list(costs)
    return None if None in known else sum(cost or 0 for cost in known)


def trivial(turns: Sequence[Labelled], offered: Sequence[str]) -> list[Trivial]:
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
