"""Retries, fallbacks, breakers, keys, guards and budgets, against real upstreams over real sockets.

Where time plays a part the exchange gets a clock of its own, so nothing waits; the house is asked over HTTP where its
health, its store or the official client is what counts. Every test has two upstreams of its own: `one`, which takes one
key, and `two`, which takes any.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import pytest
import pytest_asyncio
from clients import ask
from places import KEY, Place, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import host
from ccr_tui.config import Config, Guards, Model, Patience, Provider
from ccr_tui.feed import Feed
from ccr_tui.proxy import exchange
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.guards import Pace, Spent
from ccr_tui.proxy.keys import Keyring
from ccr_tui.records import Price, Trace
from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAD = "sk-scripted-no-longer-good"
KEYS = ("sk-a-0123456789", "sk-b-0123456789", "sk-c-0123456789")
PRICE = Price(input=1_000_000_000, output=4_000_000_000, cache_read=100_000_000, source="test", basis="user")
COST = 144_000
"""Of one answer of the scripted upstream, in nano-USD: 60 tokens in, 40 from the cache, 20 out."""


@pytest_asyncio.fixture(loop_scope="session")
async def one() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI(key=KEY) as scripted:
        yield scripted


@pytest_asyncio.fixture(loop_scope="session")
async def two() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI() as scripted:
        yield scripted


@pytest.fixture
def config(one: ScriptedOpenAI, two: ScriptedOpenAI, tmp_path: Path) -> Config:
    dead = config_for(one, tmp_path).providers["dead"]
    providers = {
        "one": Provider("one", "openai", one.base_url, api_key=KEY),
        "two": Provider("two", "openai", two.base_url, api_key=KEYS[0]),
        "many": Provider("many", "openai", two.base_url, api_keys=KEYS),
        "half": Provider("half", "openai", one.base_url, api_key=BAD, api_keys=(KEY,)),
        "dead": dead,
    }
    models = {name: Model(name, name, f"{name}-model", price=PRICE) for name in providers}
    models["small"] = Model("small", "one", "small-model", context=500, price=PRICE)
    models["wide"] = Model("wide", "two", "wide-model", context=100_000, price=PRICE)
    return Config(
        port=0,
        providers=providers,
        models=models,
        agents={"default": ("one", "two")},
        patience=Patience(breaker_failures=3),
        db=tmp_path / "data" / "ccr.db",
    )


@dataclass
class Bench:
    """A client's requests, one after the other, on a clock that only waiting moves."""

    context: Context
    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, wait: float) -> None:
        self.slept.append(wait)
        self.now += wait

    def set(self, **more: Any) -> None:
        """Change the configuration for the requests to come."""
        self.context = replace(self.context, config=replace(self.context.config, **more))

    async def __call__(self, scenario: str, session: str | None = None, **more: Any) -> tuple[Collector, Trace]:
        client = Collector({"x-claude-code-session-id": session} if session else {})
        trace = await exchange.run(json.dumps(ask(scenario, **more)).encode(), client, self.context)
        return client, trace


@pytest.fixture
def play(place: Place, config: Config) -> Bench:
    """The house's street with state and time of its own."""
    bench = Bench(place.house.engine.context)
    bench.context = replace(
        bench.context,
        config=config,
        feed=Feed(),
        ticks=lambda: bench.now,
        sleep=bench.sleep,
        breakers=Breakers(),
        keyring=Keyring(),
        spent=Spent(),
        pace=Pace(),
    )
    bench.context.feed.subscribe(bench.context.spent.land)
    return bench


def tries(trace: Trace) -> list[tuple[str, int | None]]:
    return [(attempt.provider, attempt.status) for attempt in trace.attempts]


def keys(upstream: ScriptedOpenAI) -> list[str]:
    return [request.headers["authorization"].removeprefix("Bearer ") for request in upstream.requests]


