"""What models can do is kept, the latest of each check, and an older database learns to keep it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.records import Badge
from ccr_tui.store import badges, migrations, schema
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer

AUTH = Badge("auth", "ok", "The key is taken.", 120, 15, 1_700_000_000.0)
TOOLS = Badge("tools", "no", "It wrote a text instead.", 900, None, 1_700_000_001.0)


def test_the_latest_result_of_each_check_is_kept_in_the_order_of_the_first(path: Path) -> None:
    badges.save(path, "deepseek", "deepseek-flash", [AUTH, TOOLS])
    later = replace(AUTH, ability="failed", sentence="broken \ud800 text", at=1_700_000_002.0)
    badges.save(path, "deepseek", "deepseek-flash", [later])
    badges.save(path, "qwen", "qwen-max", [AUTH])
    found = Reader(path).badges()
    assert [badge.check for badge in found["deepseek", "deepseek-flash"]] == ["auth", "tools"]
    assert found["deepseek", "deepseek-flash"][0].ability == "failed"
    assert found["deepseek", "deepseek-flash"][1] == TOOLS
    assert found["qwen", "qwen-max"] == (AUTH,)


def test_nothing_was_tested_in_a_database_that_is_not_there(path: Path) -> None:
    assert Reader(path).badges() == {}
    assert not path.exists()


def test_they_are_saved_while_a_writer_is_at_work(path: Path) -> None:
    writer = Writer(path)
    writer.start()
    writer.put(generated.trace("a"))
    badges.save(path, "p", "m", [AUTH])
    writer.put(generated.trace("b"))
    assert writer.close()
    reader = Reader(path)
    assert (reader.count(), len(reader.badges())) == (2, 1)


def of_version_one(path: Path) -> None:
    """A database as the first version made it, with a row in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    for statement in migrations.FIRST.split(";\n"):
        db.execute(statement)
    db.execute(
        "CREATE TABLE _sqlite_migrations (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"
    )
    db.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('ccr-tui', '001_first', '')")
    db.execute("INSERT INTO calibration VALUES ('p/m', 1.5, 3, NULL, 0)")
    db.execute("PRAGMA user_version = 1")
    db.execute(f"PRAGMA application_id = {schema.APPLICATION}")
    db.commit()
    db.close()


def test_an_older_database_learns_to_keep_them_and_loses_nothing(path: Path) -> None:
    of_version_one(path)
    assert Reader(path).badges() == {}
    badges.save(path, "p", "m", [TOOLS])
    reader = Reader(path)
    assert reader.badges() == {("p", "m"): (TOOLS,)}
    assert reader.calibrations() == {"p/m": (1.5, 3, None)}


def test_a_newer_database_is_left_alone(path: Path) -> None:
    schema.writable(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer"):
        badges.save(path, "p", "m", [AUTH])
