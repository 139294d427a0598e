"""What the client sent, and what was sent on. Pure; runs in a thread."""

from __future__ import annotations

from ccr_tui.records import Attempt, Trace
from ccr_tui.screens import show
from ccr_tui.screens.json_lines import json_document, put_json
from ccr_tui.screens.lines import Document


def received_title(trace: Trace) -> str:
    """Whose body it is."""
    return f"Received · asked for {show.model(trace.asked_model)}"


def sent_title(trace: Trace) -> str:
    """Where it went."""
    if not trace.attempts:
        return "Sent · to nobody"
    if len(trace.attempts) > 1:
        return f"Sent · {len(trace.attempts)} times"
    attempt = trace.attempts[0]
    return f"Sent · {show.harmless(attempt.model)} at {show.harmless(attempt.provider)}"


def received_document(trace: Trace) -> Document:
    """The client's body, or its bytes where it was no JSON."""
    if trace.body is None and trace.raw is not None:
        page = Document()
        page.put(("not JSON; as it came:", "warn"))
        page.say(trace.raw[:1_000_000].decode("utf-8", "replace"))
        return page
    return json_document(trace.body)


def sent_document(trace: Trace) -> Document:
    """The translated bodies; where there were several, each behind a heading that folds it, the answer's open."""
    page, opened = Document(), frozenset[int]()
    if len(trace.attempts) == 1:
        for note in trace.attempts[0].notes:
            page.put(("· ", "muted"), show.harmless(note), hang=2)
        put_json(page, trace.attempts[0].sent)
        return page
    places = page.places
    for attempt in trace.attempts:
        is_answer = attempt is trace.answer
        head = _one_of_several(page, attempt)
        opened |= {head} if is_answer else set()
        places = page.places if is_answer else places
    page.folded, page.places = page.folded - opened, places
    return page


def _one_of_several(page: Document, attempt: Attempt) -> int:
    """A call behind a heading that folds it; gives that line."""
    title = f"{attempt.n} {attempt.purpose} · {show.harmless(attempt.model)} at {show.harmless(attempt.provider)}"
    head = page.put(("▾ ", "faint"), (title, "title"))
    for note in attempt.notes:
        page.put(("  · ", "muted"), show.harmless(note), hang=4)
    put_json(page, attempt.sent)
    line = page.lines[head]
    line.until, line.closed = len(page.lines), f"▸ {title}"
    line.closed_spans = line.spans
    page.folded |= {head}
    return head
