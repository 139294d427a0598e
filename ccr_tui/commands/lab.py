"""`ccr-tui lab`: how well a router dispatches the turns of a recorded session.

Owns the command's words and its tables. Must never ask a router before the person has said yes. The one surprise:
without --router nothing is asked: the turns are listed with their labels, which `lab label` sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ccr_tui.commands.common import as_json, database, load, narrate, print_json, reader, safe, settings, table
from ccr_tui.commands.replay import Replay, _money

if TYPE_CHECKING:
    from ccr_tui.replay.lab import Report, Trivial, Turn
    from ccr_tui.replay.labwork import Found
    from ccr_tui.replay.words import Recording
    from ccr_tui.store.queries import Reader

WHOLE = 24
"""Letters of a whole id: a trace of a file, which is in no database, can only be named by it."""
AGENTS = ("tool", "think", "coder", "none")


@click.group(
    cls=Replay, options_metavar="", subcommand_metavar="SESSION|last|FILE [--router NAME=MODEL …] | label ID AGENT"
)
def lab() -> None:
    """Try router models and prompts on a recorded session.

    `ccr-tui lab SESSION|last|FILE` is short for `ccr-tui lab run …`.
    """


@lab.command("run")
@click.argument("what", metavar="SESSION|last|FILE")
@click.option("--router", "routers", multiple=True, metavar="NAME=MODEL", help="A router to try; any number of them.")
@click.option("--prompt", "prompts", multiple=True, metavar="NAME=FILE", help="Its instructions; {agents} lists them.")
@click.option("--repeat", type=click.IntRange(1, 20), default=1, help="Ask about each turn so often (1): flips show.")
@click.option("--baseline", metavar="MODEL", help="What the session would have cost with this model alone.")
@click.option("--max-cost", callback=_money, metavar="USD", help="Never spend more.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=1, help="So many questions at once (1).")
@click.option("--yes", is_flag=True, help="Do not ask before spending.")
@settings
@as_json
def run(flags: Mapping[str, str], what: str, routers: tuple[str, ...], as_json: bool, **wanted: Any) -> None:
    """Ask routers about the turns of a session; without --router, list the turns and their labels."""
    from ccr_tui.replay import recordings

    store = reader(flags)
    with recordings.opened(what, store) as recording:
        if not routers:
            return _list(recording, flags, as_json)
        found = _tried(recording, flags, store, routers, wanted)
    if as_json:
        print_json(shown(found))
    else:
        show(found)


@lab.command()
@click.argument("trace", metavar="ID")
@click.argument("agent", type=click.Choice(AGENTS))
@settings
def label(flags: Mapping[str, str], trace: str, agent: str) -> None:
    """Say which agent should work on a request; none takes the label away."""
    from ccr_tui.store import labels

    path = database(flags)
    uid = trace if len(trace) == WHOLE else reader(flags).row(trace).id
    labels.save(path, uid, None if agent == "none" else agent)
    narrate(f"{uid}: {'no label' if agent == 'none' else agent}")


def _tried(
    recording: Recording, flags: Mapping[str, str], store: Reader, routers: tuple[str, ...], wanted: dict[str, Any]
) -> Found:
    from ccr_tui.commands.rerunning import stopping, tell_money
    from ccr_tui.replay import lab as laboratory
    from ccr_tui.replay import labwork
    from ccr_tui.replay.words import Settings
    from ccr_tui.replay.work import Bench
    from ccr_tui.store import labels
    from ccr_tui.tokens import Counter

    counter = Counter()
    bench = Bench(recording, load(flags), store, counter)
    tried = labwork.candidates(bench, routers, labwork.prompts_of(wanted["prompts"]))
    turns = laboratory.turns_of(recording, labels.load(store.path))
    given = Settings("rerun", wanted["max_cost"], wanted["concurrency"], baseline=wanted["baseline"])
    _consent(len(turns) * len(tried) * wanted["repeat"], wanted["yes"])
    with stopping() as stopped:
        return labwork.run(
            bench, tried, given, store, counter, repeat=wanted["repeat"], tell=tell_money,
            cancelled=lambda: bool(stopped),
        )  # fmt: skip


def _consent(questions: int, yes: bool) -> None:
    """Raises UsageError where nobody can be asked, Abort where he says no."""
    import sys

    narrate(f"This asks {questions} questions for real, each of at most 2,000 tokens.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("the questions cost money: add --yes to say so where nobody can be asked")
    click.confirm("Go on?", abort=True, err=True)


def _list(recording: Recording, flags: Mapping[str, str], as_json: bool) -> None:
    """The turns, and who should work on them."""
    from ccr_tui.proxy.consult import said
    from ccr_tui.replay.lab import turns_of
    from ccr_tui.store import labels

    turns = turns_of(recording, labels.load(database(flags)))
    if as_json:
        for turn in turns:
            print_json(
                {"id": turn.uid, "step": turn.n, "label": turn.label, "by": turn.by, "said": said(turn.trace.body)}
            )
        return
    rows = [(turn.n, turn.uid, turn.label or "", turn.by, said(turn.trace.body)) for turn in turns]
    table(("step", "id", "label", "by", "said"), rows, right="step", widest=80)
    narrate("name a --router NAME=MODEL to try one; `ccr-tui lab label ID tool|think|coder` says who should work")


def show(found: Found) -> None:
    """The tables for people."""
    labelled = sum(turn.label is not None for turn in found.turns)
    by_hand = sum(turn.by == "person" for turn in found.turns)
    narrate(
        f"{len(found.turns)} turns, {labelled} with a label ({by_hand} by hand); offered: {', '.join(found.offered)}"
    )
    heads = ("router", "model", "right", "invalid", "flips", "median", "in", "out", "cost", "hops", "net saving")
    rows = [_row(each) for each in found.reports]
    rows += [_trivial_row(each) for each in found.trivials]
    table(heads, rows, right="right,invalid,flips,median,in,out,cost,hops,net saving")
    for each in found.reports:
        _confusion(each, found)
    for note in found.notes:
        narrate(f"note: {safe(note)}")
    if found.baseline is None:
        narrate("--baseline MODEL adds what routing saves: baseline - (answers + hops + router)")


def _row(each: Report) -> tuple[object, ...]:
    from ccr_tui.commands.common import seconds
    from ccr_tui.prices import show as money

    return (
        each.name, each.model, share(each.accuracy), share(each.invalid / each.asked if each.asked else None),
        share(each.flips), seconds(each.ms), each.input_tokens, each.output_tokens, money(each.cost),
        money(each.hops_cost), "" if each.net_saving is None else money(each.net_saving),
    )  # fmt: skip


def _trivial_row(each: Trivial) -> tuple[object, ...]:
    from ccr_tui.prices import show as money

    saving = "" if each.net_saving is None else money(each.net_saving)
    return (each.name, "", share(each.accuracy), "", "", "", "", "", money(0), money(each.hops_cost), saving)


def _confusion(each: Report, found: Found) -> None:
    """Who should have worked, and who was named."""
    if each.error:
        narrate(f"{safe(each.name)}: {safe(each.error)}")
    if not each.confusion:
        return
    click.echo(f"\n{safe(each.name)}: who should have worked (down), whom it named (across)")
    heads = ("", *found.offered, "invalid")
    rows = [(truth, *(row.get(name, 0) for name in heads[1:])) for truth, row in each.confusion.items()]
    table(heads, rows, right=",".join(heads[1:]))


def share(part: float | None) -> str:
    """Per cent; nothing for None."""
    return "" if part is None else f"{part:.0%}"


def shown(found: Found) -> dict[str, Any]:
    """For --json."""
    return {
        "run": found.run,
        "turns": [_turn(turn) for turn in found.turns],
        "offered": list(found.offered),
        "baseline": found.baseline,
        "routers": [_report(each) for each in found.reports],
        "trivial": [_money_shown(asdict(each)) for each in found.trivials],
        "notes": list(found.notes),
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {"id": turn.uid, "step": turn.n, "label": turn.label, "by": turn.by}


def _report(each: Report) -> dict[str, Any]:
    return _money_shown(asdict(each) | {"accuracy": each.accuracy, "net_saving": each.net_saving})


def _money_shown(given: dict[str, Any]) -> dict[str, Any]:
    from ccr_tui.prices import usd

    money = {"cost", "paid", "hops_cost", "answers_cost", "baseline_cost", "net_saving"}
    return {
        f"{key}_usd" if key in money else key: usd(value) if key in money else value for key, value in given.items()
    }
