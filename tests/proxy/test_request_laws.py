"""What holds for every request, whatever is in it, and for every family."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from asking import ALL, asked, chat_faults, conversations, extras, facts, law, unknown_fields
from generated import json_values, session
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import wire
from ccr_tui.errors import BadRequest
from ccr_tui.memory import Memory
from ccr_tui.proxy.asked import about, parse
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.request import pass_through, translate
from ccr_tui.seen import written

FACTS = {name: facts(name) for name in ALL}


def whole(conversation: Any, more: dict[str, Any]) -> dict[str, Any]:
    opening, exchanges, _ = conversation
    return asked(*opening, *(m for said, back in exchanges for m in (*said, *back)), **more)


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_openai_s_types_and_rules_accept_what_is_sent(conversation: Any, more: dict[str, Any], name: str) -> None:
    body = whole(conversation, more)
    parse(body)
    made = translate(body, "m", FACTS[name]).body
    assert unknown_fields(made) == set()
    assert chat_faults(made) == []


@law
@given(conversation=conversations(), more=extras())
def test_mistrals_template_takes_the_turns(conversation: Any, more: dict[str, Any]) -> None:
    """As it counts them: the user's at even places, calls and results nowhere."""
    messages = translate(whole(conversation, more), "m", FACTS["mistral"]).body["messages"]
    counted = [m["role"] for m in messages if m["role"] in ("user", "assistant") and "tool_calls" not in m]
    assert counted == [("user", "assistant")[n % 2] for n in range(len(counted))]


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_every_text_arrives_once(conversation: Any, more: dict[str, Any], name: str) -> None:
    arrived = wire.dumps(translate(whole(conversation, more), "m", FACTS[name]).body["messages"]).decode()
    assert {word: arrived.count(word) for word in conversation[2]} == dict.fromkeys(conversation[2], 1)


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_every_call_has_its_result_directly_behind_it(conversation: Any, more: dict[str, Any], name: str) -> None:
    messages = translate(whole(conversation, more), "m", FACTS[name]).body["messages"]
    called: list[str] = []
    for n, message in enumerate(messages):
        calls = [made["id"] for made in message.get("tool_calls", ())]
        assert [m.get("tool_call_id") for m in messages[n + 1 : n + 1 + len(calls)]] == calls
        called += calls
    assert len(set(called)) == len(called)
    assert [m["tool_call_id"] for m in messages if m["role"] == "tool"] == called


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_the_body_that_was_given_is_not_changed(conversation: Any, more: dict[str, Any], name: str) -> None:
    body = whole(conversation, more)
    before = copy.deepcopy(body)
    first = translate(body, "m", FACTS[name])
    assert body == before
    assert translate(body, "m", FACTS[name]) == first


@law
@given(conversation=conversations(), more=extras(), others=extras(), names=st.lists(st.sampled_from(ALL), min_size=1))
def test_what_was_translated_before_makes_no_difference(
    conversation: Any, more: dict[str, Any], others: dict[str, Any], names: list[str]
) -> None:
    opening, exchanges, _ = conversation
    turns = [[*opening, *(m for said, back in exchanges[:n] for m in (*said, *back))] for n in range(len(exchanges))]
    missing = [*opening, *(m for said, back in exchanges[1:] for m in (*said, *back))]
    memory = Memory()
    for messages in (*turns, *turns, missing, *turns[::-1]):
        for name, extra in itertools.product(dict.fromkeys(names), (more, others)):
            body = asked(*messages, **extra)
            again = translate(memory.read(wire.dumps(body)), "m", FACTS[name])
            assert again == translate(body, "m", FACTS[name])
            assert written(again.body) == wire.dumps(again.body)


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_nothing_that_is_anthropic_s_alone_goes_upstream(conversation: Any, more: dict[str, Any], name: str) -> None:
    made = translate(whole(conversation, more), "m", FACTS[name])
    text = wire.dumps(made.body).decode() + str(made.notes)
    for word in ("x-anthropic", "cache_control", "/secret", "dddd", "user_id", "5d1f0a52", "signature", "ccr-tui"):
        assert word not in text.replace("thought_signature", "")


@law
@given(conversation=conversations(), more=extras(), name=st.sampled_from(ALL))
def test_tool_names_are_legal_and_come_back(conversation: Any, more: dict[str, Any], name: str) -> None:
    body = whole(conversation, more)
    made = translate(body, "m", FACTS[name])
    sent = {t["function"]["name"] for t in made.body.get("tools", ())}
    sent |= {c["function"]["name"] for m in made.body["messages"] for c in m.get("tool_calls", ())}
    known = {t["name"] for t in body.get("tools", ())}
    known |= {
        b["name"] for m in body["messages"] if isinstance(m["content"], list) for b in m["content"] if "name" in b
    }
    assert {made.names.get(short, short) for short in sent} <= known
    assert all(len(short) <= 64 and short.isascii() and " " not in short for short in sent)


def knobs(body: dict[str, Any]) -> set[str]:
    return body.keys() & {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs"}


@law
@given(conversation=conversations(1), more=extras(), name=st.sampled_from(ALL))
def test_thinking_and_effort_never_contradict(conversation: Any, more: dict[str, Any], name: str) -> None:
    made = translate(whole(conversation, more), "m", FACTS[name])
    assert len(knobs(made.body) - {"reasoning_effort"}) <= 1
    if "disabled" in str(made.body.get("thinking")) or made.body.get("enable_thinking") is False:
        assert "reasoning_effort" not in made.body
        assert not made.thinking
    if made.thinking and not FACTS[name].forced_tool_with_thinking:
        assert made.body.get("tool_choice") in (None, "auto", "none")


@law
@given(body=json_values(20), counting=st.booleans())
def test_anything_else_is_refused_with_its_place_and_nothing_worse(body: Any, counting: bool) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(body, counting=counting)
    assert refused.value.status == 400
    assert refused.value.failure.type == "invalid_request_error"


@st.composite
def disturbed(draw: st.DrawFn) -> Any:
    """A good request in which something was replaced by any other JSON."""
    body = copy.deepcopy(whole(draw(conversations(2)), draw(extras())))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = body
        while isinstance(place, (dict, list)) and place:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], (dict, list)) or not place[key] or draw(st.integers(0, 3)) == 0:
                place[key] = draw(json_values(6))
                break
            place = place[key]
    return body


@law
@given(body=disturbed(), name=st.sampled_from(ALL))
def test_what_parse_accepts_is_translated_or_refused(body: Any, name: str) -> None:
    try:
        parse(body)
    except BadRequest:
        return
    about(body, {})
    pass_through(body, "m")
    try:
        made = translate(body, "m", FACTS[name])
    except BadRequest:
        return
    wire.dumps(made.body)


@pytest.mark.parametrize("name", ALL)
def test_a_real_session_is_accepted_by_the_judge(name: str) -> None:
    for body in session(7, 8):
        parse(body)
        assert chat_faults(translate(body, "m", FACTS[name]).body) == []


def test_what_is_nested_without_end_is_refused_in_words() -> None:
    deep: Any = {}
    for _ in range(3000):
        deep = {"a": deep}
    body = asked({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "R", "input": deep}]}, "so")
    parse(body)
    with pytest.raises(BadRequest, match="nested too deeply"):
        translate(body, "m", Facts())
