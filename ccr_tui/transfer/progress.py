"""How far long work has come, and how it is told to stop.

Owns the two words that imports and exports share. The one surprise: who wants the work to end raises `Cancelled` from
the report it is given; what was finished before stays.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[int, int], None]
"""Gets what is done and what there is in all, in the same unit; 0 in all means that it is not known."""


class Cancelled(Exception):
    """Somebody does not want the rest."""


def silent(done: int, total: int) -> None:
    """A report that tells nobody."""
