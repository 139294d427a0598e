"""One trace into all its tables, and its share into the sums.

Owns the statements that add a trace. Must never begin or end a transaction: the writer and the import do. The one
surprise: plain SQL with remembered ids instead of sqlite-utils, which takes fifteen times as long a row (measured:
107 against 7 us); after a rollback `forget` must be called.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from ccr_tui import chunks, economy
from ccr_tui.chunks import Path
from ccr_tui.economy import Economy
from ccr_tui.records import Attempt, Json, Trace, Usage
from ccr_tui.store import afterwards, codec, gone, said, totals
from ccr_tui.store.before import before
from ccr_tui.store.bodies import Shelf
from ccr_tui.store.mentions import Mentions
from ccr_tui.store.named import Names, inserting, text
from ccr_tui.store.ready import Ready
from ccr_tui.store.schema import SLOT_S
from ccr_tui.store.shares import adding
from ccr_tui.store.titles import Titles

TRACE = (
    "n", "uid", "session_id", "project_id", "agent_id", "origin", "kind", "started_at", "duration_ms", "ttft_ms",
    "outcome", "status", "error", "asked_model", "mode", "agent", "rule", "chosen", "model_id", "stop_reason",
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "usage_basis",
    "estimated_input_tokens", "cost", "cost_basis", "router_cost", "attempts", "run_id", "replay_of", "request_id",
    "reply_id", "cache_saved", "cache_lost",
)  # fmt: skip
ATTEMPT = (
    "id", "trace", "n", "answer", "purpose", "model_id", "started_at", "ttft_ms", "duration_ms", "status",
    "stop_reason", "error", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "usage_basis", "cost", "cost_basis", "price_id", "sent_id", "cache_saved", "cache_lost",
    "switched_tokens", "cache_write_1h_tokens",
)  # fmt: skip


INSERT_TRACE, INSERT_ATTEMPT = inserting("trace", TRACE), inserting("attempt", ATTEMPT)
INSERT_RECORD = inserting("record", ("trace", "data", "raw"))
INSERT_STREAM = inserting("stream", ("attempt", "data"))
INSERT_SAID = inserting("said", ("rowid", "text"))
STATEMENTS = (INSERT_SAID, INSERT_TRACE, INSERT_ATTEMPT, INSERT_RECORD, INSERT_STREAM)
LAST = """
SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'trace'), (SELECT max(id) FROM attempt),
    EXISTS (SELECT 1 FROM gone), (SELECT max(id) FROM chunk), (SELECT max(id) FROM node), (SELECT max(id) FROM body)
"""
ADD_SPEND, ADD_PRUNED = adding("spend"), adding("pruned")
SEE_SESSION = """
INSERT INTO session (uid, project_id, first_at, last_at) VALUES (?, ?, ?, ?)
ON CONFLICT (uid) DO UPDATE SET project_id = ifnull(project_id, excluded.project_id),
    first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)
