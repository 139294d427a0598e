"""What holds of every answer, made by chance."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from streams import Answer, answers, call, calls, chunk, cut, json_values, merged, play, sse, texts, usage

from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.reply import MessagesReply

odd = st.sampled_from([None, "", 0, "0", 1, -1, [], {}, True, 1.5, "x", "stop", "length"]) | json_values
entries = st.fixed_dictionaries(
    {},
    optional={
        "index": odd,
        "id": st.sampled_from(["a", "b", "", None, 7]) | odd,
        "type": odd,
        "function": odd
        | st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["Read", "Bash", "Re", "ad", "", None]) | odd,
                "arguments": st.sampled_from(['{"a"', ": 1}", "{}", '{"a": 1}', "}", "'", None]) | odd,
            },
        ),
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": odd,
        "content": texts | st.sampled_from(["<think>", "</think>", "<", " ", "\n", "\ud83d", "\ude00"]) | odd,
        "reasoning_content": texts | odd,
        "reasoning": odd,
        "reasoning_details": odd | st.lists(st.fixed_dictionaries({}, optional={"text": odd, "summary": odd})),
        "tool_calls": odd | st.lists(entries, max_size=3),
        "function_call": odd | entries,
        "refusal": odd,
        "images": odd,
    },
)
choices = st.fixed_dictionaries(
    {}, optional={"index": odd, "delta": odd | deltas, "message": odd | deltas, "text": odd, "finish_reason": odd}
)
soups = st.fixed_dictionaries(
    {},
    optional={
        "id": odd,
        "model": odd,
        "choices": odd | st.lists(choices | odd, max_size=2) | st.lists(choices, min_size=1, max_size=1),
        "usage": odd | st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens"]), odd),
        "x_groq": odd,
        "error": st.sampled_from([None, "", {}]),
    },
)


@given(answers(), st.booleans())
@settings(max_examples=50)
def test_byte_by_byte_is_the_same_as_whole(answer: Answer, tagged: bool) -> None:
    data = sse(*answer.chunks)
    whole = play(data, think_tags=tagged)
    bitten = play(*(data[at : at + 1] for at in range(len(data))), think_tags=tagged)
    assert bitten.events == whole.events
    assert bitten.reply.notes == whole.reply.notes


@given(answers())
@settings(max_examples=50)
def test_a_streamed_answer_is_the_same_message_as_a_whole_one(answer: Answer) -> None:
    streamed, whole = play(sse(*answer.chunks)), play(json.dumps(answer.completion).encode())
    assert streamed.message == whole.message
    assert streamed.reply.usage == whole.reply.usage


@given(answers())
@settings(max_examples=50)
def test_nothing_is_lost_merged_or_reordered(answer: Answer) -> None:
    played = play(sse(*answer.chunks))
    text = "".join(said for kind, said in played.blocks if kind == "text")
    assert text == answer.text or (text == answer.text.lstrip() == "" and bool(answer.calls))
    assert "".join(said for kind, said in played.blocks if kind == "thinking") == answer.reasoning
    assert [block for block in played.blocks if block[0] not in ("text", "thinking")] == answer.calls
    assert (played.message["stop_reason"] == "tool_use") == bool(answer.calls)
    assert played.reply.notes == []


@given(st.lists(st.tuples(st.sampled_from(["content", "reasoning_content"]), texts), max_size=8), st.data())
@settings(max_examples=50)
def test_how_text_is_cut_into_chunks_does_not_matter(said: list[tuple[str, str]], data: st.DataObject) -> None:
    one = [chunk(**{kind: text}) for kind, text in said]
    many = [chunk(**{kind: piece}) for kind, text in said for piece in data.draw(cut(text))]
    assert merged(play(sse(*one, chunk("stop"))).events) == merged(play(sse(*many, chunk("stop"))).events)


@given(st.text(st.sampled_from("{}[]\":,'\\ae1 \n"), max_size=20), st.data())
@settings(max_examples=50)
def test_how_arguments_are_cut_does_not_matter(text: str, data: st.DataObject) -> None:
    one = [calls(call(0, "a", "Read", text))]
    many = [calls(call(0, "a", "Read", ""))] + [calls(call(0, None, None, p)) for p in data.draw(cut(text))]
    end = [chunk("tool_calls"), usage()]
    assert merged(play(sse(*one, *end)).events) == merged(play(sse(*many, *end)).events)


@given(answers(), st.data())
@settings(max_examples=50)
def test_a_cut_answer_is_never_a_finished_one(answer: Answer, data: st.DataObject) -> None:
    whole = sse(*answer.chunks[:-2], done=False)
    played = play(whole[: data.draw(st.integers(0, len(whole)))])
    assert played.reply.error is not None
    assert played.reply.settled().input == 11


@given(st.lists(soups | odd, max_size=6), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_any_soup_is_a_message_or_an_error(chunks: list[Any], done: bool, tagged: bool) -> None:
    data = sse(*chunks, done=done)
    whole = play(data, think_tags=tagged, tools=["Read"])
    bitten = play(*(data[at : at + 7] for at in range(0, len(data), 7)), think_tags=tagged, tools=["Read"])
    assert whole.events == bitten.events
    if whole.reply.finished:
        tools = [block for block in whole.message["content"] if block["type"] == "tool_use"]
        assert whole.message["stop_reason"] != "tool_use" or tools
        assert all(isinstance(block["input"], dict) for block in tools)


@given(st.binary(max_size=60) | st.builds(lambda text: b"data: " + text + b"\n\n", st.binary(max_size=60)))
@settings(max_examples=50)
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    play(data)


@given(soups | odd)
@settings(max_examples=50)
def test_any_whole_answer_is_a_message_or_an_error(body: Any) -> None:
    play(json.dumps(body).encode())


KINDS = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
]
events = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | odd},
    optional={"index": odd, "delta": odd | deltas, "message": odd, "content_block": odd | deltas, "usage": odd},
)
typed = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "text_delta", "input_json_delta", "signature_delta"])},
    optional={"text": odd, "partial_json": odd, "input": odd, "signature": odd, "stop_reason": odd},
)
likelier = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS), "index": st.sampled_from([0, 1]), "delta": typed, "content_block": typed},
    optional={"message": st.just({"id": "m"}) | odd, "usage": odd},
)


@given(st.lists(events | likelier | odd, max_size=6))
@settings(max_examples=50)
def test_any_soup_of_anthropic_events_is_passed_or_an_error(soup: list[Any]) -> None:
    reply, fold = MessagesReply(provider="Acme"), Fold()
    for event in soup:
        for passed in reply.feed(sse(event, done=False)):
            fold.feed(passed)
    for passed in reply.close():
        fold.feed(passed)
    assert reply.finished or reply.error
    assert fold.message is None or isinstance(fold.message["content"], list)
