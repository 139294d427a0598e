"""Which call a piece of a tool call belongs to.

Owns the reading of `delta.tool_calls` in all the ways that providers write it. Must never merge two calls into one. The
one surprise: `index` is not to be trusted: Gemini and Ollama give every call 0, some send none, or strings; a new id
with a name, or a new name after complete arguments, is a new call whatever the index says.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ccr_tui.proxy.blocks import Call
from ccr_tui.records import Json
from ccr_tui.wire import dumps


class Piece(NamedTuple):
    """One entry of `tool_calls`, read leniently."""

    place: int | None
    """Its `index`."""
    id: str
    name: str
    arguments: str


def read(entry: Json) -> Piece | None:
    """None for what is no tool call at all."""
    if not isinstance(entry, dict):
        return None
    function = entry.get("function") or entry.get("custom") or entry
    if not isinstance(function, dict):
        function = entry
    arguments = function.get("arguments")
    if arguments is None:
        arguments = function.get("input")
    return Piece(_index(entry.get("index")), _word(entry.get("id")), _word(function.get("name")), _text(arguments))


def _index(value: Json) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return int(value) if isinstance(value, (int, float)) and value == value and abs(value) < 1e9 else None


def _word(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)


def _text(arguments: Json) -> str:
    """Arguments as text; some upstreams (Ollama's own shape) send the object itself."""
    if arguments is None:
        return ""
    if isinstance(arguments, str):
        return arguments
    try:
        return dumps(arguments).decode()
    except (ValueError, TypeError, RecursionError):
        return ""


class Calls:
    """The calls of one answer. `tools` are the names that were sent, where they are known: they help to tell a name
    that comes in pieces from two names."""

    def __init__(self, tools: Collection[str] = ()) -> None:
        self.said: list[str] = []
        """All argument text, for whoever must estimate tokens."""
        self._tools = tools
        self._by_index: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._last: Call | None = None

    def take(self, entries: Json) -> list[Call]:
        """Put the entries of one delta into their calls; the calls that are new."""
        touched: list[Call] = []
        new: list[Call] = []
        for entry in entries if isinstance(entries, list) else [entries]:
            piece = read(entry)
            if piece is None:
                continue
            call = self._find(piece)
            if call is None or (piece.name and call in touched):  # one delta never says two things about one call
                call = Call()
                new.append(call)
            touched.append(call)
            self._put(call, piece)
        return new

    def _put(self, call: Call, piece: Piece) -> None:
        self._last = call
        if piece.place is not None:
            self._by_index[piece.place] = call
        if piece.id and not call.id:
            call.id = piece.id
        if piece.id:
            self._by_id[piece.id] = call
        if piece.name and not (call.name and call.said):
            call.name = self._named(call.name, piece.name)
        if piece.arguments:
            self.said.append(piece.arguments)
            call.push(piece.arguments)

    def _find(self, piece: Piece) -> Call | None:
        if piece.place is not None:
            call = self._by_index.get(piece.place) or self._going_on(piece)
        elif piece.id:
            call = self._by_id.get(piece.id)
            if call is None and not piece.name:
                call = self._last
        else:
            call = self._last
        return None if call is None or self._another(call, piece) else call

    def _going_on(self, piece: Piece) -> Call | None:
        """The call that a piece without a name belongs to although nothing has begun at its index: some servers count
        pieces, or begin without one."""
        if piece.name:
            return None
        if piece.id:
            return self._by_id.get(piece.id)
        return None if self._last is None or self._last.arguments.done else self._last

    def _another(self, call: Call, piece: Piece) -> bool:
        """Whether `piece` starts a call of its own, although its index (or the lack of one) says that it goes on."""
        if not piece.name:
            return bool(piece.id and call.id and piece.id != call.id and call.arguments.done)
        if piece.id and call.id:
            return piece.id != call.id and (not call.said or call.arguments.done or piece.arguments[:1] == "{")
        if not call.name:
            return call.arguments.done and bool(piece.arguments)
        if call.said:
            return call.arguments.done or piece.name != call.name
        return piece.name != call.name and call.name in self._tools and piece.name in self._tools

    def _named(self, name: str, more: str) -> str:
        """A name that is repeated stays; one that is repeated longer replaces; else it comes in pieces."""
        if not name or (more.startswith(name) and (more == name or more in self._tools)):
            return more
        return name + more
