"""Content blocks on their way out: a queue whose first one is open while the others wait.

Owns the order and the indexes of blocks, and the events that open, fill and close them. Must never have two blocks
open, and never lose or reorder what was said. The one surprise: an upstream may interleave parallel calls (or text and
calls) as it likes; whatever stands behind the open block is kept until that one is complete.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Literal

from ccr_tui.proxy.anthropic import GRAMMAR, State
from ccr_tui.proxy.repair import Arguments
from ccr_tui.records import Json
from ccr_tui.signed import SIGNATURE

_AROUND = re.compile(r"^(?:functions|default_api|tools)[.:/]|:\d+$")
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")


class Call:
    """One tool call: what the upstream said about it so far."""

    __slots__ = ("arguments", "id", "name", "open", "ready", "said", "surrogate")
    kind = "tool"

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = Arguments()
        self.said = False
        """Whether any argument text came, which also means that its name is complete."""
        self.ready: list[str] = []
        """Checked argument text that waits to be sent."""
        self.open = False
        self.surrogate = ""
        """Half a character, as in `Run`."""

    def push(self, piece: str) -> None:
        """Add argument text."""
        if piece:
            self.said = True
            if self.surrogate or "\ud800" <= piece[-1] <= "\udbff":
                piece, self.surrogate = _cut(self.surrogate + piece)
            mended = self.arguments.feed(piece)
            if mended:
                self.ready.append(mended)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing, so that whatever stands behind it may follow."""
        return bool(self.name) and self.arguments.done


class Run:
    """A stretch of text or of thinking."""

    __slots__ = ("carries", "kind", "open", "ready", "surrogate")
    whole = True

    def __init__(self, kind: Literal["text", "thinking"], carries: bool = False) -> None:
        self.kind = kind
        self.carries = carries
        """Whether it goes out for its signature's sake, though it says nothing."""
        self.ready: list[str] = []
        self.open = False
        self.surrogate = ""
        """Half a character: some upstreams cut an emoji's escape in two."""

    def push(self, piece: str) -> None:
        """Add text."""
        if self.surrogate or "\ud800" <= piece[-1] <= "\udbff":
            piece, self.surrogate = _cut(self.surrogate + piece)
        if piece:
            self.ready.append(piece)


def _cut(text: str) -> tuple[str, str]:
    """Surrogate pairs made into the characters they stand for; lone ones stay, and one at the end stands apart."""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return (text[:-1], text[-1]) if "\ud800" <= text[-1] <= "\udbff" else (text, "")


Block = Call | Run

_START = {"text": {"type": "text", "text": ""}, "thinking": {"type": "thinking", "thinking": "", "signature": ""}}
_DELTA = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool": ("input_json_delta", "partial_json"),
}


