"""The command about money.

Owns how sums are printed. Must never show an unknown price as 0. The one surprise: a sum over requests of which some
have no price is marked with a plus, because the true bill is at least that; one that rests on estimated tokens has a
tilde.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from ccr_tui import assembly, decimals
from ccr_tui.commands.common import (
    as_json,
    cells,
    local,
    narrate,
    print_json,
    reader,
    safe,
    settings,
    since,
    table,
    wrong_call,
)
from ccr_tui.commands.mending import tell_unmended
from ccr_tui.commands.money import column, counted, in_line, money
from ccr_tui.errors import CcrError
from ccr_tui.origin import origin

if TYPE_CHECKING:
    from ccr_tui.baseline import Baseline
    from ccr_tui.config import Config
    from ccr_tui.spending import Spending
    from ccr_tui.store.amounts import SpendRow, Sums
    from ccr_tui.store.paid import Paid
    from ccr_tui.store.queries import Reader
    from ccr_tui.store.replayed import Replayed
    from ccr_tui.store.sums import By

Compared: TypeAlias = "tuple[Baseline | None, list[Baseline]]"
"""The model that spending is compared with, and others."""
BY = ("hour", "day", "week", "model", "agent", "kind", "session", "project", "provider")


NOTHING = "–"
"""Nobody is known to bill anything."""


def share(part: float | None) -> str:
    """A part of one as per cent; nothing for None."""
    return "" if part is None else f"{part:.0%}"


@click.command()
@click.option("--by", type=click.Choice(BY), default="day", help="What a line stands for (day).")
@since
@click.option("--baseline", metavar="MODEL", help="One model for all (spend.baseline; else what the client asks for).")
@click.option("--what-if", multiple=True, metavar="MODEL", help="The same for further models.")
@click.option("--summary", is_flag=True, help="Everything in one: where prices come from, budgets, the day's forecast.")
@settings
@as_json
def spend(
    flags: Mapping[str, str],
    by: By,
    since: float | None,
    baseline: str | None,
    what_if: tuple[str, ...],
    summary: bool,
    as_json: bool,
) -> None:
    """Show where the money went.

    Tokens and cost are those of every call, a router's and those of agents that worked aside included; `traces ls` and
    `replay` tell the tokens of the answers alone.

    "cache saved" is what cached tokens would have cost as new ones, less what they cost. "cache lost" is what it cost
    that another model answered than the one before, which had the conversation in its cache. "at MODEL" is what that
    one model would have cost for all: the answers' tokens as recorded, what a switch lost counted as cached.

    What replays, their judges and labs have cost is in no line and counts against no budget; it is told on stderr, and
    as "replays" with --summary. So is, as "tests", what tests of models and `route --ask` have cost.
    """
    store = reader(flags)
    compared = _compared(flags, store, baseline, what_if)
    if summary:
        _summary(flags, store, by, since, compared, as_json)
        return
    rows = store.spend(by, since=since)
    tell_unmended(store)
    if as_json:
        for row in rows:
            print_json(_json(row, compared))
    else:
        _table(by, rows, _all(compared))
        if since is not None:
            narrate(f"since {local(since)}")
    _tell_of_replays(store, since)


def _tell_of_replays(store: Reader, since: float | None) -> None:
    """Experiments are paid for too, and stand in no line of the table."""
    found = store.replayed(since)
    if found.requests:
        narrate(f"replays: {_replays(found)}, not in the above (`ccr-tui replay runs`, `ccr-tui lab runs`)")
    if (tests := store.paid(since)).requests:
        narrate(f"tests: {_replays(tests)}, not in the above (tests of models, `ccr-tui route --ask`)")


def _replays(found: Replayed | Paid) -> str:
    requests = f"{found.requests} request{'s' * (found.requests != 1)}"
    cost = None if found.unpriced and not found.cost else found.cost
    return f"{money(cost, more=bool(found.unpriced))} for {requests}"


def _json(row: SpendRow, compared: Compared) -> Any:
    from ccr_tui.prices import usd

    baseline, others = compared
    at = {} if baseline is None else {"baseline": baseline.name, "against_baseline": row.against_json(baseline.price)}
    told = (row if baseline is None else replace(row, baseline=row.at(baseline.price))).as_json() | at
    return told | ({"what_if_usd": {each.name: usd(row.at(each.price)) for each in others}} if others else {})


def _all(compared: Compared) -> list[Baseline]:
    baseline, others = compared
    return [*([baseline] if baseline else []), *others]


def _table(by: str, rows: Sequence[SpendRow], compared: Sequence[Baseline]) -> None:
    heads = [by, "requests", "failed", "in", "cached", "out", "cost"]
    digits = decimals.of(
        amount for row in rows for amount in (row.cost, *(row.beside(each.price) for each in compared))
    )
    columns = [
        [row.key if row.key is not None else "(none)" for row in rows],
        [row.requests for row in rows],
        [row.failed or "" for row in rows],
        [counted(row.prompt_tokens, row.has_guesses) for row in rows],
        [share(row.cached_share) for row in rows],
        [counted(row.output_tokens, row.has_guesses) for row in rows],
        in_line([NOTHING if row.is_unbilled else paid(row, digits) for row in rows]),
    ]
    for head, more in _more(rows, compared, digits):
        heads.append(head)
        columns.append(more)
    spare = ("out", "failed", "cache lost", "aside", "router", "cache saved", "cached", "in", "requests")
    table(heads, zip(*columns, strict=True), right=",".join(heads[1:]), spare=spare)
    if any(row.unpriced for row in rows):
        narrate("? or +: a price is unknown; set models.NAME.price in config.toml for the requests to come")


def _more(rows: Sequence[SpendRow], compared: Sequence[Baseline], digits: int) -> Iterator[tuple[str, list[Any]]]:
    """The columns that are there only where there is something in them."""
    for head, name, unknown in (
        ("router", "router_cost", False),
        ("aside", "hop_cost", False),
        ("cache saved", "cache_saved", True),
        ("cache lost", "cache_lost", True),
    ):
        if any(getattr(row, name) for row in rows):
            yield (
                head,
                column(
                    (getattr(row, name), False, unknown and bool(row.cache_unknown)) if getattr(row, name) else None
                    for row in rows
                ),
            )
    for each in compared:
        yield f"at {each.name}", in_line([_at(row, each, digits) for row in rows])


def _at(row: Sums, baseline: Baseline, digits: int) -> str:
    """What one model would have cost for the calls whose cost is told; a plus where there are more of them."""
    if row.is_unbilled:
        return NOTHING
    more = "+" if row.is_partly(baseline.price) else ""
    return f"{'~' if row.has_guesses else ''}{decimals.money(row.beside(baseline.price), digits)}{more}"


def paid(total: Sums, digits: int) -> str:
    """What was spent, with its marks."""
    more = "+" if total.unpriced and total.spent is not None else ""
    return f"{'~' if total.is_about and total.spent else ''}{decimals.money(total.spent, digits)}{more}"


# -- everything in one


def _summary(
    flags: Mapping[str, str], store: Reader, by: By, since: float | None, compared: Compared, as_json: bool
) -> None:
    from ccr_tui import spending
    from ccr_tui.prices import usd

    config, _ = assembly.read(flags, os.environ, Path.cwd())
    now = time.time()
    found = spending.read(store, config.guards, by, since, now)
    tell_unmended(store)
    if not as_json:
        lines = list(_words(found, _all(compared)))
        wide = max(cells(safe(name)) for name, _ in lines)
        for name, words in lines:
            click.echo(f"{safe(name):>{wide}}  {safe(words)}")
        return
    others = [
        {"model": each.name, "cost_usd": usd(found.total.at(each.price))}
        | found.total.against_json(each.price)
        | {"price": _price(each)}
        for each in _all(compared)
    ]
    left = {"not_worked_out": store.unmended()}
    print_json(spending.summary_json(found, now) | left | {"one_model_for_all": others})


def _price(compared: Baseline) -> dict[str, Any]:
    from ccr_tui.prices import usd

    price = compared.price
    rates = {f"{name}_usd": usd(getattr(price, name)) for name in ("input", "output", "cache_read")}
    return rates | {"basis": price.basis, "source": price.source, "since": price.since or None}


def _words(found: Spending, compared: Sequence[Baseline]) -> Iterator[tuple[str, str]]:
    total = found.total
    digits = decimals.of([total.cost, *(total.beside(each.price) for each in compared)])
    began = "" if found.since is None else f" since {local(found.since)}"
    yield "spent", f"{paid(total, digits)} for {total.requests} requests{began}"
    for part in found.billed:
        yield "", f"{decimals.money(None if part.basis == 'unknown' else part.cost, digits)} {part.origin}"
    if found.replayed.requests:
        yield "replays", f"{_replays(found.replayed)}, not in the above"
    if found.tests.requests:
        yield "tests", f"{_replays(found.tests)}, not in the above"
    yield "router", f"{money(total.router_cost)}, and {money(total.hop_cost)} for agents before the one that answered"
    unknown = (
        f" ({total.cache_unknown} call{'s' * (total.cache_unknown != 1)} not known)" if total.cache_unknown else ""
    )
    yield "cache saved", money(total.cache_saved, more=bool(total.cache_unknown)) + unknown
    yield "cache lost", f"{money(total.cache_lost, more=bool(total.cache_unknown))} to switches of the model"
    for each in compared:
        yield f"at {each.name}", f"{_at(total, each, digits)}{against(total, each, digits)}"
    if found.forecast is not None:
        yield "forecast", f"about {decimals.roughly(found.forecast.cost)} by midnight: {found.forecast.words}"
    for budget in found.budgets:
        whose = f" of session {budget.session[:8]}" if budget.session else ""
        yield f"per {budget.what}", f"{decimals.money(budget.spent, digits)}{whose} of {money(budget.limit)}"


MOST_SHARE = 999
"""Per cent; of more it is told how many times as much it is."""


def against(total: Sums, baseline: Baseline, digits: int) -> str:
    """What was spent, compared with one model for all as both are told, and by whose price."""
    known = f" ({origin(baseline.price.basis, baseline.price.source, baseline.price.since)})"
    share = None if total.spent is None else decimals.against(total.cost, total.beside(baseline.price), digits)
    left_out = f", {total.unpriced} unpriced call{'s' * (total.unpriced != 1)} in neither" if total.unpriced else ""
    return known if share is None else f", {_more_or_less(share)} was spent{left_out}{known}"


def _more_or_less(share: int) -> str:
    """How much more than something else, in per cent of it, as people say it."""
    if share > MOST_SHARE:
        return f"{share / 100 + 1:,.0f} times as much"
    return "as much" if not share else f"{abs(share)}% {'more' if share > 0 else 'less'}"


def _compared(flags: Mapping[str, str], store: Reader, baseline: str | None, more: Sequence[str]) -> Compared:
    """The baseline that was asked for, else the configured one, else what the client asks for, as on the screen; and
    further models. Raises CcrError."""
    from ccr_tui.baseline import chosen

    config, _ = assembly.read(flags, os.environ, Path.cwd())
    first = baseline or config.baseline
    with wrong_call() if baseline or more else nullcontext():
        others = _priced(config, "--what-if", more)
        if first:
            return _priced(config, "--baseline", [first])[0], others
    return chosen(config, store.asked(), time.time()), others


def _priced(config: Config, option: str, names: Sequence[str]) -> list[Baseline]:
    """Raises CcrError where nobody knows a price."""
    from ccr_tui.baseline import Baseline, find

    found = []
    for name in names:
        price = find(config, name, time.time())
        if price is None:
            raise CcrError(
                f"{option} {name}: nobody here knows its price. Give it one as models.{name}.price in config.toml."
            )
        found.append(Baseline(name, price))
    return found
