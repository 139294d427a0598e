"""Lanes, the context over time, and what the command line tells of a request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from generated import attempt, failed, trace
from realistic import SESSION, talk
from test_verdict import Letters

from ccr_tui import baseline, growth, lanes, prices
from ccr_tui.cli import root
from ccr_tui.config import Config
from ccr_tui.records import TimelineEvent, Trace, Usage
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer
from ccr_tui.tally import tally

SCALE = Letters()


@cache
def recorded() -> tuple[Trace, ...]:
    return tuple(talk(SCALE))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looking") / "ccr.db"
    writer = Writer(path)
    writer.start()
    for one in (*recorded(), failed("failed-1", session=None)):
        writer.put(one)
    writer.close()
    return path


@pytest.fixture
def reader(database: Path) -> Iterator[Reader]:
    found = Reader(database)
    yield found
    found.close()


# -- lanes


def events(*given: tuple[int, str, int | None, int]) -> tuple[TimelineEvent, ...]:
    return tuple(TimelineEvent(*each) for each in given)


TIMELINE = events(
    (100, "message_start", None, 0),
    (110, "content_block_start", 0, 0),
    (120, "content_block_delta", 0, 30),
    (2120, "ping", None, 0),
    (3220, "content_block_delta", 0, 30),
    (3230, "content_block_stop", 0, 0),
    (5000, "content_block_start", 1, 0),
    (5010, "content_block_delta", 1, 40),
    (5120, "message_stop", None, 0),
)


def test_a_stream_has_a_lane_for_each_block_and_silences_that_pings_do_not_end() -> None:
    usage = Usage(10, 100)
    found = lanes.pulse(trace(timeline=TIMELINE, attempts=(attempt(usage=usage),)))
    assert (found.first_ms, found.first_token_ms, found.last_ms, found.pings) == (100, 120, 5120, 1)
    assert [(s.at_ms, s.ms, s.block) for s in found.silences] == [(120, 3100, 0), (3230, 1770, None)]
    assert [(lane.characters, lane.tokens) for lane in found.lanes] == [(60, 60), (40, 40)]
    assert found.rate == pytest.approx(100 / 4.89)
    assert found.lanes[0].rate == pytest.approx(60 / 3.1)
    assert found.as_json()["silences"][0] == {"at_ms": 120, "ms": 3100, "block": 0}


def test_a_request_without_a_stream_has_no_lanes() -> None:
    found = lanes.pulse(failed())
    assert (found.first_ms, found.rate, found.lanes, found.silences) == (None, None, (), ())


# -- context


def test_each_requests_parts_add_up_to_its_prompt(reader: Reader) -> None:
    found = growth.of_session(reader, SESSION, SCALE)
    by = {one.uid: one for one in recorded()}
    assert len(found.points) == len(by)
    for point in found.points:
        assert sum(point.tokens.values()) == point.total
        usage = by[point.row.id].attempts[0].usage
        assert usage is not None and point.total == usage.prompt


def test_without_a_report_what_is_counted_is_the_count_of_the_body(tmp_path: Path) -> None:
    one = recorded()[3]
    unreported = attempt(usage=Usage(7, 1, basis="estimated"), sent=one.attempts[0].sent)
    guessed = trace("guessed", one.body, session="s", attempts=(unreported,))
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    writer.put(guessed)
    writer.close()
    reader = Reader(tmp_path / "ccr.db")
    point = growth.of_session(reader, "s", SCALE).points[0]
    assert (point.total, point.reported) == (tally(one.body, SCALE).total, False)
    reader.close()


def test_tools_that_were_not_sent_take_nothing_of_the_context(tmp_path: Path) -> None:
    one = recorded()[3]
    answer = one.attempts[0]
    assert isinstance(answer.sent, dict)
    without = replace(answer, sent={key: value for key, value in answer.sent.items() if key != "tools"})
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    writer.put(one)
    writer.put(replace(one, uid="without", attempts=(without,)))
    writer.close()
    reader = Reader(tmp_path / "ccr.db")
    points = {point.row.id: point for point in growth.of_session(reader, SESSION, SCALE).points}
    assert points[one.uid].tokens["tools"] > 0 == points["without"].tokens["tools"]
    assert sum(points["without"].tokens.values()) == points["without"].total == points[one.uid].total
    reader.close()


def test_what_blew_the_context_up_and_where_it_fell(reader: Reader) -> None:
    found = growth.of_session(reader, SESSION, SCALE)
    main = found.of(None)
    assert main[growth.blown(main)[0]].row.id.startswith("7014")
    assert [(point.row.id[:4], point.drop) for point in main if point.drop] == [("7020", "compacted")]
    assert len(found.conversations()) == 2
    aside = found.of("a576fa3afc7190154")
    assert [point.row.id[:4] for point in aside] == ["7107", "7108", "7109"]
    assert aside[0].grown is None


def test_only_tokens_of_one_basis_are_compared(tmp_path: Path) -> None:
    """A failed request's tokens are counted, an answered one's reported: the context neither fell nor grew between."""
    one = recorded()[3]
    answer = one.attempts[0]
    usage = Usage(1_000, 10, cache_read=0)
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    for n, used in enumerate((None, usage, None, replace(usage, input=1_500), replace(usage, input=500))):
        made = replace(answer, usage=used, cost=None if used is None else answer.cost)
        writer.put(replace(one, uid=f"{n}", started_at=one.started_at + n, attempts=(made,)))
    writer.close()
    reader = Reader(tmp_path / "ccr.db")
    points = growth.of_session(reader, SESSION, SCALE).points
    assert [point.reported for point in points] == [False, True, False, True, True]
    assert [point.grown for point in points] == [None, None, 0, 500, -1_000]
    assert [point.drop for point in points] == ["", "", "", "", "shrunk"]
    reader.close()


# -- the command line


def run(database: Path, *args: str) -> str:
    done = CliRunner().invoke(root, [*args, "--db", str(database)], prog_name="ccr-tui")
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def told(database: Path, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(database, *args, "--json"))
    return found


def test_the_command_line_has_the_tokens(database: Path) -> None:
    found = told(database, "traces", "show", "7014", "--tokens")
    assert found["id"].startswith("7014")
    tokens = found["tokens"]
    assert tokens["tokens"] == tokens["reported_tokens"] == sum(part["tokens"] for part in tokens["parts"])
    assert tokens["heaviest"][0]["where"][0] == "messages"
    assert tokens["heaviest"][0]["new"] is True


@pytest.mark.parametrize(
    ("uid", "cause"), [("7000", "first"), ("7005", "tools"), ("7011", "system"), ("7020", "compacted")]
)
def test_the_command_line_has_the_verdict(database: Path, uid: str, cause: str) -> None:
    assert told(database, "traces", "show", uid, "--cache")["cache"]["cause"] == cause


def test_the_command_line_compares(database: Path) -> None:
    before = told(database, "traces", "show", "7011", "--diff", "before")["diff"]
    assert before["against"].startswith("7010")
    assert before["counts"]["changed"] == 1
    sent = told(database, "traces", "show", "7011", "--diff", "sent")["diff"]
    assert sent["counts"]["merged"] == 6
    assert any("billing line" in note for note in sent["notes"])
    other = told(database, "traces", "show", "7011", "--diff", "7003")["diff"]
    assert other["against"].startswith("7003")


def test_the_command_line_has_all_at_once_and_pages_for_people(database: Path) -> None:
    found = told(database, "traces", "show", "7004", "--tokens", "--cache", "--stream", "--diff", "before")
    assert set(found) == {"id", "tokens", "cache", "stream", "diff"}
    assert found["stream"]["silences"][0]["ms"] == 2170
    page = run(database, "traces", "show", "7004", "--tokens", "--cache", "--stream", "--diff", "before")
    for words in ("Heaviest blocks", "✓ read from the cache", "81 tokens a second", "= "):
        assert words in page


def test_a_request_that_nobody_answered_is_looked_into_too(database: Path) -> None:
    found = told(database, "traces", "show", "failed", "--tokens", "--cache", "--stream", "--diff", "sent")
    assert found["tokens"]["reported_tokens"] is None
    assert found["cache"]["served"] == "unknown"


def test_the_command_line_has_the_context_of_a_session(database: Path) -> None:
    lines = [json.loads(line) for line in run(database, "context", SESSION[:8], "--json").splitlines()]
    assert len(lines) == len(recorded())
    assert all(sum(line["tokens"].values()) == line["total_tokens"] for line in lines)
    page = run(database, "context", SESSION)
    assert "compacted" in page and "results" in page


def test_what_one_model_for_all_would_have_cost_is_told_as_the_overview_tells_it(
    database: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[spend]\nbaseline = "claude-opus-4-5"\n')
    found = told(database, "--config", str(config), "traces", "show", "7004", "--cache")["cache"]["at_baseline"]
    assert (found["model"], found["chosen"]) == ("claude-opus-4-5", True)
    answer = next(one.answer for one in recorded() if one.uid.startswith("7004"))
    assert answer is not None and answer.usage is not None
    one = baseline.chosen(Config(baseline="claude-opus-4-5"), None, time.time())
    assert one is not None and found["cost_usd"] == prices.usd(prices.cost(answer.usage, one.price))


def test_a_request_that_nobody_answered_would_have_cost_nothing_elsewhere(database: Path) -> None:
    assert told(database, "traces", "show", "failed", "--cache")["cache"]["at_baseline"] is None
