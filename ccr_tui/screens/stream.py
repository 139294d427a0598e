"""The events that the client was sent, with their times.

Owns how the text of an event is found again: the timeline has sizes only, so an event's text is the next so many
characters of its block in the reply. Pure; runs in a thread. The one surprise: a tool's arguments were streamed as the
model wrote them, and the reply has them parsed, so their text is shown only where the sizes add up.
"""

from __future__ import annotations

import json

from ccr_tui.records import Json, TimelineEvent, Trace
from ccr_tui.screens import show
from ccr_tui.screens.conversation import blocks_of
from ccr_tui.screens.lines import Document

GAP_MS = 1000
"""Silence that is worth a line of its own."""


def stream_document(trace: Trace) -> Document:
    """One line an event; silences between them are named."""
    page = Document()
    if not trace.timeline:
        page.put(("no events were sent" + ("" if trace.streamed else ": the client did not ask for a stream"), "muted"))
        return page
    texts, places = _texts(trace), dict[int, int]()
    page.put((f"{'ms':>8}  {'+ms':>7}  {'event':20} {'block':>5} {'size':>6}  text", "muted"))
    before = 0
    for event in trace.timeline:
        _event(page, event, event.ms - before, _piece(event, texts, places))
        before = event.ms
    return page


def _event(page: Document, event: TimelineEvent, since: int, text: str) -> None:
    slow = since >= GAP_MS
    page.put(
        f"{event.ms:>8}  ",
        (f"{'+' + str(since):>7}", "warn" if slow else "muted"),
        ("! " if slow else "  ", "warn"),
        (show.fit(show.harmless(event.type), 20), _ink(event.type)),
        f" {'' if event.index is None else event.index:>5} ",
        (f"{event.size or '':>6}  ", "muted"),
        (text, ""),
        hang=54,
    )


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
