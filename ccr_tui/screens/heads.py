"""The two lines above a trace: which request it is, and the tabs."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip

from ccr_tui.screens import costs, show
from ccr_tui.screens.ink import Inked
from ccr_tui.screens.overview import OUTCOME
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import TraceRow

TABS = (
    ("overview", "Overview"),
    ("conversation", "Conversation"),
    ("bodies", "Received/Sent"),
    ("route", "Route"),
    ("stream", "Stream"),
    ("tokens", "Tokens"),
    ("cache", "Cache"),
    ("diff", "Diff"),
)
SHORT = {"conversation": "Talk", "bodies": "Bodies"}
"""Titles where there is little room."""


class Tabs(Inked):
    """Their names and keys on one line."""

    @dataclass
    class Chosen(Message):
        """A tab was clicked."""

        number: int

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self.chosen = 1

    def render_line(self, y: int) -> Strip:
        """The one line."""
        pieces = []
        for number, words in enumerate(self._words(), 1):
            pieces += [(" ", ""), (words, "chip" if number == self.chosen else "muted")]
        return self.strip(pieces, self.size.width)

    def _words(self) -> list[str]:
        """Numbers and titles, in the form that fits."""
        wide = [f" {number} {title} " for number, (_, title) in enumerate(TABS, 1)]
        if sum(map(len, wide)) + len(wide) <= self.size.width:
            return wide
        return [f" {number} {SHORT.get(name, title)}" for number, (name, title) in enumerate(TABS, 1)]

    def on_click(self, event: events.Click) -> None:
        """Open the tab."""
        start = 1
        for number, words in enumerate(self._words(), 1):
            if start <= event.x < start + len(words):
                self.post_message(self.Chosen(number))
            start += len(words) + 1


class Headline(Inked):
    """Which request this is, on one line."""

    def __init__(self, row: TraceRow) -> None:
        super().__init__(id="headline")
        self.row = row

    def render_line(self, y: int) -> Strip:
        """The one line."""
        row, width = self.row, self.size.width
        words, ink = OUTCOME[row.outcome]
        answered = show.model(row.model) if row.model else "–"
        end = f"  {show.seconds(row.duration_ms)} s  {costs.of_row(row)[0]} "
        head = f" {show.moment(row.started_at)}  "
        room = max(8, width - len(head) - len(end) - len(words) - 2 - 9)
        mine = ("★ " if row.marked else "") + (f"✎ {show.harmless(row.note)}" if row.note else "")
        names = show.fit(f"{show.model(row.asked_model)} → {answered}", room).rstrip()
        parts = [(" Trace ", "chip"), (head, "muted"), (names, "strong"), (f"  {words}", ink)]
        used = sum(len(text) for text, _ in parts)
        gap = max(0, width - used - len(end))
        parts += [(show.fit(f"  {mine}" if mine else "", gap), "link"), (end, "muted")]
        return self.strip(parts, width)
