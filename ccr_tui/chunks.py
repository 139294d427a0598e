"""A JSON body as a path of chunks, and back, exactly.

Owns how a request or reply is cut up so that what Claude Code sends again each turn is stored once: a chunk is one
tool, one system block, one message, or the frame (everything else). Must never do I/O, and never change what it was
given. The one surprise: the order is that in which a prompt cache reads (tools, system, messages) with the frame last,
so that the common start of two paths is what a provider could have served from its cache; and `cache_control` marks,
which move every turn, are lifted out into a small manifest, because a mark must not make an old message a new one.
A part that was cut before is not cut again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from hashlib import blake2b
from operator import is_
from typing import Any

from ccr_tui.records import Json
from ccr_tui.seen import LISTS, History, Part
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps, loads

REPLY = "reply"
"""The part of an answer that comes back as a message in the next request: its role and content, as one chunk."""
MARK = "cache_control"
_MARK_BYTES = b'"cache_control"'
_MARK_DEPTH = 2
"""Marks stand on tools, system blocks, blocks of a message, and blocks inside a tool result; nowhere deeper."""


Mark = tuple[tuple[int, ...], int, Json]
"""Where in its element a mark stood, its place among the keys, and the mark itself."""
_Cut = tuple[bytes, bytes, tuple[Mark, ...]]
"""An element as a chunk: its bytes without marks, their digest, the marks."""


def digest(data: bytes) -> bytes:
    """The name of a chunk: 16 bytes of BLAKE2b."""
    return blake2b(data, digest_size=16).digest()


@dataclass(slots=True)
class Path:
    """A body cut up. `join(path.chunks, path.manifest)` is the body again. Nobody changes one: it is not frozen only
    because three are made for each request."""

    chunks: Sequence[bytes]
    """Tools, system, messages, and the frame last."""
    manifest: bytes
    """JSON: how many chunks belong to which key, and the marks with their places."""
    said: range
    """Which chunks are messages (or the reply): what people search for."""
    names: tuple[bytes, ...]
    """The digest of each chunk."""

    @property
    def name(self) -> bytes:
        """The digest of the whole: equal only where every chunk and the manifest are."""
        return digest(b"".join((*self.names, digest(self.manifest))))

    @property
    def size(self) -> int:
        """Bytes of all chunks and the manifest."""
        return sum(map(len, self.chunks)) + len(self.manifest)


def split(body: Json) -> Path:
    """Cut a body up. Any JSON value will do; what isn't a request or a reply is a frame alone."""
    parts: list[list[Any]] = []
    cuts = _Cuts()
    frame = _take_apart(body, parts, cuts)
    last = len(cuts.data)
    data = dumps(frame)
    cuts.data.append(data)
    cuts.names.append(digest(data))
    manifest = [parts, cuts.marks] if cuts.marks else [parts] if parts else []
    said = range(last - _size(parts[-1]), last) if _is_said(parts) else range(0)
    return Path(cuts.data, dumps(manifest), said, tuple(cuts.names))


@dataclass(slots=True)
class _Cuts:
    """The chunks so far, in columns."""

    data: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)

    def add(self, elements: Sequence[Json], is_same_again: bool = False) -> None:
        """The elements as chunks, in their order. `is_same_again`: a conversation brings all of them in each turn."""
        if isinstance(elements, History):
            self._add_history(elements)
        elif is_same_again and type(elements[0]) is Part:
            self._add_known(elements[0], elements[1:])
        else:
            self._add_each(elements)

    def _add_each(self, elements: Sequence[Json]) -> None:
        for element in elements:
            known: _Cut | None = element.found.get(_cut) if type(element) is Part else None
            data, name, found = known or _cut(element)
            if found:
                at = len(self.data)
                self.marks += [[at, *mark] for mark in found]
            self.data.append(data)
            self.names.append(name)

    def _add_known(self, first: Part, others: Sequence[Json]) -> None:
        """In columns too. The first one remembers what came with it, and what became of all."""
        known: tuple[Sequence[Json], _Cuts] | None = first.found.get(_Cuts)
        if known is None or len(known[0]) != len(others) or not all(map(is_, known[0], others)):
            cuts = _Cuts()
            cuts._add_each((first, *others))
            known = first.found[_Cuts] = others, cuts
        start = len(self.data)
        self.marks += [[start + at, *mark] for at, *mark in known[1].marks]
        self.data += known[1].data
        self.names += known[1].names

    def _add_history(self, history: History) -> None:
        """In columns, so that what an earlier turn has cut is copied and not looked at."""
        start = len(self.data)
        for _, found in history.along("marks", _NO_MARKS, _and_marks)[-1:]:
            self.marks += [[start + at, *mark] for at, mark in found]
        self.data += history.along("data", b"", lambda _, message: _cut(message)[0])
        self.names += history.along("names", b"", lambda _, message: _cut(message)[1])


