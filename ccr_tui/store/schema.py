"""The tables, how they came about, and how the file is opened.

Owns the schema, its migrations and the file's modes (0600 in a 0700 directory). Must never touch a database that a
newer program has made, nor one of another program. The one surprise: `user_version` says how many migrations ran, so
that opening a database that is up to date needs neither sqlite-utils (0.1 s to import) nor a write.

    project  session  model  price  run      what traces point at, each stated once
    chunk -> node -> body                    what was said: a body is a path of chunks (see chunks.py)
    trace -> attempt, record, stream         one request: a row to list, its calls, all of it, and raw bytes
    spend                                    quarter-hourly sums, kept in the trace's own transaction
    said                                     full text search; rowid is the chunk's id
    calibration                              what was learned about each model's tokens
    badge                                    what each model has been shown to be able to do
    traces, spending                         the same for people: views with names, times and dollars
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ccr_tui.errors import StoreError

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = 2
"""How many migrations there are. Raise it with each new one; never change an old one."""
APPLICATION = 0x63637274
"""SQLite's application_id of our files: "ccrt"."""
SLOT_S = 900
"""Spending is summed by quarter hours: every time zone's day starts at one."""
BUSY_S = 10.0
"""How long to wait for another process that writes."""

FIRST = """
CREATE TABLE project (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE session (
    id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, project_id INTEGER REFERENCES project(id),
    first_at REAL NOT NULL, last_at REAL NOT NULL);
CREATE INDEX session_last ON session(last_at);
CREATE TABLE model (
    id INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, UNIQUE (provider, model));
CREATE TABLE price (
    id INTEGER PRIMARY KEY, input INTEGER NOT NULL, output INTEGER NOT NULL, cache_read INTEGER, cache_write INTEGER,
    since TEXT NOT NULL, source TEXT NOT NULL, basis TEXT NOT NULL);
CREATE UNIQUE INDEX price_all ON price(
    input, output, ifnull(cache_read, -1), ifnull(cache_write, -1), since, source, basis);
CREATE TABLE run (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, started_at REAL NOT NULL);

CREATE TABLE chunk (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, trace INTEGER NOT NULL, size INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE TABLE node (
    id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, chunk INTEGER NOT NULL REFERENCES chunk(id),
    UNIQUE (parent, chunk));
CREATE TABLE body (
    id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, node INTEGER NOT NULL REFERENCES node(id),
    size INTEGER NOT NULL, manifest BLOB NOT NULL);

CREATE TABLE trace (
    n INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE,
    session_id INTEGER REFERENCES session(id), project_id INTEGER REFERENCES project(id), agent_id TEXT,
    origin TEXT NOT NULL, kind TEXT NOT NULL, started_at REAL NOT NULL, duration_ms INTEGER NOT NULL, ttft_ms INTEGER,
    outcome TEXT NOT NULL, status INTEGER NOT NULL, error TEXT, asked_model TEXT NOT NULL,
    mode TEXT, agent TEXT, rule TEXT, chosen TEXT, model_id INTEGER REFERENCES model(id), stop_reason TEXT,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, usage_basis TEXT,
    estimated_input_tokens INTEGER, cost INTEGER, cost_basis TEXT NOT NULL, router_cost INTEGER,
    attempts INTEGER NOT NULL, run_id INTEGER REFERENCES run(id), replay_of TEXT,
    request_id INTEGER REFERENCES body(id), reply_id INTEGER REFERENCES body(id));
CREATE INDEX trace_session ON trace(session_id);
CREATE INDEX trace_subagent ON trace(session_id, agent_id) WHERE agent_id IS NOT NULL;
CREATE INDEX trace_project ON trace(project_id);
CREATE INDEX trace_model ON trace(model_id);
CREATE INDEX trace_agent ON trace(agent);
CREATE INDEX trace_started ON trace(started_at);
CREATE INDEX trace_failed ON trace(outcome) WHERE outcome <> 'ok';
CREATE INDEX trace_run ON trace(run_id) WHERE run_id IS NOT NULL;
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY, trace INTEGER NOT NULL REFERENCES trace(n), n INTEGER NOT NULL, answer INTEGER NOT NULL,
    purpose TEXT NOT NULL, model_id INTEGER NOT NULL REFERENCES model(id), started_at REAL NOT NULL, ttft_ms INTEGER,
    duration_ms INTEGER NOT NULL, status INTEGER, stop_reason TEXT, error TEXT,
    input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL, usage_basis TEXT,
    cost INTEGER, cost_basis TEXT NOT NULL, price_id INTEGER REFERENCES price(id),
    sent_id INTEGER REFERENCES body(id));
CREATE INDEX attempt_trace ON attempt(trace);
CREATE TABLE record (trace INTEGER PRIMARY KEY REFERENCES trace(n), data BLOB NOT NULL, raw BLOB);
CREATE TABLE stream (attempt INTEGER PRIMARY KEY REFERENCES attempt(id), data BLOB NOT NULL);

CREATE TABLE spend (
    slot INTEGER NOT NULL, model_id INTEGER NOT NULL, agent TEXT NOT NULL, session_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL, kind TEXT NOT NULL, purpose TEXT NOT NULL, basis TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL, cache_write_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (slot, model_id, agent, session_id, project_id, kind, purpose, basis)) WITHOUT ROWID;
CREATE INDEX spend_session ON spend(session_id);
CREATE TABLE calibration (
    key TEXT PRIMARY KEY, ratio REAL NOT NULL, n INTEGER NOT NULL, error REAL, at REAL NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE said USING fts5(text, content='', tokenize="unicode61 remove_diacritics 2");

CREATE VIEW traces AS SELECT t.uid AS id, s.uid AS session, p.path AS project, t.agent_id, t.origin, t.kind,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.started_at, 'unixepoch') AS started_at, t.duration_ms, t.ttft_ms, t.outcome,
    t.status, t.error, t.asked_model, t.mode, t.agent, t.rule, m.model, m.provider, t.stop_reason, t.input_tokens,
    t.cache_read_tokens, t.cache_write_tokens, t.output_tokens, t.reasoning_tokens, t.usage_basis,
    t.estimated_input_tokens, t.cost / 1e9 AS cost_usd, t.cost_basis, t.router_cost / 1e9 AS router_cost_usd,
    t.attempts, t.n
    FROM trace t LEFT JOIN session s ON s.id = t.session_id LEFT JOIN project p ON p.id = t.project_id
    LEFT JOIN model m ON m.id = t.model_id;
CREATE VIEW spending AS SELECT strftime('%Y-%m-%dT%H:%MZ', w.slot, 'unixepoch') AS quarter, m.provider, m.model,
    w.agent, s.uid AS session, p.path AS project, w.kind, w.purpose, w.basis, w.requests, w.errors, w.input_tokens,
    w.cache_read_tokens, w.cache_write_tokens, w.output_tokens, w.reasoning_tokens, w.cost / 1e9 AS cost_usd, w.unpriced
    FROM spend w LEFT JOIN session s ON s.id = w.session_id LEFT JOIN project p ON p.id = w.project_id
    LEFT JOIN model m ON m.id = w.model_id
"""


