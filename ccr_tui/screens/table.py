"""A table over any number of rows, of which only those that are seen are read and drawn.

Owns the pages that were read, the cursor and whether it follows. Must never read on the event loop, ask for all rows,
or move what a person looks at because data came. The one surprise: rows that came since the table was read are held
apart (`_fresh`), so that the pages below keep their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from textual import events, on, work
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import get_current_worker

from ccr_tui.errors import StoreError
from ccr_tui.screens import show
from ccr_tui.screens.ink import Inked
from ccr_tui.store.queries import TraceRow

PAGE = 200
KEPT = 24
"""Pages that are held; further ones are read again."""

Pieces = Sequence[tuple[str, str]]
"""Text and ink, left to right."""


class Source(Protocol):
    """Where the rows come from, newest first; called in threads."""

    def rows(self, before: int | None, limit: int) -> list[TraceRow]:
        """Rows whose number is below `before`."""

    def count(self) -> int:
        """How many there are."""


@dataclass(frozen=True)
class Column:
    """One column: what it shows of a row, and how wide it is."""

    title: str
    width: int
    cell: Callable[[TraceRow], tuple[str, str]]
    """Text and ink."""
    right: bool = False


@dataclass
class Pages:
    """What was read: `keys[p]` is the number that page p starts below."""

    head: int | None = None
    """Number of the newest row when the table was read."""
    total: int = 0
    dense: bool = False
    """Whether numbers have no gaps, so that the key of any page is known at once."""
    rows: dict[int, list[TraceRow]] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)

    def key(self, page: int) -> tuple[int, int]:
        """The nearest page at or before `page` whose key is known, and its key."""
        if self.dense and self.head is not None:
            return page, self.head + 1 - page * PAGE
        known = max(p for p in self.keys if p <= page)
        return known, self.keys[known]

    def put(self, page: int, rows: list[TraceRow]) -> None:
        """Keep a page; the oldest of those kept goes."""
        self.rows[page] = rows
        if rows:
            self.keys[page + 1] = rows[-1].n
        while len(self.rows) > KEPT:
            del self.rows[next(iter(self.rows))]


def first_pages(source: Source) -> Pages:
    """The newest page, and what is known about those below."""
    rows, total = source.rows(None, PAGE), source.count()
    pages = Pages(rows[0].n if rows else None, max(total, len(rows)))
    pages.keys[0] = rows[0].n + 1 if rows else 1
    pages.put(0, rows)
    pages.dense = total > PAGE and _dense(source, rows[0].n, total)
    return pages


class Table(Inked, ScrollView, can_focus=True):
    """Rows of the store, newest first."""

    BINDINGS = [
        Binding("enter", "open", "Open", key_display="⏎"),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("g,home", "jump(0)", "Newest", show=False),
        Binding("G,end", "jump(-1)", "Oldest", show=False),
    ]
    HEADINGS: ClassVar[int] = 1

    @dataclass
    class Opened(Message):
        """A row was chosen."""

        row: TraceRow

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

        read: dict[int, list[TraceRow]]
        ticket: int

    @dataclass
    class Fresh(Message):
        """A thread has read the rows that are newer than all that were known."""

        rows: list[TraceRow]
        ticket: int

    @dataclass
    class Trouble(Message):
        """The store could not be read; why, and what to do."""

        why: str

    def __init__(
        self,
        layout: Callable[[int], Sequence[Column]],
        whole: Callable[[TraceRow], tuple[str, str, str] | None],
        *,
        id: str | None = None,
    ) -> None:
        """`layout` gives the columns for a width; `whole` may give a row the title of the column from which on it shows
        one text instead, that text, and its ink."""
        super().__init__(id=id)
        self.layout_columns, self.whole = layout, whole
        self.source: Source | None = None
        self.follow = True
        self.unseen = 0
        """Rows that came while it did not follow."""
        self.cursor = 0
        self.empty = ""
        self._columns: Sequence[Column] = ()
        self._fresh: list[TraceRow] = []
        self._pages = Pages()
        self._wanted: int | None = None
        self._ticket = 0
        self._loaded = False
        self._drawn: dict[tuple[int, str], Strip] = {}

    # -- reading

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._fresh) + self._pages.total

    def read(self, source: Source) -> None:
        """Show another source, or the same one anew, from the top."""
        self.source = source
        self._ticket += 1
        self._read(source, self._ticket)

    @work(thread=True, exclusive=True, group="read")
    def _read(self, source: Source, ticket: int) -> None:
        try:
            pages = first_pages(source)
        except StoreError as error:
            self.post_message(self.Trouble(str(error)))
            return
        if not get_current_worker().is_cancelled:
            self.post_message(self.Read(pages, ticket))

    @on(Read)
    def _put(self, read: Read) -> None:
        read.stop()
        if read.ticket != self._ticket:
            return
        self._pages, self._fresh, self._wanted, self._loaded = read.pages, [], None, True
        self.cursor = self.unseen = 0
        self._grown()
        self.scroll_to(y=0, animate=False, force=True)

    def newer(self) -> None:
        """The store has more: read what is newer than all that is known."""
        if self.source is not None and self._loaded:
            newest = self._fresh[0].n if self._fresh else self._pages.head
            self._read_newer(self.source, newest or 0, self._ticket)

    @work(thread=True, exclusive=True, group="newer")
    def _read_newer(self, source: Source, newest: int, ticket: int) -> None:
        try:
            rows = [row for row in source.rows(None, PAGE) if row.n > newest]
        except StoreError as error:
            self.post_message(self.Trouble(str(error)))
            return
        if rows and not get_current_worker().is_cancelled:
            self.post_message(self.Fresh(rows, ticket))

    @on(Fresh)
    def _prepend(self, fresh: Fresh) -> None:
        fresh.stop()
        newest = self._fresh[0].n if self._fresh else self._pages.head or 0
        rows = [row for row in fresh.rows if row.n > newest]
        if fresh.ticket != self._ticket or not rows:
            return
        if (len(rows) == PAGE or len(self._fresh) > 20 * PAGE) and self.follow and self.source is not None:
            self.read(self.source)
            return
        self._fresh[:0] = rows
        top = self.scroll_offset.y
        self._grown()
        if self.follow:
            self.cursor = 0
        else:
            self.cursor += len(rows)
            self.unseen += len(rows)
            self.scroll_to(y=top + len(rows), animate=False, force=True)
        self.post_message(self.Changed())

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
        if self.source is None or self._wanted == page:
            return
        self._wanted = page
        self._read_page(self.source, page, *self._pages.key(page), self._ticket)

    @work(thread=True, exclusive=True, group="page")
    def _read_page(self, source: Source, page: int, known: int, key: int, ticket: int) -> None:
        """Read a page; where its key isn't known, walk to it from the nearest one whose key is."""
        worker, read = get_current_worker(), dict[int, list[TraceRow]]()
        try:
            while known <= page and not worker.is_cancelled:
                rows = source.rows(key, PAGE)
                read[known] = rows
                if not rows:
                    break
                known, key = known + 1, rows[-1].n
        except StoreError as error:
            self.post_message(self.Trouble(str(error)))
        if not worker.is_cancelled:
            self.post_message(self.PageRead(read, ticket))

    @on(PageRead)
    def _keep(self, read: PageRead) -> None:
        read.stop()
        if read.ticket == self._ticket:
            self._wanted = None
            for page, rows in read.read.items():
                self._pages.put(page, rows)
            self.refresh()

    # -- drawing

    def on_resize(self, event: events.Resize) -> None:
        """Column widths adapt."""
        width = self.scrollable_content_region.width
        self._columns = self.layout_columns(width) if width else ()
        self._grown()

    def notify_style_update(self) -> None:
        """Another theme: draw everything anew."""
        self._drawn.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """The headings, or one row."""
        width = self.size.width
        if y == 0:
            return self.strip(spaced((self._fit(c.title, c), "muted") for c in self._columns), width)
        index = self.scroll_offset.y + y - self.HEADINGS
        if index >= self.total:
            return self.strip([(self.empty if y == 2 and not self.total else "", "muted")], width)
        cursor = "" if index != self.cursor else "cursor" if self.has_focus else "cursor-blurred"
        if (row := self.row_at(index)) is None:
            return self.strip([("…", "faint")], width, cursor)
        if len(self._drawn) > KEPT * PAGE:
            self._drawn.clear()
        strip = self._drawn.get((row.n, cursor))
        if strip is None or strip.cell_length != width:
            strip = self._drawn[row.n, cursor] = self.strip(spaced(self._cells(row)), width, cursor)
        return strip

    def _fit(self, text: str, column: Column) -> str:
        return show.fit_right(text, column.width) if column.right else show.fit(text, column.width)

    def _cells(self, row: TraceRow) -> Pieces:
        whole = self.whole(row)
        cells: list[tuple[str, str]] = []
        for number, column in enumerate(self._columns):
            if whole is not None and column.title == whole[0]:
                rest = sum(c.width + 1 for c in self._columns[number:]) - 1
                return [*cells, (show.fit(whole[1], rest), whole[2])]
            text, ink = column.cell(row)
            cells.append((self._fit(text, column), ink))
        return cells

    # -- moving

    def _go(self, index: int) -> None:
        if not self.total:
            return
        before, self.cursor = self.cursor, max(0, min(index, self.total - 1))
        if self.cursor:
            self.follow = False
        height = self.scrollable_content_region.height - self.HEADINGS
        top = self.scroll_offset.y
        if not top <= self.cursor < top + height:
            self.scroll_to(y=self.cursor if self.cursor < top else self.cursor - height + 1, animate=False, force=True)
        self.refresh_line(before + self.HEADINGS)
        self.refresh_line(self.cursor + self.HEADINGS)
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

    def action_move(self, by: int) -> None:
        """Move the cursor; one that was scrolled out of sight comes back at the edge."""
        top, height = self.scroll_offset.y, self.scrollable_content_region.height - self.HEADINGS
        self._go(max(top, min(self.cursor, top + height - 1)) + by)

    def action_page(self, pages: float) -> None:
        """Move by pages."""
        by = int((self.scrollable_content_region.height - self.HEADINGS - 1) * pages)
        self.scroll_to(y=self.scroll_offset.y + by, animate=False, force=True)
        self._go(self.cursor + by)

    def action_jump(self, index: int) -> None:
        """To the newest (0) or the oldest (-1)."""
        self._go(index if index >= 0 else self.total - 1)

    def action_open(self) -> None:
        """Open the row of the cursor."""
        if self.total and (row := self.row_at(self.cursor)) is not None:
            self.post_message(self.Opened(row))

    def step(self, by: int) -> TraceRow | None:
        """Move the cursor, for a screen that shows its row; gives the new row, None at an end."""
        before = self.cursor
        self._go(self.cursor + by)
        return self.row_at(self.cursor) if self.cursor != before else None

    def toggle_follow(self) -> None:
        """Stay with the newest row, or stop doing so."""
        self.follow = not self.follow
        if self.follow:
            self.cursor = self.unseen = 0
            self.scroll_to(y=0, animate=False, force=True)
        self.refresh()
        self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        """A click chooses a row; a second one, or a click on the chosen row, opens it."""
        y = event.get_content_offset_capture(self).y
        index = self.scroll_offset.y + y - self.HEADINGS
        if y < self.HEADINGS or index >= self.total:
            return
        again = index == self.cursor and self.has_focus
        self._go(index)
        if again or event.chain > 1:
            self.action_open()


def spaced(cells: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Cells with a space after each."""
    for cell in cells:
        yield cell
        yield " ", ""


def _dense(source: Source, head: int, total: int) -> bool:
    """Whether numbers have no gaps: nothing below the last one, and the page in the middle where it should be."""
    if source.rows(head + 1 - total, 1):
        return False
    key = head + 1 - (total // PAGE // 2) * PAGE
    rows = source.rows(key, 1)
    return bool(rows) and rows[0].n == key - 1
