"""What a web page on the same machine could try, byte by byte: its own name rebound to 127.0.0.1, simple POSTs,
preflights, sockets. Nothing of it is answered, nothing reaches a model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clients import ask
from places import Place, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

BODY = json.dumps(ask("text")).encode()


async def status(address: str, *lines: bytes, body: bytes = BODY) -> tuple[int, bytes]:
    """Sent as it stands; {port} is ours. The answer's status and its head."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = b"\r\n".join((*lines, b"connection: close", b"content-length: %d" % len(body), b"", body))
    writer.write(head.replace(b"{port}", str(parts.port).encode()))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[0]


POST = b"POST /v1/messages HTTP/1.1"
OURS = [b"127.0.0.1:{port}", b"127.0.0.1", b"localhost:{port}", b"LOCALHOST", b"[::1]:{port}", b"[::ffff:127.0.0.1]"]
THEIRS = [
    b"evil.example", b"evil.example:{port}", b"127.0.0.1.evil.example", b"localhost.evil.example", b"evil.localhost",
    b"localhost.", b"127.0.0.1@evil.example", b"evil.example#127.0.0.1", b"evil.example/127.0.0.1", b"2130706433",
    b"0x7f.1", b"127.1", b"", b"127.0.0.1, evil.example", b"\xff\xfe", b"127.0.0.1:99999", b"localhost%00.evil.example",
    b"evil.example@127.0.0.1", b"a:b@localhost", b"[::1", "ｌocalhost".encode(), "１２７.0.0.1".encode(),
]  # fmt: skip


@pytest.mark.parametrize("name", OURS, ids=repr)
async def test_our_own_names_are_answered(place: Place, name: bytes) -> None:
    assert (await status(place.address, POST, b"host: " + name))[0] == 200


@pytest.mark.parametrize("name", THEIRS, ids=repr)
async def test_another_name_is_not(place: Place, name: bytes) -> None:
    assert place.upstream
    before = len(place.upstream.requests)
    assert (await status(place.address, POST, b"host: " + name))[0] == 403
    assert len(place.upstream.requests) == before


SAID = {
    "a simple POST": (POST, b"host: 127.0.0.1", b"origin: https://evil.example", b"content-type: text/plain"),
    "a sandboxed frame": (POST, b"host: 127.0.0.1", b"origin: null"),
    "an empty origin": (POST, b"host: 127.0.0.1", b"origin:"),
    "a page of our own address": (POST, b"host: 127.0.0.1:{port}", b"origin: http://127.0.0.1:{port}"),
    "no origin, but a browser": (POST, b"host: 127.0.0.1", b"sec-fetch-site: cross-site"),
    "a rebound page": (POST, b"host: evil.example:{port}", b"sec-fetch-site: same-origin"),
    "a preflight": (
        b"OPTIONS /v1/messages HTTP/1.1",
        b"host: 127.0.0.1",
        b"origin: https://evil.example",
        b"access-control-request-method: POST",
        b"access-control-request-private-network: true",
    ),
    "a picture": (b"GET /health HTTP/1.1", b"host: 127.0.0.1", b"sec-fetch-site: cross-site"),
    "a socket": (b"GET / HTTP/1.1", b"host: 127.0.0.1", b"upgrade: websocket", b"origin: https://evil.example"),
    "two names": (POST, b"host: 127.0.0.1", b"host: evil.example"),
    "another name in the target": (b"POST http://evil.example/v1/messages HTTP/1.1", b"host: 127.0.0.1"),
    "our name in the target": (b"POST http://127.0.0.1/v1/messages HTTP/1.1", b"host: evil.example"),
    "no name": (POST,),
    "no name, as of old": (b"POST /v1/messages HTTP/1.0",),
    "a browser, after one that is none": (
        POST,
        b"host: 127.0.0.1",
        b"sec-fetch-site: none",
        b"sec-fetch-site: cross-site",
    ),
}


@pytest.mark.parametrize("lines", SAID.values(), ids=SAID)
async def test_a_page_is_refused_and_told_nothing(place: Place, lines: tuple[bytes, ...]) -> None:
    assert place.upstream
    before = len(place.upstream.requests)
    code, head = await status(place.address, *lines)
    assert code in (400, 403)
    assert b"access-control-allow" not in head.lower()
    assert len(place.upstream.requests) == before


async def test_with_a_key_a_rebound_page_does_not_even_learn_who_is_there(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path
) -> None:
    async with host.open(config_for(upstream, tmp_path, api_key="our-key-123"), counter) as house:
        address, look = house.engine.address, b"GET /health HTTP/1.1"
        assert (await status(address, look, b"host: 127.0.0.1", body=b""))[0] == 200
        assert (await status(address, look, b"host: evil.example", body=b""))[0] == 401
        assert (await status(address, look, b"host: my.box", b"x-api-key: our-key-123", body=b""))[0] == 200
        assert (await status(address, POST, b"host: 127.0.0.1", b"x-api-key: \xff\xfe"))[0] == 401
