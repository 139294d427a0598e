"""What a killed program left, as who only looks at the database meets it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from killing import flight, killed

from ccr_tui.cli import main
from ccr_tui.store import archive, left, schema, spill
from ccr_tui.store.begun import Begun
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

TRACES = [replace(one, uid=f"t{n:02d}") for n, one in enumerate(generated.recorded(seed=6, turns=4))]


@pytest.fixture
def cut_off(path: Path, begun: Begun) -> Begun:
    """The notes of three requests, of which one was stored; two had ended."""
    archive.take_in(path, TRACES[:1])
    for trace in TRACES[:3]:
        begun.begin(flight(trace))
    for trace in TRACES[:2]:
        begun.end(trace)
    return begun


def known(path: Path) -> dict[str, str]:
    with closing(Reader(path)) as reader:
        return {row.id: row.outcome for row in reader.rows()}


def test_who_only_looks_takes_in_what_a_killed_program_left(path: Path, cut_off: Begun) -> None:
    killed(cut_off)
    assert left.take_in(path) == 2
    assert known(path) == {"t00": TRACES[0].outcome, "t01": TRACES[1].outcome, "t02": "error"}
    assert verify(path) == []
    assert not cut_off.path.exists()
    assert left.take_in(path) == 0


def test_a_list_holds_them_although_nothing_was_started_since(
    path: Path, cut_off: Begun, capsys: pytest.CaptureFixture[str]
) -> None:
    killed(cut_off)
    with pytest.raises(SystemExit) as ended:
        main(["--db", str(path), "traces", "ls", "--json"])
    said = capsys.readouterr()
    assert not ended.value.code and len(said.out.splitlines()) == 3
    assert "2 requests that a killed ccr-tui had not stored were taken in" in said.err


def test_what_runs_is_nobodys_to_take_in(path: Path, cut_off: Begun) -> None:
    assert left.take_in(path) == 0
    assert known(path).keys() == {"t00"} and cut_off.path.exists()


def test_what_cannot_be_taken_in_now_stays(path: Path, cut_off: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_S", 0.01)
    killed(cut_off)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert left.take_in(path) == 0
    assert left.take_in(path) == 2
    assert known(path).keys() == {"t00", "t01", "t02"}


def test_what_waits_in_the_file_is_taken_in_where_nobody_runs(path: Path, cut_off: Begun) -> None:
    for trace in TRACES[2:]:
        spill.put_aside(spill.waiting_file(path), trace, "the disk was full")
    assert left.take_in(path) == 0, "the program that runs does it"
    killed(cut_off)
    assert left.take_in(path) == 3
    with closing(Reader(path)) as reader:
        assert [reader.trace(trace.uid) for trace in TRACES[2:]] == TRACES[2:], "not what the notes say of one"
    assert not spill.waiting_file(path).exists()
    assert verify(path) == []


def test_without_a_database_there_is_nothing_to_take_in_to(path: Path) -> None:
    assert left.take_in(path) == 0
    assert not path.exists()
