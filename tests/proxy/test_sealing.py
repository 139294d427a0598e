"""Reasoning that only its provider reads: out to the client, and back in the next turn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asking import asked, assistant, call, chat_faults, facts, result, tool, user
from streams import calls, chunk, play, sse

from ccr_tui.config import Model, Provider
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.quirks import Facts, facts_for
from ccr_tui.proxy.request import pass_through, translate
from ccr_tui.proxy.sealing import SEALED
from ccr_tui.signed import SIGNATURE

GEMINI = "google/gemini-3-pro-preview"
SECRET = {"type": "reasoning.encrypted", "data": "U0VDUkVU", "id": "tool_0", "format": "google-gemini-v1", "index": 0}
SAID = {"type": "reasoning.text", "text": "hm", "format": "google-gemini-v1", "index": 0}
READ = {"index": 0, "id": "tool_0", "type": "function", "function": {"name": "Read", "arguments": '{"path": "a"}'}}
BASH = {"index": 1, "id": "tool_1", "type": "function", "function": {"name": "Read", "arguments": '{"path": "b"}'}}
SIGNED = {"google": {"thought_signature": "SIG"}}


def routed(model_id: str) -> Facts:
    url = "https://openrouter.ai/api/v1"
    return facts_for(Provider("p", "openai", url), Model("m", "p", model_id))


def details(*entries: dict[str, Any]) -> dict[str, Any]:
    return chunk(reasoning_details=list(entries))


def answered(*chunks: Any) -> list[Any]:
    """The content that the client keeps of an answer."""
    fold = Fold()
    for event in play(sse(*chunks), seals=True, model_id=GEMINI).events:
        fold.feed(event)
    assert fold.message is not None
    content: list[Any] = fold.message["content"]
    return content


def sent_back(content: list[Any], known: Facts, model_id: str = GEMINI) -> Any:
    """The assistant's message as the provider gets it in the next turn."""
    ids = [block["id"] for block in content if block["type"] == "tool_use"]
    body = asked("q", {"role": "assistant", "content": content}, user(*(result(id, "r") for id in ids)), tools=[tool()])
    made = translate(body, model_id, known)
    plain = {**made.body, "messages": [{k: v for k, v in m.items() if k != "reasoning_details"}
                                       for m in made.body["messages"]]}  # fmt: skip
    assert not chat_faults(plain)
    return next(message for message in made.body["messages"] if message["role"] == "assistant")


END = chunk("tool_calls")
PIECES = ({**SAID, "text": "h"}, {"type": "reasoning.text", "text": "m", "index": 0})
SIGNED_TEXT = ({**SAID, "format": "anthropic-claude-v1"}, {"type": "reasoning.text", "signature": "S==", "index": 0})
WAYS: list[tuple[str, list[Any], list[str], list[Any]]] = [
    ("with the call", [{**calls(READ)}, END], ["tool_use"], []),
    ("before it", [details(SECRET), calls(READ), END], ["thinking", "tool_use"], [SECRET]),
    ("in its chunk", [chunk(tool_calls=[READ], reasoning_details=[SECRET]), END], ["thinking", "tool_use"], [SECRET]),
    ("behind it", [calls(READ), details(SECRET), END], ["tool_use", "thinking"], [SECRET]),
    ("behind reasoning", [chunk(reasoning="hm", reasoning_details=[SAID]), details(SECRET), calls(READ), END],
     ["thinking", "tool_use"], [SAID, SECRET]),
    ("behind text", [chunk(content="So:"), calls(READ), details(SECRET), END], ["text", "tool_use", "thinking"],
     [SECRET]),
    ("in pieces", [details(PIECES[0]), details(PIECES[1]), details(SECRET), calls(READ), END],
     ["thinking", "tool_use"], [SAID, SECRET]),
    ("a signature behind its text", [details(SIGNED_TEXT[0]), details(SIGNED_TEXT[1]), calls(READ), END],
     ["thinking", "tool_use"], [{**SIGNED_TEXT[0], "signature": "S=="}]),
    ("two secrets", [details(SECRET, {**SECRET, "id": "tool_1"}), calls(READ, BASH), END],
     ["thinking", "tool_use", "tool_use"], [SECRET, {**SECRET, "id": "tool_1"}]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "kinds", "kept"), [w[1:] for w in WAYS], ids=[w[0] for w in WAYS])
def test_details_go_back_as_they_came(chunks: list[Any], kinds: list[str], kept: list[Any]) -> None:
    content = answered(*chunks)
    assert [block["type"] for block in content] == kinds
    back = sent_back(content, routed("anthropic/claude-opus-5"), GEMINI)
    assert back.get("reasoning_details", []) == kept
    assert "reasoning" not in back or not kept


