"""traces mend: what older versions did not write down, worked out at once; and the word of those who read before that.

Owns both. Must never change what was recorded. The one surprise: the app and `serve` do the same while they have
nothing to store, so this is for those who use neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ccr_tui.commands.common import as_json, narrate, present, print_json, settings
from ccr_tui.commands.meter import meter

if TYPE_CHECKING:
    from ccr_tui.store.queries import Reader


@click.command()
@settings
@as_json
def mend(flags: Mapping[str, str], as_json: bool) -> None:
    """Work out what older versions did not write down.

    What caches saved, what switches of the model lost, and what was cached for an hour. The app and `serve` do it too,
    while nothing else is to be stored.
    """
    from ccr_tui.store import afterwards

    path = present(flags)
    with meter("working out", "requests", 1) as report:
        looked, mended = afterwards.catch_up(path, report)
    if as_json:
        print_json({"database": str(path), "looked_through": looked, "worked_out": mended})
    else:
        narrate(f"{path}: {mended} worked out of {looked}" if looked else f"{path}: nothing is left to work out")


def tell_unmended(store: Reader) -> None:
    """What is still to be worked out is in no sum, and says so."""
    if left := store.unmended():
        narrate(
            f"{left} older requests are not looked through yet for what caches saved and switches lost: "
            "`ccr-tui traces mend` does it, and so does the app while it runs"
        )
