"""The router lab: who should have worked on each turn, and what routers say.

Owns the labels as they are set, which routers are to be asked, and what they cost. Must never ask before the person has
seen the bill, nor read the store on the event loop. The one surprise: a label that is set measures every lab of the
session anew, for nothing, because answers are kept and measures are not.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip

from ccr_tui import values
from ccr_tui.errors import StoreError
from ccr_tui.replay import beside, labexport, labkept
from ccr_tui.replay.beside import Beside, Billed, Listed, Opened, Tried
from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.labsums import Report
from ccr_tui.replay.words import Progress, Settings
from ccr_tui.screens import lab_table, replay_form, replay_said, show
from ccr_tui.screens.ask import Answer, Ask
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.capping import Cap
from ccr_tui.screens.house import House
from ccr_tui.screens.ink import Inked
from ccr_tui.screens.lines import Document
from ccr_tui.screens.pick import Choice, Pick
from ccr_tui.screens.replay_head import Recording
from ccr_tui.screens.replay_steps import GONE
from ccr_tui.screens.roster import Pieces, Roster
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.viewer import Viewer
from ccr_tui.slim import dataclass
from ccr_tui.store import labels
from ccr_tui.store.queries import TraceRow

REPEATS = (1, 3, 5)
KEPT = 20
"""Labs of a session that are compared, the newest."""
OURS = "our own"


class Matrix(Inked):
    """The confusion matrix of one router."""

    lines: Sequence[Pieces] = ()

    def put(self, lines: Sequence[Pieces]) -> None:
        """Another one."""
        self.lines = lines
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line."""
        return self.strip(self.lines[y] if y < len(self.lines) else [], self.size.width)


