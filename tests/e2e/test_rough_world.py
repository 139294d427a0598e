"""What a machine does to a running program: it is stopped for a while, its files vanish."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from clients import ask
from scripted_openai import ScriptedOpenAI
from test_store_faults import Served, answered, serving, text_for, traces  # noqa: F401 - a fixture

from ccr_tui.store.begun import CUT_OFF
from ccr_tui.store.verify import verify

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.name == "nt", reason="signals are spelled differently on Windows"),
]
SILENCE_S = 1.2


@pytest_asyncio.fixture(loop_scope="session")
async def served(upstream: ScriptedOpenAI, tmp_path: Path) -> AsyncIterator[Served]:
    """A program of its own whose upstream may be silent for a moment only."""
    text = text_for(upstream).replace("[models.one]", f"timeout_s = {SILENCE_S}\n[models.one]")
    (tmp_path / "config.toml").write_text(text)
    one = Served(tmp_path)
    try:
        await one.start()
        yield one
    finally:
        await one.end(signal.SIGKILL)


async def test_a_program_that_was_stopped_in_mid_stream_goes_on(served: Served, http: aiohttp.ClientSession) -> None:
    """A laptop that slept: the time that went by is nobody's silence, for what came meanwhile is there."""
    assert served.child
    async with http.post(f"{served.address}/v1/messages", json=ask("long:60", stream=True)) as response:
        await response.content.readuntil(b"text_delta")
        os.kill(served.child.pid, signal.SIGSTOP)
        await asyncio.sleep(1.5 * SILENCE_S)
        os.kill(served.child.pid, signal.SIGCONT)
        data = await response.read()
    assert b"message_stop" in data and b"event: error" not in data
    assert await served.end() == 0
    assert list(traces(served.db).values()) == ["ok"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a running program's limits can't be set")
async def test_what_can_be_written_down_nowhere_is_named_and_the_exit_code_tells(
    served: Served, http: aiohttp.ClientSession
) -> None:
    """No file may grow any more: neither the database nor those beside it."""
    import resource  # not on Windows

    assert served.child
    resource.prlimit(served.child.pid, resource.RLIMIT_FSIZE, (served.db.stat().st_size, resource.RLIM_INFINITY))
    asked = {await large(http, served) for _ in range(6)}
    assert await served.end() == 1
    assert served.child.stderr
    told = (await served.child.stderr.read()).decode()
    named = {id for id in asked if f"Request {id} could not be stored" in told}
    assert named and "is lost" in told and f"{len(named)} requests could be written down nowhere" in told
    await served.start()  # nothing is wrong with what is there
    whole = await answered(http, served)
    assert await served.end() == 0
    found = traces(served.db)
    assert found.keys() - named == (asked - named) | {whole}
    assert {found[id] for id in named & found.keys()} <= {CUT_OFF}, "what the notes had room for, without its texts"
    assert verify(served.db) == []


async def large(http: aiohttp.ClientSession, served: Served) -> str:
    """An answer to a request that no compression makes small."""
    body = ask("text", system=os.urandom(60_000).hex())
    async with http.post(f"{served.address}/v1/messages", json=body) as response:
        assert response.status == 200
        return response.headers["x-ccr-trace"]


async def test_a_configuration_that_vanishes_changes_nothing_for_those_who_ask(
    served: Served, http: aiohttp.ClientSession
) -> None:
    path = served.folder / "config.toml"
    text = path.read_text()
    path.unlink()
    await served.until("the old one stays")
    await answered(http, served)
    path.write_text(text.replace("model-one", "model-two"))
    await served.until("model")
    await answered(http, served)
    assert await served.end() == 0


async def test_others_are_answered_while_a_body_of_tens_of_megabytes_is(
    serving: Any,  # noqa: F811
    http: aiohttp.ClientSession,
) -> None:
    said = "What was said, and said again, in many words. " * (40 * 1024 * 1024 // 46)
    body = json.dumps(ask("text", messages=[{"role": "user", "content": f"{said} [[ccr:text]]"}])).encode()
    async with serving() as one:
        await answered(http, one)  # it is ready
        small: list[str] = []
        asking = asyncio.create_task(post(http, one, body))
        while not asking.done():
            small.append(await answered(http, one))
        assert await asking == 200
        assert len(small) > 3, "others were answered while it was worked on"
        assert await one.end() == 0
    assert len(traces(one.db)) == len(small) + 2 and verify(one.db) == []


async def post(http: aiohttp.ClientSession, served: Served, body: bytes) -> int:
    async with http.post(f"{served.address}/v1/messages", data=io.BytesIO(body)) as response:
        await response.read()
        return response.status


@pytest.mark.skipif(
    not Path("/proc/sys/net/core/somaxconn").exists() or int(Path("/proc/sys/net/core/somaxconn").read_text()) < 512,
    reason="the system lets fewer wait",
)
async def test_hundreds_may_come_at_once_while_the_program_is_held_up(served: Served) -> None:
    """They wait to be taken in; the system would send those away whom nobody lets wait."""
    assert served.child
    port = int(served.address.rpartition(":")[2])
    os.kill(served.child.pid, signal.SIGSTOP)
    lines = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(400)))
    for _, writer in lines:
        writer.write(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    os.kill(served.child.pid, signal.SIGCONT)
    async with asyncio.timeout(20):
        told = [await reader.readline() for reader, _ in lines]
    assert set(told) == {b"HTTP/1.1 200 OK\r\n"}
    for _, writer in lines:
        writer.close()
