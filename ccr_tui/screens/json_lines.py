"""JSON as lines that fold.

Owns how a body is laid out: indented by two, each container foldable, its closed form a summary that says what is in
it. Pure; runs in a thread. The one surprise: strings beyond 100,000 characters are cut on the screen, and say so; what
`y` copies is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from ccr_tui.records import Json
from ccr_tui.screens import show
from ccr_tui.screens.lines import Document
from ccr_tui.screens.stored import Line, Lines, Span

LONGEST = 100_000
"""Characters of one string that are shown."""
DEEPEST = 60
"""Levels that are laid out; what lies deeper stands on one line."""


def json_document(value: Json) -> Document:
    """A document of `value`; what is below the third level, tools and system begin folded, the last message open."""
    page = Document()
    put_json(page, value)
    return page


def put_json(page: Document, value: Json) -> frozenset[int]:
    """Append `value` to a page, which then has its places; gives the folds that it opens with."""
    start, page.places = len(page.lines), {}
    add_json(page.lines, value, place=Place((), page.places))
    page.folded |= (folds := folded_at_first(page.lines, start))
    return folds


Places = dict[tuple[str | int, ...], int]
PLACED = 4
"""Levels whose lines can be found by their place: messages, an index, content, an index."""


class Place(NamedTuple):
    """Where in the body a value stands, and where its line is noted."""

    path: tuple[str | int, ...]
    places: Places

    def within(self, step: str | int) -> Place | None:
        """The place of what is inside; None where that is too deep to be noted."""
        return Place((*self.path, step), self.places) if len(self.path) < PLACED else None


def add_json(
    lines: Lines, value: Json, depth: int = 0, key: str = "", comma: str = "", place: Place | None = None
) -> None:
    """Append the lines of `value` to `lines`."""
    if place is not None:
        place.places[place.path] = len(lines)
    if isinstance(value, dict) and value and depth < DEEPEST:
        named = ((_quoted(k) + ": ", k, v) for k, v in value.items())
        _container(lines, value, depth, key, comma, "{}", named, place)
    elif isinstance(value, list) and value and depth < DEEPEST:
        _container(lines, value, depth, key, comma, "[]", (("", n, item) for n, item in enumerate(value)), place)
    else:
        _scalar(lines, value, depth, key, comma)


def _container(
    lines: Lines,
    value: Json,
    depth: int,
    key: str,
    comma: str,
    brackets: str,
    items: Iterable[tuple[str, str | int, Json]],
    place: Place | None,
) -> None:
    indent = "  " * depth
    head = indent + key
    line = Line(head + brackets[0], _key_span(indent, key), len(indent) + 2)
    lines.keep(line)
    last = len(value) - 1
    for number, (name, step, item) in enumerate(items):
        inner = None if place is None else place.within(step)
        add_json(lines, item, depth + 1, name, "," if number < last else "", inner)
    lines.add(indent + brackets[1] + comma)
    line.until = len(lines)
    summary = f" {gist(value)} "
    line.closed = f"{head}{brackets[0]}{summary}{brackets[1]}{comma}"
    line.closed_spans = (*line.spans, (len(head) + 1, len(head) + 1 + len(summary), "muted"))


def _scalar(lines: Lines, value: Json, depth: int, key: str, comma: str) -> None:
    indent = "  " * depth
    head, text = indent + key, _text(value)
    end = len(head) + len(text)
    spans = (*_key_span(indent, key), (len(head), end, _ink(value)))
    whole, is_text = head + text + comma, isinstance(value, str)
    if is_text and len(value) > LONGEST:
        more = f" … {show.size(len(value) - LONGEST)} more characters"
        spans += ((len(whole), len(whole) + len(more), "muted"),)
        whole += more
    lines.add(whole, spans, len(indent) + 2, is_text)


def _text(value: Json) -> str:
    if isinstance(value, str):
        return _quoted(value[:LONGEST])
    try:
        return show.harmless(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "… nested too deep to show"


def _quoted(text: str) -> str:
    return show.harmless(json.dumps(text, ensure_ascii=False))


def _key_span(indent: str, key: str) -> tuple[Span, ...]:
    return ((len(indent), len(indent) + len(key) - 2, "key"),) if key else ()


def _ink(value: Json) -> str:
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "literal"


def gist(value: Json) -> str:
    """What is in a container, in a few words: the fields that name it, or how many items it has."""
    if isinstance(value, list):
        return f"{len(value)} item{'s' * (len(value) != 1)}"
    named = [
        f"{k}: {show.harmless(str(value[k]))[:40]}" for k in ("role", "type", "name", "id") if _short(value.get(k))
    ]
    words = _first_words(value)
    inside = ", ".join(named) or f"{len(value)} key{'s' * (len(value) != 1)}"
    return f"{inside} · {words}" if words else inside


def _short(value: Json) -> bool:
    return isinstance(value, str) and bool(value)


def _first_words(value: Json) -> str:
    for key in ("text", "content", "thinking", "description", "function", "tool_calls"):
        inner = value.get(key)
        if isinstance(inner, str) and inner.strip():
            words = show.harmless(" ".join(inner[:200].split()))
            return words[:70] + "…" * (len(words) > 70 or len(inner) > 200)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return show.harmless(inner["name"])
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            return f"{gist(inner[0])}{f' +{len(inner) - 1}' if len(inner) > 1 else ''}"
    return ""


FOLDED_KEYS = ('"tools": ', '"system": ')


def folded_at_first(lines: Lines, start: int = 0) -> frozenset[int]:
    """The folds of a body that is opened, from line `start` on: messages one line each but the last, tools and system
    closed."""
    folding = [(at, line) for at, line in lines.folding() if at >= start]
    folded = {at for at, line in folding if _worth_folding(line)}
    messages = next(((at, line) for at, line in folding if line.text == '  "messages": ['), None)
    last = max((at for at in folded if messages and messages[0] < at < messages[1].until), default=None)
    return frozenset(folded - {last})


def _worth_folding(line: Line) -> bool:
    indent = len(line.text) - len(line.text.lstrip(" "))
    return indent == 4 or (indent == 2 and line.text[2:].startswith(FOLDED_KEYS))
