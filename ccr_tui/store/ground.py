"""The file that the writer stands on, and what becomes of it under his feet.

Owns the writing connection: it is opened, found to be another file than before, or moved aside because it is damaged.
Must never remove a file but its own copy, nor move one that is not ours. The one surprise: a deleted file can be
written to without an error for as long as it is open, and all of that is lost, so the place is looked at before and
after each transaction.

So can a file that something else has written into (`cp old.db ccr.db`, a disk that went bad), since SQLite remembers
what it has read. But it writes into the file itself only at a checkpoint: its time or size changed and the writer has
committed nothing, so another program has carried the log over, or it is no longer ours. A fresh look decides, and takes
at most a twentieth of the time. What is written in the milliseconds of a transaction that carries the log over is told
from that only by such looks, once a minute.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from secrets import token_hex

from ccr_tui import ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.store import schema, soundness
from ccr_tui.store.insert import Insertion
from ccr_tui.store.standing import Log, Standing, extent, place

BUSY_MS = 1000
"""How long one try waits for another process that writes; the writer tries again."""
SPARING, QUICK_S = 20, 0.1
"""A look at the whole file is followed by none for so many times as long as it took, unless it took less than that."""
SELDOM_S, SELDOM = 60.0, 100
"""After a log was carried over by us the file is looked at once in so many seconds, and so many times as long as a look
takes: what else wrote into it just then can't be told by its time."""
OVERWRITTEN = "{} was overwritten while ccr-tui ran; recording goes on in what was put there."
GONE = "{} was deleted or moved while ccr-tui ran; {}. What was recorded before is where the old file is."
SPOILED = (
    "{}-wal was cut short or overwritten while ccr-tui ran; recording goes on with the file. What stood only in that "
    "log is stored again as far as it is remembered: of much of it, tokens and costs without texts."
)
PASSING = ("locked", "busy", "full", "readonly", "unable to open", "disk I/O error")
"""What SQLite says of trouble that may pass: nothing is wrong with the trace, nor with the file."""

ROOM = ("full", "unable to open", "disk I/O error")
"""What it says where a copy can't be made now, although nothing is wrong with what is copied."""


