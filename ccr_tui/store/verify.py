"""Proof that the database holds what was put into it.

Owns the checks of `traces verify`. Must never write, nor hold a lock that a writer would wait for. The one surprise: it
does not trust the chunks' own names alone; each body is put together as a reader would and cut up again, and the hash
of that is compared with the one taken when it came in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path
from time import monotonic

from ccr_tui import chunks, ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.records import Json
from ccr_tui.store import schema, soundness
from ccr_tui.store.bodies import Desk
from ccr_tui.store.codec import BROKEN, spread, unpack
from ccr_tui.store.shares import ALL, KEYS, NOTHING, SPEND, SPEND_KEYS
from ccr_tui.wire import dumps

MOST = 50
"""Problems of one kind that are told; more say nothing new."""

POINTERS = (
    ("node", "parent", "parent NOT IN (SELECT id FROM node) AND parent <> 0"),
    ("node", "chunk", "chunk NOT IN (SELECT id FROM chunk)"),
    ("body", "node", "node NOT IN (SELECT id FROM node)"),
    ("trace", "request_id", "request_id NOT IN (SELECT id FROM body)"),
    ("trace", "reply_id", "reply_id NOT IN (SELECT id FROM body)"),
    ("trace", "session_id", "session_id NOT IN (SELECT id FROM session)"),
    ("trace", "project_id", "project_id NOT IN (SELECT id FROM project)"),
    ("trace", "model_id", "model_id NOT IN (SELECT id FROM model)"),
    ("trace", "n", "n NOT IN (SELECT trace FROM record)"),
    ("attempt", "trace", "trace NOT IN (SELECT n FROM trace)"),
    ("attempt", "sent_id", "sent_id NOT IN (SELECT id FROM body)"),
    ("attempt", "model_id", "model_id NOT IN (SELECT id FROM model)"),
    ("attempt", "price_id", "price_id NOT IN (SELECT id FROM price)"),
    ("record", "trace", "trace NOT IN (SELECT n FROM trace)"),
    ("stream", "attempt", "attempt NOT IN (SELECT id FROM attempt)"),
    ("said_docsize", "id", "id NOT IN (SELECT id FROM chunk)"),
)
"""Table, column, and when what it points at is missing."""

ORPHANS = """
WITH RECURSIVE used(id) AS (
    SELECT node FROM body UNION SELECT node.parent FROM used JOIN node ON node.id = used.id)
SELECT id FROM node WHERE id NOT IN (SELECT id FROM used)
"""
SUMS = f"""
WITH share({", ".join(SPEND)}) AS ({ALL} UNION ALL SELECT {", ".join(SPEND)} FROM pruned),
     summed({", ".join(SPEND)}) AS (
        SELECT {KEYS}, {", ".join(f"sum({name})" for name in SPEND[SPEND_KEYS:])} FROM share GROUP BY {KEYS}),
     expected AS (SELECT * FROM summed WHERE NOT ({NOTHING})),
     kept AS (SELECT {", ".join(SPEND)} FROM spend WHERE NOT ({NOTHING}))
SELECT * FROM (SELECT * FROM expected EXCEPT SELECT * FROM kept)
UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM expected)
"""
"""Where the spending is not what the requests that are here and those that were removed add up to."""
TOTAL_KEYS = ", ".join(name for name in SPEND[:SPEND_KEYS] if name not in ("session_id", "project_id"))
TOTALS = f"""
WITH expected AS (SELECT {TOTAL_KEYS}, {", ".join(f"sum({name})" for name in SPEND[SPEND_KEYS:])}
        FROM spend WHERE NOT ({NOTHING}) GROUP BY {TOTAL_KEYS}),
     kept AS (SELECT {TOTAL_KEYS}, {", ".join(SPEND[SPEND_KEYS:])} FROM spend_total WHERE NOT ({NOTHING}))
SELECT * FROM (SELECT * FROM expected EXCEPT SELECT * FROM kept)
UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM expected)
"""
"""Where the sums without sessions and projects are not those of the sums with them."""


def verify(path: Path, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Every problem found, a sentence each; an empty list is the proof. `progress` gets bodies done and bodies in all.

    Raises StoreError only where the file can't be opened for a reason other than its contents.
    """
    try:
        connection = schema.readable(path)
    except StoreError as error:
        if isinstance(error.__cause__, sqlite3.DatabaseError):
            return [str(error)]
        raise
    try:
        connection.execute("BEGIN")
        checks = (_file, _pointers, _chunks, lambda db: _bodies(db, progress), _orphans, _records, _sums, _words)
        return [problem for check in checks for problem in islice(check(connection), MOST)]
    except sqlite3.DatabaseError as error:
        return [str(schema.trouble(path, error))]
    finally:
        connection.close()


