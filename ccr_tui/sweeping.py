"""When the app looks through everything for garbage: when nobody is at it.

Owns that moment. Must never keep Python from doing so by itself in the end, however busy it is. The one surprise is how
often Python would: each page of a list makes some thousand pieces that are kept until they are out of sight, and every
tenth of its smaller searches is followed by one through all there is, 20 to 30 ms in which no stream goes on, mostly
while a key is held down.
"""

from __future__ import annotations

import gc

LOOK_S = 1.0
"""How often is looked whether anybody is at it."""
LEAST = 2
"""Smaller searches since the last one through everything, below which it is not worth the while."""
MOST = 60
"""After so many Python does it by itself; its own number is 10."""


class Sweep:
    """To be asked now and then, on the event loop."""

    def __init__(self) -> None:
        young, old, _ = gc.get_threshold()
        gc.set_threshold(young, old, MOST)
        self._before = gc.get_count()[1:]
        self._is_first = True

    def look(self) -> bool:
        """Sweep if nothing was made since the last look that stays; gives whether it did.

        What is there after the first time is left out from then on: modules and tables of prices that came after the
        first picture, and stay.
        """
        before, self._before = self._before, gc.get_count()[1:]
        if self._before != before or self._before[1] < LEAST:
            return False
        gc.collect()
        if self._is_first:
            gc.freeze()
            self._is_first = False
        self._before = gc.get_count()[1:]
        return True
