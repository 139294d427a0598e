"""Upstream streams for the tests of the reply: written by hand, and made by chance.

`chunk(...)` is one chunk of a chat completion, `sse(...)` its bytes. `play(...)` pushes bytes through a ChatReply and
checks on the way that the grammar accepts what comes out. `answers()` is a strategy of whole answers that a model might
give, each with the chunks that it is streamed in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from ccr_tui.proxy.anthropic import Fold, Grammar
from ccr_tui.proxy.reply import ChatReply

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}


def chunk(finish: str | None = None, /, **delta: Any) -> dict[str, Any]:
    """A chunk with this delta, and this finish reason."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "upstream-model", "choices": [choice]}


def call(index: Any = 0, id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:
    """An entry of tool_calls with only what is given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    entry = {"index": index, "id": id, "type": "function", "function": function}
    return {key: value for key, value in entry.items() if value is not None}


def calls(*entries: dict[str, Any]) -> dict[str, Any]:
    """A chunk with these tool calls."""
    return chunk(tool_calls=list(entries))


def usage(**counts: Any) -> dict[str, Any]:
    """The chunk of its own that usage comes in."""
    return {"id": "chatcmpl-1", "choices": [], "usage": counts or USAGE}


def sse(*chunks: Any, done: bool = True) -> bytes:
    """The bytes of a stream; what is bytes already stays."""
    data = b"".join(each if isinstance(each, bytes) else b"data: %b\n\n" % json.dumps(each).encode() for each in chunks)
    return data + (DONE if done else b"")


@dataclass
class Played:
    """What came out of a reply."""

    reply: ChatReply
    events: list[Any] = field(default_factory=list)

    @property
    def message(self) -> Any:
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.message

    @property
    def blocks(self) -> list[Any]:
        """Each content block in short: ("text", "…"), ("thinking", "…"), ("Read", {…})."""
        return [short(block) for block in self.message["content"]]


def short(block: Any) -> tuple[str, Any]:
    if block["type"] == "tool_use":
        return block["name"], block["input"]
    return block["type"], block[block["type"]]


def play(*pieces: bytes, strict: bool = True, **options: Any) -> Played:
    """Push the pieces; the grammar must accept what comes out, to the end unless there is an error."""
    reply = ChatReply("msg_1", "claude-asked", **{"estimate": 11, "provider": "Acme", **options})
    played = Played(reply)
    for piece in pieces:
        played.events += reply.feed(piece)
    played.events += reply.close()
    grammar = Grammar()
    for event in played.events:
        grammar.feed(event)
    assert (reply.error is None) == reply.finished
    if reply.finished:
        grammar.close()
    return played


def merged(events: list[Any]) -> list[Any]:
    """The events with neighbouring deltas of one kind joined: however the bytes were cut, this is the same."""
    result: list[Any] = []
    for event in events:
        before = result[-1] if result else {}
        if event["type"] == "content_block_delta" and _joinable(before, event):
            name = next(key for key in event["delta"] if key != "type")
            result[-1] = {**before, "delta": {**event["delta"], name: before["delta"][name] + event["delta"][name]}}
        else:
            result.append(event)
    return result


def _joinable(before: Any, event: Any) -> bool:
    same = before.get("type") == event["type"] and before["delta"]["type"] == event["delta"]["type"]
    return bool(same and before["index"] == event["index"])


# -- by chance -------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(max_size=8), json_values, max_size=4)


@dataclass
class Answer:
    """What a model says, and the chunks that say it."""

    reasoning: str
    text: str
    calls: list[tuple[str, Any]]
    chunks: list[Any]
    finish: str

    @property
    def completion(self) -> Any:
        """The same answer, not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [
                call(None, f"call_{n}", name, json.dumps(given)) for n, (name, given) in enumerate(self.calls)
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return {"id": "chatcmpl-1", "model": "upstream-model", "choices": [choice], "usage": USAGE}


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Reasoning, then text, then calls whose argument pieces are interleaved in any order."""
    reasoning, text = draw(st.text(max_size=20)), draw(st.text(st.characters(codec="utf-8"), max_size=30))
    text = text.replace("<think>", "")  # which would be reasoning
    made = draw(st.lists(st.tuples(st.sampled_from(["Read", "Bash", "Write"]), arguments), max_size=3))
    chunks: list[Any] = [chunk(role="assistant", content="")]
    chunks += [chunk(reasoning_content=piece) for piece in draw(cut(reasoning))]
    chunks += [chunk(content=piece) for piece in draw(cut(text))]
    chunks += draw(_interleaved(made))
    finish = draw(st.sampled_from(["stop", "tool_calls"] if made else ["stop", "length"]))
    chunks += [chunk(finish), usage()]
    return Answer(reasoning, text, made, chunks, finish)


@st.composite
def _interleaved(draw: st.DrawFn, made: list[tuple[str, Any]]) -> list[Any]:
    heads = [call(n, f"call_{n}", name, "") for n, (name, _) in enumerate(made)]
    tails = [
        [call(n, None, None, piece) for piece in draw(cut(json.dumps(given)))] for n, (_, given) in enumerate(made)
    ]
    entries: list[Any] = []
    waiting = list(range(len(made)))
    begun = 0
    while waiting:
        n = draw(st.sampled_from([each for each in waiting if each <= begun]))
        if n == begun and heads[n]:
            entries.append(heads[n])
            heads[n] = {}
            begun += 1
        elif tails[n]:
            entries.append(tails[n].pop(0))
        if not tails[n]:
            waiting.remove(n)
    grouped: list[Any] = []
    while entries:
        size = draw(st.integers(1, 2))
        group, entries = entries[:size], entries[size:]
        if len(group) == 2 and group[0]["index"] == group[1]["index"]:
            grouped += [calls(group[0]), calls(group[1])]
        else:
            grouped.append(calls(*group))
    return grouped