def glance(path: Path, seconds: float = 1.0) -> str:
    """What a moment's look finds wrong, a sentence; "" where nothing is seen. The texts are looked through for so many
    seconds, the newest first. Raises StoreError where the file can't be looked at now."""
    until = monotonic() + seconds
    try:
        ownfiles.check(path)
        if seen := soundness.fault(path):
            if seen == soundness.FOREIGN:
                raise StoreError(schema.FOREIGN.format(path))
            return f"{path} is damaged: {seen}"
        with soundness.looking(path) as db:
            rows = db.execute("SELECT id, hash, data FROM chunk ORDER BY id DESC")
            broken = next(_broken(takewhile(lambda _: monotonic() < until, rows)), "")
            return f"{path} is damaged: {broken}" if broken else ""
    except (sqlite3.OperationalError, OSError) as error:
        raise schema.trouble(path, error) from error
    except sqlite3.DatabaseError as error:
        return str(schema.trouble(path, error))


def _file(db: sqlite3.Connection) -> Iterator[str]:
    for (line,) in db.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield f"SQLite says: {line}"


def _pointers(db: sqlite3.Connection) -> Iterator[str]:
    for table, column, is_lost in POINTERS:
        lost = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL AND {is_lost} LIMIT {MOST}"
        for (value,) in db.execute(lost):
            yield f"{table}.{column} {value} points at nothing"


def _chunks(db: sqlite3.Connection) -> Iterator[str]:
    return _broken(db.execute("SELECT id, hash, data FROM chunk"))


def _broken(rows: Iterable[tuple[int, bytes, bytes]]) -> Iterator[str]:
    for id, name, data in rows:
        try:
            is_whole = chunks.digest(spread(data)) == name
        except BROKEN:
            is_whole = False
        if not is_whole:
            yield f"chunk {id} is not what its hash says"


def _bodies(db: sqlite3.Connection, progress: Callable[[int, int], None] | None) -> Iterator[str]:
    desk, bodies = Desk(db), db.execute("SELECT id, hash FROM body ORDER BY id").fetchall()
    for done, (id, name) in enumerate(bodies, 1):
        try:
            if not _is_named(desk.get(id), name):
                yield f"body {id} is not what was put in"
        except BROKEN as error:
            yield f"body {id} cannot be put together: {error}"
        if progress:
            progress(done, len(bodies))


def _is_named(body: Json, name: bytes) -> bool:
    """Whether the body is what was put in. Older databases name some bodies by the digest of their whole JSON."""
    return name in (chunks.split(body).name, chunks.digest(dumps(body)))


def _orphans(db: sqlite3.Connection) -> Iterator[str]:
    for (id,) in db.execute(ORPHANS):
        yield f"node {id} belongs to no body"


def _records(db: sqlite3.Connection) -> Iterator[str]:
    rows = "SELECT t.n, t.uid, t.started_at, t.outcome, t.attempts, r.data FROM trace t JOIN record r ON r.trace = t.n"
    for n, uid, started, outcome, attempts, data in db.execute(rows):
        try:
            given = unpack(data)
            told = given["uid"], given["started_at"], given["outcome"], len(given["attempts"])
        except BROKEN as error:
            yield f"the record of request {n} cannot be read: {error}"
            continue
        if told != (uid, started, outcome, attempts):
            yield f"the record of request {n} and its row differ"


def _sums(db: sqlite3.Connection) -> Iterator[str]:
    for row in db.execute(SUMS):
        yield f"spending of {dict(zip(SPEND, row, strict=True))} is not the sum of its requests"
    for row in db.execute(TOTALS):
        yield f"the total of {row[: SPEND_KEYS - 2]} is not the sum of its parts"


def _words(db: sqlite3.Connection) -> Iterator[str]:
    """Reads the whole index: what is damaged in it raises an error of SQLite's."""
    db.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, said, 'row')")
    db.execute("SELECT count(*), sum(doc) FROM temp.words").fetchone()
    yield from ()
