"""A conversation of the Messages API as chat messages.

Owns the order of messages and the pairing of tool calls with their results. Must never let a message's form depend on
what comes after its own exchange: the translation of a conversation is a byte-exact prefix of the translation of the
same conversation with turns added, because providers bill a repeated prefix at a tenth of the price. The one surprise:
a result may stand anywhere before the next assistant message, beside text, pictures and other results; `tool` messages
must follow their call at once, so they come first and everything else of that turn after them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from ccr_tui.proxy import hop
from ccr_tui.proxy.anthropic import UNPARSED
from ccr_tui.proxy.content import Part as ChatPart
from ccr_tui.proxy.content import Piece, Reader, as_content, compact, reminder
from ccr_tui.proxy.notes import Notes
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.sealing import Unsealed
from ccr_tui.proxy.steps import Past, Step, Trail, names_in, steps_of
from ccr_tui.proxy.tools import Ids, Names
from ccr_tui.records import Json
from ccr_tui.seen import Part
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps

Message = dict[str, Any]
Place = tuple[int, int]
"""Which block of which message of a turn."""
NO_OUTPUT = "(no output)"
NOTHING = "(nothing)"
NO_RESULT = "(no result: the call was interrupted)"
_BETWEEN = "Understood."
"""What the assistant says where a provider takes no user message after a tool message."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the history: the id that the client knows, the one that the upstream gets, and the tool."""

    asked: str
    sent: str
    name: str


class Results:
    """The tool results of one turn, waiting for their calls."""

    def __init__(self, turn: list[Json]) -> None:
        self._waiting: dict[str, deque[tuple[Place, Json]]] = {}
        self.taken: dict[Place, tuple[Call, list[ChatPart]]] = {}
        """The call, and the pictures and files that could not go into its `tool` message."""
        for place, block in _results(turn):
            self._waiting.setdefault(block["tool_use_id"], deque()).append((place, block))

    def next(self, call: Call) -> tuple[Place, Json] | None:
        queue = self._waiting.get(call.asked)
        return queue.popleft() if queue else None