SECOND = """
CREATE TABLE badge (
    n INTEGER PRIMARY KEY, provider TEXT NOT NULL, model TEXT NOT NULL, "check" TEXT NOT NULL, ability TEXT NOT NULL,
    sentence TEXT NOT NULL, ms INTEGER NOT NULL, cost INTEGER, at REAL NOT NULL, UNIQUE (provider, model, "check"))
"""


def writable(path: Path) -> sqlite3.Connection:
    """The database at `path`, made or brought up to date if need be. Raises StoreError, which names file and cure."""
    connection = None
    try:
        _make_file(path)
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        _bring_up_to_date(connection, path)
        _configure(connection, path)
        return connection
    except (sqlite3.Error, OSError, StoreError) as error:
        if connection:
            connection.close()
        raise trouble(path, error) from error


def readable(path: Path) -> sqlite3.Connection:
    """The same, read only; an empty one in memory where there is no file yet. Raises StoreError."""
    if not path.exists():
        return empty()
    connection = None
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        if 0 < _version(connection, path) < VERSION:
            writable(path).close()
        return connection
    except (sqlite3.Error, StoreError) as error:
        if connection:
            connection.close()
        raise trouble(path, error) from error


def empty() -> sqlite3.Connection:
    """A database in memory that holds nothing."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _bring_up_to_date(connection, Path(":memory:"))
    return connection


def trouble(path: Path, error: Exception) -> StoreError:
    """SQLite's or the system's error as a sentence that names the file and the cure."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror or error}. Choose another place with --db or CCR_TUI_DB.")
    if isinstance(error, sqlite3.OperationalError):
        cure = next((cure for sign, cure in CURES if sign in str(error)), "See what else uses the file or its disk.")
        return StoreError(f"{path}: {error}. {cure}")
    return StoreError(f"{path} is damaged or is no database ({error}). Move it away; a new one will be made.")


HEAD = """
SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master)
FROM pragma_user_version, pragma_application_id
"""
"""In one statement, lest another process makes the tables between two."""
CURES = (
    ("locked", "Another process has been writing for long; end it, or choose another file with --db."),
    ("readonly", "Make the file and its directory writable, or choose another file with --db."),
    ("unable to open", "Make the file and its directory readable and writable, or choose another file with --db."),
    ("full", "Free some space on its disk."),
    ("no such table", "The file lacks a table of ours: move it away; a new one will be made."),
)


def _make_file(path: Path) -> None:
    """An empty file that only its owner can read, before SQLite makes one that everybody can."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    with suppress(PermissionError):
        path.chmod(0o600)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Tried again while others open the file too: for this change alone SQLite does not wait by itself."""
    end = time.monotonic() + BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations ran. Raises StoreError for a database that isn't ours to touch."""
    version, application, taken = connection.execute(HEAD).fetchone()
    if taken and application != APPLICATION:
        raise StoreError(f"{path} is another program's database. Choose another file with --db or CCR_TUI_DB.")
    if version > VERSION:
        raise StoreError(
            f"{path} was made by a newer ccr-tui (schema {version}; this one knows {VERSION}). "
            "Update ccr-tui, or choose another file with --db or CCR_TUI_DB."
        )
    return int(version)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == VERSION:
        return
    from sqlite_utils import Database, Migrations  # 0.1 s: only when there is something to do

    migrations = Migrations("ccr-tui")
    for number, step in enumerate(STEPS, 1):
        migrations(name=f"{number:03d}_{step.__name__}")(_versioned(number, step))
    connection.execute("BEGIN IMMEDIATE")  # of several processes that find a new file, one makes the tables
    try:
        if _version(connection, path) != VERSION:
            migrations.apply(Database(connection))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _versioned(number: int, step: Callable[[Database], None]) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        step(db)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute(f"PRAGMA application_id = {APPLICATION}")

    return run


def first(db: Database) -> None:
    """The tables of 0.1."""
    for statement in FIRST.split(";\n"):
        db.execute(statement)


def second(db: Database) -> None:
    """What models can do, as tests of them have shown."""
    db.execute(SECOND)


STEPS: tuple[Callable[[Database], None], ...] = (first, second)
