"""The style sheets of the app, each read once.

Owns what is kept of a sheet that was read. Must never keep what depends on a theme that is no longer shown. The one
surprise: Textual reads every sheet again whenever a screen is shown for the first time, and keeps but 64 of them, which
is fewer than its own widgets have; on the event loop that is 60 to 100 ms, in which no stream goes on.
"""

from __future__ import annotations

from textual.cache import LRUCache
from textual.css.stylesheet import Stylesheet

KEPT = 1024


class Sheets(Stylesheet):
    """Textual's, but for what it forgets."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(KEPT)
        self._read_with = dict(variables or {})

    def set_variables(self, variables: dict[str, str]) -> None:
        """Colours and the like; what was read with others is forgotten."""
        if variables != self._read_with:
            self._read_with = dict(variables)
            super().set_variables(variables)

    def reparse(self) -> None:
        """What is new is read. Raises StylesheetError; then the rules are those of before."""
        self.parse()
