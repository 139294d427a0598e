"""Which requests a command is about: the options for it, and the store's filter that they make.

Must never read the store: whether a session or a model exists is for the store to say. The one surprise: what is typed
after --filter is the very language of the app's filter line.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ccr_tui.commands.common import since

if TYPE_CHECKING:
    from ccr_tui.filtering import Term
    from ccr_tui.store.queries import Filter


def _terms(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Term, ...] | None:
    from ccr_tui.filtering import FilterError, parse

    try:
        return None if value is None else parse(value, time.time())
    except FilterError as error:
        raise click.BadParameter(str(error)) from error


def _agent(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Term, ...]:
    from ccr_tui.filtering import quoted

    if value is None:
        return ()
    return _terms(ctx, param, f"agent:{','.join(quoted(name) for name in value.split(','))}") or ()


def named(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A session's name. An empty one, of a variable that is not set for instance, is the beginning of all of them."""
    if value is not None and not value.strip():
        raise click.BadParameter("an empty name stands for no session")
    return value


def filters(command: click.decorators.FC) -> click.decorators.FC:
    """The options that choose traces."""
    for option in (
        click.option("--filter", "terms", callback=_terms, metavar="FILTER", help="As in the app: 'cost>0.05 !error'."),
        click.option("--outcome", type=click.Choice(["ok", "error", "cancelled"])),
        click.option("--model", metavar="MODEL", help="Who answered."),
        click.option(
            "--agent", callback=_agent, metavar="AGENT", help="As whom: coder, ...; or its kind: main, sub, ..."
        ),
        since,
        click.option("--session", callback=named, metavar="SESSION", help="Of one session."),
    ):
        command = option(command)
    return command


def chosen(wanted: Mapping[str, Any]) -> Filter:
    """The options as the store's filter."""
    from ccr_tui.store.queries import Filter

    given = {name: value for name, value in wanted.items() if value is not None}
    terms = (*given.pop("terms", ()), *given.pop("agent", ()))
    return Filter(terms=terms, **given)
