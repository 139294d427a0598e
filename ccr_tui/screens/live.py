"""What happens now, what today cost, and the requests: the screen that the app opens with.

Owns the layout and when the store is read again. Must never read the store on the event loop. The one
surprise: commits only mark it as stale; the tick that also redraws running requests, ten times a second, reads at most
four times a second, so that a burst of requests costs no more than a few.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import date, datetime
from typing import Protocol

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.worker import get_current_worker

from ccr_tui import baseline, environment, spending
from ccr_tui.baseline import Baseline
from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.screens import copies
from ccr_tui.screens.ask import Answer
from ccr_tui.screens.bars import Footer, Header, is_demo
from ccr_tui.screens.box import Lists, RequestsBox
from ccr_tui.screens.flip import flip
from ccr_tui.screens.house import House
from ccr_tui.screens.panels import NOTHING, Now, TodayPanel, Welcome
from ccr_tui.screens.table import Table
from ccr_tui.slim import dataclass
from ccr_tui.spending import Budget
from ccr_tui.store.queries import Today, TraceRow

READ_S = 0.25
"""The shortest time between two readings of the requests."""
FRAME = 2
"""Lines of a frame."""
TODAY_S = 1.0
"""The same of the sums."""


class Programme(Protocol):
    """What the demo plays."""

    @property
    def is_over(self) -> bool:
        """Whether all was played."""

    def again(self) -> None:
        """Begin anew, if it is over."""

    async def run(self) -> None:
        """Play."""


OVER = "The demo is over. a plays it again, m plays it in the other mode"


class LiveScreen(Lists):
    """Header, Now, Today, Requests, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (118, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (10, "-short"), (18, "-low"), (30, "-high"), (36, "-tall")]
    OF_DEMO: tuple[BindingType, ...] = (Binding("a", "again", "Again", tooltip="Play the demo once more"),)
    BINDINGS = [
        Binding("m", "mode", "Mode", tooltip="Normal mode or Router mode"),
        Binding("2", "app.show('sessions')", "Sessions", tooltip="What sessions, turns and subagents cost"),
        Binding("3", "app.show('spend')", "Spend", tooltip="Where the money goes"),
        Binding("4", "app.show('models')", "Models", tooltip="Providers, models and agents"),
        Binding("5", "app.show('replay')", "Replay", tooltip="What a session would have cost with other models"),
        Binding("p", "paste_lines", "Paste", tooltip="Show or hide the lines to paste for Claude Code"),
        *OF_DEMO,
        Binding("i", "app.import", "Import", show=False, tooltip="Take in Claude Code's own transcripts, or a file"),
        Binding("escape", "clear", "Clear the filter, hide the lines to paste", show=False),
    ]

    @dataclass
    class TodayRead(Message):
        """A thread has read the sums."""

        today: Today
        baseline: Baseline | None
        replayed: int
        tested: int
        budgets: list[Budget]

    COPIES = (Answer("l", "lines to paste for Claude Code"),)

    def __init__(self, house: House, demo: bool = False, play: Programme | None = None) -> None:
        super().__init__()
        self.house, self.demo, self.play = house, demo, play
        self._over = False
        self.header, self.footer = Header(house, demo), Footer(house)
        self.now, self.today, self.welcome = Now(house.engine.feed.board), TodayPanel(), Welcome()
        if house.viewing:
            self.now.nothing = (
                "nothing runs here: the proxy records into another database"
                if house.is_apart
                else "what runs is seen in the ccr-tui that runs the proxy"
            )
        self.box = RequestsBox(house)
        self.table, self.filter = self.box.table, self.box.bar.line
        self._open = False
        self._stale = self._today_stale = False
        self._read_at = self._today_at = 0.0
        self._day = date.today()
        self._shell = environment.shell_of(os.environ)
        self._welcome_wanted: bool | None = None
        self._known = (False, False)
        """Whether the list was read, and whether it has anything."""
        self._ran = 0
        """The most requests that ran at once since none did."""
        self._told = 0
        """Lines that today's figures take."""
        self._made: tuple[int | None, bool] = (None, False)
        """Lines of the boxes at the top, where the usual ones are too few; and whether one stands below the other."""
        self._greeted: Config | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        with Container(id="top"):
            yield self.now
            yield self.today
        yield self.welcome
        yield self.box
        yield self.footer

    async def on_show(self) -> None:
        """Let the loop run between finding all styles and drawing: together they hold it for 40 ms."""
        await asyncio.sleep(0)

    def on_mount(self) -> None:
        """Start the tick; nothing can be read before the house has started."""
        self.welcome.display = False
        self.table.focus()
        self.set_interval(0.1, self._tick)

    def open_up(self) -> None:
        """The house has started: read the store."""
        self._open = True
        self.box.read()
        self._today_stale = True
        self._greet()

    def store_changed(self) -> None:
        """The store has more; the next tick reads it."""
        self._stale = self._today_stale = True

    def _tick(self) -> None:
        if self.play is not None and self.play.is_over != self._over:
            self._ended(self.play.is_over)
        self.header.look()
        self._make_room()
        self.now.look()
        self.footer.look()
        if self._open and self.house.engine.config is not self._greeted:
            self._greet()
            self._today_stale = True
        if (day := date.today()) != self._day:
            self._day, self._today_stale = day, True
        now = time.monotonic()
        if self._stale and self._open and now - self._read_at >= READ_S:
            self._stale, self._read_at = False, now
            self.table.newer()
        if self._today_stale and self._open and now - self._today_at >= TODAY_S:
            self._today_stale, self._today_at = False, now
            self._read_today()

    def _make_room(self) -> None:
        """The box of what runs is as high as the most that ran at once since it was empty, and today's as what it has
        to say, as long as the list keeps most of the screen: so they seldom move what is below them."""
        running, narrow = len(self.house.engine.feed.board), self.has_class("-narrow")
        self._ran = max(self._ran, running) if running else 0
        most = self.size.height // (5 if narrow else 3)
        told = 0 if narrow else min(self.today.wanted, most)
        if told != self._told:
            self._told = told
            self.today.styles.height = told + FRAME if told > self._usual(narrow) else None
        lines = max(min(self._ran, most), told)
        fits = lines <= self._usual(narrow) or self.has_class("-short") or self.has_class("-tiny")
        wanted = None if fits else lines + FRAME
        if (wanted, narrow) != self._made:
            self._made = wanted, narrow
            self.now.styles.height = wanted if narrow else None
            self.query_one("#top").styles.height = wanted + 1 if wanted and narrow else wanted

    def _usual(self, narrow: bool) -> int:
        """Lines of that box by the style sheet."""
        high, tall = self.has_class("-high"), self.has_class("-tall")
        return (4 if high or tall else 2) if narrow else 6 if tall else 5

    @work(thread=True, exclusive=True, group="today")
    def _read_today(self) -> None:
        reader, config = self.house.reader, self.house.engine.config
        try:
            today, midnight = reader.today(), datetime.combine(date.today(), datetime.min.time()).timestamp()
            replayed, budgets = reader.replayed(midnight).cost, spending.budgets(reader, config.guards, time.time())
            tested = reader.paid(midnight).cost
            if self.today.today is None:  # the large table of prices takes a while
                self.post_message(self.TodayRead(today, None, replayed, tested, budgets))
            compared = baseline.chosen(config, reader.asked(), time.time())
            if get_current_worker().is_cancelled:  # a later one has read more meanwhile
                return
            self.post_message(self.TodayRead(today, compared, replayed, tested, budgets))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(TodayRead)
    def _show_today(self, read: TodayRead) -> None:
        self.today.put(read.today, read.baseline, read.replayed, read.budgets, read.tested)

    # -- the demo's end

    def _ended(self, is_over: bool) -> None:
        """Say so where requests would run, and offer to begin again."""
        self._over = is_over
        self.now.nothing = OVER if is_over else NOTHING
        self.refresh_bindings()
        if is_over and not self.is_current:
            self.app.notify(f"{OVER} (on 1, Live).", timeout=8, markup=False)

    def action_again(self) -> None:
        """The demo once more."""
        if self.play is not None:
            self.play.again()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is begun again before it is over."""
        return self._over if action == "again" else True

    # -- the first run

    def _greet(self) -> None:
        """Say what to paste while nothing has come or nothing is configured, unless it was hidden."""
        config = self._greeted = self.house.engine.config
        unset = is_demo(config) and not self.demo
        wanted = self._welcome_wanted
        empty = self.table.loaded and self.table.total == 0
        self.welcome.display = (empty or unset) and not self.demo if wanted is None else wanted
        self.set_class(self.welcome.display, "-greets")
        self.welcome.put(environment.begin(config, self.house.engine.address, self._shell), unset)

    def action_paste_lines(self) -> None:
        """Show or hide the lines to paste."""
        self._welcome_wanted = not self.welcome.display
        self._greet()

    # -- the table

    @on(Table.Changed)
    def _any_yet(self) -> None:
        known = (self.table.loaded, self.table.total > 0)
        if self._open and not self.box.bar.line.value and known != self._known:
            self._known = known
            self._greet()

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.demo)

    def action_clear(self) -> None:
        """Clear the filter first, then hide the lines to paste."""
        if self.box.bar.display:
            self.box.bar.close(clear=True)
        elif self.welcome.display:
            self._welcome_wanted = False
            self._greet()

    # -- copying

    def action_copy(self) -> None:
        """Copy the chosen request, or the lines to paste."""
        if self.box.row is None:
            self._copy_lines()
        else:
            super().action_copy()

    def copied(self, kind: str | None, row: TraceRow) -> None:
        """One of the ways to copy was chosen."""
        if kind == "l":
            self._copy_lines()
        else:
            super().copied(kind, row)

    def _copy_lines(self) -> None:
        engine = self.house.engine
        lines = environment.plain(engine.config, engine.address, self._shell)
        copies.to_clipboard(self.app, lines, "lines to paste")
