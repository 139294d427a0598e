"""Which request came before which, in its own conversation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from generated import STARTED, attempt, failed, trace

from ccr_tui.records import Trace
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer


def at(uid: str, second: int, model: str = "qwen-max", **changes: object) -> Trace:
    call = attempt(model=model, started_at=STARTED + second)
    return trace(uid, started_at=STARTED + second, attempts=(call,), **changes)


TRACES = [
    at("a1", 0),
    at("a2", 10),
    at("title", 11, kind="title"),
    at("sub1", 12, agent_id="s", kind="subagent"),
    at("b1", 13, session="another"),
    replace(failed("a3"), started_at=STARTED + 15),
    at("a4", 20, model="deepseek-v4"),
    at("replayed", 21, run="r1"),
    at("sub2", 22, agent_id="s", kind="subagent"),
    at("a5", 30),
    at("title2", 31, kind="title"),
    at("shorter", 32, kind="compaction"),
    at("alone", 33, session=None),
]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    writer = Writer(tmp_path / "ccr.db")
    writer.start()
    for one in TRACES:
        writer.put(one)
    writer.close()
    return Reader(tmp_path / "ccr.db")


@pytest.mark.parametrize(
    ("uid", "before", "warm"),
    [
        ("a1", None, None),
        ("a2", "a1", "a1"),
        ("a4", "a2", None),
        ("a5", "a4", "a2"),
        ("shorter", "a5", "a5"),
        ("sub1", None, None),
        ("sub2", "sub1", "sub1"),
        ("title", None, None),
        ("title2", "title", "title"),
        ("b1", None, None),
        ("replayed", None, None),
        ("alone", None, None),
        ("no such", None, None),
    ],
)
def test_the_request_before(reader: Reader, uid: str, before: str | None, warm: str | None) -> None:
    turn = reader.turn(uid)
    assert (turn.before and turn.before.id, turn.warm and turn.warm.id) == (before, warm)
    reader.close()


def test_a_session_from_its_beginning(reader: Reader) -> None:
    session = TRACES[0].session
    assert session is not None
    rows = reader.in_order(session)
    assert [row.id for row in rows] == [t.uid for t in TRACES if t.session == session]
    assert [row.id for row in reader.in_order(session, 2)] == ["a1", "a2"]
    assert reader.in_order("none") == []
    reader.close()
