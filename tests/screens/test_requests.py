"""One request on one line: who worked, how often somebody was asked, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from generated import attempt, failed, trace

from ccr_tui.records import Attempt, Failure, RouteDecision, Trace, Usage
from ccr_tui.screens.requests import agent, cached, cost, in_line, layout, names_of, project, took, whole, with_hops
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader, TraceRow
from ccr_tui.store.runs import Runs
from ccr_tui.store.writer import Writer

ROUTED = RouteDecision("router", "tool", "qwen-max", "router", "", (), (("router", "asked"),))
BUSY: dict[str, Any] = {
    "failure": Failure(429, "rate_limit_error", "qwen answered 429: slow down"),
    "status": 429,
    "usage": None,
    "cost": None,
    "cost_basis": "unknown",
    "price": None,
    "stream": (),
}


def calls(purposes: str, **last: Any) -> tuple[Attempt, ...]:
    """Calls by their purposes; those with a ! were busy."""
    made = []
    for n, word in enumerate(purposes.split(), 1):
        more = BUSY if word.endswith("!") else {"cost": 1_000_000}
        made.append(attempt(n, purpose=word.rstrip("!"), **more, **last))
    return tuple(made)


@pytest.fixture
def row(tmp_path: Path) -> Callable[[Trace], TraceRow]:
    """The row of a trace as lists read it."""

    def made(record: Trace) -> TraceRow:
        writer = Writer(tmp_path / "ccr.db", None, None)
        writer.start()
        writer.put(record)
        writer.close()
        reader = Reader(tmp_path / "ccr.db")
        found = with_hops(reader, reader.rows())[0]
        reader.close()
        return found

    return made


@pytest.mark.parametrize(
    ("purposes", "who", "names", "money"),
    [
        ("answer", "main", "opus-5-5 → qwen-max", "$0.0010"),
        ("answer! answer", "main", "opus-5-5 → qwen-max ×2", "$0.0010"),
        ("route answer", "tool", "opus-5-5 → qwen-max", "Σ$0.0020"),
        ("route! route think! think route answer! answer! answer", "think→tool", "opus-5-5 → qwen-max ×3", "Σ$0.0040"),
        ("route think route code route think answer", "th→co→th→tool", "opus-5-5 → qwen-max", "Σ$0.0070"),
    ],
)
def test_a_row_says_who_worked_how_often_and_for_how_much(
    row: Callable[[Trace], TraceRow], purposes: str, who: str, names: str, money: str
) -> None:
    more = {"decision": ROUTED} if purposes.startswith("route") else {}
    found = row(trace(attempts=calls(purposes), **more))
    assert (agent(found, 14)[0], names_of(found, 40)[0], cost(found)[0]) == (who, names, money)


@pytest.mark.parametrize(("basis", "words"), [("reported", "⟨ 0%⟩"), ("mixed", "⟨ 0%⟩"), ("estimated", "–")])
def test_a_row_tells_a_cached_share_only_where_a_provider_did(
    row: Callable[[Trace], TraceRow], basis: Any, words: str
) -> None:
    found = row(trace(attempts=(attempt(usage=Usage(250, 25, basis=basis)),)))
    assert cached(found)[0] == words


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (trace(attempts=(), outcome="cancelled", reply=None), "–"),
        (trace(attempts=calls("answer!"), outcome="cancelled", reply=None), "–"),
        (trace(attempts=(attempt(1, price=None, cost=None, cost_basis="unknown"),)), "?"),
        (
            trace(
                decision=ROUTED,
                attempts=(attempt(1, purpose="route", price=None, cost=None), *calls("answer!")),
                outcome="error",
            ),
            "?",
        ),
    ],
    ids=["nobody was asked", "nothing was counted", "no price", "the router has no price"],
)
def test_only_what_was_used_at_an_unknown_price_is_a_question_mark(
    row: Callable[[Trace], TraceRow], record: Trace, words: str
) -> None:
    assert cost(row(record))[0] == words


LITTLE = [
    (4, "<$0.00001"), (10_500, "$0.000010"), (66_000, "$0.000066"), (664_000, "$0.00066"), (1_234_000, "$0.0012"),
    (312_000_000, "$0.31  "),
]  # fmt: skip


@pytest.mark.parametrize(("nanos", "shown"), LITTLE)
def test_little_money_is_not_rounded_away(row: Callable[[Trace], TraceRow], nanos: int, shown: str) -> None:
    column = next(each for each in layout(80) if each.title == "cost")
    assert column.cell(replace(row(trace()), cost=nanos))[0] == shown
    assert len(shown) <= column.width


def test_a_failure_says_its_status_once_and_after_how_many_tries(row: Callable[[Trace], TraceRow]) -> None:
    record = trace(attempts=calls("answer! answer! answer!"), outcome="error", status=429, failure=BUSY["failure"])
    found = whole(row(record))
    assert found and found[1] == "opus-5-5 → qwen-max ✗ 3 tries: qwen answered 429: slow down"
    found = whole(row(failed(uid="another")))
    assert found and found[1] == "opus-5-5 → qwen-max ✗ 429 dashscope says: slow down; try again in 20 s."


CUT = Failure(502, "api_error", "half cut its answer off before the end: it is incomplete. Try again.")
SPENT = Failure(402, "billing_error", "Stopped: today's budget of $5 is spent ($5.01).", False)
WHO_FAILED: dict[str, tuple[Mapping[str, Any], str]] = {
    "two models of one provider are told apart": (
        {"attempts": calls("answer!", model="gpt-4o-mini"), "status": 502, "failure": CUT},
        "opus-5-5 → gpt-4o-mini ✗ 502 half cut its answer off before the end",
    ),
    "a stream had begun with 200": (
        {"attempts": calls("answer!"), "status": 200, "failure": CUT},
        "opus-5-5 → qwen-max ✗ in its stream: half cut its answer off before the end",
    ),
    "a special agent is named": (
        {"attempts": calls("route answer!"), "status": 502, "failure": CUT, "decision": ROUTED},
        "opus-5-5 → qwen-max (tool) ✗ 502 half cut",
    ),
    "a subagent's": (
        {"attempts": calls("answer!"), "status": 502, "failure": CUT, "kind": "subagent"},
        "opus-5-5 → qwen-max (sub) ✗ 502 half cut",
    ),
    "nobody was asked": (
        {"attempts": (), "status": 402, "failure": SPENT},
        "opus-5-5 ✗ by ccr-tui: 402 Stopped: today's budget of $5 is spent",
    ),
}


@pytest.mark.parametrize(("given", "shown"), WHO_FAILED.values(), ids=WHO_FAILED)
def test_a_failed_request_says_who_failed(
    row: Callable[[Trace], TraceRow], given: Mapping[str, Any], shown: str
) -> None:
    found = whole(row(trace(outcome="error", **given)))
    assert found and found[1].startswith(shown), found


def test_what_a_replay_has_sent_is_marked(row: Callable[[Trace], TraceRow]) -> None:
    found = row(trace(origin="replay", session=None))
    assert names_of(found, 60) == ("↻ opus-5-5 → qwen-max", "muted")
    assert project(found) == ("↻ replay", "warn")
    assert project(replace(found, origin="live"))[0] != "↻ replay"


def test_a_request_of_a_lab_is_told_from_one_of_a_replay(row: Callable[[Trace], TraceRow], tmp_path: Path) -> None:
    found = row(trace(origin="replay", session=None, run="run-1"))
    assert (found.run_kind, project(found)) == (None, ("↻ replay", "warn"))
    Runs(tmp_path / "ccr.db").begin("run-1", 0.0, "lab", "", "", "database", {})
    reader = Reader(tmp_path / "ccr.db")
    (found,) = reader.rows()
    reader.close()
    assert (found.as_json()["run_kind"], project(found)) == ("lab", ("↻ lab", "warn"))


COLUMN = {400: "0.4", 2_100: "2.1", 31_000: "31  ", 123_000: "2m03", 10: "<0.1", None: "–"}


@pytest.mark.parametrize("ms", COLUMN, ids=str)
def test_the_points_of_seconds_stand_below_one_another(ms: int | None) -> None:
    assert took(ms) == COLUMN[ms]


def test_what_is_no_amount_stands_at_the_right_of_its_column(tmp_path: Path) -> None:
    odd = attempt(cost=None, cost_basis="unknown", price=None)
    archive.take_in(tmp_path / "ccr.db", [trace("a", attempts=(odd,)), trace("b")])
    reader = Reader(tmp_path / "ccr.db")
    assert in_line(reader.row("a"))[0] == "?"
    assert in_line(reader.row("b"))[0] == "$0.0043"
    reader.close()
