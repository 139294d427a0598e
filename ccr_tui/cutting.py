"""One element of a body as a chunk: its bytes without cache marks, its name, and the marks.

Owns how a message, tool or system block is written down and named, and where its marks stood. Must never do I/O, nor
change an element. The one surprise: what was cut is not cut again; a part keeps what it became, and of system prompts
as chat completions have them, which are put together anew for each request, the latest are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from ccr_tui.records import Json
from ccr_tui.seen import Part
from ccr_tui.wire import dumps

MARK = "cache_control"
_MARK_BYTES = b'"cache_control"'
_MARK_DEPTH = 2
"""Marks stand on tools, system blocks, blocks of a message, and blocks inside a tool result; nowhere deeper."""
NAME = 16
"""Bytes of a name."""

Mark = tuple[tuple[int, ...], int, Json]
"""Where in its element a mark stood, its place among the keys, and the mark itself."""
Cut = tuple[bytes, bytes, tuple[Mark, ...]]
"""An element as a chunk: its bytes without marks, their digest, the marks."""


def digest(data: bytes) -> bytes:
    """The name of a chunk: 16 bytes of BLAKE2b."""
    return blake2b(data, digest_size=NAME).digest()


def cut(element: Json) -> Cut:
    """The element as a chunk; a part keeps what it became."""
    if not isinstance(element, Part):
        return _prompt(element["content"]) if _is_prompt(element) else _bare(element, dumps(element))
    known: Cut | None = element.found.get(cut)
    if known is None:
        known = element.found[cut] = _bare(element, element.data)
    return known


def _is_prompt(element: Json) -> bool:
    """Whether it is a system prompt as chat completions have it, which is put together anew for each request."""
    if type(element) is not dict or element.get("role") != "system" or [*element] != ["role", "content"]:
        return False
    return type(element["content"]) is str


@lru_cache(maxsize=8)
def _prompt(text: str) -> Cut:
    element = {"role": "system", "content": text}
    return _bare(element, bytes(memoryview(dumps(element))))


def _bare(element: Json, data: bytes) -> Cut:
    """Most have no mark, and looking for one in the bytes is thirty times faster than walking the value."""
    if _MARK_BYTES not in data:
        return _named(data)
    marks: list[Mark] = []
    return _named(bytes(memoryview(dumps(_lift(element, (), marks)))), tuple(marks))  # a copy, as in `Part`


def _named(data: bytes, marks: tuple[Mark, ...] = ()) -> Cut:
    return data, digest(data), marks


def _lift(value: Json, where: tuple[int, ...], marks: list[Mark]) -> Json:
    """The value without its marks; each goes to `marks`."""
    if not isinstance(value, dict):
        return value
    content = value.get("content")
    if isinstance(content, list) and len(where) < _MARK_DEPTH:
        bare = [_lift(block, (*where, i), marks) for i, block in enumerate(content)]
        if any(new is not old for new, old in zip(bare, content, strict=True)):
            value = value | {"content": bare}
    if MARK in value:
        marks.append((where, list(value).index(MARK), value[MARK]))
        value = {key: entry for key, entry in value.items() if key != MARK}
    return value


def put_back(value: Json, where: Sequence[int], position: int, mark: Json) -> Json:
    """The element with this mark where it stood."""
    if where:
        content = list(value["content"])
        content[where[0]] = put_back(content[where[0]], where[1:], position, mark)
        return value | {"content": content}
    items = list(value.items())
    items.insert(position, (MARK, mark))
    return dict(items)
