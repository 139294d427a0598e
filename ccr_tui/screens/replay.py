"""What a session would have cost, and answered, with other models or another routing.

Owns which recording and variants are chosen, and what was found. Must never replay anything in this process: another
one does, and tells. The one surprise: there is no button that starts a reprice. It costs nothing, so whatever is
changed is priced at once; only a rerun asks, with the bill, before it sends anything.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.markup import escape
from textual.message import Message
from textual.worker import get_current_worker

from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.replay import beside, recordings
from ccr_tui.replay.beside import Beside, Opened, Told
from ccr_tui.replay.words import RECORDED, Comparison, Progress, Settings
from ccr_tui.screens import course, replay_form, replay_pareto, replay_table, show
from ccr_tui.screens.bars import Footer, Header
from ccr_tui.screens.course import CoursePlot, Picture
from ccr_tui.screens.flip import flip
from ccr_tui.screens.house import House
from ccr_tui.screens.lines import Document
from ccr_tui.screens.replay_choosing import Choosing
from ccr_tui.screens.replay_head import Recording
from ccr_tui.screens.roster import Roster
from ccr_tui.screens.viewer import Viewer
from ccr_tui.slim import dataclass

LOOK_S = 0.2
NEWER_S = 2.0
"""Between two looks at whether the session has gone on."""
LEGEND = 7
"""Lines of a picture for each line of names over it."""
POINTS = 300
"""Of a line in the picture; more are not told apart."""
AS_IT_WAS = "as it was recorded: its tokens and its cost are those of then"
FROM = {
    "rerun": ("asked for real: its tokens are what the provider reported, its cost is theirs at the price of then",)
}
BEST = "★: no other line here is both cheaper and in better agreement with the recording"
CHEAPEST = "◂: the cheapest here. Nothing was sent, so how good its answers would be is not known: R finds out"
CHEAPEST_ASKED = "◂: the cheapest here. Its answers were not compared: no side called a tool, and no judge was asked"
NOTHING = "no session is recorded yet: s takes the path of a file of traces"
OTHER = "s chooses another session or file"
WAITS = "  a adds a variant: one model for all, an agent's, a mode, a whole config file"


class ReplayScreen(Choosing):
    """Header, the recording, its variants, the picture and the sources, footer."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high"), (50, "-tall")]
    BINDINGS = [
        Binding("x", "stop", "Stop", tooltip="Stop; what was done stays, and a rerun can be resumed"),
        Binding("s", "session", "Session", tooltip="Choose what is replayed: a session, or a file of traces"),
        Binding("a", "add", "Add", tooltip="Add a variant: one model for all, an agent's, a mode, a config file"),
        Binding("R", "rerun", "Rerun", tooltip="Send every request for real, after a look at the bill"),
        Binding("l", "lab", "Lab", tooltip="Router lab: label the turns, and try routers on them"),
        Binding("d", "remove", "Remove", tooltip="Remove the variant of the cursor"),
        Binding("b", "baseline", "Baseline", tooltip="A model that all variants are compared with"),
        Binding("o", "runs", "Runs", tooltip="Earlier replays"),
        Binding("e", "export", "Export", tooltip="Write the comparison as Markdown, CSV or HTML"),
        Binding("f", "part", "First parting", tooltip="To the first step where the variant parts from the recording"),
        Binding("p", "pareto", "Pareto", tooltip="Cost against agreement, instead of the cost so far, and back"),
        Binding("u", "update", "Update", tooltip="Read the session anew, which has gone on since it was read"),
        Binding("i", "notes", "Sources", tooltip="Where every figure comes from"),
        Binding("m", "mode", "Mode", show=False, tooltip="Normal mode or Router mode"),
        Binding("1", "app.show('live')", "Live", show=False, tooltip="What happens now"),
        Binding("2", "app.show('sessions')", "Sessions", show=False, tooltip="What each session cost"),
        Binding("3", "app.show('spend')", "Spend", show=False, tooltip="Where the money goes"),
        Binding("4", "app.show('models')", "Models", show=False, tooltip="Providers, models and agents"),
    ]

    @dataclass
    class Answered(Message):
        """The other process has said something; None: it is gone."""

        message: Any
        of: Beside

    @dataclass
    class Newer(Message):
        """A thread has counted the requests that came since the session was read."""

        session: str
        count: int

    @dataclass
    class Drawn(Message):
        """A thread has drawn the picture."""

        picture: Picture | None
        ticket: int

    def __init__(self, house: House, demo: bool = False) -> None:
        super().__init__()
        self.house = house
        self.header, self.footer = Header(house, demo), Footer(house)
        self.recording = Recording()
        self.table = Roster(lambda width: replay_table.headings(self.comparison)(width), id="compared")
        self.plot, self.notes = CoursePlot(id="replay-course"), Viewer(id="replay-notes", still=True)
        self.beside: Beside | None = None
        self.of: Config | None = None
        """The configuration that the other process has."""
        self.what = ""
        self.opened: Opened | None = None
        self.variants: list[str] = []
        self.settings = Settings()
        self.comparison: Comparison | None = None
        self.cut: replay_form.Cut | None = None
        """The rerun of this recording that was cut off."""
        self._cap: int | None = None
        """Of the rerun that was begun last."""
        self.busy = ""
        """What the other process does, for people; empty: nothing."""
        self.wrong = ""
        """Why nothing is replayed, and what to do."""
        self.progress: Progress | None = None
        self.room = 0
        """What must be left of a cap for the longest request to be sent, nano-USD."""
        self.newer = 0
        """Requests that the session has had since it was read."""
        self.pareto = False
        """Whether the picture is of cost against agreement."""
        self._drawing = 0

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.recording
        yield self.table
        with Container(id="replay-below"):
            yield self.plot
            yield self.notes
        yield self.footer

    def on_mount(self) -> None:
        """Choose the last session, unless another one was asked for."""
        self.table.border_title, self.plot.border_title = "Variants", "Cost so far"
        self.notes.border_title = "Where it comes from"
        self.plot.words = "  …"
        self.table.focus()
        self.set_interval(LOOK_S, self._look)
        self.set_interval(NEWER_S, self._count)
        if not self.what:
            self.open("last")
        self.put()

    def on_unmount(self) -> None:
        """The other process ends too."""
        if self.beside is not None:
            self.beside.stop()

    def _look(self) -> None:
        if self.is_current:
            self.header.look()
            self.footer.look()

    def _count(self) -> None:
        if self.is_current and self.opened is not None and self.opened.newest:
            self._count_newer(self.opened.session, self.opened.newest)

    @work(thread=True, exclusive=True, group="newer")
    def _count_newer(self, session: str, newest: int) -> None:
        with suppress(StoreError):  # a session that was removed has no newer requests
            self.post_message(self.Newer(session, recordings.newer(self.house.reader, session, newest)))

    @on(Newer)
    def _tell_newer(self, newer: Newer) -> None:
        if self.opened is not None and self.opened.session == newer.session and newer.count != self.newer:
            self.newer = newer.count
            self.put()

    # -- the other process

    def open(self, what: str, price: bool = True) -> None:
        """Choose what is replayed; `price` False: what it came to is known."""
        self.what, self.opened, self.comparison, self.cut, self.newer = what, None, None, None, 0
        self.busy, self.wrong, self.progress = "reading the recording…", "", None
        self.ask(beside.Open(what))
        if price:
            self.price()
        if self.is_mounted:
            self.put()

    def ask(self, message: object) -> None:
        """Say something to the other process; one with an old configuration is replaced."""
        config = self.house.engine.config
        if self.beside is None or config is not self.of:
            if self.beside is not None:
                self.beside.stop()
            self.of = config
            self.beside = one = Beside(config, self.house.reader.path)
            one.listen(lambda answer: self.post_message(self.Answered(answer, one)))
            if not isinstance(message, beside.Open):
                one.ask(beside.Open(self.what))
        self.beside.ask(message)

    def price(self) -> None:
        """Price all variants anew."""
        if self.variants:
            self.busy = self.busy or "pricing…"
            self.ask(beside.Reprice(tuple(self.variants), self.settings))

    @on(Answered)
    def _take(self, answered: Answered) -> None:
        if answered.of is not self.beside:
            return
        match answered.message:
            case Opened() as opened:
                self.opened, self.busy = opened, ""
                if not self.variants:
                    self.variants = replay_form.suggested(self.house.engine.config, opened.models)
                    self.price()
            case Progress() as progress:
                self.progress = progress
            case Told(comparison, room):
                self.room = room or self.room
                self.tell(comparison)
            case beside.Left() as left:
                self.busy = ""
                self.ask_again(left)
            case beside.Trouble(why):
                self.busy, self.progress = "", None
                self._trouble(why)
            case None:
                self.busy, self.progress, self.beside = "", None, None
                self._untold("The process that replays has ended.")
        self.put()

    def tell(self, comparison: Comparison) -> None:
        """Show this comparison."""
        self.comparison, self.busy, self.progress = comparison, "", None
        if comparison.kind == "rerun":
            names = frozenset(line.name for line in comparison.variants[1:])
            cap = self.cut.cap if self.cut is not None and self.cut.run == comparison.run else None
            self.cut = None if comparison.finished else replay_form.Cut(comparison.run, names, self._cap or cap)
        for note in comparison.notes if comparison.kind == "rerun" else ():
            self.app.notify(show.harmless(note), markup=False, timeout=10)
        self._draw_anew()

    def _trouble(self, why: str) -> None:
        """A variant that can't be is taken out again."""
        for variant in [each for each in self.variants if f"--variant {each.partition('=')[0]}" in why]:
            self.variants.remove(variant)
        if self.opened is None:
            self._untold(why)
        else:
            self.app.notify(show.harmless(why), severity="error", markup=False, timeout=12)

    def _untold(self, why: str) -> None:
        """Nothing can be read; what else was asked of it fails for no other reason."""
        if self.opened is None and self.what:
            self.wrong = NOTHING if self.what == recordings.LAST else f"{why} {OTHER}"
            self.what = ""

    # -- showing

    def put(self) -> None:
        """Show what there is."""
        waiting = self.busy and self.progress is None
        self.recording.put(self.opened, self.busy if waiting else self.wrong, self.progress, self.newer)
        found = self.comparison
        self.table.put(replay_table.rows(found) if found else [])
        self.table.styles.height = max(5, len(self.table.rows) + 3)
        count = len(found.variants) - 1 if found else 0
        base = (
            f" · baseline {show.model(found.baseline)} {show.money(found.baseline_cost)}"
            if found and found.baseline
            else ""
        )
        kind = f" · {found.kind}{'' if found.finished else ', cut off'}" if found else ""
        self.table.border_title = escape(f"Variants · {count}{kind}{base}")
        best = replay_table.best(found) if found else ""
        self.table.border_subtitle = (
            f"{best}⏎ steps · a add · R rerun · l lab" if found else "a adds a variant" if self.opened else ""
        )
        self.plot.border_title = "Cost against agreement" if self.pareto else "Cost so far, in dollars, step by step"
        other = "p cost so far" if self.pareto else "p cost against agreement"
        self.plot.border_subtitle = other if found else ""
        if not found:
            self.plot.put(None, WAITS if self.opened else "")
        self._tell_sources()
        self.refresh_bindings()

    @on(Roster.Moved, "#compared")
    def _tell_sources(self) -> None:
        found, name = self.comparison, self.chosen()
        page = Document()
        if found is not None and name is not None:
            line = found.variant(name)
            notes = (
                (AS_IT_WAS, *line.notes, *found.notes) if name == RECORDED else (*FROM.get(found.kind, ()), *line.notes)
            )
            for note in notes:
                page.put("· ", show.harmless(note), hang=2)
            if line.parts_at is not None:
                page.put("· ", f"it parts from the recording at step {line.parts_at}: f goes there", hang=2)
            if replay_table.mark(found, line):
                cheapest = CHEAPEST_ASKED if found.kind == "rerun" else CHEAPEST
                page.put("· ", BEST if line.pareto else cheapest, hang=2)
            if line.router_cost or line.hop_cost:
                told = f"{show.money(line.router_cost)} for the router, {show.money(line.hop_cost)} for agents aside"
                page.put("· ", f"of its cost {told}", hang=2)
            self.notes.border_title = escape(f"Where it comes from · {show.harmless(name)}")
        self.notes.load(lambda width: page)

    def chosen(self) -> str | None:
        """The variant of the cursor."""
        key = self.table.chosen
        known = {line.name for line in self.comparison.variants} if self.comparison else set()
        return key[1] if key and key[1] in known else None

    @on(CoursePlot.Resized)
    def _draw_anew(self) -> None:
        found, size = self.comparison, self.plot.content_size
        if found is None or size.width < 24:
            return
        self._drawing += 1
        self._draw(found, (size.width, size.height), self._drawing)

    @work(thread=True, exclusive=True, group="draw")
    def _draw(self, found: Comparison, size: tuple[int, int], ticket: int) -> None:
        if self.pareto:
            made = replay_pareto.picture(found, lambda name: replay_table.ink_of(found, name), *size)
            self.post_message(self.Drawn(made, ticket))
            return
        lines = [line for line in found.variants if line.cost is not None and line.series]
        ordered = sorted(lines, key=lambda line: line.name == RECORDED)
        steps = max((len(line.series) for line in ordered), default=0)
        every = max(1, steps // POINTS)
        costs = [[cost or 0 for cost in (*line.series[:-1:every], line.series[-1])] for line in ordered]
        inks = [replay_table.ink_of(found, line.name) for line in ordered]
        series = [(values, ink, False) for values, ink in zip(costs, inks, strict=True)]
        points = max(map(len, costs), default=0)
        marks = {0: 1, points // 2: steps // 2 + 1, points - 1: steps} if points > 2 else {0: 1, points - 1: steps}
        ticks = {at: f"step {step}" for at, step in marks.items()} if points else {}
        named = replay_table.legend(found, size[0], max(0, size[1] // LEGEND))
        picture = course.many(series, ticks, size[0], size[1] - len(named))
        if picture is not None:
            picture = Picture((*named, *picture.lines), picture.inks)
        if not get_current_worker().is_cancelled:
            self.post_message(self.Drawn(picture, ticket))

    @on(Drawn)
    def _hang(self, drawn: Drawn) -> None:
        if drawn.ticket == self._drawing:
            nothing = replay_pareto.NEEDS if self.pareto else "  nothing of it has a price"
            self.plot.put(drawn.picture, nothing)

    @work
    async def action_mode(self) -> None:
        """The other mode."""
        await flip(self.app, self.house, self.header.demo)

    def action_pareto(self) -> None:
        """The other picture."""
        self.pareto = not self.pareto
        self.put()
        self._draw_anew()
