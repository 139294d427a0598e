"""The router and the agents that work aside are asked with the same patience as whoever answers.

Every model has a provider of its own at one scripted upstream, so that a breaker or a key is one model's matter. Waits
are zero; where a wait counts it is one that nobody would sit through.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from cast import CUT, SILENCE, Cast, config_of, turn, use
from clients import blocks_of
from places import Place

from ccr_tui.config import Config, Model, Patience, Provider, Routing
from ccr_tui.feed import Feed
from ccr_tui.proxy import exchange
from ccr_tui.proxy.anthropic import Grammar
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.keys import Keyring
from ccr_tui.records import Trace

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = ("sk-one-1234567890", "sk-two-1234567890")
BUSY = (503, {"retry-after": "0"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast() -> AsyncIterator[Cast]:
    async with Cast() as playing:
        yield playing


@dataclass
class Bench:
    """A client's requests, with breakers and keys of their own."""

    cast: Cast
    context: Context

    def set(self, **more: Any) -> None:
        self.context = replace(self.context, config=replace(self.context.config, **more))

    async def __call__(self, text: str, stream: bool = True, **parts: list[Any]) -> tuple[dict[str, Any], Trace]:
        self.cast.plays(**parts)
        client = Collector({})
        trace = await exchange.run(json.dumps(turn(text, stream=stream)).encode(), client, self.context)
        if stream:
            grammar = Grammar()
            for event in client.events():
                grammar.feed(event)
        return client.message(), trace


@pytest.fixture
def bench(place: Place, cast: Cast, tmp_path: Any) -> Bench:
    context = replace(
        place.house.engine.context,
        config=config(cast, tmp_path),
        feed=Feed(),
        breakers=Breakers(),
        keyring=Keyring(),
        verdicts={},
    )
    return Bench(cast, context)


def config(cast: Cast, folder: Any) -> Config:
    """The four agents, each with a fallback (r2, t2, ...), at providers of their own."""
    names = [f"{agent}{n}" for agent in "rtck" for n in ("", "2")]
    return replace(
        config_of(cast, folder),
        providers={name: Provider(name, "openai", cast.base_url, api_key=f"sk-{name}-1234567890") for name in names},
        models={name: Model(name, name, name) for name in names},
        agents={
            agent: (name, f"{name}2") for agent, name in zip(("router", "tool", "coder", "think"), "rtck", strict=True)
        },
        patience=Patience(waits_s=(0.0, 0.0), breaker_failures=100),
        routing=Routing(deadline_s=30.0),
    )


TURNS = [
    pytest.param({"r": [BUSY, use("tool")], "t": ["done"]}, "r r t", "tool (llm_classifier)", id="a busy router"),
    pytest.param({"r": [429, 500, use("tool")], "t": ["done"]}, "r r r t", "tool (llm_classifier)", id="twice"),
    pytest.param({"r": [CUT, CUT, use("tool")], "t": ["done"]}, "r r r t", "tool (llm_classifier)", id="cut"),
    pytest.param(
        {"r": [503] * 3, "r2": [use("tool")], "t": ["done"]}, "r r r r2 t", "tool (llm_classifier)", id="its fallback"
    ),
    pytest.param(
        {"r": [400], "r2": [use("tool")], "t": ["done"]}, "r r2 t", "tool (llm_classifier)", id="cannot do it"
    ),
    pytest.param(
        {"r": [(429, {"retry-after": "3600"})], "r2": [use("tool")], "t": ["done"]}, "r r2 t", "tool (llm_classifier)",
        id="for an hour",
    ),
    pytest.param(
        {"r": [401], "r2": [404], "t": ["done"]}, "r r2 t", "tool (router_error_fallback)", id="none of them can"
    ),
    pytest.param(
        {"r": [use("think"), use("tool")], "k": [BUSY, "plan"], "t": ["done"]}, "r k k r t",
        "think → tool (llm_classifier)", id="a busy thinker",
    ),
    pytest.param(
        {"r": [use("think"), use("tool")], "k": [CUT, "plan"], "t": ["done"]}, "r k k r t",
        "think → tool (llm_classifier)", id="a thinker that is cut before it says anything",
    ),
    pytest.param(
        {"r": [use("coder"), use("tool")], "c": [400], "c2": ["code"], "t": ["done"]}, "r c c2 r t",
        "coder → tool (llm_classifier)", id="the coder's fallback",
    ),
    pytest.param(
        {"r": [use("coder")], "c": [500] * 3, "c2": [529] * 3, "t": ["done"]}, "r c c c c2 c2 c2 t",
        "tool (coder_failed_fallback)", id="no coder",
    ),
    pytest.param(
        {"r": [503, use("tool")], "t": [503, 503, 503], "t2": ["done"]}, "r r t t t t2", "tool (llm_classifier)",
        id="the tool agent's own",
    ),
]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize(("parts", "order", "reason"), TURNS)
async def test_who_is_asked_how_often(
    bench: Bench, cast: Cast, parts: dict[str, Any], order: str, reason: str, stream: bool
) -> None:
    message, trace = await bench("Do it.", stream, **{name: [*lines] for name, lines in parts.items()})
    assert cast.order() == order.split()
    assert trace.decision and trace.decision.reason == reason
    assert blocks_of(message)[-1] == ("text", "done")
    assert [attempt.model for attempt in trace.attempts] == order.split()
    assert [attempt.n for attempt in trace.attempts] == [*range(1, len(trace.attempts) + 1)]
    purposes = {"r": "route", "k": "think", "c": "code", "t": "answer"}
    assert [attempt.purpose for attempt in trace.attempts] == [purposes[name[0]] for name in order.split()]


