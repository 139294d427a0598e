"""A list to choose from, which narrows while one types.

Owns the typing, the cursor and, where several may be chosen, their order. Must never know what is chosen for. The one
surprise: the cursor of the text has the focus all the time, so letters are always typed; space marks, because none of
the names that are chosen here has one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from rich.cells import cell_len
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.markup import escape
from textual.screen import ModalScreen
from textual.widgets import Input

from ccr_tui.errors import CcrError, ProxyError
from ccr_tui.screens import show
from ccr_tui.screens.form import Note
from ccr_tui.screens.roster import Pieces, Roster, Row
from ccr_tui.slim import dataclass


@dataclass(frozen=True)
class Choice:
    """One thing to choose: what it is, how it is called, and a word about it."""

    value: str
    words: str
    note: str = ""
    ink: str = ""


Later = Callable[[], Awaitable[Sequence[Choice]]]
"""Asks somebody for more choices. Raises CcrError."""
Search = Callable[[str], Awaitable[Sequence[Choice]]]
"""The same for what was typed."""


class Filter(Input):
    """The text that narrows; keys that it has no use for go to the list."""

    BINDINGS = [
        Binding("up,ctrl+k", "screen.move(-1)", "Up", show=False),
        Binding("down,ctrl+j", "screen.move(1)", "Down", show=False),
        Binding("pageup", "screen.move(-8)", "Up", show=False),
        Binding("pagedown", "screen.move(8)", "Down", show=False),
    ]

    marks = False
    """Whether space marks, and is no letter."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Letters are its own, but for a space that marks."""
        return not (self.marks and key == "space") and super().check_consume_key(key, character)


class Word(Note):
    """A sentence about what goes on, if anything does."""

    least = 1

    def say(self, words: str, ink: str = "muted") -> None:
        """Other words; none hides it."""
        self.display = bool(words)
        super().say(words, ink)


