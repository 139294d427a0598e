"""The client leaves at every stage of an answer: the provider's connection is closed, and the trace says cancelled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from clients import Beats, ask
from places import Place
from raw_upstream import CHUNKED, chunk, plain, said

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE_S = 0.1


@dataclass
class Hanging:
    """An upstream that says its part, and then waits until it is left."""

    part: bytes = b""
    asked: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    left: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        writer.write(self.part)
        self.asked.put_nowait(await reader.readexactly(length))
        await reader.read()
        self.left.put_nowait(None)
        writer.close()


@dataclass
class Odd(Place):
    hanging: Hanging = field(default_factory=Hanging)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Odd]:
    hanging = Hanging()
    server = await asyncio.start_server(hanging.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = Config(
        port=0,
        providers={"raw": Provider("raw", "openai", f"http://127.0.0.1:{port}/v1", api_key="sk-0123456789")},
        models={"m": Model("m", "raw", "m")},
        agents={"default": ("m",)},
        db=tmp_path_factory.mktemp("leaving") / "ccr.db",
        patience=Patience(waits_s=(2.0,)),
    )
    async with host.open(config, counter) as house:
        yield Odd(house, None, hanging=hanging)
    server.close()


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "Bash", "arguments": '{"comm'}}
STAGES = {
    "before the headers": b"",
    "after the headers": CHUNKED,
    "while it thinks": CHUNKED + chunk(said({"reasoning_content": "hm"})),
    "while it speaks": CHUNKED + chunk(said({"content": "so"})),
    "in a tool's arguments": CHUNKED + chunk(said({"tool_calls": [CALL]})),
    "after the finish reason": CHUNKED + chunk(said({"content": "so"}) + said({}, "stop")),
    "in an error's body": b"HTTP/1.1 500 So\r\ncontent-length: 100\r\n\r\n{",
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("part", STAGES.values(), ids=STAGES)
async def test_whoever_leaves_is_noticed_upstream_at_once(odd: Odd, part: bytes, stream: bool) -> None:
    odd.hanging.part, known = part, set(odd.landed)
    _, writer = await connected(odd, stream)
    await asyncio.wait_for(odd.hanging.asked.get(), 10)
    await asyncio.sleep(0.05)  # the part is read
    writer.close()
    async with Beats() as since:
        await asyncio.wait_for(odd.hanging.left.get(), 10)
    assert since.seconds < AT_ONCE_S
    assert (await odd.next_trace(known)).outcome == "cancelled"
    assert not odd.house.feed.board


async def test_whoever_leaves_while_a_retry_is_waited_for_is_asked_for_no_more(odd: Odd) -> None:
    (odd.hanging.part,), known = plain(503, {"error": {"message": "busy"}}, b"connection: close\r\n"), set(odd.landed)
    _, writer = await connected(odd, True)
    await asyncio.wait_for(odd.hanging.asked.get(), 10)
    await asyncio.wait_for(odd.hanging.left.get(), 10)
    await asyncio.sleep(0.05)
    writer.close()
    trace = await asyncio.wait_for(odd.next_trace(known), 5)
    assert (trace.outcome, len(trace.attempts)) == ("cancelled", 1)
    assert odd.hanging.asked.empty()


async def test_whoever_leaves_before_the_request_is_whole_is_let_go(odd: Odd) -> None:
    _, writer = await connected(odd, True, whole=False)
    writer.close()
    await asyncio.sleep(0.05)
    assert odd.hanging.asked.empty() and not odd.house.feed.board


async def connected(odd: Odd, stream: bool, whole: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts, body = urlsplit(odd.address), json.dumps(ask("none", stream=stream)).encode()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + (body if whole else body[:-9]))
    return reader, writer
