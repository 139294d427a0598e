"""What it all came to: sessions, spending, today.

Owns the queries over the quarter-hourly sums. Must never add up traces one by one. The surprises: a row's own tokens
are only those of the answer, while the sums hold every call, the router's included, each under its own model; and there
are two tables of sums, of which the one without sessions and projects has far fewer rows.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, get_args

from ccr_tui.records import Price
from ccr_tui.store.amounts import Billed, SpendRow, Sums, Today
from ccr_tui.store.rows import SessionRow
from ccr_tui.store.schema import SLOT_S

By = Literal["hour", "day", "week", "model", "agent", "kind", "session", "project", "provider"]

ALL = "w.input_tokens + w.cache_read_tokens + w.cache_write_tokens + w.output_tokens"
TOKENS = ("input", "output", "cache_read", "cache_write")
SUMMED = (
    *("w.requests", "w.errors", "w.input_tokens", "w.cache_read_tokens", "w.cache_write_tokens", "w.output_tokens"),
    *("w.reasoning_tokens", "w.cost", "(w.purpose = 'route') * w.cost", "w.unpriced"),
    *("(w.purpose IN ('think', 'code')) * w.cost", "(w.cost_basis = 'reported') * w.cost"),
    *(
        "(w.cost_basis = 'user') * w.cost",
        "(w.basis IN ('estimated', 'mixed') AND w.cost_basis <> 'reported') * w.cost",
    ),
    *(f"(w.basis IN ('estimated', 'mixed')) * ({ALL})", "w.cache_saved", "w.cache_lost", "w.cache_unknown"),
    "w.switched_tokens",
    *(f"(w.purpose = 'answer') * w.{name}_tokens" for name in TOKENS),
    *(f"(w.purpose = 'answer' AND w.cost_basis <> 'unknown') * w.{name}_tokens" for name in (*TOKENS, "switched")),
    "(w.purpose = 'answer') * w.cache_write_1h_tokens",
    "(w.purpose = 'answer' AND w.cost_basis <> 'unknown') * w.cache_write_1h_tokens",
    "(w.basis = 'estimated') * (w.input_tokens + w.cache_write_tokens)",
)
"""In the order of the fields of `Sums`."""
TOTALS = ", ".join(f"ifnull(sum({each}), 0)" for each in SUMMED)
KEYS: dict[str, tuple[str, str]] = {
    "hour": ("w.slot", ""),
    "day": ("w.slot", ""),
    "week": ("w.slot", ""),
    # a request that asked no model has our name of the one it was for, without a provider
    "model": ("iif(m.provider = '', NULL, m.model)", "LEFT JOIN model m ON m.id = w.model_id"),
    "provider": ("nullif(m.provider, '')", "LEFT JOIN model m ON m.id = w.model_id"),
    "agent": ("nullif(w.agent, '')", ""),
    "kind": ("w.kind", ""),
    "session": ("s.uid", "LEFT JOIN session s ON s.id = w.session_id"),
    "project": ("p.path", "LEFT JOIN project p ON p.id = w.project_id"),
}
SESSION = """
SELECT s.id, s.uid, p.path, s.first_at, s.last_at,
    (SELECT count(DISTINCT t.agent_id) FROM trace t WHERE t.session_id = s.id AND t.agent_id IS NOT NULL),
    ifnull(s.title, s.prompt), s.pinned
