"""A router lab from what a person asked for to the reports.

Owns how routers are named, and what their routes would have cost. Must never print. The one surprise: whichever way a
turn is routed the tool agent speaks in the end, so its answers cost the same for every router; what differs is the work
of the agents before it, and the question itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import CcrError
from ccr_tui.prices import cost
from ccr_tui.records import Price, Usage
from ccr_tui.replay import kept, lab, labkept, labsums
from ccr_tui.replay.aside import Aside
from ccr_tui.replay.lab import Candidate, Turn
from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.labsums import Money, Said
from ccr_tui.replay.real import landing, standing
from ccr_tui.replay.words import Recording, Routed, Settings, Step, Tell, Variant
from ccr_tui.replay.work import Bench
from ccr_tui.replay.worst import Worst
from ccr_tui.slim import dataclass
from ccr_tui.store import labels
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import RunRow, Runs
from ccr_tui.tokens import Counter

WORKERS = ("think", "coder")
ANSWER = 12
"""Tokens of a router's answer, as it is asked for."""


def candidates(bench: Bench, written: Sequence[str], prompts: Mapping[str, str]) -> list[Candidate]:
    """Routers as they are written, NAME=MODEL. Raises CcrError for a model that is not there."""
    found = []
    for each in written:
        name, sign, model = each.partition("=")
        one = bench.grammar.one(f"{name}={model}" if sign else f"{each}={each}", option="--router")
        if one.model is None:
            raise CcrError(f"--router {each!r}: write NAME=MODEL, with one model")
        found.append(Candidate(one.name, one, prompts.get(one.name)))
    unknown = set(prompts) - {each.name for each in found}
    if unknown:
        raise CcrError(f"--prompt {unknown.pop()}: no --router has that name")
    return found


def prompts_of(written: Sequence[str]) -> dict[str, str]:
    """Prompts as they are written, NAME=FILE. Raises CcrError for a file that can't be read."""
    found = {}
    for each in written:
        name, sign, file = each.partition("=")
        if not sign:
            raise CcrError(f"--prompt {each!r}: write NAME=FILE, with the name of a --router")
        try:
            found[name] = Path(file).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CcrError(f"--prompt {file}: {getattr(error, 'strerror', None) or error}") from error
    return found


def turns_of(recording: Recording, given: Mapping[str, str]) -> tuple[list[Turn], list[KeptTurn]]:
    """The turns with their requests, and as they are kept. Reads every request; raises StoreError."""
    turns = lab.turns_of(recording, given)
    return turns, [labkept.kept_turn(turn, lab.label_of(turn.trace, {})[0]) for turn in turns]


