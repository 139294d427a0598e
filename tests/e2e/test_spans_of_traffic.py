"""Spans of what goes through a running house: a collector gets them, and one that is away changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from places import closed_port, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.host import House
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")
BODY = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}


async def ask(house: House) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{house.engine.address}/v1/messages", json=BODY) as answer,
    ):
        assert answer.status == 200
        told: dict[str, Any] = await answer.json()
        return told


async def test_a_collector_gets_what_happens(upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path) -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        got.put_nowait(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := closed_port())
    await site.start()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
    async with host.open(replace(config_for(upstream, tmp_path), env=env), counter) as house:
        reply = await ask(house)
        sent = ExportTraceServiceRequest.FromString(await asyncio.wait_for(got.get(), 30))
    await runner.cleanup()
    (resource,) = sent.resource_spans
    first = resource.scope_spans[0].spans[0]
    told = {attribute.key: attribute.value for attribute in first.attributes}
    assert first.name == "chat claude-opus-5-5"
    assert told["gen_ai.response.id"].string_value == reply["id"]
    assert told["gen_ai.usage.input_tokens"].int_value > 0
    assert "gen_ai.input.messages" not in told


async def test_a_collector_that_is_away_changes_nothing(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path
) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{closed_port()}"}
    async with host.open(replace(config_for(upstream, tmp_path), env=env), counter) as house:
        for _ in range(3):
            assert (await ask(house))["type"] == "message"
        assert await house.flush()
        assert house.reader.count() == 3
