"""Every key, by where it works. Made from the bindings themselves, so that it can't say what is not so."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import ModalScreen

from ccr_tui import filtering
from ccr_tui.screens.box import Lists
from ccr_tui.screens.context import ContextScreen
from ccr_tui.screens.filterbar import FilterLine
from ccr_tui.screens.lab import LabScreen
from ccr_tui.screens.lines import Document
from ccr_tui.screens.live import LiveScreen
from ccr_tui.screens.models import ModelsScreen
from ccr_tui.screens.replay import ReplayScreen
from ccr_tui.screens.replay_steps import StepsScreen
from ccr_tui.screens.roster import Roster
from ccr_tui.screens.scrolled import Scrolled
from ccr_tui.screens.sessions import SessionsScreen
from ccr_tui.screens.spend import SpendScreen
from ccr_tui.screens.table import Table
from ccr_tui.screens.trace import TraceScreen
from ccr_tui.screens.tree import SessionTree
from ccr_tui.screens.viewer import Viewer

SIGNS = """\
~1.2k ~$0.04          estimated, not reported; a cost that rests on such tokens
$1.20+                more was asked at a price that nobody knows
⟨91%⟩                 share of the prompt that the provider had cached
?                     no price is known; never counted as nothing
–                     nobody is known to bill anything
Σ$0.006               with the router and the agents that worked aside; the tokens are the answer's
qwen-max ×3           it took three tries to get an answer
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
            ("Requests", [*Lists.BINDINGS, *Table.BINDINGS]),
            ("Typing a filter", FilterLine.BINDINGS),
            ("Sessions", [*SessionsScreen.BINDINGS, *SessionTree.BINDINGS]),
            ("Spend", SpendScreen.BINDINGS),
            ("Models", ModelsScreen.BINDINGS),
            ("Replay", [*ReplayScreen.BINDINGS, *Roster.BINDINGS]),
            ("Its steps", StepsScreen.BINDINGS),
            ("Router lab", LabScreen.BINDINGS),
            ("Trace", TraceScreen.BINDINGS),
            ("Its bodies", Viewer.BINDINGS),
            ("Context over time", ContextScreen.BINDINGS),
        )
        for title, bindings in sections:
            page.put((title, "title"))
            for keys, words in told(bindings):
                page.put("  ", (f"{keys:20}", "strong"), words, hang=22)
            page.put("")
        for title, told_ in (("Filter", of_filters()), ("Signs", [(s[:22], s[22:]) for s in SIGNS.split("\n")])):
            page.put((title, "title"))
            for sign, words in told_:
                page.put("  ", (f"{sign:20}", "strong"), words.strip(), hang=22)
            page.put("")
        return page


def of_filters() -> Iterable[tuple[str, str]]:
    """What may be typed as a filter."""
    yield "words", "found in what was said (whole words; of the last its beginning), in a name, in an error"
    yield '!  a,b  *  "a b"', "not · or · anything · as it stands"
    yield from ((flag, words) for flag, words in filtering.FLAGS.items())
    yield from ((f"{key}:", words) for key, words in (filtering.NAMES | filtering.NUMBERS | filtering.TIMES).items())


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