class Conversation:
    """Translates the messages of one request for one model."""

    def __init__(self, facts: Facts, names: Names, notes: Notes, *, thinking: bool, model_id: str = "") -> None:
        self._facts = facts
        self._model_id = model_id
        self._names = names
        self._notes = notes
        self._read = Reader(facts, notes)
        self._ids = Ids(facts)
        self._thinking = thinking
        self._out: list[Message] = []

    def translate(self, messages: list[Json]) -> list[Message]:
        """The chat messages, the system message not among them."""
        start = None if self._facts.alternate else (self._model_id, self._thinking, *self._names.state())
        past = Past(messages, self._facts, start)
        begun, count = past.beginning()
        self._take_over(begun)
        for assistants, others in steps_of(messages[count:] if count else messages):
            self._step(assistants, others, past)
        past.keep()
        if not self._facts.prefill and self._out and self._out[-1]["role"] == "assistant":
            self._notes.add("the last message is the assistant's: only some models go on from there")
        return self._out

    def _step(self, assistants: list[Json], others: list[Json], past: Past) -> None:
        """One exchange, taken over from an earlier turn where it can be.

        Where turns must alternate, an exchange may still change the message before it, so there nothing is kept.
        """
        asked = (*assistants, *others)
        known = past.next(asked)
        if known is not None:
            return self._take_over(known)
        at, ids, counts = len(self._out), len(self._ids.given), self._notes.counts()
        self._exchange(assistants, others)
        if past.may_add(asked):
            self._out[at:] = sent = [Part(message, dumps(message)) for message in self._out[at:]]
            noted = tuple(self._notes.since(counts))
            past.add(Step(asked, tuple(sent), tuple(self._ids.given[ids:]), tuple(names_in(assistants)), noted))
        return None

    def _take_over(self, step: Step | Trail) -> None:
        self._out.extend(step.sent)
        self._ids.take(step.ids)
        for name in dict.fromkeys(step.names):
            self._names.of(name)
        for sentence, count in step.notes:
            self._notes.add(sentence, count)

    def _exchange(self, assistants: list[Json], others: list[Json]) -> None:
        results = Results(others)
        for message in assistants:
            calls = self._assistant(message)
            for call in calls:
                self._add({"role": "tool", "tool_call_id": call.sent, "content": self._result(call, results)})
        if others:
            self._keep_turn("assistant", after="user")
            self._others(others, results)
            self._keep_turn("user", after="assistant")

    def _keep_turn(self, role: str, *, after: str) -> None:
        """Where turns must alternate, one that says nothing still stands: else its neighbours would grow together."""
        if self._facts.alternate and self._out and self._out[-1]["role"] == after:
            self._add({"role": role, "content": NOTHING})

    def _assistant(self, message: Json) -> list[Call]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[tuple[Call, str]] = []
        unsealed = Unsealed(self._model_id)
        for block in blocks:
            kind = block["type"]
            if kind == "tool_use":
                call = Call(block["id"], self._ids.fresh(block["id"]), self._names.of(block["name"]))
                calls.append((call, compact(_given(block["input"]))))
            elif hop.agent_of(block):
                self._user(hop.context(block))
            elif kind in ("thinking", "redacted_thinking") and not hop.is_aside(block):
                unsealed.add(block)
                thoughts.append(self._thought(block))
            elif kind != "thinking":
                texts.extend(self._spoken(block))
        self._say("\n\n".join(texts), "\n\n".join(filter(None, thoughts)), calls, unsealed)
        return [call for call, _ in calls]

    def _say(self, text: str, thought: str, calls: list[tuple[Call, str]], unsealed: Unsealed) -> None:
        back = self._facts.reasoning_back if self._facts.reasoning_beside_text or not (text and calls) else None
        details = self._details(thought, calls, unsealed)
        said: Message = {"role": "assistant", "content": text or (None if calls else "")}
        if details:
            said["reasoning_details"] = details
        own = details and (unsealed.details or self._facts.reasoning_detail)
        if back and not own and (thought or self._needs_reasoning(bool(calls))):
            said[back] = thought
        elif thought and not own:
            self._notes.add("the reasoning of an earlier turn was left out: this model does not take it back")
        if calls:
            said["tool_calls"] = [self._call(call, arguments, n, unsealed) for n, (call, arguments) in enumerate(calls)]
        if text or calls or own or (back and thought):
            self._add(said)

    def _needs_reasoning(self, calls: bool) -> bool:
        """Whether a message must have the field though there is nothing to say in it."""
        always = self._facts.reasoning_always
        return self._thinking and (always or (calls and self._facts.reasoning_required))

    def _details(self, thought: str, calls: list[tuple[Call, str]], unsealed: Unsealed) -> list[Json]:
        """The reasoning that goes back as it came, or else the least that the provider takes for a call."""
        if self._facts.reasoning_detail and thought:
            return [{**self._facts.reasoning_detail, "text": thought}]
        if not self._facts.reasoning_details:
            return []
        if not calls or not self._facts.call_detail or any("data" in detail for detail in unsealed.details):
            return unsealed.details
        missing = {**self._facts.call_detail, "id": calls[0][0].sent, "index": len(unsealed.details)}
        return [*unsealed.details, missing]

    def _call(self, call: Call, arguments: str, n: int, unsealed: Unsealed) -> dict[str, Any]:
        function = {"name": call.name, "arguments": arguments}
        extra = self._facts.tool_call_extra if n == 0 else {}
        if self._facts.tool_call_extra and str(n) in unsealed.calls:
            extra = {"extra_content": unsealed.calls[str(n)]}
        return {"id": call.sent, "type": "function", "function": function, **extra}

    def _thought(self, block: Json) -> str:
        if block["type"] == "redacted_thinking":
            self._notes.add("encrypted reasoning was left out: only Anthropic can read it")
            return ""
        return self._read.sound(block["thinking"])

    def _spoken(self, block: Json) -> Iterator[str]:
        for piece in self._read.block(block):
            if isinstance(piece, str):
                if piece:
                    yield piece
            else:
                self._notes.add("a picture or file of the assistant's was left out")
                yield "[A picture or file was here.]"

    def _result(self, call: Call, results: Results) -> str:
        found = results.next(call)
        if found is None:
            self._notes.add("a tool call without a result was given a placeholder")
            return NO_RESULT
        place, block = found
        shown: list[str] = []
        parts: list[ChatPart] = []
        for piece in self._read.pieces(block.get("content")):
            if not isinstance(piece, str):
                parts.append(piece)
                piece = f"[picture or file {len(parts)}: see the next user message]"
            shown.append(piece)
        results.taken[place] = call, parts
        return _marked("\n\n".join(shown) or NO_OUTPUT, block)

    def _others(self, turn: list[Json], results: Results) -> None:
        for n, message in enumerate(turn):
            pieces = self._left(n, message, results)
            if message["role"] == "system":
                self._system(pieces)
            elif pieces:
                self._user(as_content(pieces))

    def _left(self, n: int, message: Json, results: Results) -> list[Piece]:
        """What of a message is not in `tool` messages: texts, and the pictures of results with their call's name."""
        content = message.get("content", [])
        if isinstance(content, str):
            return self._read.pieces(content)
        pieces: list[Piece] = []
        for at, block in enumerate(content):
            if block["type"] != "tool_result":
                pieces.extend(piece for piece in self._read.block(block) if piece != "")
            elif (n, at) in results.taken:
                pieces.extend(_pictures(*results.taken[n, at]))
            else:
                pieces.extend(self._orphan(block))
        return pieces

    def _orphan(self, block: Json) -> Iterator[Piece]:
        self._notes.add("a tool result without its call was sent as text of the user")
        yield f"[Result of an earlier tool call {block['tool_use_id']}{' (an error)' if _failed(block) else ''}]"
        yield from self._read.pieces(block.get("content"))

    def _system(self, pieces: list[Piece]) -> None:
        text = "\n\n".join(piece if isinstance(piece, str) else "[A picture or file was here.]" for piece in pieces)
        if not text:
            return
        if self._facts.mid_system == "system":
            self._add({"role": "system", "content": text})
        else:
            self._user(reminder(text))

    def _user(self, content: str | list[ChatPart]) -> None:
        if self._out and self._out[-1]["role"] == "tool" and not self._facts.user_after_tool:
            self._add({"role": "assistant", "content": _BETWEEN})
        self._add({"role": "user", "content": content})

    def _add(self, message: Message) -> None:
        last = self._out[-1] if self._out else None
        if last and self._facts.alternate and _same_voice(last, message):
            self._out[-1] = {**last, **message, **_merged(last, message, self._facts.reasoning_back)}
        else:
            self._out.append(message)


