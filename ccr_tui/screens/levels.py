"""How much of each category of a conversation is shown: nothing, a summary, or all of it.

Owns the categories with their number keys, and the line that tells and changes their levels. Must never change what is
recorded: what is hidden is only not drawn. The one surprise: number keys open tabs elsewhere on a trace, so they act on
levels only while this line is open; `v` opens and closes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from textual.strip import Strip

from ccr_tui.screens.ink import Inked

Category = Literal["prompts", "answers", "tools", "system", "thinking", "reminders"]
Level = Literal["hidden", "summary", "full"]
Levels = Mapping[Category, Level]

CATEGORIES: tuple[Category, ...] = ("prompts", "answers", "tools", "system", "thinking", "reminders")
"""In the order of their number keys."""
LEVELS: tuple[Level, ...] = ("hidden", "summary", "full")
USUAL: Levels = {
    "prompts": "full",
    "answers": "full",
    "tools": "summary",
    "system": "summary",
    "thinking": "summary",
    "reminders": "summary",
}
"""How a conversation opens."""


def _only(*full: Category, rest: Level = "hidden") -> Levels:
    return {category: "full" if category in full else rest for category in CATEGORIES}


PRESETS: Mapping[str, Levels] = {
    "usual": USUAL,
    "conversation": _only("prompts", "answers"),
    "overview": _only(rest="summary"),
    "tools": _only("tools"),
    "system": _only("system", "reminders"),
    "everything": _only(*CATEGORIES),
}
"""What one key goes through, by name."""
SIGNS = {"hidden": "○", "summary": "◐", "full": "●"}
SHAPES = ("{} |{} {} {}  ", "{} |{} {}  ", "{}|{}{} ")
"""Number, sign, category, level: the roomiest that fits; the key stands before the bar."""
INKS = {"hidden": "faint", "summary": "muted", "full": "strong"}


def next_level(levels: Levels, category: Category) -> Levels:
    """The same with one category's level changed: hidden, summary, full, and round again."""
    level = LEVELS[(LEVELS.index(levels[category]) + 1) % len(LEVELS)]
    return {**levels, category: level}


def preset_of(levels: Levels) -> str:
    """The preset's name that these levels are; empty where they are none."""
    return next((name for name, preset in PRESETS.items() if preset == levels), "")


def next_preset(levels: Levels) -> Levels:
    """The preset behind this one; the first after what somebody put together."""
    names = [*PRESETS]
    now = preset_of(levels)
    return PRESETS[names[(names.index(now) + 1) % len(names)] if now else names[0]]


def taken(shape: str) -> int:
    """The columns that all categories take in this shape."""
    return sum(len(shape.format(1, "○", category, "summary")) - 1 for category in CATEGORIES)


class LevelsLine(Inked):
    """The categories, their keys and their levels, on one line."""

    HINTS = ("p preset  0 as usual  v done", "p preset  v done", "v done")
    """Other keys, as many as there is room for."""

    def __init__(self) -> None:
        super().__init__(id="levels")
        self.levels: Levels = USUAL
        self.open = False
        """Whether number keys act on levels."""

    def put(self, levels: Levels, open_: bool) -> None:
        """Show these; the line is there while it is open, and as long as anything differs from how it opens."""
        self.levels, self.open = levels, open_
        self.display = open_ or levels != USUAL
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The one line."""
        width = self.size.width
        pieces = [(f" {preset_of(self.levels) or 'mixed'} ", "chip"), (" ", "")]
        room = width - sum(len(text) for text, _ in pieces) - len(self.HINTS[0])
        shape = next((shape for shape in SHAPES if taken(shape) <= room), SHAPES[-1])
        for number, category in enumerate(CATEGORIES, 1):
            level = self.levels[category]
            key, words = shape.format(number, SIGNS[level], category, level).split("|")
            pieces += [(key if self.open else "", "title"), (words, INKS[level])]
        left = width - sum(len(text) for text, _ in pieces)
        hints = self.HINTS if self.open else ("p preset  v changes", "p v")
        pieces.append((next((hint for hint in hints if len(hint) < left), ""), "muted"))
        return self.strip(pieces, width)
