"""What a table and a text have in common: rows, a cursor, and the keys that move it.

Owns the cursor and that it is seen. Must never know what a row shows. The one surprise: a cursor that was scrolled out
of sight by the mouse comes back at the edge when a key moves it, instead of pulling the view back to where it was.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual.binding import Binding
from textual.geometry import Region, Spacing
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ccr_tui.screens.ink import Inked
from ccr_tui.screens.quick import Quick

LINES = 240
"""Drawn lines that are kept: some screens full."""


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

    @property
    def allow_vertical_scroll(self) -> bool:
        """The wheel scrolls without a scroll bar, too; Textual asks for one."""
        return self.max_scroll_y > 0 and not self._check_disabled()

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


class Listing(Scrolled):
    """One whose lines stand in no frame of their own, and are kept as long as they look the same.

    Textual asks anew for each line what stands around it, puts that there, and then looks at the colours of all of its
    pieces: half of what a page costs. Here a line has the space at its left from the start.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: dict[Hashable, Strip] = {}
        self.top = self.room = 0
        """While lines are drawn: the first row that is seen, and the columns; asking for them takes long."""

    def drawn(self, y: int, width: int, left: int) -> Strip:
        """One of the lines that are seen, `left` columns of space before it."""
        raise NotImplementedError

    def keep(self, key: Hashable, strip: Strip) -> None:
        """A line as it looks; the oldest of those kept goes, because each has many parts in which Python would look
        for garbage, at a stretch."""
        if len(self._drawn) >= LINES:
            del self._drawn[next(iter(self._drawn))]
        self._drawn[key] = strip

    def render_line(self, y: int) -> Strip:
        """The same, where Textual puts the space there."""
        self._measure()
        return self.drawn(y, self._drawn_width, 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """All lines at once."""
        space = self.styles.gutter
        if crop.width != self.region.width or not self._is_plain(space):
            return super().render_lines(crop)
        self._measure()
        width, left = self._drawn_width, space.left
        return [self.drawn(y, width, left) for y in crop.line_range]

    def _measure(self) -> None:
        self.top, self.room = self.scroll_offset.y, self.scrollable_content_region.width

    @property
    def _drawn_width(self) -> int:
        """A scroll bar draws its own column."""
        return self.scrollable_content_region.width if self.show_vertical_scrollbar else self.size.width

    def _is_plain(self, space: Spacing) -> bool:
        """Whether nothing but space at the left stands around the lines, and nothing changes how they look."""
        styles = self.styles
        framed = space != (0, 0, 0, space.left) or styles.border_left[0] or any(edge for edge, _ in styles.outline)
        changed = styles.tint.a or styles.text_opacity != 1.0 or self.opacity != 1.0
        return not framed and not changed and all(type(each) is Quick for each in self.get_line_filters())

    def notify_style_update(self) -> None:
        """Another theme: draw everything anew."""
        self._drawn.clear()
        super().notify_style_update()
