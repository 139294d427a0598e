"""Sums of money: by week, over a course of time, and where each part of them is known from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui.records import Price, Trace, Usage
from ccr_tui.store import archive, schema
from ccr_tui.store.queries import Billed, Reader, Sums
from ccr_tui.store.verify import verify

MONDAY = datetime(2026, 11, 16, 9, 5).timestamp()
DAY_S, HOUR_S = 86400, 3600
LIST = Price(1_000_000_000, 2_000_000_000, 100_000_000, since="2026-11-01", source="ccr-tui table")
OWN = Price(3_000_000_000, 3_000_000_000, since="", source="config.toml", basis="user")
BASELINE = Price(10_000_000_000, 50_000_000_000, 1_000_000_000, since="2026-11-22", source="a list")


def call(n: int, **changes: Any) -> Any:
    own: dict[str, Any] = {"usage": Usage(1_000, 100, 9_000), "price": LIST, "cost": 2_100_000, "cost_basis": "list"}
    return generated.attempt(n, **(own | changes))


def trace(uid: str, at: float, *attempts: Any, **changes: Any) -> Trace:
    return generated.trace(uid, started_at=at, attempts=attempts or (call(1),), session=uid, **changes)


ROUTED = (
    call(1, purpose="route", model="small", usage=Usage(900, 10), cost=10_000),
    call(2, purpose="think", model="r1", provider="deepseek", usage=Usage(5_000, 900), cost=50_000, price=None,
         cost_basis="reported"),
    call(3),
)  # fmt: skip
WEEKS = [
    trace("a", MONDAY),
    trace("b", MONDAY + HOUR_S, *ROUTED),
    trace("c", MONDAY + 2 * DAY_S, call(1, model="own", price=OWN, cost=30_300_000, cost_basis="user")),
    trace("d", MONDAY + 6 * DAY_S, call(1, model="odd", price=None, cost=None, cost_basis="unknown")),
    trace("e", MONDAY + 7 * DAY_S, call(1, usage=Usage(1_000, 100, basis="estimated"), cost=1_200_000)),
]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("weeks") / "ccr.db"
    archive.take_in(path, WEEKS)
    reader = Reader(path)
    yield reader
    reader.close()


def test_weeks_are_those_of_iso_and_come_in_order(weeks: Reader) -> None:
    rows = [(row.key, row.requests, row.cost, row.unpriced) for row in weeks.spend("week")]
    assert rows == [("2026-W47", 4, 34_560_000, 1), ("2026-W48", 1, 1_200_000, 0)]


def test_the_parts_of_the_cost(weeks: Reader) -> None:
    sums = weeks.total()
    assert (sums.cost, sums.router_cost, sums.hop_cost) == (35_760_000, 10_000, 50_000)
    assert (sums.reported_cost, sums.user_cost, sums.list_cost) == (50_000, 30_300_000, 5_410_000)
    assert (sums.estimated_cost, sums.estimated_tokens, sums.unpriced) == (1_200_000, 1_100, 1)
    assert sums.is_about and sums.has_guesses
    assert not weeks.total(until=MONDAY + DAY_S).is_about
    assert (sums.cache_saved, sums.cache_unknown) == (2 * 9_000 * 900, 2)


def test_totals_are_the_sum_of_their_rows(weeks: Reader) -> None:
    for by in ("hour", "day", "week", "model", "provider", "agent", "session", "project"):
        rows = weeks.spend(by)  # type: ignore[arg-type]
        assert sum(row.cost for row in rows) == weeks.total().cost
        assert sum(row.cache_saved for row in rows) == weeks.total().cache_saved


BILLED = [
    (None, [
        Billed("user", "config.toml", "", 10_100, 30_300_000),
        Billed("list", "ccr-tui table", "2026-11-01", 22_210, 5_410_000),
        Billed("reported", "", "", 5_900, 50_000),
        Billed("unknown", "", "", 10_100, 0, 1),
    ]),
    (("model", "odd"), [Billed("unknown", "", "", 10_100, 0, 1)]),
    (("provider", "deepseek"), [Billed("reported", "", "", 5_900, 50_000)]),
    (("session", "e"), [Billed("list", "ccr-tui table", "2026-11-01", 1_100, 1_200_000)]),
    (("project", None), []),
]  # fmt: skip


@pytest.mark.parametrize(("only", "expected"), BILLED, ids=[str(case[0]) for case in BILLED])
def test_where_the_money_is_known_from(weeks: Reader, only: Any, expected: list[Billed]) -> None:
    assert weeks.billed(only=only) == expected


def test_the_course_of_spending(weeks: Reader) -> None:
    midnight = datetime(2026, 11, 16).timestamp()
    edges = [midnight + n * DAY_S for n in range(4)]
    first = {"qwen-max": 4_200_000, "small": 10_000, "r1": 50_000}
    assert weeks.course("model", edges) == [first, {}, {"own": 30_300_000}]
    assert weeks.course("day", edges) == [{None: 4_260_000}, {}, {None: 30_300_000}]
    assert weeks.course("day", []) == weeks.course("day", [midnight]) == []


def test_one_model_for_all_is_the_answers_at_its_price(weeks: Reader) -> None:
    (row,) = weeks.spend("session", until=MONDAY + 100, baseline=BASELINE)
    assert row.baseline == 1_000 * 10_000 + 9_000 * 1_000 + 100 * 50_000
    (routed,) = (row for row in weeks.spend("session", baseline=BASELINE) if row.key == "b")
    assert routed.baseline == row.baseline, "nobody asks a router, and nobody works before the answer"


def test_one_model_would_have_had_cached_what_a_switch_lost() -> None:
    sums = Sums(answer_input=1_000, answer_read=100, answer_output=10)
    switched = replace(sums, switched_tokens=900)
    assert sums.at(BASELINE) - switched.at(BASELINE) == 900 * (10_000 - 1_000)


def test_sums_as_scripts_get_them(weeks: Reader) -> None:
    shown = weeks.spend("week", baseline=BASELINE)[1].as_json()
    assert shown["week"] == "2026-W48"
    assert shown["cost_by_basis"] == {"reported": "0", "list": "0.0012", "user": "0"}
    assert (shown["estimated_cost_usd"], shown["baseline_usd"]) == ("0.0012", "0.015")
    assert weeks.billed(only=("model", "odd"))[0].as_json()["cost_usd"] is None


CHANGES = [
    ("a sum changed", "UPDATE spend SET cost = cost + 7, requests = requests + 1"),
    ("a session's sums gone", "DELETE FROM spend WHERE session_id = 1"),
    ("all gone", "DELETE FROM spend"),
    ("put in anew", "INSERT INTO spend SELECT slot + 900, model_id, agent, session_id, project_id, kind, purpose,"
     " basis, cost_basis, price_id, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 FROM spend"),
]  # fmt: skip


@pytest.mark.parametrize("change", [case[1] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_the_totals_follow_every_change_of_the_sums(path: Path, change: str) -> None:
    archive.take_in(path, WEEKS)
    db = schema.writable(path)
    db.execute(change)
    db.close()
    assert not [problem for problem in verify(path) if "is not the sum of its parts" in problem]
    reader = Reader(path)
    assert sum(row.cost for row in reader.spend("model")) == sum(row.cost for row in reader.spend("session"))
    reader.close()


def test_totals_that_were_changed_by_hand_are_found(path: Path) -> None:
    archive.take_in(path, WEEKS)
    db = schema.writable(path)
    db.execute("UPDATE spend_total SET cost = cost + 1 WHERE purpose = 'route'")
    db.close()
    assert len([problem for problem in verify(path) if "is not the sum of its parts" in problem]) == 2


def test_a_session_is_called_by_its_first_prompt(weeks: Reader) -> None:
    (row,) = (row for row in weeks.spend("session") if row.key == "a")
    assert row.title == "hi" and row.as_json()["title"] == "hi"
    assert "title" not in weeks.spend("model")[0].as_json()
