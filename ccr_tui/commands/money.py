"""Money and tokens in the columns of a terminal: decimals in line, and what is not certain marked.

Owns the marks: `~` where the amount rests on estimated tokens, `+` where some calls have no known price, `?` where
nothing is known. Pure. The one surprise: a column's amounts are written together, since how far the decimals reach is
known only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccr_tui.commands.common import tokens
from ccr_tui.prices import show

Amount = tuple[int | None, bool, bool]
"""Nano-USD or None, whether it is estimated, and whether there is more that nobody knows."""


def money(cost: int | None, about: bool = False, more: bool = False) -> str:
    """One amount as people read it: ~$1.20+."""
    if cost is None:
        return "?"
    return f"{'~' if about else ''}{show(cost)}{'+' if more else ''}"


def counted(count: int, about: bool) -> str:
    """Tokens, with a tilde where they are estimated."""
    return ("~" if about and count else "") + tokens(count)


def column(amounts: Iterable[Amount | None]) -> list[str]:
    """Amounts one below the other, with their points in line when they are put at the right. None is an empty cell."""
    return in_line([money(*amount) if amount else "" for amount in amounts])


def in_line(texts: Sequence[str]) -> list[str]:
    """The texts, filled at the right so that their points are in line. One without a point stands before it."""
    tails = [len(text) - (text.index(".") if "." in text else len(text)) for text in texts]
    return [
        text + " " * (max(tails, default=0) - tail) if text else "" for text, tail in zip(texts, tails, strict=True)
    ]
