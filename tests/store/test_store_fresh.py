"""A new database is what the migrations make one after the other. Run as a program, this writes `fresh.sql` anew."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ccr_tui.store import fresh, schema
from ccr_tui.store.migrations import STEPS


def migrated() -> sqlite3.Connection:
    """An empty database that has taken all steps."""
    db = sqlite3.connect(":memory:", factory=schema.Connection, isolation_level=None)
    db.execute("BEGIN")
    schema.migrate(db)
    db.execute("COMMIT")
    return db


def shape(db: sqlite3.Connection) -> list[object]:
    """Its tables, columns, indexes, views and triggers, and all that is in them but when a step was taken."""
    found = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
    columns = [db.execute("SELECT * FROM pragma_table_xinfo(?)", (name,)).fetchall() for _, name, _, _ in found]
    held = {
        name: db.execute(f'SELECT * FROM "{name}"').fetchall()
        for kind, name, _, _ in found
        if kind == "table" and name not in ("_sqlite_migrations", "said")
    }
    noted = db.execute("SELECT migration_set, name FROM _sqlite_migrations ORDER BY id").fetchall()
    heads = [db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    return [found, columns, held, noted, heads]


def test_a_new_database_is_what_all_migrations_make(path: Path) -> None:
    made = schema.writable(path)
    assert shape(made) == shape(migrated())
    made.close()


def test_the_file_is_the_newest() -> None:
    wanted = fresh.script(migrated())
    assert fresh.FILE.read_text(encoding="utf-8") == wanted, "a step was added: python tests/store/test_store_fresh.py"


@pytest.mark.parametrize("done", [1, len(STEPS) - 1])
def test_steps_that_the_file_lacks_are_taken_afterwards(path: Path, monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    wanted = shape(migrated())
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", STEPS[:done])
        lagging = fresh.script(migrated())
    monkeypatch.setattr(fresh, "FILE", path.parent.parent / "lagging.sql")
    fresh.FILE.write_text(lagging, encoding="utf-8")
    made = schema.writable(path)
    assert shape(made) == wanted
    made.close()


def test_a_new_database_needs_no_sqlite_utils(path: Path) -> None:
    check = (
        "import sys; from pathlib import Path; from ccr_tui.store.schema import writable;"
        f"writable(Path({str(path)!r})).close(); sys.exit('sqlite_utils' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], timeout=60, check=False).returncode == 0


if __name__ == "__main__":
    fresh.FILE.write_text(fresh.script(migrated()), encoding="utf-8")
