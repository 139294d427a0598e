"""A client that has sent its end may still listen; and what is no HTTP is answered as every other mistake."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from clients import Beats, ask, parse_sse
from places import Place

from ccr_tui.proxy.connection import Desk
from ccr_tui.proxy.listening import _in_tables, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE_S = 0.1


def request(scenario: str, **more: Any) -> bytes:
    body = json.dumps(ask(scenario, **more)).encode()
    head = f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
    return f"{head}content-type: application/json\r\n\r\n".encode() + body


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(place.address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def unchunked(data: bytes) -> bytes:
    """The body of a chunked answer."""
    head, _, rest = data.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("scenario", ["text", "slowhead:0.4"])
async def test_a_client_that_half_closes_gets_its_answer(place: Place, scenario: str, stream: bool) -> None:
    async with connected(place) as (reader, writer):
        writer.write(request(scenario, stream=stream))
        writer.write_eof()
        data = await asyncio.wait_for(reader.read(), 10)
    assert data.startswith(b"HTTP/1.1 200 "), data[:200]
    if stream:
        assert parse_sse(unchunked(data))[-1]["type"] == "message_stop"
    else:
        assert json.loads(unchunked(data))["stop_reason"] == "end_turn"


async def test_what_follows_a_whole_request_in_the_same_packet_as_the_end(place: Place) -> None:
    """The end comes before the request has been looked at."""
    with socket.create_connection(urlsplit(place.address).netloc.split(":")) as client:  # type: ignore[arg-type]
        client.sendall(request("text"))
        client.shutdown(socket.SHUT_WR)
        await asyncio.sleep(0)
        data = await asyncio.to_thread(_all, client)
    assert data.startswith(b"HTTP/1.1 200 ")


def _all(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
async def test_a_client_that_half_closes_and_leaves_later_is_noticed(place: Place, stream: bool) -> None:
    known, before = set(place.landed), len(place.upstream.requests)  # type: ignore[union-attr]
    assert place.upstream
    async with connected(place) as (_, writer):
        writer.write(request("stall0", stream=stream))
        writer.write_eof()
        await place.upstream.came(before + 1)
        last = place.upstream.last
        await asyncio.sleep(0.05)
        assert not last.left.is_set(), "it still listens"
    await asyncio.wait_for(last.left.wait(), 10)
    assert (await place.next_trace(known)).outcome == "cancelled"


@pytest.mark.parametrize("scenario", ["stall0", "stall", "endless"])
async def test_a_client_that_leaves_is_noticed_at_once(place: Place, scenario: str) -> None:
    assert place.upstream
    before = len(place.upstream.requests)
    async with connected(place) as (_, writer):
        writer.write(request(scenario, stream=True))
        await place.upstream.came(before + 1)
        last = place.upstream.last
    async with Beats() as since:
        await asyncio.wait_for(last.left.wait(), 10)
    assert since.seconds < AT_ONCE_S


async def test_none_waits_for_a_look_because_others_leave_after_him() -> None:
    """Each asks for a look a moment later, so that one serves all that leave together: it must come all the same."""
    desk, made = Desk(), asyncio.Queue[Made]()
    server = await asyncio.get_running_loop().create_server(lambda: Made(made), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    _, leaves = await asyncio.open_connection(*address)
    left = await asyncio.wait_for(made.get(), 10)
    _, stays = await asyncio.open_connection(*address)
    other = await asyncio.wait_for(made.get(), 10)
    leaves.close()
    await asyncio.wait_for(left.ended.wait(), 10)
    async with Beats() as since:
        desk.watch(left)
        while since.seconds < AT_ONCE_S and not left.lost.is_set():
            desk.watch(other)
            await asyncio.sleep(0)
    assert left.lost.is_set() and not other.lost.is_set()
    stays.close()
    await asyncio.wait_for(other.lost.wait(), 10)
    server.close()


class Made(asyncio.Protocol):
    """Our end of a connection; it stays open when the other end is closed."""

    def __init__(self, made: asyncio.Queue[Made]) -> None:
        self._made = made
        self.ended, self.lost = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._made.put_nowait(self)

    def eof_received(self) -> bool:
        self.ended.set()
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self.lost.set()


async def test_a_client_whose_request_is_not_whole_is_let_go(place: Place) -> None:
    async with connected(place) as (reader, writer):
        writer.write(request("text")[:-10])
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""


@pytest.mark.parametrize("look", [listening, _in_tables], ids=["asked", "in the tables"])
async def test_the_kernel_tells_who_listens(look: Callable[[list[Any]], list[bool]]) -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((host, 0))
            server.listen()
            client = socket.create_connection(server.getsockname()[:2])
            own, _ = server.accept()
            with own:
                ends = (own.getsockname(), own.getpeername())
                client.shutdown(socket.SHUT_WR)
                assert look([ends, ((host, 1), (host, 2)), (None, None)]) == [True, False, False]
                client.close()
                assert look([ends]) == [False]


GARBLED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a bad request line": b"POST\r\n\r\n",
    "a bad header": b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
    "a bad length": b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: -3\r\n\r\n",
    "a header too long": b"POST /v1/messages HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
}


@pytest.mark.parametrize("data", GARBLED.values(), ids=GARBLED)
async def test_what_is_no_http_is_answered_as_every_other_mistake(place: Place, data: bytes) -> None:
    async with connected(place) as (reader, writer):
        writer.write(data)
        answer = await asyncio.wait_for(reader.read(), 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") or head.startswith(b"HTTP/1.0 400 ")
    assert b"application/json" in head and b"request-id: req_" in head.lower()
    told = json.loads(body)
    assert (told["type"], told["error"]["type"]) == ("error", "invalid_request_error")
    assert told["error"]["message"].startswith("This is no request that can be read: ")
    assert len(told["error"]["message"]) < 300
