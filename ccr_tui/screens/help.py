"""Every key, by where it works. Made from the bindings themselves, so that it can't say what is not so."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import ModalScreen

from ccr_tui.screens.lines import Document
from ccr_tui.screens.live import LiveScreen
from ccr_tui.screens.models import ModelsScreen
from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.screens.table import Table
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.viewer import Viewer

FILTER = """\
words                 found in what was said
error ok cancelled    by outcome
agent:tool            by agent; also model: project: session:
since:30m             by age; m, h, d or w"""

SIGNS = """\
~1.2k                 tokens that were estimated, not reported
⟨91%⟩                 share of the prompt that the provider had cached
?                     no price is known; never counted as nothing
✗ ⊘                   failed; cancelled by the client"""


NAMES = {"enter": "⏎", "escape": "esc", "pagedown": "pgdn", "pageup": "pgup", "space": "space", "tab": "tab"}


class HelpScreen(ModalScreen[None]):
    """A list of keys over the screen."""

    BINDINGS = [Binding("escape,question_mark,q", "dismiss", "Close")]

    def __init__(self, everywhere: Iterable[BindingType]) -> None:
        super().__init__()
        self.everywhere = list(everywhere)

    def compose(self) -> ComposeResult:
        """The list."""
        viewer = Viewer(id="keys", still=True)
        viewer.border_title, viewer.border_subtitle = "Keys", "esc closes"
        viewer.load(lambda _: self._document())
        yield viewer

    def _document(self) -> Document:
        page = Document()
        sections = (
            ("Everywhere", self.everywhere),
            ("Lists and texts", Scrolled.BINDINGS),
            ("Live", LiveScreen.BINDINGS),
            ("Requests", Table.BINDINGS),
            ("Models", ModelsScreen.BINDINGS),
            ("Trace", TraceScreen.BINDINGS),
            ("Its bodies", Viewer.BINDINGS),
        )
        for title, bindings in sections:
            page.put((title, "title"))
            for keys, words in told(bindings):
                page.put("  ", (f"{keys:20}", "strong"), words, hang=22)
            page.put("")
        for title, text in (("Filter", FILTER), ("Signs", SIGNS)):
            page.put((title, "title"))
            for line in text.split("\n"):
                page.put("  ", (line[:20], "strong"), line[20:].strip(), hang=22)
            page.put("")
        return page


def told(bindings: Iterable[BindingType]) -> Iterable[tuple[str, str]]:
    """Keys and words, one line an action."""
    for binding in bindings:
        if isinstance(binding, Binding) and binding.description:
            keys = " ".join(named(key) for key in binding.key.split(","))
            shown = binding.key_display if binding.key_display and "," not in binding.key else keys
            yield shown, binding.tooltip or binding.description


def named(key: str) -> str:
    """A key as people call it."""
    return NAMES.get(key) or (key.replace("ctrl+", "^") if key.startswith("ctrl+") else format_key(key))
