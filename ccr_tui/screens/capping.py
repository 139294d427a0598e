"""The choice of a cap before anything is sent for real.

Owns what that list says. Must never be left with a cap that nobody has chosen. The one surprise: what is typed is an
amount and narrows nothing, as long as no cap of the list has it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui.screens.pick import Choice, Pick

TYPED = "or type another cap in US dollars, such as 2.50"


class Cap(Pick):
    """Its result is a cap as it is written, or the words for none."""

    def __init__(self, title: str, caps: Sequence[Choice], about: str = "") -> None:
        super().__init__(f"{title}: choose a cap", caps, free="never more than so many US dollars", about=about)
        self.filter.placeholder = TYPED
