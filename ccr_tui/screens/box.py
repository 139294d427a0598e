"""A box of requests: the filter, the table, and all that is done with a list of them.

Owns what every list of requests can do: filter, sort, follow, mark, note, copy, open. Must never read or write the
store on the event loop. The one surprise: `Lists`, the screens with such a box, has the keys, so that help and palette
name them wherever there is one.
"""

from __future__ import annotations

import time
from dataclasses import replace

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.markup import escape
from textual.message import Message
from textual.notifications import SeverityLevel

from ccr_tui.errors import StoreError
from ccr_tui.filtering import Term
from ccr_tui.screens import copies, requests
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.filterbar import FilterBar
from ccr_tui.screens.house import House
from ccr_tui.screens.marking import Marking
from ccr_tui.screens.table import Table
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Filter, Order, TraceRow

LONG_S = 0.3
"""Seconds of a search after which it is said that one is going on."""
ORDERS = ("time", "cost", "tokens", "duration", "cached")
WORDS = {"cost": "cost", "tokens": "tokens in + out", "duration": "duration", "cached": "share cached"}


class RequestsBox(Vertical):
    """The filter above the table, in a frame that says what is shown."""

    def __init__(self, house: House, base: Filter | None = None, what: str = "Requests") -> None:
        """`base` holds whatever is typed; `what` is what the list is called."""
        super().__init__(id="requests")
        self.house, self.base, self.what = house, base, what
        self.table = Table(requests.layout, requests.whole, id="table")
        self.bar = FilterBar(lambda: self.house.reader, lambda: self.house.engine.config)
        self.terms: tuple[Term, ...] = ()
        self.order = Order()
        self.open = False
        """Whether the store may be read."""

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.bar
        yield self.table

    def on_mount(self) -> None:
        """Say what there is while nothing is."""
        self.table.empty = "  no request yet"

    def read(self) -> None:
        """Show the list anew, from the top."""
        self.open = True
        self.table.empty = "  nothing matches" if self.terms else "  no request yet"
        self.table.read(requests.Requests(self.house.reader, self.filter, self.order))
        if self.table.asked_at is not None:
            self.set_timer(LONG_S + 0.05, self.caption)

    @property
    def filter(self) -> Filter | None:
        """What the list is narrowed to; None is everything."""
        base = self.base or Filter()
        chosen = replace(base, terms=(*base.terms, *self.terms))
        return None if chosen == Filter() else chosen

    @on(FilterBar.Changed)
    def _filter(self, changed: FilterBar.Changed) -> None:
        changed.stop()
        self.terms = changed.terms
        if self.open:
            self.read()
        self.caption()

    @on(FilterBar.Closed)
    def _typed(self, closed: FilterBar.Closed) -> None:
        closed.stop()
        self.table.focus()

    @on(FilterBar.Faulty)
    @on(Table.Changed)
    def caption(self) -> None:
        """The frame says how many there are, in which order, and whether the list follows; nothing of what is shown
        while other rows are looked for."""
        table = self.table
        looking_s = 0.0 if table.asked_at is None else time.monotonic() - table.asked_at
        table.styles.text_opacity = 0.5 if looking_s >= LONG_S else 1.0
        if looking_s >= LONG_S:
            self.border_title = f"{self.what} · searching…"
            return
        if looking_s and self.border_title:
            return
        count = f"{table.total:,}" + ("" if table.counted or table.upto else "+ …")
        count = count if table.loaded or table.total else "…"
        upto = f" as far as {table.upto}" if table.upto else ""
        title = f"{self.what} · {count}{self._found()}{upto} · {self._state()}"
        subtitle = escape(f"/ {self.bar.text}") if self.bar.text else "/ filter · s sort"
        if (title, subtitle) != (self.border_title, self.border_subtitle):
            self.border_title, self.border_subtitle = title, subtitle

    def _found(self) -> str:
        """Whether the filter acts."""
        if self.bar.wrong is not None:
            return " by the filter before" if self.terms else ", not filtered"
        return " found" if self.terms else ""

    def _state(self) -> str:
        new = f"{self.table.unseen} new" if self.table.unseen else ""
        if self.order != Order():
            first = "first" if self.order.name == "time" else "lowest first" if self.order.turned else "highest first"
            by = "oldest first" if self.order.name == "time" else f"by {WORDS[self.order.name]}, {first}"
            return by + (f" · {new}, f shows them" if new else "")
        return "following" if self.table.follow else f"{new} above" if new else "not following"

    def sort(self, by: int, turn: bool = False) -> None:
        """By the next column, or turned around."""
        name = ORDERS[(ORDERS.index(self.order.name) + by) % len(ORDERS)]
        self.order = Order(name, self.order.turned is not turn if turn else False)
        self.read()

    def follow(self) -> None:
        """Stay with the newest request, or stop doing so; from another order, back to the newest."""
        if self.order != Order():
            self.order = Order()
            self.table.follow = True
            self.read()
        else:
            self.table.toggle_follow()

    @property
    def row(self) -> TraceRow | None:
        """The chosen request."""
        return self.table.row_at(self.table.cursor) if self.table.total else None


