"""How many decimals the amounts of one column have, its sum among them.

Owns that number, how an amount is written with it, and the share of two such amounts. Pure. The one surprise: a small
amount beside large ones, which would have less than two digits so, has as many decimals as those two take.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ccr_tui.pricelist import NANO
from ccr_tui.prices import show

LEAST, MOST = 2, 6
ENOUGH = 100
"""What a number of three digits begins with."""


def of(amounts: Iterable[int | None]) -> int:
    """Decimals for these nano-dollars: two digits that matter of the smallest, three or four of the largest.

    Below a dollar three digits of all, where that is not too much: a percentage can be worked out from what is shown.
    """
    known = [abs(amount) for amount in amounts if amount]
    if not known:
        return LEAST
    wanted = max(_until(min(known), 2 if max(known) >= NANO else 3), _until(max(known), 3))
    return max(LEAST, min(wanted, _until(max(known), 4), MOST))


def _until(nanos: int, digits: int) -> int:
    """Decimals up to the last of so many digits that matter."""
    return digits - 1 - (Decimal(nanos) / NANO).adjusted()


def against(paid: int, other: int, digits: int) -> int | None:
    """How much more was paid than the other, in whole per cent of it, as it follows from both as they are shown; from
    the amounts themselves where one of them has less than three digits so. None where there is nothing to compare."""
    if not other:
        return None
    mine, theirs = rounded(paid, digits), rounded(other, digits)
    if theirs.scaleb(digits) < ENOUGH or (paid and mine.scaleb(digits) < ENOUGH):
        mine, theirs = Decimal(paid), Decimal(other)
    return round(100 * (mine - theirs) / theirs)


def rounded(nanos: int, digits: int) -> Decimal:
    """Dollars with so many decimals."""
    return (Decimal(nanos) / NANO).quantize(Decimal(1).scaleb(-digits))


def roughly(nanos: int) -> str:
    """A guess at an amount: whole dollars from ten on, two digits that matter below one."""
    return money(nanos, 0) if nanos >= 10 * NANO else show(nanos)


def money(nanos: int | None, digits: int) -> str:
    """An amount with so many decimals; "?" where it is unknown."""
    if nanos is None:
        return "?"
    if not nanos:
        return "$0.00"
    sign, size = "-" * (nanos < 0), Decimal(abs(nanos)) / NANO
    return show(nanos) if digits and size.scaleb(digits) < 10 else f"{sign}${size:,.{digits}f}"


def tail(amounts: Iterable[int | None], digits: int) -> int:
    """The most decimals that one of these has, so written."""
    small = (amount for amount in amounts if amount and abs(amount) < NANO)
    return max((len(money(amount, digits).partition(".")[2]) for amount in small), default=digits)
