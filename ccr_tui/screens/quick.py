"""Lines whose colours need no changing are not changed.

Owns Textual's filter for the terminal's sixteen colours, as this app uses it. Must never show another colour than
Textual would. The one surprise: our inks are all of them true colours, so that there is nothing to do, and finding
that out anew for every piece of every line took a sixth of the time of drawing a page.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import ANSIToTruecolor

KEPT = 4096
"""Styles that are remembered."""


class Quick(ANSIToTruecolor):
    """Textual's, which knows styles again that it leaves as they are."""

    def __init__(self, of: ANSIToTruecolor) -> None:
        super().__init__(of._terminal_theme, enabled=of.enabled)
        self._left: dict[int, Style] = {}
        """By their ids; held, so that no other style gets that id."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments where none of them changes."""
        left = self._left
        if all(id(style) in left or self._stays(style) for _, style, _ in segments):
            return segments
        return super().apply(segments, background)

    def _stays(self, style: Style | None) -> bool:
        if style is None:
            return True
        colours = (style.color, style.bgcolor)
        if style.dim or any(colour is not None and colour.triplet is None for colour in colours):
            return False
        if len(self._left) >= KEPT:
            self._left.clear()
        self._left[id(style)] = style
        return True
