"""Lines of a form with a few values each: a name, and the value that is chosen.

Owns their keys: up and down for the lines, left and right for the values. The one surprise: past the last line comes
whatever has the focus next, so that the arrows lead through the whole form.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip

from ccr_tui.screens import show
from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass

NAMES = 10
"""Columns of the names."""


@dataclass
class Line:
    """A line of the form with a few values."""

    name: str
    values: Sequence[str]
    at: int = 0


class Choices(Inked, can_focus=True):
    """The lines, one of them under the cursor."""

    BINDINGS = [
        Binding("down,j", "move(1)", "Next line", show=False),
        Binding("up,k", "move(-1)", "Line before", show=False),
        Binding("right,l,space", "turn(1)", "Next value", show=False),
        Binding("left,h", "turn(-1)", "Value before", show=False),
    ]

    class Turned(Message):
        """A line has another value."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.lines = lines
        self.cursor = 0

    def render_line(self, y: int) -> Strip:
        """Name and value."""
        if y >= len(self.lines):
            return self.strip([], self.size.width)
        line = self.lines[y]
        arrows = ("‹ ", " ›") if len(line.values) > 1 else ("  ", "")
        pieces = [(f" {show.fit(line.name, NAMES)}", "muted"), (arrows[0], "title"), (line.values[line.at], "")]
        ink = ("cursor" if self.has_focus else "cursor-blurred") if y == self.cursor else ""
        return self.strip([*pieces, (arrows[1], "title")], self.size.width, ink)

    def action_move(self, by: int) -> None:
        """Another line; beyond the last comes what has the focus next."""
        if not 0 <= self.cursor + by < len(self.lines):
            self.screen.focus_next()
            return
        self.cursor += by
        self.refresh()

    def action_turn(self, by: int) -> None:
        """Another value."""
        line = self.lines[self.cursor]
        line.at = (line.at + by) % len(line.values)
        self.refresh()
        self.post_message(self.Turned())

    def on_click(self, event: events.Click) -> None:
        """A click on a line turns its value."""
        if 0 <= event.y < len(self.lines):
            self.cursor = event.y
            self.action_turn(1)
