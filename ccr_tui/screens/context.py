"""The context of a session over time: a column for each request, and the request that blew it up one key away.

Owns which conversation is shown and which request is chosen. Must never read the store on the event loop. The one
surprise: the cursor starts on the request that grew most (or on the one that the screen was opened from), since that is
what one comes here to find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.geometry import Size
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from ccr_tui import growth
from ccr_tui.errors import StoreError
from ccr_tui.growth import GROUPS, Growth, Point
from ccr_tui.screens import costs, show
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.columns import INKS, Graph, Legend
from ccr_tui.screens.house import House
from ccr_tui.screens.ink import Inked
from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import TraceRow

BARS, FRAME = 3, 3
"""Lines of the head, the legend and the footer; of the table's frame and headings."""


class Turns(Scrolled):
    """The requests, one a line, each with its stack lying."""

    HEADINGS = 1

    @dataclass
    class Moved(Message):
        """The cursor is on another request."""

        index: int

    def __init__(self) -> None:
        super().__init__(id="turns")
        self.points: Sequence[Point] = ()
        self.top = 1

    @property
    def total(self) -> int:
        """How many requests there are."""
        return len(self.points)

    def put(self, points: Sequence[Point], chosen: int) -> None:
        """Show these, the cursor on one of them."""
        self.points, self.top = points, max((point.total for point in points), default=1) or 1
        self.virtual_size = Size(self.scrollable_content_region.width, len(points) + self.HEADINGS)
        self.cursor = chosen
        self.show_at(chosen - self.height // 2)
        self.refresh()

    def moved(self) -> None:
        """Tell the graph."""
        self.post_message(self.Moved(self.cursor))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there."""
        row = self.scroll_offset.y + event.get_content_offset_capture(self).y - self.HEADINGS
        if 0 <= row < self.total:
            self.go(row)

    def render_line(self, y: int) -> Strip:
        """The heading, or one request."""
        width = self.size.width
        if y == 0:
            head = f"{'time':9}{'request':12}{'model':18}{'prompt':>8}{'grown':>9}{'cached':>8}{'cost':>10}"
            return self.strip([(head, "muted")], width)
        index = self.scroll_offset.y + y - self.HEADINGS
        if not 0 <= index < len(self.points):
            return self.strip([("reading…" if y == 1 and not self.points else "", "muted")], width)
        return self.strip(self._pieces(self.points[index], width), width, self.cursor_ink(index))

    def _pieces(self, point: Point, width: int) -> list[tuple[str, str]]:
        row = point.row
        big = point.grown is not None and point.grown * 4 > self.top
        grown = show.signed(point.grown)
        cost, cost_ink = costs.of_row(row)
        ink = "bad" if big else "warn" if point.drop else "muted"
        pieces = [
            (f"{show.moment(row.started_at)[11:]:9}", "muted"),
            (show.fit(point.drop or row.kind, 11) + " ", "warn" if point.drop else "muted"),
            (show.fit(show.model(row.model), 17) + " ", ""),
            (f"{'' if point.reported else '~'}{show.tokens(point.total)}".rjust(8), "strong"),
            (f"{grown:>9}", ink),
            (f"{'–' if row.usage_basis is None else show.percent(row.cache_read_tokens, point.total):>8}", ""),
            (f"{cost:>10}", cost_ink),
            ("  ", ""),
        ]
        room = width - 78
        return pieces + (self._stack(point, room) if room >= 10 else [])

    def _stack(self, point: Point, room: int) -> list[tuple[str, str]]:
        """The same as the column, lying."""
        done, at, pieces = 0, 0, list[tuple[str, str]]()
        for group in GROUPS:
            done += point.tokens[group]
            end = round(done / self.top * room)
            pieces.append(("█" * (end - at), INKS[group][1]))
            at = end
        return pieces


class Head(Inked):
    """Whose context it is."""

    def __init__(self) -> None:
        super().__init__(id="context-head")
        self.words = ""

    def render_line(self, y: int) -> Strip:
        """The one line."""
        return self.strip([(" Context ", "chip"), (f" {self.words}", "muted")], self.size.width)


class ContextScreen(Screen[None]):
    """A graph over a table."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
    BINDINGS = [
        Binding("enter", "open", "Open", key_display="⏎", tooltip="Open the request"),
        Binding("x", "jump", "Biggest growth", tooltip="To the request that grew most, then the next"),
        Binding("a", "agent", "Agent", tooltip="The main conversation, or the next subagent's"),
        Binding("left", "step(-1)", "Earlier", show=False),
        Binding("right", "step(1)", "Later", show=False),
        Binding("escape,backspace", "back", "Back", key_display="esc"),
    ]

    @dataclass
    class Read(Message):
        """A thread has weighed the session."""

        growth: Growth
        words: str

    @dataclass
    class Opened(Message):
        """A request is to be opened; `step` gives its neighbours."""

        row: TraceRow
        step: Callable[[int], TraceRow | None]

    @dataclass
    class Missing(Message):
        """The session could not be read; why."""

        why: str

    def __init__(self, house: House, session: str, at: str | None = None) -> None:
        """`session` is its id; `at` a request's id that the cursor starts on."""
        super().__init__()
        self.house, self.session, self.at = house, session, at
        self.head, self.graph, self.legend, self.turns = Head(), Graph(), Legend(), Turns()
        self.footer = Footer(house)
        self.growth = Growth((), 0)
        self.agents: list[str | None] = [None]
        self.shown = 0
        """Which conversation."""
        self._jumped: int | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.head
        yield self.graph
        yield self.legend
        yield self.turns
        yield self.footer

    def on_mount(self) -> None:
        """Read the session."""
        self.turns.focus()
        self.set_interval(0.5, self.footer.look)
        self._read()

    @work(thread=True, exclusive=True, group="context")
    def _read(self) -> None:
        try:
            reader = self.house.reader
            row = reader.session(self.session)
            found = growth.of_session(reader, row.id, self.house.counter)
        except StoreError as error:
            self.post_message(self.Missing(str(error)))
            return
        self.post_message(self.Read(found, f"session {row.id[:13]} · {row.project or 'no project'}"))

    @on(Missing)
    def _say(self, missing: Missing) -> None:
        self.app.notify(missing.why, severity="error", markup=False)
        self.dismiss()

    @on(Read)
    def _show(self, read: Read) -> None:
        self.growth = read.growth
        self.head.words = show.harmless(read.words)
        self.head.refresh()
        self.agents = read.growth.conversations() or [None]
        opened = next((p.row.agent_id for p in read.growth.points if p.row.id == self.at), self.agents[0])
        self.shown = self.agents.index(opened)
        self._put()

    def _put(self) -> None:
        """Show the chosen conversation."""
        agent = self.agents[self.shown]
        points = self.growth.of(agent)
        start = next((n for n, point in enumerate(points) if point.row.id == self.at), None)
        first = next(iter(growth.blown(points)), max(0, len(points) - 1))
        chosen = first if start is None else start
        self._jumped = first if start is None and growth.blown(points) else None
        self.graph.put(points, chosen)
        self.turns.put(points, chosen)
        self._fit()
        who = "main conversation" if agent is None else f"subagent {show.harmless(agent)[:13]}"
        more = f" · {self.shown + 1} of {len(self.agents)} conversations" if len(self.agents) > 1 else ""
        aside = f" · {self.growth.aside} requests aside" if self.growth.aside else ""
        self.graph.border_title = escape(f"Context by request · {who}{more}")
        counted = sum(not point.reported for point in points)
        some = "all" if counted == len(points) else f"{counted}"
        told = f"~ {some} counted, not reported · " if counted else ""
        self.graph.border_subtitle = f"{told}⇣ the context fell"
        self.turns.border_title = escape(f"Requests · {len(points)}{aside}")
        self._chosen(chosen)
        self.refresh_bindings()

    def _fit(self) -> None:
        """The graph takes what the table leaves, but never most of a high screen."""
        room = self.size.height - BARS
        left = min(room - len(self.turns.points) - FRAME, room * 2 // 3)
        self.graph.styles.height = max(1, left)

    def on_resize(self) -> None:
        """Another size has other room."""
        self._fit()

    @on(Turns.Moved)
    def _moved(self, moved: Turns.Moved) -> None:
        self._chosen(moved.index)

    @on(Graph.Picked)
    def _picked(self, picked: Graph.Picked) -> None:
        self.turns.go(picked.index, centre=True)

    def _chosen(self, index: int) -> None:
        self.graph.choose(index)
        points = self.turns.points
        self.legend.point = points[index] if index < len(points) else None
        self.legend.refresh()
        self.turns.border_subtitle = f"{index + 1}/{len(points)}" if points else ""

    # -- keys

    def action_open(self) -> None:
        """Open the request; the app knows how."""
        if self.turns.points:
            self.post_message(self.Opened(self.turns.points[self.turns.cursor].row, self._beside))

    def _beside(self, by: int) -> TraceRow | None:
        """The request before (1) or after (-1) the chosen one, for the trace's own keys."""
        index = self.turns.cursor - by
        if not 0 <= index < len(self.turns.points):
            return None
        self.turns.go(index)
        return self.turns.points[index].row

    def action_jump(self) -> None:
        """To the request that grew most; from there to the next."""
        order = growth.blown(self.turns.points)
        if order:
            here = order.index(self._jumped) + 1 if self._jumped == self.turns.cursor else 0
            self._jumped = order[here % len(order)]
            self.turns.go(self._jumped, centre=True)

    def action_agent(self) -> None:
        """The next conversation."""
        self.shown = (self.shown + 1) % len(self.agents)
        self._put()

    def action_step(self, by: int) -> None:
        """To the request beside it."""
        self.turns.go(self.turns.cursor + by)

    def action_back(self) -> None:
        """Where one came from."""
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        return action != "agent" or len(self.agents) > 1
