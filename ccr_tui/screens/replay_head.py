"""What is replayed, and how far that is.

Owns those three lines. Must never ask for anything. The one surprise: without a recording the first line says why.
"""

from __future__ import annotations

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

    def put(self, opened: Opened | None, words: str = "", progress: Progress | None = None) -> None:
        """Other words."""
        if (opened, words, progress) != (self.opened, self.words, self.progress):
            self.opened, self.words, self.progress = opened, words, progress
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Title, figures, and what goes on."""
        width = self.size.width
        one = self.opened
        if y == 0:
            return self.strip(
                [(f"{self.called}  ", "title"), (show.harmless(one.title) if one else self.words, "strong")], width
            )
        if y == 1 and one:
            models = ", ".join(show.model(name) for name in one.models)
            requests = f"{one.steps} request{'s' if one.steps != 1 else ''}"
            return self.strip([(f"{requests} · {show.money(one.cost)} · answered by {models}", "muted")], width)
        if y == 2 and self.progress:
            return self.strip(bar(self.progress, width), width)
        return self.strip([(self.words if one and y == 2 else "", "warn")], width)


def bar(progress: Progress, width: int) -> list[tuple[str, str]]:
    """How far a replay is, with what it has cost and the time that is left."""
    done, rest = show.bar(progress.done / max(1, progress.total), max(10, min(40, width // 3)))
    left = (
        f" · {show.duration(progress.eta_s * 1000)} left" if progress.eta_s is not None and progress.eta_s >= 1 else ""
    )
    spent = f" · {show.money(progress.spent)} spent" if progress.spent else ""
    return [(done, "good"), (rest, "faint"), (f" {progress.done} of {progress.total}{spent}{left} · x stops", "")]
