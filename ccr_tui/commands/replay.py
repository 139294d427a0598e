"""`ccr-tui replay`: what a session would have cost, and answered, with other models or another routing.

Owns the command's words, its preview, its table and its exit code. Must never ask a model before the person has seen
the bill and said yes. The one surprise: whatever is no subcommand is the recording, so that `ccr-tui replay last
--variant …` needs no further word.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ccr_tui import ownfiles
from ccr_tui.commands.common import (
    as_json,
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
from ccr_tui.errors import CcrError, StoreError

if TYPE_CHECKING:
    from ccr_tui.config import Config
    from ccr_tui.replay.words import Comparison, Gate, Progress, Recording, Settings, StepResult, Variant
    from ccr_tui.replay.work import Bench, Found
    from ccr_tui.store.queries import Reader
    from ccr_tui.store.runs import RunRow
    from ccr_tui.tokens import Counter

GATE_FAILED = 3
FORMS = "MODEL, or AGENT:MODEL,…, or mode:router, or @FILE; any number of them."
KINDS = {
    "reprice": "reprice: nothing is sent (the default)",
    "rerun": "rerun: every request is sent for real",
    "rehearse": "rehearse: the recorded bytes once more",
}


class Replay(click.Group):
    """A group whose first word may also be what is to be replayed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Adds the word that most calls leave out."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Replay, options_metavar="", subcommand_metavar="SESSION|last|FILE --variant NAME=… | runs | show RUN")
def replay() -> None:
    """Replay a session with other models or another routing.

    `ccr-tui replay SESSION|last|FILE --variant NAME=…` is short for `ccr-tui replay run …`.
    """