# ---------------------------------------------------------------- retries and fallbacks


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize(
    ("scenario", "slept", "attempts", "outcome"),
    [
        pytest.param("http:503,1", [0.5], [("one", 503), ("one", 200)], "ok", id="busy once"),
        pytest.param("http:529,2", [0.5, 1.0], [("one", 529), ("one", 529), ("one", 200)], "ok", id="busy twice"),
        pytest.param("http:429,1,2", [2.0], [("one", 429), ("one", 200)], "ok", id="told when"),
        pytest.param("http:429,0,60", [], [("one", 429), ("two", 429)], "error", id="told much later"),
        pytest.param("http:500", [0.5, 1.0] * 2, [("one", 500)] * 3 + [("two", 500)] * 3, "error", id="all are broken"),
        pytest.param("http:404", [], [("one", 404), ("two", 404)], "error", id="unknown there"),
        pytest.param("quota", [], [("one", 429), ("two", 429)], "error", id="no credit"),
        pytest.param("http:400", [], [("one", 400)], "error", id="wrong in itself"),
        pytest.param("cut0", [0.5, 1.0] * 2, [("one", 200)] * 3 + [("two", 200)] * 3, "error", id="cut before content"),
        pytest.param("closed", [0.5, 1.0] * 2, [("one", None)] * 3 + [("two", None)] * 3, "error", id="no answer"),
    ],
)
async def test_who_is_asked_how_often(
    scenario: str, slept: list[float], attempts: list[tuple[str, int | None]], outcome: str, stream: bool, play: Bench
) -> None:
    client, trace = await play(scenario, stream=stream)
    assert (tries(trace), play.slept, trace.outcome) == (attempts, slept, outcome)
    assert client.status == trace.status
    assert [attempt.n for attempt in trace.attempts] == [*range(1, len(attempts) + 1)]
    unanswered = [attempt.failure is not None for attempt in trace.attempts]
    assert unanswered == [True] * (len(attempts) - 1) + [outcome == "error"]


@pytest.mark.parametrize(("stream", "slept"), [(True, []), (False, [0.5])], ids=["streamed", "plain"])
async def test_who_gets_no_pings_need_not_be_told_before_one(stream: bool, slept: list[float], play: Bench) -> None:
    play.set(ping_s=0.9, agents={"default": ("one",)})
    _, trace = await play("http:503,1", stream=stream)
    assert (play.slept, trace.outcome) == (slept, "error" if stream else "ok")


async def test_what_was_cut_after_content_is_not_asked_again(play: Bench) -> None:
    client, trace = await play("cut", stream=True)
    assert (tries(trace), play.slept) == ([("one", 200)], [])
    assert client.events()[-1]["type"] == "error"


async def test_the_models_in_order_until_one_answers(play: Bench, two: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("dead", "half", "two")}, providers=without_good_key(play))
    client, trace = await play("text")
    assert tries(trace) == [("dead", None), ("half", 401), ("two", 200)]
    assert (client.answer_headers["x-ccr-model"], client.status) == ("two", 200)
    assert "Asked because half failed." in trace.attempts[2].notes
    assert two.requests[0].body["model"] == "two-model"


def without_good_key(play: Bench) -> dict[str, Provider]:
    known = play.context.config.providers
    return {**known, "half": replace(known["half"], api_keys=())}


async def test_where_all_fail_the_client_is_told_what_time_may_cure(play: Bench) -> None:
    play.set(agents={"default": ("two", "half")}, providers=without_good_key(play))
    client, trace = await play("http:429,0,9")
    assert tries(trace) == [("two", 429), ("half", 401)]
    assert (client.status, client.answer_headers["retry-after"]) == (429, "9")
    assert "x-should-retry" not in client.answer_headers


# ---------------------------------------------------------------- breaker


async def test_a_provider_that_keeps_failing_is_passed_over_and_tried_again_later(
    play: Bench, one: ScriptedOpenAI
) -> None:
    play.set(agents={"default": ("dead", "two")})
    asked = [tries((await play("text"))[1]) for _ in range(3)]
    assert asked == [[("dead", None), ("two", 200)]] * 3
    _, trace = await play("text")
    assert tries(trace) == [("two", 200)]
    assert trace.decision and trace.decision.considered[-1] == (
        "breaker_open",
        "dead was passed over: dead failed 3 times in a row and is tried again in 30 s",
    )
    play.set(
        providers={**play.context.config.providers, "dead": replace(play.context.config.providers["one"], name="dead")}
    )
    play.now += 30
    assert [tries((await play("text"))[1]) for _ in range(2)] == [[("dead", 200)]] * 2
    assert play.context.breakers.health(play.now) == {}


