"""HTTP itself, as clients and gateways write it: long and repeated headers, expectations, a list of models."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from anthropic.types import ModelInfo
from clients import ask
from places import Place
from pydantic import TypeAdapter
from ways import closed

from ccr_tui.proxy import server

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = json.dumps(ask("text")).encode()
HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: %d\r\n" % len(BODY)
FORMS: list[tuple[str, bytes, int]] = [
    ("a long header", b"x-gateway: " + b"a" * 60_000 + b"\r\n", 200),
    ("a header without an end", b"x-gateway: " + b"a" * 70_000 + b"\r\n", 400),
    ("a wish to go on", b"expect: 100-continue\r\n", 100),
    ("another wish", b"expect: nothing-special\r\n", 200),
]


async def answered(address: str, request: bytes) -> tuple[int, Any]:
    """The first status, and the JSON of the answer to these very bytes."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        data = await asyncio.wait_for(reader.read(), 5)
    finally:
        await closed(writer)
    return int(data.split()[1]), json.loads(data.rpartition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(("header", "status"), [f[1:] for f in FORMS], ids=[f[0] for f in FORMS])
async def test_forms_of_a_request(header: bytes, status: int, place: Place) -> None:
    found, told = await answered(place.address, HEAD + header + b"\r\n" + BODY)
    assert found == status
    assert told["type"] == ("error" if status == 400 else "message")


@pytest.mark.parametrize("size", [70_000, 300_000, 3_000_000])
async def test_a_large_body_comes_right_behind_its_headers(size: int, place: Place) -> None:
    body = json.dumps({**ask("text"), "system": "word " * (size // 5)}).encode()
    head = b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    assert (await answered(place.address, head % len(body) + body))[0] == 200


class Line(asyncio.Transport):
    """What a socket does when nobody can take more."""

    is_held = False

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """To nobody."""

    def close(self) -> None:
        """It ends with the test."""

    def pause_reading(self) -> None:
        self.is_held = True

    def resume_reading(self) -> None:
        self.is_held = False


async def test_what_came_before_anybody_reads_does_not_hold_up_the_rest() -> None:
    """uvloop hands over up to 2 MB before anything else runs, and aiohttp stops the line long before that."""
    line, read = Line(), asyncio.get_running_loop().create_future()

    async def handle(request: web.BaseRequest) -> web.Response:
        read.set_result(await server.whole(request.content, request.content_length))
        return web.Response()

    protocol = RequestHandler(web.Server(handle), loop=asyncio.get_running_loop())
    protocol.connection_made(line)
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 600001\r\n\r\n")
    protocol.data_received(b"a" * 600_000)
    assert line.is_held
    while line.is_held:
        await asyncio.sleep(0)
    protocol.data_received(b"b")
    assert await read == b"a" * 600_000 + b"b"
    protocol.connection_lost(None)


async def test_a_header_that_comes_twice_is_one(place: Place, http: aiohttp.ClientSession) -> None:
    twice = [("anthropic-beta", "a-1"), ("anthropic-beta", "b-2")]
    async with http.post(f"{place.address}/v1/messages", json=ask("text"), headers=twice) as response:
        trace = await place.trace(response.headers["x-ccr-trace"])
    assert trace.headers["anthropic-beta"] == "a-1, b-2"


async def test_the_list_of_models_is_what_the_official_client_reads(place: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{place.address}/v1/models") as response:
        listed = (await response.json())["data"]
    async with http.get(f"{place.address}/v1/models/{listed[0]['id']}") as response:
        assert await response.json() == listed[0]
    for entry in listed:
        assert TypeAdapter(ModelInfo).validate_python(entry).lifecycle == "active"
        assert {"max_input_tokens", "max_tokens"} <= entry.keys()
