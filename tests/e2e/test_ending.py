"""The program ends while streams run: they may end, then their clients are told, and a second signal hastens."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from clients import ask, parse_sse
from places import config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def ending(upstream: ScriptedOpenAI, counter: Counter, folder: Path) -> AsyncIterator[host.House]:
    house = host.House(config_for(upstream, folder, ping_s=60.0), counter)
    await house.start()
    yield house
    await house.stop(0.0)


async def begun(response: aiohttp.ClientResponse) -> bytes:
    data = b""
    while b"text_delta" not in data:
        data += await response.content.readany()
    return data


async def test_a_stream_that_does_not_end_is_told_that_the_program_does(
    upstream: ScriptedOpenAI, counter: Counter, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with ending(upstream, counter, tmp_path) as house:
        url = f"{house.engine.address}/v1/messages"
        async with http.post(url, json=ask("stall", stream=True)) as response:
            data = await begun(response)
            silent = asyncio.ensure_future(http.post(url, json=ask("stall0", stream=True)))
            plain = asyncio.ensure_future(http.post(url, json=ask("stall", stream=False)))
            while len(house.feed.board) < 3 or any(one.phase == "routing" for one in house.feed.board.values()):
                await asyncio.sleep(0.01)
            traces = []
            house.feed.subscribe(traces.append)
            await house.engine.stop(0.05)
            data += await response.read()
        last = parse_sse(data)[-1]
        assert (last["type"], last["error"]["type"]) == ("error", "api_error")
        assert "ccr-tui was stopped" in last["error"]["message"]
        for asked in (silent, plain):
            async with await asked as answer:
                assert answer.status == 503
                assert "ccr-tui was stopped" in (await answer.json())["error"]["message"]
    assert [(trace.outcome, trace.failure.status) for trace in traces] == [("error", 503)] * 3


async def test_an_answer_that_ends_in_time_is_whole(
    upstream: ScriptedOpenAI, counter: Counter, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with ending(upstream, counter, tmp_path) as house:
        url = f"{house.engine.address}/v1/messages"
        asking = asyncio.ensure_future(http.post(url, json=ask("slowhead:0.3", stream=True)))
        while not house.feed.board:
            await asyncio.sleep(0.01)
        await house.engine.stop(5.0)
        async with await asking as response:
            assert parse_sse(await response.read())[-1]["type"] == "message_stop"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGTERM")
async def test_a_second_signal_hastens(upstream: ScriptedOpenAI, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    config = {
        "CCR_TUI_CONFIG": str(tmp_path / "none.toml"),
        "CCR_TUI_DB": str(tmp_path / "ccr.db"),
        "OPENAI_BASE_URL": upstream.base_url,
        "OPENAI_API_KEY": "sk-scripted-0123456789abcdef",
        "OPENAI_MODEL": "scripted-model",
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    call = [sys.executable, "-m", "ccr_tui", "serve", "--port", "0"]
    house = Path(__file__).parent.parent.parent
    child = await asyncio.create_subprocess_exec(*call, env=config, stderr=asyncio.subprocess.PIPE, cwd=house)
    assert child.stderr
    try:
        while not (line := (await child.stderr.readline()).decode()).startswith("listening on "):
            assert line
        async with http.post(f"{line.split()[-1]}/v1/messages", json=ask("stall", stream=True)) as response:
            data = await begun(response)
            child.send_signal(signal.SIGTERM)
            assert (await child.stderr.readline()).startswith(b"ending; running streams get 10 s")
            told = time.monotonic()
            child.send_signal(signal.SIGINT)
            data += await response.read()
        assert await asyncio.wait_for(child.wait(), 8) == 0
        assert time.monotonic() - told < 8
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()
    assert json.loads(data.decode().rsplit("data: ", 1)[1])["error"]["message"].startswith("ccr-tui was stopped")
