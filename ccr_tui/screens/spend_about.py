"""What the figures of the Spend screen mean, and where each one is known from.

Owns the words of the definitions; the same are in the README. Must never claim more than is computed. The one
surprise: prices are listed as they were billed, not as they are today, because a request keeps the price of its time.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from ccr_tui import decimals
from ccr_tui.baseline import Baseline
from ccr_tui.screens import show
from ccr_tui.screens.figures import priced
from ccr_tui.screens.lines import Document
from ccr_tui.screens.viewer import Viewer
from ccr_tui.spending import Spending

MEANT = (
    ("spent", "All calls, the router's and the agents' before the answer included, each at the price of its time. "
     "~: more than a hundredth of it rests on tokens that we estimated, because providers reported none (the tokens "
     "beside it have a rule of their own, the same: costs and tokens may differ in it). +: more calls were made "
     "whose price nobody knows; they are in no sum."),
    ("at a model", "One model for all: the answers' tokens as they were recorded, at that model's price of today. What "
     "was cached counts as cached, and so does what a switch of models lost; no router and no agent before the answer "
     "is paid. No cache writes are added, which Anthropic charges for, and tokens are those that the model counted "
     "which answered. Calls whose price nobody knows are left out on both sides: + says that there are some; where no "
     "price is known at all, it is for all calls. The share follows from the two amounts as they are shown."),
    ("router, aside", "What asking the router cost, and what the agents cost that worked before the one that answered "
     "(hops)."),
    ("replays", "What reruns, their judges and router labs have cost in this time. It is in no other figure, and "
     "counts against no budget of [guards]; origin:replay finds the requests."),
    ("saved", "What the tokens that a cache served would have cost as new ones, less what they cost, and less what was "
     "paid extra for writing them."),
    ("lost", "Where another model answered than the one before it in the same conversation, or an agent was sent the "
     "conversation over again: the tokens of the common beginning that one model would have had cached, at the "
     "difference between the price of input and that of the cache. At most what the request before sent, only within "
     "5 minutes of it, none below 1,024 tokens, and less what the provider reported as cached."),
    ("forecast", "About what today will have cost: what it has cost so far, and the mean of what the days before cost "
     "after this time of day, of at most seven days."),
    ("budgets", "guards.budget_per_day and guards.budget_per_session in config.toml. Unknown prices count as nothing."),
)  # fmt: skip


class AboutScreen(ModalScreen[None]):
    """The page, over the screen."""

    BINDINGS = [Binding("escape,i,q", "dismiss", "Close")]

    def __init__(self, found: Spending, span: str, compared: Baseline | None, is_what_if: bool) -> None:
        super().__init__()
        self.found, self.span, self.compared, self.is_what_if = found, span, compared, is_what_if

    def compose(self) -> ComposeResult:
        """The page."""
        viewer = Viewer(id="keys", still=True)
        viewer.border_title, viewer.border_subtitle = "Where the figures come from", "esc closes"
        viewer.load(lambda _: self._document())
        yield viewer

    def _document(self) -> Document:
        page = Document()
        page.put((f"Prices that were billed, {self.span}", "title"))
        for part in self.found.billed:
            known = part.basis != "unknown"
            amount = show.lined(show.money(part.cost if known else None), 6)
            words = show.harmless(part.origin)
            calls = "" if known else f", {part.unpriced:,} calls"
            page.put("  ", (f"{amount:>13}", "money" if known else "warn"), f"  {words}",
                     (f"  {show.tokens(part.tokens)} tokens{calls}", "muted"), hang=17)  # fmt: skip
        if self.compared is not None:
            self._rates(page, self.compared)
        if self.found.forecast is not None:
            page.put("")
            page.put(("Forecast", "title"))
            guess = self.found.forecast
            page.put(
                "  ",
                (f"about {decimals.roughly(guess.cost)}", "strong"),
                f"  {show.money(guess.so_far)} {guess.words}",
                hang=4,
            )
        page.put("")
        page.put(("What they mean", "title"))
        for name, words in MEANT:
            page.put("  ", (f"{name:14}", "strong"), words, hang=16)
        return page

    def _rates(self, page: Document, compared: Baseline) -> None:
        price = compared.price
        page.put("")
        how = "" if compared.is_chosen else "  what the client asked for most of late, for all of today; b keeps one"
        title = (f"Compared with {show.harmless(compared.name)}", "title")
        page.put(title, ("  what if" if self.is_what_if else how, "muted"))
        rates = [("input", price.input), ("output", price.output), ("cache read", price.cache_read)]
        told = ", ".join(f"{name} {show.rate(rate)}" for name, rate in rates if rate is not None)
        page.put("  ", told, ("  per million tokens", "muted"))
        page.put("  ", (priced(compared), "muted"), hang=2)