"""
LEARN = """
INSERT INTO calibration (key, ratio, n, error, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET ratio = excluded.ratio, n = excluded.n, error = excluded.error, at = excluded.at
"""


_Laid: TypeAlias = tuple[int | None, int | None, list[int | None]]
"""The ids of a request's bodies: what was asked, what was answered, and what each attempt sent."""
_Share: TypeAlias = tuple[tuple[Any, ...], tuple[int, ...]]
"""What something adds to the spending: by what it is summed, and what is summed."""


class Insertion:
    """Adds traces through one connection, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._shelf = Shelf(connection)
        self._mentions, self._titles = Mentions(connection), Titles(connection)
        self._names = Names(connection)
        self._sums: dict[tuple[Any, ...], list[tuple[int, ...]]] = {}
        """What the traces of now add to the spending, by its keys."""
        self._rows: dict[str, list[Sequence[Any]]] = {statement: [] for statement in STATEMENTS}
        """What is not written yet."""
        self._sessions: set[int] = set()
        """Whose requests are not written yet."""
        self._is_any_gone = True
        self._attempts = 0
        """The number of late."""
        self._seen = -1

    def forget(self) -> None:
        """Drop every remembered id, and what was not written: the transaction was rolled back."""
        self._shelf.forget()
        self._mentions.forget()
        self._titles.forget()
        self._names.forget()
        self._let_go()
        self._sums.clear()

    def has(self, uid: str) -> bool:
        """Whether a request of that id is there, or was and has been removed."""
        there = self._db.execute("SELECT 1 FROM trace WHERE uid = ?", (uid,)).fetchone()
        return there is not None or gone.is_gone(self._db, [uid])

    def add(self, trace: Trace) -> int:
        """The new trace's `n`. Raises sqlite3.Error, ValueError or TypeError; then nothing of it may be committed."""
        return self.add_all([Ready.of(trace)])

    def add_all(self, made: Sequence[Ready]) -> int:
        """The same for several, whose rows are written together and whose sums are added up first: the last `n`, 0
        without any. What it raises means that none may be committed.

        Step by step for all of them: what a step needs stays in the processor's caches.
        """
        self._forget_what_others_changed()
        is_done = False
        try:
            first = self._begin()
            self._shelf.look_for(path for each in made for path in each.paths())
            whose = [self._whose(each.trace) for each in made]
            numbers = range(first, first + len(made))
            bodies = [self._bodies(*each) for each in zip(made, numbers, whose, strict=True)]
            for each in zip(made, numbers, whose, bodies, strict=True):
                self._add(*each)
            records = ((n, codec.squeeze(each.record), _raw(each.trace)) for n, each in enumerate(made, first))
            self._rows[INSERT_RECORD].extend(records)
            self._write()
            is_done = True
        finally:
            if not is_done:
                self.forget()
        return first + len(made) - 1 if made else 0

    def _begin(self) -> int:
        """The number of the next trace. Numbers are never used twice, so that "after n" stays true when old traces are
        pruned."""
        last, attempt, self._is_any_gone, *bodies = self._db.execute(LAST).fetchone()
        self._attempts = attempt or 0
        self._shelf.begin(*bodies)
        return (last or 0) + 1

    def _write(self) -> None:
        """All that is not written yet."""
        self._flush()
        sums = ((*key, *map(sum, zip(*values, strict=True))) for key, values in self._sums.items())
        self._db.executemany(ADD_SPEND, sums)
        self._sums.clear()

    def _flush(self) -> None:
        """The same but for the sums."""
        self._shelf.flush()
        for statement, rows in self._rows.items():
            if rows:
                self._db.executemany(statement, rows)
        self._let_go()

    def _let_go(self) -> None:
        self._sessions.clear()
        for rows in self._rows.values():
            rows.clear()

    def _bodies(self, made: Ready, n: int, whose: tuple[int | None, int | None]) -> _Laid:
        """Keep what was said and sent."""
        trace, session = made.trace, whose[0]
        by = n, session or 0
        request = self._said(made.request, trace.body, n, session)
        reply = self._said(made.reply, trace.reply, n, session)
        return request, reply, [None if path is None else self._shelf.lay(path, by) for path in made.sent]

    def _add(self, made: Ready, n: int, whose: tuple[int | None, int | None], laid: _Laid) -> None:
        trace, (session, project), (request, reply, sent) = made.trace, whose, laid
        answer = trace.answer
        run = None if trace.run is None else self._names.run(trace)
        economies = self._economies(trace, answer, (session, run, request), n)
        told = [*zip(trace.attempts, map(self._names.model, trace.attempts), economies, strict=True)]
        self._rows[INSERT_TRACE].append(self._row(trace, answer, (n, session, project, run, request, reply), economies))
        for (attempt, model, dealings), body, stream in zip(told, sent, made.streams, strict=True):
            self._attempt(attempt, model, body, stream, n, attempt is answer, dealings)
        if session is not None:
            self._sessions.add(session)
        if trace.origin != "replay":
            self._sum_up(trace, self._shares(trace, answer, session, project, told))

    def _sum_up(self, trace: Trace, shares: Iterable[_Share]) -> None:
        """Into the spending, which has it already if the request was here before and was removed."""
        if self._is_any_gone and gone.comes_back(self._db, trace.uid):
            back = ((*key, *(-value for value in values)) for key, values in shares)
            self._db.executemany(ADD_PRUNED, back)
            return
        for key, values in shares:
            self._sums.setdefault(key, []).append(values)

    def catch_up(self) -> bool:
        """A little of what older versions did not write down; whether there is more."""
        afterwards.step(self._db)
        return afterwards.is_left(self._db)

    def learn(self, key: str, ratio: float, n: int, error: float | None, at: float) -> None:
        """Keep a calibration."""
        self._db.execute(LEARN, (key, ratio, n, error, at))

    def _forget_what_others_changed(self) -> None:
        """Another connection may have removed what we remember the ids of. (Within a transaction nobody can.)"""
        version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._seen:
            self.forget()
            self._seen = version

    def _whose(self, trace: Trace) -> tuple[int | None, int | None]:
        project = self._names.project(trace.project)
        if trace.session is None:
            return None, project
        end = trace.started_at + trace.duration_ms / 1000
        self._db.execute(SEE_SESSION, (text(trace.session), project, trace.started_at, end))
        session = self._names.session(trace.session)
        self._titles.note(session, trace)
        return session, project

    def _said(self, path: Path | None, body: Json, n: int, session: int | None) -> int | None:
        """Keep a body, and that this session said what is in it."""
        if path is None:
            return None

        def index(chunk: int, place: int) -> None:
            words = said.indexed(chunks.spoken(body)[place])
            if words.strip():
                self._rows[INSERT_SAID].append((chunk, words))

        made = self._shelf.lay(path, (n, session or 0), index)
        self._mentions.note(session, n, self._shelf.said, self._shelf.brought)
        return made

    def _row(
        self, trace: Trace, answer: Attempt | None, ids: tuple[Any, ...], economies: Sequence[Economy]
    ) -> tuple[Any, ...]:
        """In the order of TRACE."""
        n, session, project, run, request, reply = ids
        decision, failure, attempts = trace.decision, trace.failure, trace.attempts
        chose = _NOBODY if decision is None else (
            decision.mode, text(decision.agent), text(decision.rule), text(decision.model)
        )  # fmt: skip
        told = [one for one, attempt in zip(economies, attempts, strict=True) if attempt.usage]
        return (
            n, trace.uid, session, project, text(trace.agent_id), trace.origin, trace.kind, trace.started_at,
            trace.duration_ms, trace.ttft_ms, trace.outcome, trace.status, failure and text(failure.message),
            text(trace.asked_model), *chose, self._names.answered_by(trace, answer),
            answer and text(answer.stop_reason), *_tokens(answer.usage if answer else None), trace.estimate,
            *totals.money(trace, answer), len(attempts), run, text(trace.replay_of), request, reply,
            economy.total([one.saved for one in told]), economy.total([one.lost for one in told]),
        )  # fmt: skip

    def _economies(
        self, trace: Trace, answer: Attempt | None, ids: tuple[int | None, int | None, int | None], n: int
    ) -> list[Economy]:
        """Each attempt's dealings with the prompt cache."""
        if ids[0] in self._sessions:
            self._flush()  # the request before is to be found
        last = before(self._db, trace, *ids, n, self._flush)
        return [economy.of(attempt, attempt is answer, last) for attempt in trace.attempts]

    def _attempt(
        self, attempt: Attempt, model: int, sent: int | None, stream: bytes, n: int, is_answer: bool, one: Economy
    ) -> None:
        self._attempts += 1
        failure, usage = attempt.failure, attempt.usage
        self._rows[INSERT_ATTEMPT].append((
            self._attempts, n, attempt.n, is_answer, attempt.purpose, model, attempt.started_at,
            attempt.ttft_ms, attempt.duration_ms, attempt.status, text(attempt.stop_reason),
            failure and text(failure.message), *_tokens(usage), attempt.cost, attempt.cost_basis,
            self._names.price(attempt.price) or None, sent, one.saved, one.lost, one.switched,
            usage.cache_write_1h if usage else 0,
        ))  # fmt: skip
        if stream:
            self._rows[INSERT_STREAM].append((self._attempts, codec.pack_stream(stream)))

    def _shares(
        self,
        trace: Trace,
        answer: Attempt | None,
        session: int | None,
        project: int | None,
        told: Iterable[tuple[Attempt, int, Economy]],
    ) -> Iterable[_Share]:
        """What each attempt adds to the sums. The request is counted with its answer, or alone."""
        slot = int(trace.started_at) // SLOT_S * SLOT_S
        agent = trace.decision and text(trace.decision.agent)
        for_all = (agent or "", session or 0, project or 0, trace.kind)
        failed = int(trace.outcome == "error")
        if answer is None:
            model = self._names.answered_by(trace, answer) or 0
            yield (slot, model, *for_all, "answer", "", "unknown", 0), (1, failed, *_NOTHING_ELSE)
        for attempt, model, one in told:
            usage, cost, is_answer = attempt.usage, attempt.cost, attempt is answer
            *tokens, basis = _tokens(usage)
            priced = "unknown" if cost is None else attempt.cost_basis
            unknown = usage is not None and None in (one.saved, one.lost)
            key = (slot, model, *for_all, attempt.purpose, basis or "", priced, self._names.price(attempt.price))
            yield key, (
                int(is_answer), failed if is_answer else 0, *tokens, cost or 0, int(totals.is_unpriced(attempt)),
                one.saved or 0, one.lost or 0, one.switched, int(unknown), usage.cache_write_1h if usage else 0,
            )  # fmt: skip


_NOBODY = (None, None, None, None)
_NOTHING = (0, 0, 0, 0, 0, None)
_NOTHING_ELSE = (0,) * 12
"""What a request that nobody answered adds beside itself."""


def _tokens(usage: Usage | None) -> tuple[Any, ...]:
    """In the order of the sums; the basis last."""
    if usage is None:
        return _NOTHING
    return usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning, usage.basis


def _raw(trace: Trace) -> bytes | None:
    return None if trace.raw is None else zlib.compress(trace.raw)
