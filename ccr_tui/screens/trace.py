"""One request, from every side.

Owns the tabs, which text has the focus, and the search in it. Must never build a document on the event loop. The one
surprise: all viewers are told at once what to show, but each one builds it only when it gets a width, that is, when its
tab is first opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.markup import escape
from textual.message import Message
from textual.widgets import ContentSwitcher, Input

from ccr_tui import baseline
from ccr_tui.config import Provider
from ccr_tui.errors import StoreError
from ccr_tui.inspection import Inspection
from ccr_tui.records import Trace
from ccr_tui.screens import bodies, copies, export, show
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.cached import cache_document
from ccr_tui.screens.changes import compared
from ccr_tui.screens.comparing import comparable
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.conversation import conversation_document
from ccr_tui.screens.export import ExportScreen
from ccr_tui.screens.heads import TABS, Headline, Tabs
from ccr_tui.screens.house import House
from ccr_tui.screens.levels import CATEGORIES, PRESETS, USUAL, LevelsLine, next_level, next_preset
from ccr_tui.screens.lines import Document
from ccr_tui.screens.marking import Marking
from ccr_tui.screens.overview import overview_document
from ccr_tui.screens.replay_head import ReplayOf
from ccr_tui.screens.route import route_document
from ccr_tui.screens.stream import stream_document
from ccr_tui.screens.thrift import Judged
from ccr_tui.screens.viewer import Build, Viewer
from ccr_tui.screens.weights import tokens_document
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import TraceRow

Step = Callable[[int], TraceRow | None]
"""Moves to a neighbour in the list that the trace was opened from."""


def told(build: Build) -> Build:
    """The same, but what the store says that it can't read is a page too."""

    def built(width: int) -> Document:
        try:
            return build(width)
        except StoreError as error:
            page = Document()
            page.put(("✗ ", "bad"), show.harmless(str(error)), hang=2)
            return page

    return built


