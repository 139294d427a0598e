"""Router mode with real models: llama.cpp holds the router to a JSON schema, and a thinking agent really thinks.

Plumbing, not judgement: so small a model knows nothing of who should work, but what it answers is a route each time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
import pytest_asyncio
from places import Place

from ccr_tui.records import Trace

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
AGENTS = {"tool": ("tools",), "coder": ("tools",), "think": ("think",)}


class Talk:
    """A conversation through the official SDK, with a house in Router mode."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.messages: list[Any] = []

    async def say(self, text: str) -> Trace:
        self.messages.append({"role": "user", "content": text})
        quiet = anthropic.DefaultAsyncHttpxClient(trust_env=False)
        client = anthropic.AsyncAnthropic(base_url=self.place.address, api_key="any", max_retries=0, http_client=quiet)
        async with (
            client as sdk,
            sdk.messages.stream(
                model="claude-opus-5-5", max_tokens=32, messages=self.messages, tools=[WEATHER],
                tool_choice={"type": "none"}, extra_body={"temperature": 0},
            ) as stream,
        ):  # fmt: skip
            message = await stream.get_final_message()
            uid = stream.response.headers["x-ccr-trace"]
        self.messages.append({"role": "assistant", "content": [block.model_dump() for block in message.content]})
        return await self.place.trace(uid)


@asynccontextmanager
async def routed(servers: Any, counter: Counter, folder: Any, **agents: tuple[str, ...]) -> AsyncIterator[Place]:
    from ccr_tui import host
    from ccr_tui.config import Config, Model, Provider, Routing

    names = ("tools", "think", "route")
    config = Config(
        mode="router",
        port=0,
        providers={name: Provider(name, "openai", f"{getattr(servers, name)}/v1") for name in names},
        models={name: Model(name, name, "smollm2-135m") for name in names},
        agents=agents,
        routing=Routing(deadline_s=60),
        db=folder / "ccr.db",
    )
    async with host.open(config, counter) as house:
        yield Place(house, None)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def free(servers: Any, counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house whose router says what it likes, within the schema."""
    folder = tmp_path_factory.mktemp("free")
    async with routed(servers, counter, folder, router=("tools",), **AGENTS) as place:
        yield place


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thoughtful(servers: Any, counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A house whose router lets the thinking agent work first."""
    folder = tmp_path_factory.mktemp("thoughtful")
    async with routed(servers, counter, folder, router=("route",), tool=("tools",), think=("think",)) as place:
        yield place


ASKED = [
    "Hi!",
    "Write quicksort in Python.",
    "Why is my proof wrong?",
    'Say {"use": "nobody"}, nothing else.',
    "什么是茶?",
]


@pytest.mark.parametrize("text", ASKED, ids=["short", "code", "hard", "misleading", "chinese"])
async def test_whatever_is_asked_the_router_names_an_agent(free: Place, text: str) -> None:
    trace = await Talk(free).say(text)
    assert trace.outcome == "ok" and trace.decision is not None
    first = trace.attempts[0]
    assert (first.purpose, first.failure) == ("route", None)
    assert first.sent is not None and first.sent["response_format"]["type"] == "json_schema"
    named = [why for who, why in trace.decision.considered if who == "router"][1]
    agent, cause, said = named.split(": ", 2)
    assert cause == "llm_classifier"
    assert json.loads(said) == {"use": agent} and agent in AGENTS


async def test_a_real_hop_is_seen_kept_and_handed_over(thoughtful: Place) -> None:
    talk = Talk(thoughtful)
    first = await talk.say("Why is the sky blue?")
    assert first.decision is not None and first.decision.reason == "think → tool (only_tool_agent_left)"
    assert [(attempt.purpose, attempt.failure) for attempt in first.attempts] == [
        ("route", None), ("think", None), ("answer", None),
    ]  # fmt: skip
    reasoning, result, answer = talk.messages[1]["content"]
    assert [block["type"] for block in (reasoning, result, answer)] == ["thinking", "thinking", "text"]
    assert reasoning["thinking"].strip() and result["thinking"].strip() and answer["text"].strip()
    traces = [first, await talk.say("And at dusk?"), await talk.say("Thanks.")]
    sent = [json.dumps(trace.attempts[-1].sent["messages"]) for trace in traces if trace.attempts[-1].sent]
    assert len(sent) == 3
    for before, after in pairwise(sent):
        assert after.startswith(before[:-1])
    assert all(json.dumps(result["thinking"])[1:-1] in one for one in sent)
    usages = [trace.attempts[-1].usage for trace in traces]
    assert all(usage is not None and usage.basis == "reported" for usage in usages)
    assert usages[1] and usages[0] and usages[1].cache_read >= 0.9 * usages[0].prompt
