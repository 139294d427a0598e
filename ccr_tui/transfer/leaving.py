"""What leaves the database: which requests, in which format, to which file.

Owns the formats and how they are written. Must never hold more than one request at a time, nor leave half a file under
the name that was asked for. The one surprise: everything is redacted unless told otherwise, and what was is known only
at the end; so each format says at its beginning that it is redacted, and the caller tells the counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from ccr_tui import ownfiles
from ccr_tui.config import Config, Provider
from ccr_tui.errors import CcrError
from ccr_tui.records import Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import archive
from ccr_tui.store.marks import Mark
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.transfer import curl
from ccr_tui.transfer.har import har
from ccr_tui.transfer.markdown import markdown
from ccr_tui.transfer.page import closing, page
from ccr_tui.transfer.progress import Report, silent
from ccr_tui.transfer.redaction import Redactor
from ccr_tui.wire import dumps

Format = Literal["jsonl", "har", "md", "html", "curl"]
FORMATS: tuple[Format, ...] = get_args(Format)
WORDS: Mapping[Format, str] = {
    "jsonl": "JSON lines, which `traces import` takes in again",
    "har": "HAR 1.2, for a browser's network panel and other tools",
    "md": "Markdown",
    "html": "one HTML page that needs nothing else",
    "curl": "curl commands",
}
SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".har": "har",
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".sh": "curl",
}
SQUEEZED = ".gz"
"""The end of a name that asks for gzip."""
REDACTED = "Redacted: what looks like a key, an e-mail address, a person's name in a path, an account id or a file."
COMPLETE = "Not redacted."


@dataclass(frozen=True, slots=True)
class Scene:
    """What an export knows beside the requests."""

    heading: str = "Requests"
    address: str = "http://127.0.0.1:3456"
    """Where this proxy listens."""
    secret: bool = False
    """Whether it wants a key of its own."""
    providers: Mapping[str, Provider] = field(default_factory=dict)
    sides: tuple[Literal["received", "sent"], ...] = ("received",)
    """Which of a request's sides become curl commands."""
    marks: archive.MarkOf = archive.unmarked
    """What a person has put on the requests; only an archive holds it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests: these ids, or all that pass a filter."""

    ids: tuple[str, ...] = ()
    filter: Filter | None = None

    def count(self, reader: Reader) -> int:
        """How many."""
        return len(self.ids) or reader.count(self.filter)

    def traces(self, reader: Reader) -> Iterator[Trace]:
        """They, oldest first, or as they were named."""
        if not self.ids:
            yield from reader.traces(self.filter)
        for id in self.ids:
            yield reader.trace(id)


def scene(config: Config, heading: str, sides: Sequence[Literal["received", "sent"]] = ("received",)) -> Scene:
    """What the configuration tells."""
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::", "") else config.host
    address = f"http://{f'[{host}]' if ':' in host else host}:{config.port}"
    return Scene(heading, address, config.api_key is not None, config.providers, tuple(sides))


def marks_in(reader: Reader) -> archive.MarkOf:
    """What a person has put on requests, in this database."""

    def mark_of(uid: str) -> Mark | None:
        row = reader.row(uid)
        return Mark(bool(row.marked), row.note) if row.marked or row.note else None

    return mark_of


def format_of(name: str) -> Format | None:
    """The format that a file's name asks for."""
    path = Path(name.lower())
    return SUFFIXES.get((path.with_suffix("") if path.suffix == SQUEEZED else path).suffix)


def pieces(format: Format, traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    """The export, piece by piece."""
    shown = traces if redactor is None else map(redactor.trace, traces)
    return _FORMATS[format](shown, scene, redactor)


def told(traces: Iterable[Trace], total: int, report: Report = silent) -> Iterator[Trace]:
    """The same traces; `report` gets how many have been."""
    for done, trace in enumerate(traces, 1):
        yield trace
        report(done, total)


def write(pieces: Iterable[bytes], name: str) -> int:
    """Write a file that only its owner can read, whole or not at all; gives its size in bytes. Raises CcrError.

    Where its name ends in .gz it is compressed.
    """
    target = Path(name)
    if target.suffix.lower() == SQUEEZED:
        pieces = squeezed(pieces)
    try:
        if target.is_file() or not target.exists():
            return ownfiles.write(target, pieces)
        with target.open("wb") as file:  # a pipe, or a device
            return copy(pieces, file)
    except OSError as error:
        raise CcrError(f"{name}: {error.strerror}") from error


def copy(pieces: Iterable[bytes], file: BinaryIO) -> int:
    """Into an open file; gives the number of bytes."""
    size = 0
    for piece in pieces:
        size += file.write(piece)
    file.flush()
    return size


def squeezed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same as gzip, without a name or a time."""
    squeeze = zlib.compressobj(wbits=31)
    yield from filter(None, map(squeeze.compress, pieces))
    yield squeeze.flush()


def _jsonl(traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    lines = archive.lines(traces, scene.marks if redactor is None else _clean(scene.marks, redactor))
    first = next(lines)
    yield first if redactor is None else dumps(archive.HEADER | {"redacted": True}) + b"\n"
    yield from lines


def _clean(mark_of: archive.MarkOf, redactor: Redactor) -> archive.MarkOf:
    def cleaned(uid: str) -> Mark | None:
        mark = mark_of(uid)
        return mark and replace(mark, note=mark.note and redactor.text(mark.note))

    return cleaned


def _har(traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    yield from har(traces, scene.address, scene.providers, _remark(redactor))


def _markdown(traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    heading = scene.heading if redactor is None else redactor.text(scene.heading)
    yield from map(_encoded, markdown(traces, heading))
    yield _encoded(f"\n---\n\n{_remark(redactor, ended=True)}\n")


def _html(traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    heading = scene.heading if redactor is None else redactor.text(scene.heading)
    yield from map(_encoded, page(traces, heading, _remark(redactor)))
    yield _encoded(closing(_remark(redactor, ended=True)))


def _curl(traces: Iterable[Trace], scene: Scene, redactor: Redactor | None) -> Iterator[bytes]:
    for trace in traces:
        if "received" in scene.sides and trace.body is not None:
            yield _encoded(f"# {trace.uid} as it came\n{curl.received(trace, scene.address, scene.secret)}\n")
        if "sent" in scene.sides:
            for command in curl.sent(trace, scene.providers):
                yield _encoded(f"# {trace.uid} as it went on\n{command}\n")


def _remark(redactor: Redactor | None, ended: bool = False) -> str:
    if redactor is None:
        return COMPLETE
    return redactor.told() if ended else REDACTED


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


_FORMATS: Mapping[Format, Callable[[Iterable[Trace], Scene, Redactor | None], Iterator[bytes]]] = {
    "jsonl": _jsonl,
    "har": _har,
    "md": _markdown,
    "html": _html,
    "curl": _curl,
}