def test_they_go_to_no_other_model() -> None:
    content = answered(chunk(reasoning="hm", reasoning_details=[SAID, SECRET]), calls(READ), END)
    back = sent_back(content, routed("openai/gpt-5"), "openai/gpt-5")
    assert "reasoning_details" not in back and back["reasoning"] == "hm"


def test_plain_reasoning_needs_no_secret() -> None:
    content = answered(chunk(reasoning="hm", reasoning_details=[SAID]), chunk("stop", content="Hi"))
    assert content[0]["signature"] == SIGNATURE


LOST: list[tuple[str, list[Any]]] = [
    ("another model's call", [call("tool_0")]),
    ("cleared", [{"type": "thinking", "thinking": "", "signature": SIGNATURE}, call("tool_0")]),
    ("changed", [{"type": "thinking", "thinking": "", "signature": f"{SEALED}a"}, call("tool_0")]),
    ("no text", [{"type": "thinking", "thinking": "", "signature": f"{SEALED}\u00e9"}, call("tool_0")]),
]


@pytest.mark.parametrize("content", [case[1] for case in LOST], ids=[case[0] for case in LOST])
def test_where_a_call_has_lost_them_the_stand_in_goes(content: list[Any]) -> None:
    stand_in = {**SECRET, "data": "skip_thought_signature_validator"}
    assert sent_back(content, routed(GEMINI))["reasoning_details"] == [stand_in]
    assert "reasoning_details" not in sent_back(content, routed("google/gemini-2.5-pro"))


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ([{**READ, "extra_content": SIGNED}], [SIGNED]),
        ([{**READ, "extra_content": SIGNED}, BASH], [SIGNED, None]),
        ([READ, {**BASH, "extra_content": SIGNED}], ["skip", SIGNED]),
        ([READ], ["skip"]),
    ],
    ids=["one call", "two calls", "the second", "none"],
)
def test_geminis_own_signature_goes_back_with_its_call(entries: list[Any], kept: list[Any]) -> None:
    back = sent_back(answered(calls(*entries), END), facts("gemini"))
    said = [made.get("extra_content") for made in back["tool_calls"]]
    assert ["skip" if extra and "skip" in json.dumps(extra) else extra for extra in said] == kept


@pytest.mark.parametrize("said", [["So:"], []], ids=["with text", "alone"])
def test_minimax_gets_its_reasoning_back_as_its_details(said: list[str]) -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
    back = sent_back([thought, *assistant(*said)["content"], call("tool_0")], facts("minimax"))
    assert [(each["type"], each["text"]) for each in back["reasoning_details"]] == [("reasoning.text", "hm")]
    assert "reasoning_content" not in back


def piece(text: str) -> dict[str, Any]:
    return details({"type": "reasoning.text", "index": 0, "text": text})


GROWING: list[tuple[str, list[Any], list[Any]]] = [
    ("all again", [piece("h"), piece("hm"), piece("hm"), chunk(content="a"), chunk(content="ab"), chunk("stop")],
     [("thinking", "hm"), ("text", "ab")]),
    ("piece by piece", [piece("h"), piece("m"), chunk(content="a"), chunk(content="b"), chunk(content="ab"),
                        chunk("stop")], [("thinking", "hm"), ("text", "abab")]),
    ("twice the same", [chunk(content="ha"), chunk(content="ha"), chunk(content="haha"), chunk("stop")],
     [("text", "hahahaha")]),
    ("grown, and then new", [chunk(content="a"), chunk(content="ab"), chunk(content="c"), chunk("stop")],
     [("text", "abc")]),
]  # fmt: skip


@pytest.mark.parametrize(("chunks", "blocks"), [g[1:] for g in GROWING], ids=[g[0] for g in GROWING])
def test_pieces_that_repeat_what_was_said_say_it_once(chunks: list[Any], blocks: list[Any]) -> None:
    assert play(sse(*chunks), cumulative=True).blocks == blocks


def test_anthropic_never_sees_such_a_block() -> None:
    content = answered(details(SECRET), calls(READ), END)
    sent, _ = pass_through(asked("q", {"role": "assistant", "content": content}, user(result("tool_0", "r"))), "m")
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"]


def test_a_secret_without_a_call_is_left_and_noted() -> None:
    played = play(sse(chunk(content="Hi"), details(SECRET), chunk("stop")), seals=True, model_id=GEMINI)
    assert played.blocks == [("text", "Hi")]
    assert any("encrypted reasoning" in note for note in played.reply.notes)


def test_who_keeps_none_is_answered_as_ever() -> None:
    played = play(sse(details(SECRET), calls(READ), END))
    assert len(played.blocks) == 1
    assert any("encrypted reasoning" in note for note in played.reply.notes)
