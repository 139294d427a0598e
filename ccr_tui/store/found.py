"""The full text search: who said these words.

Owns how hits become requests: of each session that said a text, the first request that brought it. Must never read
more than it shows where the words are common. The one surprise: chunks are numbered in the order in which they came, so
the newest hits are read backwards from the end of the index, and the rest of a million is left alone.
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from ccr_tui.store import codec, said
from ccr_tui.store.listing import ROW
from ccr_tui.store.rows import TraceRow

ENOUGH = 4000
"""Hits up to which all of them are put in order; of more, the newest."""
NEWEST = "SELECT rowid FROM said WHERE said MATCH ? ORDER BY rowid DESC LIMIT ?"
HITS = """
WITH hit(chunk) AS (SELECT value FROM json_each(?)),
    brought(trace, chunk) AS (
        SELECT c.trace, c.id FROM hit CROSS JOIN chunk c ON c.id = hit.chunk
        UNION ALL SELECT a.trace, a.chunk FROM hit CROSS JOIN again a ON a.chunk = hit.chunk)
SELECT t.n, max(b.chunk) FROM brought b JOIN trace t ON t.n = b.trace
GROUP BY t.n ORDER BY t.started_at + t.duration_ms / 1000.0 DESC, t.n DESC LIMIT ?
"""
AGAIN = "SELECT chunk, trace FROM again WHERE trace > ? ORDER BY trace DESC"
HOLDS = "SELECT 1 FROM said WHERE said MATCH ? AND rowid = ?"
LOOKED_AT = 2000
"""Repeated texts that are looked at where the words are common."""


def search(db: sqlite3.Connection, text: str, limit: int) -> list[TraceRow]:
    """Newest first, each with a snippet of what was found in it."""
    words = said.whole(text)
    hits = _hits(db, words, limit) if words else []
    if words and len(hits) < limit and said.is_unfinished(text):  # reading all words that begin so takes seconds
        hits = _hits(db, said.query(text), limit)
    return [_row(db, n, chunk, text) for n, chunk in hits]


def _hits(db: sqlite3.Connection, words: str, limit: int) -> list[tuple[int, int]]:
    chunks = [chunk for (chunk,) in db.execute(NEWEST, (words, max(limit, ENOUGH)))]
    if len(chunks) == max(limit, ENOUGH):
        chunks += _repeated(db, words, chunks[-1], limit)
    found: list[tuple[int, int]] = db.execute(HITS, (str(chunks), limit)).fetchall()
    return found


def _repeated(db: sqlite3.Connection, words: str, oldest: int, limit: int) -> list[int]:
    """Older chunks with the words that were said again since the oldest of the new ones."""
    first = db.execute("SELECT trace FROM chunk WHERE id = ?", (oldest,)).fetchone()[0]
    found: list[int] = []
    for chunk, _ in db.execute(AGAIN, (first,)).fetchmany(LOOKED_AT):
        if len(found) < limit and db.execute(HOLDS, (words, chunk)).fetchone():
            found.append(chunk)
    return found


def _row(db: sqlite3.Connection, n: int, chunk: int, text: str) -> TraceRow:
    row = TraceRow(*db.execute(f"{ROW} WHERE t.n = ?", (n,)).fetchone())
    data = db.execute("SELECT data FROM chunk WHERE id = ?", (chunk,)).fetchone()[0]
    return replace(row, snippet=said.snippet(codec.unpack(data), text))