async def test_health_shows_a_breaker(place: Place, http: aiohttp.ClientSession, config: Config) -> None:
    before = place.house.engine.config
    quick = Patience(waits_s=(), breaker_failures=2)
    place.house.engine.swap(replace(config, agents={"default": ("dead", "two")}, patience=quick))
    try:
        for _ in range(3):
            async with http.post(f"{place.address}/v1/messages", json=ask("text")) as response:
                assert response.status == 200
        async with http.get(f"{place.address}/health") as response:
            health = await response.json()
    finally:
        place.house.engine.swap(before)
    told = health["breakers"]["dead"]
    assert (told["state"], told["failures"]) == ("open", 2)
    assert 0 < told["tried_again_in_s"] <= 30


# ---------------------------------------------------------------- keys


async def test_keys_take_turns(play: Bench, two: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("many",)})
    for _ in range(4):
        await play("text")
    assert keys(two) == [*KEYS, KEYS[0]]


async def test_a_session_stays_with_its_key(play: Bench, two: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("many",)})
    for _ in range(3):
        await play("text", session="s-1")
    assert len(set(keys(two))) == 1


async def test_a_bad_key_rests_and_the_next_answers(play: Bench, one: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("half",)})
    _, trace = await play("text")
    assert tries(trace) == [("half", 401), ("half", 200)]
    assert "Asked again with another key: key 1 of 2 met a 401." in trace.attempts[1].notes
    await play("text")
    await play("text")
    assert keys(one) == [BAD, KEY, KEY, KEY]
    play.now += 601
    await play("text")
    assert BAD in keys(one)[4:], "after its rest it gets another chance"
    assert BAD not in repr(trace) and KEY not in repr(trace)


async def test_a_key_at_its_limit_rests_as_long_as_it_is_told(play: Bench, two: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("many",)})
    _, trace = await play("http:429,1,20", session="s")
    assert (tries(trace), play.slept) == ([("many", 429), ("many", 200)], [])
    first, second = keys(two)
    await play("text", session="s")
    play.now += 20
    await play("text", session="s")
    assert (first != second, keys(two)[2:]) == (True, [second, first])


async def test_keys_that_were_rested_are_in_no_file(
    place: Place, http: aiohttp.ClientSession, config: Config, tmp_path: Path
) -> None:
    before = place.house.engine.config
    place.house.engine.swap(replace(config, agents={"default": ("half",)}))
    try:
        async with http.post(f"{place.address}/v1/messages", json=ask("text")) as response:
            assert response.status == 200
    finally:
        place.house.engine.swap(before)
    trace = await place.trace(response.headers["x-ccr-trace"])
    assert len(trace.attempts) == 2
    files = [path for path in place.house.db.parent.iterdir() if path.is_file()]
    assert files and not [path for path in files if BAD.encode() in path.read_bytes()]


# ---------------------------------------------------------------- guards


