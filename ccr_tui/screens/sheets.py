"""The style sheets of the app, each read once.

Owns what is kept of a sheet that was read, for each of the last themes apart. Must never show what depends on another
theme. The one surprise: Textual reads every sheet again whenever a screen is shown for the first time, and keeps but 64
of them, which is fewer than its own widgets have; on the event loop that is 60 to 100 ms, in which no stream goes on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from textual.cache import LRUCache
from textual.css.errors import StylesheetError
from textual.css.stylesheet import Stylesheet
from textual.css.tokenizer import TokenError

KEPT = 1024
THEMES = 2
"""Themes whose sheets are kept: changing back and forth reads them once."""


class Sheets(Stylesheet):
    """Textual's, but for what it forgets."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._parse_cache = LRUCache(KEPT)
        self._read_with = dict(variables or {})
        self._themes: LRUCache[frozenset[tuple[str, str]], LRUCache[Any, Any]] = LRUCache(THEMES)

    def set_variables(self, variables: dict[str, str]) -> None:
        """Colours and the like; what was read with others is put aside."""
        if variables == self._read_with:
            return
        self._themes[frozenset(self._read_with.items())] = self._parse_cache
        self._parse_cache = LRUCache(KEPT)  # the next line empties it
        super().set_variables(variables)
        self._read_with = dict(variables)
        self._parse_cache = self._themes.get(frozenset(variables.items()), self._parse_cache)

    async def read_ahead(self) -> None:
        """Read what there is, one sheet at a time; the loop runs in between. What is wrong is told by `parse`."""
        for place, (css, is_default, tie_breaker, scope) in list(self.source.items()):
            await asyncio.sleep(0)
            with suppress(StylesheetError, TokenError):
                self._parse_rules(css, place, is_default, tie_breaker, scope)

    def reparse(self) -> None:
        """What is new is read. Raises StylesheetError; then the rules are those of before."""
        self.parse()
