"""The Cache tab: what the provider could have read from its cache, what it did, and why no more.

Owns the page. Pure; runs in a thread. The one surprise: the comparison is of what was *sent*, since that is what the
provider's cache sees; what the client changed between two turns the translation may have mended, or the reverse.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui.prefix import Difference
from ccr_tui.screens import show
from ccr_tui.screens.lines import Document
from ccr_tui.store.rows import TraceRow
from ccr_tui.verdict import Verdict

SERVED = {
    "all": ("✓ read from the cache", "good"),
    "part": ("◐ partly read from the cache", "warn"),
    "nothing": ("✗ nothing read from the cache", "bad"),
    "unknown": ("? not known", "muted"),
}
NAME = 16
WIDEST = 88
"""Cells of the widest bar."""
COMMON = 60
"""Characters before the first difference, at most."""


def cache_document(found: Verdict, width: int, lately: Sequence[TraceRow] = ()) -> Document:
    """The page, for this width; `lately`: the requests of its conversation, the newest first."""
    page = Document()
    words, ink = SERVED[found.served]
    if found.cause == "first" and found.served == "nothing":
        words, ink = "· nothing to be read yet", "muted"
    page.put((words, ink), (f"  {found.cause.replace('_', ' ')}", "muted"))
    page.put((show.harmless(found.sentence), "strong"), hang=0)
    for sentence in found.further:
        page.put(("· ", "muted"), (show.harmless(sentence), "muted"), hang=2)
    if found.prompt is not None:
        _numbers(page, found, width)
    if found.prefix is not None and found.prefix.difference is not None:
        _difference(page, found, found.prefix.difference, width)
    _rules(page, found)
    _lately(page, lately, width)
    return page


def _numbers(page: Document, found: Verdict, width: int) -> None:
    page.put("")
    page.put(
        ("Tokens", "title"),
        ("  counted" if found.is_counted else "  as reported; what is in common is scaled to it", "muted"),
    )
    whole = found.prompt or 0
    _row(page, "prompt", whole, whole, "strong", "", width)
    if found.against is not None:
        then = (
            ""
            if found.idle_s is None
            else f"with {found.against[:13]}, {show.duration(round(found.idle_s * 1000))} before"
        )
        line = _row(page, "in common", found.could, whole, "link", then, width)
        page.lines[line].link = ("trace", found.against)
    _row(page, "from the cache", found.cached, whole, "good", "not reported" if found.cached is None else "", width)
    if found.missed is not None and found.missed:
        _missed(page, found, found.missed, whole, width)
    elif found.missed == 0:
        left = (found.could or 0) - (found.cached or 0)
        note = "all but what a provider rounds off" if left > 0 else "nothing that was sent before"
        page.put((f"{'read again':{NAME}}", "muted"), f"{max(0, left):>9,}", (f"        {note}", "muted"))


def _missed(page: Document, found: Verdict, missed: int, whole: int, width: int) -> None:
    """What could have been read; where the prompt has changed, that is more than the two have in common."""
    cost = f"cost {show.money(found.lost)} more than from the cache"
    if found.prefix is None or found.prefix.whole:
        _row(page, "read again", missed, whole, "bad", cost, width)
        return
    _row(page, "missed", missed, whole, "bad", cost, width)
    stayed = " and stayed where it was" if found.cause in ("provider", "model") else ""
    page.put((" " * NAME, ""), (f"of {found.unchanged:,} that it would have read, had it only grown{stayed}", "muted"))


def bar_room(width: int) -> int:
    """Cells of the bars."""
    return max(0, min(WIDEST, width - NAME - 18 - 34))


def _row(page: Document, name: str, tokens: int | None, whole: int, ink: str, note: str, width: int) -> int:
    room = bar_room(width)
    full, rest = show.bar(tokens / whole if tokens and whole else 0, room)
    count = "?" if tokens is None else f"{tokens:,}"
    share = "" if tokens is None else show.percent(tokens, whole)
    return page.put(
        (f"{name:{NAME}}", "muted"),
        (f"{count:>9}", "strong"),
        f"{share:>6}  ",
        (full, ink),
        (rest, "faint"),
        (f"  {note}" if note else "", "muted"),
        hang=NAME,
    )


def _difference(page: Document, found: Verdict, difference: Difference, width: int) -> None:
    page.put("")
    grew = found.cause in ("grew", "same", "expired", "lost", "too_short", "settings", "no_cache", "unreported")
    page.put(
        ("Where it goes on" if grew and difference.before is None else "First difference", "title"),
        (f"  byte {difference.byte:,} of what was sent", "muted"),
    )
    block = difference.now or difference.before
    if block is not None:
        line = page.put(
            (f"{'block':{NAME}}", "muted"),
            (show.harmless(block.label), "strong"),
            ("" if block.message is None else f" of message {block.message + 1}", ""),
            (f", character {difference.character:,}" if difference.character else "", ""),
            hang=NAME,
        )
        if difference.now is not None:
            page.lines[line].link = ("sent", difference.now.where)
    room = max(20, width - NAME - 2)
    common = show.harmless(difference.common.replace("\n", "⏎"))[-min(COMMON, room // 2) :]
    for name, text, ink in (("the one before", difference.was, "bad"), ("this one", difference.became, "good")):
        shown = show.harmless(text.replace("\n", "⏎"))[: room - len(common)] or "(its end)"
        page.put((f"{name:{NAME}}", "muted"), (common, ""), (shown, ink), hang=NAME)


def _lately(page: Document, rows: Sequence[TraceRow], width: int) -> None:
    """How much of each prompt of late came from the cache; a line opens its request."""
    if len(rows) < 2:
        return
    page.put("")
    page.put(("Its conversation", "title"), ("  the newest first, this one on top; ⏎ opens", "muted"))
    for number, row in enumerate(rows):
        prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
        full, rest = show.bar(row.cache_read_tokens / prompt if prompt else 0, bar_room(width))
        share = show.percent(row.cache_read_tokens, prompt) if row.usage_basis else "–"
        failed = row.outcome != "ok"
        line = page.put(
            (f"{show.moment(row.started_at)[11:]:{NAME}}", "muted" if number else "strong"),
            (f"{f'{prompt:,}' if row.usage_basis else '?':>9}", "strong"),
            f"{share:>6}  ",
            (full, "good"),
            (rest, "faint"),
            (f"  {show.fit(show.model(row.model), 22)}", "bad" if failed else "muted"),
            ("✗" if failed else "", "bad"),
        )
        if number:
            page.lines[line].link = ("trace", row.id)


def _rules(page: Document, found: Verdict) -> None:
    rules = found.rules
    if rules is None:
        return
    page.put("")
    page.put(("This cache", "title"), (f"  {show.harmless(rules.family)}", "muted"))
    page.put((show.harmless(rules.source), "muted"))
