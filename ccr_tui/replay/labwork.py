"""A router lab from what a person asked for to the reports.

Owns how routers are named, and what their routes would have cost. Must never print. The one surprise: whichever way a
turn is routed the tool agent speaks in the end, so its answers cost the same for every router; what differs is the work
of the agents before it, and the question itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import CcrError
from ccr_tui.records import Price, Usage
from ccr_tui.replay import kept, lab
from ccr_tui.replay.aside import Aside
from ccr_tui.replay.lab import Candidate, Money, Report, Trivial, Turn
from ccr_tui.replay.real import landing, standing
from ccr_tui.replay.words import Routed, Settings, Step, Tell, Variant
from ccr_tui.replay.work import Bench
from ccr_tui.store import labels
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Counter

WORKERS = ("think", "coder")


@dataclass(frozen=True, slots=True)
class Found:
    """What a lab has found."""

    turns: Sequence[Turn]
    offered: Sequence[str]
    reports: Sequence[Report]
    trivials: Sequence[Trivial]
    baseline: str | None
    notes: Sequence[str]
    run: str
    """The id under which its questions are kept as traces."""


def candidates(bench: Bench, written: Sequence[str], prompts: Mapping[str, str]) -> list[Candidate]:
    """Routers as they are written, NAME=MODEL. Raises CcrError for a model that is not there."""
    found = []
    for each in written:
        name, sign, model = each.partition("=")
        one = bench.grammar.one(f"{name}={model}" if sign else f"{each}={each}")
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


def run(
    bench: Bench,
    routers: Sequence[Candidate],
    settings: Settings,
    reader: Reader,
    counter: Counter,
    *,
    repeat: int = 1,
    tell: Tell | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Found:
    """Ask every router about every turn. Blocks; raises CcrError where there is nothing to ask about."""
    turns = lab.turns_of(bench.recording, labels.load(reader.path))
    if not turns:
        raise CcrError(f"No turn of a person begins in {bench.recording.title}: there is nothing to route.")
    config, id = routed_config(bench), kept.new_run()
    offered = lab.offered_in(turns, config.agents)
    with landing(reader, None) as (land, teach):
        stand = lab.Bench(
            turns, offered, counter,
            partial(standing, bench.config, counter, reader.calibrations(), teach),
            repeat, settings.concurrency, settings.max_cost, land, id, tell, cancelled,
        )  # fmt: skip
        reports, notes = lab.ask_all(stand, routers)
    found = money(bench, turns, offered, config, settings.baseline, counter)
    return Found(
        turns, offered, *lab.with_money(reports, lab.trivial(turns, offered), found), settings.baseline, notes, id
    )


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
    return lab.total(result.cost for result in bench.repricer.run((variant,))[variant.name])


def quoted(bench: Bench, model: Model, provider: Provider, at: float, usage: Usage) -> Price | None:
    """The price of the moment."""
    return bench.book.quote(model, provider, at, usage)
