"""What the screens and scripts ask, and get."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.prices import usd
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.store import archive
from ccr_tui.store.queries import Filter, Reader, trace_json

Keep = Callable[[Iterable[Trace]], None]
T = generated.STARTED
ROUTE = generated.attempt(1, purpose="route", model="qwen2.5-3b", usage=Usage(100, 5), cost=1000)
UNKNOWN = generated.attempt(2, model="new-model", cost=None, cost_basis="unknown", price=None)


def user(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


DAY = [
    generated.trace("a-1", user("Fix the parser, please"), started_at=T),
    generated.trace("a-2", user("In Rust: naïve 中文 text"), started_at=T + 3600, session="other", project="/x/web"),
    generated.trace("b-1", started_at=T + 7200, agent_id="sub1", kind="subagent"),
    generated.failed("b-2", started_at=T + 7300, agent_id="sub2"),
    generated.trace("c-1", started_at=T + 9000, attempts=(ROUTE, UNKNOWN), session=None, project=None),
    generated.trace(
        "d-1", started_at=T + 9100, attempts=(), decision=None, outcome="cancelled", reply=None, session=None
    ),
]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("day") / "ccr.db"
    archive.take_in(path, DAY)
    reader = Reader(path)
    yield reader
    reader.close()


def ids(rows: Iterable[Any]) -> str:
    return " ".join(row.id for row in rows)


def test_pages_join_without_gap_or_overlap(day: Reader) -> None:
    pages = [day.rows(limit=2)]
    while pages[-1]:
        pages.append(day.rows(before=pages[-1][-1].n, limit=2))
    assert ids(row for page in pages for row in page) == "d-1 c-1 b-2 b-1 a-2 a-1"
    assert ids(day.rows_after(4)) == "c-1 d-1"


FILTERS = [
    (Filter(session="5d1f0a52"), "b-2 b-1 a-1"),
    (Filter(session="other"), "a-2"),
    (Filter(session="nobody"), ""),
    (Filter(project="web"), "a-2"),
    (Filter(project="/x/web"), "a-2"),
    (Filter(project="we"), ""),
    (Filter(project="%"), ""),
    (Filter(model="new-model"), "c-1"),
    (Filter(model="qwen"), "c-1 b-2 b-1 a-2 a-1"),
    (Filter(outcome="error"), "b-2"),
    (Filter(outcome="cancelled"), "d-1"),
    (Filter(outcome="ok", agent="default"), "c-1 b-1 a-2 a-1"),
    (Filter(agent="subagent"), "b-1"),
    (Filter(agent="main"), "d-1 c-1 b-2 a-2 a-1"),
    (Filter(agent="tool"), ""),
    (Filter(since=T + 7300), "d-1 c-1 b-2"),
    (Filter(since=T + 99999), ""),
    (Filter(text="parser"), "a-1"),
    (Filter(text="new-mo"), "c-1"),
    (Filter(text="slow down"), "b-2"),
    (Filter(text="web"), "a-2"),
    (Filter(text="'\"; DROP"), ""),
    (Filter(text="\ud800"), ""),
]


@pytest.mark.parametrize(("filter", "expected"), FILTERS, ids=[str(case[0])[7:-1] for case in FILTERS])
def test_filters(day: Reader, filter: Filter, expected: str) -> None:
    assert ids(day.rows(filter)) == expected
    assert day.count(filter) == len(expected.split())


def test_records_come_oldest_first(day: Reader) -> None:
    assert [trace.uid for trace in day.traces(Filter(outcome="ok"))] == ["a-1", "a-2", "b-1", "c-1"]


def test_an_id_may_be_shortened(day: Reader) -> None:
    assert day.row("c").id == "c-1"
    assert day.trace("a-1") == DAY[0]
    with pytest.raises(StoreError, match="a-1, a-2"):
        day.row("a-")
    for nobody in ("x", "", "\ud800"):
        with pytest.raises(StoreError, match="no trace"):
            day.trace(nobody)


SEARCHES = [
    ("parser", "a-1", "Fix the parser, please"),
    ("pars", "a-1", "Fix the parser, please"),
    ("please fix", "a-1", "Fix the parser, please"),
    ('"fix the"', "a-1", "Fix the parser, please"),
    ('"the fix"', "", ""),
    ("NAIVE rust", "a-2", "In Rust: naïve 中文 text"),
    ("中", "a-2", "In Rust: naïve 中文 text"),
    ("中文", "a-2", "In Rust: naïve 中文 text"),
    ("文中", "", ""),
    ("  ", "", ""),
    ("-- AND (", "", ""),
    ("\ud800", "", ""),
]


@pytest.mark.parametrize(("text", "expected", "snippet"), SEARCHES, ids=[repr(case[0]) for case in SEARCHES])
def test_search(day: Reader, text: str, expected: str, snippet: str) -> None:
    found = day.search(text)
    assert ids(found) == expected
    assert [row.snippet for row in found] == ([snippet] if expected else [])


def test_a_row_as_scripts_get_it(day: Reader) -> None:
    contract = """id session project agent_id origin started_at duration_ms ttft_ms outcome status error asked_model
        mode agent rule model provider stop_reason input_tokens cache_read_tokens cache_write_tokens output_tokens
        reasoning_tokens usage_basis estimated_input_tokens cost_usd cost_basis router_cost_usd attempts"""
    row = day.row("a-1").as_json()
    assert set(contract.split()) <= set(row)
    assert (row["started_at"], row["cost_usd"], row["router_cost_usd"]) == ("2026-09-21T14:13:20.250Z", "0.00432", "0")
    assert day.row("b-2").as_json()["error"].startswith("dashscope says")
    assert "snippet" in day.search("parser")[0].as_json()


def test_a_cost_that_nobody_knows_is_null(day: Reader) -> None:
    row = day.row("c-1")
    assert (row.cost, row.cost_basis, row.router_cost, row.attempts) == (None, "unknown", 1000, 2)
    assert row.as_json()["cost_usd"] is None
    assert (day.row("d-1").cost, day.row("d-1").model, day.row("d-1").usage_basis) == (None, None, None)


def test_the_whole_trace_as_scripts_get_it(day: Reader) -> None:
    shown = trace_json(day.trace("c-1"), day.row("c-1"))
    assert json.loads(json.dumps(shown)) == shown
    assert [step["purpose"] for step in shown["steps"]] == ["route", "answer"]
    assert shown["steps"][0]["cost_usd"] == "0.000001"
    price, known = DAY[4].attempts[0].price, shown["steps"][0]["price"]
    assert price is not None and (known["source"], known["since"], known["basis"]) == (
        price.source,
        price.since,
        price.basis,
    )
    assert (known["input_usd"], known["cache_write_1h_usd"]) == (usd(price.input), usd(price.cache_write_1h))
    assert (shown["steps"][1]["cost_basis"], shown["steps"][1]["price"]) == ("unknown", None)
    assert shown["spans"] == [list(span) for span in DAY[4].spans]
    assert shown["steps"][1]["response"].startswith("data: {")
    assert shown["decision"]["considered"] == [["image", "no image"]]
    assert shown["request"] == DAY[4].body and shown["response"] == DAY[4].reply


def test_sessions(day: Reader) -> None:
    newest, oldest = day.sessions()
    assert (newest.id, newest.requests, newest.failed, newest.subagents) == (DAY[0].session, 3, 1, 2)
    assert (newest.cost, newest.project, newest.models) == (2 * 4_320_000, "/home/ada/engine", ("qwen-max",))
    assert (newest.started_at, newest.ended_at) == (T, T + 7300 + 1.85)
    assert oldest.id == "other"
    assert ids(day.sessions(since=T + 7000)) == newest.id
    assert ids(day.sessions(before=newest.ended_at)) == "other"
    assert day.session("oth") == oldest
    assert newest.as_json()["cost_usd"] == "0.00864"
    with pytest.raises(StoreError, match="no session"):
        day.session("nobody")


SPENDING = [
    ("model", {"qwen-max": 3, "new-model": 0, "qwen2.5-3b": 0, None: 0}),
    ("provider", {"dashscope": 3, None: 0}),
    ("agent", {"default": 3, None: 0}),
    ("session", {DAY[0].session: 2, "other": 1, None: 0}),
    ("project", {"/home/ada/engine": 2, "/x/web": 1, None: 0}),
    ("hour", {"2026-09-21T14:00:00Z": 1, "2026-09-21T15:00:00Z": 1, "2026-09-21T16:00:00Z": 1}),
]


@pytest.mark.parametrize(("by", "answers"), SPENDING, ids=[case[0] for case in SPENDING])
def test_spending(day: Reader, by: Any, answers: dict[str | None, int]) -> None:
    rows = {row.key: row for row in day.spend(by)}
    expected = {key: count * 4_320_000 for key, count in answers.items()}
    route = "qwen2.5-3b" if by == "model" else "2026-09-21T16:00:00Z" if by == "hour" else "dashscope"
    expected[route if by in ("model", "provider", "hour") else "default" if by == "agent" else None] += 1000
    assert {key: row.cost for key, row in rows.items()} == expected
    assert sum(row.requests for row in rows.values()) == 6
    assert sum(row.unpriced for row in rows.values()) == 1


def test_spending_within_a_span_against_a_baseline(day: Reader) -> None:
    claude = Price(5_000_000_000, 25_000_000_000, 500_000_000, 6_250_000_000)
    (row,) = day.spend("model", since=T, until=T + 2700, baseline=claude)
    assert row.requests == 1
    assert row.baseline == 1000 * 5000 + 200 * 25000 + 9000 * 500
    assert row.as_json()["baseline_usd"] == "0.0145"
    with pytest.raises(ValueError, match="cannot sum by 'moon'"):
        day.spend("moon")  # type: ignore[arg-type]


def test_a_sum_of_unknown_costs_only_is_unknown(day: Reader) -> None:
    (row,) = [row for row in day.spend("model") if row.key == "new-model"]
    assert (row.spent, row.unpriced, row.as_json()["cost_usd"]) == (None, 1, None)


def test_today_begins_at_local_midnight(keep: Keep, reader: Reader) -> None:
    now = datetime(2026, 6, 15, 12, 30)
    midnight = now.replace(hour=0, minute=0)
    times = [midnight - timedelta(seconds=1), midnight, midnight + timedelta(hours=9, minutes=50)]
    keep(generated.trace(f"t{i}", started_at=at.timestamp()) for i, at in enumerate(times))
    keep([generated.failed("f", started_at=now.timestamp())])
    guess = generated.attempt(usage=Usage(10, 5, basis="estimated"), cost=7)
    keep([generated.trace("g", started_at=now.timestamp(), attempts=(guess,))])
    today = reader.today(Price(0, 1_000_000_000), now.timestamp())
    assert (today.requests, today.failed, today.spent, today.unpriced) == (4, 1, 2 * 4_320_000 + 7, 0)
    assert [hour for hour, count in enumerate(today.per_hour) for _ in range(count)] == [0, 9, 12, 12]
    assert today.cached_share == pytest.approx(18000 / 20000)  # the guess tells nothing of the cache
    assert (today.estimated_tokens, today.baseline) == (15, 405 * 1000)


def asking(day: int, models: str) -> list[Trace]:
    """Main requests for these, a minute apart from noon of that June day on."""
    noon = datetime(2026, 6, day, 12).timestamp()
    return [
        generated.trace(f"{day}-{len(models)}-{at}", started_at=noon + 60 * at, asked_model=f"claude-{name}")
        for at, name in enumerate(models.split())
    ]


def test_the_model_that_one_compares_with_is_the_same_all_day(path: Path, keep: Keep) -> None:
    def asked(day: int, hour: int = 23) -> str | None:
        reader = Reader(path)  # as a program that starts now
        try:
            return reader.asked(datetime(2026, 6, day, hour).timestamp())
        finally:
            reader.close()

    assert asked(14) is None
    keep(asking(14, "haiku-4-5 opus-4-5"))
    assert asked(14) == "claude-opus-4-5", "on the first day it is the first, a Haiku only if there is no other"
    keep(asking(14, "opus-4-5 opus-5-5 opus-5-5 opus-5-5"))
    assert asked(14) == "claude-opus-4-5"
    assert asked(15, 0) == "claude-opus-5-5", "which was asked for most of late, from midnight on"
    keep(asking(15, "sonnet-5 sonnet-5 sonnet-5 sonnet-5 sonnet-5"))
    assert asked(15) == "claude-opus-5-5"
    assert asked(16, 0) == "claude-sonnet-5"
    one = Reader(path)
    assert one.asked(datetime(2026, 6, 14, 23).timestamp()) == "claude-opus-4-5"
    keep([replace(one_, uid=f"imported-{one_.uid}") for one_ in asking(13, "opus-4-8 opus-4-8")])
    assert one.asked(datetime(2026, 6, 14, 23).timestamp()) == "claude-opus-4-5", "what is taken in turns nothing today"
    assert one.asked(datetime(2026, 6, 15, 13).timestamp()) == "claude-opus-5-5"
    assert one.asked(datetime(2026, 6, 16, 1).timestamp()) == "claude-sonnet-5", "a midnight passes while it is open"
    one.close()


def test_a_database_that_is_not_there_is_an_empty_one(path: Path, reader: Reader) -> None:
    assert reader.rows() == [] == reader.sessions() == reader.spend() == reader.search("x") == list(reader.traces())
    assert (reader.count(), reader.last_n(), reader.size_bytes(), reader.today().requests) == (0, 0, 0, 0)
    assert not path.parent.exists()


def test_a_reader_that_came_first_sees_what_comes(reader: Reader, keep: Keep) -> None:
    assert reader.rows() == []
    keep([generated.trace("a")])
    assert ids(reader.rows()) == "a"
    keep([generated.trace("b")])
    assert ids(reader.rows()) == "b a"


def test_any_thread_may_read(day: Reader) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(day.trace("a-1").uid)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["a-1"] * 8


def test_nothing_can_be_written_through_a_reader(day: Reader) -> None:
    import sqlite3

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        day._connection().execute("DELETE FROM trace")


def test_a_reader_that_is_closed_lets_the_questions_under_way_end(keep: Keep, reader: Reader) -> None:
    keep([generated.trace("a")])
    asking, closed, found = threading.Event(), threading.Event(), []

    def ask() -> None:
        with reader._reading() as db:
            asking.set()
            closed.wait(10)
            found.append(db.execute("SELECT uid FROM trace").fetchall())
        found.append(db)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asking.wait(10)
    reader.close()
    closed.set()
    thread.join(10)
    assert found[0] == [("a",)]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        found[1].execute("SELECT 1")
    assert reader.last_n() == 1, "it may be used again"
