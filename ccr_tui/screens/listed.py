"""A list of requests of its own: those of a session, a project, or any filter.

Owns nothing but its frame; what can be done with a list stands in box.py. Must never show another list than it says.
The one surprise: it follows the store by itself, asking once a second for what is newer, a look at one index.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding

from ccr_tui.screens.bars import Footer, Header
from ccr_tui.screens.box import Lists, RequestsBox
from ccr_tui.screens.house import House
from ccr_tui.store.queries import Filter

LOOK_S = 1.0


class RequestsScreen(Lists):
    """Header, requests, footer."""

    BINDINGS = [Binding("escape,backspace", "back", "Back", key_display="esc")]

    def __init__(self, house: House, base: Filter | None = None, what: str = "Requests", demo: bool = False) -> None:
        """`base` holds whatever is typed; `what` is what the list is called."""
        super().__init__()
        self.house = house
        self.header, self.footer = Header(house, demo), Footer(house)
        self.box = RequestsBox(house, base, what)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.header
        yield self.box
        yield self.footer

    def on_mount(self) -> None:
        """Read the list."""
        self.box.table.focus()
        self.box.read()
        self.set_interval(LOOK_S, self._look)

    def _look(self) -> None:
        self.header.look()
        self.footer.look()
        if self.is_current:
            self.box.table.newer()

    def action_back(self) -> None:
        """Clear the filter first, then go back."""
        if self.box.bar.display:
            self.box.bar.close(clear=True)
        else:
            self.dismiss()
