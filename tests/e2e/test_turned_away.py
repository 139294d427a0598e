"""Whoever is turned away before his request is read is recorded too, and can't fill the database."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from clients import ask
from places import Place, config_for, is_strangers
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.errors import NotAllowed
from ccr_tui.proxy import turned_away
from ccr_tui.proxy.turned_away import HUNG_UP, TurnedAway
from ccr_tui.records import Trace

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")
OUR_KEY = "our-key-0123456789"


@pytest_asyncio.fixture(loop_scope="session")
async def door(upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path) -> AsyncIterator[Place]:
    """A house of one's own: who comes to its door is counted."""
    async with host.open(config_for(upstream, tmp_path), counter) as house:
        yield Place(house, upstream)


@pytest_asyncio.fixture(loop_scope="session")
async def locked_door(upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path) -> AsyncIterator[Place]:
    async with host.open(config_for(upstream, tmp_path, api_key=OUR_KEY), counter) as house:
        yield Place(house, upstream)


async def stored(place: Place) -> list[Trace]:
    assert await place.house.flush()
    reader = place.house.reader
    return [await asyncio.to_thread(reader.trace, row.id) for row in await asyncio.to_thread(reader.rows)]


UNREAD: list[tuple[str, dict[str, Any], int]] = [
    ("packed in a way that nobody knows", {"data": b"x", "headers": {"content-encoding": "lzma"}}, 415),
    ("packed badly", {"data": gzip.compress(b"{}")[:-6], "headers": {"content-encoding": "gzip"}}, 400),
]


@pytest.mark.parametrize(("sent", "status"), [case[1:] for case in UNREAD], ids=[case[0] for case in UNREAD])
async def test_each_request_whose_body_cannot_be_had_has_a_trace(
    sent: dict[str, Any], status: int, door: Place, http: aiohttp.ClientSession
) -> None:
    for _ in range(3):
        async with http.post(f"{door.address}/v1/messages", **sent) as response:
            told = await response.json()
        assert response.status == status
        trace = await door.trace(response.headers["x-ccr-trace"])
        assert response.headers["request-id"] == f"req_{trace.uid}"
        assert (trace.outcome, trace.status, trace.body, trace.raw) == ("error", status, None, None)
        assert trace.failure and trace.failure.message == told["error"]["message"]
        assert "python" in trace.headers["user-agent"].lower()
    assert len(await stored(door)) == 3


