"""What a table and a text have in common: rows, a cursor, and the keys that move it.

Owns the cursor and that it is seen. Must never know what a row shows. The one surprise: a cursor that was scrolled out
of sight by the mouse comes back at the edge when a key moves it, instead of pulling the view back to where it was.
"""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.scroll_view import ScrollView

from ccr_tui.screens.ink import Inked


class Scrolled(Inked, ScrollView, can_focus=True):
    """Draws only the rows that are seen."""

    BINDINGS = [
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("g,home", "jump(0)", "Top", show=False),
        Binding("G,end", "jump(-1)", "Bottom", show=False),
    ]
    HEADINGS: ClassVar[int] = 0
    """Lines at the top that stay."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        """The row that keys act on."""
        self.still = False
        """Whether no row is chosen: keys scroll."""

    @property
    def total(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    @property
    def height(self) -> int:
        """How many rows are seen at once."""
        return self.scrollable_content_region.height - self.HEADINGS

    def moved(self) -> None:
        """The cursor was moved by the person or by a search."""

    def cursor_ink(self, row: int) -> str:
        """The ink below a row: the cursor's, brighter where the keys go."""
        if row != self.cursor or self.still:
            return ""
        return "cursor" if self.has_focus else "cursor-blurred"

    def go(self, row: int, centre: bool = False) -> None:
        """Move the cursor, and the view as far as needed; `centre` shows what is around a row that was out of sight."""
        if not self.total:
            return
        before, self.cursor = self.cursor, max(0, min(row, self.total - 1))
        top = self.scroll_offset.y
        if not top <= self.cursor < top + self.height:
            edge = self.cursor if self.cursor < top else self.cursor - self.height + 1
            self.show_at(self.cursor - self.height // 3 if centre else edge)
        self.refresh_line(before + self.HEADINGS)
        self.refresh_line(self.cursor + self.HEADINGS)
        self.moved()

    def show_at(self, top: int) -> None:
        """Scroll so that this row is the first."""
        self.scroll_to(y=max(0, top), animate=False, force=True)

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        top = self.scroll_offset.y
        if self.still:
            self.show_at(top + by)
        else:
            self.go(max(top, min(self.cursor, top + self.height - 1)) + by)

    def action_page(self, pages: float) -> None:
        """Scroll by pages, the cursor with them."""
        by = int((self.height - 1) * pages)
        self.show_at(self.scroll_offset.y + by)
        if not self.still:
            self.go(self.cursor + by)

    def action_jump(self, row: int) -> None:
        """To the top (0) or the bottom (-1)."""
        self.go(row if row >= 0 else self.total - 1)
