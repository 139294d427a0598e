"""The demo in Router mode: a stranger sees routing without a key."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ccr_tui import demo, host, player
from ccr_tui.config import Config
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.records import Trace
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def played(house: host.House, scene: demo.Scene) -> list[Trace]:
    """The scene's traces, its answers not streamed, so that nobody waits for every word."""
    traces, messages = [], []
    for turn in scene.turns:
        messages += [{"role": "user", "content": turn.asked}] if turn.asked else []
        client = Collector({"x-claude-code-session-id": scene.project})
        body = {**player.body(scene, scene.project, messages), "stream": False}
        traces.append(await exchange.run(dumps(body), client, house.engine.context))
        reply = client.message()
        messages.append({"role": "assistant", "content": reply["content"]})
        messages += player.results(reply, turn)
    return traces


async def test_the_demo_routes_when_its_mode_is_flipped(counter: Counter, tmp_path: Path) -> None:
    config = player.config(replace(Config(), port=0), tmp_path / "ccr.db")
    assert config.mode == "normal"
    async with host.open(config, counter) as house:
        house.engine.swap(replace(config, mode="router"))
        parser, docs = await asyncio.gather(*(played(house, scene) for scene in demo.SCENES.values()))
    assert {trace.outcome for trace in (*parser, *docs)} == {"ok"}
    assert [" ".join(attempt.purpose for attempt in trace.attempts) for trace in parser] == [
        "route think route code route answer", "answer", "answer", "answer", "route think route answer",
    ]  # fmt: skip
    assert [trace.decision.reason for trace in (parser[0], parser[-1]) if trace.decision] == [
        "think → coder → tool (llm_classifier)", "think → tool (llm_classifier)",
    ]  # fmt: skip
    models = {attempt.purpose: attempt.model for trace in parser for attempt in trace.attempts}
    assert models == {"route": "demo-router", "think": "demo-think", "code": "demo-coder", "answer": "demo-large"}
    assert all(attempt.cost for trace in parser for attempt in trace.attempts)
    assert demo.NO_SCRIPT not in str([trace.reply for trace in parser])


async def test_what_the_demos_agents_are_asked_beyond_the_script_they_answer_too(
    counter: Counter, tmp_path: Path
) -> None:
    config = replace(player.config(replace(Config(), port=0), tmp_path / "ccr.db"), mode="router")
    body = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Anything else?"}]}
    async with host.open(config, counter) as house:
        client = Collector({})
        trace = await exchange.run(dumps(body), client, house.engine.context)
    assert [attempt.purpose for attempt in trace.attempts] == ["route", "answer"]
    assert "built-in demo model" in client.message()["content"][0]["text"]
