"""`ccr-tui lab`: how well a router dispatches the turns of a recorded session.

Owns the command's words and its tables. Must never ask a router before the person has said yes. The one surprise:
without --router nothing is asked: the turns are listed with their labels, which `lab label` sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ccr_tui.commands.common import (
    as_json,
    database,
    load,
    local,
    log_beside,
    narrate,
    print_json,
    reader,
    safe,
    settings,
    table,
    wrong_call,
)
from ccr_tui.commands.replay import Replay, _form, _money, _write
from ccr_tui.commands.rerunning import UNFINISHED

if TYPE_CHECKING:
    from ccr_tui.replay.labkept import Found
    from ccr_tui.replay.labsums import Report, Trivial
    from ccr_tui.replay.labwork import Bill
    from ccr_tui.replay.words import Recording
    from ccr_tui.store.queries import Reader
    from ccr_tui.store.runs import RunRow

WHOLE = 24
"""Letters of a whole id: a trace of a file, which is in no database, can only be named by it."""
MAYBE = ("recorded", "label", "by")
"""Columns that a list of turns does without where none has anything."""
AGENTS = ("tool", "think", "coder", "none")


@click.group(
    cls=Replay,
    options_metavar="",
    subcommand_metavar="SESSION|last|FILE [--router NAME=MODEL …] | label ID AGENT | runs | show RUN",
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
@click.option("--resume", metavar="RUN", help="Go on with a lab that was cut off; nothing is paid twice.")
@click.option("--export", "file", type=click.Path(dir_okay=False), help="Also write it: FILE.md, .csv or .html.")
@settings
@as_json
def run(flags: Mapping[str, str], what: str, routers: tuple[str, ...], as_json: bool, **wanted: Any) -> int:
    """Ask routers about the turns of a session; without --router, list the turns and their labels.

    Exit code 1 if it ended before its end: --max-cost was reached, it was cancelled, or a router did nothing but fail
    ("stopped" in --json). --resume goes on with it.
    """
    from ccr_tui.replay import labkept, recordings

    form, store = _wanted_form(wanted["file"]), reader(flags)
    if form and not routers and not wanted["resume"]:
        raise click.UsageError("--export writes what routers said: name a --router")
    with recordings.opened(what, store) as recording:
        if not routers and not wanted["resume"]:
            _list(recording, flags, as_json)
            return 0
        found = _tried(recording, flags, store, routers, wanted)
    if as_json:
        print_json(labkept.shown(found))
    else:
        show(found)
    _export(form, wanted["file"], found)
    return 0 if found.finished else UNFINISHED


def _wanted_form(file: str | None) -> str | None:
    """By the end of its name. Raises UsageError for another one."""
    return _form(file) if file else None


def _export(form: str | None, file: str, found: Found) -> None:
    from ccr_tui.replay.labexport import FORMATS

    if form:
        _write(file, FORMATS[form](found))


@lab.command()
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest (50 without --json).")
@settings
@as_json
def runs(flags: Mapping[str, str], limit: int | None, as_json: bool) -> None:
    """List labs that were kept, each measured with the labels of today."""
    from ccr_tui.replay import labkept
    from ccr_tui.store import labels

    store = reader(flags)
    given = labels.load(store.path)
    rows = store.runs(limit or (1_000_000 if as_json else 50), labs=True)
    every = [(row, labkept.read(store, row, given)) for row in rows]
    if as_json:
        for row, found in every:
            head = {"run": row.id, "session": row.session, "finished": row.finished, "asked": row.asked}
            print_json(head | {"lab": found and labkept.shown(found)})
        return
    if not rows:
        narrate("no lab is kept yet: ccr-tui lab last --router NAME=MODEL makes one")
    cells = [_run_cells(row, found) for row, found in every]
    table(("run", "when", "recording", "routers", "right", "spent", "state"), cells, right="spent")


@lab.command("show")
@click.argument("id", metavar="RUN|last")
@click.option("--export", "file", type=click.Path(dir_okay=False), help="Also write it: FILE.md, .csv or .html.")
@settings
@as_json
def show_run(flags: Mapping[str, str], id: str, file: str | None, as_json: bool) -> None:
    """Show a lab that was kept, measured with the labels of today."""
    from ccr_tui.errors import CcrError
    from ccr_tui.replay import labkept
    from ccr_tui.store import labels

    form, store = _wanted_form(file), reader(flags)
    row = store.run(id, labs=True)
    found = labkept.read(store, row, labels.load(store.path)) if row.kind == labkept.KIND else None
    if found is None:
        raise CcrError(f"{row.id[:12]} is no lab with a result; `ccr-tui lab runs` lists labs.")
    if as_json:
        print_json(labkept.shown(found))
    else:
        show(found)
    _export(form, file or "", found)


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
    from ccr_tui.commands.rerunning import check_same, stopping, tell_money
    from ccr_tui.replay import labkept, labwork
    from ccr_tui.replay.words import Settings
    from ccr_tui.replay.work import Bench
    from ccr_tui.store import labels
    from ccr_tui.tokens import Counter

    log_beside(store.path)
    counter = Counter()
    bench, repeat = Bench(recording, load(flags), store, counter), wanted["repeat"]
    row = store.run(wanted["resume"], labs=True) if wanted["resume"] else None
    if row is None:
        with wrong_call():
            tried = labwork.candidates(bench, routers, labwork.prompts_of(wanted["prompts"]))
        given = Settings("rerun", wanted["max_cost"], wanted["concurrency"], baseline=wanted["baseline"])
    else:
        check_same(row, recording)
        tried, repeat, before = labwork.again(bench, row)
        cap = before.max_cost if wanted["max_cost"] is None else wanted["max_cost"]
        given = Settings("rerun", cap, wanted["concurrency"], baseline=wanted["baseline"] or before.baseline)
    turns, _ = labwork.turns_of(recording, labels.load(store.path))
    told = labkept.answers(store, row.id) if row else {}
    _consent(labwork.bill(bench, tried, turns, counter, repeat, told), wanted["yes"])
    with stopping() as stopped:
        found = labwork.run(
            bench, tried, given, store, counter, repeat=repeat, resume=row.id if row else None, tell=tell_money,
            cancelled=lambda: bool(stopped),
        )  # fmt: skip
    if not found.finished:
        narrate(f"It is not over; go on with --resume {found.run[:12]}.")
    return found


def _consent(bill: Bill, yes: bool) -> None:
    """Raises UsageError where nobody can be asked, Abort where he says no."""
    import sys

    from ccr_tui.prices import show as money

    if not bill.questions:
        narrate("Nothing is left to ask, and nothing to pay: every answer is kept.")
        return
    told = "a price is not known" if bill.likely is None else f"about {money(bill.likely)}"
    at_worst = "" if bill.most is None else f", {money(bill.most)} at worst"
    narrate(f"This asks {bill.questions} question{'s' if bill.questions != 1 else ''} for real: {told}{at_worst}.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("the questions cost money: add --yes to say so where nobody can be asked")
    click.confirm("Go on?", abort=True, err=True)


def _list(recording: Recording, flags: Mapping[str, str], as_json: bool) -> None:
    """The turns, and who should work on them."""
    from ccr_tui.replay import labkept, labwork
    from ccr_tui.store import labels

    _, turns = labwork.turns_of(recording, labels.load(database(flags)))
    if as_json:
        for turn in turns:
            print_json(labkept.shown_turn(turn))
        return
    rows = [(turn.n, turn.uid, turn.recorded or "", turn.label or "", turn.by, turn.said) for turn in turns]
    heads = ("step", "id", "recorded", "label", "by", "said")
    told = [at for at, head in enumerate(heads) if head not in MAYBE or any(row[at] for row in rows)]
    table([heads[at] for at in told], [[row[at] for at in told] for row in rows], right="step", widest=80)
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
    narrate(f"kept: ccr-tui lab show {found.run[:12]}")


def _run_cells(row: RunRow, found: Found | None) -> tuple[str, ...]:
    from ccr_tui.prices import show as money

    names = ", ".join(row.asked.get("variants", ())) if row.asked else ""
    right = ", ".join(share(each.accuracy) or "?" for each in found.reports) if found else ""
    state = "done" if row.finished else "cut off"
    return row.id[:12], local(row.started_at), row.title, names, right, money(row.spent), state


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
