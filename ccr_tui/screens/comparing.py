"""What a request can be compared with: the one before it, what was sent on, the one it replays, those with a bookmark.

Owns the choice, and what suggests itself. Runs in a thread, since it reads the store. The one surprise: a request that
has nothing before it is compared with what was sent on, which it always has.
"""

from __future__ import annotations

from ccr_tui.alignment import align
from ccr_tui.filtering import Term
from ccr_tui.inspection import Inspection
from ccr_tui.records import Trace
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer
from ccr_tui.screens.changes import diff_document
from ccr_tui.screens.lines import Document
from ccr_tui.store.queries import Filter, TraceRow

SENT = "sent"
"""Stands for what was sent on, in place of a request's id."""
MARKED = 6
"""Requests with a bookmark that are offered, the newest."""


def comparable(found: Inspection) -> list[tuple[Answer, str]]:
    """Answers to the question, and what each stands for: an id, or `SENT`. May raise StoreError."""
    offers: list[tuple[Answer, str]] = []
    if found.turn.before is not None:
        offers.append((Answer("p", f"the request before, {_words(found.turn.before)}"), found.turn.before.id))
    if found.turn.warm is not None and found.turn.warm != found.turn.before:
        words = f"the last one to {show.model(found.turn.warm.model)}, {_words(found.turn.warm)}"
        offers.append((Answer("w", words), found.turn.warm.id))
    if found.trace.answer is not None:
        offers.append((Answer("s", "what was sent on: what the translation dropped, merged and changed"), SENT))
    if found.trace.replay_of is not None:
        offers.append(
            (Answer("o", f"the request that it replays, {found.trace.replay_of[:13]}"), found.trace.replay_of)
        )
    marked = found.reader.rows(Filter(terms=(Term("marked"),)), limit=MARKED + 1)
    others = [row for row in marked if row.id != found.trace.uid][:MARKED]
    offers += [(Answer(str(n), f"bookmark: {_words(row)}"), row.id) for n, row in enumerate(others, 1)]
    return offers


def _words(row: TraceRow) -> str:
    return f"{show.moment(row.started_at)} {show.model(row.model)} {row.id[:13]}"


def compared_document(found: Inspection, other: str | None) -> Document:
    """The page: compared with this one, or with what suggests itself. May raise StoreError."""
    if other is None:
        before = found.turn.before
        other = before.id if before is not None else SENT
    if other == SENT:
        return _translated(found.trace)
    trace = found.before if found.before is not None and found.before.uid == other else found.reader.trace(other)
    words = "the request before" if found.before is trace else "another request"
    titles = f"{words}: {show.moment(trace.started_at)} {trace.uid[:13]}", "this request, as the client sent it"
    return diff_document(align(trace.body, found.trace.body), titles)


def _translated(trace: Trace) -> Document:
    answer = trace.answer
    if answer is None:
        page = Document()
        page.put(("Nothing was sent on, and no request came before.", "muted"))
        return page
    titles = "as the client sent it", f"as {answer.model} at {answer.provider} was sent it"
    return diff_document(align(trace.body, answer.sent, translated=True), titles, answer.notes, "sent")
