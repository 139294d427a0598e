"""Traces that come from elsewhere: taken in by the batch, and none of them twice.

Owns the tables `transcript` (how far each file was read) and `taken` (which answers came from elsewhere). Must never
hold the database's lock for long, because a proxy may be writing to it at the same time. The one surprise: an answer
that went through this proxy is known by the ids that its client was given, `msg_` and `req_` before the trace's own;
only where a provider's answer was passed on as it came have the stored replies of the session to be looked at.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from types import TracebackType
from typing import Any

from ccr_tui import chunks
from ccr_tui.records import Json, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import marks, schema
from ccr_tui.store.bodies import Desk
from ccr_tui.store.codec import BROKEN, utf8
from ccr_tui.store.insert import Insertion
from ccr_tui.store.removal import Removal
from ccr_tui.store.veil import Cover, as_it_is
from ccr_tui.wire import dumps

HOLD_S = 0.1
"""How long one transaction may last."""
TAKEN = "SELECT 1 FROM taken WHERE message = ?1 AND (request IN (?2, '') OR ?2 = '' OR side OR ?3) LIMIT 1"
"""A request id that one of them lacks tells nothing apart."""
TAKEN_AS = """
SELECT message, request, uid FROM taken
WHERE message IN (SELECT value FROM json_each(?1)) AND (request IN (?2, '') OR ?2 = '' OR side OR ?3)
"""
REPLIES = """
SELECT DISTINCT t.reply_id FROM trace t JOIN session s ON s.id = t.session_id
WHERE s.uid = ? AND t.origin <> 'replay' AND t.uid NOT LIKE 'cc-%' AND t.reply_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a model, as whoever brings it knows it."""

    message: str
    request: str
    side: bool = False
    """It stands in a talk beside the main one, which may repeat the main one's answers under new request ids."""
    session: str | None = None
    reply: Json = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer that came from elsewhere."""

    message: str
    request: str
    uid: str | None
    """The trace's that holds it; None where an older version took it in, or where it is here under another id."""


@dataclass(slots=True)
class Replies:
    """What the stored replies of a session can be known by."""

    messages: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)
    texts: set[bytes] = field(default_factory=set)

    def have(self, reply: Json) -> bool:
        """Whether it is one of them: by its id, by its tools' ids, or by what it says where it has no id."""
        id = reply.get("id") if isinstance(reply, dict) else None
        if id in self.messages or self.tools & tools_of(reply):
            return True
        return not id and bool(self.texts) and said(reply) in self.texts


