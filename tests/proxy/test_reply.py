"""What becomes of each thing that an upstream may say: one case a trap."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streams import DONE, USAGE, call, calls, chunk, play, sse, usage

from ccr_tui.proxy.incoming import COUNTED
from ccr_tui.proxy.reply import ChatReply, MessagesReply
from ccr_tui.records import Usage
from ccr_tui.signed import SIGNATURE

STOP = chunk("stop")
TOOLS = chunk("tool_calls")
READ = call(0, "call_a", "Read", '{"path": "a"}')
BASH = call(1, "call_b", "Bash", '{"command": "ls"}')
BOTH = [("Read", {"path": "a"}), ("Bash", {"command": "ls"})]


def whole(content: str, finish: str, **more: Any) -> dict[str, Any]:
    """A choice of an answer that was not streamed."""
    return {"index": 0, "message": {"role": "assistant", "content": content, **more}, "finish_reason": finish}


# What is streamed, the blocks that it becomes, the stop reason.
CASES: dict[str, tuple[bytes, list[Any], str]] = {
    "text": (
        sse(chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), STOP),
        [("text", "Hello")],
        "end_turn",
    ),
    "content in the finish chunk": (sse(chunk("stop", content="Hi")), [("text", "Hi")], "end_turn"),
    "calls in the finish chunk": (sse(chunk("tool_calls", tool_calls=[READ])), BOTH[:1], "tool_use"),
    "empty and null deltas": (
        sse(
            chunk(role="assistant", content=None),
            chunk(content=""),
            chunk(tool_calls=[], reasoning_content=None),
            chunk(content="Hi"),
            STOP,
        ),
        [("text", "Hi")],
        "end_turn",
    ),
    "no delta at all": (
        sse({"choices": [{"index": 0, "finish_reason": None}]}, {"choices": [{}]}, chunk(content="Hi"), STOP),
        [("text", "Hi")],
        "end_turn",
    ),
    "nothing said": (sse(chunk(role="assistant", content=""), STOP), [], "end_turn"),
    "choices empty or null": (
        sse({"choices": []}, {"choices": None}, chunk(content="Hi"), STOP, usage()),
        [("text", "Hi")],
        "end_turn",
    ),
    "a second choice": (
        sse({"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "Hi"}}]}, STOP),
        [("text", "Hi")],
        "end_turn",
    ),
    "white space alone": (sse(chunk(content=" "), STOP), [("text", " ")], "end_turn"),
    "no finish reason but an end": (sse(chunk(content="Hi")), [("text", "Hi")], "end_turn"),
    "a finish reason but no end": (sse(chunk(content="Hi"), STOP, done=False), [("text", "Hi")], "end_turn"),
    "no blank line at the end": (sse(chunk(content="Hi"), STOP)[:-2], [("text", "Hi")], "end_turn"),
    "a cut chunk after the finish": (
        sse(chunk(content="Hi"), STOP, b'data: {"cho', done=False),
        [("text", "Hi")],
        "end_turn",
    ),
    "no blank lines between": (
        sse(chunk(content="H"), chunk(content="i"), STOP).replace(b"\n\n", b"\n") + b"\n",
        [("text", "Hi")],
        "end_turn",
    ),
    "comments": (b": OPENROUTER PROCESSING\n\n" + sse(chunk(content="Hi"), STOP), [("text", "Hi")], "end_turn"),
    "named events": (
        sse(chunk(content="Hi"), STOP).replace(b"data: {", b"event: message\ndata: {"),
        [("text", "Hi")],
        "end_turn",
    ),
    "more after the end": (sse(chunk(content="Hi"), STOP) + sse(chunk(content="no")), [("text", "Hi")], "end_turn"),
    "content as parts": (
        sse(chunk(content=[{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]), STOP),
        [("text", "Hi")],
        "end_turn",
    ),
    "thinking as parts": (
        sse(
            chunk(
                content=[
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "Hi"},
                ]
            ),
            STOP,
        ),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "the old shape": (
        sse({"choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]}),
        [("text", "Hi")],
        "end_turn",
    ),
    "half an emoji each": (
        sse(
            b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n',
            STOP,
        ),
        [("text", "a😀b")],
        "end_turn",
    ),
    "half an emoji alone": (
        sse(b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n', STOP),
        [("text", "a\ud83d")],
        "end_turn",
    ),
    "U+2028 in text": (sse(chunk(content="a\u2028b\u0085c"), STOP), [("text", "a\u2028b\u0085c")], "end_turn"),
    "the whole message once more at the end": (
        sse(
            chunk(content="Hi"),
            {"choices": [{"index": 0, "delta": {}, "message": {"content": "Hi"}, "finish_reason": "stop"}]},
        ),
        [("text", "Hi")],
        "end_turn",
    ),
    "the whole message in an empty delta": (
        sse({"choices": [{"index": 0, "delta": {}, "message": {"content": "Hi"}, "finish_reason": "stop"}]}),
        [("text", "Hi")],
        "end_turn",
    ),
    "pieces called messages": (
        sse(*({"choices": [{"index": 0, "message": {"content": each}}]} for each in "Hi"), STOP),
        [("text", "Hi")],
        "end_turn",
    ),
    "spoken": (
        sse(
            chunk(content=None, audio={"id": "a", "transcript": "H"}),
            chunk(audio={"data": "AA", "transcript": "i"}),
            STOP,
        ),
        [("text", "Hi")],
        "end_turn",
    ),
    "a filter's own word": (sse(chunk(content="H"), chunk("content_filter: SAFETY")), [("text", "H")], "refusal"),
    # reasoning
    "thinking": (
        sse(chunk(thinking="hm"), chunk(content="Hi"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning_text (Copilot)": (
        sse(chunk(reasoning_text="h"), chunk(reasoning_text="m"), chunk(content="Hi", reasoning_opaque="x"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning_content": (
        sse(chunk(reasoning_content="h"), chunk(reasoning_content="m"), chunk(content="Hi"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning": (
        sse(chunk(reasoning="hm"), chunk(content="Hi"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning said twice": (
        sse(
            chunk(reasoning="hm", reasoning_content="hm", reasoning_details=[{"type": "reasoning.text", "text": "hm"}]),
            STOP,
        ),
        [("thinking", "hm")],
        "end_turn",
    ),
    "reasoning_details": (
        sse(
            chunk(
                content="",
                reasoning_details=[
                    {"type": "reasoning.summary", "summary": "h"},
                    {"type": "reasoning.text", "text": "m"},
                    {"type": "reasoning.encrypted", "data": "x"},
                ],
            ),
            chunk(content="Hi"),
            STOP,
        ),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning and text in one delta": (
        sse(chunk(content="Hi", reasoning_content="hm"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "reasoning after text": (
        sse(chunk(content="A"), chunk(reasoning_content="hm"), chunk(content="B"), STOP),
        [("text", "A"), ("thinking", "hm"), ("text", "B")],
        "end_turn",
    ),
    "think tags": (
        sse(chunk(content="<th"), chunk(content="ink>hm</think"), chunk(content=">\n\nHi"), STOP),
        [("thinking", "hm"), ("text", "Hi")],
        "end_turn",
    ),
    "think tags later": (sse(chunk(content="Use <think>"), STOP), [("text", "Use <think>")], "end_turn"),
    "something like a tag": (sse(chunk(content="<thi"), TOOLS), [("text", "<thi")], "end_turn"),
    "white space before a call": (
        sse(chunk(reasoning_content="hm"), chunk(content="\n\n"), calls(READ), TOOLS),
        [("thinking", "hm"), BOTH[0]],
        "tool_use",
    ),
    "white space before text": (
        sse(chunk(reasoning_content="hm"), chunk(content="\n"), chunk(content="Hi"), STOP),
        [("thinking", "hm"), ("text", "\nHi")],
        "end_turn",
    ),
    # how it ends
    "stop beside a call": (sse(calls(READ), STOP), BOTH[:1], "tool_use"),
    "tool_calls without a call": (sse(chunk(content="Hi"), TOOLS), [("text", "Hi")], "end_turn"),
    "length": (sse(chunk("length", content="Hi")), [("text", "Hi")], "max_tokens"),
    "length with a call": (sse(calls(READ), chunk("length")), BOTH[:1], "max_tokens"),
    "content_filter": (sse(chunk("content_filter", content="Hi")), [("text", "Hi")], "refusal"),
    "refusal": (sse(chunk(refusal="I can"), chunk(refusal="not."), STOP), [("text", "I cannot.")], "refusal"),
    "function_call": (
        sse(
            chunk(function_call={"name": "Read", "arguments": ""}),
            chunk(function_call={"arguments": '{"path": "a"}'}),
            chunk("function_call"),
        ),
        BOTH[:1],
        "tool_use",
    ),
    "empty finish reason": (sse(chunk("", content="H"), chunk("", content="i"), STOP), [("text", "Hi")], "end_turn"),
    "finish reason null as a word": (
        sse(chunk("null", content="H"), chunk("null", content="i"), chunk("length")),
        [("text", "Hi")],
        "max_tokens",
    ),
    "unknown finish reason": (sse(chunk("because", content="Hi")), [("text", "Hi")], "end_turn"),
    "a finish reason on every chunk": (
        sse(chunk("stop", content="H"), chunk("stop", content="i"), chunk("length")),
        [("text", "Hi")],
        "max_tokens",
    ),
    "Gemini's words behind a filter": (sse(chunk("content_filter: OTHER", content="Hi")), [("text", "Hi")], "refusal"),
    "Bedrock's guardrail": (sse(chunk("guardrail_intervened", content="Hi")), [("text", "Hi")], "refusal"),
    "a filter with a hyphen": (sse(chunk("content-filter", content="Hi")), [("text", "Hi")], "refusal"),
    "the window in other words": (
        sse(chunk("context_window_exceeded", content="Hi")),
        [("text", "Hi")],
        "model_context_window_exceeded",
    ),
    "heartbeats with a name": (
        sse(
            b"event: ping\ndata: 2026-11-23T10:00:00Z\n\n", chunk(content="Hi"), b"event: heartbeat\ndata: -\n\n", STOP
        ),
        [("text", "Hi")],
        "end_turn",
    ),
    "Gemini's upper case": (sse(chunk("MAX_TOKENS", content="Hi")), [("text", "Hi")], "max_tokens"),
}


@pytest.mark.parametrize(("data", "blocks", "stop"), CASES.values(), ids=CASES)
def test_what_is_said_arrives_in_order(data: bytes, blocks: list[Any], stop: str) -> None:
    played = play(data)
    assert (played.blocks, played.message["stop_reason"]) == (blocks, stop)
    assert played.reply.error is None


WHOLE: dict[str, tuple[Any, list[Any], str]] = {
    "text": (
        {"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"},
        [("text", "Hi")],
        "end_turn",
    ),
    "all at once": (
        {"message": {"reasoning_content": "hm", "content": "Hi", "tool_calls": [READ, BASH]}, "finish_reason": "stop"},
        [("thinking", "hm"), ("text", "Hi"), *BOTH],
        "tool_use",
    ),
    "calls without index and id": (
        {
            "message": {
                "content": None,
                "tool_calls": [{"function": {"name": "Read", "arguments": '{"path": "a"}'}}] * 2,
            }
        },
        [BOTH[0], BOTH[0]],
        "tool_use",
    ),
    "calls without arguments": (
        {"message": {"content": "", "tool_calls": [{"function": {"name": "A"}}, {"function": {"name": "B"}}]}},
        [("A", {}), ("B", {})],
        "tool_use",
    ),
    "no finish reason": ({"message": {"content": "Hi"}}, [("text", "Hi")], "end_turn"),
    "nothing": ({"message": {"content": None}, "finish_reason": "stop"}, [], "end_turn"),
}


@pytest.mark.parametrize(("choice", "blocks", "stop"), WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_is_read_as_well(choice: Any, blocks: list[Any], stop: str) -> None:
    played = play(json.dumps({"choices": [choice], "usage": USAGE}).encode())
    assert (played.blocks, played.message["stop_reason"]) == (blocks, stop)
    assert played.message["usage"]["input_tokens"] == 100


FAILURES: dict[str, tuple[bytes, int, str, str]] = {
    "a call that was none (Gemini)": (
        sse(chunk("function_call_filter: MALFORMED_FUNCTION_CALL", content="")),
        502,
        "api_error",
        "malformed",
    ),
    "cut in text": (sse(chunk(content="Hi"), done=False), 502, "api_error", "cut its answer off"),
    "cut in a chunk": (sse(chunk(content="Hi"), done=False) + b'data: {"cho', 502, "api_error", "cut its answer off"),
    "cut after a call": (sse(calls(READ), done=False), 502, "api_error", "cut its answer off"),
    "cut after the role": (sse(chunk(role="assistant"), done=False), 502, "api_error", "cut its answer off"),
    "nothing": (b"", 502, "api_error", "empty body"),
    "only an end": (DONE, 502, "api_error", "before it had begun"),
    "only comments": (b": x\n\n", 502, "api_error", "cut its answer off"),
    "error chunk": (
        sse(chunk(content="Hi"), {"error": {"message": "Too busy", "code": 503}}),
        503,
        "overloaded_error",
        "Too busy",
    ),
    "error as a string": (sse({"error": "boom"}), 502, "api_error", "boom"),
    "error event": (
        sse(chunk(content="Hi")).replace(DONE, b"") + b'event: error\ndata: {"message": "boom"}\n\n',
        502,
        "api_error",
        "boom",
    ),
    "error event in words": (b"event: error\ndata: out of memory\n\n", 502, "api_error", "out of memory"),
    "vLLM's error chunk": (
        sse({"object": "error", "message": "boom", "type": "x", "code": 500}),
        500,
        "api_error",
        "boom",
    ),
    "MiniMax's error chunk": (
        sse({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate"}}),
        429,
        "rate_limit_error",
        "rate",
    ),
    "OpenRouter's, beside the finish": (
        sse(chunk(content="Hi"), {**chunk("error", content=""), "error": {"code": 429, "message": "busy there"}}),
        429,
        "rate_limit_error",
        "busy there",
    ),
    "OpenRouter's, in the choice": (
        json.dumps({"choices": [{**whole("", "error"), "error": {"code": 503, "message": "none left"}}]}).encode(),
        503,
        "overloaded_error",
        "none left",
    ),
    "Gemini's list": (
        sse([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}]),
        429,
        "rate_limit_error",
        "quota",
    ),
    "cut, with null as a word": (
        sse(chunk("null", content="Hi"), done=False),
        502,
        "api_error",
        "cut its answer off",
    ),
    "finish reason error": (sse(chunk(content="Hi"), chunk("error")), 502, "api_error", "broke its answer off"),
    "out of resources": (sse(chunk("insufficient_system_resource", content="Hi")), 502, "api_error", "resources"),
    "no JSON": (sse(chunk(content="Hi"), b"data: {nope\n\n"), 502, "api_error", "not JSON"),
    "error body": (
        b'{"error": {"message": "Slow down", "type": "rate_limit_error"}}',
        429,
        "rate_limit_error",
        "Slow down",
    ),
    "error body, pretty": (
        b'\n {\n "error": {"message": "No", "code": "invalid_api_key"}}',
        401,
        "authentication_error",
        "No",
    ),
    "HTML": (b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>", 502, "api_error", "Sign in"),
    "prose": (b"upstream connect error", 502, "api_error", "upstream connect error"),
    "a bare error line": (
        sse(chunk(content="Hi"), done=False) + b'{"error": {"message": "boom"}}\n',
        502,
        "api_error",
        "boom",
    ),
    "another JSON": (b'{"hello": "world"}', 502, "api_error", "no answer"),
    "no choice": (b'{"choices": [], "usage": null}', 502, "api_error", "no answer"),
    "a list": (b"[]", 502, "api_error", "no answer"),
    "overflow in the stream": (
        sse({"error": {"message": "maximum context length is 100 tokens", "code": 400}}),
        400,
        "invalid_request_error",
        "prompt is too long",
    ),
}


@pytest.mark.parametrize(("data", "status", "kind", "says"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("step", [0, 1], ids=["whole", "by bytes"])
def test_a_failure_is_never_a_short_answer(data: bytes, status: int, kind: str, says: str, step: int) -> None:
    played = play(*(data[at : at + step] for at in range(0, len(data), step))) if step else play(data)
    error = played.reply.error
    assert error is not None
    assert (error.status, error.type) == (status, kind)
    assert says in error.message
    assert "Acme" in error.message or "too long" in says
    assert "message_stop" not in [event["type"] for event in played.events]
    assert played.reply.feed(sse(chunk(content="more"))) == [] and played.reply.close() == []


MUTE: list[tuple[str, bytes]] = [
    ("text", sse(chunk(content="Hi"), chunk("length"), usage())),
    ("a call", sse(calls(READ), TOOLS, usage())),
    ("reasoning, whole", json.dumps({"choices": [whole("", "length", reasoning="h")], "usage": USAGE}).encode()),
]


@pytest.mark.parametrize("data", [m[1] for m in MUTE], ids=[m[0] for m in MUTE])
def test_where_no_token_was_asked_for_none_comes(data: bytes) -> None:
    played = play(data, mute=True)
    assert (played.blocks, played.reply.stop_reason) == ([], "max_tokens")
    assert played.reply.usage is not None and played.reply.usage.basis == "reported"


def test_what_was_said_before_an_error_stays_said() -> None:
    played = play(sse(chunk(content="Hi"), {"error": {"message": "boom"}}))
    assert played.blocks == [("text", "Hi")]
    assert played.reply.started


def test_nothing_begins_before_there_is_something_to_say() -> None:
    reply = ChatReply("msg_1", "m")
    assert reply.feed(b": ping\n\n") == [] and reply.feed(sse(chunk(role="assistant", content=""), done=False)) == []
    assert not reply.begun and not reply.started
    assert [event["type"] for event in reply.begin()] == ["message_start"]
    assert reply.begin() == [] and reply.begun
    assert [event["type"] for event in reply.feed(sse(chunk(content="Hi"), done=False))] == [
        "content_block_start",
        "content_block_delta",
    ]
    assert reply.started


def test_a_stream_is_written_as_documented() -> None:
    played = play(sse(chunk(reasoning_content="hm"), chunk(content="Hi"), calls(READ), TOOLS, usage()))
    counts = {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-asked",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counts,
    }

    def block(index: int, begin: Any, *deltas: Any) -> list[Any]:
        return [
            {"type": "content_block_start", "index": index, "content_block": begin},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    assert played.events == [
        {"type": "message_start", "message": start},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": SIGNATURE},
        ),
        *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"}),
        *block(
            2,
            {"type": "tool_use", "id": "call_a", "name": "Read", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"path": "a"}'},
        ),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {**counts, "input_tokens": 100, "output_tokens": 7},
        },
        {"type": "message_stop"},
    ]


# -- usage -----------------------------------------------------------------------------------------------------------


def test_usage_after_the_finish_chunk_is_read_and_cached_tokens_taken_out() -> None:
    counts = usage(prompt_tokens=1000, completion_tokens=50, prompt_tokens_details={"cached_tokens": 900}, cost=0.001)
    played = play(sse(chunk(content="Hi"), STOP, counts))
    assert played.message["usage"] == {
        "input_tokens": 100,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 900,
        "output_tokens": 50,
    }
    assert (played.reply.usage, played.reply.reported_cost) == (Usage(100, 50, 900), 1_000_000)


def test_usage_on_every_chunk_is_not_added_up() -> None:
    data = [{**chunk(content="x"), "usage": {"prompt_tokens": 10, "completion_tokens": n}} for n in (1, 2, 3)]
    assert play(sse(*data, STOP)).reply.usage == Usage(10, 3)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], Usage(11, 2, basis="estimated")),
        ([{"choices": [], "usage": None}], Usage(11, 2, basis="estimated")),
        ([usage(prompt_tokens=100)], Usage(100, 2, basis="mixed")),
        ([usage(prompt_tokens=0, completion_tokens=9)], Usage(11, 9, basis="mixed")),
    ],
    ids=["none", "null", "input only", "output only"],
)
def test_what_is_not_reported_is_estimated_and_labelled(chunks: list[Any], expected: Usage) -> None:
    assert play(sse(chunk(content="Hello!!"), STOP, *chunks)).reply.usage == expected


def test_reasoning_and_arguments_count_as_output() -> None:
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text)

    played = play(sse(chunk(reasoning_content="hm"), chunk(content="Hi"), calls(READ), TOOLS), count=count)
    assert played.reply.usage == Usage(11, len('hmHi{"path": "a"}'), basis="estimated")
    assert counted == ['hmHi{"path": "a"}']


TEXT, JSON = {"type": "text_delta"}, {"type": "input_json_delta"}
SPOKEN, CALLED = {"type": "text", "text": ""}, {"type": "tool_use", "id": "t", "name": "B", "input": {}}


@pytest.mark.parametrize("make", [ChatReply, MessagesReply], ids=["chat", "messages"])
@pytest.mark.parametrize("kind", ["text", "arguments"])
def test_of_a_long_answer_only_its_ends_are_counted(make: Any, kind: str) -> None:
    """It happens on the event loop, where megabytes of the worst text would take seconds."""
    asked: list[int] = []

    def count(text: str) -> int:
        asked.append(len(text))
        return len(text)

    said = "x" * 5_000_000
    reply = make("msg_1", "m", count=count)
    if make is ChatReply:
        reply.feed(sse(chunk(content=said) if kind == "text" else calls(call(0, "a", "Bash", said)), done=False))
    else:
        delta = TEXT | {"text": said} if kind == "text" else JSON | {"partial_json": said}
        block = SPOKEN if kind == "text" else CALLED
        for event in (
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
        ):
            reply.feed(f"data: {json.dumps(event)}\n\n".encode())
    assert 4_900_000 < reply.settled().output < 5_100_000
    assert sum(asked) <= 2 * COUNTED


def test_a_cut_answer_has_an_estimate_too() -> None:
    reply = play(sse(chunk(content="Hello!!"), done=False)).reply
    assert (reply.usage, reply.settled()) == (None, Usage(11, 2, basis="estimated"))


# -- the rest --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [{"stop_reason": "END"}, {"matched_stop": "END"}, {"native_finish_reason": "stop_sequence"}],
    ids=["vLLM", "SGLang", "OpenRouter"],
)
def test_a_stop_sequence_is_named_where_it_is_known(more: dict[str, Any]) -> None:
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **more}]}
    message = play(sse(chunk(content="Hi"), last), stops=["END"]).message
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    assert play(sse(chunk(content="Hi"), last), stops=["A", "B"]).message["stop_reason"] == "end_turn"


def test_tags_of_a_known_model_are_understood() -> None:
    data = sse(chunk(content="hm</think>\n\nHi"), STOP)
    assert play(data).blocks == [("text", "hm</think>\n\nHi")]
    known = play(data, think_tags=True)
    assert (known.blocks, len(known.reply.notes)) == ([("text", "hm\n\nHi")], 1)
    assert play(data, think_tags=True, opens_thinking=True).blocks == [("thinking", "hm"), ("text", "Hi")]


def test_who_answered_is_kept() -> None:
    reply = play(sse(chunk(content="Hi"), STOP)).reply
    assert (reply.answered_by, reply.stop_reason, reply.finished) == ("upstream-model", "end_turn", True)


NOTES: dict[str, tuple[bytes, str]] = {
    "citations": (sse(chunk(content="Hi", annotations=[{"type": "url_citation"}]), STOP), "annotations"),
    "mended": (sse(calls(call(0, "a", "Read", "{'path': 'a'}")), TOOLS), "The arguments of Read were mended"),
    "hopeless": (sse(calls(call(0, "a", "Read", "nope")), TOOLS), "are not a JSON object"),
    "nameless": (sse(calls(call(0, "a", None, "{}")), TOOLS), "A tool call without a name was dropped"),
    "no call": (sse(chunk(content="Hi"), TOOLS), "there is no call in it"),
    "odd end": (sse(chunk("because", content="Hi")), "unknown finish reason 'because'"),
    "images": (sse(chunk(content="Hi", images=[{"type": "image_url"}]), STOP), "images"),
    "second choice": (sse({"choices": [{"index": 1}]}, chunk(content="Hi"), STOP), "a second choice"),
    "odd content": (sse(chunk(content=[{"type": "image_url"}, {"type": "text", "text": "Hi"}]), STOP), "image_url"),
    "encrypted reasoning": (
        sse(chunk(reasoning_details=[{"type": "reasoning.encrypted", "data": "x"}]), chunk(content="Hi"), STOP),
        "encrypted reasoning",
    ),
    "odd chunk": (sse(7, chunk(content="Hi"), STOP), "no object"),
}


@pytest.mark.parametrize(("data", "note"), NOTES.values(), ids=NOTES)
def test_what_is_dropped_or_mended_is_noted(data: bytes, note: str) -> None:
    assert any(note in each for each in play(data).reply.notes)


def test_an_ordinary_answer_has_no_notes() -> None:
    data = sse(chunk(role="assistant", content=""), chunk(reasoning_content="hm"), calls(READ, BASH), TOOLS, usage())
    assert play(data).reply.notes == []
