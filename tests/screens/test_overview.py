"""The overview's words: what the provider said, what the client was sent, and sums that a person can follow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from generated import attempt, trace

from ccr_tui.baseline import Baseline
from ccr_tui.prices import cost
from ccr_tui.records import Failure, Price, TimelineEvent, Trace, Usage
from ccr_tui.screens.overview import overview_document
from ccr_tui.screens.stream import stream_document
from ccr_tui.screens.thrift import Judged
from ccr_tui.verdict import Verdict

CUT = Failure(502, "api_error", "half cut its answer off before the end.")
SPENT = Failure(402, "billing_error", "Stopped: today's budget of $5 is spent.", False)


def text_of(record: Trace, width: int = 200) -> str:
    return "\n".join(line.text for line in overview_document(record, width).lines)


FAILED: dict[str, tuple[Mapping[str, Any], list[str]]] = {
    "in a stream that had begun": (
        {"status": 200, "failure": CUT, "attempts": (attempt(failure=CUT),)},
        [
            "✗ error · 502, told inside a stream that had begun with 200",
            "Error  502 api_error",
            "provider   dashscope: answered 200",
            "client     had been sent 200, because its stream had begun",
            "it was then sent an error event: api_error",
        ],
    ),
    "before anything was sent": (
        {"status": 502, "failure": CUT, "attempts": (attempt(failure=CUT, status=None),)},
        ["✗ error · 502", "provider   dashscope: no response came", "client     was sent 502 with this error"],
    ),
    "by ccr-tui itself": (
        {"status": 402, "failure": SPENT, "attempts": ()},
        ["✗ error · 402", "provider   none was asked: ccr-tui refuses this itself"],
    ),
}


@pytest.mark.parametrize(("given", "shown"), FAILED.values(), ids=FAILED)
def test_a_failure_tells_what_the_provider_said_and_what_the_client_got(
    given: Mapping[str, Any], shown: list[str]
) -> None:
    text = text_of(trace(outcome="error", reply=None, **given))
    assert [words for words in shown if words not in text] == [], text


def test_an_estimate_is_held_against_no_report_where_there_is_none() -> None:
    price = Price(1_000_000_000, 2_000_000_000)
    broken = attempt(usage=Usage(107, 16, basis="estimated"), price=price, cost=139_000, cost_basis="list")
    text = text_of(trace(attempts=(broken,), estimate=107))
    assert "exact" not in text and "the provider reported nothing" in text
    assert text.count("107") == text.count("~107") == 2, text
    assert "Cost  ~$0.00014" in text
    assert text.count("$0.00014") == text.count("~$0.00014") >= 2, text


def test_cached_tokens_without_a_price_of_their_own_say_how_they_were_reckoned() -> None:
    price = Price(333_000_000, 777_000_000, basis="user")
    text = text_of(trace(attempts=(attempt(usage=Usage(52, 16, 51), price=price, cost=46_731, cost_basis="user"),)))
    row = next(line for line in text.split("\n") if "cache read" in line)
    assert "$0.333" in row and "no price of its own is known: reckoned as input" in row
    assert "$0.777" in text, "as it is written"
    assert "no price of cached tokens is, so they were reckoned as input" in text
    free = text_of(trace(attempts=(attempt(usage=Usage(52, 16, 51), price=Price(0, 0), cost=0, cost_basis="list"),)))
    assert "reckoned as input" not in free, "what costs nothing leaves nothing open"


LATE = (
    TimelineEvent(5000, "message_start"),
    TimelineEvent(6280, "content_block_start", 0),
    TimelineEvent(6280, "content_block_delta", 0, 30),
    TimelineEvent(12060, "content_block_delta", 0, 30),
    TimelineEvent(12310, "message_stop"),
)


def test_the_overview_and_the_stream_tell_one_speed_and_one_silence() -> None:
    call = attempt(usage=Usage(100, 185), ttft_ms=6280, duration_ms=12310, stream=((6270, b"data: {}"),))
    record = trace(timeline=LATE, attempts=(call,))
    stream = "\n".join(line.text for line in stream_document(record, 200).lines)
    assert re.findall(r"(\d+) tok/s", text_of(record)) == re.findall(r"(\d+) tokens a second", stream) == ["32"]
    assert "2 of 1 s and more, 12.1 s in all  the longest 6.3 s, from 0.00 s on" in stream, stream
    assert "made here while nothing had come" in stream and "⏸ 6.3 s of silence" in stream, stream


def test_without_a_stream_the_speed_is_by_the_answers_own_times() -> None:
    record = trace(timeline=(), streamed=False, attempts=(attempt(usage=Usage(9, 101), ttft_ms=500, duration_ms=1500),))
    assert "100 tok/s" in text_of(record)


PRICE = Price(1_600_000_000, 6_400_000_000, 160_000_000)


@pytest.mark.parametrize(
    ("dearer", "words"),
    [(4, "75 % less was paid"), (0.5, "100 % more was paid"), (1, "as much was paid")],
    ids=["less", "more", "as much"],
)
def test_what_was_paid_against_one_model_for_all_is_a_sentence(dearer: float, words: str) -> None:
    usage = Usage(1000, 100)
    record = trace(attempts=(attempt(usage=usage, price=PRICE, cost=cost(usage, PRICE)),))
    other = Price(round(PRICE.input * dearer), round(PRICE.output * dearer))
    judged = Judged(Verdict("first", "", "unknown"), Baseline("opus", other, True))
    page = overview_document(record, 200, judged)
    assert any(line.text.endswith(f"what the answer would have cost at its price; {words}") for line in page.lines)
