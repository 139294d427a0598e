"""What happens now, what today cost, and the requests: the screen that the app opens with.

Owns the layout, the filter and when the store is read again. Must never read the store on the event loop. The one
surprise: commits only mark it as stale; the tick that also redraws running requests, ten times a second, reads at most
four times a second, so that a burst of requests costs no more than a few.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.screens import copies, requests
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.bars import Footer, Header, is_demo
from ccr_tui.screens.flip import flip
from ccr_tui.screens.house import House
from ccr_tui.screens.panels import Now, TodayPanel, Welcome
from ccr_tui.screens.table import Table
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.store.queries import Today, TraceRow

READ_S = 0.25
"""The shortest time between two readings of the requests."""
TODAY_S = 1.0
"""The same of the sums."""


TYPING_S = 0.15
"""Silence of the keyboard after which the filter acts."""
EXAMPLES = "words, error, agent:tool, model:qwen-max, project:web, since:2h"


class LiveScreen(Screen[None]):
    """Header, Now, Today, Requests, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high"), (50, "-tall")]
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Filter the requests"),
        Binding("m", "mode", "Mode", tooltip="Normal mode or Router mode"),
        Binding("4", "app.show('models')", "Models", tooltip="Providers, models and agents"),
        Binding("f", "follow", "Follow", tooltip="Stay with the newest request, or stop"),
        Binding("y", "copy", "Copy", tooltip="Copy the request: curl, JSON or text"),
        Binding("p", "paste_lines", "Paste", tooltip="Show or hide the lines to paste for Claude Code"),
        Binding("escape", "clear", "Clear the filter, hide the lines to paste", show=False),
    ]

    @dataclass
    class TodayRead(Message):
        """A thread has read the sums."""

        today: Today

    @dataclass
    class Copied(Message):
        """A thread has made the text for the clipboard."""

        text: str
        what: str

    def __init__(self, house: House, demo: bool = False) -> None:
        super().__init__()
        self.house, self.demo = house, demo
        self.header, self.footer = Header(house, demo), Footer(house)
        self.now, self.today, self.welcome = Now(house.engine.feed.board), TodayPanel(), Welcome()
        self.table = Table(requests.layout, requests.whole, id="table")
        self.filter = Input(id="filter", placeholder=EXAMPLES)
        self._open = False
        self._stale = self._today_stale = False
        self._read_at = self._today_at = 0.0
        self._welcome_wanted: bool | None = None
        self._any = False
        self._greeted: Config | None = None
        self._last = ""
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        with Container(id="top"):
            yield self.now
            yield self.today
        yield self.welcome
        with Vertical(id="requests"):
            yield self.filter
            yield self.table
        yield self.footer

    def on_mount(self) -> None:
        """Start the tick; nothing can be read before the house has started."""
        self.filter.display = self.welcome.display = False
        self.table.empty = "  no request yet"
        self.table.focus()
        self.set_interval(0.1, self._tick)

    def open_up(self) -> None:
        """The house has started: read the store."""
        self._open = True
        self.table.read(requests.Requests(self.house.reader))
        self._today_stale = True
        self._greet()

    def store_changed(self) -> None:
        """The store has more; the next tick reads it."""
        self._stale = self._today_stale = True

    def _tick(self) -> None:
        self.header.look()
        self.now.look()
        self.footer.look()
        if self._open and self.house.engine.config is not self._greeted:
            self._greet()
        now = time.monotonic()
        if self._stale and self._open and now - self._read_at >= READ_S:
            self._stale, self._read_at = False, now
            self.table.newer()
        if self._today_stale and self._open and now - self._today_at >= TODAY_S:
            self._today_stale, self._today_at = False, now
            self._read_today()

    @work(thread=True, exclusive=True, group="today")
    def _read_today(self) -> None:
        try:
            self.post_message(self.TodayRead(self.house.reader.today()))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(Table.Trouble)
    def _say(self, trouble: Table.Trouble) -> None:
        self.app.notify(trouble.why, severity="error", markup=False)

    @on(TodayRead)
    def _show_today(self, read: TodayRead) -> None:
        self.today.put(read.today)

    # -- the first run

    def _greet(self) -> None:
        """Say what to paste while nothing has come or nothing is configured, unless it was hidden."""
        config = self._greeted = self.house.engine.config
        unset = is_demo(config) and not self.demo
        wanted = self._welcome_wanted
        self.welcome.display = (self.table.total == 0 or unset) and not self.demo if wanted is None else wanted
        self.welcome.put(self.house.engine.address, unset, config.api_key)

    def action_paste_lines(self) -> None:
        """Show or hide the lines to paste."""
        self._welcome_wanted = not self.welcome.display
        self._greet()

    # -- the table

    @on(Table.Changed)
    def _caption(self) -> None:
        table, source = self.table, self.table.source
        filtered = isinstance(source, requests.Requests) and source.filter is not None
        box = self.query_one("#requests")
        state = "following" if table.follow else f"{table.unseen} new above" if table.unseen else "not following"
        title = f"Requests · {table.total:,}{' found' if filtered else ''} · {state}"
        subtitle = escape(f"/ {self.filter.value}") if self.filter.value else "/ filter"
        if (title, subtitle) != (box.border_title, box.border_subtitle):
            box.border_title, box.border_subtitle = title, subtitle
        if self._open and (table.total > 0) != self._any:
            self._any = table.total > 0
            self._greet()

    @on(Table.Opened)
    def _open_trace(self, opened: Table.Opened) -> None:
        self.app.push_screen(TraceScreen(self.house, opened.row, self.table.step))

    def action_follow(self) -> None:
        """Stay with the newest request."""
        self.table.toggle_follow()

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.demo)

    # -- the filter

    def action_filter(self) -> None:
        """Type a filter; it acts while you type."""
        self.filter.display = True
        self.filter.placeholder = f"↑ {self._last}" if self._last else EXAMPLES
        self.filter.focus()

    def action_clear(self) -> None:
        """Clear the filter first, then hide the lines to paste."""
        if self.filter.value or self.filter.display:
            self._last = self.filter.value.strip() or self._last
            self.filter.value = ""
            self.filter.display = False
            self.table.focus()
        elif self.welcome.display:
            self._welcome_wanted = False
            self._greet()

    def on_key(self, event: events.Key) -> None:
        """The arrow up recalls the filter that was cleared last."""
        if event.key == "up" and self.focused is self.filter and self._last:
            event.stop()
            self.filter.value = self._last
            self.filter.cursor_position = len(self._last)

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_S, self._apply_filter)

    def _apply_filter(self) -> None:
        words = self.filter.value.strip()
        if not self._open:
            return
        try:
            chosen = requests.parse_filter(words, time.time())
        except ValueError as problem:
            self.app.notify(str(problem), severity="warning", markup=False)
            return
        self.table.empty = "  nothing matches" if words else "  no request yet"
        self.table.read(requests.Requests(self.house.reader, chosen if words else None))

    @on(Input.Submitted, "#filter")
    def _filtered(self) -> None:
        self.filter.display = bool(self.filter.value.strip())
        self.table.focus()

    # -- copying

    def action_copy(self) -> None:
        """Copy the chosen request, or the lines to paste."""
        row = self.table.row_at(self.table.cursor) if self.table.total else None
        lines = Answer("l", "lines to paste for Claude Code")
        if row is None:
            self._copy_lines()
        else:
            self.app.push_screen(Ask("Copy", (*copies.CHOICES, lines)), lambda kind: self._chosen(kind, row))

    def _chosen(self, kind: str | None, row: TraceRow) -> None:
        if kind == "l":
            self._copy_lines()
        elif kind:
            self._make_copy(kind, row)

    @work(thread=True, exclusive=True, group="copy")
    def _make_copy(self, kind: str, row: TraceRow) -> None:
        try:
            trace = self.house.reader.trace(row.id)
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))
            return
        engine = self.house.engine
        text = copies.copied(kind, trace, row, engine.address, engine.config.api_key is not None)
        what = next(choice.words for choice in copies.CHOICES if choice.key == kind)
        self.post_message(self.Copied(text, what))

    @on(Copied)
    def _copy(self, copied: Copied) -> None:
        copies.to_clipboard(self.app, copied.text, copied.what)

    def _copy_lines(self) -> None:
        token = self.house.engine.config.api_key or "ccr-tui"
        copies.to_clipboard(self.app, "\n".join(self.welcome.paste(token)) + "\n", "lines to paste")
