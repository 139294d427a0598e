"""Every answer that an upstream may give, as the client receives it: streamed, and whole.

A case names a scenario of the scripted upstream and what becomes of it. What is checked of each: the content and the
stop reason, that the stream and the whole answer are the same message, that the events obey the grammar, and that the
trace holds the very message that was received.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from clients import ask, blocks_of, folded, parse_sse
from places import Place
from scenarios import HARD

from ccr_tui.proxy.anthropic import Grammar

pytestmark = pytest.mark.asyncio(loop_scope="session")

THOUGHT = [("thinking", "Let me think."), ("text", "Thought.")]


def bash(command: str) -> tuple[str, str, dict[str, str]]:
    return ("tool_use", "Bash", {"command": command})


def described(command: str) -> tuple[str, str, dict[str, str]]:
    return ("tool_use", "Bash", {"command": command, "description": "run it"})


@dataclass(frozen=True)
class Case:
    """A scenario, and the message that it becomes."""

    scenario: str
    blocks: list[Any]
    stop: str = "end_turn"
    model: str = "claude-ccr-scripted"
    plain: list[Any] | None = None
    """The blocks when it is not streamed, where chat completions can't say it in the same order."""


CASES = [
    Case("text", [("text", "All done.")]),
    Case("reasoning_content", THOUGHT),
    Case("reasoning", THOUGHT),
    Case("reasoning_details", THOUGHT),
    Case("thinktags", THOUGHT, model="claude-ccr-tagged"),
    Case("reasononly", [("thinking", "Let me think.")]),
    Case(
        "think", [("thinking", "Let me think about it."), ("text", "Thought."), described("echo thought")], "tool_use"
    ),
    Case("onetool", [("text", "Running."), described("echo one")], "tool_use"),
    Case("parallel2", [described("echo one"), described("echo two")], "tool_use"),
    Case("interleaved", [bash("echo a"), bash("echo b")], "tool_use"),
    Case("onedelta", [bash("echo 0"), bash("echo 1")], "tool_use"),
    Case("noindex", [bash("echo 1"), bash("echo 2")], "tool_use"),
    Case(
        "texttool",
        [("text", "Before."), described("echo t"), ("text", "After.")],
        "tool_use",
        plain=[("text", "Before.After."), described("echo t")],
    ),
    Case("stoptool", [described("echo stop")], "tool_use"),
    Case("toolnotool", [("text", "No tool here.")]),
    Case("dupid", [described("echo 1"), described("echo 2")], "tool_use"),
    Case("noid", [described("echo noid")], "tool_use"),
    Case("badid", [described("echo badid")], "tool_use"),
    Case("badjson", [bash("echo bad")], "tool_use"),
    Case("emptyargs", [("tool_use", "Bash", {})], "tool_use"),
    Case("objectargs", [bash("x")], "tool_use"),
    Case("legacycall", [bash("x")], "tool_use"),
    Case("length", [("text", "cut off at")], "max_tokens"),
    Case("filtered", [("text", "I was")], "refusal"),
    Case("refusal", [("text", "I can't help with that.")], "refusal"),
    Case("oddfinish", [("text", "odd")]),
    Case("nofinish", [("text", "no finish reason")]),
    Case("nodone", [("text", "no DONE")]),
    Case("finishtext", [("text", "with text")]),
    Case("spaces", [("text", "\n\n")]),
    Case("utf8", [("text", HARD)]),
    Case("crlf", [("text", "line ends")]),
    Case("bom", [("text", "after a mark")]),
    Case("comments", [("text", "All done.")]),
    Case("named", [("text", "named")]),
    Case("nospace", [("text", "no space")], plain=[]),
    Case("oneshot", [("text", "all in one write")]),
    Case("gzipped", [("text", "compressed")]),
    Case("azure", [("text", "All done.")]),
    Case("twochoices", [("text", "first")]),
    Case("nullcontent", [("text", "nulls")]),
    Case("othermodel", [("text", "hi")]),
    Case("sseforplain", [("text", "a stream, though none was asked for")]),
    Case("octets", [("text", "octets")]),
    Case("jsonforstream", [("text", "All done.")]),
    Case("chunks:150", [("text", "again " * 150)]),
    Case("big:200000", [("text", "x" * 200_000)]),
]


