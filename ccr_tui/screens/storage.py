"""What the database takes, and letting old requests go: a preview, a question, and the removal as it goes.

Owns this page. Must never remove anything that was not confirmed; the work is done in a thread, piece by piece, so that
traffic and the screens go on. The one surprise: the previews are counted one after the other, in a thread, because each
reads what it tells of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import ModalScreen
from textual.strip import Strip

from ccr_tui import sizes
from ccr_tui.errors import StoreError
from ccr_tui.prices import usd
from ccr_tui.screens import show
from ccr_tui.screens.bars import Pieces
from ccr_tui.screens.house import House
from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass
from ccr_tui.store.prune import TOO_FRESH, Plan, Progress, Pruned, Size, Wish, kept, missed, plan, prune, size

DAY_S = 86_400.0
AGES = (90, 30, 7)
"""Days after which requests may go, as they are offered."""
BAR = 30
"""Cells of the progress."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that may be let go."""

    words: str
    wish: Wish


def offers(now: float, taken: Size) -> list[Offer]:
    """What is offered: by age, and by size."""
    half = max(1, taken.used // 2)
    by_age = [Offer(f"older than {days} days", Wish(before=now - days * DAY_S)) for days in AGES]
    return [*by_age, Offer(f"the oldest, until {sizes.show(half)} are left", Wish(larger_than=half))]


class Page(Inked, can_focus=True):
    """Lines of words, one of which may be under the cursor."""

    def __init__(self) -> None:
        super().__init__(id="storage")
        self.lines: list[Pieces] = []
        self.cursor: int | None = None

    def say(self, lines: list[Pieces], cursor: int | None = None) -> None:
        """Show these."""
        if len(lines) != len(self.lines):
            self.styles.height = len(lines) + 2
        self.lines, self.cursor = lines, cursor
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line."""
        pieces = self.lines[y] if y < len(self.lines) else []
        return self.strip(pieces, self.size.width, "cursor" if y == self.cursor else "")


class StorageScreen(ModalScreen[None]):
    """The page over the screen."""

    BINDINGS = [
        Binding("escape,q", "leave", "Close"),
        Binding("enter", "choose", "Choose"),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("y", "confirm", "Remove", show=False),
    ]

    @dataclass
    class Counted(Message):
        """What an offer would remove."""

        number: int
        plan: Plan

    @dataclass
    class Moved(Message):
        """The removal has come so far."""

        progress: Progress

    @dataclass
    class Ended(Message):
        """It is over, or could not be done."""

        pruned: Pruned | None
        trouble: str = ""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.page = Page()
        self.taken = Size(0, 0)
        self.offers: list[Offer] = []
        self.plans: dict[int, Plan] = {}
        self.chosen = 0
        self.asks = False
        """Whether the person is asked to confirm what is chosen."""
        self.stop: Event | None = None
        """While something is being removed: ends it."""
        self.result: Pieces = []

    def compose(self) -> ComposeResult:
        """The box in the middle."""
        self.page.border_title = "Storage"
        yield self.page

    def on_mount(self) -> None:
        """Look."""
        self.page.focus()
        self._count()

    @work(thread=True, exclusive=True)
    def _count(self) -> None:
        path = self.house.reader.path
        try:
            self.taken = size(path)
            self.offers = offers(time.time(), self.taken)
            self.app.call_from_thread(self._draw)
            for number, offer in enumerate(self.offers):
                self.post_message(self.Counted(number, plan(path, offer.wish)))
        except StoreError as error:
            self.post_message(self.Ended(None, str(error)))

    @on(Counted)
    def _counted(self, counted: Counted) -> None:
        self.plans[counted.number] = counted.plan
        self._draw()

    def _draw(self) -> None:
        cursor = None
        lines = list(self._head())
        for number, offer in enumerate(self.offers):
            if number == self.chosen and not self.stop and not self.house.viewing:
                cursor = len(lines)
            lines.append(self._offer(offer, self.plans.get(number)))
        lines += [[], self.result or self._hint()]
        self.page.border_subtitle = "esc stops" if self.stop else "esc closes"
        self.page.say(lines, cursor)

    def _head(self) -> Iterator[Pieces]:
        reader, taken = self.house.reader, self.taken
        yield [("database ", "muted"), (show.harmless(str(reader.path)), "")]
        yield [("takes    ", "muted"), (taken.told, "strong"), (f"; {taken.beside}" if taken.beside else "", "")]
        yield [("keeps    ", "muted"), (self._rule(), "")]
        yield []
        yield [("Let go of what was said; what was spent stays in every sum:", "muted")]

    def _rule(self) -> str:
        config = self.house.engine.config
        if kept(config).is_empty:
            return "everything (config.toml, [store]: keep_days, keep_gb)"
        age = f"{config.keep_days:g} days" if config.keep_days else ""
        most = sizes.show(config.keep_bytes) if config.keep_bytes else ""
        return " and ".join(filter(None, (age, most))) + " at most (config.toml, [store])"

    def _offer(self, offer: Offer, found: Plan | None) -> Pieces:
        if found is None:
            return [(f"  {offer.words:<34}", ""), ("…", "muted")]
        count = f"{found.requests:,} request{'' if found.requests == 1 else 's'}"
        spared = f"  {found.spared:,} stay: pinned, marked" if found.spared else ""
        about = f"about {sizes.show(found.bytes)}" if found.requests else ""
        return [(f"  {offer.words:<34}", ""), (f"{count:>17}  {about:<14}", "strong"), (spared, "muted")]

    def _hint(self) -> Pieces:
        if self.house.viewing:
            return [("Pruned in the ccr-tui that runs the proxy.", "muted")]
        found = self.plans.get(self.chosen)
        if self.asks and found:
            cost = f"${usd(found.cost)}"
            return [(f"Remove {found.requests:,} requests for good? ", "warn"), ("y", "title"), (" removes them; ", ""),
                    (f"the {cost} that they cost stay in the sums", "muted")]  # fmt: skip
        if found and (short := self._missed(found)):
            return short
        return [("⏎ chooses · pin a session (p) or mark a request (b) to keep it", "muted")]

    def _missed(self, found: Plan) -> Pieces:
        """That more is left than was asked for, and why."""
        left = missed(found, self.offers[self.chosen].wish)
        return [] if left is None else [(f"Leaves {sizes.show(left)}: {TOO_FRESH}", "muted")]

    def action_move(self, by: int) -> None:
        """Another offer."""
        if self.offers and not self.stop:
            self.chosen, self.asks, self.result = (self.chosen + by) % len(self.offers), False, []
            self._draw()

    def action_choose(self) -> None:
        """Ask whether to remove it."""
        found = self.plans.get(self.chosen)
        if found and not self.stop and not self.house.viewing:
            self.asks, self.result = found.requests > 0, []
            if not found.requests:
                self.result = self._missed(found) or [("There is nothing of that kind.", "muted")]
            self._draw()

    def action_confirm(self) -> None:
        """Remove it."""
        if self.asks and not self.stop:
            self.asks, self.stop = False, Event()
            self._remove(self.offers[self.chosen].wish, self.stop)

    @work(thread=True, exclusive=True)
    def _remove(self, wish: Wish, stop: Event) -> None:
        try:
            self.post_message(self.Ended(prune(self.house.reader.path, wish, self._tell, stop)))
        except StoreError as error:
            self.post_message(self.Ended(None, str(error)))

    def _tell(self, progress: Progress) -> None:
        self.post_message(self.Moved(progress))

    @on(Moved)
    def _moved(self, moved: Moved) -> None:
        now = moved.progress
        left = f"{now.eta_s:,.0f} s left" if now.eta_s is not None else ""
        bar = "█" * round(now.done * BAR) + "░" * (BAR - round(now.done * BAR))
        self.result = [(f"{now.phase}  ", ""), (bar, "good"), (f"  {now.requests:,} requests  {left}", "strong")]
        self._draw()

    @on(Ended)
    def _ended(self, ended: Ended) -> None:
        self.stop, pruned = None, ended.pruned
        if pruned is None:
            self.result = [(show.harmless(f"✗ {ended.trouble}"), "bad")]
        else:
            how = "removed" if pruned.is_complete else "removed, then it was stopped"
            self.result = [(f"{pruned.requests:,} requests {how}; {sizes.show(pruned.freed)} given back", "good")]
        self.plans.clear()
        self._draw()
        if pruned is not None:
            self._count()

    def action_leave(self) -> None:
        """Stop the removal, take the question back, or close."""
        if self.stop:
            self.stop.set()
        elif self.asks:
            self.asks = False
            self._draw()
        else:
            self.dismiss()

    def on_click(self, event: events.Click) -> None:
        """A click beside the page closes it."""
        if event.widget is self and not self.stop:
            self.dismiss()
