"""Where recordings come from: a session of the database, one request of it, or an archive file.

Owns how what a person names becomes a `Recording`. Must never change the database that it reads. The one surprise: a
file is taken into a database of its own, in a folder that goes away with the recording, so that everything after reads
one kind of thing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from ccr_tui import scratch
from ccr_tui.errors import CcrError, StoreError
from ccr_tui.proxy.asked import newest_turn
from ccr_tui.records import Json, Trace
from ccr_tui.replay.words import Recording, Step
from ccr_tui.store import archive
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.store.rows import TraceRow

LAST = "last"
PAGE = 500


@contextmanager
def opened(what: str, reader: Reader) -> Iterator[Recording]:
    """The recording that `what` names: `last`, a file, a session or a request, each by its id or how that begins.

    Raises CcrError, which says what there is.
    """
    if what != LAST and _is_file(what):
        with _from_file(Path(what).expanduser()) as recording:
            yield recording
    else:
        yield of_session(reader, last(reader)) if what == LAST else of_any(reader, what)


def last(reader: Reader) -> str:
    """The session that was last active, reruns left out. Raises CcrError where there is none."""
    for session in reader.sessions(20):
        if any(row.origin != "replay" for row in reader.rows(Filter(session=session.id), limit=20)):
            return session.id
    raise CcrError(f"No session is recorded in {reader.path} yet; name a file, such as traces/coding.jsonl.")


def of_any(reader: Reader, id: str) -> Recording:
    """A session, else a single request, of that id. Raises CcrError for neither."""
    try:
        return of_session(reader, reader.session(id).id)
    except StoreError as no_session:
        try:
            return of_request(reader, id)
        except StoreError:
            hint = "" if reader.path.exists() else "; nothing was recorded yet"
            raise CcrError(
                f"{id!r} is neither a file nor a session nor a request{hint} ({no_session}) `ccr-tui sessions` lists "
                "what there is."
            ) from no_session


def of_session(reader: Reader, session: str) -> Recording:
    """Every request of a session, subagents included, that was answered. Raises CcrError where there is none."""
    rows = [row for row in _rows(reader, Filter(session=session)) if row.session == session]
    kept = [row for row in rows if row.origin != "replay"] or rows
    found = _recording(reader, session, kept, "database")
    return replace(found, newest=max(row.n for row in rows))


def asked(trace: Trace) -> list[Json]:
    """What a request brought: its messages since the last answer."""
    return newest_turn(trace.body)


def newer(reader: Reader, session: str, newest: int) -> int:
    """Requests that a session has had since; no more than a page of them. Raises StoreError."""
    rows = reader.rows(Filter(session=session), limit=PAGE)
    return sum(row.n > newest and row.origin != "replay" and row.usage_basis is not None for row in rows)


def of_request(reader: Reader, id: str) -> Recording:
    """One request alone. Raises StoreError where there is none, CcrError if it was never answered."""
    row = reader.row(id)
    return _recording(reader, row.session or row.id, [row], "database")


@contextmanager
def _from_file(path: Path) -> Iterator[Recording]:
    scratch.sweep()
    with scratch.folder("replay") as folder:
        place = folder / "recording.db"
        try:
            with path.open("rb") as lines:
                archive.take_in(place, archive.read(lines, str(path)))
        except OSError as error:
            raise CcrError(f"{path}: {error.strerror or error}") from error
        reader = Reader(place)
        try:
            rows = list(_rows(reader, Filter()))
            yield _recording(reader, path.stem, rows, str(path))
        finally:
            reader.close()


def _is_file(what: str) -> bool:
    path = Path(what).expanduser()
    return path.is_file() or path.suffix == ".jsonl" or "/" in what


def _rows(reader: Reader, filter: Filter) -> Iterator[TraceRow]:
    before = None
    while page := reader.rows(filter, before, PAGE):
        yield from page
        before = page[-1].n


def _recording(reader: Reader, session: str, rows: Sequence[TraceRow], source: str) -> Recording:
    """Raises CcrError where none of the requests can be replayed."""
    ordered = sorted(rows, key=lambda row: (row.started_at, row.n))
    with_body = reader.paths([row.n for row in ordered]).sent
    good = [row for row in ordered if row.n in with_body and row.usage_basis is not None]
    if not good:
        why = f"none of its {len(rows)} requests was answered" if rows else "it holds no request"
        raise CcrError(f"Nothing of {session} can be replayed: {why}.")
    return Recording(
        session=session,
        title=_title(good, source),
        source=source,
        steps=tuple(Step(n, row) for n, row in enumerate(good, 1)),
        load=reader.trace,
        paths=partial(reader.paths, [row.n for row in good]),
        notes=tuple(_notes(good)),
        skipped=len(rows) - len(good),
    )


def _title(rows: Sequence[TraceRow], source: str) -> str:
    project = next((row.project for row in rows if row.project), None)
    name = Path(source).name if source != "database" else (project or "").rstrip("/").rpartition("/")[2] or "a session"
    return f"{name}, {datetime.fromtimestamp(rows[0].started_at):%Y-%m-%d %H:%M}"


def _notes(rows: Sequence[TraceRow]) -> Iterator[str]:
    imported = sum(row.origin == "imported" for row in rows)
    estimated = sum(row.usage_basis != "reported" for row in rows)
    if imported:
        yield f"{imported} requests were imported: their bodies may lack what the transcript does not hold"
    if estimated:
        yield f"{estimated} requests have estimated tokens: their provider reported none"
