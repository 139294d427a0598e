"""Lanes, the context over time, and what the command line tells of a request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from generated import attempt, bodies, failed, session, trace
from hypothesis import example, given, settings
from hypothesis import strategies as st
from realistic import SESSION, talk
from test_verdict import Letters
from test_xray import ASKED, LEFT

from ccr_tui import baseline, growth, lanes, prices, xray
from ccr_tui.cli import root
from ccr_tui.config import Config
from ccr_tui.records import Json, TimelineEvent, Trace, Usage
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
    assert found.rate == pytest.approx(99 / 4.89), "the tokens after the first over the time from the first to the last"
    assert found.lanes[0].rate == pytest.approx(59 / 3.1)
    assert found.as_json()["silences"][0] == {"at_ms": 120, "ms": 3100, "block": 0}


def test_a_request_without_a_stream_has_no_lanes() -> None:
    found = lanes.pulse(failed())
    assert (found.first_ms, found.rate, found.lanes, found.silences) == (None, None, (), ())


LATE = events(
    (5000, "message_start", None, 0),
    (6280, "content_block_start", 0, 0),
    (6280, "content_block_delta", 0, 30),
    (6400, "message_stop", None, 0),
)


@pytest.mark.parametrize(
    ("came", "silences"),
    [
        (((6200, b'data: {"choices":[{"delta":{"content":"Hi"}}]}'),), [(0, 6280)]),
        (((6200, b"event: message_start"),), [(0, 6280)]),
        (((4990, b"event: message_start"), (6270, b"event: content_block_start")), [(5000, 1280)]),
        ((), [(5000, 1280)]),
    ],
    ids=["our message_start", "ours, theirs came later", "theirs", "nobody knows"],
)
def test_a_message_that_was_begun_only_to_keep_the_client_waiting_ends_no_silence(
    came: tuple[tuple[int, bytes], ...], silences: list[tuple[int, int]]
) -> None:
    found = lanes.pulse(trace(timeline=LATE, attempts=(attempt(stream=came),)))
    assert [(s.at_ms, s.ms) for s in found.silences] == silences
    assert found.first_ms == 5000


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
    told = xray.of_trace(guessed, None, SCALE)
    assert (point.total, point.reported) == (tally(one.body, SCALE).total - told.unsent, False)
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


def by_kinds(one: Trace) -> dict[str, int]:
    """A request's x-ray, its kinds taken together as in the context."""
    found = dict.fromkeys(growth.GROUPS, 0)
    for part in xray.of_trace(one, None, SCALE).parts:
        found[growth.OF[part.kind]] += part.tokens
    return found


def of_all(path: Path, traces: Iterable[Trace]) -> dict[str, dict[str, int]]:
    """The context of a session with these requests."""
    path.unlink(missing_ok=True)
    writer = Writer(path)
    writer.start()
    for one in traces:
        writer.put(one)
    writer.close()
    reader = Reader(path)
    points = growth.of_session(reader, SESSION, SCALE).points
    reader.close()
    return {point.row.id: dict(point.tokens) for point in points}


def test_the_context_agrees_with_the_tokens_of_each_request(database: Path) -> None:
    reader = Reader(database)
    points = growth.of_session(reader, SESSION, SCALE).points
    reader.close()
    by = {one.uid: by_kinds(one) for one in recorded()}
    assert {point.row.id: dict(point.tokens) for point in points} == by
    assert any(part.unsent for one in recorded() for part in xray.of_trace(one, None, SCALE).parts)


@pytest.mark.parametrize("sent", [sent for sent, _ in LEFT.values()], ids=LEFT)
@pytest.mark.parametrize("usage", [None, Usage(211, 5), Usage(90_000, 5)], ids=["no report", "a report", "nonsense"])
def test_what_was_not_sent_is_left_out_of_both(sent: Json, usage: Usage | None, tmp_path: Path) -> None:
    one = trace("one", ASKED, session=SESSION, attempts=(attempt(usage=usage, sent=sent),))
    assert of_all(tmp_path / "ccr.db", [one]) == {"one": by_kinds(one)}


@st.composite
def talks(draw: st.DrawFn) -> list[Trace]:
    """Requests of one session; of each some messages and tools were sent as they were, and some thoughts as text."""
    found = []
    made = session(draw(st.integers(0, 99)), draw(st.integers(1, 5)), draw(st.integers(0, 4)))
    for n, body in enumerate(made):
        kept = draw(st.lists(st.sampled_from(body["messages"]), max_size=8))
        words = draw(st.lists(st.sampled_from(thoughts(body)), max_size=3)) if thoughts(body) else []
        tools = [tool for tool in body["tools"] if draw(st.booleans())]
        last = {"role": "user", "content": "so: ".join(["", *words])}
        sent = {"model": "m", "tools": tools, "messages": [*kept, last]}
        usage = draw(st.sampled_from([None, Usage(9_001, 5), Usage(7, 1, 4_003)]))
        call = attempt(usage=usage, sent=draw(st.sampled_from([sent, sent, body, None])))
        found.append(trace(f"r{n}", body, session=SESSION, started_at=1.79e9 + n, attempts=(call,)))
    return found


def thoughts(body: dict[str, Any]) -> list[str]:
    blocks = (block for message in body["messages"] for block in message["content"] if isinstance(block, dict))
    return [block["thinking"] for block in blocks if block.get("type") == "thinking"]


@settings(max_examples=12, deadline=None)
@given(talks())
def test_whatever_was_sent_both_agree(made: list[Trace]) -> None:
    with TemporaryDirectory() as folder:
        assert of_all(Path(folder) / "ccr.db", made) == {one.uid: by_kinds(one) for one in made}


MARKED = {"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}
NESTED = {"type": "tool_result", "content": [{"type": "x", "content": [MARKED, {"content": [MARKED]}]}, MARKED]}


@settings(max_examples=12, deadline=None)
@example({"messages": [], "tools": [None, NESTED]}, {"tools": [NESTED]})
@example({"messages": [{"role": "user", "content": [NESTED, {**NESTED, "type": "y"}]}]}, {"tools": []})
@given(bodies(), bodies().filter(lambda sent: isinstance(sent, dict)))
def test_they_agree_on_odd_bodies_too(body: Json, sent: Json) -> None:
    one = trace("one", body, session=SESSION, attempts=(attempt(usage=None, sent=sent),))
    with TemporaryDirectory() as folder:
        assert of_all(Path(folder) / "ccr.db", [one]) in ({"one": by_kinds(one)}, {})


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
    usage = Usage(10_000, 10, cache_read=0)
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    for n, used in enumerate((None, usage, None, replace(usage, input=15_000), replace(usage, input=5_000))):
        made = replace(answer, usage=used, cost=None if used is None else answer.cost)
        writer.put(replace(one, uid=f"{n}", started_at=one.started_at + n, attempts=(made,)))
    writer.close()
    reader = Reader(tmp_path / "ccr.db")
    points = growth.of_session(reader, SESSION, SCALE).points
    assert [point.reported for point in points] == [False, True, False, True, True]
    assert [point.grown for point in points] == [None, None, 0, 5_000, -10_000]
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
    for words in ("Heaviest blocks", "✓ read from the cache", "80 tokens a second after", "= "):
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
