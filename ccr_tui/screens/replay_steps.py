"""The steps of one variant beside the recording, and one step side by side.

Owns those two pages. Must never read the store or compare texts on the event loop. The one surprise: a reprice has no
answers of its own, so that entering a step of it opens the recorded request; a rerun's step opens both answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.markup import escape
from textual.message import Message
from textual.screen import Screen

from ccr_tui.errors import StoreError
from ccr_tui.records import Json, Trace
from ccr_tui.replay import kept
from ccr_tui.replay.words import RECORDED, Comparison, StepResult
from ccr_tui.screens import replay_said, replay_table, show
from ccr_tui.screens.bars import Footer
from ccr_tui.screens.house import House
from ccr_tui.screens.lines import Document
from ccr_tui.screens.roster import Roster
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.viewer import Viewer
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import TraceRow
from ccr_tui.wire import dumps

GONE = "That request stands in a file: `ccr-tui traces import FILE` takes it into the database."


@dataclass
class Trouble(Message):
    """Something could not be read; why."""

    why: str


class StepsScreen(Screen[None]):
    """Every step of a variant, and where there is room what was said in the step of the cursor."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    BINDINGS = [
        Binding("escape,backspace", "back", "Back", key_display="esc"),
        Binding("d", "next", "Differs", tooltip="To the next step that is not as it was recorded"),
        Binding("t", "recorded", "Trace", tooltip="The recorded request, from every side"),
        Binding("u", "rerun", "Its answer", tooltip="The new request, from every side"),
        Binding("f", "part", "First parting", tooltip="To the first step where it parts from the recording"),
    ]

    @dataclass
    class Read(Message):
        """A thread has read the steps."""

        recorded: list[StepResult]
        results: list[StepResult]

    @dataclass
    class Said(Message):
        """A thread has read what was said in a step; None: it stands elsewhere."""

        step: str
        page: Document | None

    @dataclass
    class Found(Message):
        """A thread has found a request to open."""

        row: TraceRow

    def __init__(self, house: House, comparison: Comparison, variant: str, part: bool = False) -> None:
        """`part` opens the first step where the variant parts from the recording."""
        super().__init__()
        self.part = part
        self.house, self.comparison, self.variant = house, comparison, variant
        self.steps = Roster(replay_table.step_headings, id="steps")
        self.said = Viewer(id="step-said", still=True)
        self.footer = Footer(house)
        self.results: dict[str, StepResult] = {}
        self.then: dict[str, StepResult] = {}

    def compose(self) -> ComposeResult:
        """The list, the words beside it, the footer."""
        with Horizontal(id="steps-and-words"):
            yield self.steps
            yield self.said
        yield self.footer

    def on_mount(self) -> None:
        """Read the steps."""
        self.steps.border_title = escape(f"{self.variant} · {show.harmless(self.comparison.title)}")
        self.steps.border_subtitle = "…"
        self.steps.focus()
        self._read()

    @work(thread=True, exclusive=True, group="steps")
    def _read(self) -> None:
        try:
            names = (RECORDED, self.variant)
            found = list(kept.done(self.house.reader, self.comparison.run, names).values())
        except StoreError as error:
            self.post_message(Trouble(str(error)))
            return
        ordered = sorted(found, key=lambda result: result.n)
        recorded = [result for result in ordered if result.variant == RECORDED]
        self.post_message(self.Read(recorded, [result for result in ordered if result.variant == self.variant]))

    @on(Read)
    def _show(self, read: Read) -> None:
        self.results = {result.step: result for result in read.results}
        self.then = {result.step: result for result in read.recorded}
        self.steps.put(replay_table.step_rows(read.recorded, read.results))
        self._look()
        line = self.comparison.variant(self.variant)
        parts = f" · f parts at step {line.parts_at}" if line.parts_at else ""
        rerun = any(result.trace for result in read.results)
        self.steps.border_subtitle = f"{len(read.results)} steps{parts} · ⏎ {'side by side' if rerun else 'its trace'}"
        if line.parts_at and rerun:
            self.action_part()
        if self.part:
            self.part = False
            self.action_part()
            self._open()

    def on_resize(self) -> None:
        """There may be room for the words now."""
        self.call_after_refresh(self._look)

    @on(Roster.Moved)
    def _look(self) -> None:
        result = self.chosen
        if result is not None and self.said.display:
            self.said.border_title = f"Step {result.n}"
            self._read_step(result, self.then.get(result.step))

    @work(thread=True, exclusive=True, group="said")
    def _read_step(self, result: StepResult, then: StepResult | None) -> None:
        try:
            trace = self.house.reader.trace(result.step)
        except StoreError:
            self.post_message(self.Said(result.step, None))
            return
        self.post_message(self.Said(result.step, replay_said.step(trace, result, then, told(trace.reply))))

    @on(Said)
    def _hang(self, said: Said) -> None:
        if (result := self.chosen) is None or result.step != said.step:
            return
        page = said.page or Document()
        if said.page is None:
            page.put((GONE, "muted"))
        self.said.load(lambda width: page)

    @on(Trouble)
    def _say(self, trouble: Trouble) -> None:
        self.app.notify(trouble.why, severity="error", markup=False)

    @property
    def chosen(self) -> StepResult | None:
        """The step of the cursor."""
        key = self.steps.chosen
        return self.results.get(key[1]) if key else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A reprice has no requests of its own."""
        return action != "rerun" or any(result.trace for result in self.results.values())

    @on(Roster.Opened)
    def _open(self) -> None:
        result = self.chosen
        if result is not None and result.trace:
            self.app.push_screen(SideScreen(self.house, result))
        else:
            self.action_recorded()

    def action_back(self) -> None:
        """To the comparison."""
        self.app.pop_screen()

    def action_next(self) -> None:
        """The next step that differs."""
        keys = [row.key[1] for row in self.steps.rows]
        for place in range(self.steps.cursor + 1, len(keys)):
            if differs(self.results[keys[place]], self.then.get(keys[place])):
                self.steps.go(place)
                return
        self.app.notify("No later step differs.", markup=False)

    def action_part(self) -> None:
        """The first step where it parts from the recording."""
        at = self.comparison.variant(self.variant).parts_at
        if at is None:
            self.app.notify("It nowhere parts from the recording.", markup=False)
            return
        uid = next((result.step for result in self.results.values() if result.n == at), "")
        self.steps.select(("step", uid))

    def action_recorded(self) -> None:
        """The request as it was recorded."""
        if result := self.chosen:
            self._find(result.step)

    def action_rerun(self) -> None:
        """The request as it was sent again."""
        if (result := self.chosen) and result.trace:
            self._find(result.trace)

    @work(thread=True, exclusive=True, group="find")
    def _find(self, uid: str) -> None:
        try:
            self.post_message(self.Found(self.house.reader.row(uid)))
        except StoreError:
            self.post_message(Trouble(GONE))

    @on(Found)
    def _go(self, found: Found) -> None:
        self.app.push_screen(TraceScreen(self.house, found.row, lambda by: None))


class SideScreen(Screen[None]):
    """What was answered then, and what is answered now."""

    BINDINGS = [
        Binding("escape,backspace", "back", "Back", key_display="esc"),
        Binding("tab", "other", "Side", tooltip="To the other answer"),
    ]

    @dataclass
    class Read(Message):
        """A thread has read both."""

        then: Document
        now: Document

    def __init__(self, house: House, result: StepResult) -> None:
        super().__init__()
        self.house, self.result = house, result
        self.left, self.right = Viewer(id="then"), Viewer(id="now")
        self.footer = Footer(house)

    def compose(self) -> ComposeResult:
        """Two texts beside each other."""
        with Horizontal(id="sides"):
            yield self.left
            yield self.right
        yield self.footer

    def on_mount(self) -> None:
        """Read both."""
        self.left.border_title = f"Recorded · step {self.result.n}"
        self.right.border_title = escape(f"{self.result.variant} · {show.model(self.result.model)}")
        self.left.focus()
        self._read()

    @work(thread=True, exclusive=True, group="sides")
    def _read(self) -> None:
        try:
            then = self.house.reader.trace(self.result.step)
            now = self.house.reader.trace(self.result.trace or "")
        except StoreError:
            self.post_message(Trouble(GONE))
            return
        self.post_message(self.Read(*sides(then, now)))

    @on(Read)
    def _show(self, read: Read) -> None:
        self.left.load(lambda width: read.then)
        self.right.load(lambda width: read.now)

    @on(Trouble)
    def _say(self, trouble: Trouble) -> None:
        self.app.notify(trouble.why, severity="error", markup=False)

    def action_back(self) -> None:
        """To the steps."""
        self.app.pop_screen()

    def action_other(self) -> None:
        """The other answer."""
        (self.right if self.left.has_focus else self.left).focus()


def differs(result: StepResult, then: StepResult | None) -> bool:
    """Whether a step is not as it was recorded."""
    if result.trace:
        return result.stop_agrees is False or (result.tool_agreement or 1.0) < 1 or result.outcome == "error"
    return then is None or (then.provider, then.model) != (result.provider, result.model)


def sides(then: Trace, now: Trace) -> tuple[Document, Document]:
    """Both answers as lines; what only one of them has is marked."""
    old, new = told(then.reply), told(now.reply)
    left, right = Document(), Document()
    for page, trace in ((left, then), (right, now)):
        head(page, trace)
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        same = kind == "equal"
        for page, lines, sign, ink in ((left, old[a:b], "−", "bad"), (right, new[c:d], "+", "good")):
            for line in lines:
                page.put(("  " if same else f"{sign} ", "muted" if same else ink), (line, "" if same else ink), hang=2)
        gap = (b - a) - (d - c)
        for page, lines_missing in ((left, -gap), (right, gap)):
            for _ in range(max(0, lines_missing)):
                page.put("")
    return left, right


def head(page: Document, trace: Trace) -> None:
    """Who answered, at what cost and in what time."""
    answer = trace.answer
    usage = answer.usage if answer else None
    page.put((show.model(answer.model) if answer else "nobody", "strong"), (f"  {trace.outcome}", "muted"))
    spent = sum(attempt.cost or 0 for attempt in trace.attempts)
    told_ = f"{show.tokens(usage.prompt)} in · {show.tokens(usage.output)} out · " if usage else ""
    page.put((f"{told_}{show.money(spent)} · {show.duration(trace.duration_ms)}", "muted"))
    page.put((f"stops with {answer.stop_reason if answer else 'nothing'}", "muted"))
    page.put("")


def told(reply: Json) -> list[str]:
    """An answer as lines: its thinking, what it says, what it calls."""
    lines: list[str] = []
    content = reply.get("content") if isinstance(reply, dict) else None
    for block in content if isinstance(content, list) else []:
        lines += _block(block if isinstance(block, dict) else {})
    return lines


def _block(block: dict[str, Json]) -> Sequence[str]:
    kind = block.get("type")
    if kind == "tool_use":
        given = block.get("input")
        pairs = given.items() if isinstance(given, dict) else []
        call = [f"⚒ {show.harmless(str(block.get('name')))}"]
        for key, value in pairs:
            text = value if isinstance(value, str) else dumps(value).decode()
            first, *rest = show.harmless_lines(text) or [""]
            call += [f"    {show.harmless(str(key))}: {first}", *(f"      {line}" for line in rest)]
        return [*call, ""]
    if kind == "thinking":
        return [*(f"∴ {line}" for line in show.harmless_lines(str(block.get("thinking")))), ""]
    if kind == "text":
        return [*show.harmless_lines(str(block.get("text"))), ""]
    return [f"[{show.harmless(str(kind))}]", ""]
