"""Files that somebody wants taken in: what each of them is, and how it is read.

Owns the recognition, which looks at what a file holds and not at its name. Must never load more than one trace at once,
but for a HAR, which is one JSON object. The one surprise: everything that is not an archive of ours is asked for by the
ids of its answers, so that the same answer from a transcript, a HAR and the proxy is counted once.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import field
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ccr_tui import __version__
from ccr_tui.errors import BadRequest, CcrError
from ccr_tui.records import Json, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import archive, plausible
from ccr_tui.store.intake import Answer, Intake, Taken
from ccr_tui.store.veil import Cover, as_it_is
from ccr_tui.transfer import har, pairs, retelling
from ccr_tui.transfer.progress import Report, silent
from ccr_tui.transfer.recorded import RECORDED, Recorded, answer_of, recorded_here, trace_of
from ccr_tui.transfer.retelling import Quote, uid_of
from ccr_tui.wire import loads

Given = Trace | archive.Entry | Recorded | str
"""What a file holds: a trace of ours, an exchange of another program's, or why something is neither."""
GZIP = b"\x1f\x8b"
LONGEST = 512 << 20
"""Bytes of an unpacked line, or of a HAR, which is read as a whole: what is packed may be a thousand times its size."""
NAMED = 3
"""Lines of an archive that are named because they are no trace; others are counted."""
Format = Literal["archive", "har", "claude-trace", "transcript"]
LINES = frozenset({"user", "assistant", "system", "summary", "attachment", "queue-operation", "file-history-snapshot"})
"""Types of a transcript's first line, which may have no session yet."""


@dataclass(slots=True)
class Summary:
    """What came of one file."""

    name: str
    format: Format
    new: int = 0
    known: int = 0
    proxied: int = 0
    """Answers whose traces are here because they went through the proxy, or came with a transcript."""
    replaced: int = 0
    """Requests of which less was known before."""
    left: Counter[str] = field(default_factory=Counter)
    """What was not taken, by reason."""

    def lets_in(self, trace: Trace) -> bool:
        """Whether it can be one; else it is among those that were left out."""
        try:
            plausible.check(trace)
        except ValueError as error:
            self.left[f"no request that can be ({error})"] += 1
            return False
        return True

    @property
    def is_damaged(self) -> bool:
        """Whether an archive of ours has lines that are no trace."""
        return self.format == "archive" and bool(self.left)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        told = {"file": self.name, "format": self.format, "new": self.new, "known": self.known}
        return told | {"replaced": self.replaced, "proxied": self.proxied, "left": dict(self.left)}


@contextmanager
def opened(name: str) -> Iterator[tuple[Iterator[bytes], int]]:
    """The lines of the file, or of standard input for "-", and their size, 0 where it is not known; what is gzip is
    unpacked. Raises CcrError."""
    try:
        whole = nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")  # noqa: SIM115 - below
        size = 0 if name == "-" else Path(name).stat().st_size
    except OSError as error:
        raise CcrError(f"{name}: {error.strerror}") from error
    with whole as file:
        if isinstance(file, BufferedReader) and file.peek(len(GZIP)).startswith(GZIP):
            yield _unpacked(file, name), 0
        else:
            yield iter(file), size


