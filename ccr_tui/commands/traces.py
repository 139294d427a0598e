"""The commands about recorded requests: traces ls, show, search, export, import and verify.

Owns how they are printed and where archives go. Must never open the database for writing, but for `import`. The one
surprise: `ls` without --json stops at 50 rows, and says so; with --json it prints everything that matches.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ccr_tui.commands.choosing import chosen, filters
from ccr_tui.commands.common import (
    as_json,
    local,
    narrate,
    present,
    print_json,
    reader,
    safe,
    seconds,
    settings,
    table,
    tokens,
)
from ccr_tui.commands.export import export
from ccr_tui.commands.keeping import prune
from ccr_tui.commands.looking import deeper, look
from ccr_tui.commands.marking import kept_filters, mark, note
from ccr_tui.commands.mending import mend, tell_unmended
from ccr_tui.commands.money import counted, in_line, money
from ccr_tui.commands.taking_in import import_
from ccr_tui.errors import CcrError
from ccr_tui.filtering import SHOWN

if TYPE_CHECKING:
    from ccr_tui.store.queries import Filter, Order, Reader
    from ccr_tui.store.rows import TraceRow

PAGE = 200
WHOLE = "each word must occur as a whole, of the last one its beginning is enough"
"""What a search is, told where it finds nothing."""
SHORT = {recorded: shown for shown, recorded in SHOWN.items()}
SORTS = ("time", "cost", "tokens", "duration", "cached")
HEADS = ("id", "time", "project", "asked", "answered", "agent", "in", "cached", "out", "cost", "took", "outcome")
SPARE = ("project", "asked", "took", "cached", "out", "agent", "in")
"""What goes first on a narrow terminal."""


@click.group()
def traces() -> None:
    """List, show, search, check and move recorded requests."""


for command in (export, import_, kept_filters, mark, mend, note, prune):
    traces.add_command(command)


@traces.command()
@filters
@click.option("--sort", type=click.Choice(SORTS), default="time", help="What comes first: the latest, dearest, ...")
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--limit", type=click.IntRange(1), help="At most so many, the first (50 without --json).")
@settings
@as_json
def ls(flags: Mapping[str, str], sort: str, reverse: bool, limit: int | None, as_json: bool, **wanted: Any) -> None:
    """List requests, the newest first.

    Tokens are those of the answer, as the client was told; cost is that of every call, those of a router and of agents
    that worked aside included. `sessions` and `spend` add up the tokens of every call too.
    """
    from ccr_tui.store.queries import Order

    store, filter = reader(flags), chosen(wanted)
    rows = pages(store, filter, Order(sort, reverse), limit or (None if as_json else 50))
    tell_unmended(store)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    listed, cut = gathered(rows)
    if listed:
        show_rows(listed)
    elif not cut:
        narrate("nothing matches")
    if cut:
        raise cut
    if not limit and len(listed) == 50 and (total := store.count(filter)) > 50:
        which = "newest" if (sort, reverse) == ("time", False) else "first"
        narrate(f"the {which} 50 of {total}; --limit {total} shows all")


def gathered(rows: Iterable[TraceRow]) -> tuple[list[TraceRow], CcrError | None]:
    """All rows, or those that came before it took too long, and why there are no more."""
    listed: list[TraceRow] = []
    try:
        listed.extend(rows)
    except CcrError as cut:
        return listed, cut
    return listed, None


def pages(store: Reader, filter: Filter, order: Order, limit: int | None) -> Iterator[TraceRow]:
    """Rows by keyset, page by page; ends with CutOff where an expression takes too long, after what it has found."""
    from ccr_tui.store.queries import CutOff

    of, after, left = store.listed(filter, order), None, limit
    while left is None or left > 0:
        try:
            page = store.page(of, after, PAGE if left is None else min(PAGE, left))
        except CutOff as cut:
            yield from cut.rows
            raise
        yield from page
        if not page:
            return
        after, left = order.key(page[-1]), None if left is None else left - len(page)


def ended(row: TraceRow) -> str:
    """How it came out, and what a person has put on it."""
    from ccr_tui.screens import failing

    mine = ("★ " if row.marked else "") + (f"✎ {row.note} " if row.note else "")
    return mine + (row.outcome if row.outcome != "error" else failing.sentence(row.status, row.error or ""))


def last_part(project: str | None) -> str:
    """Of a path of whatever system it was recorded on."""
    return os.path.basename((project or "").rstrip("/"))  # noqa: PTH119


def who(row: TraceRow) -> str:
    """The agent that the router chose; else what kind of request it was, as the app's list shows it."""
    name = row.kind if row.agent in (None, "", "default") else row.agent
    return SHORT.get(name, name)


