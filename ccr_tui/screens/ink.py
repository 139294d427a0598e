"""The colours, by what they mean.

Owns the inks, which are colours of the theme by what they say, and the two themes. Must never be the only carrier of a
meaning: whatever is coloured has a word or a symbol too. The one surprise: inks are not component classes of style
sheets, because matching two dozen of those for every widget took the event loop 100 ms when a screen opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from ccr_tui.screens import show


class Ink(NamedTuple):
    """How something is drawn: variables of the theme, how strong they are, and the look of the letters."""

    colour: str = "foreground"
    strength: float = 1.0
    bold: bool = False
    italic: bool = False
    on: str = ""
    """Its own background; empty is the widget's."""
    on_strength: float = 1.0


INKS = {
    "": Ink(),
    "muted": Ink(strength=0.68),
    "faint": Ink(strength=0.54),
    "strong": Ink(bold=True),
    "title": Ink("primary", bold=True),
    "good": Ink("success"),
    "warn": Ink("warning"),
    "bad": Ink("error"),
    "good-strong": Ink("success", bold=True, on="success", on_strength=0.18),
    "bad-strong": Ink("error", bold=True, on="error", on_strength=0.18),
    "money": Ink("success"),
    "link": Ink("secondary"),
    "key": Ink("secondary"),
    "string": Ink("success"),
    "number": Ink("warning"),
    "literal": Ink("ink-violet"),
    "thinking": Ink(strength=0.68, italic=True),
    "tool": Ink("secondary"),
    "think": Ink("ink-violet"),
    "coder": Ink("ink-teal"),
    "router": Ink("warning"),
    "background": Ink(strength=0.68),
    "cursor": Ink(on="primary", on_strength=0.3),
    "cursor-blurred": Ink(on="foreground", on_strength=0.1),
    "match": Ink("background", bold=True, on="warning"),
    "chip": Ink("background", bold=True, on="primary"),
}

FILLED = ("match", "chip", "good-strong", "bad-strong")
"""Inks with a background that shows everywhere."""

AGENT_INKS = {
    "tool": "tool",
    "think": "think",
    "coder": "coder",
    "router": "router",
    "background": "background",
    "long_context": "think",
    "web_search": "coder",
    "image": "coder",
}

THEMES = (
    Theme(
        name="ccr-dark",
        primary="#d97757",
        secondary="#6a9bcc",
        accent="#e8a87c",
        foreground="#e6e3da",
        background="#141413",
        surface="#1c1b1a",
        panel="#2a2927",
        success="#8fb573",
        warning="#e0b45c",
        error="#e06c60",
        dark=True,
        variables={"ink-violet": "#b39ddb", "ink-teal": "#6fc3b5", "block-cursor-text-style": "none"},
    ),
    Theme(
        name="ccr-light",
        primary="#b9532f",
        secondary="#2f6ca8",
        accent="#a4512a",
        foreground="#262521",
        background="#faf9f5",
        surface="#f3f1ea",
        panel="#e6e2d6",
        success="#4a7a2e",
        warning="#96690a",
        error="#b5362b",
        dark=False,
        variables={"ink-violet": "#6b4fa0", "ink-teal": "#1f7a6c", "block-cursor-text-style": "none"},
    ),
)


class Line(Strip):
    """A strip that does not hold itself: Textual's keeps what it was cut into, which may be itself, and is then garbage
    that only a search through everything finds, which holds the event loop up."""

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """Textual's, but for the case that nothing is cut."""
        places = [cut for cut in cuts if cut <= self.cell_length]
        return [self] if places == [self.cell_length] else super().divide(places)


@lru_cache(4096)
def _same(style: Style) -> Style:
    """The first of those that are equal: it knows already how the terminal is told of it."""
    return style


class Inked(Widget):
    """A widget that draws its own lines with the inks."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._inks: dict[str, Style] = {}
        self._looks: dict[tuple[str, str], tuple[Style, Style]] = {}

    def ink(self, name: str) -> Style:
        """The style of an ink, on its own background or the widget's."""
        style = self._inks.get(name)
        if style is None:
            style = self._inks[name] = self._mixed(INKS[name])
        return style

    def _mixed(self, ink: Ink) -> Style:
        below = self.background_colors[1]
        if ink.on:
            below = below.blend(self._colour(ink.on), ink.on_strength)
        colour = below.blend(self._colour(ink.colour), ink.strength)
        return Style(color=colour.rich_color, bgcolor=below.rich_color, bold=ink.bold, italic=ink.italic)

    def _colour(self, variable: str) -> Color:
        variables = self.app.theme_variables
        return Color.parse(variables.get(variable) or variables["secondary"])

    def strip(self, pieces: Iterable[tuple[str, str]], width: int, on: str = "", left: int = 0) -> Strip:
        """A line of pieces, each text and ink, in exactly `width` cells; `on` names an ink whose background is below.
        `left` cells of space before it are not on that background.

        Spaces around a piece are segments of their own, since some programs that draw SVG swallow them in a text; those
        of neighbours are one, because whatever is done with a line takes its time for each segment.
        """
        given = [piece for piece in pieces if piece[0]]
        line = "".join([text for text, _ in given])
        if show.harmless(line) != line:  # whatever a page forgot
            given = [(show.harmless(text), name) for text, name in given]
            line = "".join([text for text, _ in given])
        taken = show.cells(line)
        segments = self._segments([*given, (" " * (width - taken), "")], on, " " * left)
        return Line(segments, left + max(taken, width)).adjust_cell_length(left + width, self._look("", on)[1])

    def _segments(self, given: Iterable[tuple[str, str]], on: str, gap: str) -> list[Segment]:
        """Texts and the spaces between them, which begin with `gap`."""
        segments: list[Segment] = []
        below = self._look("", "")[1]
        for text, name in given:
            style, edge = self._looks.get((name, on)) or self._look(name, on)
            if gap and edge is not below:
                segments.append(Segment(gap, below))
                gap = ""
            bare = text.lstrip(" ")
            gap, below, text = gap + text[: len(text) - len(bare)], edge, bare.rstrip(" ")
            if text:
                segments += [Segment(gap, edge), Segment(text, style)] if gap else [Segment(text, style)]
                gap = bare[len(text) :]
        return [*segments, Segment(gap, below)] if gap else segments

    def _look(self, name: str, on: str) -> tuple[Style, Style]:
        """The style of an ink on another's background, and that of the spaces around it; made once, since making a
        style takes longer than drawing with it, and the same one for all spaces on the same background."""
        known = self._looks.get((name, on))
        if known is None:
            style = self.ink(name)
            if on and name not in FILLED:
                style += Style(bgcolor=self.ink(on).bgcolor)
            known = self._looks[name, on] = _same(style), _same(Style(bgcolor=style.bgcolor))
        return known

    def notify_style_update(self) -> None:
        """Another theme: look the styles up again."""
        self._inks, self._looks = {}, {}
        super().notify_style_update()
