"""Router mode set up as in claude-code-router's early days: by the environment's names alone, with the models of then.

The providers are the real ones by name and address; a scripted upstream stands in for all of them, as the HTTP proxy on
the way there, so that everything that hangs on a host (facts, prices, hints, keys) is as it would be for a user.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from clients import BASH, folded, parse_sse
from places import Place
from scripted_openai import ScriptedOpenAI

from ccr_tui import assembly, host
from ccr_tui.config import Config
from ccr_tui.records import Trace
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROUTER, TOOL = "qwen2.5-coder-3b-instruct", "qwen-max-2025-01-25"
CASTS = [("deepseek-chat", "deepseek-reasoner"), ("deepseek-v3", "deepseek-r1")]
"""Coder and thinker: DeepSeek's own names of then, and the models' names."""


@dataclass
class Seed:
    """A house that serves them, and everybody's upstream."""

    place: Place
    upstream: ScriptedOpenAI
    config: Config
    coder: str
    think: str


def environment(coder: str, think: str, proxy: str) -> dict[str, str]:
    return {
        "ENABLE_ROUTER": "true",
        "OPENAI_API_KEY": "sk-fallback-000000",
        "ROUTER_AGENT_MODEL": ROUTER,
        "ROUTER_AGENT_BASE_URL": "http://dashscope.aliyuncs.com/compatible-mode/v1",
        "TOOL_AGENT_API_KEY": "sk-tool-1111111111",
        "TOOL_AGENT_MODEL": TOOL,
        "TOOL_AGENT_BASE_URL": "http://dashscope.aliyuncs.com/compatible-mode/v1",
        "CODER_AGENT_API_KEY": "sk-coder-2222222222",
        "CODER_AGENT_MODEL": coder,
        "CODER_AGENT_BASE_URL": "http://api.deepseek.com",
        "THINK_AGENT_API_KEY": "sk-think-3333333333",
        "THINK_AGENT_MODEL": think,
        "THINK_AGENT_BASE_URL": "http://api.deepseek.com/v1",
        "PROXY_URL": proxy,
        "CCR_TUI_PORT": "0",
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=CASTS, ids=[cast[1] for cast in CASTS])
async def seed(
    request: pytest.FixtureRequest, counter: Counter, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Seed]:
    coder, think = request.param
    async with ScriptedOpenAI(roles={ROUTER: "route", coder: "coder", think: "reasoner"}) as upstream:
        env = environment(coder, think, upstream.base_url.removesuffix("/v1"))
        folder = tmp_path_factory.mktemp("seed")
        config = assembly.load({}, env | places(folder), folder)
        async with host.open(config, counter) as house:
            yield Seed(Place(house, upstream), upstream, config, coder, think)


def places(folder: Path) -> dict[str, str]:
    return {"CCR_TUI_CONFIG": str(folder / "none.toml"), "CCR_TUI_DB": str(folder / "ccr.db")}


@dataclass
class Talk:
    """A conversation, as a client holds it."""

    seed: Seed
    messages: list[Any]

    async def say(self, content: Any) -> Trace:
        self.messages.append({"role": "user", "content": content})
        body = {"model": "claude-opus-5-5", "max_tokens": 32_000, "messages": self.messages, "tools": [BASH]}
        body |= {"stream": True, "thinking": {"type": "adaptive"}, "temperature": 0.5}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.seed.place.address}/v1/messages", json=body) as response,
        ):
            assert response.status == 200, await response.text()
            message = folded(parse_sse(await response.read()))
        self.messages.append({"role": "assistant", "content": message["content"]})
        return await self.seed.place.trace(response.headers["x-ccr-trace"])

    async def to_the_end(self, content: Any) -> list[Trace]:
        """A turn with its tool loop."""
        traces = [await self.say(content)]
        while calls := [block for block in self.messages[-1]["content"] if block["type"] == "tool_use"]:
            results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "done"} for call in calls]
            traces.append(await self.say(results))
        return traces


@pytest_asyncio.fixture(loop_scope="session")
async def talk(seed: Seed) -> Talk:
    seed.upstream.requests.clear()
    seed.upstream.faults.clear()
    return Talk(seed, [])


async def test_every_hop_goes_to_its_own_model_with_its_own_key(seed: Seed, talk: Talk) -> None:
    first, *loop = await talk.to_the_end("Write it. [[ccr:journal:3]] [[hops:think,coder]]")
    went = [(request.body["model"], request.headers["host"], request.headers["authorization"][7:14])
            for request in seed.upstream.requests]  # fmt: skip
    router, tool = (ROUTER, "dashscope.aliyuncs.com", "sk-fall"), (TOOL, "dashscope.aliyuncs.com", "sk-tool")
    think, coder = (seed.think, "api.deepseek.com", "sk-thin"), (seed.coder, "api.deepseek.com", "sk-code")
    assert went == [router, think, router, coder, router, *[tool] * 4]
    assert seed.upstream.faults == []
    assert [attempt.failure for trace in [first, *loop] for attempt in trace.attempts] == [None] * 9
    assert first.decision is not None
    assert first.decision.reason == "think → coder → tool (llm_classifier)"
    assert [trace.decision.rule for trace in loop if trace.decision] == ["continued"] * 3


async def test_only_the_tool_agent_is_given_tools(seed: Seed, talk: Talk) -> None:
    await talk.to_the_end("Write it. [[ccr:journal:2]] [[hops:coder,think]]")
    assert {request.body["model"] for request in seed.upstream.requests if "tools" in request.body} == {TOOL}
    shown = [block for block in talk.messages[1]["content"] if block["type"] == "thinking"]
    assert [block["thinking"] for block in shown] == [
        "```sh\necho hello > hello.txt\n```", "What is asked for? A file. ", "The plan: write it, then read it.",
    ]  # fmt: skip


async def test_over_many_turns_the_tool_agents_prompt_only_grows(seed: Seed, talk: Talk) -> None:
    for content in (
        "Plan. [[ccr:journal:2]] [[hops:think]]",
        "Code. [[ccr:journal:1]] [[hops:coder]]",
        "Fine. [[ccr:text]]",
    ):
        await talk.to_the_end(content)
    sent = [request.body for request in seed.upstream.requests if request.body["model"] == TOOL]
    assert len(sent) == 6
    for before, after in pairwise(sent):
        assert json.dumps(after["messages"]).startswith(json.dumps(before["messages"])[:-1])
        assert {**after, "messages": 0} == {**before, "messages": 0}


async def test_what_each_hop_cost_is_known_by_the_old_names_too(seed: Seed, talk: Talk) -> None:
    trace = await talk.say("Plan it. [[ccr:text]] [[hops:think,coder]]")
    priced = {attempt.model: attempt.cost for attempt in trace.attempts}
    assert priced.keys() == {ROUTER, seed.think, seed.coder, TOOL}
    assert {name for name, cost in priced.items() if cost is None} <= {ROUTER}


async def test_each_old_name_is_taken_with_a_hint(seed: Seed) -> None:
    hinted = {note.split()[1]: note for note in seed.config.notes if note.startswith("models.")}
    assert hinted.keys() == {ROUTER, TOOL, seed.coder, seed.think}
    assert all("qwen3" in note or "deepseek-flash" in note for note in hinted.values())
