"""What is told of spending: spans, the day's forecast, budgets, and models to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui import baseline, spending
from ccr_tui.config import Config, Guards, Model, Provider
from ccr_tui.records import Price
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader

NOW = datetime(2026, 11, 18, 14, 7).timestamp()  # a Wednesday


def at(day: int, hour: int, cost: int, session: str = "s") -> Any:
    """A request that cost so much, on a day of November."""
    made = datetime(2026, 11, day, hour, 20).timestamp()
    return generated.trace(
        f"{day}-{hour}-{session}", started_at=made, attempts=(generated.attempt(cost=cost),), session=session
    )


DAYS = [
    at(14, 9, 100),
    at(14, 20, 1_000),
    at(15, 14, 500),
    at(17, 13, 7_000),
    at(17, 23, 2_001, "late"),
    at(18, 1, 40),
    at(18, 14, 60, "now"),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("spending") / "ccr.db"
    archive.take_in(path, DAYS)
    made = Reader(path)
    yield made
    made.close()


SPANS = [("today", "2026-11-18"), ("7 days", "2026-11-12"), ("30 days", "2026-10-20"), ("90 days", "2026-08-21")]


@pytest.mark.parametrize(("span", "first"), SPANS, ids=[case[0] for case in SPANS])
def test_spans_begin_at_a_midnight(span: str, first: str) -> None:
    assert spending.since(span, NOW) == datetime.fromisoformat(first).timestamp()
    assert spending.since("all", NOW) is None


def test_the_forecast_goes_by_what_the_days_before_cost_after_this_time(reader: Reader) -> None:
    found = spending.forecast(reader, NOW)
    assert found is not None
    assert (found.so_far, found.days, found.rest) == (100, 4, round((1_000 + 500 + 0 + 2_001) / 4))
    assert found.cost == 100 + 875
    assert found.words.endswith("the mean of what the last 4 days cost after this time of day")


FORECASTS = [
    ("before anything", datetime(2026, 11, 13, 9).timestamp(), None),
    ("the first day", datetime(2026, 11, 14, 23).timestamp(), None),
    ("the second day, earlier than it began", datetime(2026, 11, 15, 8).timestamp(), None),
    ("the second day", datetime(2026, 11, 15, 10).timestamp(), 1),
    ("long after", datetime(2026, 12, 24, 8).timestamp(), 7),
]


@pytest.mark.parametrize(("now", "days"), [case[1:] for case in FORECASTS], ids=[case[0] for case in FORECASTS])
def test_a_forecast_needs_a_day_to_go_by(reader: Reader, now: float, days: int | None) -> None:
    found = spending.forecast(reader, now)
    assert (found and found.days) == days


def test_budgets_tell_what_counts_against_them(reader: Reader) -> None:
    day, session = spending.budgets(reader, Guards(budget_per_day=200, budget_per_session=50), NOW)
    assert (day.what, day.spent, day.share) == ("day", 100, 0.5)
    assert (session.session, session.spent, session.share) == ("s", 8_640, 172.8), "the dearest of those of today"
    assert spending.budgets(reader, Guards(), NOW) == []


UNITS = [
    ("day", "today", "hour", 15),
    ("day", "7 days", "day", 7),
    ("hour", "7 days", "day", 7),
    ("model", "30 days", "day", 30),
    ("week", "7 days", "day", 7),
    ("week", "30 days", "week", 5),
    ("day", "90 days", "day", 90),
    ("week", "90 days", "week", 14),
    ("agent", "all", "day", 5),
]


@pytest.mark.parametrize(("by", "span", "unit", "bars"), UNITS, ids=[f"{c[0]}, {c[1]}" for c in UNITS])
def test_a_course_has_neither_one_bar_nor_too_many(reader: Reader, by: Any, span: str, unit: str, bars: int) -> None:
    found = spending.read(reader, Guards(), by, spending.since(span, NOW), NOW)
    assert (found.course.unit, len(found.course.parts)) == (unit, bars)
    assert sum(sum(part.values()) for part in found.course.parts) == found.total.cost
    assert found.course.edges[-1] > NOW


def test_weeks_begin_on_mondays_and_hours_at_full_ones() -> None:
    assert datetime.fromtimestamp(spending.edges("week", NOW, NOW)[0]) == datetime(2026, 11, 16)
    assert datetime.fromtimestamp(spending.edges("hour", NOW, NOW)[0]) == datetime(2026, 11, 18, 14)


def test_a_course_of_an_empty_store(tmp_path: Path) -> None:
    found = spending.read(Reader(tmp_path / "none.db"), Guards(budget_per_session=5), "day", None, NOW)
    assert (found.rows, found.forecast, found.budgets, found.course.parts) == ([], None, [], ({},))
    assert spending.summary_json(found, NOW)["forecast_usd"] is None


# -- models to compare with

OWN = Price(7, 8, basis="user")
CONFIG = Config(
    providers={"deepseek": Provider("deepseek", "openai", "https://api.deepseek.com/v1")},
    models={"mine": Model("mine", "deepseek", "x", price=OWN), "odd": Model("odd", "deepseek", "nobody-knows")},
)
FOUND = [
    ("mine", 7),
    ("deepseek/deepseek-flash", None),
    ("claude-sonnet-4-5", 3_000_000_000),
    ("anthropic/claude-sonnet-4-5", 3_000_000_000),
]


@pytest.mark.parametrize(("name", "input"), FOUND, ids=[case[0] for case in FOUND])
def test_a_baseline_is_a_model_of_ours_or_one_that_the_tables_know(name: str, input: int | None) -> None:
    price = baseline.find(CONFIG, name, NOW)
    assert price is not None
    assert price.input == (input or price.input) > 0


@pytest.mark.parametrize("name", ["odd", "nobody/nothing", "no-such-model", "", "/", "a/"])
def test_a_model_that_nobody_knows_has_no_price(name: str) -> None:
    assert baseline.find(CONFIG, name, NOW) is None


CHOSEN = [
    (None, "claude-opus-4-5[1m]", "claude-opus-4-5", False),
    (None, "claude-of-tomorrow", baseline.FALLBACK, False),
    (None, None, baseline.FALLBACK, False),
    ("mine", "claude-opus-4-5", "mine", True),
]


@pytest.mark.parametrize(("set_", "asked", "name", "is_chosen"), CHOSEN, ids=[f"{c[0]} {c[1]}" for c in CHOSEN])
def test_the_baseline_is_what_was_chosen_or_what_the_client_asks_for(
    set_: str | None, asked: str | None, name: str, is_chosen: bool
) -> None:
    config = Config(providers=CONFIG.providers, models=CONFIG.models, baseline=set_)
    found = baseline.chosen(config, asked, NOW)
    assert found is not None and (found.name, found.is_chosen) == (name, is_chosen)


def test_a_chosen_baseline_without_a_price_is_not_replaced_by_another() -> None:
    assert baseline.chosen(Config(baseline="odd"), "claude-opus-4-5", NOW) is None


def test_candidates_are_ours_and_what_people_compare_with() -> None:
    names = [each.name for each in baseline.candidates(CONFIG, ["claude-opus-4-1", "gone"], NOW)]
    assert names[0] == "mine" and "odd" not in names and "gone" not in names
    assert "claude-opus-4-1" in names and len(names) == len(set(names))


def test_days_are_those_of_the_calendar() -> None:
    cuts = spending.edges("day", NOW - 2 * 86400, NOW)
    assert [datetime.fromtimestamp(cut) for cut in cuts] == [
        datetime(2026, 11, 16) + timedelta(days=n) for n in range(4)
    ]
