"""Taking requests out of the database, with all that nobody else uses.

Owns the statements that remove. Must never begin or end a transaction, nor take away what another request shares: a
chunk goes with the last body that holds it. The one surprise: the chunk with the highest number is emptied and not
removed, because SQLite would give its number to the next one, and readers remember chunks by number.

What a request cost moves from the traces to the table `pruned`, so that spending stays what it was; whose requests were
removed is kept as numbers in `gone`, and answers that a provider named in `taken`, so that no import brings them back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from ccr_tui import chunks
from ccr_tui.slim import dataclass
from ccr_tui.store import gone, said
from ccr_tui.store.bodies import Desk
from ccr_tui.store.codec import BROKEN, spread, squeeze
from ccr_tui.store.mentions import path_of
from ccr_tui.store.shares import NOTHING, SPEND_KEYS, THAT, adding, moving
from ccr_tui.wire import dumps, loads

MOVE, ADD = moving("pruned", THAT), adding("spend")
TAKE = "INSERT OR IGNORE INTO taken (message, request, side) VALUES (?, '', 1)"
BODIES = """
SELECT request_id FROM trace WHERE n = ?1 UNION SELECT reply_id FROM trace WHERE n = ?1
UNION SELECT sent_id FROM attempt WHERE trace = ?1
"""
ROWS = (
    "DELETE FROM stream WHERE attempt IN (SELECT id FROM attempt WHERE trace = ?)",
    "DELETE FROM attempt WHERE trace = ?",
    "DELETE FROM record WHERE trace = ?",
    "DELETE FROM mark WHERE trace = ?",
    "DELETE FROM trace WHERE n = ?",
)
FREE_BODY = """
SELECT node FROM body WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM trace WHERE request_id = ?1)
    AND NOT EXISTS (SELECT 1 FROM trace WHERE reply_id = ?1) AND NOT EXISTS (SELECT 1 FROM attempt WHERE sent_id = ?1)
"""
FREE_NODE = """
SELECT parent, chunk FROM node WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM body WHERE node = ?1)
    AND NOT EXISTS (SELECT 1 FROM node AS child WHERE child.parent = ?1)
"""
FREE_CHUNK = """
SELECT data, EXISTS (SELECT 1 FROM said_docsize WHERE id = ?1), id = (SELECT max(id) FROM chunk)
FROM chunk WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM node WHERE chunk = ?1)
"""
SESSION = "SELECT ifnull(session_id, 0) FROM trace WHERE n = ?"
EMPTIED = "DELETE FROM chunk WHERE trace = 0 AND NOT EXISTS (SELECT 1 FROM node WHERE chunk = chunk.id)"
HEIRS = "SELECT n, request_id, reply_id FROM trace WHERE session_id IS nullif(?, 0) AND n > ? ORDER BY n LIMIT 40"
"""Later requests of a session, which most likely repeat what an earlier one said."""
LEFT = "SELECT 1 FROM trace WHERE session_id IS nullif(?, 0) LIMIT 1"
IN_SESSION = """
WITH RECURSIVE below(id) AS (
    SELECT id FROM node WHERE chunk = ? UNION SELECT node.id FROM below JOIN node ON node.parent = below.id)
SELECT min(t.n) FROM below CROSS JOIN body ON body.node = below.id
    CROSS JOIN trace t ON t.request_id = body.id OR t.reply_id = body.id WHERE t.session_id IS nullif(?, 0)
"""
"""The first request of a session that holds a chunk."""
NEXT = "SELECT trace FROM again WHERE chunk = ? AND trace IN (SELECT n FROM trace) ORDER BY trace LIMIT 1"
ANYBODY = """
WITH RECURSIVE below(id) AS (
    SELECT id FROM node WHERE chunk = ? UNION SELECT node.id FROM below JOIN node ON node.parent = below.id ORDER BY 1)
SELECT coalesce((SELECT n FROM trace WHERE request_id = body.id LIMIT 1),
    (SELECT n FROM trace WHERE reply_id = body.id LIMIT 1),
    (SELECT trace FROM attempt WHERE sent_id = body.id LIMIT 1)) AS n
