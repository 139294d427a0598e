"""Projects, sessions, turns, requests: what each cost, and where it went.

Owns when the tree is read and what its keys do. Must never read the store or a price on the event loop. The one
surprise: the outline (which sessions there are) is read at once and whole, all else when it comes into view; a commit
only marks what it changed, and a tick twice a second reads that again while the screen is shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import get_current_worker

from ccr_tui import baseline
from ccr_tui.baseline import Baseline
from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.screens import baselines, copies, costs, export, show
from ccr_tui.screens.bars import Footer, Header
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.export import ExportScreen
from ccr_tui.screens.flip import flip
from ccr_tui.screens.glimpse import Glimpse
from ccr_tui.screens.house import House
from ccr_tui.screens.listed import RequestsScreen
from ccr_tui.screens.pages import Place
from ccr_tui.screens.replay_head import ReplayOf
from ccr_tui.screens.table import Table
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.tree import SessionTree
from ccr_tui.slim import dataclass
from ccr_tui.store import pins
from ccr_tui.store.amounts import Sums
from ccr_tui.store.browsing import Project, Turn
from ccr_tui.store.queries import Filter, SessionRow, SpendRow, TraceRow

LOOK_S = 0.5
NONE = "  no session yet; i imports what Claude Code has done before, from its own transcripts"
"""What the tree says when it is empty."""
SUMS_S = 5.0
"""The shortest time between two readings of all projects' sums."""


