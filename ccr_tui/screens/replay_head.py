"""What is replayed, and how far that is.

Owns those three lines. Must never ask for anything. The one surprise: without a recording the first line says why.
"""

from __future__ import annotations

import time
from textwrap import wrap

from textual.message import Message
from textual.strip import Strip

from ccr_tui.replay.beside import Opened
from ccr_tui.replay.words import Progress
from ccr_tui.screens import show
from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass


@dataclass
class ReplayOf(Message):
    """Somebody wants to replay this session or request."""

    what: str


class Recording(Inked):
    """What is replayed, and how far that is."""

    def __init__(self, called: str = "Replay") -> None:
        super().__init__(id="recording")
        self.called = called
        self.opened: Opened | None = None
        self.words = ""
        self.progress: Progress | None = None
        self.newer = 0

    def put(self, opened: Opened | None, words: str = "", progress: Progress | None = None, newer: int = 0) -> None:
        """Other words; `newer` requests have come since it was read."""
        if (opened, words, progress, newer) != (self.opened, self.words, self.progress, self.newer):
            self.opened, self.words, self.progress, self.newer = opened, words, progress, newer
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Title, figures, and what goes on."""
        width = self.size.width
        one = self.opened
        if one is None and not self.progress:
            return self.strip(self._why(y, width), width)
        if y == 0:
            return self.strip(
                [(f"{self.called}  ", "title"), (show.harmless(one.title) if one else "", "strong")], width
            )
        if y == 1 and one:
            models = ", ".join(show.model(name) for name in one.models)
            requests = f"{one.steps} request{'s' if one.steps != 1 else ''}"
            told = f" · {show.money(one.cost)} · answered by {models}"
            return self.strip([(requests, "muted"), *snapshot(one, self.newer), (told, "muted")], width)
        if y == 2 and self.progress:
            return self.strip(bar(self.progress, width), width)
        return self.strip([(self.words if one and y == 2 else "", "warn")], width)

    def _why(self, y: int, width: int) -> list[tuple[str, str]]:
        """One line of the sentence that says why there is nothing."""
        lines = wrap(show.harmless(self.words), max(8, width - len(self.called) - 2)) or [""]
        head = (f"{self.called}  ", "title") if y == 0 else (" " * (len(self.called) + 2), "")
        return [head, (lines[y], "strong")] if y < len(lines) else []


def snapshot(one: Opened, newer: int) -> list[tuple[str, str]]:
    """When a session of the database was read, and whether it has gone on since."""
    if not one.newest:
        return []
    read = (f" as of {show.when(one.at, time.time(), 9)}", "muted")
    return [read, (f", u reads {newer} more", "warn")] if newer else [read]


def bar(progress: Progress, width: int) -> list[tuple[str, str]]:
    """How far a replay is, with what it has cost and the time that is left."""
    done, rest = show.bar(progress.done / max(1, progress.total), max(10, min(40, width // 3)))
    left = (
        f" · {show.duration(progress.eta_s * 1000)} left" if progress.eta_s is not None and progress.eta_s >= 1 else ""
    )
    spent = f" · {show.money(progress.spent)} spent" if progress.spent else ""
    return [(done, "good"), (rest, "faint"), (f" {progress.done} of {progress.total}{spent}{left} · x stops", "")]
