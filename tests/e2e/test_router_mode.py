"""Router mode over real sockets: who was asked, in which order, what the client saw, and what the trace says.

Every model is played by name; a part is a list of answers, used up one after the other.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cast import SILENCE, TOOL_CALL, Cast, config_of, play, turn, use
from clients import BASH, blocks_of

from ccr_tui import host
from ccr_tui.config import UserRule, When
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast() -> AsyncIterator[Cast]:
    async with Cast() as playing:
        yield playing


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def routed(cast: Cast, counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[host.House]:
    async with host.open(config_of(cast, tmp_path_factory.mktemp("routed")), counter) as house:
        yield house


TURNS: list[tuple[str, dict[str, list[Any]], list[str], str]] = [
    ("tool at once", {"r": [use("tool")], "t": ["done"]}, ["r", "t"], "tool (llm_classifier)"),
    ("the original's names", {"r": [use("use-tool")], "t": ["done"]}, ["r", "t"], "tool (llm_classifier)"),
    ("think, then tool", {"r": [use("think"), use("tool")], "k": ["plan"], "t": ["done"]}, ["r", "k", "r", "t"],
     "think → tool (llm_classifier)"),
    ("think, code, tool", {"r": [use("thinker"), use("coder"), use("tool")], "k": ["plan"], "c": ["code"],
     "t": ["done"]}, ["r", "k", "r", "c", "r", "t"], "think → coder → tool (llm_classifier)"),
    ("a stubborn router ends", {"r": [use("think"), use("coder"), use("think")], "k": ["a", "b"], "c": ["code"],
     "t": ["done"]}, ["r", "k", "r", "c", "r", "k", "t"], "think → coder → think → tool (max_hops_reached)"),
    ("the same again is not offered", {"r": [use("think"), use("think")], "k": ["plan"], "t": ["done"]},
     ["r", "k", "r", "t"], "think → tool (unknown_agent_fallback)"),
    ("prose", {"r": ["Let me do it myself."], "t": ["done"]}, ["r", "t"], "tool (parse_failure_fallback)"),
    ("fenced", {"r": ['```json\n{"use": "coder"}\n```', use("tool")], "c": ["code"], "t": ["done"]},
     ["r", "c", "r", "t"], "coder → tool (llm_classifier)"),
    ("a stranger", {"r": [use("nobody")], "t": ["done"]}, ["r", "t"], "tool (unknown_agent_fallback)"),
    ("nothing", {"r": [""], "t": ["done"]}, ["r", "t"], "tool (empty_answer_fallback)"),
    ("a tool call", {"r": [TOOL_CALL], "t": ["done"]}, ["r", "t"], "tool (empty_answer_fallback)"),
    ("only thoughts", {"r": [{"reasoning_content": "hm " * 500}], "t": ["done"]}, ["r", "t"],
     "tool (empty_answer_fallback)"),
    ("a refused router", {"r": [400], "t": ["done"]}, ["r", "t"], "tool (router_error_fallback)"),
    ("a refused thinker", {"r": [use("think")], "k": [400], "t": ["done"]}, ["r", "k", "t"],
     "tool (think_failed_fallback)"),
    ("a thinker who says nothing", {"r": [use("think")], "k": [{"reasoning_content": "hm"}], "t": ["done"]},
     ["r", "k", "t"], "tool (think_failed_fallback)"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize(("parts", "order", "reason"), [case[1:] for case in TURNS], ids=[case[0] for case in TURNS])
async def test_a_users_turn(
    routed: host.House, cast: Cast, parts: dict[str, Any], order: list[str], reason: str, stream: bool,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    cast.plays(**{name: list(lines) for name, lines in parts.items()})
    message, trace = await play(routed, turn(f"{request.node.name}: do it", stream=stream))
    assert cast.order() == order
    assert blocks_of(message)[-1] == ("text", "done")
    assert {kind for kind, *_ in blocks_of(message)[:-1]} <= {"thinking"}
    assert trace.decision is not None
    assert (trace.decision.agent, trace.decision.rule) == ("tool", "router")
    assert trace.decision.reason == reason
    purposes = {"r": "route", "k": "think", "c": "code", "t": "answer"}
    assert [attempt.purpose for attempt in trace.attempts] == [purposes[name] for name in order]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_a_silent_router_is_done_without(cast: Cast, counter: Counter, tmp_path: Path, stream: bool) -> None:
    cast.plays(r=[SILENCE], t=["done"])
    async with host.open(config_of(cast, tmp_path, deadline_s=1.0), counter) as house:
        message, trace = await play(house, turn("Do it.", stream=stream))
    assert (cast.order(), blocks_of(message)) == (["r", "t"], [("text", "done")])
    assert trace.decision is not None
    assert (trace.decision.agent, trace.decision.reason) == ("tool", "tool (router_timeout_fallback)")
    assert [attempt.purpose for attempt in trace.attempts] == ["route", "answer"]


async def test_inside_a_tool_loop_nobody_is_asked(routed: host.House, cast: Cast) -> None:
    cast.plays(r=[use("think"), use("tool")], k=["Use ls."], t=[TOOL_CALL, *[TOOL_CALL] * 9, "done"])
    body = turn("List the files, ten times.")
    messages = body["messages"]
    for step in range(11):
        message, _ = await play(routed, body)
        calls = [block for block in message["content"] if block["type"] == "tool_use"]
        messages.append({"role": "assistant", "content": message["content"]})
        messages.append({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": call["id"], "content": f"a.py {step}"} for call in calls
        ] or "Thanks."})  # fmt: skip
    assert cast.order() == ["r", "k", "r", *["t"] * 11]
    assert message["content"][-1]["text"] == "done"


async def test_a_result_stays_in_the_tool_agents_prefix(routed: host.House, cast: Cast) -> None:
    cast.plays(r=[use("think"), use("tool"), use("tool")], k=["First the parser."], t=[TOOL_CALL, "done", "yes"])
    body = turn("Where do I begin?")
    sent = []
    for result in ("parser.py", None, None):
        message, _ = await play(routed, body)
        sent.append([said for name, said in cast.asked if name == "t"][-1])
        calls = [block for block in message["content"] if block["type"] == "tool_use"]
        body["messages"].append({"role": "assistant", "content": message["content"]})
        content = [{"type": "tool_result", "tool_use_id": call["id"], "content": result} for call in calls]
        body["messages"].append({"role": "user", "content": content or "And then?"})
    for before, after in pairwise(sent):
        assert json.dumps(after["messages"]).startswith(json.dumps(before["messages"])[:-1])
        assert before["tools"] == after["tools"]
    assert sum("First the parser." in str(said["content"]) for said in sent[-1]["messages"]) == 1


async def test_agents_without_tools_get_none_and_strictly_take_turns(routed: host.House, cast: Cast) -> None:
    cast.plays(r=[use("coder"), use("tool")], c=["def f(): ..."], t=["done"])
    call = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "tool_use_id": "call_1", "content": "a.py"}
    history = [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": "There is a.py."},
        {"role": "user", "content": "Now write f."},
    ]
    message, _ = await play(routed, turn("What is there?", *history))
    coder = next(body for name, body in cast.asked if name == "c")
    assert "tools" not in coder
    roles = [said["role"] for said in coder["messages"]]
    assert all(one != other for one, other in pairwise(roles))
    assert blocks_of(message) == [("thinking", "def f(): ..."), ("text", "done")]


async def test_the_very_same_question_is_answered_from_memory(routed: host.House, cast: Cast) -> None:
    cast.plays(r=[use("tool")], t=["once", "twice"])
    await play(routed, turn("Only asked once."))
    _, trace = await play(routed, turn("Only asked once."))
    assert cast.order() == ["r", "t", "t"]
    assert trace.decision is not None
    assert trace.decision.reason == "tool (router_cache)"


async def test_the_question_is_small_and_names_the_agents(routed: host.House, cast: Cast, counter: Counter) -> None:
    cast.plays(r=[use("tool")], t=["done"])
    await play(routed, turn("word " * 20_000, tools=[{**BASH, "name": f"Tool{n}"} for n in range(200)]))
    asked = dict(cast.asked)["r"]
    assert sum(counter.text(said["content"]) for said in asked["messages"]) <= 2000
    assert "tools" not in asked
    assert asked["response_format"]["json_schema"]["schema"]["properties"]["use"]["enum"] == ["tool", "coder", "think"]


async def test_the_routers_cost_is_in_the_total_and_shown(cast: Cast, counter: Counter, tmp_path: Path) -> None:
    from ccr_tui.records import Price

    config = config_of(cast, tmp_path)
    price = Price(1_000_000_000, 2_000_000_000, source="test", basis="user")
    config = replace(config, models={name: replace(model, price=price) for name, model in config.models.items()})
    cast.plays(r=[use("think"), use("tool")], k=["plan"], t=["done"])
    async with host.open(config, counter) as house:
        _, trace = await play(house, turn("What does it cost?"))
        row = await asyncio.to_thread(house.reader.row, trace.uid)
    one = 50 * 1000 + 5 * 2000
    assert [attempt.cost for attempt in trace.attempts] == [one] * 4
    assert (row.cost, row.router_cost) == (4 * one, 2 * one)


async def test_a_title_is_not_the_routers_business(routed: host.House, cast: Cast) -> None:
    cast.plays(t=['{"title": "x"}'])
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    await play(routed, turn("A title, please.", tools=[], output_config=wanted, stream=False))
    assert cast.order() == ["t"]


async def test_an_agent_that_a_rule_names_works_aside_and_the_tool_agent_speaks(
    cast: Cast, counter: Counter, tmp_path: Path
) -> None:
    rule = UserRule("hard ones", When(text=re.compile("prove")), agent="think")
    cast.plays(k=["It ends."], t=["done"])
    async with host.open(replace(config_of(cast, tmp_path), rules=(rule,)), counter) as house:
        message, trace = await play(house, turn("Please prove it."))
    assert cast.order() == ["k", "t"]
    assert blocks_of(message) == [("thinking", "It ends."), ("text", "done")]
    assert trace.decision is not None
    assert (trace.decision.agent, trace.decision.rule) == ("tool", "ruled")
    assert trace.decision.reason == "think → tool (by_rule)"


async def test_the_router_can_be_asked_without_a_client(cast: Cast, tmp_path: Path) -> None:
    from ccr_tui.asking_router import ask_router

    cast.plays(r=[use("think")])
    found = await ask_router(config_of(cast, tmp_path), turn("Is it true?"), {})
    assert (found["agent"], found["cause"], found["said"]) == ("think", "llm_classifier", use("think"))
    assert (found["model"], found["input_tokens"], found["output_tokens"], found["cost_usd"]) == ("r", 50, 5, None)
