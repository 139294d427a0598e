"""The Diff tab: what is different between this request and another, or between what was received and what was sent.

Owns the page, and what suggests itself to be compared with. Runs in a thread, since it may read the store. The one
surprise: what is the same stands on one line that unfolds, so that a request of a thousand blocks of which three are
new fits on a screen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby

from ccr_tui import anatomy
from ccr_tui.alignment import Alignment, Change, Setting, align
from ccr_tui.anatomy import Block
from ccr_tui.inspection import Inspection
from ccr_tui.records import Json, Trace
from ccr_tui.screens import show
from ccr_tui.screens.lines import Document
from ccr_tui.screens.stored import Lines
from ccr_tui.wording import Told

MARKS = {
    "same": ("=", "faint"),
    "changed": ("~", "warn"),
    "added": ("+", "good"),
    "removed": ("−", "bad"),
    "moved": ("↷", "link"),
    "merged": ("⊕", "link"),
}
SENT = "sent"
"""Stands for what was sent on, in place of a request's id."""
ROOMY = 160
"""Columns from which on a terminal is taken to have lines for what is new."""
OPENED = 36
"""Lines that are opened then."""
SHORT = 12
"""Lines of a new block, or one that is gone, that may be among them."""
LINES = 200
"""Lines of one block that are shown."""


def compared(found: Inspection, other: str | None, width: int = 80) -> Document:
    """The page: compared with this one, or with what suggests itself. May raise StoreError."""
    page = _compared(found, other)
    return page if width < ROOMY else opened(page)


def opened(page: Document) -> Document:
    """The same with short new blocks unfolded, as far as there is room."""
    room, found = OPENED, set[int]()
    for head in sorted(page.folded):
        long = page.lines[head].until - head - 1  # a single line stands in the head already
        if page.lines[head].text[:2] in ("+ ", "− ") and 1 < long <= min(SHORT, room):
            found.add(head)
            room -= long
    page.folded -= found
    return page


def _compared(found: Inspection, other: str | None) -> Document:
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


def diff_document(
    found: Alignment, titles: tuple[str, str], notes: Sequence[str] = (), side: str = "received"
) -> Document:
    """The page. `titles` name both sides; `side` is the body of this request whose places the lines lead to."""
    page = Document()
    folded = set[int]()
    page.put(("− ", "bad"), show.harmless(titles[0]), hang=2)
    page.put(("+ ", "good"), show.harmless(titles[1]), hang=2)
    counts = found.counts()
    told = [(f"{MARKS[state][0]} {count} {state}", MARKS[state][1]) for state, count in counts.items() if count]
    page.put(*(piece for each in told for piece in (each, "   ")))
    if not any(count for state, count in counts.items() if state != "same") and not found.settings:
        page.put(("Nothing differs.", "strong"))
    if notes:
        page.put("")
        page.put(("What the translation says it did", "title"))
        for note in notes:
            page.put(("· ", "muted"), show.harmless(note), hang=2)
    _settings(page, found.settings)
    if found.changes:
        page.put("")
        page.put(("Blocks", "title"), ("  tools, system, messages", "muted"))
    for same, group in groupby(found.changes, key=lambda change: change.state == "same"):
        (_same if same else _changed)(page, list(group), folded, side)
    page.folded = frozenset(folded)
    return page


# -- settings


def _settings(page: Document, settings: Sequence[Setting]) -> None:
    if not settings:
        return
    page.put("")
    page.put(("Settings", "title"))
    wide = min(28, max(len(setting.key) for setting in settings) + 2)
    for setting in settings:
        mark, ink = MARKS[setting.state]
        name = show.fit(show.harmless(setting.key), wide)
        pieces: list[str | tuple[str, str]] = [(f"{mark} ", ink), (name, "key")]
        if setting.state != "added":
            pieces.append((_value(setting.before), "bad"))
        if setting.state == "changed":
            pieces.append((" → ", "muted"))
        if setting.state != "removed":
            pieces.append((_value(setting.now), "good"))
        page.put(*pieces, hang=wide + 2)


def _value(value: Json) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = "… nested too deep to show"
    return show.harmless(text if len(text) <= 300 else text[:300] + "…")


