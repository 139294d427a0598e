"""A question with a few answers, each with its key."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.markup import escape
from textual.screen import ModalScreen
from textual.strip import Strip

from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass


@dataclass(frozen=True)
class Answer:
    """One answer: the key that gives it at once, and its words."""

    key: str
    words: str


class Answers(Inked, can_focus=True):
    """The answers, one a line."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self.answers = answers
        self.chosen = 0

    def render_line(self, y: int) -> Strip:
        """One answer."""
        if y >= len(self.answers):
            return self.strip([], self.size.width)
        answer = self.answers[y]
        pieces = [(f" {answer.key}  ", "title"), (answer.words, "")]
        return self.strip(pieces, self.size.width, "cursor" if y == self.chosen else "")


class Ask(ModalScreen[str | None]):
    """Shows the question; its result is the key of the answer, or None."""

    BINDINGS = [
        Binding("escape", "answer('')", "Leave it"),
        Binding("enter", "choose", "Choose"),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
    ]

    def __init__(self, question: str, answers: Sequence[Answer]) -> None:
        super().__init__()
        self.question = question
        self.answers = Answers(answers)

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        self.answers.border_title = escape(self.question)
        self.answers.border_subtitle = "esc leaves it"
        widest = max(cell_len(self.question) + 2, *(cell_len(answer.words) + 5 for answer in self.answers.answers))
        self.answers.styles.width = widest + 4
        self.answers.styles.height = len(self.answers.answers) + 2
        yield self.answers

    def on_key(self, event: events.Key) -> None:
        """An answer's own key gives it."""
        if any(event.character == answer.key for answer in self.answers.answers):
            event.stop()
            self.dismiss(event.character)

    def action_answer(self, key: str) -> None:
        """Give this answer; empty gives none."""
        self.dismiss(key or None)

    def action_choose(self) -> None:
        """Give the answer of the cursor."""
        self.dismiss(self.answers.answers[self.answers.chosen].key)

    def action_move(self, by: int) -> None:
        """Another answer."""
        self.answers.chosen = (self.answers.chosen + by) % len(self.answers.answers)
        self.answers.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click on an answer gives it; one beside the box gives none."""
        if event.widget is not self.answers:
            self.dismiss(None)
            return
        y = event.get_content_offset_capture(self.answers).y
        if 0 <= y < len(self.answers.answers):
            self.dismiss(self.answers.answers[y].key)
