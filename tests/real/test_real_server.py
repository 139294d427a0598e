"""A real server and a real model behind the house, through the official SDK.

What so small a model says is never asserted, only the shape of it: text where text must be, a call where one was
forced, numbers that the server itself reports.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import anthropic
import pytest
from places import Place

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK = {"name": "get_time", "description": "The time", "input_schema": {"type": "object", "properties": {}}}


def ask(text: str, model: str = "tools", limit: int = 24, **more: Any) -> dict[str, Any]:
    return {
        "model": f"claude-ccr-{model}",
        "max_tokens": limit,
        "messages": [{"role": "user", "content": text}],
        "extra_body": {"temperature": 0},
        **more,
    }


async def test_a_plain_answer(llamas: Place, sdk: anthropic.AsyncAnthropic) -> None:
    raw = await sdk.messages.with_raw_response.create(**ask("Say hello."))
    message = await raw.parse()
    assert message.content[0].text.strip()
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert 0 < message.usage.output_tokens <= 24
    trace = await llamas.trace(raw.headers["x-ccr-trace"])
    assert trace.answer is not None and trace.answer.usage is not None
    assert trace.answer.usage.basis == "reported"
    assert trace.answer.answered_by == "smollm2-135m"


async def test_a_streamed_answer(sdk: anthropic.AsyncAnthropic) -> None:
    async with sdk.messages.stream(**ask("Count from one to ten.")) as stream:
        deltas = [text async for text in stream.text_stream]
        message = await stream.get_final_message()
    assert len(deltas) > 3
    assert "".join(deltas) == message.content[0].text
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) > 5


@pytest.mark.parametrize(
    ("tools", "choice"),
    [([WEATHER], {"type": "any"}), ([CLOCK, WEATHER], {"type": "tool", "name": "get_weather"})],
    ids=["any", "named"],
)
async def test_a_tool_is_called_and_its_result_taken(
    tools: list[Any], choice: dict[str, str], sdk: anthropic.AsyncAnthropic
) -> None:
    body = ask("What is the weather in Paris?", limit=80, tools=tools)
    async with sdk.messages.stream(**body, tool_choice=choice) as stream:
        first = await stream.get_final_message()
    assert first.stop_reason == "tool_use"
    call = first.content[-1]
    assert (call.type, call.name) == ("tool_use", "get_weather")
    assert isinstance(call.input, dict)
    body["messages"] += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 degrees"}],
        },
    ]
    second = await sdk.messages.create(**body)
    assert second.content


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_reasoning_becomes_thinking_and_can_be_sent_back(stream: bool, sdk: anthropic.AsyncAnthropic) -> None:
    body = ask("What is two plus two?", model="think")
    if stream:
        async with sdk.messages.stream(**body) as streaming:
            message = await streaming.get_final_message()
    else:
        message = await sdk.messages.create(**body)
    block = message.content[0]
    assert block.type == "thinking"
    assert block.thinking.strip() and block.signature
    said = {"role": "assistant", "content": [block.model_dump()]}
    body["messages"] += [said, {"role": "user", "content": "And three plus three?"}]
    assert (await sdk.messages.create(**body)).content


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_too_long_a_prompt_is_refused_in_words_that_claude_code_knows(
    stream: bool, sdk: anthropic.AsyncAnthropic
) -> None:
    body = ask("word " * 700, model="small")
    with pytest.raises(anthropic.BadRequestError) as caught:
        if stream:
            async with sdk.messages.stream(**body) as streaming:
                await streaming.get_final_message()
        else:
            await sdk.messages.create(**body)
    assert "prompt is too long: " in str(caught.value)
    assert "> 512" in str(caught.value)


async def test_a_wrong_key_is_told_and_not_tried_again(sdk: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError, match="locked") as caught:
        await sdk.messages.create(**ask("Hello.", model="locked"))
    assert caught.value.response.headers["x-should-retry"] == "false"


async def test_the_right_key_is_sent(sdk: anthropic.AsyncAnthropic) -> None:
    assert (await sdk.messages.create(**ask("Hello.", model="small", limit=4))).content


async def test_connections_that_the_server_closes_after_every_stream_are_no_trouble(
    sdk: anthropic.AsyncAnthropic,
) -> None:
    """llama.cpp advertises keep-alive and closes; a pooled client fails once in some 26 requests."""
    for n in range(40):
        async with sdk.messages.stream(**ask(f"Say {n}.", limit=2)) as stream:
            assert (await stream.get_final_message()).content


async def test_more_requests_than_slots_wait_for_their_turn(sdk: anthropic.AsyncAnthropic) -> None:
    answers = await asyncio.gather(*(sdk.messages.create(**ask(f"Say {n}.", limit=4)) for n in range(6)))
    assert all(answer.content for answer in answers)


async def test_a_client_that_leaves_frees_the_slot(servers: Any, llamas: Place) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        body = {**ask("Write a long story.", limit=1500), "stream": True}
        body.pop("extra_body")
        async with http.post(f"{llamas.address}/v1/messages", json=body) as response:
            async for line in response.content:
                if b"text_delta" in line:
                    break
            assert await busy(http, servers.tools)
            response.close()
        async with asyncio.timeout(5):
            while await busy(http, servers.tools):
                await asyncio.sleep(0.05)
    assert (await llamas.trace(response.headers["x-ccr-trace"])).outcome == "cancelled"


async def busy(http: aiohttp.ClientSession, address: str) -> bool:
    async with http.get(f"{address}/slots") as response:
        return any(slot["is_processing"] for slot in await response.json())


async def test_the_second_turn_finds_the_first_in_the_servers_cache(sdk: anthropic.AsyncAnthropic) -> None:
    """Prefix-stable translation, as a real cache sees it."""
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.abc;"},
        {"type": "text", "text": "You are a very brief helper who answers in a single short sentence."},
    ]
    body = ask("Name a colour of the rainbow.", limit=6, system=system, tools=[WEATHER])
    first = await sdk.messages.create(**body)
    whole = first.usage.input_tokens + (first.usage.cache_read_input_tokens or 0)
    system[0]["text"] = "x-anthropic-billing-header: cc_version=2.1.330.def;"
    said = [block.model_dump(exclude_none=True) for block in first.content]
    body["messages"] += [{"role": "assistant", "content": said}, {"role": "user", "content": "Another one."}]
    second = await sdk.messages.create(**body)
    assert (second.usage.cache_read_input_tokens or 0) > 0.9 * whole


async def test_a_schema_is_obeyed(sdk: anthropic.AsyncAnthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string", "maxLength": 12}},
        "required": ["title"],
        "additionalProperties": False,
    }
    wanted = {"temperature": 0, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    message = await sdk.messages.create(**ask("A title for a talk about tea.", limit=120, extra_body=wanted))
    assert isinstance(json.loads(message.content[0].text)["title"], str)


async def test_the_estimate_learns_from_what_the_server_reports(llamas: Place, sdk: anthropic.AsyncAnthropic) -> None:
    text = "The quick brown fox jumps over the lazy dog near the river bank. " * 12
    for _ in range(3):
        raw = await sdk.messages.with_raw_response.create(**ask(text, limit=1))
    trace = await llamas.trace(raw.headers["x-ccr-trace"])
    assert trace.answer is not None and trace.answer.usage is not None and trace.estimate is not None
    assert trace.estimate == pytest.approx(trace.answer.usage.prompt, rel=0.25)