# -- blocks


def _same(page: Document, changes: list[Change], folded: set[int], side: str) -> None:
    """One line for all, that unfolds into one line each."""
    first, last = changes[0].block, changes[-1].block
    names = _name(first) if len(changes) == 1 else f"{_name(first)} … {_name(last)}"
    head = page.put(("= ", "faint"), (f"{len(changes)} the same · {names}", "muted"), ("  ▾", "faint"))
    for change in changes:
        line = page.put(("    = ", "faint"), (_name(change.block), "muted"))
        page.lines[line].link = _link(change, side)
    _folds(page.lines, head, len(page.lines))
    folded.add(head)


def _changed(page: Document, changes: Iterable[Change], folded: set[int], side: str) -> None:
    for change in changes:
        mark, ink = MARKS[change.state]
        size, peek = _extent(change)
        head = page.put(
            (f"{mark} ", ink), (_name(change.block), "strong"), (f"  {size}", "muted"), (peek, "muted"), hang=4
        )
        _body(page, change)
        page.lines[head].link = None
        if len(page.lines) > head + 1:
            _folds(page.lines, head, len(page.lines))
            if change.state not in ("changed", "merged") or len(page.lines) - head > 40:
                folded.add(head)
        else:
            page.lines[head].link = _link(change, side)


def _extent(change: Change) -> tuple[str, str]:
    """How large it is, or where it came from; and how it begins."""
    if change.state == "moved":
        return f"from {place(change.before[0])} to {place(change.now)}", ""
    if change.state == "merged":
        return f"{len(change.before)} in one: {', '.join(_name(block) for block in change.before)}"[:200], ""
    if change.state == "changed":
        gone, new = (sum(line.op == op for line in change.lines) for op in "-+")
        return f"{gone} lines gone, {new} new", ""
    text = anatomy.reading(change.block)
    words = show.harmless(" ".join(text[:200].split()))
    return f"{show.size(len(text))} characters  ", words[:90]


def _body(page: Document, change: Change) -> None:
    if change.state in ("added", "removed"):
        lines = show.harmless_lines(anatomy.reading(change.block)[:100_000])
        op, ink = ("+", "good") if change.state == "added" else ("-", "bad")
        for text in lines[:LINES]:
            page.put("    ", (f"{op} ", ink), text, hang=6)
        if len(lines) > LINES:
            page.put("    ", (f"… {len(lines) - LINES} more lines", "muted"))
    for line in change.lines[: LINES * 4]:
        _line(page, line)


_OPS = {"=": ("  ", "muted"), "-": ("− ", "bad"), "+": ("+ ", "good")}


def _line(page: Document, line: Told) -> None:
    if line.op == "…":
        page.put("    ", (f"… {line.text} lines the same", "faint"))
        return
    mark, ink = _OPS[line.op]
    pieces: list[str | tuple[str, str]] = ["    ", (mark, ink)]
    at = 0
    for start, end in line.changed:
        pieces += [(show.harmless(line.text[at:start]), ""), (show.harmless(line.text[start:end]), f"{ink}-strong")]
        at = end
    page.put(
        *pieces, (show.harmless(line.text[at:]), "muted" if line.op == "=" else "" if line.changed else ink), hang=6
    )


def _folds(lines: Lines, head: int, end: int) -> None:
    """The line folds those behind it away."""
    line = lines[head]
    open_, line.until = line.text, end
    mark = open_.rstrip()
    line.closed = f"{mark[:-1]}▸" if mark.endswith("▾") else f"{open_}  ▸"
    line.closed_spans = (*line.spans, (len(line.closed) - 1, len(line.closed), "faint"))


def _name(block: Block) -> str:
    where = place(block)
    return show.harmless(f"{block.label}{f' · {where}' if where else ''}")


def place(block: Block | None) -> str:
    """Where a block stands, for people."""
    if block is None:
        return ""
    if block.message is not None:
        return f"message {block.message + 1}"
    return f"block {int(block.where[1]) + 1}" if block.kind == "system" and len(block.where) > 1 else ""


def _link(change: Change, side: str) -> tuple[str, tuple[str | int, ...]] | None:
    return None if change.now is None else (side, change.now.where)
