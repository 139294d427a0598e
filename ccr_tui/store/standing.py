"""Which files a connection is open on, and whether they are still those of their names.

Owns the looks at the database's place, at SQLite's log (`-wal`) and at its index of the log (`-shm`) that are taken
before each query and transaction. Must never open the database file nor the index: to close any descriptor of one drops
all locks that this process has on it, SQLite's too. The one surprise: SQLite reads the log by what stands in the index,
and checks nothing of it; a log that was cut short is written on behind a hole, and all of it is gone at the next start.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ccr_tui import ownfiles

INDEX = 32 * 1024
"""Bytes of the index that SQLite has in its memory at once: where they are not in the file, a look at them ends us."""
HEAD, FRAME = 32, 24
"""Bytes that the log begins with, and that each page in it does (https://sqlite.org/fileformat2.html#walformat)."""
MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
FLAGS = os.O_RDONLY | ownfiles.FLAGS


def place(path: Path | str) -> tuple[int, int] | None:
    """Which file is there, whatever its name; None if there is none. A link is a file of its own."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def extent(path: Path | str) -> tuple[int, int] | None:
    """When the file was last written into, in nanoseconds, and its size; None if there is none.

    In WAL mode SQLite writes into the database only when what stands in the log is carried over (a checkpoint).
    """
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


class Standing:
    """Which file a connection is open on, and which log: SQLite's WAL, in which the newest of it is written."""

    __slots__ = ("_index", "_index_path", "_log", "_log_path", "_path", "file")

    def __init__(self, path: Path) -> None:
        self._path, self._log_path, self._index_path = str(path), f"{path}-wal", f"{path}-shm"
        self._index = (0, 0)
        self.file = place(path)
        self._log = place(self._log_path)
        self._stretch()

    def holds(self) -> bool:
        """Whether both are still the ones of their names. A log that was not there yet may come."""
        if place(self._path) != self.file:
            return False
        self._stretch()
        found = place(self._log_path)
        self._log = self._log or found
        return found == self._log

    def has_log(self) -> bool:
        """Whether it was there when this was asked last."""
        return self._log is not None

    def lacks_log_alone(self) -> bool:
        """Whether the file is there, and its log is another one, or none."""
        return place(self._path) == self.file and not self.holds()

    def leave(self, part: Callable[[Path], None]) -> None:
        """Part from the log and the index, where they are still those of a file that is not there any more: they would
        be taken for another one's."""
        if self._log and place(self._log_path) == self._log:
            part(Path(self._log_path))
        found = place(self._index_path)
        if found and found[1] == self._index[0]:
            part(Path(self._index_path))

    def _stretch(self) -> None:
        """Make an index that was cut short as long as it was, and empty: SQLite builds it anew from the log then. (Its
        head alone would tell of pages that nothing finds any more.)"""
        try:
            found = os.lstat(self._index_path)
        except OSError:
            return
        least = max(INDEX, self._index[1] if self._index[0] == found.st_ino else 0)
        if found.st_size >= least:
            self._index = found.st_ino, found.st_size
        elif stat.S_ISREG(found.st_mode):
            with suppress(OSError):
                os.truncate(self._index_path, 0)
                os.truncate(self._index_path, least)


class Log:
    """The log as this program left it."""

    __slots__ = ("_descriptor", "_extent", "_is_spoiled", "_path", "_salt")

    def __init__(self, path: Path) -> None:
        self._path, self._descriptor = f"{path}-wal", -1
        self._is_spoiled = False
        self.take()

    def take(self) -> None:
        """As it is now it is well."""
        self._extent, self._salt = extent(self._path), b""
        with suppress(OSError):  # there is none yet
            self._salt = self._head()[1]

    def note(self) -> None:
        """It was written into by this program: did that go where it belongs?"""
        before, now = self._extent, extent(self._path)
        if now is None or not now[1]:
            return
        with suppress(OSError):  # not to be told, for want of descriptors
            page, salt = self._head()
            self._is_spoiled = not page or (salt == self._salt and self._has_hole(page, before))
            self._extent, self._salt = now, salt

    def is_as_left(self) -> bool:
        """Whether nothing else has touched it."""
        return not self._is_spoiled and extent(self._path) == self._extent

    def is_whole(self) -> bool | None:
        """Whether nothing was cut off or overwritten. None where it is empty: who carried it all over may do so.

        Raises OSError where it can't be looked at.
        """
        now = extent(self._path)
        if self._is_spoiled or now is None:
            return False
        if not now[1]:
            return None
        page, salt = self._head()
        if not page or not self._extent:
            return bool(page)
        return salt != self._salt or now[1] >= self._extent[1] or not self._is_cut(page, salt, now[1])

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _head(self) -> tuple[int, bytes]:
        """The bytes of a page, 0 where that is no log; and its salt: another one each time that the log is begun anew,
        which each page that counts has too."""
        head = self._bytes(0, HEAD)
        if len(head) < HEAD or head[:4] not in MAGIC:
            return 0, b""
        return int.from_bytes(head[8:12], "big"), head[16:24]

    def _has_hole(self, page: int, before: tuple[int, int] | None) -> bool:
        """Whether nothing stands any more where it ended before."""
        begin = before[1] - page - FRAME if before else 0
        return begin >= HEAD and not (begin - HEAD) % (page + FRAME) and not any(self._bytes(begin, FRAME))

    def _is_cut(self, page: int, salt: bytes, size: int) -> bool:
        """Whether it ends in the midst of what counts. (Behind that stands what counted before it was begun anew.)"""
        whole = (size - HEAD) // (page + FRAME)
        return whole < 1 or self._bytes(HEAD + (whole - 1) * (page + FRAME), FRAME)[8:16] == salt

    def _bytes(self, begin: int, count: int) -> bytes:
        """SQLite locks nothing of this file, so that it may be opened and closed. Raises OSError."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, FLAGS)
        os.lseek(self._descriptor, begin, os.SEEK_SET)
        return os.read(self._descriptor, count)
