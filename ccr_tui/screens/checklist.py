"""What a model can do, found out while one watches: a line for each check as its answer comes.

Owns the checklist and its end. Must never lose what was found when the person leaves in the middle: the house keeps
each check that was made. The one surprise: the names of all checks stand there from the start, so that one sees how
many are to come.
"""

from __future__ import annotations

import time
from contextlib import aclosing

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.markup import escape
from textual.screen import ModalScreen

from ccr_tui.errors import CcrError, ProxyError
from ccr_tui.records import Badge
from ccr_tui.screens import show
from ccr_tui.screens.house import House
from ccr_tui.screens.lines import wrap
from ccr_tui.screens.panels import SPINNER, Panel, Pieces
from ccr_tui.wiretest import CHECKS, NEEDED

NAMES = tuple(check.__name__ for check in CHECKS)
MARKS = {"ok": ("✓", "good"), "no": ("✗", "bad"), "failed": ("?", "warn")}
WORDS = {
    "auth": "key",
    "models": "listed",
    "one_token": "answers",
    "streaming": "streaming",
    "tools": "tools",
    "parallel_tools": "parallel tools",
    "reasoning": "reasoning",
    "json_schema": "JSON schema",
    "cached_usage": "cached usage",
    "mid_system": "system midway",
}
"""What each check is called for people."""
NAME = 16


class Checks(Panel):
    """The lines."""

    def __init__(self) -> None:
        super().__init__(id="checks")
        self.found: dict[str, Badge] = {}
        self.running, self.since = "", 0.0

    def begin(self) -> None:
        """Nothing is known yet."""
        self.found = {}
        self._next()

    def add(self, badge: Badge) -> None:
        """One check has been made."""
        self.found[badge.check] = badge
        self._next()

    def _next(self) -> None:
        self.running = next((name for name in NAMES if name not in self.found), "")
        self.since = time.monotonic()
        self.grow()

    def stop(self) -> None:
        """No more will come."""
        self.running = ""
        self.grow()

    def grow(self) -> None:
        """As high as its lines."""
        self.styles.height = max(1, len(self.lines()))
        self.look()

    def on_resize(self) -> None:
        """Another width wraps otherwise."""
        super().on_resize()
        self.grow()

    def lines(self) -> list[Pieces]:
        """A line or more for each check."""
        lines: list[Pieces] = []
        for name in NAMES:
            if badge := self.found.get(name):
                lines += told(badge, self.size.width)
            else:
                lines.append(self._pending(name))
        return lines

    def _pending(self, name: str) -> Pieces:
        words = show.fit(WORDS[name], NAME)
        if name != self.running:
            return [(" · ", "faint"), (words, "faint")]
        waited = time.monotonic() - self.since
        turn = SPINNER[int(waited * 10) % len(SPINNER)]
        return [(f" {turn} ", "title"), (words, "strong"), (f" {waited:.0f} s", "muted")]


def mark_of(badge: Badge) -> tuple[str, str]:
    """Its sign, and the ink of it; what Claude Code can do without is no alarm."""
    if badge.ability == "no" and badge.check not in NEEDED:
        return "–", "muted"
    return MARKS[badge.ability]


def told(badge: Badge, width: int) -> list[Pieces]:
    """What one check has shown, on as many lines as it needs: mark, name, sentence, time and cost."""
    mark, ink = mark_of(badge)
    spent = f"{show.duration(badge.ms):>8} {show.money(badge.cost):>9}" if badge.ms else ""
    room = max(16, width - NAME - 5 - 19)
    stretches = wrap(show.harmless(badge.sentence), room)
    lines: list[Pieces] = []
    for number, (a, b) in enumerate(stretches):
        head: Pieces = [(f" {mark} ", ink), (show.fit(WORDS.get(badge.check, badge.check), NAME), "strong")]
        said = (" " + show.fit(show.harmless(badge.sentence)[a:b].rstrip(), room), "" if badge.ability == "ok" else ink)
        lines.append([*head, said, (spent, "muted")] if not number else [(" " * (NAME + 3), ""), said])
    return lines


class TestScreen(ModalScreen[None]):
    """The test of one model, over the screen."""

    __test__ = False
    BINDINGS = [
        Binding("escape,q", "leave", "Leave"),
        Binding("enter", "done", "Close", show=False),
        Binding("t", "again", "Again"),
        Binding("j,down", "scroll_checks(1)", "Down", show=False),
        Binding("k,up", "scroll_checks(-1)", "Up", show=False),
    ]

    def __init__(self, house: House, name: str) -> None:
        super().__init__()
        self.house, self.name_ = house, name
        self.checks = Checks()
        self.box = Vertical(id="test")
        self.ended = ""

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        with self.box, VerticalScroll(can_focus=False):
            yield self.checks

    def on_mount(self) -> None:
        """Begin."""
        self.set_interval(0.1, self.checks.look)
        self.action_again()

    def action_again(self) -> None:
        """Test it (again); one that runs goes on."""
        if self.checks.running:
            return
        self.ended = ""
        self.checks.begin()
        self._caption()
        self._test()

    @work(exclusive=True)
    async def _test(self) -> None:
        begun = time.monotonic()
        try:
            async with aclosing(self.house.test(self.name_)) as testing:
                async for badge in testing:
                    self.checks.add(badge)
                    self._caption()
        except (CcrError, ProxyError) as error:
            self.app.notify(str(error), severity="error", markup=False)
            self.ended = "broken off"
        else:
            self.ended = self._verdict(time.monotonic() - begun)
        self.checks.stop()
        self._caption()

    def _verdict(self, took: float) -> str:
        found = self.checks.found.values()
        lacking = [WORDS[badge.check] for badge in found if badge.check in NEEDED and badge.ability != "ok"]
        costs = [badge.cost for badge in found]
        spent = show.money(sum(c for c in costs if c)) if None not in costs else "?"
        how = f"lacks {', '.join(lacking)}" if lacking else "serves Claude Code"
        return f"{how} · {show.duration(took * 1000)} · {spent}"

    def _caption(self) -> None:
        passed = sum(badge.ability == "ok" for badge in self.checks.found.values())
        state = self.ended or f"{len(self.checks.found)} of {len(NAMES)} checks made"
        self.box.border_title = escape(f"Test of {self.name_} · {passed} ok · {state}")
        self.box.border_subtitle = "t again · esc closes" if self.ended else "esc breaks it off, what is found is kept"

    def action_done(self) -> None:
        """Close what has ended."""
        if self.ended:
            self.dismiss(None)

    def action_leave(self) -> None:
        """Close; what runs is broken off, and what was found is kept."""
        self.dismiss(None)

    def action_scroll_checks(self, by: int) -> None:
        """Scroll."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)
