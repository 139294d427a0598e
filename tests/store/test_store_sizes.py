"""Little is stored twice, and lists cost what they show, not what is there."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import generated
import pytest

from ccr_tui.records import Price, Trace
from ccr_tui.store import archive, schema
from ccr_tui.store.insert import Insertion
from ccr_tui.store.queries import Filter, Reader

Keep = Callable[[Iterable[Trace]], None]


def raw_size(trace: Trace) -> int:
    sent = [attempt.sent for attempt in trace.attempts]
    streams = sum(len(piece) for attempt in trace.attempts for _, piece in attempt.stream)
    return len(json.dumps([trace.body, trace.reply, sent], separators=(",", ":"))) + streams


def test_a_session_takes_a_twentieth_of_its_bodies(keep: Keep, reader: Reader) -> None:
    traces = list(generated.recorded(seed=3, turns=50))
    keep(traces)
    assert sum(map(raw_size, traces)) >= 20 * reader.size_bytes()


def test_a_turn_stores_what_it_added(path: Path) -> None:
    db = schema.empty()
    insertion, counts = Insertion(db), []
    traces = list(generated.recorded(seed=5, turns=20))
    for trace in traces:
        insertion.add(trace)
        counts.append([db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("chunk", "node")])
    for trace, after, (before, now) in zip(traces, traces[1:], itertools.pairwise(counts), strict=False):
        added = len(after.body["messages"]) - len(trace.body["messages"])
        sent = len(after.attempts[0].sent["messages"]) - len(trace.attempts[0].sent["messages"])
        reply = 2
        assert now[0] - before[0] <= added + sent + reply, "chunks"
        assert now[1] - before[1] <= added + sent + reply + 2, "nodes: a frame's leaf for each of two bodies"
    db.close()


def test_the_answer_is_not_stored_again_as_history(path: Path) -> None:
    db = schema.empty()
    insertion = Insertion(db)
    first, second = itertools.islice(generated.recorded(seed=1, turns=2), 2)
    insertion.add(first)
    bring = [("reply",)] if first.reply["content"] == generated.unmarked(second.body["messages"][2]["content"]) else []
    assert bring, "the generator gives each answer back"
    text = json.dumps(first.reply["content"][0]["thinking"])[1:-1]
    insertion.add(second)
    chunks = db.execute("SELECT count(*) FROM said WHERE said MATCH ?", (f'"{text}"',)).fetchone()[0]
    assert chunks == 1
    db.close()


def test_a_retry_stores_no_body_again(path: Path) -> None:
    db = schema.empty()
    insertion = Insertion(db)
    insertion.add(generated.trace("first"))
    before = db.execute("SELECT (SELECT count(*) FROM body), (SELECT count(*) FROM node)").fetchone()
    insertion.add(generated.trace("again", attempts=(generated.attempt(1), generated.attempt(2))))
    assert db.execute("SELECT (SELECT count(*) FROM body), (SELECT count(*) FROM node)").fetchone() == before
    db.close()


# --- what a list costs -------------------------------------------------------------------------------------------

MANY = 30_000
LISTS: list[tuple[str, Callable[[Reader], object], int]] = [
    ("newest page", lambda r: r.rows(), 60_000),
    ("page in the middle", lambda r: r.rows(before=MANY // 2), 60_000),
    ("rare session", lambda r: r.rows(Filter(session="rare")), 60_000),
    ("rare session, by prefix and page", lambda r: r.rows(Filter(session="ra"), before=MANY // 2), 60_000),
    ("failed ones", lambda r: r.rows(Filter(outcome="error")), 60_000),
    ("another project", lambda r: r.rows(Filter(project="elsewhere")), 60_000),
    ("another model", lambda r: r.rows(Filter(model="deepseek-flash"), limit=20), 600_000),
    ("the last hour", lambda r: r.rows(Filter(since=generated.STARTED + MANY - 3600)), 200_000),
    ("what is new", lambda r: r.rows_after(MANY - 10), 5_000),
    ("one row", lambda r: r.row("many-00777"), 1_000),
    ("sessions", lambda r: r.sessions(), 60_000),
    ("spending by day", lambda r: r.spend("day", baseline=Price(1, 1)), 60_000),
    ("today", lambda r: r.today(now=generated.STARTED), 60_000),
    ("last number", lambda r: r.last_n(), 200),
    ("calibrations", lambda r: r.calibrations(), 200),
]
BODIES = {"chunk", "node", "body", "record", "stream", "attempt"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real traces, and the first one's row thirty thousand times."""
    path: Path = tmp_path_factory.mktemp("many") / "ccr.db"
    lost = generated.failed("lost", project="/home/ada/elsewhere")
    rare = generated.trace("rare-1", session="rare", attempts=(generated.attempt(model="deepseek-flash"),))
    assert archive.take_in(path, [generated.trace("many"), rare, lost]) == (3, 0)
    db = sqlite3.connect(path)
    names = [row[1] for row in db.execute("PRAGMA table_info(trace)") if row[1] not in ("n", "uid", "started_at")]
    db.execute(
        f"""INSERT INTO trace (uid, started_at, {", ".join(names)})
        WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {MANY})
        SELECT printf('many-%05d', i), started_at + i, {", ".join(names)} FROM c, trace WHERE uid = 'many'"""
    )
    db.commit()
    db.close()
    return path


@pytest.mark.parametrize(("ask", "most"), [case[1:] for case in LISTS], ids=[case[0] for case in LISTS])
def test_a_list_costs_what_it_shows(many: Path, ask: Callable[[Reader], object], most: int) -> None:
    """Counted in steps of SQLite's machine, which no busy computer can change: a scan of all takes over 300,000."""
    reader = Reader(many)
    steps, read = [0], set[str]()
    db = reader._connection()
    db.set_progress_handler(lambda: steps.__setitem__(0, steps[0] + 100), 100)
    db.set_authorizer(lambda action, table, *_: read.add(table) or 0 if action == sqlite3.SQLITE_READ else 0)
    assert ask(reader) is not None
    reader.close()
    assert not read & BODIES
    assert steps[0] <= most