FROM below CROSS JOIN body ON body.node = below.id WHERE n IS NOT NULL LIMIT 1
"""
"""Some request that holds a chunk: the first that is found on the way down from its nodes."""


WAS = "SELECT marked, note, at FROM mark WHERE trace = ?"
HANDED = (
    "UPDATE trace SET replay_of = ?1 WHERE run_id IS NOT NULL AND replay_of = ?2",
    "UPDATE OR REPLACE route_label SET trace = ?1 WHERE trace = ?2",
    "UPDATE taken SET uid = ?1 WHERE uid = ?2",
)


@dataclass(frozen=True, slots=True)
class Place:
    """What others have to do with a request, whose place another takes."""

    uid: str
    mark: tuple[int, str | None, float] | None
    """What a person has put on it, and when."""


class Removal:
    """Removes requests through one connection, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._desk = Desk(connection)
        self._bodies: set[int] = set()
        self._sessions: dict[int, int] = {}

    def take_out(self, n: int) -> None:
        """Remove a request; what it alone used is freed by `sweep`, before the transaction ends."""
        uid, reply = self._db.execute("SELECT uid, reply_id FROM trace WHERE n = ?", (n,)).fetchone()
        self._db.execute(MOVE, (n, n))
        gone.note(self._db, [uid])
        self._note_answer(uid, reply)
        self._remove(n)

    def give_way(self, n: int) -> Place:
        """Remove a request for another that tells more of the same: nothing of it stays in the sums."""
        (uid,) = self._db.execute("SELECT uid FROM trace WHERE n = ?", (n,)).fetchone()
        mark = self._db.execute(WAS, (n,)).fetchone()
        shares = self._db.execute(THAT, (n, n)).fetchall()
        self._db.executemany(
            ADD, [(*share[:SPEND_KEYS], *(-value for value in share[SPEND_KEYS:])) for share in shares]
        )
        for slot in {share[0] for share in shares}:
            self._db.execute(f"DELETE FROM spend WHERE slot = ? AND {NOTHING}", (slot,))
            self._db.execute(f"DELETE FROM spend_total WHERE slot = ? AND {NOTHING}", (slot,))
        self._remove(n)
        return Place(uid, mark)

    def hand_on(self, place: Place, n: int, uid: str) -> None:
        """The request that is there now gets what others had to do with the one of before."""
        for statement in HANDED:
            self._db.execute(statement, (uid, place.uid))
        if place.mark is not None:
            self._db.execute(
                "INSERT OR IGNORE INTO mark (trace, marked, note, at) VALUES (?, ?, ?, ?)", (n, *place.mark)
            )

    def _remove(self, n: int) -> None:
        self._sessions[n] = int(self._db.execute(SESSION, (n,)).fetchone()[0])
        self._bodies.update(body for (body,) in self._db.execute(BODIES, (n,)) if body is not None)
        for statement in ROWS:
            self._db.execute(statement, (n,))

    def sweep(self) -> None:
        """Free what was used by the requests that were taken out, and by nobody else."""
        loose = [chunk for node in self._free_bodies() for chunk in self._free_nodes(node)]
        for chunk in set(loose):
            self._free_chunk(chunk)
        self._hand_over()
        self._bodies, self._sessions = set(), {}

    def _note_answer(self, uid: str, reply: int | None) -> None:
        """A provider's own name of the answer: the client's transcript knows it by that."""
        with suppress(*BROKEN):
            message = self._desk.get(reply)
            id = message.get("id") if isinstance(message, dict) else None
            if isinstance(id, str) and id != f"msg_{uid}":
                self._db.execute(TAKE, (id.encode("utf-8", "replace").decode(),))

    def _free_bodies(self) -> Iterator[int]:
        for body in self._bodies:
            row = self._db.execute(FREE_BODY, (body,)).fetchone()
            if row:
                self._db.execute("DELETE FROM body WHERE id = ?", (body,))
                yield row[0]

    def _free_nodes(self, node: int) -> Iterator[int]:
        """Up from the end of a path, as far as nobody else goes along it; the chunks that were on it."""
        while row := self._db.execute(FREE_NODE, (node,)).fetchone():
            self._db.execute("DELETE FROM node WHERE id = ?", (node,))
            yield row[1]
            node = row[0]

    def _free_chunk(self, chunk: int) -> None:
        row = self._db.execute(FREE_CHUNK, (chunk,)).fetchone()
        if row is None:
            return
        data, is_indexed, is_last = row
        if is_indexed:
            words = said.indexed(loads(spread(data)))
            self._db.execute("INSERT INTO said (said, rowid, text) VALUES ('delete', ?, ?)", (chunk, words))
        self._db.execute("DELETE FROM again WHERE chunk = ?", (chunk,))
        if is_last:
            self._empty(chunk)
        else:
            self._db.execute("DELETE FROM chunk WHERE id = ?", (chunk,))

    def _empty(self, chunk: int) -> None:
        """Its number stays taken. An emptied one of before can go."""
        self._db.execute(EMPTIED)
        data = dumps({"removed": chunk})
        row = (chunks.digest(data), len(data), squeeze(data), chunk)
        self._db.execute("UPDATE chunk SET hash = ?, trace = 0, size = ?, data = ? WHERE id = ?", row)

    def _hand_over(self) -> None:
        """What names a removed request as the first to say it names the next one that does."""
        for session in set(self._sessions.values()):
            numbers = [n for n, whose in self._sessions.items() if whose == session]
            owned = set(self._named("SELECT id FROM chunk WHERE trace = ?", numbers))
            noted = set(self._named("SELECT chunk FROM again WHERE trace = ?", numbers))
            for n, held in self._heirs(session, min(numbers), owned | noted):
                self._name(n, session, held & owned, held & noted)
                owned, noted = owned - held, noted - held
            self._drop(session, noted)
            for chunk in owned:
                self._name_anybody(chunk)

    def _named(self, query: str, numbers: Iterable[int]) -> Iterator[int]:
        for n in numbers:
            yield from (chunk for (chunk,) in self._db.execute(query, (n,)))

    def _heirs(self, session: int, after: int, wanted: set[int]) -> Iterator[tuple[int, set[int]]]:
        """Requests of the session that are left, each with what it is the first to hold of the wanted chunks."""
        left = set(wanted)
        for n, *bodies in self._db.execute(HEIRS, (session, after)).fetchall() if left else ():
            held = {chunk for body in bodies for _, chunk in path_of(self._db, body)} & left
            left -= held
            yield n, held
            if not left:
                return
        if self._db.execute(LEFT, (session,)).fetchone():
            for chunk in left:
                (n,) = self._db.execute(IN_SESSION, (chunk, session)).fetchone()
                if n is not None:
                    yield n, {chunk}

    def _name(self, n: int, session: int, owned: set[int], noted: set[int]) -> None:
        self._db.executemany("UPDATE chunk SET trace = ? WHERE id = ?", ((n, chunk) for chunk in owned))
        row = ((n, chunk, session) for chunk in noted)
        self._db.executemany("UPDATE again SET trace = ? WHERE chunk = ? AND session_id = ?", row)

    def _drop(self, session: int, noted: Iterable[int]) -> None:
        row = ((chunk, session) for chunk in noted)
        self._db.executemany("DELETE FROM again WHERE chunk = ? AND session_id = ?", row)

    def _name_anybody(self, chunk: int) -> None:
        """Nobody in its session holds it any more, so another session's first does, which then need not be noted."""
        row = self._db.execute(NEXT, (chunk,)).fetchone() or self._db.execute(ANYBODY, (chunk,)).fetchone()
        n = int(row[0]) if row else 0
        self._db.execute("UPDATE chunk SET trace = ? WHERE id = ?", (n, chunk))
        session = self._db.execute(SESSION, (n,)).fetchone()
        self._drop(int(session[0]) if session else 0, [chunk])


def remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Remove these requests and what they alone used, within the caller's transaction."""
    removal = Removal(connection)
    for n in numbers:
        removal.take_out(n)
    removal.sweep()
