"""Files that nobody else can read, and that nobody else can lead elsewhere.

Owns how a file that holds what was said, or a directory for such files, is made. Must never look at what is in one. The
one surprise: what is there already counts as much as how it is made. In a directory that others can write into (/tmp),
somebody may have put a link, or a file of their own, under the name that we are about to use.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

if sys.platform == "win32":  # there a file that somebody has open can't be removed, which does as much

    def lock(descriptor: int) -> None:
        """Nothing."""
else:
    from fcntl import LOCK_EX, flock

    def lock(descriptor: int) -> None:
        """Wait until nobody else has locked the file; the lock goes when the descriptor is closed."""
        flock(descriptor, LOCK_EX)


FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""O_NONBLOCK: a pipe under the name must not hold us."""
OURS_ONLY = 0o600
LINK = "is a symbolic link, which ccr-tui does not follow there: name the file itself"


def create(path: Path, flags: int) -> int:
    """A descriptor of the file, which is made if it is not there; mode 0600. Raises OSError where it is not ours."""
    try:
        descriptor = os.open(path, flags | os.O_CREAT | FLAGS, OURS_ONLY)
    except OSError as error:
        raise OSError(errno.ELOOP, LINK) if error.errno == errno.ELOOP and path.is_symlink() else error from None
    try:
        about = os.fstat(descriptor)
        _refuse(path, about)
        if about.st_mode & 0o077 and hasattr(os, "fchmod"):
            with suppress(OSError):  # a file system without modes
                os.fchmod(descriptor, OURS_ONLY)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def alone(path: Path, flags: int) -> int:
    """The same, while no other program that asks so has it: what is written can't go into a file that was just removed.
    Raises OSError."""
    while True:
        descriptor = create(path, flags)
        lock(descriptor)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        os.close(descriptor)


def check(path: Path) -> None:
    """Raises OSError where a file is there that is not ours to use. One that is not there is fine."""
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        return
    _refuse(path, about)


def close_to_others(path: Path) -> None:
    """Mode 0600 for a file that is there, which is not opened."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with suppress(OSError):  # a file system without modes
            path.chmod(OURS_ONLY)


def folder(path: Path) -> None:
    """Make the directory, and those above it, with mode 0700. What is there already stays as it is. Raises OSError."""
    if not path.is_dir():
        folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def write(path: Path, pieces: Iterable[bytes]) -> int:
    """Replace the file, whole or not at all; gives its size in bytes. Raises OSError.

    A link under the name is replaced, and not followed.
    """
    beside = path.with_name(f".{path.name[:200]}.{token_hex(4)}.part")
    size = 0
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | FLAGS, OURS_ONLY), "wb") as file:
            for piece in pieces:
                size += file.write(piece)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return size


def _refuse(path: Path, about: os.stat_result) -> None:
    if stat.S_ISLNK(about.st_mode):
        raise OSError(errno.ELOOP, LINK)
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "is no ordinary file")
    if hasattr(os, "geteuid") and about.st_uid != os.geteuid() and not (os.geteuid() == 0 and _is_ours(path.parent)):
        raise OSError(errno.EPERM, f"belongs to somebody else (user {about.st_uid})")


def _is_ours(parent: Path) -> bool:
    """Whether nobody but its owner can put files there: root works in the directories of others."""
    return not parent.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
