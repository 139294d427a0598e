"""Traces as JSON lines, to keep, move and take in again.

Owns the archive's format and its version. Must never hold a credential: a trace has none. The one surprise: taking the
same archive in twice changes nothing, because a trace is known by its uid; and the store's rejects file is such an
archive, so that what could not be written can be written later.

The first line is {"format": "ccr-tui traces", "version": 2}; each further line is one trace with its bodies as they
are and its streams in base64. Since version 2 a line may have "mark": {"marked": ..., "note": ...}, what a person has
put on it; version 1 is read too.
"""

from __future__ import annotations

import os
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from typing import Any

from ccr_tui import ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.records import Attempt, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import codec, plausible, schema
from ccr_tui.store.marks import Mark
from ccr_tui.wire import dumps, loads

FORMAT = "ccr-tui traces"
VERSION = 2
READ = (1, 2)
"""Versions that can be taken in."""
HEADER = {"format": FORMAT, "version": VERSION}
MarkOf = Callable[[str], Mark | None]
"""What a person has put on the trace of that uid."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an archive."""

    trace: Trace
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """One line that is no trace."""

    problem: str
    """With the line's number, for people."""
    cause: Exception


def unmarked(_: str) -> None:
    """Nothing."""


def lines(traces: Iterable[Trace], mark_of: MarkOf = unmarked) -> Iterator[bytes]:
    """The archive, line by line, newlines included."""
    yield dumps(HEADER) + b"\n"
    for trace in traces:
        mark = mark_of(trace.uid)
        yield dumps(_trace_json(trace) | ({"mark": asdict(mark)} if mark else {})) + b"\n"


def read(given: Iterable[bytes], name: str = "archive", *, is_ours: bool = False) -> Iterator[Trace]:
    """The traces of an archive, one by one. Raises StoreError, which names the line and what is wrong with it; of one
    that `is_ours` only what can't be read at all is wrong."""
    return (entry.trace for entry in entries(given, name, is_ours=is_ours))


def entries(given: Iterable[bytes], name: str = "archive", *, is_ours: bool = False) -> Iterator[Entry]:
    """The same with what a person has put on them."""
    for each in told(given, name, is_ours=is_ours):
        if isinstance(each, Wrong):
            raise StoreError(f"{name}, {each.problem}.") from each.cause
        yield each


def told(given: Iterable[bytes], name: str = "archive", *, is_ours: bool = False) -> Iterator[Entry | Wrong]:
    """The same, and what is wrong with lines that are no trace. Raises StoreError for what is no archive at all."""
    numbered = enumerate(given, 1)
    _check_header(next(numbered, (1, b""))[1], name)
    for number, line in numbered:
        if line.strip():
            yield _entry(line, number, is_ours)


def append_reject(path: Path, trace: Trace, problem: str) -> None:
    """Add a trace to the rejects file with the reason; a part that was written before a fault is taken off again.

    Raises OSError, ValueError, TypeError or RecursionError.
    """
    line = dumps(_trace_json(trace) | {"rejected": problem}) + b"\n"
    with os.fdopen(ownfiles.alone(path, os.O_RDWR | os.O_APPEND), "ab+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        rest = memoryview(_before(file, size) + line)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def _before(file: FileIO, size: int) -> bytes:
    """What must stand before a further line: the first one, or the end of a torn one."""
    if not size:
        return dumps(HEADER) + b"\n"
    file.seek(size - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def take_in(path: Path, traces: Iterable[Trace]) -> tuple[int, int]:
    """Store traces into the database at `path`; those whose uid it has are left alone. (how many are new, how many not)

    Raises StoreError. What was stored before a fault stays: taking in again goes on from there.
    """
    from ccr_tui.store.insert import Insertion

    connection = schema.writable(path)
    try:
        insertion, new, known = Insertion(connection), 0, 0
        for trace in traces:
            if connection.execute("SELECT 1 FROM trace WHERE uid = ?", (trace.uid,)).fetchone():
                known += 1
                continue
            connection.execute("BEGIN IMMEDIATE")
            insertion.add(trace)
            connection.execute("COMMIT")
            new += 1
        return new, known
    except sqlite3.Error as error:
        raise schema.trouble(path, error) from error
    finally:
        connection.close()


def _trace_json(trace: Trace) -> dict[str, Any]:
    given = codec.to_json(trace)
    pairs = zip(given["attempts"], trace.attempts, strict=True)
    return given | {
        "attempts": [entry | {"sent": attempt.sent, "stream": _stream_json(attempt)} for entry, attempt in pairs],
        "body": trace.body,
        "raw": None if trace.raw is None else b64encode(trace.raw).decode(),
        "reply": trace.reply,
    }


def _stream_json(attempt: Attempt) -> list[list[Any]]:
    return [[ms, b64encode(piece).decode()] for ms, piece in attempt.stream]


def _entry(line: bytes, number: int, is_ours: bool) -> Entry | Wrong:
    try:
        given = loads(line)
        given.pop("rejected", None)
        mark = _mark(given.pop("mark", None))
        raw = given.pop("raw")
        heavy = [_heavy(entry) for entry in given["attempts"]]
        trace = codec.from_json(given, heavy, raw=None if raw is None else b64decode(raw))
        if not is_ours:
            plausible.check(trace)
        return Entry(trace, mark)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Wrong(f"line {number}: this is no trace ({type(error).__name__}: {error})", error)


def _mark(given: Any) -> Mark | None:
    if given is None:
        return None
    marked, note = given["marked"], given["note"]
    if not isinstance(marked, bool) or not isinstance(note, str | None):
        raise ValueError(f"a mark that is {given!r}")
    return Mark(marked, note)


def _heavy(entry: dict[str, Any]) -> dict[str, Any]:
    return {"sent": entry["sent"], "stream": tuple((ms, b64decode(piece)) for ms, piece in entry["stream"])}


def _check_header(line: bytes, name: str) -> None:
    try:
        header = loads(line)
        made_by = header["format"], header["version"]
    except (ValueError, KeyError, TypeError):
        made_by = None, None
    if made_by[0] != FORMAT:
        first = f'{{"format":"{FORMAT}","version":{VERSION}}}'
        raise StoreError(f"{name}: not an archive of ours; its first line must be {first}.")
    if made_by[1] not in READ:
        raise StoreError(
            f"{name}: version {made_by[1]} of the archive; this ccr-tui reads {VERSION} and older ones. Update ccr-tui."
        )