FROM session s LEFT JOIN project p ON p.id = s.project_id
"""
GIVEN = "w.session_id IN (SELECT value FROM json_each(?))"
MODELS = f"""
SELECT w.session_id, m.model FROM spend w JOIN model m ON m.id = w.model_id WHERE {GIVEN} AND w.purpose = 'answer'
GROUP BY w.session_id, m.model ORDER BY w.session_id, sum(w.requests) DESC, m.model
"""
TITLED = 900
"""Sessions whose titles are looked up."""
COLUMNS = tuple(field.name for field in fields(Sums))


def spend(
    db: sqlite3.Connection, by: str, since: float | None, until: float | None, baseline: Price | None
) -> list[SpendRow]:
    """One row for each key. Raises ValueError for an unknown `by`."""
    if by not in get_args(By):
        raise ValueError(f"cannot sum by {by!r}; choose one of {', '.join(get_args(By))}")
    key, join = KEYS[by]
    totals = f"SELECT {key}, {TOTALS} FROM {_table(by)} w {join} WHERE w.slot >= ? AND w.slot < ? GROUP BY 1"
    found = db.execute(totals, _span(since, until)).fetchall()
    if by in TIMES:
        found = _regroup(found, TIMES[by])
    rows = [_spend_row(by, key, _sums(numbers), baseline) for key, *numbers in found if any(numbers)]
    if by in TIMES:
        return rows
    rows.sort(key=lambda row: (-row.cost, -row.requests, row.key or ""))
    return _titled(db, rows) if by == "session" else rows


def _titled(db: sqlite3.Connection, rows: list[SpendRow]) -> list[SpendRow]:
    """The dearest sessions with what they are called."""
    keys = [row.key for row in rows[:TITLED] if row.key is not None]
    query = f"SELECT uid, ifnull(title, prompt) FROM session WHERE uid IN ({', '.join('?' * len(keys))})"
    titles = dict(db.execute(query, keys))
    return [replace(row, title=titles[row.key]) if row.key in titles else row for row in rows]


def total(db: sqlite3.Connection, since: float | None, until: float | None) -> Sums:
    """All of it in one."""
    found = f"SELECT {TOTALS} FROM spend_total w WHERE w.slot >= ? AND w.slot < ?"
    return Sums(**_sums(db.execute(found, _span(since, until)).fetchone()))


def sessionless(db: sqlite3.Connection, since: float | None) -> Sums:
    """What stands in no session."""
    found = f"SELECT {TOTALS} FROM spend w WHERE w.session_id = 0 AND w.slot >= ? AND w.slot < ?"
    return Sums(**_sums(db.execute(found, _span(since, None)).fetchone()))


def billed(
    db: sqlite3.Connection, since: float | None, until: float | None, only: tuple[str, str | None] | None
) -> list[Billed]:
    """Where the money is known from, the largest part first. `only` is a way to sum that is no time, and a key."""
    key, join = KEYS[only[0]] if only else ("0", "")
    where = f"w.slot >= ? AND w.slot < ? AND {key} IS ? AND (w.cost <> 0 OR {ALL} > 0)"
    table = _table(only[0] if only else "day")
    query = f"""SELECT w.cost_basis, ifnull(p_.source, ''), ifnull(p_.since, ''), sum({ALL}), sum(w.cost),
            sum(w.unpriced)
        FROM {table} w LEFT JOIN price p_ ON p_.id = w.price_id AND w.cost_basis IN ('list', 'user') {join}
        WHERE {where} GROUP BY 1, 2, 3 ORDER BY 5 DESC, 4 DESC"""
    return [Billed(*row) for row in db.execute(query, (*_span(since, until), only[1] if only else 0))]


def course(db: sqlite3.Connection, by: str, edges: Sequence[float]) -> list[dict[str | None, int]]:
    """Known cost by key between each two `edges` (times, rising, which count by quarter hours); where `by` is a time,
    None is the only key."""
    key, join = ("NULL", "") if by in TIMES else KEYS[by]
    spans = ", ".join(f"({at}, {_slot(start)}, {_slot(end)})" for at, (start, end) in enumerate(pairwise(edges)))
    if not spans:
        return []
    query = f"""WITH bucket(at, start, stop) AS (VALUES {spans}) SELECT at, {key}, sum(w.cost)
        FROM bucket CROSS JOIN {_table(by)} w ON w.slot >= bucket.start AND w.slot < bucket.stop {join} GROUP BY 1, 2"""
    found: list[dict[str | None, int]] = [{} for _ in pairwise(edges)]
    for at, name, cost in db.execute(query):
        found[at][name] = cost
    return found


def began(db: sqlite3.Connection) -> float | None:
    """When anything was spent or asked first, to a quarter of an hour."""
    first: float | None = db.execute("SELECT min(slot) FROM spend_total").fetchone()[0]
    return first


def today(db: sqlite3.Connection, now: datetime, baseline: Price | None) -> Today:
    """Since the local midnight before `now` (a naive local time)."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    span = (int(start), int(end))
    sums = Sums(
        **_sums(db.execute(f"SELECT {TOTALS} FROM spend_total w WHERE w.slot >= ? AND w.slot < ?", span).fetchone())
    )
    by_slot = "SELECT slot, sum(requests) FROM spend_total WHERE slot >= ? AND slot < ? GROUP BY slot"
    return Today(
        **_given(sums),
        per_hour=_per_hour(db.execute(by_slot, span), span),
        baseline=None if baseline is None else sums.at(baseline),
    )