async def test_a_body_that_is_too_large_has_a_trace(
    door: Place, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ccr_tui.proxy.server.MAX_BODY", 1000)
    async with http.post(f"{door.address}/v1/messages", data=b"x" * 2000) as response:
        assert response.status == 413
    trace = await door.trace(response.headers["x-ccr-trace"])
    assert (trace.outcome, trace.status, trace.raw) == ("error", 413, None)


HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
HALVES = [
    ("less than it said", b"Content-Length: 1000", b"{}", "cancelled", 0),
    ("no chunk's size", b"Transfer-Encoding: chunked", b"zz\r\n", "error", 400),
]


@pytest.mark.parametrize(
    ("header", "part", "outcome", "status"), [case[1:] for case in HALVES], ids=[case[0] for case in HALVES]
)
async def test_a_body_that_is_cut_off_has_a_trace(
    header: bytes, part: bytes, outcome: str, status: int, door: Place
) -> None:
    port = int(door.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + header + b"\r\n\r\n")
    assert b"100 Continue" in await reader.readline()
    writer.write(part)
    await writer.drain()
    if status:
        assert b"it is not what its transfer-encoding says" in await reader.readuntil(b"says")
    writer.close()
    trace = await door.next_trace(set())
    assert (trace.outcome, trace.status, trace.body, trace.raw) == (outcome, status, None, None)
    assert trace.failure and (status or trace.failure.message == HUNG_UP)


STRANGERS: list[tuple[str, dict[str, str], int, str]] = [
    ("a page", {"Origin": "https://evil.example"}, 403, "a page of https://evil.example"),
    ("a login", {"Origin": "https://a:b@evil.example"}, 403, "a page of https://evil.example"),
    ("a name that is not ours", {"Host": "evil.example"}, 403, "The Host 'evil.example' is not ours"),
    ("a long name", {"Origin": "https://" + "e" * 5000}, 403, "eee"),
]


@pytest.mark.parametrize(
    ("headers", "status", "says"), [case[1:] for case in STRANGERS], ids=[case[0] for case in STRANGERS]
)
async def test_a_stranger_is_told_of_once_and_then_counted(
    headers: dict[str, str], status: int, says: str, door: Place, http: aiohttp.ClientSession
) -> None:
    for _ in range(40):
        async with http.post(f"{door.address}/v1/messages", json=ask("text"), headers=headers) as response:
            assert response.status == status
            assert "x-ccr-trace" not in response.headers
    (first,) = await stored(door)
    assert first.failure and says in first.failure.message and len(first.failure.message) < 400
    assert first.failure.message.startswith("POST /v1/messages")
    assert (first.status, first.body, first.raw) == (status, None, None)
    turned: TurnedAway = door.house.engine._server.turned_away  # type: ignore[union-attr]
    turned.end()
    last, _ = await stored(door)
    assert last.failure and last.failure.message.startswith("The same 39 times more within 1 min;")
    assert says in last.failure.message and is_strangers(last)


async def test_a_wrong_key_is_told_of_and_not_kept(locked_door: Place, http: aiohttp.ClientSession) -> None:
    wrong = "sk-of-somebody-else-42"
    mine = {"x-api-key": wrong, "User-Agent": f"curl {wrong}", "Authorization": f"Bearer {wrong}2"}
    for _ in range(2):
        async with http.post(f"{locked_door.address}/v1/{wrong}", json=ask("text"), headers=mine) as response:
            assert response.status == 401
    (trace,) = await stored(locked_door)
    assert (trace.status, trace.headers) == (401, {"user-agent": "curl ***"})
    assert wrong not in repr(trace) and "The key is missing or wrong" in repr(trace)


async def test_a_path_that_is_not_there_is_told_of(door: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{door.address}/favicon.ico") as response:
        assert response.status == 404
    async with http.post(f"{door.address}/v1/v1/messages", json=ask("text")) as response:
        assert response.status == 404
    (trace,) = await stored(door)
    assert trace.failure and trace.failure.message.startswith("POST /v1/v1/messages: There is no such path")


NO_HTTP = [
    ("https", b"\x16\x03\x01\x02\x00\x01" + b"x" * 50 + b"\r\n\r\n", "HTTPS traffic on an HTTP port"),
    ("nonsense", b"Good day!\r\n\r\n", "This is no request that can be read"),
    ("a long line", b"GET /" + b"sk-of-mine" * 8000 + b" HTTP/1.1\r\n\r\n", "This is no request that can be read"),
    ("a key in it", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: sk-of-mine\x01\r\n\r\n", "Invalid header value"),
]


@pytest.mark.parametrize(("sent", "says"), [case[1:] for case in NO_HTTP], ids=[case[0] for case in NO_HTTP])
async def test_what_is_no_http_is_told_of_without_what_it_was(sent: bytes, says: str, door: Place) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.address.rpartition(":")[2]))
    writer.write(sent)
    assert b"400" in await reader.readline()
    writer.close()
    (trace,) = await stored(door)
    assert trace.failure and says in trace.failure.message and trace.failure.message.startswith("Something: ")
    assert (trace.status, "sk-of" in repr(trace)) == (400, False)


async def test_who_looks_at_our_page_with_a_browser_is_no_stranger(door: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{door.address}/favicon.ico", headers={"Sec-Fetch-Site": "same-origin"}) as response:
        assert response.status == 403
    assert await stored(door) == []


async def test_a_stranger_that_never_stops_is_told_of_ever_more_seldom(
    door: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turned_away, "LONGEST_S", 400.0)
    landed: list[Trace] = []
    door.house.feed.subscribe(landed.append)
    turned: TurnedAway = door.house.engine._server.turned_away  # type: ignore[union-attr]

    class Page:
        method, path, remote = "GET", "/", "192.168.1.7"
        headers = {"Origin": "x"}

    spans = []
    for _ in range(5):
        for _ in range(1000):
            turned.stranger(Page(), NotAllowed("No.", status=403))
        spans.append(turned._sorts[403][0].span_s)
        turned._sorts[403][1].cancel()
        turned._over(403)
    assert spans == [60.0, 120.0, 240.0, 400.0, 400.0]
    assert len(landed) == 6 and "from 192.168.1.7" in repr(landed)
    turned._sorts[403][1].cancel()
    turned._over(403)
    assert turned._sorts == {}, "after a quiet span the next one is the first again"
