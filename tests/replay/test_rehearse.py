"""A rehearsal sends the client what it was sent: every event of every recorded session, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from places import Place
from scenarios import SCENARIOS

from ccr_tui.config import Config, Patience, Routing
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.records import Trace
from ccr_tui.replay.rehearse import Unrehearsable, received_in, rehearse
from ccr_tui.store import archive
from ccr_tui.wire import dumps

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

TRACES = Path(__file__).parent.parent.parent / "traces"
FILES = sorted(TRACES.glob("*.jsonl"))
ENDLESS = {"big", "endless", "hang", "long", "refused", "slowfirst", "slowhead", "stall", "stallhead", "stalltool"}
"""Scenarios that need a client who leaves, or time."""


def recorded(file: Path) -> Iterator[Trace]:
    with file.open("rb") as lines:
        yield from archive.read(lines)


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_recorded_session_comes_out_byte_for_byte(file: Path, counter: Counter) -> None:
    received = received_in(file.with_suffix(".sse").read_bytes())
    traces = list(recorded(file))
    assert {trace.uid for trace in traces} == set(received)
    for trace in traces:
        again = rehearse(trace, counter, received[trace.uid])
        assert again.differences == ()
        assert again.data == received[trace.uid]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_upstream_is_sent_what_it_was_sent(file: Path, counter: Counter) -> None:
    """Where a translation is changed on purpose: `make traces` records anew."""
    assert [rehearse(trace, counter).sent for trace in recorded(file)] == [()] * sum(1 for _ in recorded(file))


def test_there_are_three_kinds_of_session() -> None:
    kinds = {file.stem: {trace.kind for trace in recorded(file)} for file in FILES}
    hops = {a.purpose for trace in recorded(TRACES / "routed.jsonl") for a in trace.attempts}
    assert kinds["coding"] >= {"main", "title"}
    assert kinds["delegated"] >= {"main", "subagent", "compaction"}
    assert hops == {"route", "think", "code", "answer"}
    assert all(file.stat().st_size < 500_000 for file in FILES)


def test_times_are_those_of_the_recording(counter: Counter) -> None:
    for trace in recorded(TRACES / "routed.jsonl"):
        again = rehearse(trace, counter).trace
        assert again.duration_ms == pytest.approx(trace.duration_ms, abs=20)
        assert again.ttft_ms == pytest.approx(trace.ttft_ms, abs=20)
        assert [a.usage for a in again.attempts] == [a.usage for a in trace.attempts]
        assert [a.cost for a in again.attempts] == [a.cost for a in trace.attempts]


# --- what differs is told --------------------------------------------------------------------------------------------


def coding(n: int = 1) -> tuple[Trace, bytes]:
    trace = list(recorded(TRACES / "coding.jsonl"))[n]
    return trace, received_in((TRACES / "coding.sse").read_bytes())[trace.uid]


def changed(trace: Trace, old: bytes, new: bytes) -> Trace:
    """The same with other upstream bytes, in the last piece that has them."""
    answer = trace.attempts[-1]
    at = max(n for n, (_, piece) in enumerate(answer.stream) if old in piece)
    stream = tuple((ms, piece.replace(old, new) if n == at else piece) for n, (ms, piece) in enumerate(answer.stream))
    return replace(trace, attempts=(*trace.attempts[:-1], replace(answer, stream=stream)))


def test_the_first_event_that_differs_is_named(counter: Counter) -> None:
    trace, received = coding(5)
    again = rehearse(changed(trace, b'"content":" CSV"', b'"content":" XML!"'), counter, received)
    assert again.differences[0].startswith("event 7 differs: content_block_delta at delta.text: ")
    assert any(one.startswith("event 7 was content_block_delta of block 0") for one in again.differences)
    assert any(one.startswith("the reply differs at content.0.text") for one in again.differences)


def test_another_end_is_told(counter: Counter) -> None:
    trace, received = coding(1)
    again = rehearse(changed(trace, b'"finish_reason":"tool_calls"', b'"finish_reason":"length"'), counter, received)
    assert 'differs: message_delta at delta.stop_reason: "tool_use" became "max_tokens"' in again.differences[0]


def test_another_translation_is_told_beside_the_events(counter: Counter) -> None:
    trace, received = coding(1)
    sent = trace.attempts[0].sent | {"temperature": 1}
    again = rehearse(replace(trace, attempts=(replace(trace.attempts[0], sent=sent),)), counter, received)
    assert again.differences == ()
    assert again.sent == ("call 1 is sent otherwise: temperature: 1 became 0",)


def test_without_the_upstreams_bytes_nothing_can_be_rehearsed(counter: Counter) -> None:
    trace, _ = coding(1)
    bare = replace(trace, attempts=tuple(replace(a, stream=()) for a in trace.attempts))
    with pytest.raises(Unrehearsable, match="keep_streams"):
        rehearse(bare, counter)


def test_a_family_that_nobody_knows_is_told(counter: Counter) -> None:
    """Recorded by another version, or made up in an archive of somebody else's."""
    trace, _ = coding(1)
    strange = replace(trace, attempts=tuple(replace(a, family="of\x1btomorrow") for a in trace.attempts))
    with pytest.raises(Unrehearsable, match=r"no family 'of.+tomorrow'"):
        rehearse(strange, counter)


# --- whatever an upstream does ---------------------------------------------------------------------------------------


async def live(place: Place, text: str, config: Config | None = None, **body: Any) -> tuple[Trace, bytes]:
    """One request through the running house's street, and what its client was sent."""
    context = place.house.engine.context
    context = replace(context, config=config or context.config, feed=type(context.feed)())
    client = Collector({"user-agent": "test"})
    asked = {"model": "claude-x", "max_tokens": 200, "stream": True, "messages": [{"role": "user", "content": text}]}
    trace = await exchange.run(dumps(asked | body), client, context)
    return trace, bytes(client.data)


