"""A few lines to fill in, checked while one types and saved where they stand.

Owns the fields and the sentence below them. Must never show a key: a text that looks like one is masked while it is
typed. The one surprise: the form closes only when saving has worked, so that what is wrong is said where it can be
mended, and nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.markup import escape
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from ccr_tui.errors import ConfigError
from ccr_tui.screens import show
from ccr_tui.screens.lines import wrap
from ccr_tui.screens.panels import Panel
from ccr_tui.slim import dataclass

Values = Mapping[str, str]
NAMES = 16
"""Columns of the names at the left."""


@dataclass(frozen=True)
class Field:
    """One line: its key, its name, what stands in it, and what it is for."""

    key: str
    name: str
    value: str = ""
    hint: str = ""
    """A sentence, shown while the line has the focus."""
    placeholder: str = ""
    check: Callable[[str], object] | None = None
    """Raises ValueError with the end of a sentence that begins with the name."""
    secret: bool = False
    """Whether it is masked unless it is a reference such as $NAME."""


class Note(Panel):
    """What the line is for, or what is wrong."""

    words, ink_name, least, most = "", "muted", 2, 6

    def lines(self) -> list[list[tuple[str, str]]]:
        """Wrapped."""
        width = max(10, self.size.width - 2)
        found = []
        for line in show.harmless_lines(self.words):
            found += [[(" " + line[a:b], self.ink_name)] for a, b in wrap(line, width)]
        return found

    def say(self, words: str, ink: str = "muted") -> None:
        """Other words."""
        self.words, self.ink_name = words, ink
        rows = len(self.lines()) if self.size.width else 1
        self.styles.height = max(self.least, min(self.most, rows)) + self.gutter.height
        self.look()

    def on_resize(self) -> None:
        """Another width wraps otherwise."""
        super().on_resize()
        self.say(self.words, self.ink_name)


class Form(ModalScreen[bool]):
    """Its result is whether it was saved."""

    BINDINGS = [
        Binding("escape", "leave", "Leave it"),
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("down", "app.focus_next", "Next line", show=False),
        Binding("up", "app.focus_previous", "Line before", show=False),
    ]

    def __init__(self, title: str, fields: Sequence[Field], save: Callable[[Values], Awaitable[None]]) -> None:
        """`save` gets what was filled in, stripped; what it raises as ConfigError or ValueError is shown."""
        super().__init__()
        self.title_, self.fields, self.save = title, list(fields), save
        self.inputs = {
            one.key: Input(one.value, placeholder=one.placeholder, password=_masked(one, one.value), id=f"f-{one.key}")
            for one in fields
        }
        self.note = Note(id="note")
        self._refused: tuple[str, str] = ("", "")
        """The line that was refused when saving, and why: told there until it is changed."""

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        with Vertical(id="form") as box:
            box.border_title = escape(self.title_)
            box.border_subtitle = "⏎ next, at the end saves · ^s saves · esc leaves"
            for one in self.fields:
                with Horizontal():
                    yield Label(escape(show.fit(one.name, NAMES)))
                    yield self.inputs[one.key]
            yield self.note

    def on_mount(self) -> None:
        """Begin with the first line that is empty."""
        empty = next((one for one in self.fields if not one.value), self.fields[0])
        self.inputs[empty.key].focus()

    def values(self) -> dict[str, str]:
        """What was filled in."""
        return {key: line.value.strip() for key, line in self.inputs.items()}

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Say what the line is for."""
        self._tell(self._field(event.widget.id))

    def _field(self, id: str | None) -> Field | None:
        return next((one for one in self.fields if f"f-{one.key}" == id), None)

    def _tell(self, one: Field | None) -> None:
        if one is not None and one.key == self._refused[0]:
            self.note.say(self._refused[1], "bad")
            return
        value = self.inputs[one.key].value.strip() if one else ""
        wrong = _wrong(one, value) if one and value else ""  # what is still empty is no mistake yet
        self.note.say(wrong or (one.hint if one else ""), "warn" if wrong else "muted")

    @on(Input.Changed)
    def _typed(self, changed: Input.Changed) -> None:
        one = self._field(changed.input.id)
        if one is not None:
            changed.input.password = _masked(one, changed.value)
            if self.is_mounted:
                self._refused = ("", "") if one.key == self._refused[0] else self._refused
                self._tell(one)

    @on(Input.Submitted)
    def _entered(self, submitted: Input.Submitted) -> None:
        if submitted.input is self.inputs[self.fields[-1].key]:
            self.action_save()
        else:
            self.focus_next()

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(False)

    def action_save(self) -> None:
        """Save, if every line is right."""
        values = self.values()
        for one in self.fields:
            if wrong := _wrong(one, values[one.key]):
                self._refused = (one.key, wrong)
                self.inputs[one.key].focus()
                self._tell(one)
                return
        self._save(values)

    @work(exclusive=True)
    async def _save(self, values: Values) -> None:
        try:
            await self.save(values)
        except (ConfigError, ValueError) as error:
            self.note.say(f"Not saved: {error}", "bad")
        else:
            self.dismiss(True)


def _wrong(one: Field, value: str) -> str:
    if one.check is None:
        return ""
    try:
        one.check(value)
    except ValueError as error:
        return f"{one.name} {error}"
    return ""


def _masked(one: Field, value: str) -> bool:
    return one.secret and bool(value) and not value.startswith("$")
