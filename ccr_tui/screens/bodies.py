"""What the client sent, and what was sent on. Pure; runs in a thread."""

from __future__ import annotations

from ccr_tui.records import Attempt, Trace
from ccr_tui.screens import show
from ccr_tui.screens.json_lines import Place, Places, add_json, folded_at_first, json_document
from ccr_tui.screens.lines import Document, Line


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
    if len(trace.attempts) == 1:
        page = json_document(trace.attempts[0].sent)
        lines = [Line(f"· {show.harmless(note)}", ((0, 2, "muted"),), 2) for note in trace.attempts[0].notes]
        return _below(lines, page)
    page, folded = Document(), set[int]()
    for attempt in trace.attempts:
        folded |= _one_of_several(page, attempt, attempt is trace.answer)
    page.folded = frozenset(folded)
    return page


def _below(lines: list[Line], page: Document) -> Document:
    """`page` with these lines before it."""
    by = len(lines)
    for line in page.lines:
        line.until += by if line.until else 0
    places = {place: line + by for place, line in page.places.items()}
    return Document([*lines, *page.lines], frozenset(index + by for index in page.folded), places=places)


def _one_of_several(page: Document, attempt: Attempt, opened: bool) -> set[int]:
    title = f"{attempt.n} {attempt.purpose} · {show.harmless(attempt.model)} at {show.harmless(attempt.provider)}"
    head = page.put(("▾ ", "faint"), (title, "title"))
    for note in attempt.notes:
        page.put(("  · ", "muted"), show.harmless(note), hang=4)
    body: list[Line] = []
    places: Places = {}
    add_json(body, attempt.sent, place=Place((), places))
    folds = folded_at_first(body)
    by = len(page.lines)
    if opened:
        page.places = {place: line + by for place, line in places.items()}
    page.lines += _below([Line("")] * by, Document(body)).lines[by:]
    line = page.lines[head]
    line.until, line.closed = len(page.lines), f"▸ {title}"
    line.closed_spans = line.spans
    return {index + by for index in folds} | (set() if opened else {head})
