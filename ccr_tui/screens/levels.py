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
SIGNS = {"hidden": "○", "summary": "◐", "full": "●"}
INKS = {"hidden": "faint", "summary": "muted", "full": "strong"}


def next_level(levels: Levels, category: Category) -> Levels:
    """The same with one category's level changed: hidden, summary, full, and round again."""
    level = LEVELS[(LEVELS.index(levels[category]) + 1) % len(LEVELS)]
    return {**levels, category: level}


class LevelsLine(Inked):
    """The categories, their keys and their levels, on one line."""

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
        wide = self.size.width >= 110
        pieces, gap = [(" ", "")], "  " if wide else " "
        for number, category in enumerate(CATEGORIES, 1):
            level = self.levels[category]
            key = (f"{number} ", "title") if self.open else ("", "")
            words = f"{category} {level}" if wide else category
            pieces += [key, (f"{SIGNS[level]} ", INKS[level]), (f"{words}{gap}", INKS[level])]
        pieces.append((("0 as usual  v done" if wide else "v done") if self.open else "v changes", "muted"))
        return self.strip(pieces, self.size.width)