def sent_by(row: TraceRow) -> str:
    """A replay or a lab, where that has sent it."""
    return ("↻ lab" if row.run_kind == "lab" else "↻ replay") if row.origin == "replay" else ""


def show_rows(rows: Iterable[TraceRow]) -> None:
    """The human's table."""
    rows = list(rows)
    costs = in_line(["–" if row.is_unbilled else money(row.cost, row.is_about) for row in rows])
    cells = [
        (
            row.id[:12],
            local(row.started_at),
            sent_by(row) or last_part(row.project),
            row.asked_model,
            row.model or "",
            who(row),
            counted(row.input_tokens + row.cache_read_tokens + row.cache_write_tokens, row.has_guesses),
            tokens(row.cache_read_tokens) if row.cache_read_tokens else "",
            counted(row.output_tokens, row.has_guesses),
            cost,
            seconds(row.duration_ms),
            ended(row),
        )
        for row, cost in zip(rows, costs, strict=True)
    ]
    table(HEADS, cells, right="in,cached,out,cost,took", spare=SPARE)


@traces.command()
@click.argument("trace")
@deeper
@settings
@as_json
def show(flags: Mapping[str, str], trace: str, as_json: bool, **wanted: Any) -> None:
    """Show one request; the beginning of its id is enough."""
    from ccr_tui.commands.reading import read_out
    from ccr_tui.store.rows import trace_json

    store = reader(flags)
    row, full = store.row(trace), store.trace(trace)
    tell_unmended(store)
    if look(flags, store, full, wanted, as_json):
        return
    if as_json:
        print_json(trace_json(full, row))
    else:
        read_out(full, row)


@traces.command()
@click.argument("text")
@click.option("--limit", type=click.IntRange(1), default=50, help="At most so many (50).")
@settings
@as_json
def search(flags: Mapping[str, str], text: str, limit: int, as_json: bool) -> None:
    """Find requests by what was said in them.

    Each word of TEXT must occur as a whole, in any order; of the last one its beginning is enough ("All don" finds "All
    done", "ll done" does not). Words in quotes within it must stand together: traces search '"all done"'.
    """
    from ccr_tui.store import said

    if not said.whole(text):
        raise click.UsageError("say what to look for, in words or numbers.")
    rows = reader(flags).search(text, limit)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    for row in rows:
        click.echo(f"{row.id[:12]}  {local(row.started_at)}  {safe(row.asked_model)} → {safe(row.model or '')}")
        click.echo(f"    {safe(row.snippet or '', 110)}")
    full = f"the first {limit}; there may be more (--limit)"
    narrate(full if len(rows) == limit else f"{len(rows)} found" if rows else f"nothing found; {WHOLE}")


@traces.command()
@settings
@as_json
def verify(flags: Mapping[str, str], as_json: bool) -> None:
    """Rebuild every body and check the sums; exit code 3 if anything is wrong."""
    from ccr_tui.store.verify import verify as check

    path = present(flags)
    problems = check(path)
    if as_json:
        print_json({"database": str(path), "problems": problems})
    else:
        for problem in problems:
            click.echo(safe(problem))
        narrate(f"{path}: " + (f"{len(problems)} problems" if problems else "everything is there and adds up"))
    if problems:
        raise SystemExit(3)
