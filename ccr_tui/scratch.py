"""Folders for a while: made for what is needed until something ends, and gone afterwards, also after a kill.

Owns their names, in the system's directory for temporary files, and the sweeping of those whose program is gone. Must
never touch a folder that is somebody else's, or that is in use. The one surprise: a lock tells whether its program
still runs, since a process id may be another's by now; where there are no such locks (Windows), an open file can't be
removed, which tells as much.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    from fcntl import LOCK_EX, LOCK_NB, flock

PREFIX = "ccr-tui-"
LOCK = "in-use"
YOUNG_S = 60.0
"""A folder that was made so lately may not have its lock yet."""


@contextmanager
def folder(kind: str) -> Iterator[Path]:
    """A new folder, mode 0700, that is gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-"))
    held = _hold(place / LOCK, os.O_CREAT | os.O_EXCL)
    try:
        yield place
    finally:
        if held >= 0:
            os.close(held)
        shutil.rmtree(place, ignore_errors=True)


def sweep(now: float | None = None) -> list[Path]:
    """Remove the folders of programs that were killed; gives those that are gone. Never raises OSError."""
    found: list[Path] = []
    with suppress(OSError):
        for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
            if _is_left_over(place, time.time() if now is None else now):
                shutil.rmtree(place, ignore_errors=True)
                found += [place] if not place.exists() else []
    return found


def _is_left_over(place: Path, now: float) -> bool:
    """Whether it is a folder of ours that nobody uses."""
    try:
        about, lock = os.lstat(place), os.lstat(place / LOCK)
    except OSError:
        return False
    own = os.geteuid() if hasattr(os, "geteuid") else about.st_uid
    if not (stat.S_ISDIR(about.st_mode) and stat.S_ISREG(lock.st_mode)) or {about.st_uid, lock.st_uid} != {own}:
        return False
    if now - lock.st_mtime < YOUNG_S:
        return False
    held = _hold(place / LOCK, 0)
    if held >= 0:
        os.close(held)
    return held >= 0


def _hold(lock: Path, flags: int) -> int:
    """The lock, taken; negative where another has it."""
    held = -1
    try:
        held = os.open(lock, os.O_RDWR | flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o600)
        if sys.platform != "win32":
            flock(held, LOCK_EX | LOCK_NB)
    except OSError:
        if held >= 0:
            os.close(held)
        return -1
    return held