async def test_every_try_says_why_and_the_fallthrough_too(bench: Bench) -> None:
    _, trace = await bench("Do it.", r=[503, use("think")], k=[500, 500, 500], k2=[404], t=["done"])
    notes = [attempt.notes[-1:] for attempt in trace.attempts]
    assert notes[1] == ("Try 2, after 0 s.",)
    assert notes[5] == ("Asked because k failed.",)
    assert notes[6] == ("The think agent failed, so the tool agent works without it.",)
    steps = dict(trace.decision.considered if trace.decision else ())
    assert steps["think"].startswith("think_failed_fallback: ")
    assert "scripted 500" in steps["think"]


async def test_the_router_is_never_waited_for_longer_than_its_deadline(bench: Bench, cast: Cast) -> None:
    bench.set(patience=Patience(waits_s=(30.0,), retry_after_s=60.0))
    _, trace = await bench("Now.", r=[(429, {"retry-after": "30"})], r2=[use("tool")], t=["done"])
    assert cast.order() == ["r", "r2", "t"]
    assert trace.duration_ms < 5000


async def test_what_was_refused_stays_refused_when_the_deadline_comes_later(bench: Bench, cast: Cast) -> None:
    bench.set(routing=Routing(deadline_s=2.0))
    _, trace = await bench("Now.", r=[503, SILENCE], t=["done"])
    assert cast.order() == ["r", "r", "t"]
    assert trace.decision and trace.decision.reason == "tool (router_timeout_fallback)"
    first, second = (attempt.failure for attempt in trace.attempts[:2])
    assert first and "scripted 503" in first.message
    assert second and second.message == "The router gave no answer within 2 s."


async def test_a_router_that_keeps_failing_is_passed_over(bench: Bench, cast: Cast) -> None:
    bench.set(
        patience=Patience(waits_s=(), breaker_failures=2), agents={**bench.context.config.agents, "router": ("r",)}
    )
    for n in range(2):
        await bench(f"Turn {n}.", r=[500], t=["done"])
    _, trace = await bench("And now?", r=[use("think")], t=["done"])
    assert cast.order() == ["t"]
    assert trace.decision and trace.decision.reason == "tool (router_error_fallback)"
    assert ("breaker_open", "r was passed over: r failed 2 times in a row and is tried again in 30 s") in (
        trace.decision.considered
    )


async def test_a_thinker_that_keeps_failing_is_passed_over_for_its_fallback(bench: Bench, cast: Cast) -> None:
    bench.set(patience=Patience(waits_s=(), breaker_failures=1))
    await bench("One.", r=[use("think"), use("tool")], k=[500], k2=["plan"], t=["done"])
    await bench("Two.", r=[use("think"), use("tool")], k=["never"], k2=["plan"], t=["done"])
    assert cast.order() == ["r", "k2", "r", "t"]


async def test_an_answer_closes_the_breaker_again(bench: Bench) -> None:
    bench.set(patience=Patience(waits_s=(0.0,), breaker_failures=2))
    await bench("One.", r=[500, use("tool")], t=["done"])
    await bench("Two.", r=[500, use("tool")], t=["done"])
    assert bench.context.breakers.health(0) == {}


@pytest.mark.parametrize(("agent", "model"), [("router", "r"), ("think", "k")])
async def test_a_bad_key_rests_and_the_next_is_used(bench: Bench, cast: Cast, agent: str, model: str) -> None:
    given, refused = bench.context.config, []
    many = Provider(model, "openai", cast.base_url, api_keys=KEYS)
    bench.set(providers={**given.providers, model: many}, agents={**given.agents, agent: (model,)})
    cast.refuses = KEYS[0]
    for n in range(3):
        _, trace = await bench(f"Turn {n}.", r=[use("think"), use("tool")], k=["plan"], t=["done"])
        assert trace.decision and trace.decision.reason == "think → tool (llm_classifier)"
        refused += [attempt for attempt in trace.attempts if attempt.failure]
    cast.refuses = ""
    assert [(attempt.model, attempt.status) for attempt in refused] == [(model, 401)]


async def test_a_hop_that_was_cut_in_its_words_is_not_asked_again(bench: Bench, cast: Cast) -> None:
    board = bench.context.feed.board
    cast.seen = lambda: any(flight.tail == "half" for flight in board.values())
    message, trace = await bench("Do it.", r=[use("think")], k=[{"content": "half", "then": CUT}], t=["done"])
    cast.seen = lambda: True
    assert cast.order() == ["r", "k", "t"]
    assert blocks_of(message) == [("thinking", "half"), ("text", "done")]
    assert trace.decision and trace.decision.reason == "tool (think_failed_fallback)"


async def test_the_board_says_that_a_busy_provider_is_asked_again(bench: Bench) -> None:
    seen: list[tuple[str, Any]] = []

    async def sleep(wait: float) -> None:
        (flight,) = bench.context.feed.board.values()
        seen.append((flight.phase, dict(flight.extra)))

    bench.set(patience=Patience(waits_s=(0.5, 1.0), breaker_failures=100))
    bench.context = replace(bench.context, sleep=sleep, clock=lambda: 1_700_000_000.0)
    await bench("Do it.", r=[use("tool")], t=[(429, {"retry-after": "2"}), 503, "done"])
    at = 1_700_000_000.0
    assert seen == [
        ("retrying", {"retry": {"status": 429, "at": at + 2.0, "try": 2, "of": 3}}),
        ("retrying", {"retry": {"status": 503, "at": at + 1.0, "try": 3, "of": 3}}),
    ]