def _money(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from ccr_tui.values import budget

    try:
        return None if value is None else budget(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _sample(ctx: click.Context, param: click.Parameter, value: str | None) -> int | Literal["turns"] | None:
    if value is None or value == "turns":
        return value  # type: ignore[return-value]
    if not value.isdigit() or not int(value):
        raise click.BadParameter(f"{value!r} is neither a number of steps nor turns")
    return int(value)


class Short(click.Context):
    """Its usage says what most people type."""

    @property
    def command_path(self) -> str:
        """Without the word that is left out."""
        return super().command_path.removesuffix(" run")


class Run(click.Command):
    """The command whose name needs not be typed."""

    context_class = Short


@replay.command("run", cls=Run)
@click.argument("what", metavar="SESSION|last|FILE")
@click.option("--variant", "written", multiple=True, metavar="NAME=…", help=FORMS)
@click.option("--kind", type=click.Choice(KINDS), default="reprice", help="; ".join(KINDS.values()))
@click.option("--baseline", metavar="MODEL", help="Also what it would have cost with this model.")
@click.option("--ask-router", is_flag=True, help="Rerun: ask the router again; else its recorded verdicts hold.")
@click.option("--max-cost", callback=_money, metavar="USD", help="Rerun: never spend more.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=1, help="Rerun: so many requests at once (1).")
@click.option("--sample", callback=_sample, metavar="N|turns", help="Only so many steps, or those that begin a turn.")
@click.option("--judge", metavar="MODEL", help="Rerun: a model that scores pairs of answers, blind, in both orders.")
@click.option("--yes", is_flag=True, help="Rerun: do not ask before spending.")
@click.option("--resume", metavar="RUN", help="Go on with a rerun that was cut off; nothing is paid twice.")
@click.option("--gate", "gates", metavar="COND,…", help="Exit 3 unless all hold: cost<0.8,toolmatch>0.9, usd<0.50, …")
@click.option("--export", "file", type=click.Path(dir_okay=False), help="Also write it: FILE.md, .csv or .html.")
@click.option("--explain", is_flag=True, help="Say where every figure comes from.")
@settings
@as_json
def run(flags: Mapping[str, str], what: str, written: tuple[str, ...], as_json: bool, **wanted: Any) -> int:
    """Replay a recorded session.

    Exit code 3 if a --gate fails, or a rehearsal comes out otherwise; 1 if a rerun ended before its end: --max-cost was
    reached, it was cancelled, or a model did nothing but fail ("stopped" in --json). --resume goes on with it.
    """
    from ccr_tui.commands import rerunning
    from ccr_tui.replay import recordings
    from ccr_tui.replay.words import Settings
    from ccr_tui.tokens import Counter

    gates = _gates(wanted["gates"])
    form = _form(wanted["file"]) if wanted["file"] else None
    given = Settings(
        wanted["kind"], wanted["max_cost"], wanted["concurrency"], wanted["sample"], wanted["ask_router"],
        wanted["judge"], wanted["baseline"],
    )  # fmt: skip
    config, store = load(flags), reader(flags, hush=Path(what).exists())
    row = None
    if wanted["resume"]:
        row, written, given = rerunning.resumed(store, wanted["resume"], written, given)
    _tell_idle(given)
    log_beside(store.path)
    with recordings.opened(what, store) as recording:
        rerunning.check_same(row, recording)
        counter = Counter()
        bench = _bench(recording, config, store, counter)
        if not written and given.kind != "rehearse":
            raise click.UsageError("name at least one --variant, such as --variant cheap=qwen3.8-flash")
        variants = _variants(bench, written, given, gates)
        if given.kind == "rehearse":
            found = rerunning.rehearse(bench, given, counter, tell)
        else:
            found = _reprice(bench, variants, given)
        if given.kind == "rerun":
            resume = row.id if row else None
            found = rerunning.rerun(bench, variants, given, found, store, counter, yes=wanted["yes"], resume=resume)
        else:
            _keep(store, found, variants, given)
    comparison = found.comparison
    if as_json:
        print_json(_json(comparison, gates))
    else:
        show(comparison, explain=wanted["explain"])
    if form:
        _write(wanted["file"], _exported(form, comparison))
    return _judged(comparison, gates) or rerunning.code(found)


def _tell_idle(given: Settings) -> None:
    """Say which options have nothing to do where nothing is sent."""
    asked = {
        "--max-cost": given.max_cost is not None, "--judge": given.judge, "--ask-router": given.ask_router,
        "--concurrency": given.concurrency != 1,
    }  # fmt: skip
    idle = [name for name, is_given in asked.items() if is_given]
    if idle and given.kind != "rerun":
        narrate(f"A {given.kind} sends nothing, so {' and '.join(idle)} changed nothing; add --kind rerun to send.")


@replay.command()
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest (50 without --json).")
@settings
@as_json
def runs(flags: Mapping[str, str], limit: int | None, as_json: bool) -> None:
    """List replays that were kept."""
    from ccr_tui.replay import kept

    rows = reader(flags).runs(limit or (1_000_000 if as_json else 50))
    if as_json:
        for row in rows:
            found = row.found and kept.shown(kept.read(row.found))
            head = {"run": row.id, "kind": row.kind, "session": row.session, "finished": row.finished}
            print_json(head | {"asked": row.asked, "comparison": found})
        return
    if not rows:
        narrate("no replay is kept yet: ccr-tui replay last --variant cheap=qwen3.8-flash makes one")
    heads = ("run", "when", "kind", "recording", "variants", "spent", "state")
    table(heads, [_run_cells(row) for row in rows], right="spent")


@replay.command("show")
@click.argument("id", metavar="RUN|last")
@click.option("--steps", is_flag=True, help="Every step of every variant too.")
@click.option("--gate", "gates", metavar="COND,…", help="Exit 3 unless all hold.")
@click.option("--export", "file", type=click.Path(dir_okay=False), help="Also write it: FILE.md, .csv or .html.")
@click.option("--explain", is_flag=True, help="Say where every figure comes from.")
@settings
@as_json
def show_run(
    flags: Mapping[str, str], id: str, steps: bool, gates: str | None, file: str | None, explain: bool, as_json: bool
) -> int:
    """Show a replay that was kept. Exit code 3 if a --gate fails."""
    from ccr_tui.replay import kept

    form, wanted = _form(file) if file else None, _gates(gates)
    store = reader(flags)
    row = store.run(id)
    if row.kind == "lab":
        raise CcrError(f"{row.id[:12]} is a router lab: ccr-tui lab show {row.id[:12]}")
    if row.found is None:
        raise CcrError(f"Replay {row.id[:12]} was cut off before it had a result; go on with --resume {row.id[:12]}.")
    comparison = kept.read(row.found)
    results = list(kept.done(store, row.id).values()) if steps else []
    if as_json:
        print_json(_json(comparison, wanted) | ({"steps": [kept.shown(each) for each in results]} if steps else {}))
    else:
        show(comparison, explain=explain)
        show_steps(results)
    if form and file:
        _write(file, _exported(form, comparison))
    return _judged(comparison, wanted)


def show(comparison: Comparison, *, explain: bool = False) -> None:
    """The human's table; what should be known goes to stderr."""
    from ccr_tui.replay import export

    heads = export.heads(comparison)
    click.echo(safe(export.title(comparison)))
    table(heads, export.cells(comparison), right=",".join(export.NUMBERS))
    for note in comparison.notes:
        narrate(f"note: {safe(note)}")
    for line in comparison.variants:
        for note in line.notes if explain else ():
            narrate(f"{safe(line.name)}: {safe(note)}")
    if "best" in heads:
        narrate("best *: no other line is both cheaper and in better agreement with the recorded answers")
    if "cheapest" in heads:
        unknown = "nothing was sent, so how good its answers would be is not known; --kind rerun finds out"
        judge = "no verdict of the judge could be used" if comparison.judge_asked else "no --judge was asked"
        asked = f"its answers were not compared: no side called a tool, and {judge}"
        narrate(f"cheapest *: {asked if comparison.kind == 'rerun' else unknown}")
    if any((line.saved or 0) < 0 for line in comparison.variants):
        narrate("saved: a minus says that it costs more")
    if any(line.unpriced for line in comparison.variants):
        narrate("? or +: a price is unknown; set models.NAME.price in config.toml")
    if not explain and any(line.notes for line in comparison.variants):
        narrate("--explain says where every figure comes from")


def show_steps(results: Sequence[StepResult]) -> None:
    """A line for each step of each variant."""
    from ccr_tui.prices import show as money

    heads = ("step", "variant", "agent", "model", "in", "cached", "out", "cost", "stop", "tools agree", "error")
    cells = [
        (
            r.n,
            r.variant,
            r.agent,
            r.model,
            r.usage.prompt if r.usage else "",
            r.usage.cache_read if r.usage else "",
            r.usage.output if r.usage else "",
            money(r.cost),
            r.stop_reason or "",
            "" if r.tool_agreement is None else f"{r.tool_agreement:.0%}",
            r.error or "",
        )
        for r in sorted(results, key=lambda r: (r.n, r.variant))
    ]
    table(heads, cells, right="step,in,cached,out,cost,tools agree")


def _run_cells(row: RunRow) -> tuple[str, ...]:
    from ccr_tui.prices import show as money

    names = ", ".join(row.asked.get("variants", ())) if row.asked else ""
    state = "done" if row.finished else "cut off"
    return row.id[:12], local(row.started_at), row.kind, row.title, names, money(row.spent), state


def _bench(recording: Recording, config: Config, store: Reader, counter: Counter) -> Bench:
    from ccr_tui.replay.work import Bench

    return Bench(recording, config, store, counter)


def _gates(written: str | None) -> tuple[Gate, ...]:
    from ccr_tui.replay import gate

    with wrong_call():
        return gate.parse(written) if written else ()


def _variants(bench: Bench, written: Sequence[str], given: Settings, gates: Sequence[Gate]) -> tuple[Variant, ...]:
    """They, once everything that names them is right: a gate that is wrong is told before anything is paid."""
    from ccr_tui.replay.real import REHEARSED

    with wrong_call():
        found = bench.variants(written, ask_router=given.ask_router)
        if given.baseline:
            bench.grammar.baseline(given.baseline)
    names = [REHEARSED] if given.kind == "rehearse" else [variant.name for variant in found]
    for each in gates:
        if each.variant not in (None, *names):
            raise click.UsageError(f"--gate: there is no variant {each.variant!r} (there are {', '.join(names)})")
    return found


def _reprice(bench: Bench, variants: Sequence[Variant], given: Settings) -> Found:
    found = bench.reprice(variants, given, time.time(), tell)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    return found


def tell(progress: Progress) -> None:
    """How far it is, on a terminal."""
    if sys.stderr.isatty():
        left = f", {progress.eta_s:.0f} s left" if progress.eta_s is not None and progress.eta_s >= 1 else ""
        click.echo(f"\r{progress.done} of {progress.total} steps{left}\x1b[K", err=True, nl=False)


def _keep(store: Reader, found: Found, variants: Sequence[Variant], given: Settings) -> None:
    """A replay that can't be kept is shown all the same."""
    from ccr_tui.replay import work
    from ccr_tui.store.runs import Runs

    try:
        work.keep(Runs(store.path), found, variants, given)
    except StoreError as error:
        narrate(f"This replay was not kept: {error}")


def _json(comparison: Comparison, gates: Sequence[Gate]) -> dict[str, Any]:
    from ccr_tui.replay import gate, kept

    verdicts = [
        {"gate": f"{v.gate.metric}{v.gate.sign}{v.gate.limit:g}", "variant": v.variant, "value": v.value,
         "passed": v.passed}
        for v in gate.judge(gates, comparison)
    ]  # fmt: skip
    return kept.shown(comparison) | ({"gates": verdicts} if gates else {})


def _judged(comparison: Comparison, gates: Sequence[Gate]) -> int:
    """The exit code."""
    from ccr_tui.replay import gate

    verdicts = gate.judge(gates, comparison)
    for verdict in verdicts:
        narrate(safe(gate.told(verdict)))
    return 0 if all(verdict.passed for verdict in verdicts) else GATE_FAILED


def _form(file: str) -> str:
    from ccr_tui.replay.export import FORMATS

    form = Path(file).suffix.lstrip(".").lower()
    if form not in FORMATS:
        raise click.UsageError(f"--export {file}: its name must end in {', '.join(f'.{each}' for each in FORMATS)}")
    return form


def _exported(form: str, comparison: Comparison) -> str:
    from ccr_tui.replay.export import FORMATS

    return FORMATS[form](comparison)


def _write(file: str, text: str) -> None:
    try:
        ownfiles.write(Path(file), [text.encode("utf-8", "backslashreplace")])
    except OSError as error:
        raise CcrError(f"{file}: {error.strerror or error}") from error
    narrate(f"written to {file}")
