"""What `i` opens: taking in Claude Code's own transcripts, or a file of traces, while the proxy goes on.

Owns the small form and the thread that reads. Must never change a file that it reads, nor write more than what is new.
The one surprise: it stays open when it is done, since what was left out, and why, is worth reading; breaking it off
loses nothing, because what was taken stays and the next import goes on from there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from ccr_tui import sizes
from ccr_tui.errors import CcrError
from ccr_tui.screens import show
from ccr_tui.screens.choices import NAMES
from ccr_tui.screens.form import Note
from ccr_tui.screens.house import House
from ccr_tui.slim import dataclass
from ccr_tui.transfer import anything, claude_code
from ccr_tui.transfer.progress import Cancelled

EVERY_S = 0.1
"""Between two looks at how far it has come."""
BAR = 24
"""Cells of the progress."""
ONLY_READ = "They are only read; what is known already is not counted twice. Or name another folder or file."
KINDS = "A folder of Claude Code's transcripts, or a file: an archive of `export`, a HAR, claude-trace's JSON lines."


class ImportScreen(ModalScreen[None]):
    """The form; while it reads, how far it has come; then what came of it."""

    BINDINGS = [
        Binding("escape", "leave", "Leave, or break it off"),
        Binding("enter", "take", "Import"),
    ]

    @dataclass
    class Found(Message):
        """A thread knows how many transcripts are there to be read, and how large they are."""

        count: int
        size: int

    @dataclass
    class Far(Message):
        """The thread has come so far, in bytes."""

        done: int
        total: int
        spent_s: float

    @dataclass
    class Ended(Message):
        """The thread has ended."""

        words: str
        ink: str

    class Taken(Message):
        """The store has more, whoever reads it."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.path, self.note = Input(id="path"), Note(id="note")
        self.note.most = 14
        self._usual: list[str] = []
        self._cancelled = Event()
        self._reading = self._done = False

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        with Vertical(id="import") as box:
            box.border_title = "Import"
            box.border_subtitle = "⏎ imports · esc leaves"
            with Horizontal():
                yield Label(show.fit("from", NAMES))
                yield self.path
            yield self.note

    def on_mount(self) -> None:
        """Offer what Claude Code has left here."""
        try:
            self._usual = [str(place) for place in anything.usual(os.environ, Path.home())]
        except CcrError as error:
            self.note.say(f"{error}\n{KINDS}")
        else:
            self.path.value = ", ".join(_short(place) for place in self._usual)
            self.note.say("looking…")
            self._look(self._usual)
        self.path.focus()

    @work(thread=True, exclusive=True, group="look")
    def _look(self, places: Sequence[str]) -> None:
        files = claude_code.files(map(Path, places))
        size = 0
        for file in files:
            try:
                size += file.stat().st_size
            except OSError:
                continue  # gone meanwhile
        self.post_message(self.Found(len(files), size))

    @on(Found)
    def _tell(self, found: Found) -> None:
        if self._reading or self._done:
            return
        if found.count:
            many = f"{found.count:,} transcript{'s' * (found.count != 1)}"
            self.note.say(f"{many} of Claude Code's own, {sizes.show(found.size)}. {ONLY_READ}")
            return
        places = ", ".join(map(_short, self._usual))
        if self.names == self._usual:
            self.path.value = ""
        self._usual = []
        self.note.say(f"Claude Code has left no transcripts in {places} yet.\n{KINDS}")

    @property
    def names(self) -> list[str]:
        """What is to be read: the usual places, or what was typed."""
        typed = self.path.value.strip()
        if self._usual and typed == ", ".join(_short(place) for place in self._usual):
            return self._usual
        return [str(Path(typed).expanduser())] if typed else []

    @on(Input.Submitted, "#path")
    def action_take(self) -> None:
        """Read what is named."""
        if self._reading:
            return
        if self._done:
            self.dismiss()
        elif not self.names:
            self.note.say(KINDS, "warn")
        else:
            self._reading = True
            self._cancelled.clear()
            self.note.say("reading… esc breaks it off; what was taken before stays")
            self._take(self.names)

    @on(Input.Changed, "#path")
    def _typed(self) -> None:
        self._done = False

    def action_leave(self) -> None:
        """Close; or break the reading off."""
        if self._reading:
            self._cancelled.set()
        else:
            self.dismiss()

    @work(thread=True, group="import")
    def _take(self, names: list[str]) -> None:
        path, config = self.house.reader.path, self.house.engine.config
        try:
            said = list(anything.take_in(path, names, config, _Meter(self), show.tokens))
        except CcrError as error:
            self.post_message(self.Ended(str(error), "bad"))
        except Cancelled:
            self.post_message(
                self.Ended("Broken off; what was taken stays, the next import goes on from there.", "warn")
            )
        else:
            self.post_message(self.Ended("\n".join(said), "good"))

    @on(Far)
    def _show_far(self, far: Far) -> None:
        if not self._reading:
            return
        share = min(1.0, far.done / far.total) if far.total else 0.0
        full, rest = show.bar(share, BAR)
        left = f"  {far.spent_s / share - far.spent_s:,.0f} s left" if share > 0.01 and far.spent_s > 1 else ""
        of = f" of {sizes.show(far.total)}  {share:.0%}" if far.total else ""
        self.note.say(f"{full}{rest}  {sizes.show(far.done)}{of}{left}\nesc breaks it off; what was taken stays")

    @on(Ended)
    def _end(self, ended: Ended) -> None:
        self._reading, self._done = False, ended.ink == "good"
        self.note.say(ended.words, ended.ink)
        self.query_one("#import").border_subtitle = "⏎ or esc closes" if self._done else "⏎ imports · esc leaves"
        self.post_message(self.Taken())


class _Meter:
    """Tells the form, now and then, how far the thread has come; raises Cancelled if nobody wants the rest."""

    def __init__(self, form: ImportScreen) -> None:
        self._form, self._begun, self._told = form, time.monotonic(), 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._form._cancelled.is_set():
            raise Cancelled
        now = time.monotonic()
        if now - self._told >= EVERY_S:
            self._told = now
            self._form.post_message(self._form.Far(done, total, now - self._begun))


def _short(place: str) -> str:
    """A place below the home folder as people type it."""
    path = Path(place)
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else place