class Blocks:
    """The queue. `say` and `add` put something in; the events that this allows are appended to `out`."""

    def __init__(
        self,
        message_id: str,
        names: Mapping[str, str],
        tools: Iterable[str] = (),
        taken: Iterable[str] = (),
        sign: Callable[[], str] = lambda: SIGNATURE,
    ) -> None:
        self.state: State = "start"
        self._sign = sign
        self.notes: list[str] = []
        self.started = 0
        """Content blocks begun."""
        self.tools_started = 0
        self.spoke = False
        """Whether text (not thinking) has come."""
        self._message_id = message_id
        self._names = names
        self._tools = {name.casefold(): name for name in tools}
        self._ids = set(taken)
        self._queue: list[Block] = []

    @property
    def last(self) -> Block | None:
        """What was put in last, if it is still here."""
        return self._queue[-1] if self._queue else None

    @property
    def last_kind(self) -> str:
        """ "text", "thinking", "tool", or "" at the start."""
        return self._queue[-1].kind if self._queue else ""

    def say(self, kind: Literal["text", "thinking"], piece: str, out: list[Json]) -> None:
        """Text, or thinking; `piece` is not empty."""
        block = self._queue[-1] if self._queue else None
        if not isinstance(block, Run) or block.kind != kind:
            block = Run(kind)
            self._queue.append(block)
        elif block.open and piece.isascii() and not block.surrogate:
            out.append(self._delta(kind, piece))  # nearly every chunk of a stream takes this short way
            return
        block.push(piece)
        self.advance(out)

    def add(self, block: Block) -> None:
        """A new call, or a block for its signature's sake; nothing goes out before advance()."""
        self._queue.append(block)

    def advance(self, out: list[Json]) -> None:
        """Send what may be sent."""
        while self._queue:
            block = self._queue[0]
            behind = len(self._queue) > 1
            self._stream(block, out)
            if not (behind and block.whole):
                return
            self._close(block, out, cut=False)

    def finish(self, out: list[Json], cut: bool) -> None:
        """Close everything. `cut`: the answer hit its limit, so its last call may be half a call."""
        while self._queue:
            self._close(self._queue[0], out, cut and len(self._queue) == 1)

    def emit(self, event: Json, out: list[Json]) -> None:
        """Every event but deltas goes through here: the grammar holds, or this is a bug (KeyError)."""
        self.state = GRAMMAR[self.state][event["type"]]
        out.append(event)

    def _stream(self, block: Block, out: list[Json]) -> None:
        if not block.ready:
            return
        if not block.open:
            if isinstance(block, Call) and not (block.id and block.name):
                return  # an id or a name may still come; finish() waits no longer
            self._open(block, out)
        self._deltas(block, out)

    def _deltas(self, block: Block, out: list[Json]) -> None:
        out.extend([self._delta(block.kind, piece) for piece in block.ready])
        block.ready.clear()

    def _delta(self, kind: str, piece: str) -> Json:
        name, field = _DELTA[kind]
        return {"type": "content_block_delta", "index": self.started - 1, "delta": {"type": name, field: piece}}

    def _open(self, block: Block, out: list[Json]) -> None:
        if isinstance(block, Call):
            start: Json = {"type": "tool_use", "id": self._id(block), "name": self._name(block), "input": {}}
            self.tools_started += 1
        else:
            start = dict(_START[block.kind])
        self.emit({"type": "content_block_start", "index": self.started, "content_block": start}, out)
        self.started += 1
        block.open = True

    def _close(self, block: Block, out: list[Json], cut: bool) -> None:
        self._queue.pop(0)
        if isinstance(block, Call):
            if not block.name:
                self._nameless(block)
                return
            self._end_call(block, cut)
        elif block.surrogate:
            block.ready.append(block.surrogate)
        if not block.open and (block.ready or (isinstance(block, Run) and block.carries)):
            self._open(block, out)
        if block.open:
            self._deltas(block, out)
            self._stop(block, out)

    def _stop(self, block: Block, out: list[Json]) -> None:
        index = self.started - 1
        if block.kind == "thinking":
            delta = {"type": "signature_delta", "signature": self._sign()}
            out.append({"type": "content_block_delta", "index": index, "delta": delta})
        self.emit({"type": "content_block_stop", "index": index}, out)

    def _end_call(self, call: Call, cut: bool) -> None:
        rest = call.arguments.feed(call.surrogate) + call.arguments.close(cut)
        if rest or not call.open:
            call.ready.append(rest)
        if call.arguments.broken:
            self.notes.append(f"The arguments of {call.name} are not a JSON object; they were passed on as they came.")
        elif call.arguments.mended:
            self.notes.append(f"The arguments of {call.name} were mended: {', '.join(call.arguments.mended)}.")

    def _nameless(self, call: Call) -> None:
        said = "".join(call.ready) + call.arguments.close()
        if call.said or call.id:
            self.notes.append(f"A tool call without a name was dropped: {said[:200]}")

    def _name(self, call: Call) -> str:
        """The client's own name of the tool; its names are case-sensitive, and small models forget that. Others call
        what is not there by the space that they were taught, or count: functions.Read, default_api:Read, Read:0."""
        said = call.name.strip().casefold()
        name = self._tools.get(said) or self._tools.get(_AROUND.sub("", said), call.name)
        if name != call.name:
            self.notes.append(f"The tool {call.name} was called; {name} was meant.")
        return self._names.get(name, name)

    def _id(self, call: Call) -> str:
        """The upstream's id where it is legal and new; else one made of the message's id, so that replays agree."""
        chosen = call.id
        n = self.started
        while chosen in self._ids or not _LEGAL_ID.fullmatch(chosen):
            chosen = "toolu_" + blake2b(f"{self._message_id}/{n}".encode(), digest_size=12).hexdigest()
            n += 1000
        self._ids.add(chosen)
        return chosen
