"""Why a prompt was not read from the cache: a table of constructed cases, and laws over recorded sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from generated import STARTED, chat_body, session, sessions
from hypothesis import given, settings

from ccr_tui import caching, prefix
from ccr_tui.records import Json, Price, Usage
from ccr_tui.verdict import Call, Verdict, judge

PRICE = Price(1_000_000_000, 4_000_000_000, 100_000_000)
RULES = caching.RULES["qwen"]


class Letters:
    """A scale on which four characters are a token: exact, and in no need of a tokenizer."""

    def weigh(self, text: str) -> tuple[int, int]:
        return -(-len(text) // 4), 0

    def pages(self, data: str) -> int | None:
        return None


SCALE = Letters()

SYSTEM = {"role": "system", "content": "You are a careful engineer. " * 40}
ASK = {"role": "user", "content": "Find out why the parser drops the last record. " * 60}
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "Read", "arguments": '{"path":"a.py"}'}}],
}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "def parse(lines):\n    return lines[:-1]\n" * 40}
SAID = {"role": "assistant", "content": "The slice ends one too early."}
MORE = {"role": "user", "content": "Mend it."}


def tool(name: str, words: str = "does things") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": words, "parameters": {"type": "object"}}}


TOOLS = [tool("Bash"), tool("Read"), tool("Write")]


def body(*messages: Json, tools: Json = None, **more: Any) -> dict[str, Any]:
    return {"model": "qwen-max", "messages": list(messages), "tools": TOOLS if tools is None else tools, **more}


def call(sent: Json, uid: str = "now", at: float = 60.0, cached: int | None = 0, **more: Any) -> Call:
    """A request at `at` seconds; the provider reports exactly what is counted, and so much of it from its cache."""
    whole = prefix.compare(None, sent, SCALE).raw_now
    usage = Usage(whole, 10, basis="estimated") if cached is None else Usage(whole - cached, 10, cached)
    given: dict[str, Any] = {"provider": "dashscope", "model": "qwen-max", "kind": "main", "price": PRICE}
    return Call(uid=uid, sent=sent, usage=usage, started_at=STARTED + at, **(given | more))


FIRST = body(SYSTEM, ASK)
SECOND = body(SYSTEM, ASK, CALL, RESULT)
THIRD = body(SYSTEM, ASK, CALL, RESULT, SAID, MORE)
ALL = 10**6
"""As much from the cache as both prompts share."""


def common(before: Json, now: Json) -> int:
    return prefix.compare(before, now, SCALE).raw


CASES: list[tuple[str, Json, Json, dict[str, Any], str, str]] = [
    ("grew", FIRST, SECOND, {"cached": ALL}, "all", "only grew at its end, and what was sent before was read"),
    ("same", SECOND, SECOND, {"cached": ALL}, "all", "The very prompt of before"),
    ("tools", body(SYSTEM, ASK, tools=TOOLS[:2]), SECOND, {}, "nothing", "The tools changed: added Write"),
    ("tools", SECOND, body(SYSTEM, ASK, tools=TOOLS[1:]), {}, "nothing", "removed Bash"),
    (
        "tools",
        SECOND,
        body(SYSTEM, ASK, tools=[*TOOLS[:2], tool("Write", "new words")]),
        {},
        "nothing",
        "changed Write",
    ),
    ("tools_reordered", SECOND, body(SYSTEM, ASK, tools=TOOLS[::-1]), {}, "nothing", "another order, from Write on"),
    (
        "system",
        FIRST,
        body({**SYSTEM, "content": SYSTEM["content"] + "It is Monday."}, ASK, CALL, RESULT),
        {},
        "nothing",
        f"system prompt changed at character {len(SYSTEM['content']):,} of its 1st block",
    ),
    (
        "edited",
        SECOND,
        body(SYSTEM, {**ASK, "content": "Find it."}, CALL, RESULT),
        {},
        "nothing",
        "The prompt of message 2",
    ),
    (
        "edited",
        THIRD,
        body(SYSTEM, ASK, CALL, {**RESULT, "content": "[old result cleared]"}, SAID, MORE),
        {},
        "nothing",
        "The result of Read of message 4 was edited at character 0",
    ),
    (
        "edited",
        THIRD,
        body(SYSTEM, ASK, SAID, MORE, MORE),
        {},
        "nothing",
        "The call of Read of message 3 was replaced by an answer",
    ),
    ("shortened", THIRD, body(SYSTEM, ASK, CALL, RESULT), {}, "nothing", "taken back to the answer of message 5"),
    (
        "shortened",
        body(SYSTEM, ASK, SAID, MORE, SAID, MORE),
        body(SYSTEM, ASK, SAID, ASK),
        {},
        "nothing",
        "taken back to the prompt of message 4",
    ),
    (
        "compacted",
        THIRD,
        body(
            SYSTEM, {"role": "user", "content": "This session is being continued from a previous conversation that …"}
        ),
        {},
        "nothing",
        "a summary stands where its messages stood",
    ),
    ("expired", FIRST, SECOND, {"at": 660.0}, "nothing", "began 11 minutes ago, and such a cache lives 5 minutes"),
    ("lost", FIRST, SECOND, {}, "nothing", "yet the provider read 0 of"),
    (
        "lost",
        body(SYSTEM, ASK, RESULT, RESULT, RESULT),
        body(SYSTEM, ASK, RESULT, RESULT, RESULT, SAID, MORE),
        {"cached": 300},
        "part",
        "yet the provider read only 300 of",
    ),
    (
        "too_short",
        body(MORE, tools=[]),
        body(MORE, SAID, MORE, tools=[]),
        {},
        "nothing",
        "is shorter than what qwen keeps (256)",
    ),
    ("settings", FIRST, {**SECOND, "reasoning_effort": "high"}, {}, "nothing", "but reasoning_effort changed"),
    ("unreported", FIRST, SECOND, {"cached": None}, "unknown", "was not reported"),
    ("model", FIRST, SECOND, {"model": "qwen-plus"}, "nothing", "went to qwen-max, this one to qwen-plus"),
    (
        "provider",
        FIRST,
        SECOND,
        {"provider": "deepseek"},
        "nothing",
        "this one to qwen-max at deepseek: no cache is shared",
    ),
]


@pytest.mark.parametrize(
    ("cause", "before", "now", "changes", "served", "words"),
    CASES,
    ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)],
)
def test_the_cause_is_told(
    cause: str, before: Json, now: Json, changes: dict[str, Any], served: str, words: str
) -> None:
    if changes.get("cached") == ALL:
        changes = {**changes, "cached": common(before, now)}
    verdict = asked(call(before, "before", 0.0), call(now, **changes))
    assert (verdict.cause, verdict.served) == (cause, served), verdict.sentence
    assert words in verdict.sentence
    assert verdict.against == "before"


OWN = [{"name": name, "input_schema": {"type": "object"}} for name in ("Bash", "Read", "Write")]


def forced(name: str, before: str = "", own: Json = None) -> Verdict:
    """A request that forces a tool, after one that forced another (or forbade them all)."""
    wants = {"type": "tool", "name": before} if before else {"type": "none"}
    was = body(SYSTEM, ASK, tools=[tool(before)] if before else [])
    first = call(was, "before", 0.0, received={"tools": OWN, "tool_choice": wants})
    chosen = {"tools": OWN if own is None else own, "tool_choice": {"type": "tool", "name": name}}
    return asked(first, call(body(SYSTEM, ASK, CALL, RESULT, tools=[tool(name)]), received=chosen))


def test_the_client_is_not_blamed_for_tools_that_ccr_tui_left_out() -> None:
    words = forced("Bash", "Read").sentence
    assert words.startswith("qwen-max was sent other tools than before: added Bash; removed Read. The client's are")
    assert "the same: the one before forces Read, which ccr-tui sent alone; this one forces Bash, which" in words
    assert "the one before forbids tools, so ccr-tui sent none; this one forces Bash" in forced("Bash").sentence
    assert forced("Bash", "Read", OWN[:1]).sentence.startswith("The tools changed: added Bash; removed Read.")


def test_what_was_missed_is_not_told_as_read() -> None:
    """A short prompt has slack for what a cache rounds off, and only where it has just grown."""
    now = body(SYSTEM, ASK, CALL, RESULT, tools=[tool("Bash")])
    whole = prefix.compare(None, body(SYSTEM, ASK), SCALE).raw_now
    for cached in range(0, whole, 7):
        verdict = asked(call(body(SYSTEM, ASK), "before", 0.0), call(now, cached=cached))
        assert verdict.cause == "tools" and (verdict.served == "all") == (not verdict.missed)


def asked(before: Call | None, now: Call, **more: Any) -> Verdict:
    warm = before if before and (before.provider, before.model) == (now.provider, now.model) else None
    return judge(now, before, more.pop("warm", warm), SCALE, more.pop("rules", RULES))


def test_the_first_request_has_nothing_before_it() -> None:
    verdict = asked(None, call(FIRST))
    assert (verdict.cause, verdict.against, verdict.lost) == ("first", None, None)
    assert "kept from another one" in asked(None, call(FIRST, cached=500)).sentence


OTHER = body(SYSTEM, ASK, CALL, RESULT, tools=[tool("Grep")])


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        (OTHER, SECOND, {"cached": 74}),
        (SECOND, body({**SYSTEM, "content": "You are terse."}, ASK, CALL, RESULT, tools=[]), {"cached": 74}),
        (FIRST, SECOND, {"cached": 74, "model": "qwen-plus"}),
        (FIRST, SECOND, {"cached": 74, "provider": "deepseek"}),
        (None, SECOND, {"cached": 74}),
    ],
    ids=["tools", "no tools", "model", "provider", "first"],
)
def test_what_was_read_though_nothing_is_in_common_came_from_another_request(
    before: Json, now: Json, changes: dict[str, Any]
) -> None:
    earlier = None if before is None else call(before, "before", 0.0)
    verdict = asked(earlier, call(now, **changes), rules=caching.NONE)
    told = " ".join((verdict.sentence, *verdict.further))
    assert "another" in told and "nothing behind them is found" not in told
    assert verdict.rules is not None and "no prompt cache is known of" not in verdict.rules.source
    assert "that it has a cache" in verdict.rules.source


def test_where_nothing_was_read_nothing_is_said_of_another_request() -> None:
    verdict = asked(call(OTHER, "before", 0.0), call(SECOND), rules=caching.NONE)
    assert "nothing behind them is found" in verdict.sentence and not verdict.further
    assert verdict.rules == caching.NONE


def test_nothing_is_missed_where_no_cache_could_have_kept_it() -> None:
    for earlier, now, rules in (
        (OTHER, SECOND, caching.NONE),
        (FIRST, SECOND, caching.NONE),
        (OTHER, SECOND, replace(RULES, minimum=10**6)),
    ):
        verdict = asked(call(earlier, "before", 0.0), call(now, cached=0), rules=rules)
        assert (verdict.missed, verdict.lost) == (0, 0)


def test_nobody_was_asked() -> None:
    assert judge(None, call(FIRST), None, SCALE, RULES).cause == "nothing_sent"


def test_what_a_miss_cost_is_what_a_hit_would_have_saved() -> None:
    verdict = asked(call(FIRST, "before", 0.0), call(SECOND))
    assert verdict.unchanged == verdict.missed == common(FIRST, SECOND) + 3  # what primes the answer
    assert verdict.lost == verdict.missed * 900
    hit = asked(call(FIRST, "before", 0.0), call(SECOND, cached=common(FIRST, SECOND)))
    assert (hit.missed, hit.lost) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [({"price": None}, None), ({"cached": None}, None), ({"price": replace(PRICE, cache_read=None)}, 0)],
    ids=["no price", "no report", "no discount"],
)
def test_what_a_miss_cost_is_unknown_without_a_price_or_a_report(changes: dict[str, Any], lost: int | None) -> None:
    assert asked(call(FIRST, "before", 0.0), call(SECOND, **changes)).lost == lost


def test_going_back_to_a_model_is_compared_with_its_own_last_request() -> None:
    warm, between = call(FIRST, "warm", 0.0), call(SECOND, "between", 30.0, model="deepseek-v4")
    verdict = asked(between, call(THIRD, cached=common(FIRST, THIRD)), warm=warm)
    assert (verdict.cause, verdict.served, verdict.against) == ("grew", "all", "warm")
    assert verdict.further[0].startswith("In between, deepseek-v4 at dashscope was asked")


def test_the_first_difference_is_told_with_what_stands_around_it() -> None:
    changed = {**RESULT, "content": RESULT["content"].replace("lines[:-1]", "lines[:-2]", 2).replace("-2", "-1", 1)}
    verdict = asked(call(THIRD, "before", 0.0), call(body(SYSTEM, ASK, CALL, changed, SAID, MORE)))
    assert verdict.prefix is not None and (found := verdict.prefix.difference) is not None
    at = RESULT["content"].index("-1", 60) + 1
    assert (found.character, found.was[:3], found.became[:3]) == (at, "1]\n", "2]\n")
    assert found.common.endswith("return lines[:-")
    assert found.now is not None and found.now.where == ("messages", 3, "content")
    assert verdict.as_json()["first_difference"]["block_now"] == ["messages", 3, "content"]


def test_marks_of_anthropic_caches_are_no_change() -> None:
    one, two = list(session(3, 2))
    assert one != two
    assert prefix.compare(one, two, SCALE).whole


def test_a_changed_billing_block_breaks_the_prefix_at_its_first_byte() -> None:
    one, two = list(session(3, 2))
    system = [{**two["system"][0], "text": two["system"][0]["text"].replace("cli;", "sdk;")}, *two["system"][1:]]
    verdict = asked(call(one, "before", 0.0), call({**two, "system": system}))
    assert verdict.cause == "system"
    assert verdict.prefix is not None and verdict.prefix.difference is not None
    assert verdict.prefix.difference.became == "sdk;"


@settings(max_examples=15, deadline=None)
@given(sessions())
def test_every_turn_of_a_session_has_only_grown(bodies: list[dict[str, Any]]) -> None:
    for shape in (lambda b: b, chat_body):
        for one, two in pairwise(bodies):
            before, now = shape(one), shape(two)
            found = prefix.compare(before, now, SCALE)
            assert found.whole
            assert found.raw <= found.raw_before <= found.raw_now
            assert asked(call(before, "before", 0.0), call(now, cached=found.raw)).cause in ("grew", "same")


@settings(max_examples=15, deadline=None)
@given(sessions())
def test_a_prompt_compared_with_itself_is_common_to_its_end(bodies: list[dict[str, Any]]) -> None:
    found = prefix.compare(bodies[-1], bodies[-1], SCALE)
    assert found.difference is None
    assert found.raw_now - found.raw == 3


BENDS: list[tuple[str, Callable[[dict[str, Any]], Json]]] = [
    ("not an object", lambda b: [b]),
    ("no messages", lambda b: {k: v for k, v in b.items() if k != "messages"}),
    ("messages of numbers", lambda b: {**b, "messages": [1, None, "x"]}),
    ("a tool of text", lambda b: {**b, "tools": ["x", 2]}),
    ("content of objects", lambda b: {**b, "messages": [{"role": "user", "content": {"a": 1}}]}),
    ("nothing", lambda _: None),
]


@pytest.mark.parametrize("bend", [bend for _, bend in BENDS], ids=[name for name, _ in BENDS])
def test_odd_bodies_get_a_verdict_too(bend: Callable[[dict[str, Any]], Json]) -> None:
    for before, now in ((bend(FIRST), SECOND), (FIRST, bend(SECOND)), (bend(FIRST), bend(SECOND))):
        verdict = asked(call(before, "before", 0.0), call(now))
        assert verdict.sentence
        assert verdict.as_json()["cause"] == verdict.cause
