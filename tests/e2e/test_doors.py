"""Paths, keys, bodies and secrets: what the HTTP face lets in, and what never gets out."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from clients import ask, parse_sse
from places import KEY, Place, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.config import secrets
from ccr_tui.memory import MEMORY
from ccr_tui.proxy.server import told_to
from ccr_tui.store.verify import verify

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/", 200),
        ("GET", "/", 200),
        ("GET", "/health", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models?limit=1000", 200),
        ("GET", "/v1/models/nobody", 404),
        ("HEAD", "/api/hello", 404),
        ("GET", "/v1/messages", 404),
        ("POST", "/v1/complete", 404),
        ("GET", "/favicon.ico", 404),
    ],
)
async def test_paths(method: str, path: str, status: int, place: Place, http: aiohttp.ClientSession) -> None:
    async with http.request(method, f"{place.address}{path}") as response:
        data = await response.read()
    assert response.status == status
    assert response.headers["request-id"]
    if status == 404 and method != "HEAD":
        told = json.loads(data)
        assert (told["type"], told["error"]["type"]) == ("error", "not_found_error")


async def test_health_tells_what_runs(place: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{place.address}/health") as response:
        told = await response.json()
    assert told.keys() >= {"status", "mode", "version", "models", "in_flight"}
    assert (told["status"], told["mode"], told["in_flight"]) == ("ok", "normal", 0)
    assert told["models"] == {"default": "scripted"}


async def test_health_names_its_files_so_that_a_second_program_knows_whether_they_are_its_own(
    place: Place, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{place.address}/health") as response:
        told = await response.json()
    assert told["database"] == str(place.house.db.absolute())
    assert told["config"] is None or Path(told["config"]).is_absolute()


@pytest.mark.parametrize(
    ("remote", "is_told"),
    [("127.0.0.1", True), ("::1", True), ("192.0.2.7", False), ("fd00::7", False), ("", False), (None, False)],
    ids=str,
)
async def test_where_things_lie_is_told_to_this_machine_alone(remote: str | None, is_told: bool) -> None:
    told = told_to(
        remote,
        {
            "status": "ok",
            "config": "/home/x/config.toml",
            "database": "/home/x/ccr.db",
            "trouble": "/home/x/ccr.db: full",
        },
    )
    assert told["status"] == "ok" and ("config" in told) == ("database" in told) == ("trouble" in told) == is_told


BAD = [
    ("not json", "{", "JSON"),
    ("empty", "", "JSON"),
    ("a list", "[]", "dictionary"),
    ("no model", {"max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}, "model: Field required"),
    ("no max_tokens", {"model": "m", "messages": [{"role": "user", "content": "x"}]}, "max_tokens: Field required"),
    ("no messages", {"model": "m", "max_tokens": 1}, "messages: Field required"),
    ("role", {"model": "m", "max_tokens": 1, "messages": [{"role": "god", "content": "x"}]}, "messages.0.role"),
    ("content", {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
]


@pytest.mark.parametrize(("body", "says"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_a_body_that_is_no_request_is_refused_and_traced(
    body: Any, says: str, place: Place, http: aiohttp.ClientSession
) -> None:
    data = body if isinstance(body, str) else json.dumps(body)
    async with http.post(f"{place.address}/v1/messages", data=data) as response:
        told = await response.json()
    assert (response.status, told["error"]["type"]) == (400, "invalid_request_error")
    assert says in told["error"]["message"]
    assert (await place.trace(response.headers["x-ccr-trace"])).outcome == "error"


async def test_a_body_up_to_64_mb_is_taken_and_a_larger_one_refused(place: Place, http: aiohttp.ClientSession) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * (40 << 20)}}
    body = ask("text", messages=[{"role": "user", "content": [{"type": "text", "text": "[[ccr:text]]"}, image]}])
    async with http.post(f"{place.address}/v1/messages", data=io.BytesIO(json.dumps(body).encode())) as response:
        assert response.status == 200, await response.text()
    async with http.post(f"{place.address}/v1/messages", data=io.BytesIO(b"x" * ((64 << 20) + 1))) as response:
        told = await response.json()
    assert (response.status, told["error"]["type"]) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["messages", "messages/count_tokens"])
async def test_a_body_of_millions_of_values_is_refused_before_it_is_read(
    path: str, place: Place, http: aiohttp.ClientSession
) -> None:
    many = [{"type": "text", "text": "x"}, {"type": "odd", "x": [{"a": 1}] * 1_000_001}]
    body = json.dumps(ask("text", messages=[{"role": "user", "content": many}])).encode()
    async with http.post(f"{place.address}/v1/{path}", data=io.BytesIO(body)) as response:
        told = await response.json()
    assert (response.status, told["error"]["type"]) == (400, "invalid_request_error")
    assert "the JSON holds over 2,000,000 values" in told["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": "our-key"}, 200),
        ({"authorization": "Bearer our-key"}, 200),
        ({"authorization": "Bearer ", "x-api-key": ""}, 401),
    ],
)
async def test_a_set_key_is_asked_for(
    headers: dict[str, str],
    status: int,
    upstream: ScriptedOpenAI,
    counter: Counter,
    tmp_path: Path,
    http: aiohttp.ClientSession,
) -> None:
    async with (
        host.open(config_for(upstream, tmp_path, api_key="our-key"), counter) as house,
        http.post(f"{house.engine.address}/v1/messages", json=ask("text"), headers=headers) as response,
    ):
        told = await response.json()
    assert response.status == status
    if status == 401:
        assert told["error"]["type"] == "authentication_error"
        assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}], ids=str)
async def test_a_web_page_is_not_answered(headers: dict[str, str], place: Place, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{place.address}/v1/messages", json=ask("text"), headers=headers) as response:
        assert response.status == 403


async def test_no_secret_reaches_the_store(place: Place, http: aiohttp.ClientSession) -> None:
    mine = {"authorization": "Bearer client-secret-1", "x-api-key": "client-secret-2", "cookie": "client-secret-3"}
    for scenario in ("text", "http:401"):
        async with http.post(f"{place.address}/v1/messages", json=ask(scenario), headers=mine) as response:
            await place.trace(response.headers["x-ccr-trace"])
    files = sorted(place.house.db.parent.iterdir())
    stored = b"".join(file.read_bytes() for file in files)
    assert b"scripted" in stored
    for secret in (KEY, "client-secret"):
        assert secret.encode() not in stored
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert "client-secret" not in json.dumps(dict(trace.headers))


async def test_a_key_that_is_spoken_of_reaches_the_client_and_not_the_store(
    place: Place, http: aiohttp.ClientSession
) -> None:
    """Claude Code may read .env with a tool; the key is then part of the conversation, turn after turn."""
    said = [{"role": "user", "content": f"My key is {KEY}, by the way."}, {"role": "assistant", "content": "I see."}]
    for turn in range(2):
        said.append({"role": "user", "content": f"Play {turn}. [[ccr:echo:it is {KEY}]]"})
        async with http.post(f"{place.address}/v1/messages", json={**ask("echo"), "messages": said}) as response:
            answer = await response.json()
        assert answer["content"][0]["text"] == f"it is {KEY}"
        assert place.upstream is not None
        assert KEY in json.dumps(place.upstream.requests[-1].body)
        trace = await place.trace(response.headers["x-ccr-trace"])
        assert trace.body["messages"][0]["content"] == f"My key is {'*' * len(KEY)}, by the way."
        assert trace.reply["content"][0]["text"] == f"it is {'*' * len(KEY)}"
        said.append({"role": "assistant", "content": answer["content"]})
    assert not await asyncio.to_thread(verify, place.house.db)
    assert KEY.encode() not in b"".join(file.read_bytes() for file in place.house.db.parent.iterdir())


@pytest.mark.parametrize("size", [1, MEMORY + 1], ids=["small", "large"])
async def test_a_large_body_to_count_is_worked_on_aside(size: int, place: Place, http: aiohttp.ClientSession) -> None:
    """Not where everybody waits, nor in the memory for conversations, which is for one thread and would forget them."""
    said = [
        {"role": "user", "content": "word " * 10},
        {"role": "assistant", "content": f"b{size} " + "word " * (size // 5)},
    ]
    body = io.BytesIO(json.dumps(ask("text", messages=said)).encode())
    async with http.post(f"{place.address}/v1/messages/count_tokens", data=body) as response:
        assert (await response.json())["input_tokens"] > 10
    known = place.house.engine.context.memory.part(said[1]).found
    assert bool(known) == (size == 1), "what is known of a message stays with it"


STAND_INS = ["lm-studio", "sk-no-key-required", "Not-Needed", "dummy-api-key"]


@pytest.mark.parametrize("key", STAND_INS)
async def test_a_key_that_is_none_is_covered_nowhere(key: str, place: Place, http: aiohttp.ClientSession) -> None:
    """Servers at home want no key, clients want one: what is written there is no secret, but a word like any other."""
    config, text = place.house.engine.config, f"{key} it is: [[ccr:echo:{key}]]"
    local = replace(config.providers["scripted"], name="local", api_key=key)
    assert key not in secrets(replace(config, providers={"local": local}))
    body = {**ask("echo"), "messages": [{"role": "user", "content": text}]}
    async with http.post(f"{place.address}/v1/messages", json=body, headers={"x-api-key": key}) as response:
        await response.read()
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert trace.body["messages"][0]["content"] == text
    assert trace.reply["content"][0]["text"] == key


async def test_the_key_of_the_house_is_one_whatever_it_is_called(place: Place) -> None:
    assert "lm-studio" in secrets(replace(place.house.engine.config, api_key="lm-studio"))


async def test_five_hundred_streams_at_once_do_not_mix(place: Place, http: aiohttp.ClientSession) -> None:
    async def one(n: int) -> str:
        body = ask(f"echo:stream number {n}", stream=True)
        async with http.post(f"{place.address}/v1/messages", json=body) as response:
            events = parse_sse(await response.read())
        return "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")

    said = await asyncio.gather(*(one(n) for n in range(500)))
    assert said == [f"stream number {n}" for n in range(500)]


async def test_a_new_config_answers_the_next_request_and_leaves_the_running_one_alone(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    config = config_for(upstream, tmp_path)
    async with host.open(config, counter) as house:
        address = f"{house.engine.address}/v1/messages"
        running = asyncio.ensure_future(http.post(address, json=ask("long:20", stream=True)))
        await upstream.came(len(upstream.requests) + 1)
        house.engine.swap(replace(config, agents={"default": ("dead",)}))
        async with http.post(address, json=ask("text")) as response:
            assert response.status == 502
        async with await running as response:
            assert b"message_stop" in await response.read()