class SessionsScreen(Screen[None]):
    """Header, the tree, what is chosen in it where there is room, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-normal"), (160, "-wide")]
    AUTO_FOCUS = ""
    """Or the hidden line of the filter would take the first keys."""
    BINDINGS = [
        Binding("m", "mode", "Mode", show=False, tooltip="Normal mode or Router mode"),
        Binding("1", "app.show('live')", "Live", tooltip="What happens now"),
        Binding("3", "app.show('spend')", "Spend", tooltip="Where the money goes"),
        Binding("4", "app.show('models')", "Models", tooltip="Providers, models and agents"),
        Binding("5", "app.show('replay')", "Replay", tooltip="What a session would have cost with other models"),
        Binding("slash", "filter", "Find", key_display="/", tooltip="Find sessions by title, project or id"),
        Binding("b", "baseline", "Baseline", tooltip="The model that everything is compared with; kept"),
        Binding("i", "app.import", "Import", tooltip="Take in Claude Code's own transcripts, or a file"),
        Binding("p", "pin", "Pin", tooltip="Keep the session from being pruned, or no longer"),
        Binding("r", "replay", "Replay", tooltip="Replay the session, or the request, with other models"),
        Binding("c", "context", "Context", tooltip="The session's context over time"),
        Binding("e", "export", "Export", tooltip="Write the session or the request into a file"),
        Binding("y", "copy", "Copy id", show=False, tooltip="Copy the session's id"),
        Binding("R", "again", "Read again", show=False),
        Binding("escape", "clear", "Show all", show=False),
    ]

    @dataclass
    class Read(Message):
        """A thread has read the outline."""

        projects: list[Project]
        newest: int
        place: Place

    @dataclass
    class Summed(Message):
        """A thread has added up the projects, and knows the baseline."""

        spent: list[SpendRow]
        baseline: Baseline | None
        outside: Sums
        """What stands in no session."""

    @dataclass
    class Rows(Message):
        """A thread has read sessions."""

        rows: dict[int, SessionRow]

    @dataclass
    class Turns(Message):
        """A thread has read the turns of a session."""

        session: int
        turns: list[Turn]

    @dataclass
    class Changed(Message):
        """A thread knows which sessions have changed."""

        sessions: set[int]
        newest: int
        projects: list[Project]

    def __init__(self, house: House, demo: bool = False) -> None:
        super().__init__()
        self.house = house
        self.header, self.footer = Header(house, demo), Footer(house)
        self.tree_ = SessionTree(id="tree")
        self.glimpse = Glimpse(self.tree_)
        self.line = Input(id="find", placeholder="words of a title, a project or an id; ⏎ done, esc shows all")
        self.held: Baseline | None = None
        """A baseline that could not be kept in a file."""
        self._newest = 0
        self._place: Place = None
        self._stale = False
        self._summed_at = 0.0
        self._is_unsummed = False
        """Whether requests have come since all projects' sums were read."""
        self._of: Config | None = None
        self.outside = Sums()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        with Horizontal():
            with Vertical(id="sessions"):
                yield self.line
                yield self.tree_
            yield self.glimpse
        yield self.footer

    def on_mount(self) -> None:
        """Read the outline, then look whether there is more."""
        self.line.display = False
        self.tree_.empty = "  …"
        self.tree_.focus()
        self.set_interval(LOOK_S, self._look)
        self.action_again()

    def store_changed(self) -> None:
        """The store has more; the next tick reads it."""
        self._stale = True

    def read_again(self) -> None:
        """The store has more that no commit told of, if it has been read at all."""
        if self.is_mounted and self._newest:
            self.action_again()

    def _look(self) -> None:
        if not self.is_current:
            return
        self.header.look()
        self.footer.look()
        flights = self.house.engine.feed.board.values()
        running = frozenset(flight.session for flight in flights if flight.session)
        if running != self.tree_.seen.running:
            self.tree_.seen.running = running
            self.tree_.redraw()
        if self._stale and self._newest:
            self._stale = False
            self._read_changes(self._newest, self._place, self.line.value.strip())
        due = self._is_unsummed and time.monotonic() - self._summed_at > SUMS_S
        if due or self.house.engine.config is not self._of:
            self._sum_up()

    # -- reading

    def action_again(self) -> None:
        """Read everything again."""
        self._read(self.line.value.strip())
        self._sum_up()

    @work(thread=True, exclusive=True, group="outline")
    def _read(self, words: str) -> None:
        try:
            place, newest = self.house.reader.place(), self.house.reader.last_n()
            outline = self.house.reader.outline(words)
            if not get_current_worker().is_cancelled:
                self.post_message(self.Read(outline, newest, place))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(Read)
    def _show(self, read: Read) -> None:
        self._newest, self._place = max(1, read.newest), read.place
        self.tree_.empty = "  nothing matches" if self.line.value.strip() else NONE
        self.tree_.is_narrowed = bool(self.line.value.strip())
        self.tree_.put(read.projects)

    def _sum_up(self) -> None:
        self._of, self._summed_at, self._is_unsummed = self.house.engine.config, time.monotonic(), False
        self._read_sums(self._of)

    @work(thread=True, exclusive=True, group="sums", description="sums")
    def _read_sums(self, config: Config) -> None:
        try:
            found = self.held or baseline.chosen(config, self.house.reader.asked(), time.time())
            reader = self.house.reader
            summed = self.Summed(reader.spend("project"), found, reader.sessionless())
            if not get_current_worker().is_cancelled:  # else a later one has read more meanwhile
                self.post_message(summed)
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(Summed)
    def _show_sums(self, summed: Summed) -> None:
        self.tree_.spent = {row.key: row for row in summed.spent}
        self.tree_.seen.baseline, self.outside = summed.baseline, summed.outside
        self.tree_.redraw()
        self._caption()

    @on(SessionTree.Wanted)
    def _fetch(self, wanted: SessionTree.Wanted) -> None:
        if wanted.sessions:
            self._read_rows(wanted.sessions)
        if wanted.turns is not None:
            self._read_turns(wanted.turns)

    @work(thread=True, group="rows")
    def _read_rows(self, sessions: Sequence[int]) -> None:
        try:
            self.post_message(self.Rows(self.house.reader.session_rows(sessions)))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(Rows)
    def _show_rows(self, read: Rows) -> None:
        self.tree_.put_rows(read.rows)
        self.glimpse.look()

    @work(thread=True, group="turns")
    def _read_turns(self, session: int) -> None:
        try:
            self.post_message(self.Turns(session, self.house.reader.turns(session)))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    @on(Turns)
    def _show_turns(self, read: Turns) -> None:
        self.tree_.put_turns(read.session, read.turns)

    @work(thread=True, exclusive=True, group="changes")
    def _read_changes(self, newest: int, place: Place, words: str) -> None:
        reader = self.house.reader
        try:
            sessions, last = reader.sessions_after(newest)
            projects = reader.outline(words) if sessions else []
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))
            return
        found = reader.place()
        self.post_message(self.Changed(sessions, last, projects) if found == place else Table.Replaced(place, found))

    @on(Table.Replaced)
    def _begin_anew(self) -> None:
        self.tree_.clear()
        self.action_again()

    @on(Changed)
    def _take_changes(self, changed: Changed) -> None:
        self._newest = max(self._newest, changed.newest)
        if not changed.sessions:
            return
        for session in self.tree_.stale(changed.sessions):
            self._read_turns(session)
        self.tree_.put(changed.projects)
        self._is_unsummed = True

    @on(Table.Trouble)
    def _say(self, trouble: Table.Trouble) -> None:
        self.app.notify(trouble.why, severity="error", markup=False)

    # -- what the keys do

    @on(SessionTree.Moved)
    def _caption(self) -> None:
        box = self.query_one("#sessions")
        count = sum(len(project.sessions) for project in self.tree_.projects)
        words = self.line.value.strip()
        title = f"Sessions · {count:,}{' found' if words else self._outside()}" if self._newest else "Sessions"
        base = self.tree_.seen.baseline
        hint = escape(f"/ {words}") if words else "/ find · → unfold · ⏎ requests"
        told = f"at {show.model(base.name)}: one model for all · {hint}" if base else hint
        if (title, told) != (box.border_title, box.border_subtitle):
            box.border_title, box.border_subtitle = title, told
        self.glimpse.look()

    def _outside(self) -> str:
        """What no line of the tree has, so that its sums are found to be Spend's."""
        some = self.outside.requests
        cost, _ = costs.of_sums(self.outside)
        return f" · and {some:,} request{'s' * (some != 1)} without one, {cost}" if some else ""

    @on(SessionTree.Entered)
    def _enter(self, entered: SessionTree.Entered) -> None:
        node = entered.node
        kind, number, _ = node.key
        if kind == "request" and (row := self.tree_.request(node)):
            self.app.push_screen(TraceScreen(self.house, row, self._step))
        elif kind == "session" and (session := self.tree_.rows.get(number)):
            what = show.fit(show.harmless(session.title or session.id), 60).rstrip()
            self.app.push_screen(RequestsScreen(self.house, Filter(session=session.id), what))
        elif not node.leaf:
            self.tree_.toggle(node)

    def _step(self, by: int) -> TraceRow | None:
        """The request below or above in the tree, for the trace that was opened from it."""
        node = self.tree_.node
        row = self.tree_.request(node) if node and node.leaf else None
        shown = self.tree_.requests()
        at = next((i for i, one in enumerate(shown) if row and one.n == row.n), None)
        if at is None or not 0 <= at + by < len(shown):
            return None
        self.tree_.go_to(shown[at + by].n)
        return shown[at + by]

    @property
    def session(self) -> SessionRow | None:
        """The session that the cursor is in."""
        node = self.tree_.node
        return self.tree_.rows.get(node.key[1]) if node and node.key[0] != "project" else None

    def action_context(self) -> None:
        """The session's context over time."""
        if session := self.session:
            self.app.push_screen(ContextScreen(self.house, session.id))

    def action_replay(self) -> None:
        """What it would have cost with other models."""
        node = self.tree_.node
        row = self.tree_.request(node) if node and node.key[0] == "request" else None
        session = self.session
        if row is not None or session is not None:
            self.post_message(ReplayOf(row.id if row else session.id if session else ""))

    def action_export(self) -> None:
        """Write the session, or the request that the cursor is on, into a file."""
        node = self.tree_.node
        row = self.tree_.request(node) if node and node.key[0] == "request" else None
        if row is not None:
            self.app.push_screen(ExportScreen(self.house, export.of_request(row)))
        elif session := self.session:
            self.app.push_screen(ExportScreen(self.house, [export.of_session(session.id)]))

    def action_baseline(self) -> None:
        """Choose the model that everything is compared with."""
        asked = baselines.ask(self.house.engine.config, self.tree_.seen.baseline)

        def chosen(names: list[str] | None) -> None:
            if names:
                self._compare(names[0])

        self.app.push_screen(asked, chosen)

    @work
    async def _compare(self, name: str) -> None:
        self.held = await baselines.keep(self.app, self.house, name) or self.held
        self._sum_up()

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.header.demo)

    def action_pin(self) -> None:
        """Keep the session from being pruned, or no longer."""
        node = self.tree_.node
        if node and (session := self.session):
            self._pin(node.key[1], session)

    @work(thread=True, group="pin")
    def _pin(self, number: int, session: SessionRow) -> None:
        try:
            pins.pin(self.house.reader.path, session.id, not session.pinned)
            self.post_message(self.Rows(self.house.reader.session_rows([number])))
        except StoreError as error:
            self.post_message(Table.Trouble(str(error)))

    def action_copy(self) -> None:
        """Copy the session's id."""
        if session := self.session:
            copies.to_clipboard(self.app, session.id, "the session's id")

    def action_filter(self) -> None:
        """Type words to find sessions by."""
        self.line.display = True
        self.line.focus()

    @on(Input.Changed, "#find")
    def _typed(self) -> None:
        self._read(self.line.value.strip())

    @on(Input.Submitted, "#find")
    def _entered(self) -> None:
        self.line.display = bool(self.line.value.strip())
        self.tree_.focus()

    def action_clear(self) -> None:
        """All sessions again."""
        if self.line.display or self.line.value:
            self.line.value = ""
            self.line.display = False
            self.tree_.focus()