def circle(times: int) -> list[dict[str, Any]]:
    """A conversation in which the same command was run so many times."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Go. [[ccr:text]]"}]
    for n in range(times):
        call = {"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": {"command": "make"}}
        messages.append({"role": "assistant", "content": [call]})
        result = {"type": "tool_result", "tool_use_id": f"t{n}", "content": "No rule to make target."}
        messages.append({"role": "user", "content": [result]})
    return messages


@dataclass(frozen=True)
class Trip:
    guards: Guards
    messages: int
    lets: int
    """How many such requests pass before it trips."""
    status: int
    type: str
    names: str


TRIPS = [
    pytest.param(Trip(Guards(repeated_calls=3), 3, 5, 0, "", ""), id="as often as it may"),
    pytest.param(
        Trip(Guards(repeated_calls=3), 4, 0, 400, "invalid_request_error", "guards.repeated_calls"), id="a circle"
    ),
    pytest.param(
        Trip(Guards(requests_per_minute=2), 0, 2, 429, "rate_limit_error", "guards.requests_per_minute"), id="pace"
    ),
    pytest.param(
        Trip(Guards(budget_per_session=2 * COST), 0, 2, 402, "billing_error", "guards.budget_per_session"), id="session"
    ),
    pytest.param(
        Trip(Guards(budget_per_day=2 * COST - 1), 0, 2, 402, "billing_error", "guards.budget_per_day"), id="day"
    ),
]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("trip", TRIPS)
async def test_a_guard_trips(trip: Trip, stream: bool, play: Bench, one: ScriptedOpenAI) -> None:
    play.set(guards=trip.guards)
    more: dict[str, Any] = {"stream": stream, "session": "s"}
    more |= {"messages": circle(trip.messages)} if trip.messages else {}
    for _ in range(trip.lets):
        client, trace = await play("text", **more)
        assert (client.status, trace.attempts[-1].cost) == (200, COST)
    if not trip.status:
        return
    client, trace = await play("text", **more)
    told = json.loads(bytes(client.data))["error"]
    assert (client.status, told["type"]) == (trip.status, trip.type)
    assert trip.names in told["message"]
    assert client.answer_headers["x-should-retry"] == "false"
    assert "retry-after" not in client.answer_headers
    assert (trace.outcome, trace.attempts, len(one.requests)) == ("error", (), trip.lets)


async def test_another_session_goes_on(play: Bench) -> None:
    play.set(guards=Guards(requests_per_minute=1, budget_per_session=COST))
    assert [(await play("text", session=name))[0].status for name in ("s", "t", "s")] == [200, 200, 429]
    play.now += 60
    assert [(await play("text", session=name))[0].status for name in ("s", "u")] == [402, 200]


async def test_a_budget_remembers_what_was_spent_before_the_program_started(
    one: ScriptedOpenAI, config: Config, counter: Counter, http: aiohttp.ClientSession, sdk_of: Any
) -> None:
    """Through the official client, which must not ask again."""
    headers = {"x-claude-code-session-id": "s"}
    async with host.open(config, counter) as house:
        async with http.post(f"{house.engine.address}/v1/messages", json=ask("text"), headers=headers) as response:
            assert response.status == 200
        assert house.engine.spent.on(date.today()) == COST
    for guards, key in [
        (Guards(budget_per_day=COST), "guards.budget_per_day"),
        (Guards(budget_per_session=COST), "guards.budget_per_session"),
    ]:
        async with host.open(replace(config, guards=guards), counter) as house:
            async with sdk_of(house.engine.address, max_retries=3, default_headers=headers) as sdk:
                with pytest.raises(anthropic.APIStatusError, match=key):
                    await sdk.messages.create(**ask("text"))
            (row,) = [row for row in await rows(house) if row.status == 402]
            assert row.session == "s"
    assert len(one.requests) == 1


async def rows(house: host.House) -> list[Any]:
    assert await house.flush()
    return house.reader.rows(limit=1)


# ---------------------------------------------------------------- a model's window


LONG = "word " * 2000


async def test_what_is_too_long_is_not_sent_and_claude_code_can_compact(play: Bench, one: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("small",)})
    client, trace = await play("text", system=LONG)
    told = json.loads(bytes(client.data))["error"]
    assert (client.status, told["type"]) == (400, "invalid_request_error")
    assert told["message"].startswith("prompt is too long: ") and " tokens > 500 maximum" in told["message"]
    assert client.answer_headers["x-should-retry"] == "false"
    assert (trace.attempts, one.requests) == ((), [])
    assert trace.estimate and trace.estimate > 2000


async def test_what_is_too_long_goes_to_the_long_context_agent(play: Bench) -> None:
    play.set(
        agents={"default": ("small", "half"), "long_context": ("wide",)},
        models={**play.context.config.models, "half": replace(play.context.config.models["half"], context=600)},
    )
    client, trace = await play("text", system=LONG, model="claude-ccr-small")
    assert (client.status, client.answer_headers["x-ccr-model"]) == (200, "wide")
    assert trace.decision and trace.decision.considered[-1] == (
        "window",
        "small takes 500 tokens: wide is asked instead",
    )


async def test_what_the_provider_finds_too_long_goes_there_too(play: Bench, two: ScriptedOpenAI) -> None:
    play.set(agents={"default": ("one",), "long_context": ("two",)})
    client, trace = await play("overflow:openai")
    assert tries(trace) == [("one", 400), ("two", 400)]
    assert (
        client.status == 400 and "140000 tokens > 131072 maximum" in json.loads(bytes(client.data))["error"]["message"]
    )


async def test_what_fits_is_sent_without_being_counted_first(play: Bench) -> None:
    play.set(agents={"default": ("small",)})
    client, trace = await play("text", tools=[])
    assert (client.status, tries(trace)) == (200, [("one", 200)])
