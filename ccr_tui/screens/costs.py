"""What several calls cost together, in words that are true.

Owns when a sum is told, when it is "?" and when "–". Pure. The one surprise: a call that ended before any token was
counted is not unknown money, it is none that anybody is known to bill; so it makes no sum unknown, and where there is
nothing else the sum is a dash.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccr_tui.records import Attempt, Price, Usage
from ccr_tui.screens import show
from ccr_tui.store.amounts import Sums
from ccr_tui.store.queries import TraceRow

NOTHING = "–"
"""Nobody is known to bill anything."""


def of_calls(calls: Iterable[Attempt]) -> str:
    """The calls' cost: "?" if one used tokens at an unknown price, "–" if none was counted; with a tilde where it rests
    on estimated tokens."""
    made = list(calls)
    if any(call.cost is None and call.usage is not None for call in made):
        return show.money(None)
    known = [call.cost for call in made if call.cost is not None]
    about = "~" if any(map(is_about, made)) else ""
    return about + show.money(sum(known)) if known else NOTHING


def is_about(call: Attempt) -> bool:
    """Whether its cost rests on tokens that nobody reported."""
    return call.usage is not None and call.usage.basis != "reported" and call.cost_basis != "reported"


def of_row(row: TraceRow) -> tuple[str, str]:
    """A request's cost and its ink, with a tilde where it rests on estimated tokens."""
    if row.cost is not None:
        return ("~" if row.is_about else "") + show.money(row.cost), "money"
    return (NOTHING, "faint") if row.is_unbilled else (show.money(None), "warn")


def of_sums(sums: Sums) -> tuple[str, str]:
    """The cost of many requests and its ink: "–" where nobody is known to bill anything, a plus where more was used at
    a price that nobody knows."""
    if sums.is_unbilled:
        return NOTHING, "faint"
    more = "+" if sums.unpriced and sums.spent is not None else ""
    about = "~" if sums.is_about and sums.spent else ""
    return about + show.money(sums.spent) + more, "warn" if sums.unpriced else "money"


def beside(sums: Sums, price: Price) -> str:
    """What one model for all would have cost for the calls whose cost is told; a plus where there are more of them."""
    if sums.is_unbilled:
        return NOTHING
    more = "+" if sums.is_partly(price) else ""
    return ("~" if sums.has_guesses else "") + show.money(sums.beside(price)) + more


def tokens_of(calls: Iterable[Attempt]) -> Usage | None:
    """The tokens of the calls together; None if none were counted."""
    used = [call.usage for call in calls if call.usage is not None]
    if not used:
        return None
    bases = {usage.basis for usage in used}
    return Usage(
        input=sum(usage.input for usage in used),
        output=sum(usage.output for usage in used),
        cache_read=sum(usage.cache_read for usage in used),
        cache_write=sum(usage.cache_write for usage in used),
        reasoning=sum(usage.reasoning for usage in used),
        basis=bases.pop() if len(bases) == 1 else "mixed",
    )
