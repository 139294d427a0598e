"""A JSON body as a path of chunks, and back, exactly.

Owns how a request or reply is cut up so that what Claude Code sends again each turn is stored once: a chunk is one
tool, one system block, one message, or the frame (everything else). Must never do I/O, and never change what it was
given. The one surprise: the order is that in which a prompt cache reads (tools, system, messages) with the frame last,
so that the common start of two paths is what a provider could have served from its cache; and `cache_control` marks,
which move every turn, are lifted out into a small manifest, because a mark must not make an old message a new one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import field
from operator import is_
from typing import Any, overload

from ccr_tui.cutting import MARK as MARK
from ccr_tui.cutting import NAME as NAME
from ccr_tui.cutting import Cut, Mark, cut, put_back
from ccr_tui.cutting import digest as digest
from ccr_tui.records import Json
from ccr_tui.seen import LISTS, History, Part
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps, loads

REPLY = "reply"
"""The part of an answer that comes back as a message in the next request: its role and content, as one chunk."""
FEW = 64
"""Messages up to which the chunks of a body are listed; of more, each is got from its message when it is asked for."""


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
    names: bytes
    """The digests of all chunks in a row, `NAME` bytes each: a thousand of them are compared and copied at once."""
    size: int
    """Bytes of all chunks and the manifest."""

    @property
    def name(self) -> bytes:
        """The digest of the whole: equal only where every chunk and the manifest are."""
        return digest(self.names + digest(self.manifest))


def split(body: Json) -> Path:
    """Cut a body up. Any JSON value will do; what isn't a request or a reply is a frame alone."""
    parts: list[list[Any]] = []
    cuts = _Cuts()
    frame = _take_apart(body, parts, cuts)
    data = dumps(frame)
    manifest = dumps([parts, cuts.marks] if cuts.marks else [parts] if parts else [])
    count, names = len(cuts), b"".join((*cuts.names, digest(data)))
    said = range(count - _size(parts[-1]), count) if _is_said(parts) else range(0)
    size = cuts.size + len(data) + len(manifest)
    return Path(cuts.chunks(data), manifest, said, names, size)


@dataclass(slots=True)
class _Cuts:
    """The chunks so far, in columns. Those of a history, which comes last, stay with its messages."""

    data: list[bytes] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    history: Sequence[Json] = ()
    size: int = 0

    def __len__(self) -> int:
        return len(self.data) + len(self.history)

    def chunks(self, frame: bytes) -> Sequence[bytes]:
        """All of them, and the frame."""
        if len(self.history) > FEW:
            return Chunks(self.data, self.history, [frame])
        return [*self.data, *[cut(message)[0] for message in self.history], frame]

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
            known: Cut | None = element.found.get(cut) if type(element) is Part else None
            data, name, found = known or cut(element)
            if found:
                at = len(self.data)
                self.marks += [[at, *mark] for mark in found]
            self.data.append(data)
            self.names.append(name)
            self.size += len(data)

    def _add_known(self, first: Part, others: Sequence[Json]) -> None:
        """In columns too. The first one remembers what came with it, and what became of all."""
        known: tuple[Sequence[Json], _Cuts] | None = first.found.get(_Cuts)
        if known is None or len(known[0]) != len(others) or not all(map(is_, known[0], others)):
            cuts = _Cuts()
            cuts._add_each((first, *others))
            cuts.names = [b"".join(cuts.names)]
            known = first.found[_Cuts] = others, cuts
        start, cuts = len(self.data), known[1]
        self.marks += [[start + at, *mark] for at, *mark in cuts.marks]
        self.data += cuts.data
        self.names += cuts.names
        self.size += cuts.size

    def _add_history(self, history: History) -> None:
        """What earlier turns have cut is copied in one piece and not looked at, be it a thousand messages."""
        before: _Talk = history.recall(_Cuts) or _NOTHING
        known = min(history.known, len(before.ends))
        ends, size = before.ends[:known], before.ends[known - 1] if known else 0
        names, marks = [before.names[: NAME * known]], [mark for mark in before.marks if mark[0] < known]
        for at in range(known, len(history)):
            data, name, found = cut(history[at])
            size += len(data)
            ends.append(size)
            names.append(name)
            marks += [(at, mark) for mark in found]
        talk = _Talk(b"".join(names), ends, marks)
        history.keep(_Cuts, talk)
        start = len(self.data)
        self.marks += [[start + at, *mark] for at, mark in marks]
        self.names.append(talk.names)
        self.size += size
        self.history = history


@dataclass(slots=True)
class _Talk:
    """What the messages of a history became: their names in a row, where the bytes of each end if they are added up,
    and the marks, each with the place of its message. Nobody changes one."""

    names: bytes
    ends: array[int]
    marks: list[tuple[int, Mark]]


_NOTHING = _Talk(b"", array("Q"), [])


class Chunks(Sequence[bytes]):
    """The chunks of a long conversation, none of which is touched before somebody asks for it."""

    __slots__ = ("_frame", "_head", "_history")

    def __init__(self, head: list[bytes], history: Sequence[Json], frame: list[bytes]) -> None:
        self._head, self._history, self._frame = head, history, frame

    def __len__(self) -> int:
        return len(self._head) + len(self._history) + 1

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        if isinstance(at, slice):
            return [self._at(each) for each in range(*at.indices(len(self)))]
        return self._at(range(len(self))[at])

    def _at(self, at: int) -> bytes:
        head, history = self._head, self._history
        if at < len(head):
            return head[at]
        at -= len(head)
        return cut(history[at])[0] if at < len(history) else self._frame[0]

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, Sequence) else NotImplemented


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
        elements[at] = put_back(elements[at], where, position, mark)
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
