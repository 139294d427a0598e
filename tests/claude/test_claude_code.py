"""The real client: what it does with our answers, and what stands in the traces afterwards."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from client import Play, Served
from scripted_openai import ScriptedOpenAI

pytestmark = [pytest.mark.claude, pytest.mark.asyncio(loop_scope="session")]


async def test_it_writes_and_reads_a_file_over_several_turns(
    play: Play, served: Served, upstream: ScriptedOpenAI
) -> None:
    result = await play("tools")
    assert (result.code, result.text) == (0, "All done.")
    assert (result.folder / "hello.txt").read_text() == "hello from the script\n"
    rows = served.rows("--session", result.session)
    assert [row["outcome"] for row in rows] == ["ok"] * 4
    assert [row["stop_reason"] for row in rows] == ["tool_use"] * 3 + ["end_turn"]
    assert {row["session"] for row in rows} == {result.session}
    assert {row["project"] for row in rows} == {str(result.folder)}
    assert all(row["agent_id"] is None and row["model"] and row["provider"] for row in rows)
    assert all(row["estimated_input_tokens"] > 1000 for row in rows)
    assert upstream.labels() == [f"tools[{step}]" for step in range(4)]
    assert upstream.faults == []
    last = upstream.last.body["messages"]
    assert any(message["role"] == "tool" and "hello from the script" in message["content"] for message in last)
    served.call("traces", "verify")


async def test_the_prefix_of_the_prompt_stays_the_same_from_turn_to_turn(play: Play, upstream: ScriptedOpenAI) -> None:
    await play("loop:4")
    sent = [json.dumps(request.body["messages"])[:-1] for request in upstream.requests]
    assert len(sent) == 5
    for earlier, later in pairwise(sent):
        assert later.startswith(earlier)


async def test_sessions_and_spend_know_the_run(play: Play, served: Served) -> None:
    result = await play("text")
    sessions = [json.loads(line) for line in served.call("sessions", "--json").splitlines()]
    assert result.session in {entry["id"] for entry in sessions}
    spend = [json.loads(line) for line in served.call("spend", "--by", "session", "--json").splitlines()]
    assert result.session in json.dumps(spend)


async def test_parallel_tools_run_and_their_results_come_back_in_order(play: Play, upstream: ScriptedOpenAI) -> None:
    result = await play("parallel")
    assert result.code == 0
    assert (result.folder / "three.txt").read_text() == "3\n"
    results = [message for message in upstream.last.body["messages"] if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in results] == ["call_1", "call_2", "call_3"]
    assert ["one" in results[0]["content"], "two" in results[1]["content"]] == [True, True]
    assert upstream.faults == []


async def test_thinking_is_shown_kept_and_sent_back_by_the_client(
    play: Play, served: Served, upstream: ScriptedOpenAI
) -> None:
    result = await play("think")
    assert (result.code, result.text) == (0, "Done thinking.")
    assert upstream.labels() == ["think[0]", "think[1]"]
    second = served.rows("--session", result.session)[-1]
    asked = json.loads(served.call("traces", "show", second["id"], "--json"))["request"]
    blocks = [block for message in asked["messages"] if message["role"] == "assistant" for block in message["content"]]
    thought = next(block for block in blocks if block["type"] == "thinking")
    assert thought["thinking"] == "Let me think about it."
    assert thought["signature"].startswith("ccr-tui")


async def test_a_subagent_is_told_apart(play: Play, served: Served, upstream: ScriptedOpenAI) -> None:
    result = await play("agent")
    assert (result.code, result.text) == (0, "All done.")
    rows = served.rows("--session", result.session)
    agents = {row["agent_id"] for row in rows}
    assert len(agents) == 2 and None in agents
    assert sum(row["agent_id"] is not None for row in rows) == 2
    assert upstream.faults == []


FINAL = [
    ("http:401", 1, 401),
    ("http:402", 1, 402),
    ("http:403", 1, 403),
    ("http:400", 6, 400),  # the client leaves out one thing after another, whatever x-should-retry says
    ("quota", 1, 429),
]


@pytest.mark.parametrize(("scenario", "requests", "status"), FINAL, ids=[case[0] for case in FINAL])
async def test_a_useless_request_is_not_made_again(
    scenario: str, requests: int, status: int, play: Play, upstream: ScriptedOpenAI
) -> None:
    result = await play(scenario)
    assert (result.code, result.said["is_error"]) == (1, True)
    assert result.said["api_error_status"] == status
    assert len(upstream.requests) <= requests
    assert "scripted" in result.text.lower() or "quota" in result.text.lower()


async def test_a_busy_provider_is_asked_again_when_it_says(play: Play, upstream: ScriptedOpenAI) -> None:
    result = await play("http:429,2,1")
    assert (result.code, result.text) == (0, "All done.")
    assert len(upstream.requests) == 3


async def test_too_long_a_prompt_is_recognised(play: Play, upstream: ScriptedOpenAI) -> None:
    result = await play("overflow:openai")
    assert result.said["terminal_reason"] == "prompt_too_long"
    assert len(upstream.requests) <= 2


async def test_too_long_an_output_is_asked_again_with_less(play: Play, upstream: ScriptedOpenAI) -> None:
    result = await play("overflow:output")
    assert (result.code, result.text) == (0, "All done.")
    limits = [request.body.get("max_tokens") or request.body["max_completion_tokens"] for request in upstream.requests]
    assert len(limits) == 2
    assert limits[1] < 131_072 - 108_000 < limits[0]


@pytest.mark.parametrize("scenario", ["miderrtool:1", "cuttool:1", "cutinside:1"])
async def test_a_tool_never_runs_twice_when_the_answer_breaks(
    scenario: str, play: Play, served: Served, upstream: ScriptedOpenAI
) -> None:
    result = await play(scenario)
    ran = result.folder / "ran.txt"
    assert (ran.read_text().count("once") if ran.exists() else 0) <= 1
    assert (result.code, result.text) == (0, "All done.")
    rows = served.rows("--session", result.session)
    assert rows[0]["outcome"] == "error"
    assert rows[-1]["outcome"] == "ok"


@pytest.mark.parametrize("scenario", ["miderr:1", "cut:1", "rst:1", "refused:1", "firsterr:1"])
async def test_it_recovers_when_an_answer_breaks_once(scenario: str, play: Play) -> None:
    result = await play(scenario)
    assert (result.code, result.text) == (0, "All done.")


async def test_the_store_is_whole_after_all_that(play: Play, served: Served) -> None:
    await play("text")
    served.call("traces", "verify")
