"""A viewer of long text: folds, searches, and draws only the rows that are seen.

Owns the cursor, the folds and the search of one document. Must never build, wrap or search on the event loop: that
happens in a thread, and a message brings the result. The one surprise: the cursor is a row of the screen, but it is
remembered as a line and a place in it, so that it survives another width, a fold or a search.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import islice, pairwise

from textual import events, on, work
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.worker import get_current_worker

from ccr_tui.screens import show
from ccr_tui.screens.lines import Document, rows_of
from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.screens.stored import Link, Rows, Span
from ccr_tui.slim import dataclass

Build = Callable[[int], Document]
"""Makes the document for a width; called in a thread."""


Hit = tuple[int, int]
"""Line, and place in its text."""
MOST_HITS = 100_000
UNTOLD = "a document"
"""Textual describes a worker by the repr() of its arguments, on the event loop: 0.4 s for a document of 6 MB."""


class Viewer(Scrolled):
    """Shows one document."""

    BINDINGS = [
        Binding("enter", "lead", "Open", key_display="⏎", tooltip="Open what the line leads to"),
        Binding("space,enter", "toggle_fold", "Fold", key_display="space", tooltip="Fold or unfold"),
        Binding("l,right", "fold(False)", "Unfold", show=False),
        Binding("h,left", "fold(True)", "Fold, or go to what encloses", show=False),
        Binding("minus", "fold_all(True)", "Fold all", show=False, key_display="-"),
        Binding("plus,equals_sign", "fold_all(False)", "Unfold all", show=False, key_display="+"),
    ]

    @dataclass
    class Laid(Message):
        """A thread has laid the document out."""

        document: Document
        folded: frozenset[int]
        rows: Rows
        width: int
        ticket: int

    @dataclass
    class Searched(Message):
        """A thread has searched the document: line and place of each hit."""

        words: str
        hits: list[Hit]

    @dataclass
    class Followed(Message):
        """Enter was pressed on a line that leads somewhere."""

        link: Link

    @dataclass
    class Moved(Message):
        """The cursor or the search has moved; what the border says may be old."""

        viewer: Viewer

        @property
        def control(self) -> Viewer:
            """The viewer, for `@on` selectors."""
            return self.viewer

    def __init__(
        self, *, id: str | None = None, fluid: bool = False, still: bool = False, empty: str = "nothing here"
    ) -> None:
        super().__init__(id=id)
        self.fluid = fluid
        """Whether another width needs another document."""
        self.still = still
        self.empty = empty
        self.document = Document()
        self.folded: frozenset[int] = frozenset()
        self.hits: list[Hit] = []
        self.words = ""
        self._at = 0
        """Which hit the cursor went to last."""
        self._build: Build | None = None
        self._built: Document | None = None
        self._rows = Rows()
        self._width = 0
        self._ticket = 0
        self._place = (0, 0)
        self._pattern: re.Pattern[str] | None = None
        self._leads = self._folds = False
        """Whether any line leads somewhere, and whether any folds."""
        self._wanted: tuple[str | int, ...] | None = None
        """The place in the body that is to be shown once the document is there."""

    # -- what it shows

    def load(self, build: Build) -> None:
        """Show what `build` makes; it is called in a thread, with the width."""
        self._build, self._built = build, None
        self.hits, self.words, self._pattern = [], "", None
        self._lay_out(None)

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    @property
    def ready(self) -> bool:
        """Whether the document that was asked for is on the screen."""
        return self._built is not None

    def _row_of(self, line: int, start: int) -> int:
        """The row that shows this place of a line; the row that folds it away, if it is hidden."""
        index = bisect_right(self._rows.lines, line) - 1
        while index > 0 and self._rows[index][0] == line and self._rows[index][1] > start:
            index -= 1
        return max(0, index)

    def on_resize(self, event: events.Resize) -> None:
        """Another width wraps the text anew."""
        if self._build is not None and self.scrollable_content_region.width not in (0, self._width):
            self._lay_out(None if self.fluid or not self.ready else self.folded)
        self.post_message(self.Moved(self))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """What the border says changes with what is seen."""
        super().watch_scroll_y(old_value, new_value)
        if self.still:
            self.post_message(self.Moved(self))

    def _lay_out(self, folded: frozenset[int] | None) -> None:
        """Lay out with these folds; None: (re)build the document, with its own."""
        width = self.scrollable_content_region.width
        if width <= 0 or self._build is None:
            return
        self._ticket += 1
        self._width = width
        self._prepare(self._build, None if folded is None else self._built, folded, width, self._ticket)

    @work(thread=True, exclusive=True, group="layout", description=UNTOLD)
    def _prepare(
        self, build: Build, document: Document | None, folded: frozenset[int] | None, width: int, ticket: int
    ) -> None:
        document = document or build(width)
        folds = document.folded if folded is None else folded
        rows = rows_of(document.lines, folds, width)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Laid(document, folds, rows, width, ticket))

    @on(Laid)
    def _show(self, laid: Laid) -> None:
        laid.stop()
        if laid.ticket != self._ticket:
            return
        fresh = laid.document is not self._built
        if fresh:
            special = laid.document.lines.special.values()
            self._leads = any(line.link for line in special)
            self._folds = any(line.until for line in special)
            self.screen.refresh_bindings()
        before = self.cursor - self.scroll_offset.y
        self._built = self.document = laid.document
        self.folded, self._rows = laid.folded, laid.rows
        self.virtual_size = Size(laid.width, len(laid.rows))
        if fresh and not self.fluid:
            self._place, before = (laid.document.at, 0), 0
        self.cursor = self._row_of(*self._place)
        before = max(0, min(before, self.scrollable_content_region.height - 1))
        self.show_at(max(0, self.cursor - before))
        self.refresh()
        self.post_message(self.Moved(self))
        if self._wanted is not None:
            self.reveal(self._wanted)

    # -- drawing

    def render_line(self, y: int) -> Strip:
        """One row: its stretch of the line, inks, search hits and the cursor."""
        index = self.scroll_offset.y + y
        width = self.size.width
        if not self._rows:
            words = self.empty if self.ready else "…"
            return self.strip([(words if y == 0 else "", "muted")], width)
        if index >= len(self._rows):
            return self.strip([], width)
        cursor = self.cursor_ink(index)
        return self.strip(self._pieces(*self._rows[index]), width, cursor)

    def _pieces(self, index: int, start: int, end: int) -> Iterable[tuple[str, str]]:
        line = self.document.lines[index]
        folded = index in self.folded
        text, spans = line.shown(folded)
        if start:
            yield " " * min(line.hang, self._width // 2), ""
        yield from self._inked(text, start, end, spans)
        if folded and (end < len(text) or not line.closed):
            yield "…" if end < len(text) else " …", "muted"

    def _inked(self, text: str, start: int, end: int, spans: Iterable[Span]) -> Iterable[tuple[str, str]]:
        marks = [(a, b, ink) for a, b, ink in spans if a < end and b > start]
        if self._pattern is not None:
            marks += [(*found.span(), "match") for found in self._pattern.finditer(text, max(0, start - 80), end + 80)]
        cuts = sorted({start, end, *(min(max(c, start), end) for a, b, _ in marks for c in (a, b))})
        for a, b in pairwise(cuts):
            over = [ink for x, y, ink in marks if x <= a and b <= y]
            yield text[a:b], over[-1] if over else ""

    # -- moving

    def moved(self) -> None:
        """Remember the place in the text."""
        self._place = self._rows[self.cursor][:2]
        self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there; on a line that folds, it folds."""
        row = self.scroll_offset.y + event.get_content_offset_capture(self).y
        if row < len(self._rows):
            again = self.document.lines.until(self._rows[row][0]) > 0
            self.go(row)
            if again:
                self.action_toggle_fold()

    # -- folding

    def action_toggle_fold(self) -> None:
        """Fold or unfold the line of the cursor."""
        if not self._rows:
            return
        index = self._place[0]
        if self.document.lines.until(index) > index:
            self._lay_out(self.folded ^ {index})

    def action_fold(self, folded: bool) -> None:
        """Fold the line of the cursor, or, where it is folded already, go to the one that encloses it; or unfold."""
        if not self._rows:
            return
        index = self._place[0]
        foldable = self.document.lines.until(index) > index
        if not folded:
            if foldable and index in self.folded:
                self._lay_out(self.folded - {index})
            return
        if foldable and index not in self.folded:
            self._lay_out(self.folded | {index})
        elif (outer := self._enclosing(index)) is not None:
            self.go(bisect_right(self._rows.lines, outer - 1))

    def _enclosing(self, index: int) -> int | None:
        return max((at for at, line in self.document.lines.folding() if at < index < line.until), default=None)

    def action_fold_all(self, folded: bool) -> None:
        """Fold everything that folds but the outermost, or unfold everything."""
        lines = self.document.lines
        folding = list(lines.folding())
        outermost = next((at for at, line in folding if line.until >= len(lines)), -1)
        every = frozenset(at for at, _ in folding if at != outermost)
        self._place = (self._place[0] if not folded else 0, 0)
        self._lay_out(every if folded else frozenset())

    # -- following

    def action_lead(self) -> None:
        """Open what the line leads to; one that leads nowhere folds."""
        link = self.document.lines[self._place[0]].link if self._rows else None
        if link is None:
            self.action_toggle_fold()
        else:
            self.post_message(self.Followed(link))

    def reveal(self, where: tuple[str | int, ...]) -> None:
        """Show the line of a place in the body, its folds open; as soon as the document is there."""
        self._wanted = where
        if not self.ready or not self.document.places:
            return
        self._wanted, places = None, self.document.places
        known = next(where[:end] for end in range(len(where), -1, -1) if where[:end] in places)
        self._show_line(places[known], 0)

    def _show_line(self, line: int, start: int) -> None:
        """Go to a place in the text, and open the folds that hide it, and its own."""
        self._place = line, start
        hiding = frozenset(i for i in self.folded if i <= line < self.document.lines.until(i))
        if hiding:
            self._lay_out(self.folded - hiding)
        else:
            self.go(self._row_of(line, start), centre=True)

    # -- searching

    def search(self, words: str) -> None:
        """Find `words` (no case, no pattern) in all lines, folded ones too; empty ends the search."""
        self.words = show.harmless(words)
        self._pattern = re.compile(re.escape(self.words), re.IGNORECASE) if self.words else None
        self.hits = []
        if self._pattern is None:
            self.refresh()
            self.post_message(self.Moved(self))
        else:
            self._find(self._pattern, self.document, self.words)

    @work(thread=True, exclusive=True, group="search", description=UNTOLD)
    def _find(self, pattern: re.Pattern[str], document: Document, words: str) -> None:
        texts = ((at, document.lines.text(at)) for at in range(len(document.lines)))
        every = ((at, found.start()) for at, text in texts for found in pattern.finditer(text))
        hits = list(islice(every, MOST_HITS))
        if not get_current_worker().is_cancelled:
            self.post_message(self.Searched(words, hits))

    @on(Searched)
    def _found(self, found: Searched) -> None:
        found.stop()
        if found.words != self.words:
            return
        self.hits, self._at = found.hits, 0
        self.refresh()
        if self.hits:
            self.next_hit(0)
        else:
            self.post_message(self.Moved(self))

    def next_hit(self, by: int) -> None:
        """To the next (1), the one before (-1), or the nearest from here on (0); opens the folds around it."""
        if not self.hits:
            return
        if by and self._row_of(*self.hits[self._at]) == self.cursor:
            at = self._at + by
        else:
            after = bisect_right(self.hits, (self._place[0], self._place[1] - (not by)))
            at = after - 1 if by < 0 else after
        self._at = at % len(self.hits)
        self._show_line(*self.hits[self._at])

    @property
    def place(self) -> str:
        """For the border: where the search or the cursor is; without a cursor, how much of a longer text was seen."""
        if self.words:
            return f"“{self.words}” {self._at + 1}/{len(self.hits)}" if self.hits else f"“{self.words}” not found"
        if not self.still:
            return f"{self.cursor + 1}/{len(self._rows)}" if self._rows else ""
        seen, total = self.scroll_offset.y + self.height, len(self._rows)
        return "" if total <= self.height else f"{min(seen, total)}/{total}{' ↓' if seen < total else ''}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        if action == "lead":
            return self._leads
        return "fold" not in action or (self._folds and not self.still)
