"""Whole conversations through the official SDK: what the upstream is sent turn by turn, and what the client sees."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from clients import BASH, ask
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai_rules import TOP_LEVEL
from places import Place, config_for
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator
from scripted_openai import ScriptedOpenAI

from ccr_tui import host

if TYPE_CHECKING:
    from pathlib import Path

    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"

WRITE = {
    "name": "Write",
    "description": "Writes a file",
    "input_schema": {
        "type": "object",
        "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["file_path", "content"],
    },
}
READ = {"name": "Read", "description": "Reads", "input_schema": {"type": "object", "properties": {}}}


async def converse(sdk: Any, body: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Streams turn after turn, answering every tool call, until the model is done."""
    answers = []
    while True:
        async with sdk.messages.stream(**body) as stream:
            message = await stream.get_final_message()
        answers.append(message)
        content = [block.model_dump(exclude_none=True) for block in message.content]
        body = {**body, "messages": [*body["messages"], {"role": "assistant", "content": content}]}
        if message.stop_reason != "tool_use":
            return body, answers
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": f"result of {block.name}"}
            for block in message.content
            if block.type == "tool_use"
        ]
        body["messages"].append({"role": "user", "content": [*results, {"type": "text", "text": "(a reminder)"}]})


@pytest.mark.parametrize("scenario", ["tools", "parallel", "think", "loop:4"])
async def test_a_tool_loop_runs_to_its_end(scenario: str, place: Place, sdk_of: Any) -> None:
    before = len(place.upstream.requests)
    async with sdk_of(place.address) as sdk:
        _, answers = await converse(sdk, ask(scenario, tools=[BASH, WRITE, READ]))
    assert [answer.stop_reason for answer in answers[:-1]] == ["tool_use"] * (len(answers) - 1)
    assert answers[-1].stop_reason == "end_turn"
    sent = place.upstream.requests[before:]
    assert [request.label for request in sent] == [f"{scenario}[{step}]" for step in range(len(answers))]
    for earlier, later in pairwise(sent):
        first, second = json.dumps(earlier.body["messages"]), json.dumps(later.body["messages"])
        assert second.startswith(first[:-1]), "the provider's cache is lost"
        assert json.dumps(earlier.body["tools"]) == json.dumps(later.body["tools"])


async def test_tool_results_come_first_and_nothing_beside_them_is_lost(place: Place, sdk_of: Any) -> None:
    async with sdk_of(place.address) as sdk:
        await converse(sdk, ask("parallel", tools=[BASH, WRITE]))
    messages = place.upstream.last.body["messages"]
    called = next(message for message in messages if message.get("tool_calls"))
    at = messages.index(called)
    assert [call["id"] for call in called["tool_calls"]] == [m["tool_call_id"] for m in messages[at + 1 : at + 4]]
    assert [m["content"] for m in messages[at + 1 : at + 4]] == ["result of Bash"] * 2 + ["result of Write"]
    assert "(a reminder)" in json.dumps(messages[at + 4])


RICH = ask(
    "text",
    system=[
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330.abc; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    ],
    tools=[BASH, {**READ, "cache_control": {"type": "ephemeral"}}],
    tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    stop_sequences=["STOP"],
    metadata={"user_id": json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "s-1"})},
    thinking={"type": "enabled", "budget_tokens": 1024},
    extra_body={
        "context_management": {"edits": []},
        "output_config": {"effort": "high"},
        "safeguards": [{"path": "p"}],
    },
    messages=[
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look. [[ccr:text]]"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}},
            ],
        },
        {"role": "system", "content": "In the middle."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "ccr-tui.v1"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no such file"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DOT}},
                    ],
                },
                {"type": "text", "text": "And now?"},
            ],
        },
    ],
)


def eager(schema: Any) -> Any:
    """The schema with lists in place of iterables, which would be validated only when somebody reads them."""
    if isinstance(schema, dict):
        kind = {"type": "list"} if schema.get("type") == "generator" else {}
        return {key: eager(value) for key, value in schema.items()} | kind
    return [eager(part) for part in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_what_is_sent_is_what_the_official_types_describe(stream: bool, place: Place, sdk_of: Any) -> None:
    async with sdk_of(place.address) as sdk:
        if stream:
            async with sdk.messages.stream(**RICH) as streaming:
                await streaming.get_final_message()
        else:
            await sdk.messages.create(**RICH)
    body = place.upstream.last.body
    described = CompletionCreateParamsStreaming if stream else CompletionCreateParamsNonStreaming
    SchemaValidator(eager(TypeAdapter(described).core_schema)).validate_python(body)
    sent = json.dumps(body)
    for text in ("Look.", "You are Claude Code.", "In the middle.", "no such file", "And now?", DOT):
        assert text in sent
    for secret in ("x-anthropic-billing-header", "d" * 64, "safeguards", "cache_control", "context_management"):
        assert secret not in sent


async def test_the_rules_know_the_official_parameters() -> None:
    described = set(get_type_hints(CompletionCreateParamsStreaming))
    assert described >= TOP_LEVEL


async def test_tokens_are_counted_for_the_official_client(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path, sdk_of: Any
) -> None:
    """In a house of its own, which no scripted usage has taught another ratio."""
    body = ask("text", system="You are helpful. " * 100)
    wanted = {key: body[key] for key in ("model", "messages", "tools", "system")}
    async with host.open(config_for(upstream, tmp_path), counter) as house, sdk_of(house.engine.address) as sdk:
        few = await sdk.messages.count_tokens(**{**wanted, "system": "Short."})
        many = await sdk.messages.count_tokens(**wanted)
    assert few.input_tokens > 10
    assert 350 < many.input_tokens - few.input_tokens < 550


async def test_the_official_client_lists_models_under_names_that_claude_code_keeps(place: Place, sdk_of: Any) -> None:
    async with sdk_of(place.address) as sdk:
        models = {model.id: model.display_name async for model in sdk.models.list(limit=1000)}
        one = await sdk.models.retrieve("claude-ccr-scripted")
    assert set(models) >= {"claude-ccr-scripted", "claude-ccr-tagged"}
    assert "scripted-model" in models["claude-ccr-scripted"]
    assert one.id == "claude-ccr-scripted"
    assert all(name.startswith("claude") for name in models)