class TraceScreen(Marking):
    """Tabs over viewers."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal")]
    BINDINGS = [
        Binding("escape,backspace", "back", "Back", key_display="esc"),
        *(Binding(str(n), f"tab({n})", title, show=False) for n, (_, title) in enumerate(TABS, 1)),
        Binding("right_square_bracket", "turn(1)", "Next tab", show=False, key_display="]"),
        Binding("left_square_bracket", "turn(-1)", "Previous tab", show=False, key_display="["),
        Binding(
            "v", "levels", "Levels", tooltip="Conversation: number keys show less or more of a category, 0 as usual"
        ),
        Binding("p", "preset", "Preset", tooltip=f"Conversation: {', '.join(PRESETS)}: the next of these levels"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("n", "hit(1)", "Next hit", show=False),
        Binding("N", "hit(-1)", "Previous hit", show=False),
        Binding("0", "usual", "As usual", show=False),
        Binding("tab", "other_side", "Side", tooltip="To the other side: received or sent"),
        Binding("J", "step(1)", "Older request", show=False),
        Binding("K", "step(-1)", "Newer request", show=False),
        Binding("r", "replay", "Replay", tooltip="Replay the request with another model"),
        Binding("y", "copy", "Copy"),
        Binding("e", "export", "Export", tooltip="Write the request or its session into a file"),
        Binding("c", "context", "Context", tooltip="The context of its session over time"),
        Binding("d", "compare", "Compare", tooltip="Compare with another request, or with what was sent on"),
    ]

    @dataclass
    class Loaded(Message):
        """A thread has read the trace."""

        trace: Trace
        row: TraceRow

    @dataclass
    class Weighed(Message):
        """A thread has compared the trace with what came before it."""

        trace: Trace
        judged: Judged

    @dataclass
    class Missing(Message):
        """The trace could not be read; why."""

        why: str

    @dataclass
    class Comparable(Message):
        """A thread has found what this request can be compared with."""

        others: list[tuple[Answer, str]]

    @dataclass
    class Other(Message):
        """A thread has found another request that is to be opened."""

        row: TraceRow

    @dataclass
    class Copied(Message):
        """A thread has made the text for the clipboard."""

        text: str
        what: str

    def __init__(self, house: House, row: TraceRow, step: Step) -> None:
        super().__init__()
        self.house, self.row, self.step = house, row, step
        self.trace: Trace | None = None
        self.remarked: list[TraceRow] = []
        """Requests that were marked here."""
        self.headline, self.tabs, self.footer = Headline(row), Tabs(), Footer(house)
        self.viewers = {
            "overview": Viewer(id="overview", fluid=True, still=True),
            "conversation": Viewer(id="conversation"),
            "received": Viewer(id="received"),
            "sent": Viewer(id="sent", empty="nothing was sent"),
            "route": Viewer(id="route"),
            "stream": Viewer(id="stream", fluid=True),
            "tokens": Viewer(id="tokens", fluid=True),
            "cache": Viewer(id="cache", fluid=True),
            "diff": Viewer(id="diff", empty="nothing to compare with"),
        }
        self.titles = {name: title for name, title in TABS if name != "bodies"}
        self.levels = LevelsLine()
        self.search = Input(id="search", placeholder="search; ⏎ finds, n and N go on, esc ends it")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.headline
        yield self.tabs
        yield self.levels
        with ContentSwitcher(initial="overview"):
            yield self.viewers["overview"]
            yield self.viewers["conversation"]
            with Container(id="bodies"):
                yield self.viewers["received"]
                yield self.viewers["sent"]
            for name in ("route", "stream", "tokens", "cache", "diff"):
                yield self.viewers[name]
        yield self.search
        yield self.footer

    def on_mount(self) -> None:
        """Read the trace."""
        self.search.display = self.levels.display = False
        self.set_interval(0.5, self.footer.look)
        self.viewers["overview"].focus()
        self._load(self.row)

    @work(thread=True, exclusive=True, group="load")
    def _load(self, row: TraceRow) -> None:
        try:
            self.post_message(self.Loaded(self.house.reader.trace(row.id), row))
        except StoreError as error:
            self.post_message(self.Missing(str(error)))

    @on(Missing)
    def _say(self, missing: Missing) -> None:
        self.app.notify(missing.why, severity="error", markup=False)
        self.dismiss()

    @on(Loaded)
    def _show(self, loaded: Loaded) -> None:
        if loaded.row is not self.row:
            return
        trace = self.trace = loaded.trace
        self.headline.row = self.row
        self.headline.refresh()
        self.titles |= {"received": bodies.received_title(trace), "sent": bodies.sent_title(trace)}
        show_ = self.viewers
        show_["overview"].load(partial(overview_document, trace))
        self._weigh(trace, found := Inspection(trace, self.house.reader, self.house.counter, self._providers))
        self._converse()
        show_["received"].load(lambda _: bodies.received_document(trace))
        show_["sent"].load(lambda _: bodies.sent_document(trace))
        show_["route"].load(lambda width: route_document(trace, width))
        show_["stream"].load(lambda width: stream_document(trace, width))
        show_["tokens"].load(told(lambda width: tokens_document(trace, found.xray, width)))
        show_["cache"].load(told(lambda width: cache_document(found.verdict, width, found.lately)))
        self.found = found
        self._compare(None)
        for viewer in show_.values():
            self._caption(viewer)

    @property
    def _providers(self) -> Mapping[str, Provider]:
        return self.house.engine.config.providers

    @work(thread=True, exclusive=True, group="weigh")
    def _weigh(self, trace: Trace, found: Inspection) -> None:
        try:
            base = baseline.chosen(self.house.engine.config, self.house.reader.asked(), time.time())
            self.post_message(self.Weighed(trace, Judged(found.verdict, base)))
        except StoreError:
            return  # the Cache tab says what is wrong

    @on(Weighed)
    def _show_weighed(self, weighed: Weighed) -> None:
        overview = self.viewers["overview"]
        if weighed.trace is self.trace and not overview.words:
            overview.load(partial(overview_document, weighed.trace, judged=weighed.judged))

    @on(Viewer.Moved)
    def _moved(self, moved: Viewer.Moved) -> None:
        self._caption(moved.viewer)

    def _caption(self, viewer: Viewer) -> None:
        captions = escape(self.titles.get(viewer.id or "", "")), escape(viewer.place)
        if captions != (viewer.border_title, viewer.border_subtitle):
            viewer.border_title, viewer.border_subtitle = captions

    @on(Viewer.Followed)
    def _follow(self, followed: Viewer.Followed) -> None:
        """To what a line leads to: a place in a body, or another request."""
        kind, where = followed.link
        if kind == "trace":
            self._open_other(where)
        else:
            self.open_tab(next(n for n, (name, _) in enumerate(TABS, 1) if name == "bodies"))
            self.viewers[kind].focus()
            self.viewers[kind].reveal(where)

    @work(thread=True, exclusive=True, group="other")
    def _open_other(self, id: str) -> None:
        try:
            self.post_message(self.Other(self.house.reader.row(id)))
        except StoreError as error:
            self.post_message(self.Missing(str(error)))

    @on(Other)
    def _push_other(self, other: Other) -> None:
        self.app.push_screen(TraceScreen(self.house, other.row, lambda by: None))

    def action_context(self) -> None:
        """The context of its session over time."""
        if self.row.session is None:
            self.app.notify("This request belongs to no session.", timeout=3)
        else:
            self.app.push_screen(ContextScreen(self.house, self.row.session, self.row.id))

    # -- comparing

    def _compare(self, other: str | None) -> None:
        """Fill the Diff tab; with the request of this id, "sent" for what was sent on, None for the request before."""
        self.viewers["diff"].load(told(lambda width: compared(self.found, other, width)))

    def action_compare(self) -> None:
        """Choose what to compare with."""
        self._ask_what()

    @work(thread=True, exclusive=True, group="other")
    def _ask_what(self) -> None:
        try:
            self.post_message(self.Comparable(comparable(self.found)))
        except StoreError as error:
            self.post_message(self.Missing(str(error)))

    @on(Comparable)
    def _ask(self, comparable: Comparable) -> None:
        others = {answer.key: id for answer, id in comparable.others}

        def chosen(key: str | None) -> None:
            if key:
                self._compare(others[key])
                self.open_tab(next(n for n, (name, _) in enumerate(TABS, 1) if name == "diff"))

        self.app.push_screen(Ask("Compare this request with", [answer for answer, _ in comparable.others]), chosen)

    def chosen_row(self) -> TraceRow | None:
        """This request."""
        return self.row

    def show_marked(self, row: TraceRow) -> None:
        """In the headline, and on the list when it is gone back to."""
        self.remarked.append(row)
        if row.n == self.row.n:
            self.row = self.headline.row = row
            self.headline.refresh()

    # -- tabs

    @property
    def viewer(self) -> Viewer:
        """The viewer that keys act on."""
        focused = self.focused
        if isinstance(focused, Viewer):
            return focused
        tab = TABS[self.tabs.chosen - 1][0]
        return self.viewers["received" if tab == "bodies" else tab]

    @on(Tabs.Chosen)
    def _tab_chosen(self, chosen: Tabs.Chosen) -> None:
        self._close_levels()
        self.open_tab(chosen.number)

    def action_tab(self, number: int) -> None:
        """Open a tab by its number; while the levels are open, change the level of that number."""
        if not self.levels.open:
            self.open_tab(number)
        elif number <= len(CATEGORIES):
            self.levels.put(next_level(self.levels.levels, CATEGORIES[number - 1]), True)
            self._converse()

    def open_tab(self, number: int) -> None:
        """Open the tab with this number."""
        self.tabs.chosen = number
        self.tabs.refresh()
        name = TABS[number - 1][0]
        self.query_one(ContentSwitcher).current = name
        self.viewers["received" if name == "bodies" else name].focus()
        self.refresh_bindings()

    def action_turn(self, by: int) -> None:
        """To the tab beside this one."""
        self._close_levels()
        self.open_tab((self.tabs.chosen - 1 + by) % len(TABS) + 1)

    # -- levels

    def _converse(self) -> None:
        """Fill the Conversation tab."""
        if self.trace is not None:
            trace, levels = self.trace, self.levels.levels
            self.viewers["conversation"].load(lambda _: conversation_document(trace, levels))

    def _close_levels(self) -> None:
        self.levels.put(self.levels.levels, False)
        self.refresh_bindings()

    def action_levels(self) -> None:
        """Number keys change levels from here on, or open tabs again."""
        self.levels.put(self.levels.levels, not self.levels.open)
        self.refresh_bindings()

    def action_preset(self) -> None:
        """The next of the levels that have a name."""
        self.levels.put(next_preset(self.levels.levels), self.levels.open)
        self._converse()

    def action_usual(self) -> None:
        """Every category as it opens."""
        self.levels.put(USUAL, self.levels.open)
        self._converse()

    def action_other_side(self) -> None:
        """Between what was received and what was sent."""
        self.viewers["sent" if self.viewer.id == "received" else "received"].focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        tab = TABS[self.tabs.chosen - 1][0]
        if action == "other_side":
            return tab == "bodies"
        if action in ("levels", "preset"):
            return tab == "conversation"
        return action != "usual" or self.levels.open

    def action_step(self, by: int) -> None:
        """To the request below or above this one in the list."""
        row = self.step(by)
        if row is None:
            self.app.notify("No further request in the list.", timeout=2)
        else:
            self.row = row
            self._load(row)

    def action_back(self) -> None:
        """Close the levels, or end the search; where there is neither, go back to the list."""
        if self.levels.open:
            self._close_levels()
        elif self.search.display or self.viewer.words:
            self.search.value = ""
            self.search.display = False
            viewer = self.viewer
            viewer.search("")
            viewer.focus()
        else:
            self.dismiss()

    # -- searching

    def action_search(self) -> None:
        """Type what to look for."""
        self._searched = self.viewer
        self.search.display = True
        self.search.focus()

    @on(Input.Submitted, "#search")
    def _submit(self) -> None:
        self.search.display = False
        self._searched.search(self.search.value)
        self._searched.focus()

    def action_hit(self, by: int) -> None:
        """To the next hit or the one before."""
        self.viewer.next_hit(by)

    def action_replay(self) -> None:
        """One request, to another model."""
        self.post_message(ReplayOf(self.row.id))

    def action_export(self) -> None:
        """Write this request, or its session, into a file."""
        self.app.push_screen(ExportScreen(self.house, export.of_request(self.row)))

    # -- copying

    def action_copy(self) -> None:
        """Copy this request."""
        self.app.push_screen(Ask("Copy", copies.CHOICES), self._chosen)

    def _chosen(self, kind: str | None) -> None:
        if kind and self.trace is not None:
            self._make_copy(kind, self.trace, self.row)

    @work(thread=True, exclusive=True, group="copy", description="a copy")
    def _make_copy(self, kind: str, trace: Trace, row: TraceRow) -> None:
        engine = self.house.engine
        text = copies.copied(
            kind, trace, row, engine.address, engine.config.api_key is not None, engine.config.providers
        )
        what = next(choice.words for choice in copies.CHOICES if choice.key == kind)
        self.post_message(self.Copied(text, what))

    @on(Copied)
    def _copy(self, copied: Copied) -> None:
        copies.to_clipboard(self.app, copied.text, copied.what)
