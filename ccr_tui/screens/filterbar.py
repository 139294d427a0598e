"""The line on which a filter is typed, and what it offers.

Owns the text, its completion, its history and the filters that were saved. Must never read the store on the event loop,
nor act on what is not understood: the list stays as it was, and the line below says what is wrong and where. The one
surprise: arrow up is the past only where no offer lies above the cursor, as in a shell with a menu.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from textwrap import wrap

from rich.cells import cell_len
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widgets import Input

from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.filtering import NAMES, Completion, FilterError, Term, complete, parse
from ccr_tui.hiding import hidden
from ccr_tui.screens import show
from ccr_tui.screens.form import Field, Form, Values
from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass
from ccr_tui.store import phrases
from ccr_tui.store.queries import Phrase, Reader

TYPING_S = 0.15
"""Silence of the keyboard after which the filter acts."""
SHOWN = 8
"""Offers that are shown at once."""
MARK = "▲"
HEADING = 1
"""Lines below the typed one that offers leave free: the table's columns are named there."""
EXAMPLES = "words, error, agent:tool, model:qwen*, cost>0.05, cached<50%, since:2h, !marked"


class FilterLine(Input):
    """The text; keys that it has no use for go to the offers."""

    BINDINGS = [
        Binding("tab", "take", "Complete", tooltip="Take the offer"),
        Binding("down", "offer(1)", "Next offer", show=False),
        Binding("up", "offer(-1)", "Offer before, or what was typed before", show=False),
        Binding("ctrl+s", "save", "Save", tooltip="Save this filter under a name"),
        Binding("ctrl+x", "drop", "Forget", show=False, tooltip="Forget the name of the saved filter"),
    ]

    @dataclass
    class Key(Message):
        """A key for the offers: take, next, before, save, drop."""

        name: str

    def action_take(self) -> None:
        """Take the offer."""
        self.post_message(self.Key("take"))

    def action_offer(self, by: int) -> None:
        """The offer below or above."""
        self.post_message(self.Key("next" if by > 0 else "before"))

    def action_save(self) -> None:
        """Save the filter under a name."""
        self.post_message(self.Key("save"))

    def action_drop(self) -> None:
        """Forget the name of the filter."""
        self.post_message(self.Key("drop"))


