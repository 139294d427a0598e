"""Everything that can go wrong upstream, as the client is told and as the trace has it.

A case names a scenario of the scripted upstream. A failure before any content went out is an HTTP error with the true
status, streamed or not; one after it is an `error` event, and never a clean end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import anthropic
import pytest
from clients import ask, folded, parse_sse
from places import KEY, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Early:
    """A failure before the first content: an HTTP error."""

    scenario: str
    status: int
    type: str
    says: str
    again: str | None = None
    """x-should-retry; None: the header is absent, and the client goes by the status."""
    after: str | None = None
    model: str = "claude-ccr-scripted"
    asked: int = 1
    """How often the upstream was asked."""
    limit: int = 1000


EARLY = [
    Early("http:400", 400, "invalid_request_error", "scripted 400", "false"),
    Early("http:401", 401, "authentication_error", "scripted", "false"),
    Early("http:402", 402, "billing_error", "scripted 402", "false"),
    Early("http:403", 403, "permission_error", "scripted 403", "false"),
    Early("http:404", 404, "not_found_error", "scripted", "false"),
    Early("http:408", 408, "timeout_error", "scripted 408"),
    Early("http:413", 413, "request_too_large", "scripted 413", "false"),
    Early("http:422", 422, "invalid_request_error", "scripted 422", "false"),
    Early("http:429", 429, "rate_limit_error", "scripted 429"),
    Early("http:429,0,7", 429, "rate_limit_error", "scripted 429", after="7"),
    Early("quota", 429, "rate_limit_error", "quota", "false"),
    Early("http:500", 500, "api_error", "scripted 500"),
    Early("http:502", 502, "api_error", "scripted 502"),
    Early("http:503,0,3", 503, "overloaded_error", "scripted 503", after="3"),
    Early("http:529", 529, "overloaded_error", "scripted 529"),
    Early("html", 502, "api_error", "502 Bad Gateway"),
    Early("textfault", 500, "api_error", "upstream exploded"),
    Early("overflow:openai", 400, "invalid_request_error", "too long: 140000 tokens > 131072 maximum", "false"),
    Early("overflow:output", 400, "invalid_request_error", "limit: 108000 + 32000 > 131072", "false", limit=32_000),
    Early("overflow:llama", 400, "invalid_request_error", "too long: 6021 tokens > 4096 maximum", "false"),
    Early("closed", 502, "api_error", "scripted", asked=2),
    Early("cut0", 502, "api_error", "scripted"),
    Early("errorsse", 503, "overloaded_error", "overloaded"),
    Early("error200", 429, "rate_limit_error", "quota is used up", "false"),
    Early("html200", 502, "api_error", "base_url"),
    Early("empty200", 502, "api_error", "empty"),
    Early("emptyjson", 502, "api_error", "is no answer"),
    Early("badjson200", 502, "api_error", "is no answer"),
    Early("text", 401, "authentication_error", "wrongkey", "false", model="claude-ccr-wrongkey"),
    Early(
        "text", 401, "authentication_error", "CCR_TEST_KEY_THAT_IS_NOT_SET", "false", model="claude-ccr-nokey", asked=0
    ),
    Early("text", 502, "api_error", "base_url", model="claude-ccr-dead", asked=0),
    Early("text", 502, "api_error", "TLS", "false", model="claude-ccr-tls", asked=0),
    Early("text", 404, "not_found_error", "nobody", "false", model="claude-ccr-nobody", asked=0),
]


def name(case: Any) -> str:
    return f"{case.scenario}-{case.model.removeprefix('claude-ccr-')}"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("case", EARLY, ids=name)
async def test_a_failure_before_content_is_an_http_error(
    case: Early, stream: bool, place: Place, http: aiohttp.ClientSession
) -> None:
    before = len(place.upstream.requests)
    body = ask(case.scenario, model=case.model, stream=stream, max_tokens=case.limit)
    async with http.post(f"{place.address}/v1/messages", json=body) as response:
        told, headers = await response.json(), response.headers
    assert (response.status, told["type"], told["error"]["type"]) == (case.status, "error", case.type)
    assert case.says.lower() in told["error"]["message"].lower()
    assert "<html" not in told["error"]["message"]
    assert KEY not in told["error"]["message"]
    assert (headers.get("x-should-retry"), headers.get("retry-after")) == (case.again, case.after)
    assert told["request_id"] == headers["request-id"]
    assert len(place.upstream.requests) - before == case.asked
    trace = await place.trace(headers["x-ccr-trace"])
    assert (trace.outcome, trace.status, trace.reply) == ("error", case.status, None)
    assert trace.failure is not None
    assert (trace.failure.type, trace.failure.message) == (case.type, told["error"]["message"])


@dataclass(frozen=True)
class Late:
    """A failure after some content went out."""

    scenario: str
    type: str
    says: str
    text: str
    """What the client had by then."""
    whole: bool = True
    """Whether the fault exists in an answer that is no stream, too."""
    model: str = "claude-ccr-scripted"


WORDS = "Partial text before it breaks. " * 3
LATE = [
    Late("miderr", "overloaded_error", "overloaded", WORDS),
    Late("miderrtool", "overloaded_error", "overloaded", "Partial."),
    Late("cut", "api_error", "scripted", WORDS),
    Late("cuttool", "api_error", "scripted", "Partial."),
    Late("cutinside", "api_error", "scripted", "Partial."),
    Late("rst", "api_error", "scripted", WORDS),
    Late("deadend", "api_error", "cut its answer off", "Clean end, too early. ", whole=False),
    Late("deadendtool", "api_error", "cut its answer off", "Clean end.", whole=False),
    Late("badsse", "api_error", "not json", "before", whole=False),
]


@pytest.mark.parametrize("case", LATE, ids=name)
async def test_a_failure_after_content_is_an_error_event(case: Late, place: Place, http: aiohttp.ClientSession) -> None:
    body = ask(case.scenario, stream=True)
    async with http.post(f"{place.address}/v1/messages", json=body) as response:
        assert response.status == 200
        events = parse_sse(await response.read())
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1]) == ("message_start", "error")
    assert "message_stop" not in kinds and "message_delta" not in kinds
    tools = {event["index"] for event in events if event.get("content_block", {}).get("type") == "tool_use"}
    stopped = {event["index"] for event in events if event["type"] == "content_block_stop"}
    assert not tools & stopped, "Claude Code runs a tool as soon as its block stops"
    error = events[-1]["error"]
    assert error["type"] == case.type
    assert case.says in error["message"].lower()
    had = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert had == case.text
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert (trace.outcome, trace.status) == ("error", 200)
    assert trace.failure is not None
    assert (trace.failure.type, trace.failure.message) == (case.type, error["message"])
    assert trace.reply["content"][0]["text"] == case.text


@pytest.mark.parametrize("case", [case for case in LATE if case.whole], ids=name)
async def test_an_answer_that_broke_is_never_a_success_when_it_is_not_streamed(
    case: Late, place: Place, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{place.address}/v1/messages", json=ask(case.scenario)) as response:
        told = await response.json()
    assert response.status >= 500
    assert told["error"]["type"] == case.type
    assert (await place.trace(response.headers["x-ccr-trace"])).outcome == "error"


@pytest.mark.parametrize(("scenario", "stream"), [("stall0", True), ("stall0", False), ("stallhead", True)])
async def test_silence_before_content_is_a_timeout(
    scenario: str, stream: bool, hasty: Place, http: aiohttp.ClientSession
) -> None:
    body = ask(scenario, model="claude-ccr-scripted", stream=stream)
    async with http.post(f"{hasty.address}/v1/messages", json=body) as response:
        told = await response.json()
    assert (response.status, told["error"]["type"]) == (504, "timeout_error")
    assert "timeout_s" in told["error"]["message"]


@pytest.mark.parametrize("scenario", ["stall", "stalltool"])
async def test_silence_in_mid_stream_is_an_error_event(
    scenario: str, hasty: Place, http: aiohttp.ClientSession
) -> None:
    body = ask(scenario, model="claude-ccr-scripted", stream=True)
    async with http.post(f"{hasty.address}/v1/messages", json=body) as response:
        events = parse_sse(await response.read())
    assert (events[-1]["type"], events[-1]["error"]["type"]) == ("error", "timeout_error")
    assert (await hasty.trace(response.headers["x-ccr-trace"])).outcome == "error"
    await hasty.upstream.last.left.wait()


async def test_a_failure_after_pings_is_an_error_event(pinging: Place, http: aiohttp.ClientSession) -> None:
    body = ask("slowhead:0.5", stream=True)
    async with http.post(f"{pinging.address}/v1/messages", json=body) as response:
        events = parse_sse(await response.read())
    assert [event["type"] for event in events][:2] == ["message_start", "ping"]
    assert folded(events)["content"][0]["text"] == "All done."


async def test_a_dead_model_is_followed_by_its_fallback(hasty: Place, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{hasty.address}/v1/messages", json=ask("text")) as response:
        told = await response.json()
    assert told["content"][0]["text"] == "All done."
    assert response.headers["x-ccr-model"] == "scripted"
    trace = await hasty.trace(response.headers["x-ccr-trace"])
    assert [(attempt.provider, attempt.status) for attempt in trace.attempts] == [("dead", None), ("scripted", 200)]
    assert trace.attempts[0].failure is not None
    assert trace.outcome == "ok"


async def test_nothing_is_asked_again_once_content_went_out(hasty: Place, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{hasty.address}/v1/messages", json=ask("cuttool", stream=True)) as response:
        events = parse_sse(await response.read())
    assert events[-1]["type"] == "error"
    assert sum(event["type"] == "content_block_start" for event in events) == 2
    trace = await hasty.trace(response.headers["x-ccr-trace"])
    assert [attempt.provider for attempt in trace.attempts] == ["dead", "scripted"]


async def test_a_connection_that_died_in_the_pool_is_replaced(place: Place, http: aiohttp.ClientSession) -> None:
    """The upstream closes the first request before any header, as a stale connection would."""
    await (await http.post(f"{place.address}/v1/messages", json=ask("text"))).read()
    async with http.post(f"{place.address}/v1/messages", json=ask("refused:1")) as response:
        assert response.status == 200
    attempt = (await place.trace(response.headers["x-ccr-trace"])).answer
    assert attempt is not None and any("sent once more" in note for note in attempt.notes)


async def test_what_was_sent_twice_in_vain_is_told_as_such(place: Place, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{place.address}/v1/messages", json=ask("refused:2")) as response:
        trace = await place.trace(response.headers["x-ccr-trace"])
    assert [note for note in trace.attempts[0].notes if "sent once more" in note]


SDK_ERRORS = [
    ("http:400", anthropic.BadRequestError),
    ("http:401", anthropic.AuthenticationError),
    ("http:403", anthropic.PermissionDeniedError),
    ("http:404", anthropic.NotFoundError),
    ("http:429,0,1", anthropic.RateLimitError),
    ("http:500", anthropic.InternalServerError),
]


@pytest.mark.parametrize(("scenario", "raised"), SDK_ERRORS, ids=[scenario for scenario, _ in SDK_ERRORS])
async def test_the_official_client_raises_its_own_errors(
    scenario: str, raised: type[anthropic.APIStatusError], place: Place, sdk_of: Any
) -> None:
    async with sdk_of(place.address) as sdk:
        with pytest.raises(raised) as caught:
            await sdk.messages.create(**ask(scenario))
    assert caught.value.request_id is not None
    assert caught.value.body["error"]["message"]


async def test_the_official_client_does_not_try_a_useless_request_again(place: Place, sdk_of: Any) -> None:
    before = len(place.upstream.requests)
    async with sdk_of(place.address, max_retries=3) as sdk:
        with pytest.raises(anthropic.RateLimitError):
            await sdk.messages.create(**ask("quota"))
    assert len(place.upstream.requests) - before == 1


async def test_the_official_client_tries_again_where_that_helps(place: Place, sdk_of: Any) -> None:
    async with sdk_of(place.address, max_retries=3) as sdk:
        message = await sdk.messages.create(**ask("http:429,2,0.01"))
    assert message.content[0].text == "All done."


async def test_the_official_client_sees_a_broken_stream(place: Place, sdk_of: Any) -> None:
    async with sdk_of(place.address) as sdk:
        with pytest.raises(anthropic.APIStatusError, match="scripted"):
            async with sdk.messages.stream(**ask("cut")) as stream:
                await stream.get_final_message()
