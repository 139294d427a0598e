"""An Anthropic upstream's answer: passed on as it is, and understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ccr_tui.proxy.anthropic import Fold, events_of
from ccr_tui.proxy.reply import MessagesReply
from ccr_tui.proxy.sse import encode
from ccr_tui.records import Usage

MESSAGE = {
    "id": "msg_up",
    "type": "message",
    "role": "assistant",
    "model": "claude-real",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "abc"},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 7,
        "service_tier": "standard",
    },
}
EVENTS = events_of(MESSAGE)


def stream(*events: Any) -> bytes:
    return b"".join(encode(event["type"], event) for event in events)


def played(*pieces: bytes) -> tuple[MessagesReply, list[Any]]:
    reply = MessagesReply(estimate=11, provider="Acme")
    events = [event for piece in pieces for event in reply.feed(piece)] + reply.close()
    assert reply.finished == (reply.error is None)
    return reply, events


def fold(events: list[Any]) -> Any:
    made = Fold()
    for event in events:
        made.feed(event)
    return made.message


def test_every_event_passes_unchanged_whole_or_byte_by_byte() -> None:
    odd = [{"type": "ping"}, {"type": "news", "of": ["tomorrow"]}]
    data = stream(EVENTS[0], *odd, *EVENTS[1:])
    reply, events = played(data)
    assert events == [EVENTS[0], *odd, *EVENTS[1:]]
    assert played(*(data[at : at + 1] for at in range(len(data))))[1] == events
    assert reply.usage == Usage(5, 7, 100, 20)
    assert (reply.stop_reason, reply.answered_by, reply.message_id) == ("tool_use", "claude-real", "msg_up")
    assert (reply.started, reply.begun, reply.answered, reply.tool_blocks_out) == (True, True, True, 1)
    assert reply.notes == []


def test_a_whole_answer_is_the_same_message() -> None:
    reply, events = played(json.dumps(MESSAGE).encode())
    assert fold(events) == MESSAGE
    assert reply.usage == Usage(5, 7, 100, 20)


LONG = 123456789012345678901234567890


def test_no_integer_is_rounded_on_its_way() -> None:
    """The official client for Python reads them whole; in a whole answer a tool's input is no text."""
    said = {"type": "content_block_start", "index": 0, "content_block": {"type": "news", "n": LONG, "f": 1e-7}}
    data = stream(EVENTS[0], said, {"type": "content_block_stop", "index": 0}, *EVENTS[-2:])
    assert played(data)[1][1] == said
    input = {"n": LONG, "s": "\ud83d", "f": 0.1}
    message = {**MESSAGE, "content": [{"type": "tool_use", "id": "t", "name": "Read", "input": input}]}
    assert fold(played(json.dumps(message).encode())[1]) == message


def test_input_that_stands_in_the_start_is_said_again_as_a_delta() -> None:
    block = {"type": "tool_use", "id": "t", "name": "Read", "input": {"path": "a"}}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    stop = {"type": "content_block_stop", "index": 0}
    _, events = played(stream(EVENTS[0], start, stop, *EVENTS[-2:]))
    assert events[2] == {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"path":"a"}'},
    }
    assert fold(events)["content"] == [block]


def test_a_forgotten_message_stop_is_supplied() -> None:
    reply, events = played(stream(*EVENTS[:-1]))
    assert events == EVENTS
    assert len(reply.notes) == 1


def test_events_without_data_types_get_them_from_their_names() -> None:
    _, events = played(stream(*EVENTS[:-2]) + b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"}}\n\n')
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]


EARLY = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}}
"""A change of the message that is not its end; the documentation has one or more of them."""


def test_a_change_of_the_message_without_a_stop_reason_does_not_end_it() -> None:
    reply = MessagesReply(provider="Acme")
    reply.feed(stream(EVENTS[0], EARLY))
    assert not reply.answered
    reply, events = played(stream(EVENTS[0], EARLY, *EVENTS[1:]))
    assert events == [EVENTS[0], EARLY, *EVENTS[1:]]
    assert (reply.stop_reason, reply.answered) == ("tool_use", True)