_Marked = tuple[int, tuple[tuple[int, Mark], ...]]
"""How many messages there were, and the marks in them, each with the place of its message."""
_NO_MARKS: _Marked = (0, ())


def _and_marks(before: _Marked, message: Json) -> _Marked:
    at, marks = before
    return at + 1, (*marks, *((at, mark) for mark in _cut(message)[2]))


def spoken(body: Json) -> Sequence[Json]:
    """The values of those chunks that `said` counts, with what else their elements hold; for a body that has some."""
    if body.get("role") == "assistant" and isinstance(body.get("content"), list):
        return [body]
    messages = body["messages"]
    return messages if isinstance(messages, list) else [messages]


def join(chunks: Iterable[bytes], manifest: bytes) -> Json:
    """The body that was cut up: equal in every value and in the order of keys."""
    return assemble([loads(chunk) for chunk in chunks], manifest)


def assemble(values: Sequence[Json], manifest: bytes) -> Json:
    """`join` for chunks that are parsed already. Shares them with the result and changes none."""
    parts, marks = (*loads(manifest), [], [])[:2]
    elements = list(values[:-1])
    for at, where, position, mark in marks:
        elements[at] = _put_back(elements[at], where, position, mark)
    return _put_together(values[-1], parts, elements)


def _take_apart(body: Json, parts: list[list[Any]], cuts: _Cuts) -> Json:
    """The frame, with null where a part was taken out; `parts` and `cuts` are filled."""
    if not isinstance(body, dict):
        return body
    frame = dict(body)
    if body.get("role") == "assistant" and isinstance(body.get("content"), list):
        cuts.add([{"role": body["role"], "content": body["content"]}])
        parts.append([REPLY, None])
        return frame | {"role": None, "content": None}
    for key in LISTS:
        value = body.get(key)
        if not value or not isinstance(value, list | str):
            continue
        cuts.add(value if isinstance(value, list) else [value], key != "messages")
        parts.append([key, len(value) if isinstance(value, list) else None])
        frame[key] = None
    return frame


def _put_together(frame: Json, parts: list[list[Any]], elements: list[Json]) -> Json:
    if not parts:
        return frame
    body, start = dict(frame), 0
    for key, count in parts:
        if key == REPLY:
            body.update(elements[start])
        else:
            body[key] = elements[start] if count is None else elements[start : start + count]
        start += _size([key, count])
    return body


def _size(part: list[Any]) -> int:
    return 1 if part[1] is None else int(part[1])


def _is_said(parts: list[list[Any]]) -> bool:
    return bool(parts) and parts[-1][0] in ("messages", REPLY)


def _cut(element: Json) -> _Cut:
    """The element as a chunk; a part keeps what it became."""
    if not isinstance(element, Part):
        return _bare(element, dumps(element))
    known: _Cut | None = element.found.get(_cut)
    if known is None:
        known = element.found[_cut] = _bare(element, element.data)
    return known


def _bare(element: Json, data: bytes) -> _Cut:
    """Most have no mark, and looking for one in the bytes is thirty times faster than walking the value."""
    if _MARK_BYTES not in data:
        return _named(data)
    marks: list[Mark] = []
    return _named(dumps(_lift(element, (), marks)), tuple(marks))


def _named(data: bytes, marks: tuple[Mark, ...] = ()) -> _Cut:
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


def _put_back(value: Json, where: Sequence[int], position: int, mark: Json) -> Json:
    if where:
        content = list(value["content"])
        content[where[0]] = _put_back(content[where[0]], where[1:], position, mark)
        return value | {"content": content}
    items = list(value.items())
    items.insert(position, (MARK, mark))
    return dict(items)