class Pick(ModalScreen[list[str] | None]):
    """Its result is what was chosen, first things first; None if nothing was."""

    BINDINGS = [
        Binding("escape", "leave", "Leave it"),
        Binding("enter", "choose", "Choose", priority=True),
        Binding("space", "mark", "Mark", priority=True),
    ]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        marked: Sequence[str] | None = None,
        at: str | None = None,
        free: str = "",
        later: Later | None = None,
        about: str = "",
        search: Search | None = None,
        none: str = "",
    ) -> None:
        """`marked` lets several be chosen, these to begin with; `at` has the cursor; `free` are the words for taking
        what was typed; `later` brings more; `about` is a sentence over the list, however long; `search` brings more for
        what was typed; `none` is said where there is nothing to choose."""
        super().__init__()
        self.title_, self.choices, self.free, self.later, self.at = title, list(choices), free, later, at
        self.about, self.search, self.none = about, search, none
        self._found: Sequence[Choice] = ()
        """What the search has brought for what was typed then."""
        self._sought = ""
        self.many = marked is not None
        self.marked = list(marked or ())
        self.changed = False
        self._told = about, ""
        """What is said over the list, and its ink, while there is something in it."""
        self.filter = Filter(placeholder="type to narrow the list", id="narrow")
        self.filter.marks = self.many
        self.word = Word(id="word")
        self.roster = Roster(id="choices")
        self.roster.can_focus = False

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        with Vertical(id="pick") as box:
            box.border_title = escape(self.title_)
            mark = "space marks, in order · " if self.many else ""
            box.border_subtitle = f"↑↓ · {mark}⏎ takes it · esc leaves"
            yield self.filter
            yield self.word
            yield self.roster

    def on_mount(self) -> None:
        """Show what there is, and ask for more."""
        if self.later is not None:
            self._told = "asking…", "muted"
        self._fill()
        if self.at is not None:
            self.roster.select(("choice", self.at))
        self.filter.focus()
        if self.later is not None:
            self._ask(self.later)

    @work
    async def _ask(self, later: Later) -> None:
        try:
            more = await later()
        except (CcrError, ProxyError) as error:
            self._told = show.harmless(str(error)), "warn"
            self._fill()
            return
        known = {choice.value for choice in self.choices}
        self.choices += [choice for choice in more if choice.value not in known]
        self._told = (self.about if self.choices else self.none or self.about), ""
        self._fill()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._fill()
        self.roster.go(0)
        if self.search is not None and (typed := self.filter.value.strip()):
            self._seek(self.search, typed)

    @work(exclusive=True, group="search")
    async def _seek(self, search: Search, typed: str) -> None:
        found = await search(typed)
        if self.filter.value.strip() == typed:
            known = {choice.value for choice in self.choices}
            self._sought = typed
            self._found = [choice for choice in found if choice.value not in known]
            self._fill()

    def _fill(self) -> None:
        typed = self.filter.value.strip()
        words = typed.lower().split()
        every = [*self.choices, *(self._found if typed else ())]
        found = [c for c in every if all(word in f"{c.words} {c.note}".lower() for word in words)]
        if self.free and typed and typed not in {c.value for c in found}:
            found.append(Choice(typed, typed, self.free if self.search is None or self._sought == typed else "…"))
        self._count(len(found), typed)
        self.roster.put([Row(("choice", c.value), self._drawer(c, found)) for c in found])
        self.roster.styles.height = max(3, min(max(len(found), len(self.choices)) + bool(self.free), 14))

    def _count(self, found: int, typed: str) -> None:
        """The frame says how many there are, and a sentence where there is nobody left."""
        every = len(self.choices)
        told = f"{found} of {every}" if typed else f"{every}" if every else ""
        self.query_one("#pick").border_title = escape(f"{self.title_} · {told}" if told else self.title_)
        none = f"nothing here is called “{typed}”; esc empties the line", "warn"
        self.word.say(*(none if typed and not found else self._told))

    def _drawer(self, choice: Choice, among: Sequence[Choice]) -> Callable[[int], Pieces]:
        widest = max(cell_len(one.words) for one in among)

        def draw(width: int) -> Pieces:
            mark = ""
            if self.many:
                place = self.marked.index(choice.value) + 1 if choice.value in self.marked else 0
                mark = f" {place} " if place else "   "
            room = width - len(mark) - 1
            named = min(widest, max(12, room * 3 // 5)) if choice.note else room
            note = show.fit("  " + show.harmless(choice.note), max(0, room - named))
            return [
                (mark, "title"),
                (" ", ""),
                (show.fit(show.harmless(choice.words), named), choice.ink),
                (note, "muted"),
            ]

        return draw

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing are not shown."""
        return action != "mark" or self.many

    def action_move(self, by: int) -> None:
        """Another line."""
        self.roster.go(self.roster.cursor + by)

    def action_mark(self) -> None:
        """Choose this as well, or no longer."""
        chosen = self.roster.chosen
        if self.many and chosen is not None:
            self.changed = True
            name = chosen[1]
            self.marked = [one for one in self.marked if one != name] if name in self.marked else [*self.marked, name]
            self.roster.refresh()

    def action_choose(self) -> None:
        """Take the marked ones; where the marks were left as they are, the one of the cursor goes before them."""
        chosen = self.roster.chosen
        if self.changed:
            self.dismiss(self.marked)
        elif chosen is not None:
            self.dismiss([chosen[1], *(name for name in self.marked[1:] if name != chosen[1])])

    def action_leave(self) -> None:
        """Empty the text first, then leave."""
        if self.filter.value:
            self.filter.value = ""
        else:
            self.dismiss(None)

    @on(Roster.Opened)
    def _clicked(self) -> None:
        self.action_choose()

    def on_click(self, event: events.Click) -> None:
        """A click beside the box leaves it."""
        if event.widget is self:
            self.dismiss(None)
