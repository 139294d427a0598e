"""The files beside the database, for traces that are not in it.

Owns two of them: `<db>.waiting.jsonl` for what could not be written yet, which is taken back by itself, and
`<db>.rejects.jsonl` for what the database refused. Must never hold a trace that is nowhere told of. The one surprise:
both are archives as `traces import` reads them, so that a person can take them anywhere.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ccr_tui import ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.records import Trace
from ccr_tui.store import archive

UNWRITABLE = (OSError, ValueError, TypeError, RecursionError)
"""What writing a trace into a file can raise."""


def waiting_file(db: Path) -> Path:
    """Where traces wait for the database."""
    return db.with_name(db.name + ".waiting.jsonl")


def rejects_file(db: Path) -> Path:
    """Where traces are that the database refused."""
    return db.with_name(db.name + ".rejects.jsonl")


class Waiting:
    """What waits for this database, one by one, up to the present end of its file.

    Another program that uses the same database may add to the file meanwhile. A line that was torn by a full disk, and
    what is no trace, is left out.
    """

    def __init__(self, db: Path) -> None:
        self._path = waiting_file(db)
        self._file: BinaryIO | None = None
        with suppress(OSError):  # there is none, or somebody else has put it there
            ownfiles.check(self._path)
            self._file = self._path.open("rb")
        self._head = self._line()

    def __iter__(self) -> Waiting:
        return self

    def __next__(self) -> Trace:
        while line := self._line():
            with suppress(StoreError):
                return next(archive.read([self._head, line], self._path.name, is_ours=True))
        raise StopIteration

    def is_over(self) -> bool:
        """Whether this was all, and is in the database: then the file is gone. False where more has come."""
        if self._file is None:
            return True
        with suppress(OSError), self._path.open("rb") as latest:
            ownfiles.lock(latest.fileno())  # nobody is in the middle of a line now
            if self._is_same(latest.fileno()):
                if self._has_more():
                    return False
                self._path.unlink()
        self.close()
        if sys.platform == "win32":
            with suppress(OSError):
                self._path.unlink()
        return True

    def close(self) -> None:
        """What is left in the file stays there."""
        if self._file:
            self._file.close()

    def _line(self) -> bytes:
        """The next whole one; empty at the end."""
        if self._file is None:
            return b""
        begin, line = self._file.tell(), self._file.readline()
        if line.endswith(b"\n"):
            return line
        self._file.seek(begin)
        return b""

    def _has_more(self) -> bool:
        line = self._line()
        if line and self._file:
            self._file.seek(-len(line), os.SEEK_CUR)
        return bool(line)

    def _is_same(self, descriptor: int) -> bool:
        """Whether that is still the file that is read here, and still in its place."""
        about = os.fstat(descriptor)
        own = self._file is not None and os.path.samestat(about, os.fstat(self._file.fileno()))
        return own and os.path.samestat(about, os.lstat(self._path))


def put_aside(path: Path, trace: Trace, why: str) -> None:
    """Add a trace to one of the files. Raises one of `UNWRITABLE`; a part that was written is taken off again."""
    archive.append_reject(path, trace, why)
