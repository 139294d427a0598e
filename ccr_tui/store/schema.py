"""The tables, and how the file is opened.

Owns what the file is and its modes (0600 in a 0700 directory). Must never touch a database that a
newer program has made, nor one of another program. The one surprise: `user_version` says how many migrations ran, so
that opening a database that is up to date needs neither sqlite-utils (0.1 s to import) nor a write; a new one is made
at once (`fresh.py`).

    project  session  model  price  run      what traces point at, each stated once
    chunk -> node -> body                    what was said: a body is a path of chunks (see chunks.py)
    trace -> attempt, record, stream         one request: a row to list, its calls, all of it, and raw bytes
    spend                                    quarter-hourly sums, kept in the trace's own transaction
    said                                     full text search; rowid is the chunk's id
    calibration                              what was learned about each model's tokens
    badge                                    what each model has been shown to be able to do
    paid                                     what tests and asked routers have cost, which left no traces
    traces, spending                         the same for people: views with names, times and dollars
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ccr_tui import ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.store import fresh
from ccr_tui.store.migrations import STEPS

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = len(STEPS)
"""How many migrations there are."""
MIGRATIONS = "ccr-tui"
"""What sqlite-utils calls them."""
APPLICATION = 0x63637274
"""SQLite's application_id of our files: "ccrt"."""
SLOT_S = 900
"""Spending is summed by quarter hours: every time zone's day starts at one."""
BUSY_S = 10.0
"""How long to wait for another process that writes."""


class Connection(sqlite3.Connection):
    """Closes itself when nobody holds it any more.

    A reader's connections belong to threads, which end when they like; Python 3.13 warns of one that nobody closed.
    """

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it could not even be opened
            self.close()


EMPTIED = "{} is damaged: something has emptied it. A new one is made as soon as there is something to record."
"""Its log is still there. Never opened then, even to read: SQLite would take it for a new one and delete the log."""
FOREIGN = "{} is another program's database. Choose another file with --db or CCR_TUI_DB."
_MAKING = Lock()
"""Lest one thread closes the file that it has made when another one's SQLite has it open already."""
_refusal: list[str] = []


def only_look(why: str) -> None:
    """From now on this program writes into no database; `why` is what it says instead. "" allows it again."""
    _refusal[:] = [why] if why else []


def writable(path: Path) -> sqlite3.Connection:
    """The database at `path`, made or brought up to date if need be. Raises StoreError, which names file and cure."""
    if _refusal:
        raise StoreError(_refusal[0])
    connection = None
    try:
        _make_file(path)
        connection = sqlite3.connect(
            path, factory=Connection, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # so that pruning can give pages back bit by bit
        _bring_up_to_date(connection, path)
        _configure(connection, path)
        return connection
    except (sqlite3.Error, OSError, StoreError, UnicodeDecodeError) as error:
        if connection:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise trouble(path, error) from error


def readable(path: Path) -> sqlite3.Connection:
    """The same, read only; an empty one in memory where there is no file yet. Raises StoreError."""
    if not path.exists():
        return empty()
    connection = None
    try:
        ownfiles.check(path)
        if not path.stat().st_size and path.with_name(f"{path.name}-wal").exists():
            raise StoreError(EMPTIED.format(path))
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            uri, uri=True, factory=Connection, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        if 0 < _version(connection, path) < VERSION:
            writable(path).close()
        return connection
    except (sqlite3.Error, OSError, StoreError, UnicodeDecodeError) as error:
        if connection:
            connection.close()
        if isinstance(error, StoreError):
            raise
        raise trouble(path, error) from error


def empty() -> sqlite3.Connection:
    """A database in memory that holds nothing."""
    connection = sqlite3.connect(
        ":memory:", factory=Connection, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    _bring_up_to_date(connection, Path(":memory:"))
    return connection


def trouble(path: Path, error: Exception) -> StoreError:
    """SQLite's or the system's error as a sentence that names the file and the cure.

    Python's sqlite3 raises UnicodeDecodeError where SQLite's words quote random bytes: of a table's definition.
    """
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return StoreError(f"{path}: {error.strerror or error}. Choose another place with --db or CCR_TUI_DB.")
    if isinstance(error, sqlite3.OperationalError):
        cure = next((cure for sign, cure in CURES if sign in str(error)), "See what else uses the file or its disk.")
        return StoreError(f"{path}: {error}. {cure}")
    cure = "If it is yours, move it away and a new one will be made; else choose another place with --db or CCR_TUI_DB."
    return StoreError(f"{path} is damaged or is no database ({error}). {cure}")


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
    """An empty file that only its owner can read, before SQLite makes one that everybody can.

    One that is there is never opened: to close any descriptor of a file drops all locks that this process has on it,
    SQLite's too (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_),
    and the next program would take itself for the last one and delete the log from under us.
    """
    ownfiles.folder(path.parent)
    for beside in ("", "-wal", "-shm", "-journal"):
        ownfiles.check(path.with_name(path.name + beside))
    with _MAKING:
        if path.exists():
            ownfiles.close_to_others(path)
        else:
            os.close(ownfiles.create(path, os.O_RDWR | os.O_EXCL))


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    _use_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")


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
        raise StoreError(FOREIGN.format(path))
    if version > VERSION:
        raise StoreError(
            f"{path} was made by a newer ccr-tui (schema {version}; this one knows {VERSION}). "
            "Update ccr-tui, or choose another file with --db or CCR_TUI_DB."
        )
    return int(version)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")  # of several processes that find a new file, one makes the tables
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            fresh.make(connection, MIGRATIONS, [_named(number, step) for number, step in enumerate(STEPS, 1)])
        if _version(connection, path) != VERSION:
            migrate(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection) -> None:
    """Take the steps that this database has not taken, in an open transaction."""
    from sqlite_utils import Database, Migrations  # 0.1 s: only when there is something to do

    migrations = Migrations(MIGRATIONS)
    for number, step in enumerate(STEPS, 1):
        migrations(name=_named(number, step))(_versioned(number, step))
    migrations.apply(Database(connection))


def _named(number: int, step: Callable[[Database], None]) -> str:
    return f"{number:03d}_{step.__name__}"


def _versioned(number: int, step: Callable[[Database], None]) -> Callable[[Database], None]:
    def run(db: Database) -> None:
        step(db)
        db.execute(f"PRAGMA user_version = {number}")
        db.execute(f"PRAGMA application_id = {APPLICATION}")

    return run
