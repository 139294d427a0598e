"""The command about sessions: what each cost, and one of them turn by turn.

Owns how sessions are printed. Must never show an unknown price as 0, nor count a subagent's requests twice. The one
surprise: `sessions` alone lists them; `sessions show ID` tells one, as the Sessions screen does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ccr_tui import assembly
from ccr_tui.commands.common import as_json as json_flag
from ccr_tui.commands.common import local, narrate, print_json, reader, safe, seconds, settings, since, table
from ccr_tui.commands.keeping import pin, unpin
from ccr_tui.commands.mending import tell_unmended
from ccr_tui.commands.money import counted, in_line, money

if TYPE_CHECKING:
    from ccr_tui.baseline import Baseline
    from ccr_tui.store.amounts import Sums
    from ccr_tui.store.browsing import Turn
    from ccr_tui.store.queries import Reader, SessionRow
    from ccr_tui.store.turns import Span

HEADS = ("session", "title", "project", "last", "requests", "failed", "in", "cached", "out", "cost")
RIGHT = "requests,failed,in,cached,out,cost,took"
SPARE = ("project", "out", "failed", "cached", "took", "requests", "in")
"""What goes first on a narrow terminal."""


@click.group(invoke_without_command=True)
@since
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest (50 without --json).")
@click.option("--baseline", metavar="MODEL", help="What one model for all would have cost (spend.baseline).")
@settings
@json_flag
@click.pass_context
def sessions(
    ctx: click.Context,
    /,
    flags: Mapping[str, str],
    since: float | None,
    limit: int | None,
    baseline: str | None,
    as_json: bool,
) -> None:
    """List sessions of Claude Code and what they cost.

    Tokens and cost are those of every call, a router's and those of agents that worked aside included; `traces ls` and
    `replay` tell the tokens of the answers alone.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = flags
        return
    store = reader(flags)
    rows = store.sessions(limit or (1_000_000 if as_json else 50), since)
    tell_unmended(store)
    found = _baseline(flags, baseline, store)
    if as_json:
        for row in rows:
            print_json(row.as_json() | _at(row, found))
        _tell_of_others(store, since)
        return
    costs = in_line([_paid(row) for row in rows])
    cells = [_listed(row, cost) for row, cost in zip(rows, costs, strict=True)]
    if found is not None:
        at = in_line([_beside(row, found) for row in rows])
        cells = [(*cell, one) for cell, one in zip(cells, at, strict=True)]
    heads = (*HEADS, *([f"at {found.name}"] if found else []))
    table(heads, cells, right=f"{RIGHT},{heads[-1]}", spare=(heads[-1], *SPARE) if found else SPARE)
    _tell_of_others(store, since)


def _tell_of_others(store: Reader, since: float | None) -> None:
    """Some clients name no session; what they cost stands in no line."""
    if some := (outside := store.sessionless(since)).requests:
        are = "request is" if some == 1 else "requests are"
        narrate(f"{some:,} more {are} in no session: {_paid(outside)} (`ccr-tui spend --by session` has them)")


def _at(sums: Sums, found: Baseline | None) -> dict[str, Any]:
    """What one model for all would have cost."""
    from ccr_tui.prices import usd

    return {
        "baseline": found.name if found else None,
        "baseline_usd": usd(sums.at(found.price)) if found else None,
        "against_baseline": sums.against_json(found.price) if found else None,
    }


def _beside(sums: Sums, found: Baseline) -> str:
    """The same for the calls whose cost is told."""
    if sums.is_unbilled:
        return NOTHING
    return money(sums.beside(found.price), sums.has_guesses, sums.is_partly(found.price))


for command in (pin, unpin):
    sessions.add_command(command)


def _listed(row: SessionRow, cost: str) -> tuple[object, ...]:
    name = row.title or ""
    return (row.id[:8], name, row.project or "", local(row.ended_at), row.requests, row.failed or "", *_sums(row), cost)


def _sums(sums: Sums) -> tuple[str, str, str]:
    share = sums.cached_share
    cached = "" if share is None else f"{share:.0%}"
    return counted(sums.prompt_tokens, sums.has_guesses), cached, counted(sums.output_tokens, sums.has_guesses)


NOTHING = "–"
"""Nobody is known to bill anything."""


def _paid(sums: Sums) -> str:
    return NOTHING if sums.is_unbilled else money(sums.spent, sums.is_about, bool(sums.unpriced))


@sessions.command()
@click.argument("session")
@click.option("--baseline", metavar="MODEL", help="What one model for all would have cost (spend.baseline).")
@settings
@json_flag
def show(flags: Mapping[str, str], session: str, baseline: str | None, as_json: bool) -> None:
    """Tell one session by what was typed: requests, subagents, tokens, cost. The beginning of its id is enough.

    What was typed has all that came of it; lines with "of it" tell how much of that a subagent took.
    """
    store = reader(flags)
    row = store.session(session)
    found = _baseline(flags, baseline, store)
    turns = store.turns_of(row.id)
    tell_unmended(store)
    if as_json:
        price = found.price if found else None
        told = {"baseline": found.name if found else None, "turns": [turn.as_json(price) for turn in turns]}
        print_json(row.as_json() | told)
        return
    at = f"at {found.name}" if found else ""
    click.echo(f"{safe(row.id)}  {safe(row.project or '')}\n{safe(row.title or '')}\n")
    table(
        ("began", "what", "requests", "failed", "in", "cached", "out", "cost", *([at] if at else []), "took"),
        list(_told(turns, found)),
        right=f"{RIGHT},{at}",
        widest=60,
        spare=SPARE,
    )


def _told(turns: list[Turn], found: Baseline | None) -> Iterator[tuple[object, ...]]:
    lines: list[tuple[str, Span]] = []
    for turn in turns:
        lines.append((f"> {turn.prompt or '(no prompt)'}", turn))
        lines += [
            (f"  of it, subagent {branch.agent_id[:8]}: {branch.prompt or ''}", branch) for branch in turn.branches
        ]
    costs = in_line([_paid(span) for _, span in lines])
    bases = in_line([_beside(span, found) if found else "" for _, span in lines])
    for (what, span), cost, base in zip(lines, costs, bases, strict=True):
        head = (local(span.started_at), what, span.requests, span.failed or "")
        took = seconds(round((span.ended_at - span.started_at) * 1000))
        yield (*head, *_sums(span), cost, *([base] if found else []), took)


def _baseline(flags: Mapping[str, str], name: str | None, store: Reader) -> Baseline | None:
    from ccr_tui import baseline
    from ccr_tui.baseline import Baseline

    config, _ = assembly.read(flags, os.environ, Path.cwd())  # what is wrong elsewhere in it is no matter here
    if name is None:
        return baseline.chosen(config, store.asked(), time.time())
    price = baseline.find(config, name, time.time())
    if price is None:
        raise click.UsageError(f"The price of {name} is not known; give it one as models.{name}.price in config.toml.")
    return Baseline(name, price)
