"""The check finds what is broken, and nothing where all is well."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.store import archive, soundness
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import glance, verify

DAMAGE = [
    ("a chunk's bytes", "UPDATE chunk SET data = '{}' WHERE id = 3", "chunk 3 is not what its hash says"),
    ("a chunk cut short", "UPDATE chunk SET data = substr(data, 1, 30) WHERE length(data) > 60", "chunk"),
    ("a chunk gone", "DELETE FROM chunk WHERE id = 3", "node.chunk 3 points at nothing"),
    ("a node gone", "DELETE FROM node WHERE id = 2", "cannot be put together"),
    ("a body gone", "DELETE FROM body WHERE id = 1", "trace.request_id 1 points at nothing"),
    ("another manifest", "UPDATE body SET manifest = '[]' WHERE id = 1", "body 1 is not what was put in"),
    (
        "a manifest of nonsense",
        "UPDATE body SET manifest = '[[[\"tools\",9,1]]]' WHERE id = 1",
        "cannot be put together",
    ),
    ("a node that nobody needs", "INSERT INTO node (parent, chunk) VALUES (1, 1)", "belongs to no body"),
    ("a cost changed", "UPDATE trace SET outcome = 'error' WHERE n = 1", "is not the sum"),
    ("a sum changed", "UPDATE spend SET cost = cost + 1", "is not the sum"),
    ("a sum gone", "DELETE FROM spend", "is not the sum"),
    ("a record gone", "DELETE FROM record WHERE trace = 1", "trace.n 1 points at nothing"),
    ("a record swapped", "UPDATE record SET data = (SELECT data FROM record WHERE trace = 2)", "and its row differ"),
    ("a record cut short", "UPDATE record SET data = substr(data, 1, 40)", "cannot be read"),
    ("a session gone", "DELETE FROM session", "trace.session_id 1 points at nothing"),
    ("the index damaged", "UPDATE said_data SET block = x'00' WHERE id > 10", "damaged"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("whole") / "ccr.db"
    archive.take_in(path, [*generated.recorded(seed=4, turns=5), generated.failed()])
    return path


@pytest.fixture
def good(whole: Path, path: Path) -> Path:
    """A copy that may be damaged."""
    path.parent.mkdir()
    return Path(shutil.copy(whole, path))


def test_a_trace_of_no_session_and_no_project_is_whole(path: Path) -> None:
    """NULL is not in an empty table, says SQL, where nothing is."""
    bare = [replace(trace, session=None, project=None) for trace in generated.recorded(seed=4, turns=2)]
    archive.take_in(path, bare)
    assert verify(path) == []


def test_what_is_whole_verifies(good: Path) -> None:
    steps: list[tuple[int, int]] = []
    assert verify(good, lambda done, all: steps.append((done, all))) == []
    assert steps and steps[-1][0] == steps[-1][1] == len(steps)


def test_what_is_not_there_verifies(path: Path) -> None:
    assert verify(path) == []


@pytest.mark.parametrize(("damage", "words"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_damage_is_found(good: Path, damage: str, words: str) -> None:
    db = sqlite3.connect(good)
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(damage)
    db.commit()
    db.close()
    assert any(words in problem for problem in verify(good)), verify(good)


def test_a_reader_of_a_damaged_trace_says_where_to_look(good: Path, reader: Reader) -> None:
    db = sqlite3.connect(good)
    db.execute("UPDATE chunk SET data = substr(data, 1, 30) WHERE length(data) > 60")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match=r"request number 1 cannot be put together .* traces verify"):
        reader.trace(reader.rows()[-1].id)


def test_a_file_that_is_no_database_is_one_problem(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is no database at all. " * 100)
    (problem,) = verify(path)
    assert "is damaged or is no database" in problem


def test_pages_overwritten_are_found(good: Path) -> None:
    db = sqlite3.connect(good)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(good.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 16] = b"\xff" * 16
    good.write_bytes(data)
    assert verify(good)


def no_database(good: Path) -> None:
    good.write_bytes(b"This is no database at all. " * 100)


def emptied(good: Path) -> None:
    good.write_bytes(b"")


def cut_off(good: Path) -> None:
    good.write_bytes(good.read_bytes()[: good.stat().st_size // 2])


def random_middle(good: Path) -> None:
    data = bytearray(good.read_bytes())
    half = len(data) // 2
    data[half : half + 20_000] = random.Random(3).randbytes(20_000)
    good.write_bytes(data)


def one_text(good: Path) -> None:
    with closing(sqlite3.connect(good, isolation_level=None)) as db:
        db.execute("UPDATE chunk SET data = CAST(substr(data, 1, length(data) - 3) || 'xyz' AS BLOB) WHERE id = 3")


def anothers(good: Path) -> None:
    with closing(sqlite3.connect(good)) as db:
        db.execute("PRAGMA application_id = 1")


@pytest.mark.parametrize("damage", [no_database, emptied, cut_off, random_middle, one_text])
def test_a_moments_look_sees_that_it_is_damaged(good: Path, damage: Callable[[Path], None]) -> None:
    assert glance(good) == ""
    with closing(sqlite3.connect(good)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(good)
    assert str(good) in glance(good)
    assert "is damaged" in glance(good)


def test_a_moments_look_tells_another_programs_database_from_a_damaged_one(good: Path) -> None:
    anothers(good)
    with pytest.raises(StoreError, match="another program's database"):
        glance(good)


def test_a_moments_look_does_not_wait_for_a_large_one(good: Path) -> None:
    one_text(good)
    assert glance(good, seconds=0.0) == "", "it had no time for texts"


def test_a_moments_look_says_why_it_can_not_look(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "BUSY_S", 0.01)
    with closing(sqlite3.connect(good, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM calibration")
        with pytest.raises(StoreError, match="Another process"):
            glance(good)