def rehearsed(trace: Trace, received: bytes, counter: Counter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    again = rehearse(trace, counter, received)
    return again.differences, again.sent


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.asyncio(loop_scope="session")
async def test_every_scenario_of_the_scripted_upstream_comes_out_the_same(
    stream: bool, hasty: Place, counter: Counter
) -> None:
    """Faults included: refusals, cuts, broken JSON, errors in mid-stream; with the tries that they took."""
    patient = Patience(waits_s=(0.01, 0.02))
    config = replace(hasty.house.engine.config, agents={"default": ("scripted",)}, patience=patient)
    differing = {}
    for name in sorted(SCENARIOS.keys() - ENDLESS):
        trace, received = await live(hasty, f"[[ccr:{name}]]", config, stream=stream)
        if found := sum(await asyncio.to_thread(rehearsed, trace, received, counter), ()):
            differing[name] = found
    assert differing == {}


@pytest.mark.asyncio(loop_scope="session")
async def test_a_ping_that_began_the_answer_begins_it_again(pinging: Place, counter: Counter) -> None:
    trace, received = await live(pinging, "[[ccr:slowfirst:0.5]]")
    assert b"event: ping" in received
    again = await asyncio.to_thread(rehearse, trace, counter, received)
    assert again.differences == ()
    assert b"event: ping" in again.data


ROUTED = {
    "a-fallback-answers": ("[[ccr:text]]", {"default": ("dead", "scripted")}, "normal"),
    "nobody-answers": ("[[ccr:text]]", {"default": ("dead",)}, "normal"),
    "no-router-there": ("[[ccr:text]]", {"router": ("dead",), "tool": ("scripted",), "think": ("scripted",)}, "router"),
    "an-agent-fails": (
        "[[ccr:route]] [[hops:think]]",
        {"router": ("scripted",), "tool": ("scripted",), "think": ("dead",)},
        "router",
    ),
    "no-choice": ("[[ccr:text]]", {"router": ("scripted",), "tool": ("scripted",)}, "router"),
}


def with_dead(place: Place, case: str, **changes: Any) -> Config:
    """The house's configuration, whose dead provider is of this case alone: others may have put theirs to rest."""
    own = place.house.engine.config
    dead, model = replace(own.providers["dead"], name=case), replace(own.models["dead"], provider=case)
    providers, models = {**own.providers, case: dead}, {**own.models, "dead": model}
    return replace(own, providers=providers, models=models, routing=Routing(deadline_s=5), **changes)


@pytest.mark.parametrize("case", ROUTED)
@pytest.mark.asyncio(loop_scope="session")
async def test_whoever_answers_does_so_again(case: str, place: Place, counter: Counter) -> None:
    text, agents, mode = ROUTED[case]
    trace, received = await live(place, text, with_dead(place, case, agents=agents, mode=mode))
    assert await asyncio.to_thread(rehearsed, trace, received, counter) == ((), ())


RESTING = {
    **ROUTED,
    "another-router-is-asked": (
        "[[ccr:route]] [[hops:think]]",
        {"router": ("dead", "scripted"), "tool": ("scripted",), "think": ("scripted",)},
        "router",
    ),
}


@pytest.mark.parametrize("case", RESTING)
@pytest.mark.asyncio(loop_scope="session")
async def test_whoever_rested_is_not_asked_again(case: str, place: Place, counter: Counter) -> None:
    """The first request finds a provider dead, so that the second passes it over."""
    text, agents, mode = RESTING[case]
    patience = Patience(waits_s=(), breaker_failures=1)
    config = with_dead(place, f"{case}-rests", agents=agents, mode=mode, patience=patience)
    for again in ("", "Again: "):
        trace, received = await live(place, again + text, config)
        assert await asyncio.to_thread(rehearsed, trace, received, counter) == ((), ())
    rested = {"nobody-answers", "no-choice"}
    considered = trace.decision.considered if trace.decision else ()
    assert ("breaker_open" in dict(considered)) == (case not in rested), considered


@pytest.mark.parametrize("scenario", ["http:401", "http:429", "quota"])
@pytest.mark.asyncio(loop_scope="session")
async def test_every_key_that_was_tried_is_tried_again(scenario: str, place: Place, counter: Counter) -> None:
    own, name = place.house.engine.config, f"keys-{scenario}"
    given = replace(own.providers["scripted"], name=name, api_key="one", api_keys=("two", "three"))
    model = replace(own.models["scripted"], provider=name)
    config = replace(
        own, providers={**own.providers, name: given}, models={**own.models, "scripted": model},
        agents={"default": ("scripted",)}, patience=Patience(waits_s=(0.01,)),
    )  # fmt: skip
    trace, received = await live(place, f"[[ccr:{scenario}]]", config)
    assert len(trace.attempts) >= 3
    assert await asyncio.to_thread(rehearsed, trace, received, counter) == ((), ())


@pytest.mark.asyncio(loop_scope="session")
async def test_a_client_that_left_is_sent_what_it_got(place: Place, counter: Counter) -> None:
    trace, _ = await live(place, "[[ccr:text]]")
    left = replace(trace, outcome="cancelled", timeline=trace.timeline[:3], reply=None)
    assert rehearse_sync(left, counter) == ()


def rehearse_sync(trace: Trace, counter: Counter) -> tuple[str, ...]:
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(rehearse, trace, counter).result().differences