class Lists(Marking):
    """A screen with a box of requests."""

    AUTO_FOCUS = ""
    """Or the hidden line of the filter would take the first keys."""
    BINDINGS = [
        Binding("slash", "filter", "Filter", key_display="/", tooltip="Filter the requests"),
        Binding("f", "follow", "Follow", tooltip="Stay with the newest request, or stop"),
        Binding("s", "sort(1)", "Sort", tooltip="Sort by cost, tokens, duration, share cached, time"),
        Binding("S", "turn", "Turn", show=False, tooltip="Turn the order around"),
        Binding("r", "replay", "Replay", tooltip="Replay the request with another model"),
        Binding("y", "copy", "Copy", tooltip="Copy the request: curl, JSON or text"),
        Binding("e", "export", "Export", tooltip="Write the request, its session or the whole list into a file"),
    ]
    COPIES: tuple[Answer, ...] = ()
    """What else may be copied here."""

    @dataclass
    class Copied(Message):
        """A thread has made the text for the clipboard."""

        text: str
        what: str

    house: House
    box: RequestsBox

    def action_filter(self) -> None:
        """Type a filter; it acts while you type."""
        self.box.bar.open()

    def action_follow(self) -> None:
        """Stay with the newest request."""
        self.box.follow()

    def action_sort(self, by: int) -> None:
        """Another order."""
        self.box.sort(by)

    def action_turn(self) -> None:
        """The same order from its other end."""
        self.box.sort(0, turn=True)

    def chosen_row(self) -> TraceRow | None:
        """The request of the cursor; where there is none, that is said."""
        if not self.box.table.total:
            self._say_none()
        return self.box.row

    @on(Table.Nothing)
    def _say_none(self) -> None:
        words = "No request passes the filter." if self.box.terms else "There is no request yet."
        if self.box.open and self.box.table.loaded:
            self.app.notify(words, markup=False)

    def show_marked(self, row: TraceRow) -> None:
        """Its line with the mark."""
        self.box.table.put(row)

    @on(Table.Trouble)
    def _say_trouble(self, trouble: Table.Trouble) -> None:
        severity: SeverityLevel = "warning" if trouble.is_partial else "error"
        self.app.notify(trouble.why, severity=severity, timeout=12 if trouble.is_partial else None, markup=False)

    @on(Table.Opened)
    def _open_trace(self, opened: Table.Opened) -> None:
        from ccr_tui.screens.trace import TraceScreen

        trace = TraceScreen(self.house, opened.row, self.box.table.step)

        def back(_: None) -> None:
            for row in trace.remarked:
                self.box.table.put(row)
            self.box.table.newer()  # it may have been missing because another file is there now

        self.app.push_screen(trace, back)

    def action_replay(self) -> None:
        """One request, to another model."""
        from ccr_tui.screens.replay_head import ReplayOf

        if row := self.chosen_row():
            self.post_message(ReplayOf(row.id))

    def action_export(self) -> None:
        """Write the chosen request, its session, or all that is listed into a file."""
        from ccr_tui.screens import export

        if row := self.chosen_row():
            listed = export.of_list(self.box.filter, self.box.table.total)
            self.app.push_screen(export.ExportScreen(self.house, [*export.of_request(row), listed]))

    # -- copying

    def action_copy(self) -> None:
        """Copy the chosen request."""
        if row := self.chosen_row():
            self.app.push_screen(Ask("Copy", (*copies.CHOICES, *self.COPIES)), lambda kind: self.copied(kind, row))

    def copied(self, kind: str | None, row: TraceRow) -> None:
        """One of the ways to copy was chosen."""
        if kind:
            self._make_copy(kind, row)

    @work(thread=True, exclusive=True, group="copy")
    def _make_copy(self, kind: str, row: TraceRow) -> None:
        try:
            trace = self.house.reader.trace(row.id)
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))
            return
        engine = self.house.engine
        text = copies.copied(
            kind, trace, row, engine.address, engine.config.api_key is not None, engine.config.providers
        )
        what = next(choice.words for choice in copies.CHOICES if choice.key == kind)
        self.post_message(self.Copied(text, what))

    @on(Copied)
    def _copy(self, copied: Copied) -> None:
        copies.to_clipboard(self.app, copied.text, copied.what)
