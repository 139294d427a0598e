"""The real client in Router mode, set up by the environment's names alone, as the original's example was."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from client import FOUR, Play, Served
from scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.claude, pytest.mark.asyncio(loop_scope="session")]

ROUTER, TOOL, CODER, THINK = FOUR
STREAMED = ("--output-format", "stream-json", "--verbose")


def asked(traces: list[dict[str, Any]], purpose: str) -> list[dict[str, Any]]:
    """The steps of that purpose, in order."""
    return [step for trace in traces for step in trace["steps"] if step["purpose"] == purpose]


def thoughts(content: Any) -> list[dict[str, Any]]:
    return [block for block in content if isinstance(block, dict) and block["type"] == "thinking"]


def grows(traces: list[dict[str, Any]]) -> None:
    """What the tool agent was sent is, each time, the beginning of what it was sent next."""
    sent = [json.dumps(step["sent"]["messages"])[:-1] for step in asked(traces, "answer")]
    for earlier, later in pairwise(sent):
        assert later.startswith(earlier)


async def test_ten_steps_cost_one_question(play_routed: Play, routed: Served, upstream: ScriptedOpenAI) -> None:
    result = await play_routed("journal:10")
    assert (result.code, result.text) == (0, "All done.")
    assert (result.folder / "journal.txt").read_text().splitlines() == [f"line {n}" for n in range(1, 11)]
    assert upstream.models() == [ROUTER, *[TOOL] * 11]
    assert upstream.faults == []
    rows = routed.rows("--session", result.session)
    assert [(row["outcome"], row["mode"], row["agent"]) for row in rows] == [("ok", "router", "tool")] * 11
    assert [row["rule"] for row in rows] == ["router", *["continued"] * 10]
    traces = routed.traces(result.session)
    assert [len(asked([trace], "route")) for trace in traces] == [1, *[0] * 10]
    assert traces[0]["decision"]["reason"] == "tool (llm_classifier)"
    grows(traces)


async def test_each_turn_of_the_persons_costs_one_question(play_routed: Play, routed: Served) -> None:
    first = await play_routed("journal:2")
    second = await play_routed("journal:2", "--resume", first.session)
    assert second.session == first.session
    assert (second.folder / "journal.txt").read_text().split("\n") == ["line 1", "line 2"] * 2 + [""]
    traces = routed.traces(first.session)
    assert [len(asked([trace], "route")) for trace in traces] == [1, 0, 0] * 2
    grows(traces)


async def test_what_another_agent_worked_out_is_shown_kept_and_sent_back(
    play_routed: Play, routed: Served, upstream: ScriptedOpenAI
) -> None:
    said = "Write the file. [[hops:think,coder]]"
    first = await play_routed("tools", *STREAMED, say=said)
    assert (first.code, first.text) == (0, "All done.")
    assert (first.folder / "hello.txt").read_text() == "hello from the script\n"
    assert upstream.models() == [ROUTER, THINK, ROUTER, CODER, ROUTER, *[TOOL] * 4]
    shown = [block for line in first.lines if line["type"] == "assistant" for block in line["message"]["content"]]
    worked = ["What is asked for? A file. ", "The plan: write it, then read it.", "```sh\necho hello > hello.txt\n```"]
    assert [block["thinking"] for block in thoughts(shown)] == worked

    await play_routed("text", "--resume", first.session, say="Thank you.")
    traces = routed.traces(first.session)
    assert traces[0]["decision"]["reason"] == "think → coder → tool (llm_classifier)"
    sent = thoughts(traces[0]["response"]["content"])
    assert [block["thinking"] for block in sent] == worked
    for trace in traces[1:]:
        back = next(message for message in trace["request"]["messages"] if message["role"] == "assistant")
        assert thoughts(back["content"]) == sent
    grows(traces)
    last = json.dumps(asked(traces, "answer")[-1]["sent"]["messages"])
    assert [last.count(json.dumps(text)[1:-1]) for text in worked] == [0, 1, 1]
    assert [step["error"] for trace in traces for step in trace["steps"]] == [None] * 11
    routed.call("traces", "verify")


async def test_a_subagent_begins_a_turn_of_its_own(play_routed: Play, routed: Served, upstream: ScriptedOpenAI) -> None:
    result = await play_routed("agent")
    assert (result.code, result.text) == (0, "All done.")
    assert upstream.faults == []
    traces = routed.traces(result.session)
    mine, its = ([trace for trace in traces if (trace["agent_id"] is None) is own] for own in (True, False))
    assert [len(asked([trace], "route")) for trace in mine] == [1, 0]
    assert [len(asked([trace], "route")) for trace in its] == [1, 0]
    assert {trace["decision"]["agent"] for trace in traces} == {"tool"}
    grows(mine)
    grows(its)
