"""A cap on what a rerun may be billed, kept by setting aside what each request may cost at worst.

Owns the sums: spent, held for what is under way, lost to what nobody has an answer of. Must never do I/O or guess a
price. The one surprise: money is held before a request goes out and only then spent, so that however many are under way
at once, their bills together can't pass the cap.

All money is nano-USD.
"""

from __future__ import annotations

from ccr_tui.errors import ProxyError
from ccr_tui.prices import show
from ccr_tui.slim import dataclass


class BudgetReached(ProxyError):
    """A call was not made, because at worst it would have passed the cap."""

    status = 402
    type = "billing_error"

    def __init__(self, cap: int) -> None:
        super().__init__(f"Not sent: at worst it would pass the budget of {show(cap)}.", should_retry=False)


@dataclass(slots=True)
class Budget:
    """What may be spent. `cap` None: anything."""

    cap: int | None
    spent: int = 0
    """What was billed."""
    lost: int = 0
    """What may have been billed for answers that never came: it counts against the cap."""
    held: int = 0
    """The worst cases of all that is under way."""

    @property
    def room(self) -> int | None:
        """What may still be held; None: anything."""
        return None if self.cap is None else self.cap - self.spent - self.lost - self.held

    def fits(self, amount: int) -> bool:
        """Whether so much may still be held."""
        return self.room is None or amount <= self.room


class Purse:
    """One step's part of the budget: what its calls may cost at worst, settled when it is over."""

    def __init__(self, budget: Budget, amount: int) -> None:
        """Takes `amount`, which must fit."""
        self._budget, self._held, self._drawn = budget, amount, 0
        budget.held += amount

    @property
    def held(self) -> int:
        """What is set aside for it."""
        return self._held

    def draw(self, worst: int) -> None:
        """A call is about to be made that costs this at worst. Raises BudgetReached where that does not fit."""
        more = max(0, self._drawn + worst - self._held)
        if not self._budget.fits(more):
            assert self._budget.cap is not None
            raise BudgetReached(self._budget.cap)
        self._budget.held += more
        self._held += more
        self._drawn += worst

    def give_back(self, worst: int) -> None:
        """That call was refused or never arrived: nobody bills it, and the next one may take its place."""
        self._drawn -= worst

    def settle(self, billed: int, lost: int = 0) -> None:
        """The step is over: what it was billed, and what it may have been billed for no answer."""
        self._budget.held -= self._held
        self._budget.spent += billed
        self._budget.lost += lost
        self._held = self._drawn = 0
