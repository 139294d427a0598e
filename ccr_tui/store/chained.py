"""SQLite's log by its own checksums: up to where nothing has been altered.

Owns the walk along them (https://sqlite.org/fileformat2.html#walformat): each page in the log is summed up together
with all before it. Must never write. The one surprise: SQLite looks at these sums at the start alone; what something
else writes into the middle of a log is read as if it were data, and at the next start everything behind it is gone.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from zlib import crc32

HEAD, FRAME = 32, 24
"""Bytes that the log begins with, and that each page in it does."""
LITTLE, BIG = b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"
"""How a log begins, by the order of bytes in which it is summed up."""
Read = Callable[[int, int], bytes]
"""So many bytes from there on; fewer at the end. Raises OSError."""


class Chain:
    """What was walked before is not summed up again (60 us a page), but compared (1 us)."""

    __slots__ = ("_at", "_committed", "_crc", "_head", "_sums")

    def __init__(self) -> None:
        self._head = b""
        self._begin()

    def _begin(self) -> None:
        self._at = self._committed = HEAD
        self._crc, self._sums = 0, (0, 0)

    def whole(self, read: Read) -> int:
        """Where the last transaction ends that is as it was written; 0 where not even the log's head is."""
        head = read(0, HEAD)
        if head != self._head or crc32(read(HEAD, self._at - HEAD)) != self._crc:
            self._begin()
            self._head, self._sums = head, _summed((0, 0), head[:24], head[:4])
            if len(head) < HEAD or _told(self._sums) != head[24:]:
                self._head = b""
                return 0
        size = FRAME + int.from_bytes(head[8:12], "big")
        while self._is_next(read(self._at, size), size):
            pass
        return self._committed

    def _is_next(self, frame: bytes, size: int) -> bool:
        """Whether that is a page that belongs here."""
        if len(frame) < size or frame[8:16] != self._head[16:24]:
            return False
        sums = _summed(_summed(self._sums, frame[:8], self._head[:4]), frame[FRAME:], self._head[:4])
        if _told(sums) != frame[16:24]:
            return False
        self._at, self._sums, self._crc = self._at + size, sums, crc32(frame, self._crc)
        if any(frame[4:8]):  # the last one of a transaction
            self._committed = self._at
        return True


def _summed(sums: tuple[int, int], data: bytes, magic: bytes) -> tuple[int, int]:
    """Both sums with these bytes added."""
    words = array("I", data)
    if (magic == BIG) != (sys.byteorder == "big"):
        words.byteswap()
    first, second = sums
    each = iter(words)
    for one, other in zip(each, each, strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def _told(sums: tuple[int, int]) -> bytes:
    """As they stand in the log."""
    return b"".join(each.to_bytes(4, "big") for each in sums)
