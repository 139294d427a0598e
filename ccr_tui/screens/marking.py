"""Bookmarks and notes, wherever a request is chosen.

Owns the keys b and B and what they ask. Must never write on the event loop. The one surprise: what was written is read
back from the store before it is shown, so that a screen never shows a mark that was not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual import on, work
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen

from ccr_tui.errors import StoreError
from ccr_tui.hiding import hidden
from ccr_tui.screens.form import Field, Form, Values
from ccr_tui.screens.house import House
from ccr_tui.slim import dataclass
from ccr_tui.store import marks
from ccr_tui.store.queries import TraceRow


class Marking(Screen[None]):
    """A screen with a request that may be marked."""

    BINDINGS = [
        Binding("b", "mark", "Mark", tooltip="Put a bookmark on the request, or take it off"),
        Binding("B", "note", "Note", show=False, tooltip="Write a note on the request"),
    ]
    house: House

    @dataclass
    class Remarked(Message):
        """A thread has read a row anew."""

        row: TraceRow

    @dataclass
    class Unmarked(Message):
        """It could not be kept; why."""

        why: str

    def chosen_row(self) -> TraceRow | None:
        """The request that is meant."""
        raise NotImplementedError

    def show_marked(self, row: TraceRow) -> None:
        """Show it as it is now."""
        raise NotImplementedError

    def action_mark(self) -> None:
        """A bookmark on the request, or none."""
        if row := self.chosen_row():
            self._keep(row, lambda: marks.mark(self.house.reader.path, row.n, not row.marked))

    def action_note(self) -> None:
        """Ask for the words of a note."""
        if row := self.chosen_row():
            hint = "Shown in lists and in the trace; an empty one takes it off."

            async def save(values: Values) -> None:
                words = hidden(values["note"], self.house.engine.config)
                self._keep(row, lambda: marks.note(self.house.reader.path, row.n, words))

            self.app.push_screen(Form(f"Note on {row.id[:12]}", [Field("note", "note", row.note or "", hint)], save))

    @work(thread=True, group="mark")
    def _keep(self, row: TraceRow, write: Callable[[], None]) -> None:
        try:
            write()
            self.post_message(self.Remarked(replace(self.house.reader.row(row.id), hops=row.hops)))
        except StoreError as error:
            self.post_message(self.Unmarked(str(error)))

    @on(Remarked)
    def _remarked(self, remarked: Remarked) -> None:
        self.show_marked(remarked.row)

    @on(Unmarked)
    def _say_unmarked(self, unmarked: Unmarked) -> None:
        self.app.notify(unmarked.why, severity="error", markup=False)
