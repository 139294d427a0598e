"""JSON that a model puts into a block of Markdown comes without it; everything else stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import asked, facts
from hypothesis import given
from hypothesis import strategies as st
from streams import call, calls, chunk, sse, usage

from ccr_tui.proxy.anthropic import Fold, Grammar
from ccr_tui.proxy.request import translate
from ccr_tui.proxy.unfenced import BareReply, Fence

FENCED: list[tuple[str, str, str]] = [
    ("with its language", '```json\n{"a": 1}\n```', '{"a": 1}'),
    ("without", '```\n{"a": 1}\n```\n', '{"a": 1}'),
    ("behind white space", '\n ```JSON\r\n{\n  "a": 1\n}\r\n```', '{\n  "a": 1\n}'),
    ("cut before its end", '```json\n{"a": ', '{"a": '),
    ("with backticks in it", '```json\n{"a": "```x"}\n```', '{"a": "```x"}'),
    ("empty", "```json\n```", ""),
    ("none", '{"a": 1}', '{"a": 1}'),
    ("only within", 'So: ```json\n{"a": 1}\n```', 'So: ```json\n{"a": 1}\n```'),
    ("on one line", '```{"a": 1}```', '```{"a": 1}```'),
    ("with words behind it", '```json\n{"a": 1}\n```\nThere.', '{"a": 1}\n```\nThere.'),
    ("half an opening", "``", "``"),
]


def unfenced(pieces: list[str]) -> str:
    fence = Fence()
    return "".join([*(fence.feed(piece) for piece in pieces), fence.release()])


@pytest.mark.parametrize(("text", "bare"), [f[1:] for f in FENCED], ids=[f[0] for f in FENCED])
def test_a_fence_around_the_whole_is_taken_off_however_it_is_cut(text: str, bare: str) -> None:
    for size in range(1, len(text) + 1):
        assert unfenced([text[at : at + size] for at in range(0, len(text), size)]) == bare


@given(st.lists(st.text('{}"a:1,` \n'), max_size=6))
def test_text_without_a_fence_stays_as_it_is(pieces: list[str]) -> None:
    text = "".join(["{", *pieces])
    assert unfenced(["{", *pieces]) == text


def played(*chunks: Any, **more: Any) -> tuple[Any, list[str]]:
    reply, fold, grammar = BareReply("msg_1", "m", **more), Fold(), Grammar()
    for event in [*reply.feed(sse(*chunks)), *reply.close()]:
        grammar.feed(event)
        fold.feed(event)
    grammar.close()
    return fold.message, reply.notes


def test_an_answer_comes_bare_behind_its_reasoning_and_before_a_call() -> None:
    read = call(0, "a", "Read", "{}")
    pieces = ["``", "`json", '\n{"title"', ': "x"}\n', "```"]
    message, notes = played(
        chunk(reasoning_content="hm"), *(chunk(content=piece) for piece in pieces), calls(read), chunk("stop"), usage()
    )
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert json.loads(message["content"][1]["text"]) == {"title": "x"}
    assert notes == ["JSON was asked for: the block of Markdown around it was taken off."]


def test_a_stop_sequence_is_watched_for_in_what_is_bare() -> None:
    message, _ = played(chunk(content='```json\n{"a": 1} EN'), chunk(content="D x"), chunk("stop"), watched=["END"])
    assert message["content"] == [{"type": "text", "text": '{"a": 1} '}]
    assert message["stop_sequence"] == "END"


LOST: list[tuple[str, list[Any], list[str]]] = [
    ("the answer", [chunk(reasoning_content='{"title"'), chunk(reasoning_content=': "x"}')], ["thinking", "text"]),
    ("the answer in a fence", [chunk(reasoning_content='```json\n{"title": "x"}\n```')], ["thinking", "text"]),
    ("an answer beside it", [chunk(reasoning_content='{"a": 1}'), chunk(content='{"title": "x"}')],
     ["thinking", "text"]),
    ("no JSON", [chunk(reasoning_content="hm")], ["thinking"]),
    ("no object", [chunk(reasoning_content="1")], ["thinking"]),
    ("a call beside it", [chunk(reasoning_content='{"a": 1}'), calls(call(0, "a", "Read", "{}"))],
     ["thinking", "tool_use"]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "kinds"), [each[1:] for each in LOST], ids=[each[0] for each in LOST])
def test_json_that_came_as_reasoning_alone_is_the_answer(chunks: list[Any], kinds: list[str]) -> None:
    message, _ = played(*chunks, chunk("stop"))
    assert [block["type"] for block in message["content"]] == kinds
    assert all(json.loads(block["text"]) == {"title": "x"} for block in message["content"] if "text" in block)


def test_reasoning_that_was_cut_is_no_answer() -> None:
    message, _ = played(chunk(reasoning_content='{"a": 1}'), chunk("length"))
    assert [block["type"] for block in message["content"]] == ["thinking"]


def test_only_answers_that_must_be_json_are_looked_at() -> None:
    wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert translate(asked(output_config=wanted), "m", facts("generic")).is_json
    assert not translate(asked(), "m", facts("generic")).is_json
