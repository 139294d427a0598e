"""The files beside the database, for traces that are not in it.

Owns two of them: `<db>.waiting.jsonl` for what could not be written yet, which is taken back by itself, and
`<db>.rejects.jsonl` for what the database refused. Must never hold a trace that is nowhere told of. The one surprise:
both are archives as `traces import` reads them, so that a person can take them anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

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


def waiting(db: Path) -> Iterator[Trace]:
    """What waits for this database. A line that was torn by a full disk, and what is no trace, is left out."""
    path = waiting_file(db)
    try:
        ownfiles.check(path)
    except OSError:  # somebody else has put it there
        return
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.readline()
        for line in file:
            with suppress(StoreError):
                yield from archive.read([head, line], path.name)


def put_aside(path: Path, trace: Trace, why: str) -> None:
    """Add a trace to one of the files. Raises one of `UNWRITABLE`; a part that was written is taken off again."""
    size = path.stat().st_size if path.exists() else 0
    try:
        archive.append_reject(path, trace, why)
    except OSError:
        with suppress(OSError):
            os.truncate(path, size)
        raise


def no_longer_waiting(db: Path) -> None:
    """All of it is in the database now."""
    with suppress(OSError):
        waiting_file(db).unlink()
