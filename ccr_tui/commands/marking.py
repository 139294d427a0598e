"""traces mark, traces note and traces filters: what a person has put beside the recorded requests.

Owns these commands. Must never change what was recorded: all of it stands in tables of its own. The one surprise: the
beginning of an id is enough, as everywhere, so what was marked is told by its whole id.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from ccr_tui.commands.common import as_json, narrate, print_json, read, reader, safe, settings, table
from ccr_tui.hiding import hidden


@click.command()
@click.argument("trace")
@click.option("--off", is_flag=True, help="Take the bookmark off.")
@settings
@as_json
def mark(flags: Mapping[str, str], trace: str, off: bool, as_json: bool) -> None:
    """Put a bookmark on a request; find it again with --filter marked."""
    from ccr_tui.store import marks

    store = reader(flags)
    row = store.row(trace)
    marks.mark(store.path, row.n, not off)
    if as_json:
        print_json(store.row(row.id).as_json())
    else:
        narrate(f"{row.id}: {'no longer marked' if off else 'marked'}")


@click.command()
@click.argument("trace")
@click.argument("text")
@settings
@as_json
def note(flags: Mapping[str, str], trace: str, text: str, as_json: bool) -> None:
    """Write a note on a request, in place of an older one; an empty TEXT takes it off."""
    from ccr_tui.store import marks

    store = reader(flags)
    row = store.row(trace)
    marks.note(store.path, row.n, hidden(text, read(flags)[0]))
    if as_json:
        print_json(store.row(row.id).as_json())
    else:
        narrate(f"{row.id}: {'noted' if text.strip() else 'no note any more'}")


@click.command("filters")
@settings
@as_json
def kept_filters(flags: Mapping[str, str], as_json: bool) -> None:
    """The filters that were saved, by their names, and those that were typed, the latest first."""
    phrases = reader(flags).phrases()
    if as_json:
        for phrase in phrases:
            print_json({"name": phrase.name, "filter": phrase.text})
    elif phrases:
        table(("saved as", "filter"), [(safe(each.name or ""), safe(each.text)) for each in phrases], widest=100)
    else:
        narrate("no filter was typed yet: `/` in a list of requests takes one")
