"""The grammar as an oracle, the fold, and the shapes of errors and lists."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ModelInfo
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from streams import arguments, json_values, texts

from ccr_tui.proxy import anthropic
from ccr_tui.proxy.anthropic import Fold, Grammar, GrammarError, events_of, tool_input
from ccr_tui.records import Failure, Usage

COUNTS = {
    "input_tokens": 1,
    "output_tokens": 2,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
}
EMPTY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": COUNTS,
}
TOOL = {"type": "tool_use", "id": "call_1", "name": "Read", "input": {}}


def start(index: int = 0, /, **block: Any) -> Any:
    return {"type": "content_block_start", "index": index, "content_block": block or {"type": "text", "text": ""}}


def delta(index: int = 0, /, **delta: Any) -> Any:
    return {"type": "content_block_delta", "index": index, "delta": delta or {"type": "text_delta", "text": "x"}}


def stop(index: int = 0) -> Any:
    return {"type": "content_block_stop", "index": index}


def end(reason: Any = "end_turn", named: Any = None, counts: Any = None) -> Any:
    ending = {"stop_reason": reason, "stop_sequence": named}
    return {"type": "message_delta", "delta": ending, "usage": COUNTS if counts is None else counts}


BEGIN = {"type": "message_start", "message": EMPTY}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}
ERROR = {"type": "error", "error": {"type": "api_error", "message": "broke"}}
TEXT = [start(), delta(), stop()]
THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
SIGNED = {"type": "signature_delta", "signature": "s"}

GOOD: dict[str, list[Any]] = {
    "empty": [BEGIN, end(), STOP],
    "pings anywhere": [PING, BEGIN, PING, start(), PING, delta(), stop(), PING, end(), PING, STOP],
    "thinking, text, tool": [
        BEGIN,
        start(0, **THOUGHT),
        delta(0, type="thinking_delta", thinking="h"),
        delta(0, **SIGNED),
        stop(0),
        start(1),
        delta(1),
        stop(1),
        start(2, **TOOL),
        delta(2, type="input_json_delta", partial_json="{}"),
        stop(2),
        end("tool_use"),
        STOP,
    ],
    "error at once": [ERROR],
    "error in a block": [BEGIN, start(), delta(), ERROR],
    "stop sequence": [BEGIN, *TEXT, end("stop_sequence", "END"), STOP],
}

BAD: dict[str, list[Any]] = {
    "no start": TEXT,
    "two starts": [BEGIN, BEGIN],
    "starts with content": [{**BEGIN, "message": {**EMPTY, "content": [{"type": "text", "text": "x"}]}}],
    "delta without a block": [BEGIN, delta()],
    "two blocks open": [BEGIN, start(0), start(1)],
    "index from one": [BEGIN, start(1)],
    "index skipped": [BEGIN, *TEXT, start(2)],
    "delta of another block": [BEGIN, start(), delta(1)],
    "stop of another block": [BEGIN, start(), stop(1)],
    "text in a tool": [BEGIN, start(0, **TOOL), delta()],
    "text in its start": [BEGIN, start(0, type="text", text="x")],
    "input in its start": [BEGIN, start(0, **{**TOOL, "input": {"a": 1}})],
    "no tool id": [BEGIN, start(0, **{**TOOL, "id": ""})],
    "the same tool id twice": [BEGIN, start(0, **TOOL), stop(), start(1, **TOOL)],
    "unsigned thinking": [BEGIN, start(0, **THOUGHT), stop()],
    "thinking after its signature": [
        BEGIN,
        start(0, **THOUGHT),
        delta(0, **SIGNED),
        delta(0, type="thinking_delta", thinking="h"),
    ],
    "tool_use without a tool": [BEGIN, *TEXT, end("tool_use")],
    "unknown stop reason": [BEGIN, end("stop")],
    "no stop reason": [BEGIN, end(None)],
    "unnamed stop sequence": [BEGIN, end("stop_sequence")],
    "usage without cache": [BEGIN, end(counts={"input_tokens": 1, "output_tokens": 1})],
    "end in a block": [BEGIN, start(), end()],
    "stop before the end": [BEGIN, STOP],
    "more after the stop": [BEGIN, end(), STOP, PING],
    "more after an error": [ERROR, BEGIN],
    "cut after the start": [BEGIN],
    "cut in a block": [BEGIN, start(), delta()],
    "cut before the stop": [BEGIN, *TEXT, end()],
}


def walk(events: list[Any]) -> None:
    grammar = Grammar()
    for event in events:
        grammar.feed(event)
    grammar.close()


@pytest.mark.parametrize("events", GOOD.values(), ids=GOOD)
def test_the_grammar_accepts(events: list[Any]) -> None:
    walk(events)


@pytest.mark.parametrize("events", BAD.values(), ids=BAD)
def test_the_grammar_refuses(events: list[Any]) -> None:
    with pytest.raises(GrammarError):
        walk(events)


def folded(events: list[Any]) -> Any:
    fold = Fold()
    for event in events:
        fold.feed(event)
    return fold.message


def test_a_fold_has_what_came_before_a_cut() -> None:
    assert folded([]) is None
    assert folded([BEGIN, *TEXT, start(1), delta(1)])["content"] == [
        {"type": "text", "text": "x"},
        {"type": "text", "text": "x"},
    ]


def test_the_end_of_a_stream_has_the_truth_about_usage() -> None:
    message = folded([BEGIN, end(counts={"input_tokens": 777, "output_tokens": None}), STOP])
    assert message["usage"] == {**COUNTS, "input_tokens": 777}


def test_unknown_events_and_deltas_change_nothing() -> None:
    odd = [PING, {"type": "news"}, delta(7), delta(0, type="news_delta", news="x")]
    assert folded([BEGIN, start(), *odd, stop(), end(), STOP]) == folded([BEGIN, start(), stop(), end(), STOP])


SUMMED = {"type": "compaction", "content": "ab", "encrypted_content": "E"}
GROWN: list[tuple[str, Any, list[Any], Any]] = [
    ("a compaction", {"type": "compaction", "content": None},
     [delta(0, type="compaction_delta", content="a"),
      delta(0, type="compaction_delta", content="b", encrypted_content="E")], SUMMED),
    ("one that failed", {"type": "compaction", "content": None},
     [delta(0, type="compaction_delta", content=None)], {"type": "compaction", "content": None}),
    ("a newer block", {"type": "novelty", "said": "a"},
     [delta(0, type="novel_delta", said="b")], {"type": "novelty", "said": "ab"}),
]  # fmt: skip


@pytest.mark.parametrize(("begun", "deltas", "whole"), [g[1:] for g in GROWN], ids=[g[0] for g in GROWN])
def test_what_newer_deltas_say_is_recorded(begun: Any, deltas: list[Any], whole: Any) -> None:
    assert folded([BEGIN, start(0, **begun), *deltas, stop(), end("compaction"), STOP])["content"] == [whole]


blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(
        lambda text, cited: {"type": "text", "text": text, "citations": cited},
        texts,
        st.lists(arguments, min_size=1, max_size=2),
    ),
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, texts),
    st.builds(lambda name, given: {"type": "tool_use", "id": name, "name": name, "input": given}, texts, arguments),
    st.builds(lambda given: {"type": "server_tool_use", "id": "s", "name": "web_search", "input": given}, arguments),
    st.builds(lambda found: {"type": "web_search_tool_result", "tool_use_id": "s", "content": found}, json_values),
    st.just({"type": "redacted_thinking", "data": "xyz"}),
)


@given(st.lists(blocks, max_size=4), st.sampled_from(sorted(anthropic.STOP_REASONS)))
def test_a_message_survives_being_streamed(content: list[Any], reason: str) -> None:
    message = {**EMPTY, "content": content, "stop_reason": reason, "container": {"id": "c"}}
    assert folded(events_of(message)) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        (" \n", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": 1', None),
        ("[1]", None),
        ("null", None),
        ('{"a":' + "[" * 300 + "]" * 300 + "}", None),
        ('{"a":' + "[" * 3000, None),
    ],
    ids=["empty", "blank", "object", "cut", "list", "null", "deep", "deep and cut"],
)
def test_tool_input_is_always_an_object(text: str, value: Any) -> None:
    expected = {anthropic.UNPARSED: {"raw": text, "len": len(text)}} if value is None else value
    assert tool_input(text) == expected


def test_errors_have_anthropics_shape() -> None:
    failure = Failure(529, "overloaded_error", "Too busy.", None)
    error = {"type": "overloaded_error", "message": "Too busy."}
    assert anthropic.error_body(failure, "req_1") == {"type": "error", "error": error, "request_id": "req_1"}
    assert anthropic.abort_events(failure) == [{"type": "error", "error": error}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_a_status_has_a_type(status: int, kind: str) -> None:
    assert anthropic.error_type(status) == kind


def test_the_list_of_models_has_its_ends() -> None:
    page = anthropic.models_page([("claude-ccr-a", "A"), ("claude-ccr-b", "B")])
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("claude-ccr-a", "claude-ccr-b", False)
    assert page["data"][1]["display_name"] == "B"
    assert anthropic.models_page([])["first_id"] is None


def test_usage_has_all_four_counts() -> None:
    assert anthropic.usage_json(Usage(1, 2, 3, 4)) == {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
    }


def test_thinking_is_told_apart_in_the_output() -> None:
    assert anthropic.usage_json(Usage(1, 9, reasoning=7))["output_tokens_details"] == {"thinking_tokens": 7}


def test_models_are_listed_as_the_official_client_reads_them() -> None:
    page = anthropic.models_page([("claude-ccr-a", "A")])
    assert TypeAdapter(ModelInfo).validate_python(page["data"][0]).lifecycle == "active"


def test_the_tool_ids_of_a_history_are_found() -> None:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "text", "text": "x"}, {"type": "tool_use", "id": "a"}]},
        {"role": "system", "content": []},
        None,
    ]
    assert anthropic.tool_ids({"messages": messages}) == {"a"}
    assert anthropic.tool_ids({}) == frozenset()