async def streamed(http: aiohttp.ClientSession, place: Place, body: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The folded message and the response headers; the events are checked on the way."""
    async with http.post(f"{place.address}/v1/messages", json={**body, "stream": True}) as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"].startswith("text/event-stream")
        events = parse_sse(await response.read())
    grammar = Grammar()
    for event in events:
        grammar.feed(event)
    grammar.close()
    return folded(events), response.headers


async def plain(http: aiohttp.ClientSession, place: Place, body: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    async with http.post(f"{place.address}/v1/messages", json=body) as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"].startswith("application/json")
        return await response.json(), response.headers


WAYS = {"streamed": streamed, "plain": plain}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.scenario)
async def test_what_the_client_gets(case: Case, way: str, place: Place, http: aiohttp.ClientSession) -> None:
    message, headers = await WAYS[way](http, place, ask(case.scenario, model=case.model))
    blocks = case.plain if case.plain is not None and way == "plain" else case.blocks
    assert (blocks_of(message), message["stop_reason"]) == (blocks, case.stop)
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", case.model)
    assert re.fullmatch(r"msg_\w+", message["id"])
    ids = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", one) for one in ids)
    assert all(block.get("signature") for block in message["content"] if block["type"] == "thinking")
    trace = await place.trace(headers["x-ccr-trace"])
    assert trace.reply == message
    assert (trace.outcome, trace.status, trace.streamed) == ("ok", 200, way == "streamed")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", ["empty", "emptytext"])
async def test_an_empty_answer_is_a_valid_message(
    scenario: str, way: str, place: Place, http: aiohttp.ClientSession
) -> None:
    message, _ = await WAYS[way](http, place, ask(scenario))
    assert message["stop_reason"] == "end_turn"
    assert "".join(block.get("text", "?") for block in message["content"]) == ""


@dataclass(frozen=True)
class Bill:
    """How an upstream reports its tokens, and what the client and the trace make of it."""

    report: str
    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    nanos: int = 0
    basis: str = "user"


def cost(input: int, output: int, cache_read: int = 0) -> int:
    """At the scripted model's price: 1, 4 and 0.1 dollars a million."""
    return input * 1000 + output * 4000 + cache_read * 100


BILLS = [
    Bill("openai", 60, 20, 40, reasoning=12, nanos=cost(60, 20, 40)),
    Bill("deepseek", 36, 20, 64, nanos=cost(36, 20, 64)),
    Bill("openrouter", 60, 20, 30, 10, nanos=1_250_000, basis="reported"),
    Bill("text", 100, 20, nanos=cost(100, 20)),
    Bill("early", 60, 20, 40, nanos=cost(60, 20, 40)),
    Bill("each", 100, 3, nanos=cost(100, 3)),
    Bill("finish", 60, 20, 40, nanos=cost(60, 20, 40)),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: bill.report)
async def test_what_is_billed(bill: Bill, way: str, place: Place, http: aiohttp.ClientSession) -> None:
    message, headers = await WAYS[way](http, place, ask(f"tokens:{bill.report}"))
    usage = message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (bill.input, bill.output)
    assert (usage.get("cache_read_input_tokens") or 0) == bill.cache_read
    assert (usage.get("cache_creation_input_tokens") or 0) == bill.cache_write
    attempt = (await place.trace(headers["x-ccr-trace"])).answer
    assert attempt is not None and attempt.usage is not None
    assert (attempt.usage.reasoning, attempt.usage.basis) == (bill.reasoning, "reported")
    assert (attempt.cost, attempt.cost_basis) == (bill.nanos, bill.basis)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("report", ["none", "null"])
async def test_usage_that_was_not_reported_is_estimated_and_says_so(
    report: str, way: str, place: Place, http: aiohttp.ClientSession
) -> None:
    message, headers = await WAYS[way](http, place, ask(f"tokens:{report}", model="claude-ccr-untaught"))
    assert message["usage"]["input_tokens"] > 20
    assert message["usage"]["output_tokens"] >= 1
    attempt = (await place.trace(headers["x-ccr-trace"])).answer
    assert attempt is not None and attempt.usage is not None
    assert attempt.usage.basis == "estimated"
    assert attempt.cost == cost(attempt.usage.input, attempt.usage.output)


async def test_the_stream_opens_with_a_real_estimate(place: Place, http: aiohttp.ClientSession) -> None:
    body = ask("tokens:none", system="You are helpful. " * 200, model="claude-ccr-untaught")
    async with http.post(f"{place.address}/v1/messages", json={**body, "stream": True}) as response:
        first = parse_sse(await response.read())[0]
    assert first["type"] == "message_start"
    assert 500 < first["message"]["usage"]["input_tokens"] < 2000


async def test_every_answer_says_who_answered(place: Place, http: aiohttp.ClientSession) -> None:
    _, headers = await plain(http, place, ask("text"))
    assert headers["request-id"].startswith("req_")
    assert (headers["x-ccr-model"], headers["x-ccr-agent"], headers["x-ccr-rule"]) == ("scripted", "default", "default")


async def test_the_trace_keeps_who_really_answered(place: Place, http: aiohttp.ClientSession) -> None:
    _, headers = await streamed(http, place, ask("othermodel"))
    attempt = (await place.trace(headers["x-ccr-trace"])).answer
    assert attempt is not None
    assert (attempt.model, attempt.answered_by) == ("scripted-model", "vendor/other-2026")


async def test_pings_bridge_a_silent_upstream(pinging: Place, http: aiohttp.ClientSession) -> None:
    body = {**ask("slowfirst:0.9"), "stream": True}
    async with http.post(f"{pinging.address}/v1/messages", json=body) as response:
        kinds = [event["type"] for event in parse_sse(await response.read())]
    assert kinds[:3] == ["message_start", "ping", "ping"]
    assert kinds[-1] == "message_stop"
    assert kinds.count("message_start") == 1


async def test_pings_come_before_the_upstreams_headers_too(pinging: Place, http: aiohttp.ClientSession) -> None:
    body = {**ask("slowhead:0.9"), "stream": True}
    async with http.post(f"{pinging.address}/v1/messages", json=body) as response:
        events = parse_sse(await response.read())
    assert [event["type"] for event in events][:3] == ["message_start", "ping", "ping"]
    assert blocks_of(folded(events)) == [("text", "All done.")]
