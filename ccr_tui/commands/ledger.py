"""The commands about money and sessions.

Owns how sums are printed. Must never show an unknown price as 0. The one surprise: a sum over requests of which some
have no price is marked with a plus, because the true bill is at least that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

import click

from ccr_tui.commands.common import as_json, load, local, narrate, print_json, reader, settings, since, table, tokens
from ccr_tui.config import Model
from ccr_tui.errors import CcrError
from ccr_tui.records import Price

By = Literal["hour", "day", "model", "agent", "session", "project", "provider"]
BY: tuple[By, ...] = ("hour", "day", "model", "agent", "session", "project", "provider")


def money(cost: int | None, unpriced: int) -> str:
    """Money as people read it; a + says that some of it is not known."""
    from ccr_tui.prices import show

    return show(cost) + ("+" if unpriced and cost is not None else "")


def share(part: float | None) -> str:
    """A part of one as per cent; nothing for None."""
    return "" if part is None else f"{part:.0%}"


@click.command()
@since
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest (50 without --json).")
@settings
@as_json
def sessions(flags: Mapping[str, str], since: float | None, limit: int | None, as_json: bool) -> None:
    """List sessions of Claude Code and what they cost."""
    rows = reader(flags).sessions(limit or (1_000_000 if as_json else 50), since)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    heads = ("session", "project", "began", "last", "requests", "failed", "in", "cached", "out", "cost")
    cells = [
        (
            row.id[:8],
            row.project or "",
            local(row.started_at),
            local(row.ended_at),
            row.requests,
            row.failed or "",
            tokens(row.prompt_tokens),
            share(row.cached_share),
            tokens(row.output_tokens),
            money(row.spent, row.unpriced),
        )
        for row in rows
    ]
    table(heads, cells, right="requests,failed,in,cached,out,cost")


@click.command()
@click.option("--by", type=click.Choice(BY), default="day", help="What a line stands for (day).")
@since
@click.option("--baseline", metavar="MODEL", help="Also what the same answers would cost with this model.")
@settings
@as_json
def spend(flags: Mapping[str, str], by: By, since: float | None, baseline: str | None, as_json: bool) -> None:
    """Show where the money went."""
    price = _baseline(flags, baseline) if baseline else None
    rows = reader(flags).spend(by, since=since, baseline=price)
    if as_json:
        for row in rows:
            print_json(row.as_json())
        return
    heads = [
        by,
        "requests",
        "failed",
        "in",
        "cached",
        "out",
        "cost",
        "router",
        *([f"at {baseline}"] if baseline else []),
    ]
    cells = [
        [
            row.key if row.key is not None else "(none)",
            row.requests,
            row.failed or "",
            tokens(row.prompt_tokens),
            share(row.cached_share),
            tokens(row.output_tokens),
            money(row.spent, row.unpriced),
            money(row.router_cost, 0) if row.router_cost else "",
            *([money(row.baseline, 0)] if baseline else []),
        ]
        for row in rows
    ]
    table(heads, cells, right=",".join(heads[1:]))
    if any(row.unpriced for row in rows):
        narrate("? or +: a price is unknown; set models.NAME.price in config.toml for the requests to come")


def _baseline(flags: Mapping[str, str], name: str) -> Price:
    """The price of a model of ours, or of anybody's that the price tables know. Raises CcrError."""
    from ccr_tui.commands.models import quote

    config = load(flags)
    model = config.models.get(name)
    price = quote(config, model) if model else _public(name)
    if price is None:
        raise CcrError(
            f"--baseline {name}: nobody here knows its price. Give it one as models.{name}.price in config.toml."
        )
    return price


def _public(name: str) -> Price | None:
    from ccr_tui.config import Provider
    from ccr_tui.prices import Book

    maker, slash, id = name.partition("/")
    hosts = {"anthropic": "https://api.anthropic.com", "openai": "https://api.openai.com/v1"}
    wanted = [(maker, id)] if slash else [(each, name) for each in hosts]
    for who, model in wanted:
        provider = Provider(
            who, "anthropic" if who == "anthropic" else "openai", hosts.get(who, f"https://{who}.invalid")
        )
        found = Book({}).quote(Model(name, who, model), provider, time.time())
        if found is not None:
            return found
    return None