def run(
    bench: Bench,
    routers: Sequence[Candidate],
    settings: Settings,
    reader: Reader,
    counter: Counter,
    *,
    repeat: int = 1,
    resume: str | None = None,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Ask the routers about every turn, keep the answers, and measure them; `resume` is a lab that was cut off.

    Blocks. Raises CcrError where there is nothing to ask about, or a router can't be asked.
    """
    turns, plain = turns_of(bench.recording, labels.load(reader.path))
    if not turns:
        raise CcrError(f"No turn of a person begins in {bench.recording.title}: there is nothing to route.")
    config, id, runs = routed_config(bench), resume or kept.new_run(), Runs(reader.path)
    offered = lab.offered_in(turns, config.agents)
    at = reader.run(resume).started_at if resume else time.time()
    steps = reader.run_steps(id) if resume else []
    told = labkept.answers(reader, id) if resume else {}
    asked = labkept.asked_for(routers, repeat, settings.max_cost, settings.baseline)
    one = bench.recording
    runs.begin(id, at, labkept.KIND, one.session, one.title, one.source, asked)
    found = money(bench, turns, offered, config, settings.baseline, counter)
    runs.end(id, finished=False, spent=sum(said.cost or 0 for said in told.values()),
             found=labkept.material(plain, offered, routers, found, lab.Asked({}, (), False, 0)))  # fmt: skip
    with landing(reader, None) as (land, teach):
        stand = lab.Bench(
            turns, offered, counter,
            partial(standing, bench.config, counter, reader.calibrations(), teach),
            repeat, settings.concurrency, settings.max_cost, land, id, tell, cancelled,
            mark=partial(runs.mark, id),
            keep=lambda router, question, n, said: runs.keep(id, [(router, question, n, said.cost, asdict(said))]),
            done=told,
            held={(step.variant, step.step): step.held for step in steps if step.held},
        )  # fmt: skip
        outcome = lab.ask_all(stand, routers)
    kept_ = labkept.material(plain, offered, routers, found, outcome)
    runs.end(id, finished=outcome.finished, spent=outcome.spent, found=kept_)
    made = labkept.read(reader, reader.run(id), labels.load(reader.path))
    assert made is not None
    return made


def again(bench: Bench, row: RunRow) -> tuple[list[Candidate], int, Settings]:
    """What a lab that was cut off was asked for: its routers, how often, and its settings. Raises CcrError."""
    if row.kind != labkept.KIND:
        raise CcrError(f"{row.id[:12]} is no lab but a {row.kind}: `ccr-tui lab runs` lists labs.")
    asked = row.asked
    settings = Settings("rerun", asked["max_cost"], baseline=asked["baseline"])
    return candidates(bench, asked["variants"], asked["prompts"]), asked["repeat"], settings


@dataclass(frozen=True, slots=True)
class Bill:
    """What is still to be asked, what that is expected to cost, and at worst; None: a price is not known."""

    questions: int
    likely: int | None
    most: int | None


def bill(
    bench: Bench,
    routers: Sequence[Candidate],
    turns: Sequence[Turn],
    counter: Counter,
    repeat: int = 1,
    told: Mapping[tuple[str, str], Said] = MappingProxyType({}),
) -> Bill:
    """Of questions to each router about each turn, so often; those that an earlier part of a run was `told` are out."""
    offered = lab.offered_in(turns, routed_config(bench).agents)
    worst = Worst(bench.book, counter, time.time)
    answered, questions = {key for key, said in told.items() if said.ok}, 0
    likely: list[int | None] = []
    most: list[int | None] = []
    for each in routers:
        model = each.variant.config.models[each.variant.model or ""]
        provider = each.variant.config.providers[model.provider]
        for turn in turns:
            times = sum((each.name, lab.question_of(turn, nth)) not in answered for nth in range(repeat))
            if not times:
                continue
            questions += times
            body = lab.question_for(each, turn, offered, counter)
            usage = Usage(counter.request(body).total, output=ANSWER)
            price, dearest = (
                quoted(bench, model, provider, time.time(), usage),
                lab.at_worst(worst, body, model, provider),
            )
            likely.append(None if price is None else cost(usage, price) * times)
            most.append(None if dearest is None else dearest * times)
    return Bill(questions, labsums.total(likely), labsums.total(most))


def routed_config(bench: Bench) -> Config:
    """Today's configuration with the agents as the recording shows them."""
    return bench.grammar.one("lab=mode:normal").config


def money(
    bench: Bench, turns: Sequence[Turn], offered: Sequence[str], config: Config, baseline: str | None, counter: Counter
) -> Money:
    """What every route of every turn would have cost."""
    speaks = next((config.agents[name][0] for name in ("tool", "default") if config.agents.get(name)), None)
    answers = None if speaks is None else repriced(bench, Variant("answers", speaks, config, model=speaks))
    based = None if baseline is None else repriced(bench, bench.grammar.baseline(baseline))
    aside = Aside(bench.repricer.paths, bench.repricer.prompts, counter, bench.repricer.ratios)
    steps = {step.uid: step for step in bench.recording.steps}
    quote = partial(quoted, bench)
    hops = {
        turn.uid: {name: hop(aside, steps[turn.uid], name, config, quote) if name in WORKERS else 0 for name in offered}
        for turn in turns
    }
    return Money(hops, answers, based)


def hop(
    aside: Aside, step: Step, agent: str, config: Config, quote: Callable[[Model, Provider, float, Usage], Price | None]
) -> int | None:
    """What an agent's work before the answer costs; None where no model is set for it, or no price known."""
    if not config.agents.get(agent):
        return None
    return aside.of(step, Routed("", "tool", "lab", "router", "assumed", 0, (agent,)), config, quote).hops


def repriced(bench: Bench, variant: Variant) -> int | None:
    """What the session would have cost with one model; None where a price is not known."""
    return labsums.total(result.cost for result in bench.repricer.run((variant,))[variant.name])


def quoted(bench: Bench, model: Model, provider: Provider, at: float, usage: Usage) -> Price | None:
    """The price of the moment."""
    return bench.book.quote(model, provider, at, usage)
