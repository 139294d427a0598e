"""traces mark and traces note: bookmarks and notes on recorded requests.

Owns these two commands. Must never change what was recorded: both stand in a table of their own. The one surprise: the
beginning of an id is enough, as everywhere, so what was marked is told by its whole id.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from ccr_tui.commands.common import as_json, narrate, print_json, reader, settings


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
    marks.note(store.path, row.n, text)
    if as_json:
        print_json(store.row(row.id).as_json())
    else:
        narrate(f"{row.id}: {'noted' if text.strip() else 'no note any more'}")
