"""A conversation that changes its model: what each request saved and lost is in its row and in the sums."""

from __future__ import annotations

import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import pytest
from click.testing import CliRunner, Result

from ccr_tui.cli import root
from ccr_tui.filtering import parse
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.store import afterwards, archive, schema
from ccr_tui.store.migrations import STEPS
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.store.shares import ALL, moving
from ccr_tui.store.verify import verify
from ccr_tui.store.writer import Writer
from ccr_tui.wire import dumps, loads

T = generated.STARTED
PRICE = Price(150_000_000, 600_000_000, cache_read=3_000_000, since="2026-11-22", source="a table")
LONG = {"role": "user", "content": "x" * 9_000}
MORE = [{"role": "assistant", "content": "y" * 500}, {"role": "user", "content": "z" * 490}]


def turn(n: int, model: str, usage: Usage | None, **changes: Any) -> Trace:
    """The n-th request of a conversation that grows by a tenth each time."""
    body = {"model": "m", "messages": [LONG, *MORE * n], "max_tokens": 9}
    own = {"attempts": (generated.attempt(model=model, usage=usage, price=PRICE, cost=1000),), "started_at": T + n}
    return generated.trace(f"t-{n}", body, **(own | changes))


def kept(path: Path, *traces: Trace) -> list[tuple[int | None, int | None]]:
    """Saved and lost of each, as the list shows it."""
    archive.take_in(path, traces)
    reader = Reader(path)
    rows = reader.rows()
    reader.close()
    assert verify(path) == []
    return [(row.cache_saved, row.cache_lost) for row in reversed(rows)]


FIRST = turn(0, "qwen", Usage(9_000, 10))
PREFIX = len(dumps(LONG)) / sum(len(dumps(message)) for message in (LONG, *MORE))
"""Of the second request's bytes, those of the message that the first one had too."""


def switched(usage: Usage) -> int:
    return min(round(usage.prompt * PREFIX), 9_000) - usage.cache_read


CASES: list[tuple[str, Trace, int | None]] = [
    ("the same model", turn(1, "qwen", Usage(10_000, 10)), 0),
    ("another model", turn(1, "flash", Usage(10_000, 10)), switched(Usage(10_000, 10)) * 147),
    ("another model with a cache", turn(1, "flash", Usage(9_000, 10, 1_000)), switched(Usage(9_000, 10, 1_000)) * 147),
    ("after the cache's life", turn(1, "flash", Usage(10_000, 10), started_at=T + 301), 0),
    ("just before its end", turn(1, "flash", Usage(10_000, 10), started_at=T + 299), switched(Usage(10_000, 10)) * 147),
    ("another session", turn(1, "flash", Usage(10_000, 10), session="other"), 0),
    ("a subagent's", turn(1, "flash", Usage(10_000, 10), agent_id="a1", kind="subagent"), 0),
    ("a title's", turn(1, "flash", Usage(10_000, 10), kind="title"), 0),
    ("a replay's", turn(1, "flash", Usage(10_000, 10), run="run-1", origin="replay"), 0),
    ("nobody answered", turn(1, "flash", None), None),
]


