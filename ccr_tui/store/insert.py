"""One trace into all its tables, and its share into the sums.

Owns the statements that add a trace. Must never begin or end a transaction: the writer and the import do. The one
surprise: plain SQL with remembered ids instead of sqlite-utils, which takes fifteen times as long a row (measured:
107 against 7 us); after a rollback `forget` must be called.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from operator import add
from typing import Any

from ccr_tui import economy
from ccr_tui.economy import Economy
from ccr_tui.records import Attempt, Failure, Json, Price, Trace, Usage
from ccr_tui.store import afterwards, codec, gone, said, totals
from ccr_tui.store.before import before
from ccr_tui.store.bodies import Shelf
from ccr_tui.store.mentions import Mentions
from ccr_tui.store.schema import SLOT_S
from ccr_tui.store.shares import SPEND_KEYS, adding
from ccr_tui.store.titles import Titles

TRACE = (
    "n", "uid", "session_id", "project_id", "agent_id", "origin", "kind", "started_at", "duration_ms", "ttft_ms",
    "outcome", "status", "error", "asked_model", "mode", "agent", "rule", "chosen", "model_id", "stop_reason",
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "usage_basis",
    "estimated_input_tokens", "cost", "cost_basis", "router_cost", "attempts", "run_id", "replay_of", "request_id",
    "reply_id", "cache_saved", "cache_lost",
)  # fmt: skip
ATTEMPT = (
    "trace", "n", "answer", "purpose", "model_id", "started_at", "ttft_ms", "duration_ms", "status", "stop_reason",
    "error", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "usage_basis", "cost", "cost_basis", "price_id", "sent_id", "cache_saved", "cache_lost", "switched_tokens",
    "cache_write_1h_tokens",
)  # fmt: skip


def _statement(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


INSERT_TRACE = _statement("trace", TRACE)
INSERT_ATTEMPT = _statement("attempt", ATTEMPT)
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


class Insertion:
    """Adds traces through one connection, inside the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._shelf = Shelf(connection)
        self._mentions, self._titles = Mentions(connection), Titles(connection)
        self._ids: dict[tuple[object, ...], int] = {}
        self._sums: dict[tuple[Any, ...], list[Any]] = {}
        """What the traces of now add to the spending, by its keys."""
        self._is_any_gone = True
        self._seen = -1

    def forget(self) -> None:
        """Drop every remembered id: the transaction was rolled back."""
        self._shelf.forget()
        self._mentions.forget()
        self._titles.forget()
        self._ids.clear()
        self._sums.clear()

    def has(self, uid: str) -> bool:
        """Whether a request of that id is there, or was and has been removed."""
        there = self._db.execute("SELECT 1 FROM trace WHERE uid = ?", (uid,)).fetchone()
        return there is not None or gone.is_gone(self._db, [uid])

    def add(self, trace: Trace) -> int:
        """The new trace's `n`. Raises sqlite3.Error, ValueError or TypeError; then nothing of it may be committed."""
        return self.add_all([trace])

    def add_all(self, traces: Iterable[Trace]) -> int:
        """The same for several, whose sums are added up first (a row of them costs as much as a trace's): the last `n`,
        0 without any. What it raises means that none may be committed."""
        self._forget_what_others_changed()
        self._is_any_gone = gone.is_any(self._db)
        first, n = self._next(), 0
        for n, trace in enumerate(traces, first):
            self._add(trace, n)
        self._db.executemany(ADD_SPEND, [(*key, *sums) for key, sums in self._sums.items()])
        self._sums.clear()
        return n

    def _add(self, trace: Trace, n: int) -> None:
        session, project = self._whose(trace)
        answer = trace.answer
        row = self._row(trace, answer, n, session, project)
        economies = self._economies(trace, answer, row)
        self._db.execute(INSERT_TRACE, [row[name] for name in TRACE])
        for attempt, dealings in zip(trace.attempts, economies, strict=True):
            self._attempt(trace, attempt, n, attempt is answer, dealings)
        record = codec.pack(codec.to_json(trace))
        self._db.execute("INSERT INTO record (trace, data, raw) VALUES (?, ?, ?)", (n, record, _raw(trace)))
        self._sum_up(trace, self._shares(trace, answer, row, economies))

    def _sum_up(self, trace: Trace, shares: Iterable[list[Any]]) -> None:
        """Into the spending, which has it already if the request was here before and was removed."""
        if self._is_any_gone and gone.comes_back(self._db, trace.uid):
            back = ([*share[:SPEND_KEYS], *(-value for value in share[SPEND_KEYS:])] for share in shares)
            self._db.executemany(ADD_PRUNED, back)
            return
        for share in shares:
            key, values = tuple(share[:SPEND_KEYS]), share[SPEND_KEYS:]
            self._sums[key] = [*map(add, self._sums[key], values)] if key in self._sums else values

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

    def _next(self) -> int:
        """Numbers are never used twice, so that "after n" stays true when old traces are pruned."""
        last = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'trace'").fetchone()
        return int(last[0]) + 1 if last else 1

    def _whose(self, trace: Trace) -> tuple[int | None, int | None]:
        project = None if trace.project is None else self._id("project", path=_text(trace.project))
        if trace.session is None:
            return None, project
        end = trace.started_at + trace.duration_ms / 1000
        self._db.execute(SEE_SESSION, (_text(trace.session), project, trace.started_at, end))
        session = self._id("session", uid=_text(trace.session))
        self._titles.note(session, trace)
        return session, project

    def _said(self, body: Json, n: int, session: int | None) -> int | None:
        """Keep a body, and that this session said what is in it."""
        made = self._shelf.put(body, n, self._index)
        if made is not None:
            self._mentions.note(session, n, self._shelf.said)
        return made

    def _row(
        self, trace: Trace, answer: Attempt | None, n: int, session: int | None, project: int | None
    ) -> dict[str, Any]:
        decision = trace.decision
        return {
            "n": n,
            "uid": trace.uid,
            "session_id": session,
            "project_id": project,
            "agent_id": _text(trace.agent_id),
            "origin": trace.origin,
            "kind": trace.kind,
            "started_at": trace.started_at,
            "duration_ms": trace.duration_ms,
            "ttft_ms": trace.ttft_ms,
            "outcome": trace.outcome,
            "status": trace.status,
            "error": _message(trace.failure),
            "asked_model": _text(trace.asked_model),
            "mode": decision and decision.mode,
            "agent": decision and _text(decision.agent),
            "rule": decision and _text(decision.rule),
            "chosen": decision and _text(decision.model),
            "model_id": self._answered_by(trace, answer),
            "stop_reason": answer and _text(answer.stop_reason),
            **_tokens(answer.usage if answer else None),
            "estimated_input_tokens": trace.estimate,
            "cost": totals.cost(trace.attempts),
            "cost_basis": totals.cost_basis(trace),
            "router_cost": totals.router_cost(trace),
            "attempts": len(trace.attempts),
            "run_id": None if trace.run is None else self._run(trace),
            "replay_of": _text(trace.replay_of),
            "request_id": self._said(trace.body, n, session),
            "reply_id": self._said(trace.reply, n, session),
        }

    def _economies(self, trace: Trace, answer: Attempt | None, row: dict[str, Any]) -> list[Economy]:
        """Each attempt's dealings with the prompt cache; their sums go into the trace's row."""
        last = before(self._db, trace, row["session_id"], row["run_id"], row["request_id"], row["n"])
        found = [economy.of(attempt, attempt is answer, last) for attempt in trace.attempts]
        told = [one for one, attempt in zip(found, trace.attempts, strict=True) if attempt.usage]
        row["cache_saved"] = economy.total([one.saved for one in told])
        row["cache_lost"] = economy.total([one.lost for one in told])
        return found

    def _attempt(self, trace: Trace, attempt: Attempt, n: int, is_answer: bool, dealings: Economy) -> None:
        row = {
            "trace": n,
            "n": attempt.n,
            "answer": is_answer,
            "purpose": attempt.purpose,
            "model_id": self._model(attempt),
            "started_at": attempt.started_at,
            "ttft_ms": attempt.ttft_ms,
            "duration_ms": attempt.duration_ms,
            "status": attempt.status,
            "stop_reason": _text(attempt.stop_reason),
            "error": _message(attempt.failure),
            **_tokens(attempt.usage),
            "cost": attempt.cost,
            "cost_basis": attempt.cost_basis,
            "price_id": self._price_id(attempt) or None,
            "sent_id": self._shelf.put(attempt.sent, n),
            "cache_saved": dealings.saved,
            "cache_lost": dealings.lost,
            "switched_tokens": dealings.switched,
            "cache_write_1h_tokens": _hour(attempt.usage),
        }
        made = self._db.execute(INSERT_ATTEMPT, [row[name] for name in ATTEMPT]).lastrowid
        if attempt.stream:
            stream = codec.pack_stream(attempt.stream)
            self._db.execute("INSERT INTO stream (attempt, data) VALUES (?, ?)", (made, stream))

    def _shares(
        self, trace: Trace, answer: Attempt | None, row: dict[str, Any], economies: Iterable[Economy]
    ) -> Iterable[list[Any]]:
        """What each attempt adds to the sums, a replay's nothing. The request is counted with its answer, or alone."""
        if trace.origin == "replay":
            return
        slot = int(trace.started_at) // SLOT_S * SLOT_S
        for_all = [row["agent"] or "", row["session_id"] or 0, row["project_id"] or 0, trace.kind]
        request = [1, int(trace.outcome == "error")]
        if answer is None:
            yield [slot, row["model_id"] or 0, *for_all, "answer", "", "unknown", 0, *request, *([0] * 12)]
        for attempt, dealings in zip(trace.attempts, economies, strict=True):
            counted = request if attempt is answer else [0, 0]
            *tokens, basis = _tokens(attempt.usage).values()
            priced = ["unknown" if attempt.cost is None else attempt.cost_basis, self._price_id(attempt)]
            key = [slot, self._model(attempt), *for_all, attempt.purpose, basis or "", *priced]
            money = [attempt.cost or 0, int(totals.is_unpriced(attempt))]
            cache = [dealings.saved or 0, dealings.lost or 0, dealings.switched]
            unknown = attempt.usage is not None and None in (dealings.saved, dealings.lost)
            yield [*key, *counted, *tokens, *money, *cache, int(unknown), _hour(attempt.usage)]

    def _answered_by(self, trace: Trace, answer: Attempt | None) -> int | None:
        """Whoever answered, else whoever was to: then only our own name for it is known."""
        if answer:
            return self._model(answer)
        return self._id("model", provider="", model=_text(trace.decision.model)) if trace.decision else None

    def _model(self, attempt: Attempt) -> int:
        return self._id("model", provider=_text(attempt.provider), model=_text(attempt.model))

    def _price_id(self, attempt: Attempt) -> int:
        return 0 if attempt.price is None else self._price(attempt.price)

    def _price(self, price: Price) -> int:
        """Append-only: a trace keeps the price that it was billed at."""
        columns = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "since", "source", "basis")
        row = (*(getattr(price, name) for name in columns[:5]), _text(price.since), _text(price.source), price.basis)
        known = self._ids.get(("price", *row))
        if known is None:
            same = " AND ".join(f"{name} IS ?" for name in columns)
            self._db.execute(_statement("price", columns).replace("INSERT", "INSERT OR IGNORE"), row)
            found = self._db.execute(f"SELECT id FROM price WHERE {same}", row).fetchone()
            known = self._ids["price", *row] = int(found[0])
        return known

    def _run(self, trace: Trace) -> int:
        self._db.execute(
            "INSERT OR IGNORE INTO run (uid, started_at) VALUES (?, ?)", (_text(trace.run), trace.started_at)
        )
        return int(self._db.execute("SELECT id FROM run WHERE uid = ?", (_text(trace.run),)).fetchone()[0])

    def _id(self, table: str, **values: Any) -> int:
        """The id of a small thing that is stated once; made if it is new."""
        key = (table, *values.items())
        known = self._ids.get(key)
        if known is None:
            row = list(values.values())
            self._db.execute(_statement(table, values).replace("INSERT", "INSERT OR IGNORE"), row)
            same = " AND ".join(f"{name} = ?" for name in values)
            found = self._db.execute(f"SELECT id FROM {table} WHERE {same}", row).fetchone()
            known = self._ids[key] = int(found[0])
        return known

    def _index(self, chunk: int, message: Json) -> None:
        text = said.indexed(message)
        if text.strip():
            self._db.execute("INSERT INTO said (rowid, text) VALUES (?, ?)", (chunk, text))


def _tokens(usage: Usage | None) -> dict[str, Any]:
    """In the order of the sums; the basis last."""
    known = usage or totals.NOTHING
    return {
        "input_tokens": known.input,
        "cache_read_tokens": known.cache_read,
        "cache_write_tokens": known.cache_write,
        "output_tokens": known.output,
        "reasoning_tokens": known.reasoning,
        "usage_basis": usage and usage.basis,
    }


def _hour(usage: Usage | None) -> int:
    return usage.cache_write_1h if usage else 0


def _message(failure: Failure | None) -> str | None:
    return _text(failure.message) if failure else None


def _raw(trace: Trace) -> bytes | None:
    return None if trace.raw is None else zlib.compress(trace.raw)


def _text(value: str | None) -> str | None:
    """For a column to search by; the exact string is in the record."""
    return None if value is None else codec.utf8(value)