def sessions(db: sqlite3.Connection, limit: int, since: float | None, before: float | None) -> list[SessionRow]:
    """Last active first."""
    page = f"{SESSION} WHERE s.last_at >= ? AND s.last_at < ? ORDER BY s.last_at DESC LIMIT ?"
    values = (since or 0.0, BEYOND if before is None else before, limit)
    return session_rows(db, db.execute(page, values).fetchall())


def session(db: sqlite3.Connection, uid: str) -> SessionRow:
    """The one with exactly this uid, which exists."""
    return session_rows(db, db.execute(f"{SESSION} WHERE s.uid = ?", (uid,)).fetchall())[0]


BEYOND = 2**62


def session_rows(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> list[SessionRow]:
    """Rows of `SESSION`, each with its sums."""
    these = (json.dumps([id for id, *_ in rows]),)
    totals = db.execute(f"SELECT w.session_id, {TOTALS} FROM spend w WHERE {GIVEN} GROUP BY 1", these)
    sums = {id: numbers for id, *numbers in totals}
    models: dict[int, list[str]] = {}
    for id, model in db.execute(MODELS, these):
        models.setdefault(id, []).append(model)
    none = [0] * len(COLUMNS)
    return [_session_row(row, sums.get(row[0], none), models.get(row[0], ())) for row in rows]


def _session_row(row: tuple[Any, ...], numbers: Sequence[int], models: Sequence[str]) -> SessionRow:
    _, uid, project, first, last, subagents, title, pinned = row
    told: dict[str, Any] = {"project": project, "models": tuple(models), "title": title}
    known = {"subagents": subagents, "pinned": pinned, "started_at": first, "ended_at": last}
    return SessionRow(**{**_sums(numbers), **told, **known}, id=uid)


def _spend_row(by: str, key: Any, sums: dict[str, Any], baseline: Price | None) -> SpendRow:
    row = SpendRow(**sums, by=by, key=key)
    return row if baseline is None else replace(row, baseline=row.at(baseline))


def _sums(found: Iterable[int]) -> dict[str, Any]:
    return dict(zip(COLUMNS, found, strict=True))


def _given(sums: Sums) -> dict[str, int]:
    return {name: getattr(sums, name) for name in COLUMNS}


def _regroup(rows: Iterable[tuple[Any, ...]], key: Callable[[int], str]) -> list[tuple[Any, ...]]:
    """Slots into hours or days, in order of time. (Python knows the time zone, SQLite only the present one's rules.)"""
    groups: dict[str, list[int]] = {}
    for slot, *numbers in rows:
        known = groups.setdefault(key(slot), [0] * len(numbers))
        known[:] = [old + new for old, new in zip(known, numbers, strict=True)]
    return [(name, *numbers) for name, numbers in groups.items()]


def _hour(slot: int) -> str:
    return datetime.fromtimestamp(slot, UTC).strftime("%Y-%m-%dT%H:00:00Z")


def _day(slot: int) -> str:
    return datetime.fromtimestamp(slot).strftime("%Y-%m-%d")


def _week(slot: int) -> str:
    year, week, _ = datetime.fromtimestamp(slot).isocalendar()
    return f"{year}-W{week:02d}"


def _per_hour(rows: Iterable[tuple[int, int]], span: tuple[int, int]) -> tuple[int, ...]:
    """A day has 23 or 25 hours where clocks are changed."""
    start, end = span
    hours = [0] * max(1, (end - start) // 3600)
    for slot, requests in rows:
        hours[min((slot - start) // 3600, len(hours) - 1)] += requests
    return tuple(hours)


TIMES: dict[str, Callable[[int], str]] = {"hour": _hour, "day": _day, "week": _week}


def _table(by: str) -> str:
    """Where the sums for a question are."""
    return "spend" if by in ("session", "project") else "spend_total"


def _span(since: float | None, until: float | None) -> tuple[int, float]:
    return _slot(since), BEYOND if until is None else until


def _slot(since: float | None) -> int:
    return 0 if since is None else int(since // SLOT_S * SLOT_S)
