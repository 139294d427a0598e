"""Where the tokens of a request are: parts that add up, whatever the body."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from generated import attempt, bodies, chat_body, image, recorded, session, sessions, trace
from hypothesis import example, given, settings
from test_verdict import Letters

from ccr_tui import anatomy, prices, xray
from ccr_tui.records import Json, Price, Usage
from ccr_tui.tally import tally

SCALE = Letters()
PRICE = Price(1_000_000_000, 4_000_000_000, 100_000_000, 1_250_000_000)


def weight(body: Json) -> int:
    return sum(anatomy.weigh(block, SCALE).total for block in anatomy.blocks(body)) + anatomy.framing(body)


@settings(max_examples=20, deadline=None)
@given(sessions())
def test_blocks_add_up_to_the_count_of_the_whole(given_bodies: list[dict[str, Any]]) -> None:
    for body in given_bodies:
        assert weight(body) == tally(body, SCALE).total
        assert weight(chat_body(body)) == tally(chat_body(body), SCALE).total


@settings(max_examples=30, deadline=None)
@given(bodies())
@example({"system": {}})
@example({"system": False})
def test_so_do_those_of_odd_bodies(body: Json) -> None:
    assert weight(body) == tally(body, SCALE).total


@settings(max_examples=15, deadline=None)
@given(sessions())
def test_parts_add_up_to_what_was_reported_in_tokens_and_money(given_bodies: list[dict[str, Any]]) -> None:
    chance = random.Random(len(given_bodies))
    for before, body in zip([None, *given_bodies], given_bodies, strict=False):
        counted = tally(body, SCALE).total
        read, written = chance.randrange(counted), chance.randrange(99)
        usage = Usage(counted // 2 + chance.randrange(99), 5, read, written, cache_write_1h=written // 2)
        found = xray.xray(body, SCALE, usage, PRICE, before)
        assert found.tokens == found.reported == usage.prompt
        assert sum(part.tokens for part in found.parts) == usage.prompt
        assert found.cost == prices.cost(replace(usage, output=0), PRICE)
        assert sum(part.cost or 0 for part in found.parts) == found.cost
        assert all((part.grown is None) == (before is None) for part in found.parts)


def test_a_part_is_billed_for_where_it_lies() -> None:
    """What comes first is what was read from the cache."""
    body = list(session(1, 6))[-1]
    counted = tally(body, SCALE).total
    tools = sum(anatomy.weigh(block, SCALE).total for block in anatomy.blocks(body) if block.kind == "tools")
    found = xray.xray(body, SCALE, Usage(counted - tools, 5, tools), PRICE)
    by = {part.kind: part for part in found.parts}
    assert by["tools"].cost == tools * 100
    assert by["results"].cost == by["results"].tokens * 1000


def test_a_new_part_has_grown_by_all_that_it_is_and_an_old_one_by_nothing() -> None:
    one, two = list(recorded(4, 9))[-2:]
    for reported in (700, 701, 703, 1009):
        counted = tally(two.body, SCALE).total
        found = xray.xray(two.body, SCALE, Usage(counted + reported, 5), PRICE, one.body)
        was = {part.kind: part for part in xray.xray(one.body, SCALE).parts}
        for part in found.parts:
            if part.kind not in was:
                assert part.grown == part.tokens
            elif part.blocks == was[part.kind].blocks and part.kind in ("tools", "system"):
                assert part.grown == 0
        assert found.grown == sum(part.grown or 0 for part in found.parts)


def test_what_is_new_was_in_no_cache_wherever_it_stands() -> None:
    """A tool that the request before did not have, where the provider reports cached tokens all the same."""
    before = list(session(1, 6))[-1]
    new = {"name": "New", "description": "Something that nobody had before.", "input_schema": {"type": "object"}}
    body = {**before, "tools": [new, *before["tools"]]}
    counted = tally(body, SCALE).total
    found = xray.xray(body, SCALE, Usage(counted - 300, 5, 300), PRICE, before)
    heavy = {part.name: part for part in found.tools if part.kind == "tools"}
    assert heavy["New"].cost == heavy["New"].tokens * 1000, "as new"
    assert sum(part.cost or 0 for part in found.parts) == found.cost == (counted - 300) * 1000 + 300 * 100


def test_what_was_reported_before_is_told() -> None:
    one, two = list(recorded(4, 9))[-2:]
    answered = replace(one, attempts=(replace(one.attempts[0], usage=Usage(318, 5)),))
    found = xray.of_trace(two, answered, SCALE).as_json()
    assert found["reported_tokens_before"] == 318


def test_the_whole_has_grown_by_the_difference_of_the_reports() -> None:
    one, two = list(recorded(4, 9))[-2:]
    first, second = (tally(each.body, SCALE).total for each in (one, two))
    before, now = (
        replace(each, attempts=(replace(each.attempts[0], usage=Usage(count, 5)),))
        for each, count in ((one, round(first * 1.1)), (two, round(second * 0.9)))
    )
    found = xray.of_trace(now, before, SCALE)
    assert found.grown == round(second * 0.9) - round(first * 1.1), "as the context over time has it"
    assert found.grown == sum(part.grown or 0 for part in found.parts) + found.rescaled
    nonsense = replace(one, attempts=(replace(one.attempts[0], usage=Usage(3, 5)),))
    assert xray.of_trace(now, nonsense, SCALE).rescaled == 0


def test_nothing_is_scaled_to_an_estimate_and_nothing_costs_without_a_price() -> None:
    body = list(session(1, 3))[-1]
    found = xray.xray(body, SCALE, Usage(7, 1, basis="estimated"), None)
    assert (found.reported, found.tokens, found.cost) == (None, found.counted, None)
    assert {part.cost for part in found.parts} == {None}
    assert found.as_json()["tokens_basis"] == "counted"


def test_a_report_that_can_not_be_of_this_prompt_scales_nothing() -> None:
    body = list(session(1, 3))[-1]
    found = xray.xray(body, SCALE, Usage(60, 20, 40), PRICE)
    assert (found.reported, found.tokens, found.cost, found.scaled) == (100, found.counted, None, False)
    assert found.as_json()["tokens_basis"] == "counted"


def test_the_heaviest_blocks_come_first_and_the_new_ones_are_told() -> None:
    one, two = list(recorded(4, 9))[-2:]
    found = xray.of_trace(two, one, SCALE)
    assert len(found.heaviest) == xray.HEAVIEST
    sizes = [heavy.tokens for heavy in found.heaviest]
    assert sizes == sorted(sizes, reverse=True)
    new = range(len(one.body["messages"]), len(two.body["messages"]))
    assert all(heavy.fresh == (heavy.block.message in new) for heavy in found.heaviest)


def test_each_tools_schema_calls_and_results_stand_under_its_name() -> None:
    body = list(session(1, 12))[-1]
    found = xray.xray(body, SCALE)
    asked = {part.name: part.blocks for part in found.tools if part.kind == "calls"}
    answered = {part.name: part.blocks for part in found.tools if part.kind == "results"}
    assert asked == answered
    assert {part.name for part in found.tools if part.kind == "tools"} == {t["name"] for t in body["tools"]}


def test_a_picture_in_a_result_is_a_picture() -> None:
    result = {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": [{"type": "text", "text": "x" * 80}, image(1, 300, 300)],
    }
    call = {"type": "tool_use", "id": "a", "name": "Shot", "input": {}}
    body = {"messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]}
    by = {part.kind: part for part in xray.xray(body, SCALE).parts}
    assert (by["images"].tokens, by["results"].tokens) == (120, 30)
    assert by["images"].blocks == by["results"].blocks == 1


@pytest.mark.parametrize("body", [None, 3, [], {}, {"messages": 3}, {"tools": [None]}], ids=str)
def test_what_is_no_request_has_an_xray_too(body: Json) -> None:
    record = trace(attempts=(attempt(usage=None, price=None, sent=body),))
    found = xray.of_trace(replace(record, body=body), None, SCALE)
    assert found.counted == tally(body, SCALE).total
    assert found.as_json()["cost_usd"] is None


THOUGHT = {"type": "thinking", "thinking": "The slice ends one too early.", "signature": "c2ln"}
PICTURE = image(3, 300, 300)
ASKED: dict[str, Any] = {
    "tools": [
        {"name": name, "description": f"{name} things", "input_schema": {"type": "object"}} for name in ("Read", "Bash")
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=0;"},
        {"type": "text", "text": "You are careful."},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Look at this."}, PICTURE]},
        {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Seen."}]},
        {"role": "user", "content": "Go on."},
    ],
}
CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "You are careful."},
        {"role": "user", "content": "Look at this."},
        {"role": "assistant", "content": "Seen."},
        {"role": "user", "content": "Go on."},
    ],
}


def chat(more: dict[str, Any], **messages: Any) -> dict[str, Any]:
    return {**CHAT, **more, "messages": [{**one, **messages.get(one["role"], {})} for one in CHAT["messages"]]}


def function(name: str, words: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": words, "parameters": {"type": "object"}}}


READ, BASH = function("Read", "Read things"), function("Bash", "Bash things")
URL = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE['source']['data']}"}}
LEFT: dict[str, tuple[Json, dict[str, int]]] = {
    "all": (CHAT, {"tools": 2, "system": 1, "thinking": 1, "images": 1}),
    "tools were sent": (chat({"tools": [READ, BASH]}), {"system": 1, "thinking": 1, "images": 1}),
    "one tool was sent": (chat({"tools": [READ]}), {"tools": 1, "system": 1, "thinking": 1, "images": 1}),
    "tools were renamed": (
        chat({"tools": [function("r", ""), function("b", "")]}),
        {"system": 1, "thinking": 1, "images": 1},
    ),
    "one was renamed, one left out": (
        chat({"tools": [function("r", "Read things")]}),
        {"tools": 1, "system": 1, "thinking": 1, "images": 1},
    ),
    "thinking was sent": (
        chat({}, assistant={"reasoning_content": THOUGHT["thinking"]}),
        {"tools": 2, "system": 1, "images": 1},
    ),
    "the picture was sent": (
        chat({}, user={"content": [{"type": "text", "text": "Look at this."}, URL]}),
        {"tools": 2, "system": 1, "thinking": 1},
    ),
    "the same API": ({**ASKED, "model": "m"}, {}),
    "nothing known": (None, {}),
}


@pytest.mark.parametrize(("sent", "left"), LEFT.values(), ids=LEFT)
def test_what_was_not_sent_weighs_and_costs_nothing(sent: Json, left: dict[str, int]) -> None:
    usage = Usage(90, 5)
    found = xray.xray(ASKED, SCALE, usage, PRICE, ASKED, sent, sent)
    assert {part.kind: part.unsent for part in found.parts if part.unsent} == left
    for part in found.parts:
        assert not part.is_unsent or (part.tokens, part.cost, part.grown) == (0, 0, 0)
    assert sum(part.tokens for part in found.parts) == 90
    assert sum(part.cost or 0 for part in found.parts) == found.cost == prices.cost(replace(usage, output=0), PRICE)
    assert found.counted == tally(ASKED, SCALE).total and (found.unsent > 0) == bool(left)
    assert sum(not heavy.sent for heavy in found.heaviest) == sum(left.values())


def test_what_is_sent_no_more_has_shrunk() -> None:
    found = xray.xray(ASKED, SCALE, None, None, ASKED, CHAT, chat({"tools": [READ, BASH]}))
    by = {part.kind: part for part in found.parts}
    assert (by["tools"].grown or 0) < 0 == by["prompts"].grown
    assert found.tokens == found.counted - found.unsent


def test_a_picture_in_a_result_that_was_not_sent_leaves_the_result() -> None:
    call = {"type": "tool_use", "id": "a", "name": "Shot", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x" * 80}, PICTURE]}
    body = {"messages": [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]}
    sent = {"model": "m", "messages": [{"role": "tool", "tool_call_id": "a", "content": "x" * 80}]}
    by = {part.kind: part for part in xray.xray(body, SCALE, sent=sent).parts}
    assert (by["images"].tokens, by["images"].unsent, by["results"].tokens, by["results"].unsent) == (0, 1, 30, 0)
