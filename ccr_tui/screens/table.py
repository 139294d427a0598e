"""A table over any number of rows, of which only those that are seen are read and drawn.

Owns the pages that were read, the cursor and whether it follows. Must never read on the event loop, ask for all rows,
or move what a person looks at because data came. The one surprise: rows that came since the table was read are held
apart (`_fresh`), so that the pages below keep their numbers; how many rows there are is counted after the first page is
shown, and given up where nobody waits for it any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from textual import events, on, work
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.worker import get_current_worker

from ccr_tui.errors import StoreError
from ccr_tui.screens import show
from ccr_tui.screens.pages import PAGE, Pages, Place, Source, Way, first_pages, part
from ccr_tui.screens.scrolled import Listing
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import CutOff, Order, TraceRow

Pieces = Sequence[tuple[str, str]]
"""Text and ink, left to right."""


@dataclass(frozen=True)
class Column:
    """One column: what it shows of a row, and how wide it is."""

    title: str
    width: int
    cell: Callable[[TraceRow], tuple[str, str]]
    """Text and ink."""
    right: bool = False
    order: str = ""
    """The name of the order in which this column is the one that counts."""


KEPT = ("s",)
"""Columns that stand behind a text over all the others, by their titles."""


class Table(Listing):
    """Rows of the store in some order, newest first unless told otherwise."""

    BINDINGS = [
        Binding("enter", "open", "Open", key_display="⏎"),
        Binding("space", "page(1)", "Page down", show=False),
    ]
    HEADINGS = 1

    @dataclass
    class Opened(Message):
        """A row was chosen."""

        row: TraceRow

    @dataclass
    class Nothing(Message):
        """A row is to be opened, but there is none."""

    @dataclass
    class Changed(Message):
        """Rows, cursor or following have changed; what the border says may be old."""

    @dataclass
    class Read(Message):
        """A thread has read the table anew."""

        pages: Pages
        ticket: int

    @dataclass
    class PageRead(Message):
        """A thread has read pages."""

        page: int
        rows: list[TraceRow]
        ticket: int
        cut: CutOff | None = None

    @dataclass
    class Counted(Message):
        """A thread has counted the rows."""

        total: int
        ticket: int

    @dataclass
    class Fresh(Message):
        """A thread has read the rows that are newer than all that were known."""

        rows: list[TraceRow]
        ticket: int

    @dataclass
    class Replaced(Message):
        """Another file has taken the place of the one that was read, or none: nothing that was known counts in it."""

        lost: Place
        found: Place

    @dataclass
    class Trouble(Message):
        """The store could not be read; why, and what to do."""

        why: str
        is_partial: bool = False
        """Whether something was found nevertheless."""

    def __init__(
        self,
        layout: Callable[[int], Sequence[Column]],
        whole: Callable[[TraceRow], tuple[str, str, str] | None],
        *,
        id: str | None = None,
    ) -> None:
        """`layout` gives the columns for a width; `whole` may give a row the title of the column from which on it shows
        one text instead, that text, and its ink; what is KEPT stands behind it."""
        super().__init__(id=id)
        self.layout_columns, self.whole = layout, whole
        self.source: Source | None = None
        self.follow = True
        self.unseen = 0
        """Rows that came while it did not follow, or that are not in their place yet."""
        self.empty = ""
        self._columns: Sequence[Column] = ()
        self._fresh: list[TraceRow] = []
        self._pages = Pages()
        self._wanted: int | None = None
        self._ticket = self._newest = 0
        self._missed = False
        self.loaded = False
        """Whether anything was read, so that it is known whether there is none."""
        self.asked_at: float | None = None
        """Since when rows are looked for that are to stand in the place of those that are shown."""

    # -- reading

    @property
    def total(self) -> int:
        """How many rows there are, as far as they were counted."""
        return len(self._fresh) + self._pages.total

    @property
    def counted(self) -> bool:
        """Whether `total` is all of them."""
        return self._pages.counted

    @property
    def upto(self) -> str:
        """How far was looked, where that was not to the end."""
        return self._pages.cut.upto if self._pages.cut else ""

    @property
    def order(self) -> Order:
        """What the rows are sorted by."""
        return self._pages.order

    def read(self, source: Source) -> None:
        """Show another source, or the same one anew, from the top."""
        self.source, self.asked_at = source, time.monotonic() if self.loaded else None
        self._ticket += 1
        self._read(source, self._ticket)

    @work(thread=True, exclusive=True, group="read", description="read")
    def _read(self, source: Source, ticket: int) -> None:
        worker = get_current_worker()
        try:
            pages = first_pages(source, lambda: worker.is_cancelled)
            self.post_message(self.Read(pages, ticket))
            if pages.cut is not None:
                self.post_message(self.Trouble(str(pages.cut), is_partial=True))
            elif not pages.counted and pages.opened is not None:
                self.post_message(self.Counted(pages.opened.count(lambda: worker.is_cancelled), ticket))
        except StoreError as error:
            if not worker.is_cancelled:
                self.post_message(self.Trouble(str(error)))

    @on(Read)
    def _put(self, read: Read) -> None:
        read.stop()
        if read.ticket != self._ticket:
            return
        self._pages, self._fresh, self._wanted, self.loaded, self.asked_at = read.pages, [], None, True, None
        self._newest = read.pages.opened.most if read.pages.opened else 0
        self.cursor = self.unseen = 0
        self._grown()
        self.show_at(0)
        if self._missed:
            self._missed = False
            self.newer()

    @on(Counted)
    def _count(self, counted: Counted) -> None:
        counted.stop()
        if counted.ticket == self._ticket:
            self._pages.count(counted.total)
            self._grown()

    def newer(self) -> None:
        """The store has more: read what is newer than all that is known."""
        self._missed = not self.loaded
        if self.source is not None and self.loaded:
            self._read_newer(self.source, self._pages.place, self._newest, self._ticket)

    @work(thread=True, exclusive=True, group="newer", description="newer")
    def _read_newer(self, source: Source, place: Place, newest: int, ticket: int) -> None:
        try:
            rows = source.newer(newest, PAGE)
        except StoreError as error:
            self.post_message(self.Trouble(str(error)))
            return
        if (found := source.place()) != place:
            self.post_message(self.Replaced(place, found))
        elif rows and not get_current_worker().is_cancelled:
            self.post_message(self.Fresh(rows, ticket))

    @on(Replaced)
    def _begin_anew(self) -> None:
        """Nothing newer is asked for until it is read, lest a slow reading is begun again and again."""
        if self.loaded and self.source is not None:
            self.loaded, self.follow = False, True
            self.read(self.source)

    @on(Trouble)
    def _may_try_again(self) -> None:
        self.loaded, self.asked_at = self.source is not None, None
        self.post_message(self.Changed())

    @on(Fresh)
    def _prepend(self, fresh: Fresh) -> None:
        fresh.stop()
        rows = [row for row in fresh.rows if row.n > self._newest]
        if fresh.ticket != self._ticket or not rows:
            return
        self._newest = rows[0].n
        if not self._go_above(rows, len(fresh.rows)):
            if self.follow and self.order == Order() and self.source is not None:
                self.read(self.source)
            self.unseen += len(rows)
            self.post_message(self.Changed())
            return
        self._fresh[:0] = sorted(rows, key=self.order.key, reverse=True)
        top = self.scroll_offset.y
        self._grown()
        if self.follow:
            self.cursor = 0
        else:
            self.cursor += len(rows)
            self.unseen += len(rows)
            self.show_at(top + len(rows))
        self.post_message(self.Changed())

    def _go_above(self, rows: list[TraceRow], read: int) -> bool:
        """Whether these can stand above all others: they are the newest by time, and no more came than were read."""
        first = self.order.key(self._fresh[0]) if self._fresh else self._pages.top
        fits = read < PAGE and len(self._fresh) <= 20 * PAGE
        return fits and self.order == Order() and (first is None or all(self.order.key(row) > first for row in rows))

    def put(self, row: TraceRow) -> None:
        """Show a row as it has become: it was marked."""
        for rows in (self._fresh, *self._pages.rows.values()):
            rows[:] = [row if known.n == row.n else known for known in rows]
        self._drawn.clear()
        self.refresh()

    def _grown(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self.total + self.HEADINGS)
        self._drawn.clear()
        self.refresh()
        self.post_message(self.Changed())

    def row_at(self, index: int) -> TraceRow | None:
        """The row at a place, if it was read; otherwise it is asked for."""
        if index < len(self._fresh):
            return self._fresh[index]
        page, place = divmod(index - len(self._fresh), PAGE)
        rows = self._pages.rows.get(page)
        if rows is None:
            if index < self.total:
                self._want(page)
            return None
        return rows[place] if place < len(rows) else None

    def _want(self, page: int) -> None:
        if self._pages.opened is None or self._wanted == page:
            return
        self._wanted = page
        self._read_page(self._pages, self._pages.way(page), self._ticket)

    @work(thread=True, exclusive=True, group="page", description="page")
    def _read_page(self, pages: Pages, way: Way, ticket: int) -> None:
        worker = get_current_worker()
        assert pages.opened is not None
        try:
            opened = pages.opened
            rows, cut = part(lambda: way.read(opened, lambda: worker.is_cancelled))
        except StoreError as error:
            if not worker.is_cancelled:
                self.post_message(self.Trouble(str(error)))
            return
        if not worker.is_cancelled:
            self.post_message(self.PageRead(way.page, rows, ticket, cut))
            if cut is not None:
                self.post_message(self.Trouble(str(cut), is_partial=True))

    @on(PageRead)
    def _keep(self, read: PageRead) -> None:
        read.stop()
        if read.ticket != self._ticket:
            return
        self._wanted, before = None, self.total
        self._pages.put(read.page, read.rows)
        self._pages.cut = self._pages.cut or read.cut
        if self.total != before or read.cut:
            self._grown()
        elif read.page in self._pages_seen(0):
            self.refresh()
        self._look_ahead()

    def _pages_seen(self, around: int) -> range:
        """The pages that are seen, or would be after so many lines more in either direction."""
        top = self.scroll_offset.y - len(self._fresh)
        last = min(top + self.height + around, self._pages.total) - 1
        return range(max(0, top - around) // PAGE, max(0, last) // PAGE + 1)

    def _look_ahead(self) -> None:
        """Read what the next page down or up would show, once all is there that is seen: so it is drawn only once."""
        missing = [page for page in self._pages_seen(self.height) if page not in self._pages.rows]
        missing += self._pages.beyond(self.scroll_offset.y + 2 * self.height)
        if missing and self._wanted is None and not set(missing) & set(self._pages_seen(0)):
            self._want(missing[0])

    # -- drawing

    def on_resize(self, event: events.Resize) -> None:
        """Column widths adapt."""
        width = self.scrollable_content_region.width
        self._columns = self.layout_columns(width) if width else ()
        self._grown()

    def drawn(self, y: int, width: int, left: int) -> Strip:
        """The headings, or one row."""
        if y == 0:
            return self.strip(spaced(self._heading(column) for column in self._columns), width, left=left)
        index = self.top + y - self.HEADINGS
        if index >= self.total:
            words = self.empty if self.loaded else "  …"
            return self.strip([(words if y == 2 and not self.total else "", "muted")], width, left=left)
        cursor = self.cursor_ink(index)
        if (row := self.row_at(index)) is None:
            return self.strip([("…", "faint")], width, cursor, left)
        strip = self._drawn.get((row.n, cursor))
        if strip is None or strip.cell_length != width + left:
            strip = self.strip(spaced(self._cells(row)), width, cursor, left)
            self.keep((row.n, cursor), strip)
        return strip

    def _heading(self, column: Column) -> tuple[str, str]:
        """The one that the rows are sorted by has an arrow."""
        if column.order != self.order.name:
            return self._fit(column.title, column), "muted"
        arrow = "▲" if self.order.turned else "▼"
        return self._fit(column.title[: column.width - 1] + arrow, column), "title"

    def _fit(self, text: str, column: Column) -> str:
        return show.fit_right(text, column.width) if column.right else show.fit(text, column.width)

    def _cells(self, row: TraceRow) -> Pieces:
        whole = self.whole(row)
        cells: list[tuple[str, str]] = []
        for number, column in enumerate(self._columns):
            if whole is not None and column.title == whole[0]:
                behind = [c for c in self._columns[number:] if c.title in KEPT]
                rest = sum(c.width + 1 for c in self._columns[number:]) - sum(c.width + 1 for c in behind) - 1
                kept = ((self._fit(text, c), ink) for c in behind for text, ink in (c.cell(row),))
                return [*cells, (show.fit(whole[1], rest), whole[2]), *kept]
            text, ink = column.cell(row)
            cells.append((self._fit(text, column), ink))
        return cells

    # -- moving

    def moved(self) -> None:
        """Away from the newest row, following stops."""
        if self.cursor:
            self.follow = False
        self._seen()

    def _seen(self) -> None:
        if self.scroll_offset.y == 0:
            self.unseen = 0
        self.post_message(self.Changed())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling away from the top stops following."""
        super().watch_scroll_y(old_value, new_value)
        if new_value > 0:
            self.follow = False
        self._seen()
        self._look_ahead()

    def action_open(self) -> None:
        """Open the row of the cursor."""
        if not self.total:
            self.post_message(self.Nothing())
        elif (row := self.row_at(self.cursor)) is not None:
            self.post_message(self.Opened(row))

    def step(self, by: int) -> TraceRow | None:
        """Move the cursor, for a screen that shows its row; gives the new row, None at an end."""
        before = self.cursor
        self.go(self.cursor + by)
        return self.row_at(self.cursor) if self.cursor != before else None

    def toggle_follow(self) -> None:
        """Stay with the newest row, or stop doing so."""
        self.follow = not self.follow
        if self.follow:
            self.cursor = 0
            self.show_at(0)
            if self.unseen > len(self._fresh) and self.source is not None:
                self.read(self.source)
            self.unseen = 0
        self.refresh()
        self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        """A click chooses a row; a second one, or a click on the chosen row, opens it."""
        y = event.get_content_offset_capture(self).y
        index = self.scroll_offset.y + y - self.HEADINGS
        if y < self.HEADINGS or index >= self.total:
            return
        again = index == self.cursor and self.has_focus
        self.go(index)
        if again or event.chain > 1:
            self.action_open()


def spaced(cells: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Cells with a space after each."""
    for cell in cells:
        yield cell
        yield " ", ""
