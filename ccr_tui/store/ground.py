"""The file that the writer stands on, and what becomes of it under his feet.

Owns the writing connection: it is opened, found to be another file than before, or moved aside because it is damaged.
Must never remove a file, nor move one that is not ours. The one surprise: a deleted file can be written to without an
error for as long as it is open, and all of that is lost, so the place is looked at before and after each transaction.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ccr_tui.errors import StoreError
from ccr_tui.store import schema
from ccr_tui.store.insert import Insertion

BUSY_MS = 1000
"""How long one try waits for another process that writes; the writer tries again."""
PASSING = ("locked", "busy", "full", "readonly", "unable to open", "disk I/O error")
"""What SQLite says of trouble that may pass: nothing is wrong with the trace, nor with the file."""


class Ground:
    """An open database. `connection` and `insertion` change when the file does."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError, which names the file and the cure."""
        self.path = path
        self._open()

    def _open(self) -> None:
        self.connection = schema.writable(self.path)
        self.connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self.insertion = Insertion(self.connection)
        self._standing = schema.Standing(self.path)

    def is_in_place(self) -> bool:
        """Whether the open file is still the one of that name, and its log too."""
        return self._standing.holds()

    def begin_anew(self) -> str:
        """The file was deleted or moved away: make a new one. What happened, as a sentence. Raises StoreError.

        Where its log alone was, the file is opened again: SQLite deletes a log when its last program closes it, once
        all of it stands in the file.
        """
        was_log_alone = schema.place(self.path) == self._standing.file
        self.close()
        if was_log_alone:
            self._open()
            return f"{self.path}-wal was deleted while ccr-tui ran; the file was opened again, and recording goes on."
        if not self.path.exists():
            _without_leavings(self.path)
        self._open()
        return (
            f"{self.path} was deleted or moved while ccr-tui ran; a new one has been made. "
            "What was recorded before is where the old file is."
        )

    def set_aside(self) -> str:
        """The file is damaged: move it away and make a new one. What happened, as a sentence. Raises StoreError."""
        self.close()
        told = set_aside(self.path)
        self._open()
        return told

    def close(self) -> None:
        """Let go of it."""
        with suppress(sqlite3.Error):
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Insertion]:
        """All of it or nothing. Raises whatever goes wrong inside, or sqlite3.Error."""
        self.connection.execute("BEGIN IMMEDIATE")
        is_done = False
        try:
            yield self.insertion
            self.connection.execute("COMMIT")
            is_done = True
        finally:
            if not is_done:
                self._take_back()

    def _take_back(self) -> None:
        self.insertion.forget()
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")


def opened(path: Path, tell: list[str]) -> Ground:
    """The database; a damaged one of ours is moved aside first, and `tell` gets a sentence. Raises StoreError."""
    try:
        return Ground(path)
    except StoreError as error:
        if not (is_damage(error.__cause__) and _is_ours(path)):
            raise
    tell.append(set_aside(path))
    return Ground(path)


def is_passing(error: BaseException | None) -> bool:
    """Whether waiting may help: the disk is full, somebody else writes, the directory is read-only for now."""
    if isinstance(error, StoreError):
        return is_passing(error.__cause__) or isinstance(error.__cause__, OSError)
    return isinstance(error, sqlite3.OperationalError) and any(sign in str(error) for sign in PASSING)


def is_damage(error: BaseException | None) -> bool:
    """Whether the file itself is broken. (SQLite's other errors are of kinds of their own.)"""
    return type(error) is sqlite3.DatabaseError


def set_aside(path: Path) -> str:
    """Move a damaged database away, under a name that says when. What happened, as a sentence. Raises StoreError."""
    kept = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    try:
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{kept}{ending}")
    except OSError as error:
        raise schema.trouble(path, error) from error
    return (
        f"{path} was damaged. It is {kept} now, and a new one has been begun; "
        f"`ccr-tui --db {kept} traces export` reads what can still be read."
    )


def _without_leavings(path: Path) -> None:
    """A log without its database would be taken for the new one's."""
    for ending in ("-wal", "-shm"):
        with suppress(OSError):
            Path(f"{path}{ending}").unlink()


def _is_ours(path: Path) -> bool:
    """Whether its head says that we made it; or its name, where the head is gone."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:
        return False
    if head.startswith(b"SQLite format 3\0"):
        return head[68:72] in (schema.APPLICATION.to_bytes(4, "big"), bytes(4))
    return path.suffix == ".db"
