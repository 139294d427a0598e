"""A new database, made at once: the tables that all migrations together would make.

Owns how they are made from `fresh.sql`. Must never differ from what the migrations make one after the other; that file
is written from them, and a test compares both. The one surprise: where the file lags behind the migrations, nothing is
wrong: those that it lacks are run afterwards, as in any older database.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

FILE = Path(__file__).with_suffix(".sql")
BETWEEN = ";\n\n"
"""Between two statements: a semicolon alone stands in triggers too."""
NOTE = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)"
TABLES = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"


def make(connection: sqlite3.Connection, migrations: str, steps: list[str]) -> None:
    """The tables, in an open transaction on an empty database; and which steps that was, as sqlite-utils notes it."""
    for statement in FILE.read_text(encoding="utf-8").split(BETWEEN):
        connection.execute(statement)
    done = connection.execute("PRAGMA user_version").fetchone()[0]
    now = str(datetime.now(UTC))
    connection.executemany(NOTE, [(migrations, name, now) for name in steps[:done]])


def script(connection: sqlite3.Connection) -> str:
    """What `fresh.sql` has to be in order to make what this database has."""
    found = connection.execute(TABLES).fetchall()
    own = tuple(f"{name}_" for _, name, sql in found if sql.startswith("CREATE VIRTUAL"))
    made = [sql for _, name, sql in found if not name.startswith(("sqlite_", *own))]
    heads = [f"PRAGMA {name} = {_value(connection, name)}" for name in ("user_version", "application_id")]
    return BETWEEN.join([*heads, *made])


def _value(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
