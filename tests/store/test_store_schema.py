"""How the file is opened, and when it is left alone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.records import Trace
from ccr_tui.store import schema
from ccr_tui.store.migrations import STEPS
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer

Keep = Callable[[Iterable[Trace]], None]


def newer(path: Path) -> None:
    schema.writable(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()


def foreign(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE cookies (id)")
    db.close()
    path.chmod(0o644)


def garbage(path: Path) -> None:
    path.parent.mkdir()
    path.with_suffix(".txt").write_bytes(b"not a database " * 400)


def directory(path: Path) -> None:
    path.mkdir(parents=True)


def file_above(path: Path) -> None:
    path.parent.write_text("in the way")


REFUSED = [
    (newer, rf"made by a newer ccr-tui \(schema {schema.VERSION + 1}; this one knows {schema.VERSION}\)"),
    (foreign, "another program's database"),
    (garbage, "is damaged or is no database"),
    (directory, "--db"),
    (file_above, "--db"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED, ids=[case[0].__name__ for case in REFUSED])
def test_what_is_not_ours_is_refused_untouched(path: Path, make: Callable[[Path], None], words: str) -> None:
    make(path)
    path = path.with_suffix(".txt") if make is garbage else path  # a file of that name is hardly a database of ours
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=words) as refused:
        Writer(path).start()
    assert str(path) in str(refused.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_reader_says_the_same(path: Path) -> None:
    newer(path)
    reader = Reader(path)
    with pytest.raises(StoreError, match="newer"):
        reader.rows()


def test_people_can_read_it_with_any_tool(keep: Keep, path: Path) -> None:
    keep([generated.trace("a"), generated.failed("b")])
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    one = dict(db.execute("SELECT * FROM traces WHERE id = 'a'").fetchone())
    assert (one["model"], one["cost_usd"], one["started_at"]) == ("qwen-max", 0.00432, "2026-09-21T14:13:20.250Z")
    spent = dict(db.execute("SELECT * FROM spending ORDER BY cost_usd DESC").fetchone())
    assert (spent["quarter"], spent["provider"], spent["cost_usd"]) == ("2026-09-21T14:00Z", "dashscope", 0.00432)
    db.close()


def test_the_migrations_are_noted_as_sqlite_utils_does(path: Path) -> None:
    db = schema.writable(path)
    noted = db.execute("SELECT migration_set, name FROM _sqlite_migrations").fetchall()
    assert noted == [("ccr-tui", f"{number:03d}_{step.__name__}") for number, step in enumerate(STEPS, 1)]
    assert len(schema.STEPS) == schema.VERSION
    db.close()


def test_opening_again_needs_no_sqlite_utils(path: Path) -> None:
    schema.writable(path).close()
    check = (
        "import sys; from pathlib import Path; from ccr_tui.store.queries import Reader;"
        f"Reader(Path({str(path)!r})).rows(); sys.exit('sqlite_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], timeout=60, check=False).returncode == 0


def test_many_may_open_a_new_one_at_once(path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        for db in pool.map(lambda _: schema.writable(path), range(6)):
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            db.close()
