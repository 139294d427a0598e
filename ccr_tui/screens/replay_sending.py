"""Sending a replay's requests for real: the bill, the cap, and how it is stopped.

Owns that conversation, for a rerun that begins and for one that goes on. Must never send before a cap was chosen. The
one surprise: what is left of a rerun is counted by the other process, because a screen knows sums and no steps.
"""

from __future__ import annotations

from textual.screen import Screen

from ccr_tui import values
from ccr_tui.replay import beside
from ccr_tui.replay.beside import Beside, Left, Opened
from ccr_tui.replay.words import Comparison, Progress, Settings
from ccr_tui.screens import replay_form
from ccr_tui.screens.capping import Cap
from ccr_tui.screens.house import House


class Sending(Screen[None]):
    """What asks before it sends; the screen itself says what it has, and prices."""

    house: House
    what: str
    beside: Beside | None
    opened: Opened | None
    variants: list[str]
    settings: Settings
    comparison: Comparison | None
    room: int
    busy: str
    progress: Progress | None
    cut: replay_form.Cut | None
    newer: int
    _cap: int | None

    def open(self, what: str, price: bool = True) -> None:
        """Choose what is replayed."""
        raise NotImplementedError

    def ask(self, message: object) -> None:
        """Say something to the other process."""
        raise NotImplementedError

    def price(self) -> None:
        """Price all variants anew."""
        raise NotImplementedError

    def tell(self, comparison: Comparison) -> None:
        """Show this comparison."""
        raise NotImplementedError

    def put(self) -> None:
        """Show what there is."""
        raise NotImplementedError

    def chosen(self) -> str | None:
        """The variant of the cursor."""
        raise NotImplementedError

    # -- sending for real

    def action_rerun(self) -> None:
        """Look at the bill, choose a cap, and send."""
        found, config = self.comparison, self.house.engine.config
        if found is None or not self.variants:
            return
        sent = replay_form.sendable(config, self.variants)
        if not sent:
            sentence = "None of these variants can be sent: their models are not configured (4 adds models)."
            self.app.notify(sentence, severity="warning", markup=False)
            return

        def chosen(caps: list[str] | None) -> None:
            if caps:
                self._send(caps[0], sent, found, None)

        names = [each.partition("=")[0] for each in sent]
        if self.cut is not None and self.cut.goes_on(names):
            self.busy = "counting what is left…"
            self.ask(beside.Rest(tuple(sent), self.cut.run))
            self.put()
            return
        about = f"{', '.join(names)}: {replay_form.bill(found.variants, names)}"
        self.app.push_screen(Cap("Send for real", replay_form.caps(found, names, self.room), about), chosen)

    def ask_again(self, left: Left) -> None:
        """What the rest costs, and the cap that it may take."""
        found, cut = self.comparison, self.cut
        if found is None or cut is None or cut.run != left.run:
            return
        sent = replay_form.sendable(self.house.engine.config, self.variants)

        def chosen(caps: list[str] | None) -> None:
            if caps:
                self._send(caps[0], sent, found, cut)

        caps = replay_form.caps_again(left.lines, left.room, left.spent, cut.cap)
        about = f"What was answered is not sent again. Left: {replay_form.rest(left.lines, left.spent)}"
        self.app.push_screen(Cap("Go on with this rerun", caps, about), chosen)

    def _send(self, cap: str, sent: list[str], found: Comparison, cut: replay_form.Cut | None) -> None:
        try:
            most = None if cap == replay_form.NO_CAP else values.budget(cap.removeprefix("$"))
        except ValueError as error:
            self.app.notify(f"A cap {error}", severity="error", markup=False)
            return
        settings = Settings(kind="rerun", max_cost=most, concurrency=min(4, len(sent)))
        self.busy, self.progress = "sending…", Progress(0, found.variants[0].requests * len(sent))
        self.ask(beside.Rerun(tuple(sent), settings, cut.run if cut else None))
        self._cap = most
        self.put()

    def action_stop(self) -> None:
        """What was done stays."""
        if self.beside is not None:
            self.beside.ask(beside.Stop())