class Intake:
    """A database that is open to what comes. Every method may raise StoreError."""

    def __init__(self, path: Path, cover: Cover = as_it_is) -> None:
        self._path, self._cover = path, cover
        self._db = schema.writable(path)
        self._insertion = Insertion(self._db)
        self._desk = Desk(self._db)
        self._replies: dict[str, Replies] = {}
        self._since: float | None = None

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What was added stays, unless the database itself is the trouble."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK" if isinstance(error, sqlite3.Error) else "COMMIT")
        finally:
            self._db.close()
        if isinstance(error, sqlite3.Error):
            raise schema.trouble(self._path, error) from error

    def exists(self, uid: str) -> bool:
        """Whether there is a trace of that id."""
        return self._db.execute("SELECT 1 FROM trace WHERE uid = ?", (utf8(uid),)).fetchone() is not None

    def has(self, uid: str) -> bool:
        """Whether there is one, or was and has been removed: then the sums still have it."""
        return self._insertion.has(utf8(uid))

    def taken_as(self, messages: Sequence[str], request: str = "", side: bool = True) -> list[Taken]:
        """What was taken under one of these message ids, and that request id if it tells them apart."""
        given = (dumps([*map(utf8, messages)]).decode(), utf8(request), side)
        return [Taken(*row) for row in self._db.execute(TAKEN_AS, given)]

    def is_taken(self, answer: Answer) -> bool:
        """Whether it came from elsewhere before."""
        row = (utf8(answer.message), utf8(answer.request), answer.side)
        return self._db.execute(TAKEN, row).fetchone() is not None

    def is_ours(self, answer: Answer) -> bool:
        """Whether it went through the proxy, so that its trace is here."""
        if self.has(answer.message.removeprefix("msg_")) or self.has(answer.request.removeprefix("req_")):
            return True
        return answer.session is not None and self._of(answer.session).have(answer.reply)

    def add(self, trace: Trace, answer: Answer | None = None) -> None:
        """Keep a trace; `answer` is what it will be known by."""
        self._begin()
        self._insertion.add(self._cover(trace))
        if answer is not None:
            self.note(answer, trace.uid)

    def replace(self, uids: Sequence[str], trace: Trace, answer: Answer | None = None) -> None:
        """Keep a trace in the place of those that tell less of the same answer."""
        self._begin()
        removal, places = Removal(self._db), []
        for uid in uids:
            (n,) = self._db.execute("SELECT n FROM trace WHERE uid = ?", (utf8(uid),)).fetchone()
            places.append(removal.give_way(n))
        removal.sweep()
        self._insertion.forget()
        self.add(trace, answer)
        (n,) = self._db.execute("SELECT n FROM trace WHERE uid = ?", (utf8(trace.uid),)).fetchone()
        for place in places:
            removal.hand_on(place, n, utf8(trace.uid))

    def note(self, answer: Answer, uid: str | None = None) -> None:
        """Remember an answer, and the trace that holds it; None where it is here under another id."""
        self._begin()
        row = (utf8(answer.message), utf8(answer.request), answer.side, uid and utf8(uid))
        self._db.execute("INSERT OR IGNORE INTO taken (message, request, side, uid) VALUES (?, ?, ?, ?)", row)

    def bring(self, uid: str, mark: marks.Mark) -> None:
        """What a person has put on a trace elsewhere."""
        self._begin()
        marks.bring(self._db, uid, mark)

    def read_to(self, file: str) -> tuple[int, int, int]:
        """A file's size and time of change (ns) when it was read, and how far it was taken in; zeros for a new one."""
        row = self._db.execute(
            "SELECT size, mtime_ns, read_to FROM transcript WHERE path = ?", (utf8(file),)
        ).fetchone()
        return (int(row[0]), int(row[1]), int(row[2])) if row else (0, 0, 0)

    def mark(self, file: str, size: int, mtime_ns: int, read_to: int) -> None:
        """Remember how far a file was taken in."""
        self._begin()
        self._db.execute(
            "REPLACE INTO transcript VALUES (?, ?, ?, ?, ?)", (utf8(file), size, mtime_ns, read_to, time.time())
        )

    def breathe(self) -> None:
        """Let others write, if the transaction has lasted long enough; call between two traces."""
        if self._since is not None and time.monotonic() - self._since > HOLD_S:
            self.commit()

    def commit(self) -> None:
        """What was added so far is in the database."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._since = None

    def _begin(self) -> None:
        if self._db.in_transaction:
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._since = time.monotonic()

    def _of(self, session: str) -> Replies:
        known = self._replies.get(session)
        if known is None:
            known = self._replies[session] = Replies()
            for (body,) in self._db.execute(REPLIES, (utf8(session),)).fetchall():
                self._learn(known, body)
        return known

    def _learn(self, known: Replies, body: int) -> None:
        try:
            reply = self._desk.get(body)
        except BROKEN:
            return
        if isinstance(reply, dict):
            known.messages.add(str(reply.get("id") or ""))
            known.tools |= tools_of(reply)
            known.texts.add(said(reply))
            known.messages.discard("")


def tools_of(reply: Json) -> set[str]:
    """The ids of the tools' calls in a reply."""
    return {str(block["id"]) for block in _blocks(reply) if block.get("type") == "tool_use" and block.get("id")}


def said(reply: Json) -> bytes:
    """What a reply says, as a name for it."""
    return chunks.digest(dumps(_blocks(reply)))


def _blocks(reply: Json) -> Sequence[dict[str, Any]]:
    content = reply.get("content") if isinstance(reply, dict) else None
    return list(_dicts(content)) if isinstance(content, list) else []


def _dicts(values: list[Json]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))
