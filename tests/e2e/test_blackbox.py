"""The house as strangers meet it: whatever bytes an upstream sends, whatever a client presents.

Cases that a protocol suite or a bad network would bring and that scripted_openai.py, a well-made server, can't.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from clients import ask, folded, parse_sse
from places import Place
from raw_upstream import CHUNKED, CLOSED, End, RawUpstream, Script, chunk, chunked, event, named, plain, said
from ways import closed

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "0f1e2d3c4b5a-plain-key"
"""A provider's key that looks like none, so that only its value can give it away."""
CLIENT = "client-credential-77"
PAUSE = [b""] * 9
"""Turns of the loop, in which the house reads what was sent before."""
PATIENCE_S = 3.0
"""Below the five seconds that an answer without an end is given."""


@dataclass
class Odd(Place):
    """A house whose upstream is raw: model `chat` speaks chat completions, `claude` the Messages API."""

    raw: RawUpstream | None = None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def odd(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Odd]:
    async with RawUpstream() as raw:
        address = f"http://127.0.0.1:{raw.port}"
        providers = {
            "chat": Provider("chat", "openai", f"{address}/v1", api_key=KEY),
            "claude": Provider("claude", "anthropic", address, api_key=KEY),
        }
        models = {name: Model(name, name, f"{name}-id") for name in providers}
        db = tmp_path_factory.mktemp("odd") / "data" / "ccr.db"
        config = Config(
            port=0, providers=providers, models=models, agents={"default": ("chat",)}, db=db, patience=Patience(())
        )
        async with host.open(config, counter) as house:
            yield Odd(house, None, raw=raw)


@dataclass
class Got:
    """What the client got."""

    status: int
    message: Any
    error: Any
    trace: str


async def send(odd: Odd, http: aiohttp.ClientSession, script: Script, *, stream: bool, model: str = "chat") -> Got:
    assert odd.raw is not None
    odd.raw.script = script
    body = ask("none", model=f"claude-ccr-{model}", stream=stream)
    headers = {"x-api-key": CLIENT}
    async with http.post(f"{odd.address}/v1/messages", json=body, headers=headers) as response:
        data, trace = await response.read(), response.headers["x-ccr-trace"]
    if response.content_type == "text/event-stream":
        events = parse_sse(data)
        return Got(200, folded(events), events[-1].get("error"), trace)
    told = json.loads(data)
    return Got(response.status, told if response.status == 200 else None, told.get("error"), trace)