class Offers(Inked):
    """What may stand where the cursor is, over what is below; or what is wrong."""

    def __init__(self) -> None:
        super().__init__(id="offers-of-filter")
        self.lines: list[list[tuple[str, str]]] = []
        self.chosen = -1
        self.first = 0

    def put(self, lines: list[list[tuple[str, str]]], chosen: int, left: int) -> None:
        """Show these lines below column `left`; none hides it."""
        self.lines, self.chosen = lines, chosen
        self.first = max(0, min(chosen - SHOWN // 2, len(lines) - SHOWN))
        self.display = bool(lines)
        if lines:
            self.styles.height = min(SHOWN, len(lines))
            self.styles.width = min(100, 2 + max(sum(cell_len(text) for text, _ in line) for line in lines))
            self.styles.offset = (left, HEADING)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One offer."""
        index = self.first + y
        pieces = self.lines[index] if index < len(self.lines) else []
        return self.strip(list(pieces), self.size.width, "cursor" if index == self.chosen else "")


class Fault(Inked):
    """What is not understood: a mark below the place, and the sentence beside it, or below where it has no room."""

    def __init__(self) -> None:
        super().__init__(id="fault-of-filter")
        self.lines: list[str] = []

    def put(self, error: FilterError | None, at: int, width: int) -> None:
        """Show this error, which is at column `at` of what was typed, or none."""
        self.lines = [] if error is None else pointed(show.harmless(error.sentence), at, width)
        self.display = bool(self.lines)
        self.styles.height = max(1, len(self.lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line of it."""
        return self.strip([(" ", ""), (self.lines[y] if y < len(self.lines) else "", "bad")], self.size.width)


def pointed(sentence: str, at: int, width: int) -> list[str]:
    """A mark at column `at`, the sentence right of it, left of it or below it, in lines of `width` - 2 cells."""
    room, at = width - 2, min(at, width - 3)
    if at + 2 + cell_len(sentence) <= room:
        return [" " * at + f"{MARK} {sentence}"]
    if cell_len(sentence) + 1 <= at:
        return [" " * (at - cell_len(sentence) - 1) + f"{sentence} {MARK}"]
    return [" " * at + MARK, *wrap(sentence, max(20, room))]


class FilterBar(Vertical):
    """The line, what is wrong with it, and its offers."""

    @dataclass
    class Changed(Message):
        """Another filter is wanted: its terms, and as it was typed."""

        terms: tuple[Term, ...]
        text: str

    class Closed(Message):
        """The person has done with typing."""

    class Faulty(Message):
        """What is typed is not understood, or is so again."""

    @dataclass
    class Remembered(Message):
        """A thread has read what was typed before."""

        phrases: list[Phrase]

    @dataclass
    class Named(Message):
        """A thread has read the values of a key."""

        key: str
        names: Sequence[str]

    def __init__(self, reader: Callable[[], Reader], config: Callable[[], Config]) -> None:
        """`reader` gives the store, once there is one."""
        super().__init__(id="filter-bar")
        self.reader, self.config = reader, config
        self.line, self.offers = FilterLine(id="filter", placeholder=EXAMPLES), Offers()
        self.fault = Fault()
        self.wrong: FilterError | None = None
        self._applied = ""
        self._phrases: list[Phrase] = []
        self._past = -1
        self._names: dict[str, tuple[float, Sequence[str]]] = {}
        self._completion = Completion(0, ())
        self._chosen = -1
        self._typing: Timer | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.line
        yield self.fault
        yield self.offers

    def on_mount(self) -> None:
        """Nothing is offered before something is typed."""
        self.offers.display = self.fault.display = self.display = False

    @property
    def text(self) -> str:
        """The filter as it is typed."""
        return self.line.value.strip()

    def open(self) -> None:
        """Type."""
        self.display = True
        self._past = -1
        self.line.focus()
        self._remember()
        self._offer()

    def set(self, text: str) -> None:
        """Another filter, as if it were typed."""
        self.line.value = text
        self.line.cursor_position = len(text)
        self.apply()

    def close(self, clear: bool = False) -> None:
        """Type no more."""
        if clear:
            self._keep(self.text)
            self.line.value = ""
            self.apply()
        self.offers.put([], -1, 0)
        self.display = bool(self.text)
        self.post_message(self.Closed())

    # -- understanding

    @on(Input.Changed)
    def _typed(self, changed: Input.Changed) -> None:
        changed.stop()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_S, self.apply)
        self._chosen = -1
        if self.line.has_focus:
            self._offer()

    def apply(self) -> None:
        """Tell of the filter, if it is understood."""
        try:
            terms = parse(self.text, time.time())
        except FilterError as error:
            self._blame(error)
            return
        self._blame(None)
        if self.text != self._applied:
            self._applied = self.text
            self.post_message(self.Changed(terms, self.text))

    def _blame(self, error: FilterError | None) -> None:
        """Say what is wrong, or nothing."""
        changed, self.wrong = str(error) != str(self.wrong), error
        typed = self.line.value
        before = "" if error is None else typed[: len(typed) - len(typed.lstrip()) + error.at]
        self.fault.put(error, cell_len(before), self.size.width)
        self._offer()
        if changed:
            self.post_message(self.Faulty())

    @on(Input.Submitted)
    def _entered(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        if self._chosen >= 0:
            self._take()
            return
        self.apply()
        if self.wrong is None:
            self._keep(self.text)
            self.close()
        else:
            self.app.bell()

    # -- offering

    def _offer(self) -> None:
        """What was saved under a name that begins as what is typed, and what fits at the cursor."""
        if not self.line.has_focus:
            self.offers.put([], -1, 0)
            return
        typed = self.line.value[: self.line.cursor_position]
        found = (
            complete(self.line.value, self.line.cursor_position, self._values) if self.line.value else Completion(0, ())
        )
        named = [phrase for phrase in self._saved() if (phrase.name or "").lower().startswith(typed.lower())]
        options = found.options if found.start == 0 or not named else ()
        lines = [[("★ ", "title"), (show.harmless(p.name or ""), "strong"), ("  " + show.harmless(p.text), "muted")]
                 for p in named]  # fmt: skip
        lines += [[(show.harmless(option), "strong"), (f"  {words}", "muted")] for option, words in options]
        self._completion = Completion(0 if named else found.start, (*((p.text, p.name or "") for p in named), *options))
        self.offers.put(lines, self._chosen, min(self._completion.start, 60))

    def _saved(self) -> list[Phrase]:
        return [phrase for phrase in self._phrases if phrase.name]

    def _values(self, key: str) -> Sequence[str]:
        at, names = self._names.get(key, (0.0, ()))
        if time.monotonic() - at > 10:
            self._names[key] = (time.monotonic(), names)
            self._read_names(key)
        return names

    @work(thread=True, exclusive=True, group="names")
    def _read_names(self, key: str) -> None:
        try:
            self.post_message(self.Named(key, self.reader().names(key) if key in NAMES else ()))
        except StoreError:
            return  # without names it completes nothing; what is wrong is said where the list is read

    @on(Named)
    def _have_names(self, named: Named) -> None:
        named.stop()
        self._names[named.key] = (time.monotonic(), named.names)
        self._offer()

    @on(FilterLine.Key)
    def _key(self, key: FilterLine.Key) -> None:
        key.stop()
        count = len(self._completion.options)
        if key.name == "take":
            self._chosen = max(0, self._chosen)
            self._take()
        elif key.name == "save":
            self._ask_name()
        elif key.name == "drop":
            self._drop()
        elif key.name == "next" and self._past >= 0:
            self._recall(self._past - 1)
        elif key.name == "before" and self._chosen <= 0:
            self._recall(self._past + 1)
        elif count:
            self._chosen = (self._chosen + (1 if key.name == "next" else -1)) % count
            self._offer()

    def _take(self) -> None:
        options, start = self._completion.options, self._completion.start
        if self._chosen >= len(options):
            self._chosen = -1
            return
        taken, cursor = options[self._chosen][0], self.line.cursor_position
        space = "" if taken[-1:] in ":>" or not self.line.value else " "
        self._chosen = -1
        self.line.value = self.line.value[:start] + taken + space + self.line.value[cursor:].lstrip()
        self.line.cursor_position = start + len(taken) + len(space)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Without the cursor there is nothing to offer."""
        self.offers.put([], -1, 0)

    # -- remembering

    @work(thread=True, exclusive=True, group="phrases")
    def _remember(self) -> None:
        try:
            self.post_message(self.Remembered(self.reader().phrases()))
        except StoreError:
            return  # a filter can be typed without its history

    @on(Remembered)
    def _have(self, remembered: Remembered) -> None:
        remembered.stop()
        self._phrases = remembered.phrases
        self._offer()

    def _recall(self, back: int) -> None:
        """What was typed so many filters ago; -1 is an empty line."""
        if back < len(self._phrases):
            self._past = back
            self.line.value = self._phrases[back].text if back >= 0 else ""
            self.line.cursor_position = len(self.line.value)
            self.offers.put([], -1, 0)

    def _keep(self, text: str) -> None:
        if text and self.wrong is None and not self._tells_a_key(text):
            self._phrases = [Phrase(text), *(p for p in self._phrases if p.text != text)]
            self._write(lambda reader: phrases.use(reader.path, text))

    def _ask_name(self) -> None:
        text = self.text
        if not text or self.wrong is not None or self._tells_a_key(text):
            self.app.bell()
            return

        async def save(values: Values) -> None:
            self._write(lambda reader: phrases.save(reader.path, text, values["name"]))

        hint = f"It is offered under this name whenever a filter is typed: {text}"
        self.app.push_screen(Form("Save the filter", [Field("name", "name", hint=hint, check=_named)], save))

    def _tells_a_key(self, text: str) -> bool:
        """Somebody looks where a key was recorded: that alone must not record it."""
        return hidden(text, self.config()) != text

    def _drop(self) -> None:
        saved = self._saved()
        if not self.line.value and 0 <= self._chosen < len(saved):
            name = saved[self._chosen].name or ""
            self._write(lambda reader: phrases.drop(reader.path, name))

    @work(thread=True, group="keep")
    def _write(self, run: Callable[[Reader], None]) -> None:
        try:
            run(self.reader())
            self.post_message(self.Remembered(self.reader().phrases()))
        except StoreError as error:
            self.app.call_from_thread(self.app.notify, str(error), severity="error", markup=False)


def _named(name: str) -> None:
    if not name.strip():
        raise ValueError("must not be empty")
