"""A conversation's translation is a byte-exact prefix of the translation of the same conversation gone on.

Providers bill a repeated prefix at a tenth of the price, so this law is worth money. It is proven over generated
sessions of the real client's shape, over wilder conversations, and against marks and forms that change without meaning.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from asking import ALL, TOOLS, asked, conversations, extras, facts, law, result, text, user
from generated import session, sessions, unmarked
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import wire
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.request import translate

SHAPES = {name: facts(name) for name in ("generic", "openai", "deepseek", "mistral", "gemini", "llama_cpp")}
SHAPES["alternate"] = facts("deepseek", alternate=True)


def sent(body: Any, given_facts: Facts) -> bytes:
    """The messages as bytes, without the bracket that ends them."""
    return wire.dumps(translate(body, "m", given_facts).body["messages"])[:-1]


@pytest.mark.parametrize("name", SHAPES)
@law
@given(bodies=sessions())
def test_each_turn_of_a_session_begins_with_the_turn_before(name: str, bodies: list[Any]) -> None:
    for before, after in pairwise(bodies):
        assert sent(after, SHAPES[name]).startswith(sent(before, SHAPES[name]))


@pytest.mark.parametrize("name", SHAPES)
@law
@given(conversation=conversations(), more=extras())
def test_any_conversation_begins_with_its_beginning(name: str, conversation: Any, more: dict[str, Any]) -> None:
    opening, exchanges, _ = conversation
    messages = list(opening)
    before = sent(asked(*messages, **more), SHAPES[name])
    for said, back in exchanges:
        messages = [*messages, *said, *back]
        after = sent(asked(*messages, **more), SHAPES[name])
        assert after.startswith(before)
        before = after


@pytest.mark.parametrize("name", ALL)
def test_the_rest_of_a_request_stays_the_same_over_a_session(name: str) -> None:
    frames = [
        {key: value for key, value in translate(body, "m", facts(name)).body.items() if key != "messages"}
        for body in session(3, 8)
    ]
    assert all(frame == frames[0] for frame in frames)


@law
@given(body=sessions().map(lambda bodies: bodies[-1]))
def test_cache_marks_change_nothing(body: Any) -> None:
    assert sent(body, SHAPES["deepseek"]) == sent(unmarked(body), SHAPES["deepseek"])


def test_marks_inside_unknown_blocks_change_nothing() -> None:
    odd = {"type": "novelty", "deep": [{"text": "x", "cache_control": {"type": "ephemeral"}}]}
    assert sent(asked(user(odd)), Facts()) == sent(asked(user(unmarked(odd))), Facts())


@law
@given(st.sampled_from(["user", "system"]))
def test_a_text_is_the_same_as_a_list_of_that_text(role: str) -> None:
    first = asked("hi", {"role": role, "content": "so"})
    second = asked("hi", {"role": role, "content": [{**text("so"), "cache_control": {"type": "ephemeral"}}]})
    assert sent(first, Facts()) == sent(second, Facts())


def test_a_billing_line_that_changes_changes_nothing() -> None:
    one, two = (
        asked(system=[text(f"x-anthropic-billing-header: cc_version=2.1.330.{n}; cch={n};"), text("You are.")])
        for n in ("a1f", "00c")
    )
    assert translate(one, "m", Facts()).body == translate(two, "m", Facts()).body


def test_tools_keep_the_client_s_order_when_one_is_loaded_later() -> None:
    loaded = {**TOOLS[4], "name": "ZLast"}
    before = translate(asked(tools=TOOLS[:4]), "m", Facts()).body["tools"]
    after = translate(asked(tools=[*TOOLS[:4], loaded]), "m", Facts()).body["tools"]
    assert after[:-1] == before


def test_the_same_id_in_every_turn_is_told_apart_the_same_way_each_time() -> None:
    turn = [{"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "Read", "input": {}}]},
            user(result("x", "done"))]  # fmt: skip
    short, long = (translate(asked("hi", *turn * n), "m", Facts()).body["messages"] for n in (2, 3))
    ids = [m["tool_call_id"] for m in long if m["role"] == "tool"]
    assert long[: len(short)] == short
    assert len(set(ids)) == 3
    assert json.dumps(ids[0]) == '"x"'