def _results(turn: list[Json]) -> Iterator[tuple[Place, Json]]:
    for n, message in enumerate(turn):
        content = message.get("content")
        for at, block in enumerate(content if isinstance(content, list) else []):
            if block["type"] == "tool_result":
                yield (n, at), block


def _pictures(call: Call, parts: list[ChatPart]) -> Iterator[Piece]:
    for n, part in enumerate(parts, 1):
        yield f"[picture or file {n} of the result of {call.name}, call {call.sent}]"
        yield part


def _given(value: Json) -> Json:
    """A call's input as the object that providers take."""
    return value if isinstance(value, dict) else {UNPARSED: value}


def _failed(block: Json) -> bool:
    return block.get("is_error") is True


def _marked(text: str, block: Json) -> str:
    """An error says so, unless it already does."""
    return f"Error: {text}" if _failed(block) and not text.startswith(("Error", "<tool_use_error>")) else text


def _same_voice(last: Message, message: Message) -> bool:
    return last["role"] == message["role"] and last["role"] in ("user", "assistant") and "tool_calls" not in last


def _merged(last: Message, message: Message, back: str | None) -> Message:
    made = {"content": _joined(last["content"], message["content"])}
    if back and back in last and back in message:
        made[back] = _joined(last[back], message[back]) or ""
    return made


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, list) or isinstance(second, list):
        return [*_parts(first), *_parts(second)]
    return "\n\n".join(text for text in (first, second) if text) or None


def _parts(content: Any) -> list[ChatPart]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
