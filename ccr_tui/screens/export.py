"""What `e` opens: which requests go into a file, in which format, where to, and whether redacted.

Owns the small form and the thread that writes. Must never write over a file that is there without being told twice, nor
leave half of one behind. The one surprise: the file is named after what is exported and in which format, until somebody
types a name; from then on the name stays as it is typed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from ccr_tui.errors import CcrError
from ccr_tui.screens import show
from ccr_tui.screens.choices import NAMES, Choices, Line
from ccr_tui.screens.form import Note
from ccr_tui.screens.house import House
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Filter, TraceRow
from ccr_tui.transfer import leaving
from ccr_tui.transfer.leaving import FORMATS, WORDS, Chosen, Format
from ccr_tui.transfer.progress import Cancelled
from ccr_tui.transfer.redaction import redactor

EVERY_S = 0.1
"""Between two looks at how far it has come."""
REDACT = ("yes: keys, addresses, names, images", "no: everything as it was recorded")
ENDINGS = {"curl": "sh"}


@dataclass(frozen=True)
class Subject:
    """What may be exported."""

    words: str
    chosen: Chosen
    stem: str
    """What the file is called after."""


def of_request(row: TraceRow) -> list[Subject]:
    """A request, and its session."""
    found = [Subject(f"this request ({row.id[:12]})", Chosen((row.id,)), f"request-{row.id[:12]}")]
    return [*found, of_session(row.session)] if row.session else found


def of_session(id: str) -> Subject:
    """All of a session."""
    return Subject(f"session {id[:8]}, all its requests", Chosen(filter=Filter(session=id)), f"session-{id[:8]}")


def of_list(filter: Filter | None, count: int) -> Subject:
    """All that a list shows."""
    what = "all requests" if filter is None else "the requests listed"
    return Subject(f"{what} ({count:,})", Chosen(filter=filter), "requests")


class ExportScreen(ModalScreen[None]):
    """The form; while it writes, how far it has come."""

    BINDINGS = [
        Binding("escape", "leave", "Leave, or break it off"),
        Binding("enter", "write", "Write"),
    ]

    @dataclass
    class Far(Message):
        """The thread has come so far."""

        words: str

    @dataclass
    class Ended(Message):
        """The thread has ended: with a file, or with a reason why not."""

        words: str
        title: str
        failed: bool

    def __init__(self, house: House, subjects: Sequence[Subject], folder: Path | None = None) -> None:
        """The first of the subjects is offered first; `folder` is where files go (the working directory)."""
        super().__init__()
        self.house, self.subjects, self.folder = house, list(subjects), folder or Path.cwd()
        self.choices = Choices(
            [
                Line("what", [show.harmless(subject.words) for subject in self.subjects]),
                Line("format", [f"{name}: {WORDS[name]}" for name in FORMATS]),
                Line("redact", REDACT),
            ]
        )
        self.path = Input(id="path")
        self.note = Note(id="note")
        self._named = False
        self._confirmed = ""
        self._cancelled = Event()
        self._writing = False

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        with Vertical(id="export") as box:
            box.border_title = "Export"
            box.border_subtitle = "↑↓ lines · ←→ values · ⏎ writes · esc leaves"
            yield self.choices
            with Horizontal():
                yield Label(show.fit("file", NAMES))
                yield self.path
            yield self.note

    def on_mount(self) -> None:
        """Offer a name."""
        self.choices.styles.height = len(self.choices.lines)
        self.choices.focus()
        self._suggest()
        self._explain()

    @property
    def subject(self) -> Subject:
        """What is chosen."""
        return self.subjects[self.choices.lines[0].at]

    @property
    def format(self) -> Format:
        """In which format."""
        return FORMATS[self.choices.lines[1].at]

    @property
    def redacted(self) -> bool:
        """Whether redacted."""
        return self.choices.lines[2].at == 0

    @on(Choices.Turned)
    def _turned(self) -> None:
        if not self._named:
            self._suggest()
        self._explain()

    def _suggest(self) -> None:
        """A name of a file that is not there yet."""
        ending = ENDINGS.get(self.format, self.format)
        names = (f"{self.subject.stem}{f'-{n}' if n else ''}.{ending}" for n in range(1000))
        free = next(name for name in names if not (self.folder / name).exists())
        with self.path.prevent(Input.Changed):
            self.path.value = _short(self.folder / free)

    def _explain(self) -> None:
        if self.redacted:
            self.note.say("What looks like a key, an address, a name in a path or an image is replaced, and counted.")
        else:
            self.note.say("Everything: names, addresses, images, raw streams. Look before you share it.", "warn")

    @on(Input.Changed, "#path")
    def _typed(self) -> None:
        self._named = True

    @on(Input.Submitted, "#path")
    def _submitted(self) -> None:
        self.action_write()

    def action_write(self) -> None:
        """Write the file, if there is none of that name or it was said twice."""
        if self._writing:
            return
        target = Path(self.path.value.strip()).expanduser()
        if not self.path.value.strip() or target.is_dir():
            self.note.say("Name a file.", "bad")
        elif target.exists() and self._confirmed != str(target):
            self._confirmed = str(target)
            self.note.say(f"{target} is there already; ⏎ once more writes over it.", "warn")
        else:
            self._writing = True
            self.note.say("writing… esc breaks it off")
            self._write(self.subject, self.format, str(target), self.redacted)

    def action_leave(self) -> None:
        """Close; or break the writing off, which closes it too."""
        if self._writing:
            self._cancelled.set()
        else:
            self.dismiss()

    @work(thread=True, group="export")
    def _write(self, subject: Subject, format: Format, target: str, redacted: bool) -> None:
        config = self.house.engine.config
        clean = redactor(config, config.env) if redacted else None
        try:
            total = subject.chosen.count(self.house.reader)
            traces = leaving.told(subject.chosen.traces(self.house.reader), total, _Meter(self))
            marks = leaving.marks_in(self.house.reader)
            scene = replace(leaving.scene(config, subject.words), address=self.house.engine.address, marks=marks)
            size = leaving.write(leaving.pieces(format, traces, scene, clean), target)
        except CcrError as error:
            self.post_message(self.Ended(str(error), "Not exported", failed=True))
        except Cancelled:
            self.post_message(self.Ended("Nothing was written.", "Broken off", failed=False))
        else:
            count = f"{total:,} request{'' if total == 1 else 's'}"
            said = f"{count}, {show.size(size)}, in {target}\n{clean.told() if clean else leaving.COMPLETE}"
            self.post_message(self.Ended(said, "Exported", failed=False))

    @on(Far)
    def _show_far(self, far: Far) -> None:
        if self._writing:
            self.note.say(far.words)

    @on(Ended)
    def _end(self, ended: Ended) -> None:
        self._writing = False
        if ended.failed:
            self.note.say(ended.words, "bad")
            return
        words = "\n".join(show.harmless_lines(ended.words))
        self.app.notify(words, title=ended.title, timeout=8, markup=False)
        self.dismiss()


class _Meter:
    """Tells the form, now and then, how far the thread has come; raises Cancelled if nobody wants the rest."""

    def __init__(self, form: ExportScreen) -> None:
        self._form, self._begun, self._told = form, time.monotonic(), 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._form._cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now - self._told < EVERY_S:
            return
        self._told = now
        left = (now - self._begun) * (total - done) / done
        words = f"{done:,} of {total:,} requests, {done / total:.0%}, {left:.0f} s left · esc breaks it off"
        self._form.post_message(self._form.Far(words))


def _short(path: Path) -> str:
    """A path as people type it."""
    for base, sign in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return f"{sign}{path.relative_to(base)}"
    return str(path)
