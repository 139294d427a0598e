"""What a trace amounts to: the figures that its row and the sums show.

Owns the rules by which attempts become one row: whose tokens count, when a cost is known. Must never guess: a cost
that is not known is None and makes the sum unknown. The one surprise: a row's tokens are those of the last answer
(what the client saw), but its cost is that of every attempt, the router's questions included.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccr_tui.records import Attempt, CostBasis, Trace, Usage

NOTHING = Usage()


def cost(attempts: Iterable[Attempt]) -> int | None:
    """The sum in nano-USD; None if one that used tokens has no price, or if nobody was billed as far as is known."""
    made = list(attempts)
    if any(map(is_unpriced, made)):
        return None
    known = [attempt.cost for attempt in made if attempt.cost is not None]
    return sum(known) if known else None


def router_cost(trace: Trace) -> int | None:
    """What asking the router cost: 0 if nobody asked it."""
    asked = [attempt for attempt in trace.attempts if attempt.purpose == "route"]
    return None if any(map(is_unpriced, asked)) else sum(attempt.cost or 0 for attempt in asked)


def cost_basis(trace: Trace) -> CostBasis:
    """Where the answer's price came from, or the last known one's."""
    return _basis(trace, trace.answer) if cost(trace.attempts) is not None else "unknown"


def _basis(trace: Trace, answer: Attempt | None) -> CostBasis:
    if answer and answer.cost is not None:
        return answer.cost_basis
    return next((a.cost_basis for a in reversed(trace.attempts) if a.cost is not None), "unknown")


def money(trace: Trace, answer: Attempt | None) -> tuple[int | None, CostBasis, int | None]:
    """The cost, its basis, and what asking the router cost. Mostly there is one attempt, the answer."""
    if len(trace.attempts) == 1 and answer:
        return answer.cost, "unknown" if answer.cost is None else answer.cost_basis, 0
    whole = cost(trace.attempts)
    return whole, "unknown" if whole is None else _basis(trace, answer), router_cost(trace)


def is_unpriced(attempt: Attempt) -> bool:
    """Whether it used tokens at a price that nobody knows."""
    return attempt.cost is None and attempt.usage is not None


def usage(trace: Trace) -> Usage | None:
    """The tokens that the client was told of."""
    return trace.answer.usage if trace.answer else None