class LabScreen(Screen[None]):
    """Turns, routers, and the matrix of the router that is chosen."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (30, "-high")]
    BINDINGS = [
        Binding("escape,backspace", "back", "Back", key_display="esc"),
        Binding("x", "stop", "Stop", tooltip="Stop; what was told stays, and R goes on"),
        Binding("R", "run", "Run", tooltip="Ask for real, after a look at the bill; or go on with one that was cut"),
        Binding("a", "add", "Add", tooltip="Add a router to be asked: a model, with our instructions or yours"),
        Binding("t", "label('tool')", "Tool", tooltip="The tool agent should work on this turn"),
        Binding("h", "label('think')", "tHink", tooltip="The think agent should work on this turn"),
        Binding("c", "label('coder')", "Coder", tooltip="The coder agent should work on this turn"),
        Binding("0", "label('')", "No label", tooltip="Take the label away: the recorded route counts again"),
        Binding("d", "remove", "Remove", tooltip="Remove a router that was not asked yet"),
        Binding("f", "repeat", "Repeats", tooltip="Ask about each turn once, three or five times: flips show"),
        Binding("b", "baseline", "Baseline", tooltip="One model for all, from which what routing saves is counted"),
        Binding("e", "export", "Export", tooltip="Write the lab of the router that is chosen as Markdown, CSV or HTML"),
        Binding("tab", "other", "Lists", show=False, tooltip="From the turns to the routers, and back"),
    ]

    @dataclass
    class Answered(Message):
        """The other process has said something; None: it is gone."""

        message: Any

    @dataclass
    class Read(Message):
        """A thread has read the labs of this session, or says why not."""

        labs: list[Found]
        why: str = ""

    @dataclass
    class Written(Message):
        """A thread has written the export, or says why not."""

        words: str
        failed: bool = False

    @dataclass
    class Row(Message):
        """A thread has found a request to open."""

        row: TraceRow | None

    def __init__(self, house: House, what: str) -> None:
        super().__init__()
        self.house, self.what = house, what
        self.head = Recording("Router lab")
        self.turns_ = Roster(lambda width: lab_table.turn_headings(self._router_name())(width), id="lab-turns")
        self.routers_ = Roster(lab_table.router_headings, id="lab-routers")
        self.turn = Viewer(id="lab-turn", still=True)
        self.matrix, self.footer = Matrix(id="lab-matrix"), Footer(house)
        self.beside: Beside | None = None
        self.opened: Opened | None = None
        self.turns: list[KeptTurn] = []
        self.offered: tuple[str, ...] = ()
        self.labs: list[Found] = []
        self.pending: list[str] = []
        self.prompts: dict[str, str] = {}
        self.repeat = 1
        self.baseline: str | None = None
        self.progress: Progress | None = None
        self.busy = "reading the turns…"
        self._asked_bill: Found | None = None
        self._saving = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.head
        with Container(id="lab-above"):
            yield self.turns_
            yield self.turn
        with Container(id="lab-below"):
            yield self.routers_
            yield self.matrix
        yield self.footer

    def on_mount(self) -> None:
        """Read the recording in the other process."""
        self.matrix.border_title, self.turn.border_title = "Confusion", "Turn"
        self.turns_.focus()
        self.beside = Beside(self.house.engine.config, self.house.reader.path)
        self.beside.listen(lambda answer: self.post_message(self.Answered(answer)))
        self.beside.ask(beside.Open(self.what))
        self.beside.ask(beside.Turns())
        self.put()

    def on_unmount(self) -> None:
        """The other process ends too."""
        if self.beside is not None:
            self.beside.stop()

    # -- what comes

    @on(Answered)
    def _take(self, answered: Answered) -> None:
        match answered.message:
            case Opened() as opened:
                self.opened = opened
                self._read()
            case Listed(turns, offered):
                self.turns, self.offered, self.busy = list(turns), offered, ""
                if not self.turns:
                    self.busy = "no turn of a person begins in it: there is nothing to route"
            case Progress() as progress:
                self.progress = progress
            case Billed() as billed:
                self.busy = ""
                self._ask_cap(billed)
            case Tried(found):
                self._tried(found)
            case beside.Trouble(why):
                self.busy, self.progress = "", None
                self.app.notify(show.harmless(why), severity="error", markup=False, timeout=12)
                self._read()
            case None:
                self.busy, self.progress, self.beside = "", None, None
        self.put()

    def _tried(self, found: Found) -> None:
        self.busy, self.progress = "", None
        names = {report.name for report in found.reports}
        self.pending = [each for each in self.pending if lab_table.name_and_model(each)[0] not in names]
        for note in found.notes:
            self.app.notify(show.harmless(note), markup=False, timeout=10)
        self._read()

    @work(thread=True, exclusive=True, group="labs")
    def _read(self) -> None:
        if self.opened is None:
            return
        reader, session = self.house.reader, self.opened.session
        try:
            given = labels.load(reader.path)
            rows = [row for row in reader.runs(500, labs=True) if row.session == session][:KEPT]
            found = [one for row in rows if (one := labkept.read(reader, row, given)) is not None]
        except StoreError as error:
            self.post_message(self.Read([], str(error)))
            return
        self.post_message(self.Read(found))

    @on(Read)
    def _show(self, read: Read) -> None:
        if read.why:
            self.app.notify(show.harmless(read.why), severity="error", markup=False)
            return
        self.labs = read.labs
        self.put()

    # -- showing

    def put(self) -> None:
        """Show what there is."""
        self.head.put(self.opened, self.busy if self.progress is None else "", self.progress)
        listed = lab_table.lines(self.labs, self.pending)
        self.routers_.put(lab_table.router_rows(listed, time.time()))
        by_hand = sum(turn.by == "person" for turn in self.turns)
        known = sum(turn.label is not None for turn in self.turns)
        self.turns_.border_title = f"Turns · {len(self.turns)} · {known} with a label, {by_hand} by hand ✎"
        self.turns_.border_subtitle = "t h c label · 0 none · ⏎ its trace"
        base = f" · baseline {show.model(self.baseline)}" if self.baseline else ""
        times = f" · each turn {self.repeat} times" if self.repeat > 1 else ""
        self.routers_.border_title = escape(f"Routers{times}{base}")
        self.routers_.border_subtitle = "a add · f repeats · b baseline · R run"
        self._follow()
        self.refresh_bindings()

    @on(Roster.Moved, "#lab-routers")
    def _follow(self) -> None:
        line = self.line
        report = line.report if line and isinstance(line.report, Report) else None
        self.turns_.put(lab_table.turn_rows(self.turns, report))
        offered = line.found.offered if line and line.found else self.offered
        self.matrix.put(lab_table.matrix(line, offered))
        self.matrix.border_title = escape(f"Confusion · {show.harmless(line.name)}" if line else "Confusion")
        self._tell_turn()

    @on(Roster.Moved, "#lab-turns")
    def _tell_turn(self) -> None:
        """Where there is room."""
        chosen = self.turns_.chosen
        one = next((turn for turn in self.turns if chosen and turn.uid == chosen[1]), None)
        page = replay_said.turn(one, self.labs) if one else Document()
        self.turn.border_title = f"Turn · step {one.n}" if one else "Turn"
        self.turn.load(lambda width: page)

    @property
    def line(self) -> lab_table.Line | None:
        """The router of the cursor."""
        listed, at = lab_table.lines(self.labs, self.pending), self.routers_.cursor
        return listed[at] if at < len(listed) else None

    def _router_name(self) -> str:
        line = self.line
        return line.name if line and isinstance(line.report, Report) else "says"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        if action == "stop":
            return self.progress is not None
        if action == "remove":
            return bool(self.pending)
        if action == "export":
            return bool(self.labs)
        if action in ("run", "repeat", "add", "baseline"):
            return self.progress is None and bool(self.turns)
        return action != "label" or bool(self.turns)

    # -- labels

    def action_label(self, agent: str) -> None:
        """Say who should work on the turn of the cursor, and go on to the next one."""
        chosen = self.turns_.chosen
        if chosen is None:
            return
        label, uid = agent or None, chosen[1]
        self.turns = [labkept.labelled(turn, label) if turn.uid == uid else turn for turn in self.turns]
        self._save(uid, label)
        self.put()
        if agent:
            self.turns_.go(self.turns_.cursor + 1)

    @work
    async def _save(self, uid: str, agent: str | None) -> None:
        async with self._saving:  # in the order in which they were said
            try:
                await asyncio.to_thread(labels.save, self.house.reader.path, uid, agent)
            except StoreError as error:
                self.app.notify(show.harmless(str(error)), severity="error", markup=False)
                return
        self._read()

    # -- routers

    def action_add(self) -> None:
        """Choose a model, then its instructions."""

        def chosen(names: list[str] | None) -> None:
            if names:
                self._choose_prompt(names[0])

        choices = [choice for choice in replay_form.models(self.house.engine.config) if choice.note == "configured"]
        self.app.push_screen(Pick("Which model as the router?", choices), chosen)

    def _choose_prompt(self, model: str) -> None:
        def chosen(files: list[str] | None) -> None:
            if not files:
                return
            name = self._free_name(model if files[0] == OURS else Path(files[0]).stem)
            if files[0] != OURS:
                try:
                    self.prompts[name] = Path(files[0]).expanduser().read_text("utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    why = f"{files[0]}: {getattr(error, 'strerror', None) or error}"
                    self.app.notify(show.harmless(why), severity="error", markup=False)
                    return
            self.pending.append(f"{name}={model}")
            self.put()

        choices = [Choice(OURS, "our instructions", "what live requests are routed with")]
        free = "a file with instructions; {agents} in it becomes the list of agents"
        self.app.push_screen(Pick("With which instructions?", choices, free=free), chosen)

    def _free_name(self, wanted: str) -> str:
        taken = {lab_table.name_and_model(each)[0] for each in self.pending}
        base = re.sub(r"[\s=,#]+", "+", wanted).strip("+") or "router"
        return next(name for n in range(1, 1000) if (name := base if n == 1 else f"{base}-{n}") not in taken)

    def action_remove(self) -> None:
        """Take a router out that was not asked yet."""
        line = self.line
        if line is not None and line.report is None:
            self.pending = [each for each in self.pending if lab_table.name_and_model(each)[0] != line.name]
            self.put()

    def action_repeat(self) -> None:
        """How often about each turn."""
        self.repeat = REPEATS[(REPEATS.index(self.repeat) + 1) % len(REPEATS)]
        self.put()

    def action_baseline(self) -> None:
        """Choose a model that savings are counted from."""

        def chosen(names: list[str] | None) -> None:
            if names:
                self.baseline = names[0]
                self.put()

        choices = replay_form.models(self.house.engine.config)
        self.app.push_screen(
            Pick("Compare with one model for all", choices, free="any model whose price is known"), chosen
        )

    # -- asking for real

    def action_run(self) -> None:
        """Ask what it costs first."""
        line = self.line
        cut = (
            line.found if line and line.found and not line.found.finished and isinstance(line.report, Report) else None
        )
        if cut is None and not self.pending:
            self.app.notify("a adds a router to be asked.", markup=False)
            return
        if self.beside is None:
            return
        self._asked_bill = cut
        self.busy = "counting the questions…"
        bill = beside.Bill((), {}, run=cut.run) if cut else beside.Bill(tuple(self.pending), self.prompts, self.repeat)
        self.beside.ask(bill)
        self.put()

    def _ask_cap(self, billed: Billed) -> None:
        cut = self._asked_bill

        def chosen(caps: list[str] | None) -> None:
            if caps:
                self._send(caps[0], cut)

        told = "a price is not known" if billed.likely is None else f"about {show.money(billed.likely)}"
        left = f"{billed.questions} question{'s' * (billed.questions != 1)}"
        title = f"Go on with this lab: {left} left, {told}" if cut else f"Ask for real: {left}, {told}"
        caps = replay_form.lab_caps(billed.most, billed.spent, billed.cap)
        self.app.push_screen(Cap(title, caps), chosen)

    def _send(self, cap: str, cut: Found | None) -> None:
        try:
            most = None if cap == replay_form.NO_CAP else values.budget(cap.removeprefix("$"))
        except ValueError as error:
            self.app.notify(f"{cap} {error}", severity="error", markup=False)
            return
        if self.beside is None:
            return
        self.busy, self.progress = "asking…", Progress(0, max(1, len(self.turns) * len(self.pending) * self.repeat))
        settings = Settings("rerun", most, 2, baseline=self.baseline)
        names = {lab_table.name_and_model(each)[0] for each in self.pending}
        prompts = {name: text for name, text in self.prompts.items() if name in names}
        run = cut.run if cut else None
        self.beside.ask(beside.Lab(() if cut else tuple(self.pending), prompts, self.repeat, settings, run))
        self.put()

    def action_stop(self) -> None:
        """What was told stays."""
        if self.beside is not None:
            self.beside.ask(beside.Stop())

    # -- for other people

    def action_export(self) -> None:
        """Choose a form, and write the lab of the cursor, or the newest, into the working directory."""
        if self.labs:
            found = self.line.found if self.line and self.line.found else self.labs[0]
            answers = (Answer("m", "Markdown"), Answer("c", "CSV, the routers alone"), Answer("h", "HTML"))
            self.app.push_screen(Ask("Export the lab", answers), lambda form: self._export(form, found))

    def _export(self, form: str | None, found: Found) -> None:
        if form:
            self._write(replay_form.FORMS[form], found)

    @work(thread=True, exclusive=True, group="export")
    def _write(self, form: str, found: Found) -> None:
        path = Path.cwd() / replay_form.file_name("lab", found.session, form)
        words, failed = replay_form.exported(path, labexport.FORMATS[form](found))
        self.post_message(self.Written(words, failed))

    @on(Written)
    def _wrote(self, written: Written) -> None:
        severity: Any = "error" if written.failed else "information"
        self.app.notify(written.words, severity=severity, markup=False)

    # -- elsewhere

    @on(Roster.Opened, "#lab-turns")
    def _open(self) -> None:
        if chosen := self.turns_.chosen:
            self._find(chosen[1])

    @work(thread=True, exclusive=True, group="find")
    def _find(self, uid: str) -> None:
        try:
            self.post_message(self.Row(self.house.reader.row(uid)))
        except StoreError:
            self.post_message(self.Row(None))

    @on(Row)
    def _go(self, found: Row) -> None:
        if found.row is None:
            self.app.notify(GONE, severity="error", markup=False)
        else:
            self.app.push_screen(TraceScreen(self.house, found.row, lambda by: None))

    def action_other(self) -> None:
        """The other list."""
        (self.routers_ if self.turns_.has_focus else self.turns_).focus()

    def action_back(self) -> None:
        """To the comparison."""
        self.app.pop_screen()
