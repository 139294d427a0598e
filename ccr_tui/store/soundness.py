"""Whether a database is whole, as far as can be seen in a moment.

Owns the look that `doctor` takes, and the writer where something else than SQLite may have written into his file. Must
never write. The one surprise: what stands in the file and what stands in its log are two questions, since whoever
copies another file over the database leaves the log of the old one beside it: `alone` asks about the file by itself.

SQLite keeps no checksums of what was written: bytes that were altered within a text are found by `traces verify`, which
compares every chunk with its hash, and not here.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from ccr_tui.store import schema

LARGE = 256 * 1024 * 1024
"""Bytes up to which the whole file is looked through (170 MB/s of one core); of a larger one only some tables are."""
SOME = ("session", "spend", "calibration", "project", "model")
"""Tables that are small in any database, and that every request writes into."""
BUSY_S = 1.0
"""How long to wait for another process that holds all of it."""
FOREIGN = "it is another program's"
UNREAD = re.compile(r"error code=(10|266)\b")
"""What a check says of pages that could not be read now (SQLITE_IOERR): nothing about what is in them."""
HEAD = 100
"""Bytes of SQLite's header: a file that has less than that is none."""


def fault(path: Path, alone: bool = False) -> str:
    """What is wrong with the file, in SQLite's words; "" where nothing is seen. Raises sqlite3.OperationalError where
    it can't be looked at now."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return str(error.strerror)
    if size < HEAD:  # SQLite would take it for a new one, and delete its log
        return "the file is empty" if not size else "the file is cut off"
    try:
        with looking(path, alone) as db:
            return next(chain(_strangeness(db), _complaints(db, size)), "")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)


def newest(path: Path) -> int:
    """The number of the last request that was ever written into it; 0 without any. Raises sqlite3.Error."""
    with looking(path) as db:
        return number(db)


def newest_alone(path: Path) -> int | None:
    """The same of the file without its log, which at most lags behind. None where it can't be read, as in the moment
    in which another program carries its log over."""
    try:
        with looking(path, alone=True) as db:
            return number(db)
    except sqlite3.Error:
        return None


def number(db: sqlite3.Connection) -> int:
    """The same by a connection: it never gets less, whatever is removed."""
    last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trace'").fetchone()
    return int(last[0]) if last else 0


def copy(path: Path, made: Path) -> None:
    """What stands in the file, without its log, into another file. Raises sqlite3.Error."""
    with looking(path, alone=True) as db, closing(sqlite3.connect(made, factory=schema.Connection)) as other:
        db.backup(other)


@contextmanager
def looking(path: Path, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection that remembers nothing of what it has read before. With `alone`, the log is left out."""
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    with closing(sqlite3.connect(uri, uri=True, factory=schema.Connection, timeout=BUSY_S, isolation_level=None)) as db:
        try:
            yield db
        except UnicodeDecodeError as error:  # SQLite has quoted random bytes
            raise sqlite3.DatabaseError(str(error)) from error


def _strangeness(db: sqlite3.Connection) -> Iterator[str]:
    """A newer program's is none: one may have been started while this one runs."""
    version, application, tables = db.execute(schema.HEAD).fetchone()
    if tables and application != schema.APPLICATION:
        yield FOREIGN
    elif not version or application != schema.APPLICATION:
        yield "it holds none of our tables"


def _complaints(db: sqlite3.Connection, size: int) -> Iterator[str]:
    checks = ["PRAGMA quick_check(1)"] if size <= LARGE else [f"PRAGMA quick_check({table})" for table in SOME]
    for check in checks:
        yield from said(db.execute(check))


def said(lines: Iterable[tuple[object]]) -> Iterator[str]:
    """Of the lines of a check those that tell of damage. Raises sqlite3.OperationalError where something could not be
    read now."""
    for (line,) in lines:
        if UNREAD.search(str(line)):
            raise sqlite3.OperationalError("disk I/O error")
        if line != "ok":
            yield " ".join(str(line).split())
