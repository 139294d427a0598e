"""Answers without an end, and clients that do not read them: memory stays bounded, and nobody else waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from clients import ask, parse_sse
from places import Place
from raw_upstream import CHUNKED, RawUpstream, chunk, said

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.proxy import attempt
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

MIB = 1 << 20


@dataclass
class Flood:
    """An endless script that knows how much of it was taken."""

    piece: bytes
    sent: int = 0

    def __iter__(self) -> Iterator[bytes]:
        yield CHUNKED
        while True:
            self.sent += len(self.piece)
            yield self.piece


@dataclass
class Odd(Place):
    raw: RawUpstream | None = None


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Odd]:
    async with RawUpstream() as raw:
        provider = Provider("raw", "openai", f"http://127.0.0.1:{raw.port}/v1", api_key="sk-0123456789")
        config = Config(
            port=0,
            providers={"raw": provider},
            models={"m": Model("m", "raw", "m")},
            agents={"default": ("m",)},
            db=tmp_path_factory.mktemp("floods") / "ccr.db",
            patience=Patience(waits_s=()),
        )
        async with host.open(config, counter) as house:
            yield Odd(house, None, raw=raw)


async def test_a_client_that_does_not_read_holds_the_upstream_back(odd: Odd) -> None:
    assert odd.raw is not None
    flood = odd.raw.script = Flood(chunk(said({"content": "word " * 50_000})))
    parts = urlsplit(odd.address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
    known, body = set(odd.landed), json.dumps(ask("none", stream=True)).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    assert await reader.readexactly(12) == b"HTTP/1.1 200"
    before, until = -1, time.monotonic() + 10
    while flood.sent != before and time.monotonic() < until:
        before = flood.sent
        await asyncio.sleep(0.3)
    assert flood.sent == before, "it stands still"
    assert flood.sent < 32 * MIB  # what the sockets' buffers take
    async with asyncio.timeout(10):  # it goes on with its client
        while flood.sent == before:
            await reader.read(65536)
    writer.close()
    assert (await odd.next_trace(known)).outcome == "cancelled"


async def test_an_answer_without_an_end_is_ended(
    odd: Odd, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "LONGEST", 4 * MIB)
    assert odd.raw is not None
    odd.raw.script = Flood(chunk(said({"content": "word " * 6000})))
    async with http.post(f"{odd.address}/v1/messages", json=ask("none", stream=True)) as response:
        last = parse_sse(await response.read())[-1]
    assert last["error"]["message"].startswith("raw sent 4 MiB without an end")
    assert (await odd.trace(response.headers["x-ccr-trace"])).outcome == "error"


async def test_a_line_of_a_megabyte_keeps_nobody_waiting(odd: Odd, http: aiohttp.ClientSession) -> None:
    """Its tokens are nowhere reported, and its text is the worst there is to count."""
    assert odd.raw is not None
    line = said({"content": "x" * MIB}, "stop")
    odd.raw.script = (CHUNKED, *(chunk(line[at : at + 65536]) for at in range(0, len(line), 65536)), chunk(b""))
    begun = time.process_time()
    async with http.post(f"{odd.address}/v1/messages", json=ask("none", stream=True)) as response:
        events = parse_sse(await response.read())
    assert time.process_time() - begun < 0.8, "counting it all would take 1.2 s"
    assert sum(len(event["delta"]["text"]) for event in events if event["type"] == "content_block_delta") == MIB
    trace = await odd.trace(response.headers["x-ccr-trace"])
    assert trace.answer and trace.answer.usage and trace.answer.usage.basis == "estimated"
    assert trace.answer.usage.output > 100_000
