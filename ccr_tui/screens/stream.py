"""The Stream tab: each block's lane over time, then the events that the client was sent.

Owns the page, and how the text of an event is found again: the timeline has sizes only, so an event's text is the next
so many characters of its block in the reply. Pure; runs in a thread. The one surprise: a tool's arguments were streamed
as the model wrote them, and the reply has them parsed, so their text is shown only where the sizes add up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from ccr_tui.lanes import SILENCE_MS, Lane, Pulse, pulse
from ccr_tui.records import Json, TimelineEvent, Trace
from ccr_tui.screens import show
from ccr_tui.screens.conversation import blocks_of
from ccr_tui.screens.lines import Document

INKS = {"thinking": "think", "redacted_thinking": "think", "text": "good", "tool": "tool"}
LANES = 40
"""Blocks that have a lane of their own."""
NAME = 18
STEPS = "▁▂▃▄▅▆▇█"


def stream_document(trace: Trace, width: int = 100) -> Document:
    """The page, for this width."""
    page = Document()
    if not trace.timeline:
        page.put(("no events were sent" + ("" if trace.streamed else ": the client did not ask for a stream"), "muted"))
        return page
    found = pulse(trace)
    _summary(page, found, trace)
    _lanes(page, found, width)
    _events(page, found, trace)
    return page


OPENED = "made here while nothing had come, to keep the client waiting"


def _summary(page: Document, found: Pulse, trace: Trace) -> None:
    first = show.duration(found.first_token_ms) if found.first_token_ms is not None else "none came"
    page.put(("first token  ", "muted"), (first, "strong"), ("  since the request arrived", "muted"))
    usage = trace.answer.usage if trace.answer is not None else None
    about = "" if usage is None or usage.basis == "reported" else "~"
    speed = "" if found.rate is None else f" · {about}{found.rate:.0f} tokens a second after the first, until the last"
    tokens = "tokens not reported" if found.tokens is None else f"{about}{show.tokens(found.tokens)} tokens"
    page.put(("answer       ", "muted"), (tokens, "strong"), (speed, ""), hang=13)
    if found.silences:
        longest = max(found.silences, key=lambda silence: silence.ms)
        total = show.duration(sum(silence.ms for silence in found.silences))
        words = f"{len(found.silences)} of 1 s and more, {total} in all"
        note = f"  the longest {show.duration(longest.ms)}, from {_time(longest.at_ms)} on"
        page.put(("silences     ", "muted"), (words, "warn"), (note, "muted"), hang=13)
    else:
        page.put(("silences     ", "muted"), "none of 1 s or more")
    if found.pings:
        page.put(("pings        ", "muted"), f"{found.pings}", ("  sent to keep the client waiting", "muted"))


# -- lanes


def _lanes(page: Document, found: Pulse, width: int) -> None:
    if not found.lanes:
        return
    room = max(10, width - NAME - 37)
    start, end = found.first_ms or 0, max(found.last_ms, (found.first_ms or 0) + 1)
    page.put("")
    page.put(("Lanes", "title"), ("  a block each; the higher, the more came; ╌ is silence", "muted"))
    middle = _time((start + end) // 2)
    axis = show.fit(_time(start), room // 2 - len(middle) // 2) + show.fit(middle, room - room // 2 + len(middle) // 2)
    axis = axis[: room - len(_time(end))] + _time(end)
    heads = f"{'characters':>12}{'about tok':>11}{'tok/s':>7}"
    page.put(" " * NAME, (axis, "faint"), (heads, "muted"))
    step = (end - start) / room
    top = max((max(_cells(lane, start, step, room), default=0) for lane in found.lanes), default=0)
    for lane in found.lanes[:LANES]:
        _lane(page, lane, found, (start, step, room, top))
    if len(found.lanes) > LANES:
        page.put((f"and {len(found.lanes) - LANES} more", "muted"))


def _lane(page: Document, lane: Lane, found: Pulse, scale: tuple[int, float, int, int]) -> None:
    start, step, room, top = scale
    sizes = _cells(lane, start, step, room)
    silent = [False] * room
    for silence in found.silences:
        if silence.block == lane.index:
            first, last = (int((at - start) / step) for at in (silence.at_ms, silence.at_ms + silence.ms))
            silent[first + 1 : last] = [True] * max(0, min(last, room) - first - 1)
    first, last = (min(room - 1, int((at - start) / step)) for at in (lane.start_ms, lane.end_ms))
    cells = [_cell(size, top, silent[at], first <= at <= last) for at, size in enumerate(sizes)]
    tokens = "" if lane.tokens is None else f"{lane.tokens:,}"
    rate = "" if lane.rate is None else f"{lane.rate:.0f}"
    ink = INKS.get(lane.kind, "")
    pieces = [(show.fit(show.harmless(_name(lane)), NAME - 1) + " ", ink)]
    pieces += [("".join(text for text, _ in group), key or ink) for key, group in groupby(cells, key=lambda c: c[1])]
    page.put(*pieces, f"{lane.characters:>12,}{tokens:>11}{rate:>7}")


def _name(lane: Lane) -> str:
    return f"{lane.index + 1} {lane.name or lane.kind}"


def _cells(lane: Lane, start: int, step: float, room: int) -> list[int]:
    """Characters by stretch of time."""
    sizes = [0] * room
    for at, size in lane.pieces:
        sizes[max(0, min(room - 1, int((at - start) / step)))] += size
    return sizes


def _cell(size: int, top: int, silent: bool, within: bool) -> tuple[str, str]:
    """A character and its ink; no ink is the lane's."""
    if size:
        return STEPS[round(size / top * 7)], ""
    return ("╌", "warn") if silent else ("·", "faint") if within else (" ", "faint")


