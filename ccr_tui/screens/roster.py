"""A short list that is all in memory: rows with a key, a cursor that stays on its key, headings that are rows too.

Owns the cursor and the drawing. Must never hold more than some hundred rows: each is drawn from scratch. The one
surprise: the rows may be put anew at any time, and the cursor then stays on the same key, not on the same line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.slim import dataclass

Pieces = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """One line: what it stands for, and how it looks in a width."""

    key: tuple[str, str]
    """Kind and name, such as ("model", "flash")."""
    draw: Callable[[int], Pieces]


class Roster(Scrolled):
    """Draws its rows below one line of headings, if it has any."""

    BINDINGS = [Binding("enter", "open", "Choose", key_display="⏎")]

    @dataclass
    class Moved(Message):
        """Another row is chosen."""

        roster: Roster

        @property
        def control(self) -> Roster:
            """The list, for `@on` selectors."""
            return self.roster

    @dataclass
    class Opened(Moved):
        """The row was entered."""

    def __init__(self, headings: Callable[[int], Pieces] | None = None, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.headings, self.empty = headings, ""
        self.HEADINGS = 1 if headings else 0  # type: ignore[misc]
        self.rows: Sequence[Row] = ()

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def chosen(self) -> tuple[str, str] | None:
        """What the cursor is on."""
        return self.rows[self.cursor].key if self.cursor < len(self.rows) else None

    def put(self, rows: Sequence[Row]) -> None:
        """Show these; the cursor stays on what it was on."""
        before, self.rows = self.chosen, rows
        keys = [row.key for row in rows]
        self.cursor = keys.index(before) if before in keys else max(0, min(self.cursor, len(rows) - 1))
        self._grown()

    def select(self, key: tuple[str, str]) -> None:
        """Move the cursor to what stands for this, if it is there."""
        for number, row in enumerate(self.rows):
            if row.key == key:
                self.go(number)

    def _grown(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self.total + self.HEADINGS)
        self.refresh()

    def on_resize(self) -> None:
        """Another width."""
        self._grown()

    def on_focus(self) -> None:
        """What it chooses is what counts now."""
        self.refresh()
        self.post_message(self.Moved(self))

    def on_blur(self) -> None:
        """The cursor is dimmed."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """The headings, or one row."""
        width = self.scrollable_content_region.width
        if self.headings and y == 0:
            return self.strip(self.headings(width), self.size.width)
        index = self.scroll_offset.y + y - self.HEADINGS
        if index >= self.total:
            words = self.empty if not self.total and y == 2 else ""
            return self.strip([(words, "muted")], self.size.width)
        return self.strip(self.rows[index].draw(width), self.size.width, self.cursor_ink(index))

    def moved(self) -> None:
        """Tell the screen."""
        self.post_message(self.Moved(self))

    def action_open(self) -> None:
        """Enter the row of the cursor."""
        if self.total:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        """A click chooses a row; a second one enters it."""
        y = event.get_content_offset_capture(self).y
        index = self.scroll_offset.y + y - self.HEADINGS
        if y < self.HEADINGS or index >= self.total:
            return
        again = index == self.cursor and self.has_focus
        self.go(index)
        if again or event.chain > 1:
            self.action_open()
