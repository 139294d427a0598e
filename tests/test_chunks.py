"""A body and its chunks: nothing is lost, little is stored twice."""

from __future__ import annotations

import json
from itertools import pairwise, takewhile

import generated
import pytest
from hypothesis import given, settings

from ccr_tui import chunks
from ccr_tui.memory import Memory
from ccr_tui.records import Json
from ccr_tui.wire import dumps


def same(left: Json, right: Json) -> bool:
    """Equal in value, type, sign of zero and order of keys."""
    return json.dumps(left) == json.dumps(right)


@given(generated.bodies())
@settings(max_examples=150, deadline=None)
def test_join_undoes_split(body: Json) -> None:
    before = json.dumps(body)
    path = chunks.split(body)
    assert same(chunks.join(path.chunks, path.manifest), body)
    assert json.dumps(body) == before


@given(generated.sessions())
@settings(max_examples=8, deadline=None)
def test_a_turn_adds_only_its_own_messages(bodies: list[Json]) -> None:
    for earlier, later in pairwise(bodies):
        one, two = chunks.split(earlier), chunks.split(later)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one.chunks, two.chunks, strict=False)))
        assert shared == len(one.chunks) - 1
        assert one.chunks[-1] == two.chunks[-1]


def turn(messages: int, marked: int, odd: bool) -> Json:
    """A body of so many messages, one of which bears a mark."""
    said: list[Json] = [{"role": "user", "content": [{"type": "text", "text": f"{n} " * n}]} for n in range(messages)]
    said[marked]["content"][0]["cache_control"] = {"type": "ephemeral"}
    tools = [{"name": f"T{n}", "input_schema": {}} for n in range(3)]
    return {
        "model": "m",
        "system": [{"type": "text", "text": "S"}],
        "tools": tools,
        "messages": [*said, odd] if odd else said,
    }


TURNS = {
    "grows, and the mark moves": [(n, n - 1, False) for n in range(58, 90, 2)],
    "is taken back, and goes another way": [(80, 79, False), (70, 20, False), (80, 60, False), (80, 2, False)],
    "ends in what is no message": [(70, 3, True), (72, 71, False), (74, 71, True)],
}


@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
def test_a_long_conversation_is_cut_up_as_if_it_were_new(turns: list[tuple[int, int, bool]]) -> None:
    memory = Memory()
    for each in turns:
        body = turn(*each)
        path, fresh = chunks.split(memory.read(dumps(body))), chunks.split(body)
        assert path == fresh and path.name == fresh.name
        assert fresh.chunks == path.chunks and path.size == sum(map(len, fresh.chunks)) + len(path.manifest)
        assert path.names == b"".join(map(chunks.digest, fresh.chunks))
        assert [path.chunks[-1], *path.chunks[2:-3]] == [fresh.chunks[-1], *fresh.chunks[2:-3]]
        assert path.chunks[len(fresh.chunks) :] == []
        with pytest.raises(IndexError):
            path.chunks[len(fresh.chunks)]
        assert same(chunks.join(path.chunks, path.manifest), body)


PROMPTS = {
    "as it is sent": {"role": "system", "content": 'Be "cache_control".'},
    "the other way round": {"content": 'Be "cache_control".', "role": "system"},
    "with more": {"role": "system", "content": 'Be "cache_control".', "name": "n"},
    "in blocks": {"role": "system", "content": [{"type": "text", "text": "Be."}]},
    "half a character": {"role": "system", "content": "Be \ud800."},
    "another one": {"role": "system", "content": "Be kind."},
    "no prompt": {"role": "user", "content": "Be kind."},
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_a_system_prompt_that_comes_again_is_cut_up_as_at_first(prompt: Json) -> None:
    body = {"model": "m", "messages": [prompt, {"role": "user", "content": "x"}]}
    for path in (chunks.split(body), chunks.split(json.loads(json.dumps(body)))):
        assert path.chunks[0] == dumps(prompt) and same(chunks.join(path.chunks, path.manifest), body)


MARKED = [
    pytest.param({"tools": [{"name": "a", "cache_control": {"ttl": "1h"}, "input_schema": {}}]}, id="tool"),
    pytest.param({"system": [{"cache_control": None, "type": "text"}]}, id="system block, first key"),
    pytest.param({"messages": [{"role": "user", "content": [{"text": "x", "cache_control": 1}]}]}, id="message block"),
    pytest.param(
        {"messages": [{"content": [{"content": [{"t": 1, "cache_control": {}}], "cache_control": {}}]}]},
        id="tool result and a block in it",
    ),
]


@pytest.mark.parametrize("body", MARKED)
def test_marks_are_lifted_out(body: Json) -> None:
    path = chunks.split(body)
    assert all(b"cache_control" not in chunk for chunk in path.chunks)
    assert path.chunks == chunks.split(generated.unmarked(body)).chunks
    assert same(chunks.join(path.chunks, path.manifest), body)


def test_a_mark_inside_a_tools_input_is_the_tools_own() -> None:
    body = {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "input": {"cache_control": 1}}]}]}
    assert b"cache_control" in chunks.split(body).chunks[0]


def test_an_answer_is_the_message_that_comes_back() -> None:
    content = [{"type": "text", "text": "Hi"}]
    answer = chunks.split(generated.reply({"model": "m"}, content=content))
    request = chunks.split({"messages": [{"role": "assistant", "content": content}]})
    assert answer.chunks[0] == request.chunks[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"tools": [{}], "messages": [{}, {}]}, range(1, 3)),
        ({"role": "assistant", "content": []}, range(1)),
        ({"system": "s", "tools": [{}]}, range(0)),
        ([1, 2], range(0)),
    ],
    ids=["request", "reply", "no messages", "no object"],
)
def test_what_was_said_is_known(body: Json, said: range) -> None:
    assert chunks.split(body).said == said


def test_the_path_reads_as_a_prompt_cache_does() -> None:
    path = chunks.split({"messages": ["m"], "model": "x", "system": "s", "tools": ["t"]})
    assert [chunk.decode() for chunk in path.chunks[:3]] == ['"t"', '"s"', '"m"']