def _unpacked(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        with gzip.open(file) as lines:
            while line := lines.readline(LONGEST + 1):
                if len(line) > LONGEST:
                    raise CcrError(
                        f"{name}: a line of it unpacks to more than {LONGEST >> 20} MB, which no request does."
                    )
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CcrError(f"{name}: the compressed file is cut or damaged ({error}); what came before is here.") from error


def recognise(first: bytes, name: str) -> Format | None:
    """What a file is, by its first line; None where that is not enough: then it may be a HAR on many lines."""
    try:
        given = loads(first)
    except ValueError:
        return None
    if not isinstance(given, dict):
        raise CcrError(f"{name}: its first line is no JSON object; {KNOWN}")
    if "format" in given:
        return "archive"
    if isinstance(given.get("log"), dict):
        return "har"
    if isinstance(given.get("request"), dict) and "response" in given:
        return "claude-trace"
    if "sessionId" in given or given.get("type") in LINES:
        return "transcript"
    raise CcrError(f"{name}: this is nothing that can be taken in; {KNOWN}")


KNOWN = "known are archives of `traces export`, HAR files, claude-trace's JSON lines and Claude Code's transcripts."


def format_of(name: str) -> Format:
    """What a file on the disk is. Raises CcrError."""
    with opened(name) as (lines, _):
        return recognise(next(lines, b""), name) or "har"


def take_in(database: Path, name: str, quote: Quote, report: Report = silent, cover: Cover = as_it_is) -> Summary:
    """Import one file that is no transcript; "-" is standard input. Raises CcrError.

    `report` gets bytes, `cover` each trace before it is kept.

    What was taken before a fault stays.
    """
    with opened(name) as (given, size):
        first = next(given, b"")
        if not first:
            raise CcrError(f"{name}: it is empty; {KNOWN}")
        format = recognise(first, name)
        lines = _told(chain([first], given), size, report)
        if format == "transcript":
            raise CcrError(f"{name}: a transcript cannot come through a pipe; give its file or folder.")
        summary = Summary(name, format or "har")
        found = _READERS[summary.format](lines, name)
        with Intake(database, cover) as intake:
            for each in found:
                _take(each, intake, quote, summary)
                intake.breathe()
        return summary


def _take(given: Given, intake: Intake, quote: Quote, summary: Summary) -> None:
    if isinstance(given, str):
        summary.left[given] += 1
    elif isinstance(given, Trace):
        if summary.lets_in(given):
            _take_ours(given, intake, summary)
    elif isinstance(given, archive.Entry):
        _take_ours(given.trace, intake, summary)
        if given.mark is not None:
            intake.bring(given.trace.uid, given.mark)
    else:
        _take_recorded(given, intake, quote, summary)


def _take_ours(trace: Trace, intake: Intake, summary: Summary) -> None:
    """A trace of an archive, or that a HAR of ours tells in full. One that was removed here may come back."""
    if intake.exists(trace.uid):
        summary.known += 1
    elif trace.origin == "replay":
        intake.add(trace)
        summary.new += 1
    else:
        reply = trace.reply if isinstance(trace.reply, dict) else {}
        held = _holders(intake, intake.taken_as([f"msg_{trace.uid}", str(reply.get("id") or "")]))
        _put(trace, None, held, intake, summary)


def _holders(intake: Intake, taken: Iterable[Taken]) -> list[str]:
    """The traces that hold these answers."""
    named = dict.fromkeys(each.uid or uid_of((each.message, each.request)) for each in taken)
    return [uid for uid in named if intake.exists(uid)]


def _put(trace: Trace, answer: Answer | None, held: list[str], intake: Intake, summary: Summary) -> None:
    """Keep it, unless another trace tells as much of the same answer; those that tell less give way."""
    if any(_tells(uid) >= _tells(trace.uid) for uid in held):
        summary.proxied += 1
    elif held:
        intake.replace(held, trace, answer)
        summary.replaced += 1
    else:
        intake.add(trace, answer)
        summary.new += 1


def _tells(uid: str) -> int:
    """How much of a request its trace tells: a transcript the least, then what others recorded, then the proxy."""
    return next((rank for rank, prefix in enumerate((retelling.PREFIX, RECORDED)) if uid.startswith(prefix)), 2)


def _take_recorded(given: Recorded, intake: Intake, quote: Quote, summary: Summary) -> None:
    here = recorded_here(given)
    try:
        trace = trace_of(given, quote, __version__)
    except BadRequest as error:
        summary.left[f"no request for a message ({error})"] += 1
        return
    if not summary.lets_in(trace):
        return
    answer = answer_of(trace, given)
    if intake.has(trace.uid):
        summary.known += 1
    elif here and intake.has(here):
        summary.proxied += 1
    elif answer is None:
        intake.add(trace)
        summary.new += 1
    elif held := _holders(intake, intake.taken_as([answer.message], answer.request, answer.side)):
        _put(trace, answer, held, intake, summary)
    elif intake.is_taken(answer) or intake.is_ours(answer):
        summary.proxied += 1
    else:
        intake.add(trace, answer)
        summary.new += 1


def _har(lines: Iterable[bytes], name: str) -> Iterator[Given]:
    pieces, size = [], 0
    for line in lines:
        pieces.append(line)
        size += len(line)
        if size > LONGEST:
            raise CcrError(f"{name}: it is over {LONGEST >> 20} MB, which is more than can be read as a whole.")
    try:
        given = loads(b"".join(pieces))
    except ValueError as error:
        raise CcrError(f"{name}: this is nothing that can be taken in ({error}); {KNOWN}") from error
    if not isinstance(given, dict) or "log" not in given:
        raise CcrError(f"{name}: this is nothing that can be taken in; {KNOWN}")
    yield from har.read(given)


def _archive(lines: Iterable[bytes], name: str) -> Iterator[Given]:
    wrong = 0
    for each in archive.told(lines, name):
        if isinstance(each, archive.Entry):
            yield each
        else:
            wrong += 1
            yield each.problem if wrong <= NAMED else "further lines that are no trace"


def _claude_trace(lines: Iterable[bytes], name: str) -> Iterator[Given]:
    for line in lines:
        if line.strip():
            given = _object(line)
            yield "a line that is no JSON" if given is None else pairs.of_claude_trace(given)


_READERS: dict[Format, Callable[[Iterable[bytes], str], Iterator[Given]]] = {
    "archive": _archive,
    "claude-trace": _claude_trace,
    "har": _har,
}


def _object(line: bytes) -> dict[str, Json] | None:
    try:
        given = loads(line)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def _told(lines: Iterable[bytes], size: int, report: Report) -> Iterator[bytes]:
    done = 0
    for line in lines:
        yield line
        done += len(line)
        report(done, size)