@pytest.mark.parametrize("last", [[], EVENTS[-1:]], ids=["without a message_stop", "with one"])
def test_an_end_without_a_stop_reason_is_a_normal_one(last: list[Any]) -> None:
    reply, events = played(stream(*EVENTS[:-2], EARLY, *last))
    assert events == [*EVENTS[:-2], EARLY, EVENTS[-1]]
    assert reply.stop_reason == "end_turn"


NOWHERE = {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "x"}}
"""A piece of a block that was never begun: clients throw an error of their own at it."""


@pytest.mark.parametrize(
    ("data", "status", "kind", "says"),
    [
        (stream(*EVENTS[:4]), 502, "api_error", "cut its answer off"),
        (stream(*EVENTS[:-2]), 502, "api_error", "cut its answer off"),
        (stream(EVENTS[0], EARLY, *EVENTS[1:4]), 502, "api_error", "cut its answer off"),
        (b"", 502, "api_error", "empty body"),
        (
            stream(EVENTS[0], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            529,
            "overloaded_error",
            "Overloaded",
        ),
        (b'{"type":"error","error":{"type":"api_error","message":"Internal"}}', 500, "api_error", "Internal"),
        (b'{"choices":[]}', 502, "api_error", "no answer"),
        (b"<html><title>Nope</title>", 502, "api_error", "Nope"),
        (
            stream({"type": "error", "error": {"type": "request_too_large", "message": "m"}}),
            413,
            "request_too_large",
            "m",
        ),
        (stream(EVENTS[0]) + b"event: message_delta\ndata: {nope\n\n", 502, "api_error", "not JSON"),
        (b'{"type":"error","error":{"type":7,"message":""}}', 502, "api_error", "nothing more"),
        (b'{"content":[{"text":"no type"}]}', 502, "api_error", "malformed message"),
        (b'{"content":[1]}', 502, "api_error", "malformed message"),
        (b'{"content":[{"type":"text","text":7}]}', 502, "api_error", "malformed message"),
        (b'{"error":{"message":' + b"[" * 600 + b"]" * 600 + b"}}", 502, "api_error", "no answer"),
        (b'data: {"type":"message_stop"}\n\n', 502, "api_error", "malformed message_stop"),
        (stream(EVENTS[0], NOWHERE), 502, "api_error", "malformed content_block_delta"),
        (
            stream(EVENTS[0], {"type": "content_block_stop", "index": 3}),
            502,
            "api_error",
            "malformed content_block_stop",
        ),
        (
            b'data: {"type":"message_start"}\ndata: {"type":"message_stop"}\n\n',
            502,
            "api_error",
            "malformed message_start",
        ),
        (b'data: {"error":' + b"[" * 600 + b"]" * 600 + b"}\n\n", 502, "api_error", "not JSON"),
    ],
    ids=[
        "cut in a block",
        "cut before the end",
        "cut behind a change that is no end",
        "nothing",
        "error event",
        "error body",
        "other JSON",
        "HTML",
        "an error that names no status",
        "no JSON",
        "an error that says nothing",
        "a block without a type",
        "a block that is none",
        "a text that is none",
        "a deep body",
        "an end before any beginning",
        "a piece of no block",
        "the end of no block",
        "an end in the same event as a failure",
        "a deep chunk",
    ],
)
def test_a_failure_is_told(data: bytes, status: int, kind: str, says: str) -> None:
    reply, events = played(data)
    assert reply.error is not None
    assert (reply.error.status, reply.error.type) == (status, kind)
    assert says in reply.error.message
    assert all(event["type"] not in ("error", "message_stop") for event in events)


def test_a_type_that_would_be_two_lines_is_not_passed_on() -> None:
    odd = {"type": "x\n\nevent: error\ndata: {}"}
    reply, events = played(stream(*EVENTS[:-2]) + b"data: %b\n\n" % json.dumps(odd).encode() + stream(*EVENTS[-2:]))
    assert events == EVENTS
    assert reply.notes == ["An event whose type is no name was dropped."]


def test_usage_that_is_missing_is_estimated() -> None:
    bare = [{**event, "usage": {}} if "usage" in event else event for event in EVENTS]
    bare[0] = {"type": "message_start", "message": {**EVENTS[0]["message"], "usage": None}}
    reply, _ = played(stream(*bare))
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.basis) == (11, "estimated")
    assert reply.usage.output > 0
