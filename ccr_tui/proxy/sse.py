"""Server-sent events: bytes into events, and events into bytes.

Owns the framing only: what an event's data means is for openai.py and anthropic.py. Must never decode before it has
split, since the network may cut a character in two. The one surprise: lines end at \\n, \\r\\n and \\r, nowhere else;
`str.splitlines` (and httpx's `aiter_lines`) would also cut at U+2028 and U+0085, which are legal inside a JSON string.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NamedTuple

import orjson

from ccr_tui.records import Json
from ccr_tui.wire import DEEPEST, check_depth, dumps

LIMIT = 32 * 1024 * 1024
"""Bytes that one event may have. No model says that much; a server that does is broken."""

_BOM = b"\xef\xbb\xbf"
_STRAY_LIMIT = 4096


class Event(NamedTuple):
    """One dispatched event. `event` is "" when the stream did not name it."""

    event: str
    data: str
    id: str = ""


_new = tuple.__new__


class Decoder:
    """Push bytes of any size, get whole events. `comments` counts the lines that only keep a connection alive."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.comments = 0
        self.broken = False
        """True once an event outgrew the limit; everything after that is ignored."""
        self.stray = b""
        """The start of the last line that was no field at all: a bare JSON error or a page of HTML, most likely."""
        self._limit = limit
        self._held: list[bytes] = []
        self._held_size = 0
        self._after_cr = False
        self._first = True
        self._name = b""
        self._id = b""
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._after_cr and data:
            self._after_cr = False
            if data[:1] == b"\n":
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in data:
            self._hold(data)
            return []
        if self._held:
            self._held.append(data)
            data = b"".join(self._held)
        lines = data.split(b"\n")
        self._held, self._held_size = [], 0
        self._hold(lines.pop())
        return self._lines(lines)

    def close(self) -> list[Event]:
        """What an upstream that forgot its last blank line left behind; often its `[DONE]`."""
        rest = b"".join(self._held)
        self._held, self._held_size = [], 0
        return self._lines([rest, b""])

    def _hold(self, data: bytes) -> None:
        if self.broken or not data:
            return
        self._held.append(data)
        self._held_size += len(data)
        self._check(self._held_size)

    def _check(self, size: int) -> None:
        if size > self._limit:
            self.broken = True
            self._held, self._data = [], []

    def _lines(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        if self._first and lines:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines if not self.broken else ():
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
                self._data_size += len(line)
                if self._data_size > self._limit:
                    self._check(self._data_size)
                    break
            elif line:
                self._field(line)
                if self.broken:
                    break
            elif self._data or self._name:
                self._dispatch(events)
        return events

    def _dispatch(self, events: list[Event]) -> None:
        data = self._data
        if data:
            text = (data[0] if len(data) == 1 else b"\n".join(data)).decode("utf-8", "replace")
            if self._name or self._id:
                events.append(Event(_text(self._name), text, _text(self._id)))
            else:  # past the class's own way, which would be a call more for each chunk
                events.append(_new(Event, ("", text, "")))
            self._data, self._data_size = [], 0
        self._name = b""

    def _field(self, line: bytes) -> None:
        if line.startswith(b"\0"):  # padding, which would make another field of it and lose what it says
            self._lines([rest] if (rest := line.lstrip(b"\0")) else [])
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name:
            self.comments += 1
        elif name == b"event":
            self._name = value
        elif name == b"id":
            self._id = value
        elif name == b"data":
            self._data.append(b"")
        elif name != b"retry":
            self.stray = line[:_STRAY_LIMIT]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace") if data else ""


def loads(text: str | bytes) -> Json:
    """One chunk's JSON, fast: orjson, or the standard library where that refuses (lone surrogates, and the NaN that
    Python servers write, which is null from here on). Unlike wire.loads it may round integers of over 64 bits, which no
    chunk has.

    Raises ValueError for what is no JSON at all, also where it is nested more deeply than those can go who walk it.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            # a NUL or a tab as it is, where JSON wants it escaped
            value = json.loads(text, strict=False, parse_float=_finite, parse_constant=lambda _: None)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    if len(text) > 2 * DEEPEST and _may_be_deep(text):
        check_depth(value)
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if isfinite(number) else None


def _may_be_deep(text: str | bytes) -> bool:
    marks: Any = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    return sum(map(text.count, marks)) > DEEPEST


def encode(name: str, value: Json) -> bytes:
    """One event, ready for the wire. Claude Code parses nothing that has no `event:` line (measured, 2.1.330)."""
    data = dumps(value)
    if b"\xe2\x80" in data or b"\xc2\x85" in data:
        data = _without_odd_line_ends(data)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _without_odd_line_ends(data: bytes) -> bytes:
    """The same JSON for readers that take U+2028, U+2029 and U+0085 for line ends."""
    data = data.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return data.replace(b"\xc2\x85", b"\\u0085")


PING = encode("ping", {"type": "ping"})