@pytest.mark.parametrize(("second", "lost"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_switch_lost(path: Path, second: Trace, lost: int | None) -> None:
    assert kept(path, FIRST, second)[1][1] == lost


def test_a_hop_is_sent_the_conversation_without_its_cache(path: Path) -> None:
    hop = generated.attempt(1, purpose="think", model="r1", usage=Usage(8_000, 10), price=PRICE)
    answer = generated.attempt(2, model="qwen", usage=Usage(1_000, 10, 9_000), price=PRICE)
    assert kept(path, FIRST, turn(1, "qwen", None, attempts=(hop, answer)))[1] == (
        9_000 * 147,
        round(8_000 * PREFIX) * 147,
    )


def test_tools_are_no_part_of_what_a_hop_is_sent(path: Path) -> None:
    hop = generated.attempt(1, purpose="code", model="r1", usage=Usage(8_000, 10), price=PRICE)
    answer = generated.attempt(2, model="qwen", usage=Usage(1_000, 10, 9_000), price=PRICE)
    traces = [FIRST, turn(1, "qwen", None, attempts=(hop, answer))]
    tooled = [replace(t, body={"tools": [{"name": "t", "description": "d" * 50_000}], **t.body}) for t in traces]
    assert kept(path, *tooled)[1][1] == round(8_000 * PREFIX) * 147


def test_the_answer_before_is_the_last_that_was_given(path: Path) -> None:
    second, third = turn(1, "flash", None), turn(2, "flash", Usage(11_000, 10))
    assert kept(path, FIRST, second, third)[2][1] not in (0, None)


def test_the_sums_hold_both(path: Path) -> None:
    kept(path, FIRST, turn(1, "flash", Usage(9_000, 10, 1_000)), turn(2, "flash", Usage(9, 1, basis="estimated")))
    db = sqlite3.connect(path)
    sums = db.execute(
        "SELECT sum(cache_saved), sum(cache_lost), sum(switched_tokens), sum(cache_unknown) FROM spend"
    ).fetchone()
    assert sums == (1_000 * 147, switched(Usage(9_000, 10, 1_000)) * 147, switched(Usage(9_000, 10, 1_000)), 1)
    assert db.execute("SELECT DISTINCT price_from FROM spending").fetchall() == [("a table",)]
    db.close()


def test_a_filter_finds_what_was_lost_and_saved(path: Path) -> None:
    hop = generated.attempt(1, purpose="think", model="r1", usage=Usage(8_000, 10), price=PRICE)
    odd = generated.attempt(2, model="qwen", usage=Usage(1_000, 10, 9_000), price=None, cost=None, cost_basis="unknown")
    kept(path, FIRST, turn(1, "flash", Usage(9_000, 10, 1_000)), turn(2, "qwen", None, attempts=(hop, odd)))
    reader = Reader(path)
    for text, expected in (
        ("lost>0", ["t-2", "t-1"]),
        ("saved>0", ["t-1"]),
        ("lost>$5", []),
        ("saved=0", ["t-2", "t-0"]),
    ):
        rows = reader.rows(Filter(terms=parse(text, T)))
        assert [row.id for row in rows] == expected, text
    sums = reader.spend("model")
    found = reader.rows(Filter(terms=parse("lost>0", T)))
    assert sum(row.cache_lost for row in sums) == sum(known_lost(path, row.n) for row in found), (
        "as much as the sum says"
    )
    reader.close()


def known_lost(path: Path, n: int) -> int:
    db = sqlite3.connect(path)
    lost = db.execute("SELECT sum(cache_lost) FROM attempt WHERE trace = ?", (n,)).fetchone()[0]
    db.close()
    return int(lost)


HEAD = "started_at, duration_ms, status, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens"
NOTED = "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"


def old(path: Path) -> None:
    """A database as it was before anybody asked what the cache saved: two answers, and one that failed at once."""
    path.parent.mkdir()
    db = sqlite3.connect(path, isolation_level=None)
    for number, step in enumerate(STEPS[:2], 1):
        step(db)  # type: ignore[arg-type]
        noted = ("ccr-tui", f"{number:03d}_{step.__name__}")
        db.execute(NOTED if number == 1 else "SELECT 1")
        db.execute("INSERT INTO _sqlite_migrations (migration_set, name) VALUES (?, ?)", noted)
    db.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    db.execute("PRAGMA user_version = 2")
    db.execute("INSERT INTO model VALUES (1, 'dashscope', 'qwen')")
    row = "n, uid, origin, kind, asked_model, model_id, reasoning_tokens, cost_basis, attempts, outcome"
    for n, outcome in ((1, "ok"), (2, "ok"), (3, "error")):
        own = f"{n}, 'u{n}', 'live', 'main', 'm', 1, 0, 'list', 1, '{outcome}'"
        db.execute(f"INSERT INTO trace ({row}, {HEAD}) VALUES ({own}, {T}, 1, 200, 10, 5, 0, 3)")
    step_row = "n, answer, purpose, model_id, reasoning_tokens, usage_basis, cost, cost_basis, trace"
    for n in (1, 2):
        own = f"1, 1, 'answer', 1, 0, 'reported', 7, 'list', {n}"
        db.execute(f"INSERT INTO attempt ({step_row}, {HEAD}) VALUES ({own}, {T}, 1, 200, 10, 5, 0, 3)")
    db.close()


def test_a_database_of_before_keeps_its_sums(path: Path) -> None:
    """What it saved is not known, since nobody had asked."""
    old(path)
    schema.writable(path).close()
    assert [problem for problem in verify(path) if "points at nothing" not in problem] == []
    reader = Reader(path)
    (row,) = reader.spend("model")
    assert (row.requests, row.failed, row.cost, row.cache_read_tokens, row.unpriced) == (3, 1, 14, 10, 0)
    assert [one.cache_saved for one in reader.rows()] == [None, None, None]
    reader.close()


def forgotten(path: Path) -> None:
    """As a version left it that had not asked."""
    db = schema.writable(path)
    db.execute("UPDATE attempt SET cache_saved = NULL, cache_lost = NULL, switched_tokens = 0")
    db.execute("UPDATE attempt SET cache_write_1h_tokens = 0")
    db.execute("UPDATE trace SET cache_saved = NULL, cache_lost = NULL")
    db.execute("DELETE FROM spend")
    db.execute(moving("spend", ALL))
    db.execute("INSERT INTO afterwards SELECT 'economy', max(n) FROM trace")
    db.close()


def held(path: Path) -> list[object]:
    """Everything that has to do with it."""
    db = schema.readable(path)
    tables = {"attempt": "id", "trace": "n", "spend": "slot, model_id, basis", "spend_total": "slot, model_id, basis"}
    rows = [db.execute(f"SELECT * FROM {name} ORDER BY {order}").fetchall() for name, order in tables.items()]
    db.close()
    return rows


ASKED_LATER = [
    *(case[1] for case in CASES if case[0] in ("another model", "another model with a cache", "nobody answered")),
    turn(1, "flash", Usage(9_000, 10, 0, 1_000, cache_write_1h=600)),
]


@pytest.mark.parametrize("second", ASKED_LATER, ids=["switched", "cached", "nobody", "for an hour"])
def test_what_older_versions_did_not_write_down_is_worked_out(path: Path, second: Trace) -> None:
    kept(path, FIRST, second, turn(2, "qwen", Usage(11_000, 10)))
    before = held(path)
    forgotten(path)
    assert held(path) != before
    assert verify(path) == []
    db = schema.writable(path)
    while afterwards.is_left(db):
        db.execute("BEGIN IMMEDIATE")
        afterwards.step(db)
        db.execute("COMMIT")
        assert verify(path) == []
    db.close()
    assert held(path) == before


READING = ["spend", "spend --json", "spend --summary", "sessions", "sessions --json", "traces ls", "traces show t-1"]


def test_what_is_not_worked_out_yet_is_told_by_whoever_reads_and_worked_out_by_a_command(path: Path) -> None:
    kept(path, FIRST, turn(1, "flash", Usage(10_000, 10)), turn(2, "qwen", Usage(11_000, 10)))
    before = held(path)
    forgotten(path)

    def call(line: str) -> Result:
        done = CliRunner().invoke(root, [*line.split(), "--db", str(path)], prog_name="ccr-tui", catch_exceptions=False)
        assert done.exit_code == 0
        return done

    for line in READING:
        assert "3 older requests are not looked through yet" in call(line).stderr
        assert "`ccr-tui traces mend`" in call(line).stderr
    assert loads(call("spend --summary --json").stdout)["not_worked_out"] == 3
    told = loads(call("traces mend --json").stdout)
    assert (told["looked_through"], told["worked_out"]) == (3, 3)
    assert held(path) == before and verify(path) == []
    assert all("older requests" not in call(line).stderr for line in READING)
    assert "nothing is left to work out" in call("traces mend").stderr
    assert loads(call("spend --summary --json").stdout)["not_worked_out"] == 0


def test_the_writer_works_it_out_while_nothing_comes(path: Path) -> None:
    kept(path, FIRST, turn(1, "flash", Usage(10_000, 10)))
    before = held(path)
    forgotten(path)
    writer = Writer(path)
    writer.start()
    db = schema.readable(path)
    deadline = time.monotonic() + 10
    while afterwards.is_left(db) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    db.close()
    writer.close()
    assert held(path) == before


def test_a_baseline_bills_an_hours_cache_at_its_own_price(path: Path) -> None:
    anthropic = Price(3_000_000_000, 0, 300_000_000, 3_750_000_000, source="list", cache_write_1h=6_000_000_000)
    kept(path, turn(0, "qwen", Usage(0, 0, 0, 1_000, cache_write_1h=600)))
    reader = Reader(path)
    (row,), (session,) = reader.spend("model", baseline=anthropic), reader.sessions()
    assert row.baseline == session.at(anthropic) == 400 * 3_750 + 600 * 6_000
    assert [turn.at(anthropic) for turn in reader.turns_of(session.id)] == [row.baseline]
    reader.close()