# -- events


def _events(page: Document, found: Pulse, trace: Trace) -> None:
    texts, places = _texts(trace), dict[int, int]()
    names = {lane.index: _name(lane) for lane in found.lanes}
    folded = set[int]()
    page.put("")
    page.put(("Events", "title"), ("  as the client was sent them; times since the request arrived", "muted"))
    page.put((f"{'time':>9}  {'event':21} {'block':16} {'characters':>10}  text", "muted"))
    before: int | None = 0 if found.is_opened_here else None
    for group in _groups(trace.timeline):
        first = group[0]
        if found.is_opened_here and first is trace.timeline[0]:
            _event(page, first, names, OPENED)
            continue
        if before is not None and first.type != "ping" and first.ms - before >= SILENCE_MS:
            page.put((f"{'':>9}  ⏸ {show.duration(first.ms - before)} of silence", "warn"))
        if len(group) > 1:
            _run(page, group, names, texts, places, folded)
        else:
            _event(page, first, names, _piece(first, texts, places))
        before = before if first.type == "ping" else group[-1].ms
    page.folded = frozenset(folded)


def _groups(events: Sequence[TimelineEvent]) -> list[list[TimelineEvent]]:
    """Pieces of one block that came without a silence between them are told together."""
    found: list[list[TimelineEvent]] = []
    for event in events:
        last = found[-1][-1] if found else None
        joins = last is not None and event.size and last.size and last.index == event.index
        if joins and last is not None and event.ms - last.ms < SILENCE_MS:
            found[-1].append(event)
        else:
            found.append([event])
    return found


def _run(
    page: Document,
    group: Sequence[TimelineEvent],
    names: dict[int, str],
    texts: dict[int, str],
    places: dict[int, int],
    folded: set[int],
) -> None:
    """Several pieces on one line, which unfolds."""
    pieces = [_piece(event, texts, places) for event in group]
    size = sum(event.size for event in group)
    head = page.put(*_row(group[0].ms, f"{len(group)} pieces ▾", group[0], names, size), "".join(pieces)[:200], hang=61)
    for event, piece in zip(group, pieces, strict=True):
        page.put((f"{_time(event.ms):>9}  ", "faint"), (f"{'':38} {event.size:>10}  ", "faint"), piece, hang=61)
    line = page.lines[head]
    line.until, line.closed, line.closed_spans = len(page.lines), line.text.replace("▾", "▸", 1), line.spans
    folded.add(head)


def _event(page: Document, event: TimelineEvent, names: dict[int, str], text: str) -> None:
    page.put(*_row(event.ms, event.type, event, names, event.size), (text, ""), hang=61)


def _row(ms: int, words: str, event: TimelineEvent, names: dict[int, str], size: int) -> list[str | tuple[str, str]]:
    block = "" if event.index is None else names.get(event.index, str(event.index + 1))
    return [
        f"{_time(ms):>9}  ",
        (show.fit(show.harmless(words), 21), _ink(event.type)),
        (f" {show.fit(show.harmless(block), 16)} ", "muted"),
        (f"{size or '':>10}  ", "muted"),
    ]


def _time(ms: int) -> str:
    return f"{ms / 1000:.2f} s"


def _ink(kind: str) -> str:
    if kind == "error":
        return "bad"
    return "faint" if kind == "ping" else "link" if kind.startswith("message") else "muted"


def _texts(trace: Trace) -> dict[int, str]:
    """The text of each block of the reply, where the timeline's sizes agree with it."""
    sizes: dict[int, int] = {}
    for event in trace.timeline:
        if event.index is not None:
            sizes[event.index] = sizes.get(event.index, 0) + event.size
    blocks = blocks_of(trace.reply.get("content")) if isinstance(trace.reply, dict) else []
    found = {index: _text(block, sizes.get(index, 0)) for index, block in enumerate(blocks)}
    return {index: text for index, text in found.items() if text}


def _text(block: Json, size: int) -> str:
    if not isinstance(block, dict):
        return ""
    for key in ("text", "thinking"):
        if isinstance(block.get(key), str):
            return str(block[key])
    given = block.get("input")
    written = (json.dumps(given, ensure_ascii=False, separators=form) for form in ((",", ":"), None))
    return next((text for text in written if len(text) == size), "")


def _piece(event: TimelineEvent, texts: dict[int, str], places: dict[int, int]) -> str:
    if event.index is None or not event.size:
        return ""
    start = places.get(event.index, 0)
    places[event.index] = start + event.size
    piece = texts.get(event.index, "")[start : start + event.size]
    return show.harmless(piece.replace("\n", "⏎"))
