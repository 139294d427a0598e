"""Every key, by where it works: those of the screen that it was asked from first.

Made from the bindings themselves, so that it can't say what is not so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import format_key
from textual.screen import ModalScreen, Screen

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


def keys_of(*kinds: type[Any]) -> list[BindingType]:
    """The keys of these and of what they are made from, but for those of all lists and texts."""
    bases = [base for kind in kinds for base in kind.__mro__ if base.__module__.startswith("ccr_tui")]
    return [binding for base in bases if base is not Scrolled for binding in vars(base).get("BINDINGS", ())]


SECTIONS: tuple[tuple[type[Screen[Any]] | None, str, Sequence[BindingType]], ...] = (
    (None, "Lists and texts", Scrolled.BINDINGS),
    (LiveScreen, "Live", LiveScreen.BINDINGS),
    (Lists, "Requests", keys_of(Lists, Table)),
    (None, "Typing a filter", FilterLine.BINDINGS),
    (SessionsScreen, "Sessions", keys_of(SessionsScreen, SessionTree)),
    (SpendScreen, "Spend", keys_of(SpendScreen, Roster)),
    (ModelsScreen, "Models", keys_of(ModelsScreen, Roster)),
    (ReplayScreen, "Replay", keys_of(ReplayScreen, Roster)),
    (StepsScreen, "Its steps", keys_of(StepsScreen)),
    (LabScreen, "Router lab", keys_of(LabScreen)),
    (TraceScreen, "Trace", keys_of(TraceScreen)),
    (TraceScreen, "Its bodies", keys_of(Viewer)),
    (ContextScreen, "Context over time", keys_of(ContextScreen)),
)
"""Where keys work: the screen whose first ones they are, if they are any's."""


class HelpScreen(ModalScreen[None]):
    """A list of keys over the screen."""

    BINDINGS = [Binding("escape,question_mark,q", "dismiss", "Close")]

    def __init__(self, everywhere: Iterable[BindingType], over: Screen[object], demo: bool = False) -> None:
        """`over` is the screen that it covers; only in the demo there is a demo to play again."""
        super().__init__()
        self.everywhere, self.over, self.demo = list(everywhere), over, demo

    def compose(self) -> ComposeResult:
        """The list."""
        viewer = Viewer(id="keys", still=True)
        viewer.border_title, viewer.border_subtitle = "Keys", "esc closes"
        viewer.load(lambda _: self._document())
        yield viewer

    def _document(self) -> Document:
        page = Document()
        everywhere = (None, "Everywhere", self.everywhere)
        here = [one for one in SECTIONS if one[0] is not None and isinstance(self.over, one[0])]
        rest = [one for one in SECTIONS if one not in here]
        for _, title, bindings in (*here, everywhere, *rest):
            page.put((title, "title"))
            for keys, words in told(b for b in bindings if self.demo or b not in LiveScreen.OF_DEMO):
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
