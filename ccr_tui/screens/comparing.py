"""What a request can be compared with: the one before it, what was sent on, the one it replays, those with a bookmark.

Owns the choice. Runs in a thread, since it reads the store. The one surprise: bookmarks are offered whatever session
they stand in, since the same question asked twice is what one wants to compare.
"""

from __future__ import annotations

from ccr_tui.filtering import Term
from ccr_tui.inspection import Inspection
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer
from ccr_tui.screens.changes import SENT
from ccr_tui.store.queries import Filter, TraceRow

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