TEXT = "caf\u00e9 \u2028\U0001f600 \r\n"
WHOLE = said({"content": TEXT[:4]}) + said({"content": TEXT[4:]}) + said({}, "stop") + b"data: [DONE]\n\n"
PACKED = gzip.compress(WHOLE)
ANSWERS: list[tuple[str, Script]] = [
    ("in one piece", chunked(WHOLE)),
    ("byte by byte", (CLOSED, *(bytes([byte]) for byte in WHOLE), End.CUT)),
    ("a chunk a byte", (CHUNKED, *(chunk(bytes([byte])) for byte in WHOLE), chunk(b""))),
    ("lines end in CRLF", chunked(WHOLE.replace(b"\n", b"\r\n"))),
    ("lines end in CR", chunked(WHOLE.replace(b"\n", b"\r"))),
    ("CRLF cut in two", (CLOSED, *(bytes([byte]) for byte in WHOLE.replace(b"\n", b"\r\n")), End.CUT)),
    ("a byte order mark and comments", chunked(b"\xef\xbb\xbf: hello\n\n" + WHOLE.replace(b"data:", b":\ndata:"))),
    ("names, ids, retry", chunked(WHOLE.replace(b"data:", b"event: message\nid: 7\nretry: 9\ndata:"))),
    ("gzip", (CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") + chunk(PACKED), chunk(b""))),
    ("HTTP/1.0", (CLOSED.replace(b"HTTP/1.1", b"HTTP/1.0") + WHOLE, End.CUT)),
    ("no content type", (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + WHOLE, End.CUT)),
    ("interim responses", (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", *chunked(WHOLE))),
    ("no [DONE], no last blank line", (CLOSED + WHOLE.removesuffix(b"\n\ndata: [DONE]\n\n"), End.CUT)),
    ("open after [DONE]", (CHUNKED + chunk(WHOLE), End.HANG)),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("script", [case[1] for case in ANSWERS], ids=[case[0] for case in ANSWERS])
async def test_however_the_bytes_come_the_answer_is_the_same(
    script: Script, stream: bool, odd: Odd, http: aiohttp.ClientSession
) -> None:
    begun = time.monotonic()
    got = await send(odd, http, script, stream=stream)
    assert got.error is None
    assert [(block["type"], block["text"]) for block in got.message["content"]] == [("text", TEXT)]
    assert got.message["stop_reason"] == "end_turn"
    assert time.monotonic() - begun < PATIENCE_S


async def test_an_answer_that_said_how_it_ended_survives_its_connection(odd: Odd, http: aiohttp.ClientSession) -> None:
    """The finish reason is the model's last word; only usage and [DONE] can be missing."""
    script = (CHUNKED + chunk(said({"content": "whole"})), chunk(said({}, "stop")), *PAUSE, End.CUT)
    got = await send(odd, http, script, stream=True)
    assert (got.error, got.message["stop_reason"]) == (None, "end_turn")
    assert (await odd.trace(got.trace)).outcome == "ok"


NO_HTTP: list[tuple[str, Script, str]] = [
    ("another protocol", (b"SSH-2.0-OpenSSH_9.2\r\n", End.CUT), "HTTP"),
    ("a header without end", (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", End.CUT), "HTTP"),
    ("a chunk without size", (CHUNKED + b"size\r\n", End.CUT), "in mid-answer"),
    ("half a header", (b"HTTP/1.1 200 OK\r\ncontent-", End.CUT), "before it answered"),
    ("no gzip", (CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n") + chunk(b"no"), End.CUT), ""),
    ("no content", (b"HTTP/1.1 204 No Content\r\n\r\n",), "204"),
    ("switching protocols", (b"HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", End.CUT), "101"),
    ("a redirect", (b"HTTP/1.1 307 Go\r\nlocation: /v2\r\ncontent-length: 0\r\n\r\n",), "redirect"),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize(("script", "says"), [case[1:] for case in NO_HTTP], ids=[case[0] for case in NO_HTTP])
async def test_what_is_no_answer_is_the_upstreams_fault(
    script: Script, says: str, stream: bool, odd: Odd, http: aiohttp.ClientSession
) -> None:
    got = await send(odd, http, script, stream=stream)
    assert (got.status, got.error["type"]) == (502, "api_error")
    assert "chat" in got.error["message"] and says in got.error["message"]


async def test_an_answer_garbled_in_the_middle_is_the_upstreams_fault(odd: Odd, http: aiohttp.ClientSession) -> None:
    script = (CHUNKED + chunk(said({"content": "part"})), *PAUSE, b"size\r\n", End.CUT)
    got = await send(odd, http, script, stream=True)
    assert got.error["type"] == "api_error"
    assert "ccr-tui made a mistake" not in got.error["message"]


LEAKS: list[tuple[str, str, Script]] = [
    ("refused", "chat", plain(401, {"error": {"message": f"wrong key {KEY}, client {CLIENT}"}})),
    ("refused with no JSON", "chat", plain(500, f"<p>{KEY} {CLIENT}</p>".encode())),
    ("an error in a success", "chat", plain(200, {"error": {"message": f"{KEY} {CLIENT}"}})),
    (
        "an error in a stream",
        "chat",
        chunked(said({"content": "a"}) + event({"error": {"message": f"{KEY} {CLIENT}"}})),
    ),
    (
        "a key cut by the network",
        "chat",
        (CHUNKED, chunk(b'data: {"error": "' + KEY[:9].encode()), chunk(KEY[9:].encode() + b'"}\n\n'), chunk(b"")),
    ),
    (
        "Anthropic's",
        "claude",
        plain(401, {"type": "error", "error": {"type": "authentication_error", "message": f"{KEY} {CLIENT}"}}),
    ),
    (
        "Anthropic's in a stream",
        "claude",
        chunked(named("error", error={"type": "api_error", "message": f"{KEY} {CLIENT}"})),
    ),
]


@pytest.mark.parametrize(("model", "script"), [case[1:] for case in LEAKS], ids=[case[0] for case in LEAKS])
async def test_a_key_that_an_upstream_repeats_is_told_and_kept_nowhere(
    model: str, script: Script, odd: Odd, http: aiohttp.ClientSession
) -> None:
    got = await send(odd, http, script, stream=True, model=model)
    trace = await odd.trace(got.trace)
    assert trace.attempts[0].stream, "what was received is kept"
    kept = b"".join(piece for attempt in trace.attempts for _, piece in attempt.stream).decode()
    for secret in (KEY, CLIENT):
        assert secret not in json.dumps(got.error)
        assert secret not in repr(trace.failure) and secret not in kept


MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-id",
    "content": [
        {"type": "text", "text": "a", "citations": None},
        {"type": "text", "text": "b", "citations": [{"type": "char_location", "cited_text": "c"}]},
        {"type": "text", "text": "", "citations": []},
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"a": [1.5, None]},
         "caller": {"type": "direct"}},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ],
    "stop_reason": "tool_use", "stop_sequence": None, "stop_details": None, "container": None,
    "context_management": {"applied_edits": []},
    "usage": {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 9,
              "cache_creation": {"ephemeral_5m_input_tokens": 0}, "service_tier": "standard"},
}  # fmt: skip


async def test_a_whole_answer_of_the_messages_api_passes_unchanged(odd: Odd, http: aiohttp.ClientSession) -> None:
    got = await send(odd, http, plain(200, MESSAGE), stream=False, model="claude")
    assert got.message == MESSAGE
    assert (await odd.trace(got.trace)).reply == MESSAGE


async def raw_status(address: str, request: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer to these very bytes."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(request)
        head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE_S)).partition(b"\r\n\r\n")
    finally:
        await closed(writer)
    return int(head.split()[1]), json.loads(body)


ODD_REQUESTS = [
    ("a host that is none", b"host: a:b:c\r\n", b"{}", 403),
    ("a host that no name can be", b"host: [zz\r\n", b"{}", 403),
    ("a body that is no gzip", b"host: 127.0.0.1\r\ncontent-encoding: gzip\r\n", b"no gzip", 400),
    ("a gzip that is cut", b"host: 127.0.0.1\r\ncontent-encoding: gzip\r\n", PACKED[:-20], 400),
    ("a packing that is not known", b"host: 127.0.0.1\r\ncontent-encoding: br\r\n", b"\x0b\x02\x80abc\x03", 415),
]


@pytest.mark.parametrize("path", [b"/v1/messages", b"/v1/messages/count_tokens"])
@pytest.mark.parametrize(
    ("headers", "body", "status"), [case[1:] for case in ODD_REQUESTS], ids=[case[0] for case in ODD_REQUESTS]
)
async def test_an_odd_request_is_the_clients_fault(
    headers: bytes, body: bytes, status: int, path: bytes, odd: Odd
) -> None:
    head = b"POST %b HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n" % (path, len(body))
    found, told = await raw_status(odd.address, head + headers + b"\r\n" + body)
    assert (found, told["type"]) == (status, "error")
    assert told["error"]["type"] == ("permission_error" if status == 403 else "invalid_request_error")
    assert ("error_code" in told["error"].get("details", {})) == (b"content-encoding" in headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "k-123"}, 200),
        ({"x-api-key": "k-1234"}, 401),
        ({"authorization": "Bearer k-123"}, 200),
        ({"authorization": "bearer  k-123"}, 200),
        ({"authorization": "Basic k-123"}, 401),
        ({"authorization": "k-123"}, 401),
        ({"x-api-key": "wrong", "authorization": "Bearer k-123"}, 200),
    ],
    ids=str,
)
async def test_the_key_of_the_house(
    headers: dict[str, str], status: int, odd: Odd, http: aiohttp.ClientSession
) -> None:
    open_house = odd.house.engine.config
    odd.house.engine.swap(replace(open_house, api_key="k-123"))
    try:
        async with http.get(f"{odd.address}/v1/models", headers=headers) as response:
            assert response.status == status
    finally:
        odd.house.engine.swap(open_house)


PAGES = [
    ("", ["chat", "claude"], False),
    ("?limit=1", ["chat"], True),
    ("?limit=1&after_id=claude-ccr-chat", ["claude"], False),
    ("?after_id=claude-ccr-claude", [], False),
    ("?before_id=claude-ccr-claude", ["chat"], False),
    ("?limit=1&before_id=claude-ccr-claude", ["chat"], False),
    ("?limit=1000", ["chat", "claude"], False),
]


@pytest.mark.parametrize(("query", "names", "more"), PAGES, ids=[case[0] or "none" for case in PAGES])
async def test_models_come_in_pages(
    query: str, names: list[str], more: bool, odd: Odd, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{odd.address}/v1/models{query}") as response:
        page = await response.json()
    ids = [f"claude-ccr-{name}" for name in names]
    assert ([model["id"] for model in page["data"]], page["has_more"]) == (ids, more)
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=nobody", "before_id=nobody"])
async def test_a_page_that_cannot_be(query: str, odd: Odd, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{odd.address}/v1/models?{query}") as response:
        told = await response.json()
    assert (response.status, told["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("status", "names"),
    [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "OPENAI_BASE_URL"), (301, "OPENAI_BASE_URL")],
)
async def test_the_cure_fits_a_house_without_a_config_file(
    status: int, names: str, odd: Odd, http: aiohttp.ClientSession
) -> None:
    got = await send(odd, http, plain(status, {"error": {"message": "no"}}), stream=False)
    assert f"providers.chat.{'api_key' if status in (401, 403) else 'base_url'}" in got.error["message"]
    assert names in got.error["message"]
