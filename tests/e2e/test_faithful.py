"""Between the client and an Anthropic upstream: what passes, passes as it is.

Events, headers of both directions and the query; what the house changes is only what its documentation says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from clients import ask, parse_sse
from places import Place
from raw_upstream import CHUNKED, RawUpstream, Script, chunk, named, plain

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.proxy.attempt import id_in

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Passing(Place):
    """A house whose only model speaks the Messages API, raw."""

    raw: RawUpstream | None = None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def passing(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Passing]:
    async with RawUpstream() as raw:
        providers = {"claude": Provider("claude", "anthropic", f"http://127.0.0.1:{raw.port}", api_key="k-claude")}
        models = {"claude": Model("claude", "claude", "claude-id")}
        db = tmp_path_factory.mktemp("passing") / "data" / "ccr.db"
        config = Config(
            port=0, providers=providers, models=models, agents={"default": ("claude",)}, db=db, patience=Patience(())
        )
        async with host.open(config, counter) as house:
            yield Passing(house, None, raw=raw)


MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-id", "content": [], "stop_reason": None,
    "stop_sequence": None, "container": None,
    "usage": {"input_tokens": 3, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 0}},
}  # fmt: skip
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("message_start", {"message": MESSAGE}),
    ("ping", {}),
    ("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "a"}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "b", "estimated_tokens": 2}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "signature_delta", "signature": "S=="}}),
    ("content_block_stop", {"index": 0}),
    ("content_block_start", {"index": 1, "content_block": {"type": "text", "text": "", "citations": []}}),
    ("content_block_delta", {"index": 1, "delta": {"type": "text_delta", "text": "one "}}),
    ("content_block_delta", {"index": 1, "delta": {"type": "text_delta", "text": "caf\u00e9 \u2028"}}),
    ("content_block_delta", {"index": 1, "delta": {"type": "citations_delta", "citation": {"type": "new"}}}),
    ("content_block_stop", {"index": 1}),
    ("content_block_start", {"index": 2, "content_block": {"type": "novelty", "x": 1.0}}),
    ("content_block_delta", {"index": 2, "delta": {"type": "novel_delta", "y": 12345678901234567890}}),
    ("content_block_stop", {"index": 2}),
    ("novel_event", {"z": [None, True, 0.1]}),
    (
        "content_block_start",
        {"index": 3, "content_block": {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}},
    ),
    ("content_block_delta", {"index": 3, "delta": {"type": "input_json_delta", "partial_json": ""}}),
    ("content_block_delta", {"index": 3, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}}),
    ("content_block_delta", {"index": 3, "delta": {"type": "input_json_delta", "partial_json": ":1}"}}),
    ("content_block_stop", {"index": 3}),
    ("message_delta", {"delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {"output_tokens": 9}}),
    ("message_stop", {}),
]
STREAM = b"".join(named(kind, **fields) for kind, fields in EVENTS)
TOLD = b"request-id: req_up\r\nanthropic-ratelimit-requests-remaining: 7\r\nset-cookie: a=b\r\n"
HEAD = CHUNKED.removesuffix(b"\r\n") + TOLD + b"\r\n"
LONG = CHUNKED.removesuffix(b"\r\n") + b"content-security-policy: " + b"a" * 20_000 + b"\r\n\r\n"
PACKETS: list[tuple[str, Script]] = [
    ("in one packet", (HEAD + chunk(STREAM) + chunk(b""),)),
    ("an event a packet", (HEAD, *(chunk(named(kind, **fields)) for kind, fields in EVENTS), chunk(b""))),
    ("behind a long header", (LONG, chunk(STREAM), chunk(b""))),
    ("cut anywhere", (HEAD, *(chunk(STREAM[at : at + 7]) for at in range(0, len(STREAM), 7)), chunk(b""))),
]


async def post(
    passing: Passing, http: aiohttp.ClientSession, script: Script, headers: Any = (), **more: Any
) -> tuple[aiohttp.ClientResponse, bytes]:
    assert passing.raw is not None
    passing.raw.script = script
    async with http.post(
        f"{passing.address}/v1/messages?beta=true&x=1", json=ask("none", **more), headers=headers
    ) as r:
        return r, await r.read()


@pytest.mark.parametrize("script", [case[1] for case in PACKETS], ids=[case[0] for case in PACKETS])
async def test_events_pass_one_by_one_and_unchanged(
    script: Script, passing: Passing, http: aiohttp.ClientSession
) -> None:
    _, data = await post(passing, http, script, stream=True)
    assert [json.dumps(event) for event in parse_sse(data)] == [json.dumps({"type": k, **f}) for k, f in EVENTS]


LIMITED = plain(429, {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}, TOLD)


@pytest.mark.parametrize(
    ("script", "stream"),
    [(PACKETS[0][1], True), (plain(200, MESSAGE, TOLD), False), (LIMITED, True)],
    ids=["streamed", "plain", "refused"],
)
async def test_the_client_is_told_its_limits(
    script: Script, stream: bool, passing: Passing, http: aiohttp.ClientSession
) -> None:
    response, _ = await post(passing, http, script, stream=stream)
    assert response.headers["anthropic-ratelimit-requests-remaining"] == "7"
    assert response.headers["request-id"].startswith("req_") and response.headers["request-id"] != "req_up"
    assert response.headers["x-ccr-upstream-request-id"] == "req_up"
    answer = (await passing.trace(response.headers["x-ccr-trace"])).answer
    assert answer is not None and answer.request_id == "req_up"
    assert "set-cookie" not in response.headers


ODD = b"retry-after: 1\x0b\r\nanthropic-ratelimit-tokens-reset: a\tb\r\nanthropic-ratelimit-tier: \xe9\r\n"


@pytest.mark.parametrize("status", [200, 400])
async def test_a_header_that_can_not_be_passed_on_takes_no_answer_along(
    status: int, passing: Passing, http: aiohttp.ClientSession
) -> None:
    body = MESSAGE if status == 200 else {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
    response, _ = await post(passing, http, plain(status, body, ODD + TOLD.removeprefix(b"request-id: req_up\r\n")))
    assert (response.status, response.headers["anthropic-ratelimit-requests-remaining"]) == (status, "7")
    assert not {"retry-after", "anthropic-ratelimit-tokens-reset"} & set(map(str.lower, response.headers))


NAMED = {"type": "rate_limit_error", "message": "M", "details": {"error_code": "credits_required", "limit": [1]}}
FAILED = [
    ("at once", plain(429, {"type": "error", "error": NAMED})),
    (
        "in the stream",
        (HEAD + chunk(named("message_start", message=MESSAGE) + named("error", error=NAMED)), chunk(b"")),
    ),
]


@pytest.mark.parametrize("script", [case[1] for case in FAILED], ids=[case[0] for case in FAILED])
async def test_the_code_of_an_error_reaches_the_client_that_acts_on_it(
    script: Script, passing: Passing, http: aiohttp.ClientSession
) -> None:
    response, data = await post(passing, http, script, stream=True)
    told = parse_sse(data)[-1] if response.status == 200 else json.loads(data)
    assert told["error"] == NAMED


async def test_the_clients_own_headers_for_anthropic_pass_and_no_others(
    passing: Passing, http: aiohttp.ClientSession
) -> None:
    given = [("anthropic-beta", "a-1,b-2"), ("anthropic-version", "2099-01-01"),
             ("anthropic-workspace-id", "w"), ("x-api-key", "mine"), ("cookie", "mine=1")]  # fmt: skip
    await post(passing, http, plain(200, MESSAGE), headers=given)
    assert passing.raw is not None
    sent = passing.raw.headers[-1]
    assert sent["anthropic-beta"].replace(" ", "") == "a-1,b-2"
    assert (sent["anthropic-version"], sent["anthropic-workspace-id"]) == ("2099-01-01", "w")
    assert sent["x-api-key"] == "k-claude" and "mine" not in sent.get("cookie", "")


async def test_a_gateway_gets_its_cookie_back(passing: Passing, http: aiohttp.ClientSession) -> None:
    await post(passing, http, plain(200, MESSAGE, b"set-cookie: machine=m7; Path=/\r\n"))
    await post(passing, http, plain(200, MESSAGE))
    assert passing.raw is not None and "machine=m7" in passing.raw.headers[-1]["cookie"]


IDS = [
    ({"request-id": "req_1"}, "req_1"),
    ({"x-request-id": "abc-1"}, "abc-1"),
    ({"request-id": "a", "x-request-id": "b"}, "a"),
    ({"request-id": "caf\xe9"}, ""),
    ({"request-id": "a\tb"}, ""),
    ({"request-id": "r" * 999}, "r" * 200),
    ({}, ""),
]


@pytest.mark.parametrize(("headers", "found"), IDS, ids=[str(n) for n, _ in enumerate(IDS)])
async def test_an_id_that_is_fit_to_be_shown_is_passed_on(headers: dict[str, str], found: str) -> None:
    assert id_in([(name.encode(), value.encode("latin-1")) for name, value in headers.items()]) == found