class Ground:
    """An open database. `connection` and `insertion` change when the file does.

    `newest` is the number of the last request in it, and `carried` of the last that stands in the file without its log.
    """

    def __init__(self, path: Path) -> None:
        """Raises StoreError, which names the file and the cure."""
        self.path, self._file = path, str(path)
        self._open()

    def _open(self) -> None:
        self.connection = schema.writable(self.path)
        self.connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        self.insertion = Insertion(self.connection)
        self._extent = extent(self._file)
        self.newest = soundness.number(self.connection)  # SQLite makes its log where it is first needed: here
        self._standing, self._log = Standing(self.path), Log(self.path)
        self.carried = soundness.newest_alone(self.path) or 0
        self._is_doubtful, self._not_before = False, 0.0
        self._is_unsure, self._look_at = False, time.monotonic() + SELDOM_S
        self._is_settled = False
        self.has_moved = False
        """Whether what was recorded before is elsewhere now, with the file of then, because somebody wanted that."""
        self._is_excused = False
        """Whether SQLite has called it damaged, and nothing was found, since something was stored last."""
        self._begun = ""
        """What happened, where the file was moved aside by us, and what takes its place could not be opened yet."""

    def _is_without_log(self) -> bool:
        """Whether it was deleted so early that nobody has seen it. What is written has to be in one."""
        return not self._standing.has_log() and place(f"{self._file}-wal") is None

    def wrong(self) -> Callable[[], str] | None:
        """What must be done before anything is written; it says what happened, and raises StoreError. None: nothing."""
        found = extent(self._file)
        if found and found[1] < soundness.HEAD and place(self._file) == self._standing.file:
            return self.set_aside
        if not self._standing.holds() or self._is_without_log():
            return self.begin_anew
        if not self._log.is_as_left() and not self._is_log_whole():
            return self.go_on_without_log
        return self._doubted() if self._is_touched() else None

    def _is_log_whole(self) -> bool:
        """Whether what something else has done to the log is what programs of ours may do."""
        try:
            is_whole = True if self._is_settled else self._log.is_whole()
        except OSError:
            return True  # it can't be told now: the doubt stays
        if is_whole is None:
            carried = soundness.newest_alone(self.path)
            if carried is None:
                return True
            is_whole = carried >= self.newest
        if is_whole:
            self._log.take()
        return is_whole

    def _is_touched(self) -> bool:
        self._is_doubtful = (
            self._is_doubtful
            or extent(self._file) != self._extent
            or (self._is_unsure and time.monotonic() > self._look_at)
        )
        return self._is_doubtful

    def _doubted(self) -> Callable[[], str] | None:
        """Look whether the file is whole. Where it can't be looked at now, the doubt stays."""
        found, carried = extent(self._file), soundness.newest_alone(self.path)
        if carried is not None and carried < self.carried:
            return self.restore
        begun = time.monotonic()
        if begun < self._not_before:
            return None
        try:
            if soundness.fault(self.path):
                return self.restore
            if soundness.newest(self.path) < self.newest:
                return self.begin_again
        except sqlite3.Error:
            return None
        finally:
            took = time.monotonic() - begun
            self._not_before = begun + took + (SPARING * took if took > QUICK_S else 0)
        self.carried, self._extent, self._is_doubtful = carried or 0, found, False
        self._is_unsure, self._look_at = False, begun + max(SELDOM_S, SELDOM * took)
        return None

    def begin_again(self) -> str:
        """Something whole but older was copied over the file, whose log was empty. Raises StoreError.

        What SQLite remembers of the old one must go, and the log, which would otherwise be carried over after a kill.
        """
        self.close()
        self._open()
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return f"{OVERWRITTEN.format(self.path)} What it held before is gone, unless there is a copy."

    def go_on_without_log(self) -> str:
        """Something cut the log short, or wrote into it: go on with a copy of the file alone. Raises StoreError."""
        return self._restore(SPOILED)

    def restore(self) -> str:
        """Something was written into the file. If that is whole by itself, go on with a copy of it. Raises StoreError.

        A copy, because whoever has the old file open has its log too, which does not belong to this one.
        """
        return self._restore(OVERWRITTEN)

    def _restore(self, told: str) -> str:
        made = self.path.with_name(f"{self.path.name}.restored-{token_hex(4)}")
        if not self._is_copied(made):
            return self.set_aside()
        self.close()
        kept = _moved_aside(self.path)
        self._begun = f"{told.format(self.path)} The file as it was found is {kept}."
        try:
            made.rename(self.path)
        except OSError as error:
            raise schema.trouble(self.path, error) from error
        return self._go_on()

    def _go_on(self) -> str:
        """With what is in the file's place now. What happened before, as a sentence. Raises StoreError."""
        self.close()
        told = [self._begun]
        self._open_whole(told)
        return " ".join(told)

    def _is_copied(self, made: Path) -> bool:
        """False where it is not whole. Raises StoreError where that can't be done now: it is waited for."""
        try:
            if soundness.fault(self.path, alone=True):
                return False
            os.close(ownfiles.create(made, os.O_RDWR | os.O_EXCL))
            soundness.copy(self.path, made)
        except (sqlite3.Error, OSError) as error:
            _discard(made)
            if isinstance(error, OSError) or any(sign in str(error) for sign in ROOM):
                raise schema.trouble(self.path, error) from error
            return False
        return True

    def begin_anew(self) -> str:
        """The file was deleted or moved away: make a new one. What happened, as a sentence. Raises StoreError.

        Where its log alone was, the file is opened again: SQLite deletes a log when its last program closes it, once
        all of it stands in the file. Anybody else may do so before.
        """
        if self._begun:
            return self._go_on()
        was_log_alone = self._standing.lacks_log_alone() or (self._standing.holds() and self._is_without_log())
        was_carried_over = self._carry_over()
        self.close()
        if was_log_alone:
            self._open()
            return f"{self.path}-wal was deleted while ccr-tui ran; the file was opened again, and recording goes on."
        found = place(self._file)
        self._standing.leave(_removed if was_carried_over or found is None else _moved)
        told: list[str] = []
        self._open_whole(told)
        self.has_moved = True
        done = "recording goes on in the one that is there now" if found else "a new one has been made"
        return " ".join((GONE.format(self.path, done), *told))

    def _carry_over(self) -> bool:
        """Write what stands in the log into the file, wherever both are now. Whether that was done."""
        with suppress(sqlite3.Error):
            is_busy, pages, done = self.connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            return not is_busy and pages == done
        return False

    def _open_whole(self, told: list[str]) -> None:
        """What is there; a damaged one of ours is moved aside first, and `told` gets a sentence. Raises StoreError."""
        try:
            self._open()
        except StoreError as error:
            if not (is_damage(error.__cause__) and _is_ours(self.path)):
                raise
            told.append(set_aside(self.path))
            self._open()

    def is_broken(self, error: Exception) -> bool:
        """Whether that is the file's fault. (What can't be decoded may be the trace's.)"""
        if not isinstance(error, UnicodeDecodeError):
            return is_damage(error)
        with suppress(sqlite3.OperationalError):
            return bool(soundness.fault(self.path))
        return False

    def damaged(self) -> str:
        """SQLite calls the file damaged, as it also does where something could not be read: only if a fresh look says
        the same, or if nothing could be stored since, is it moved aside. "" where it is well. Raises StoreError."""
        if self._begun or self._is_excused:
            return self.set_aside()
        try:
            if soundness.fault(self.path):
                return self.set_aside()
        except sqlite3.OperationalError as error:
            raise schema.trouble(self.path, error) from error
        self.close()
        self._open()
        self._is_excused = True
        return ""

    def set_aside(self) -> str:
        """The file is damaged: move it away and make a new one. What happened, as a sentence. Raises StoreError."""
        self.close()
        self._begun = self._begun or set_aside(self.path)
        return self._go_on()

    def end(self) -> str:
        """Let go of it for good. What happened, as a sentence, where something else had written into the file: our log
        must not be carried over into that."""
        told = ""
        with suppress(StoreError):
            self._not_before = 0.0
            if self._standing.lacks_log_alone():
                self._carry_over()
            elif self._standing.holds() and (mend := self.wrong()):
                told = mend()
        self.close()
        return told

    def close(self) -> None:
        """Let go of it."""
        self._log.close()
        with suppress(sqlite3.Error):
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Insertion]:
        """All of it or nothing. Raises whatever goes wrong inside, or sqlite3.Error."""
        self._is_touched()
        self.connection.execute("BEGIN IMMEDIATE")
        is_done = False
        try:
            yield self.insertion
            newest = soundness.number(self.connection)
            self.connection.execute("COMMIT")
            is_done = True
        finally:
            if not is_done:
                self._take_back()
        self.newest, self._is_settled, self._is_excused = newest, False, False
        self._log.note()
        self._note()

    def _note(self) -> None:
        """Our commit may have carried the log over; that alone seldom makes the file smaller, and never older."""
        found, before = extent(self._file), self._extent
        self._extent = found
        if found == before:
            return
        carried = soundness.newest_alone(self.path)
        if carried is None or carried < self.carried or (found and before and found[1] < before[1]):
            self._is_doubtful = True
            return
        self.carried, self._is_unsure = carried, True

    def settle(self) -> bool:
        """Carry the log over, without waiting for anybody: what happens to it afterwards costs nothing. True, for that
        is tried but once."""
        with suppress(sqlite3.Error):
            if self.wrong() is None:
                is_busy, pages, done = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._is_settled = not is_busy and pages == done
                self._note()
        return True

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
    """Whether waiting may help: the disk is full, somebody else writes, the directory is read-only for now, something
    that is no database of ours stands in its place."""
    if isinstance(error, StoreError):  # of what is in the file's place: of no trace
        return True
    return isinstance(error, sqlite3.OperationalError) and any(sign in str(error) for sign in PASSING)


def is_damage(error: BaseException | None) -> bool:
    """Whether the file itself is broken. (SQLite's other errors are of kinds of their own.)"""
    return type(error) in (sqlite3.DatabaseError, UnicodeDecodeError)


def set_aside(path: Path) -> str:
    """Move a damaged database away, under a name that says when. What happened, as a sentence. Raises StoreError."""
    kept = _moved_aside(path)
    return (
        f"{path} was damaged. It is {kept} now, and a new one has been begun; "
        f"`ccr-tui --db {kept} traces export` reads what can still be read."
    )


def _moved_aside(path: Path) -> Path:
    """Its new name, which nothing had before. Raises StoreError."""
    first = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    others = (first.with_name(f"{first.name}-{n}") for n in count(2))
    kept = next(name for name in chain([first], others) if not name.exists())
    try:
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{kept}{ending}")
    except OSError as error:
        raise schema.trouble(path, error) from error
    return kept


def _discard(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _removed(leaving: Path) -> None:
    with suppress(OSError):
        leaving.unlink()


def _moved(leaving: Path) -> None:
    with suppress(OSError):
        leaving.rename(leaving.with_name(f"{leaving.name}.left-{token_hex(4)}"))


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
