"""What the cache saved and lost in one request, and what one model for all would have cost: part of the Overview.

Owns the words and the two columns. Pure; runs in a thread. The one surprise: what was lost is known only once the
request before was read and compared, so the page is drawn without it first, and once more with it.
"""

from __future__ import annotations

from ccr_tui import economy
from ccr_tui.baseline import Against, Baseline, against
from ccr_tui.records import Trace
from ccr_tui.screens import show
from ccr_tui.screens.cached import SERVED
from ccr_tui.screens.lines import Document
from ccr_tui.slim import dataclass
from ccr_tui.verdict import Verdict

NAME, AMOUNT = 20, 10
"""Columns of the names and of the amounts."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of a request beyond itself."""

    verdict: Verdict
    baseline: Baseline | None


def thrift(page: Document, trace: Trace, judged: Judged | None) -> None:
    """The lines, where anything was asked."""
    if trace.answer is None or trace.answer.usage is None:
        return
    verdict = judged.verdict if judged else None
    words, ink = SERVED[verdict.served] if verdict else ("", "")
    if verdict and verdict.cause == "first" and verdict.served == "nothing":
        words, ink = "· nothing to be read yet", "muted"
    page.put("")
    page.put(("Cache", "title"), (f"  {words}", ink), ("  7 tells all" if verdict else "", "muted"))
    _saved(page, trace)
    _lost(page, verdict)
    if judged is not None and judged.baseline is not None and (found := against(trace, judged.baseline)):
        _against(page, found)


def _saved(page: Document, trace: Trace) -> None:
    known = [economy.of(attempt, attempt is trace.answer, None).saved for attempt in trace.attempts if attempt.usage]
    amount = None if None in known else sum(each or 0 for each in known)
    _row(
        page,
        "saved",
        amount,
        "good",
        UNPRICED if _is_assumed(trace) else "less than the same tokens cost without a cache",
    )


UNPRICED = "as far as is known: no price of cached tokens is, so they were reckoned as input"


def _is_assumed(trace: Trace) -> bool:
    """Whether somebody's cached tokens have no price of their own."""
    cached = (one for one in trace.attempts if one.usage is not None and one.usage.cache_read and one.price is not None)
    return any(one.price.cache_read is None and one.price.input > 0 for one in cached if one.price is not None)


def _lost(page: Document, verdict: Verdict | None) -> None:
    if verdict is None:
        page.put((f"{'lost':{NAME}}", "muted"), (f"{'…':>{AMOUNT}}", "faint"))
    elif verdict.missed:
        again = f"{show.tokens(verdict.missed)} tokens that were sent before were read anew. "
        _row(page, "lost", verdict.lost, "bad", again + show.harmless(verdict.sentence))
    else:
        known = 0 if verdict.missed == 0 or verdict.cause == "first" else None
        _row(page, "lost", known, "warn", show.harmless(verdict.sentence))


def _against(page: Document, found: Against) -> None:
    """The same answer at the price of one model for all."""
    note = "what the answer would have cost at its price"
    if found.cost and found.paid is not None:
        paid = _paid(round(100 * (found.paid - found.cost) / found.cost))
        note += f"; {paid}" + (", router and hops included" if found.calls > 1 else "")
    _row(page, f"at {show.fit(show.model(found.baseline.name), NAME - 4).rstrip()}", found.cost, "", note)


def _paid(more: int) -> str:
    """What was paid, so many per cent more or less."""
    return f"{abs(more)} % {'more' if more > 0 else 'less'} was paid" if more else "as much was paid"


def _row(page: Document, name: str, amount: int | None, ink: str, note: str) -> None:
    page.put(
        (f"{name:{NAME}}", "muted"),
        (f"{show.money(amount):>{AMOUNT}}", ink if amount else "muted"),
        (f"   {note}", "muted"),
        hang=NAME + AMOUNT + 3,
    )
