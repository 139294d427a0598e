"""What it all came to: sessions, spending, today.

Owns the queries over the quarter-hourly sums. Must never add up traces one by one. The one surprise: a row's own tokens
are only those of the answer, while the sums hold every call, the router's included, each under its own model.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from ccr_tui import prices
from ccr_tui.records import Price, Usage
from ccr_tui.store.rows import SessionRow, SpendRow, Sums, Today
from ccr_tui.store.schema import SLOT_S

By = Literal["hour", "day", "model", "agent", "session", "project", "provider"]

TOTALS = """
ifnull(sum(w.requests), 0), ifnull(sum(w.errors), 0), ifnull(sum(w.input_tokens), 0),
ifnull(sum(w.cache_read_tokens), 0), ifnull(sum(w.cache_write_tokens), 0), ifnull(sum(w.output_tokens), 0),
ifnull(sum(w.reasoning_tokens), 0), ifnull(sum(w.cost), 0),
ifnull(sum(CASE w.purpose WHEN 'route' THEN w.cost ELSE 0 END), 0), ifnull(sum(w.unpriced), 0)
"""
ANSWERS = """,
sum(CASE w.purpose WHEN 'answer' THEN w.input_tokens ELSE 0 END),
sum(CASE w.purpose WHEN 'answer' THEN w.output_tokens ELSE 0 END),
sum(CASE w.purpose WHEN 'answer' THEN w.cache_read_tokens ELSE 0 END),
sum(CASE w.purpose WHEN 'answer' THEN w.cache_write_tokens ELSE 0 END)
"""
KEYS: dict[str, tuple[str, str]] = {
    "hour": ("w.slot", ""),
    "day": ("w.slot", ""),
    "model": ("m.model", "LEFT JOIN model m ON m.id = w.model_id"),
    "provider": ("nullif(m.provider, '')", "LEFT JOIN model m ON m.id = w.model_id"),
    "agent": ("nullif(w.agent, '')", ""),
    "session": ("s.uid", "LEFT JOIN session s ON s.id = w.session_id"),
    "project": ("p.path", "LEFT JOIN project p ON p.id = w.project_id"),
}
SESSION = """
SELECT s.id, s.uid, p.path, s.first_at, s.last_at,
    (SELECT count(DISTINCT t.agent_id) FROM trace t WHERE t.session_id = s.id AND t.agent_id IS NOT NULL)
FROM session s LEFT JOIN project p ON p.id = s.project_id
"""
MODELS = """
SELECT m.model FROM spend w JOIN model m ON m.id = w.model_id WHERE w.session_id = ? AND w.purpose = 'answer'
GROUP BY m.model ORDER BY sum(w.requests) DESC, m.model
"""
COLUMNS = tuple(field.name for field in fields(Sums))


def spend(
    db: sqlite3.Connection, by: str, since: float | None, until: float | None, baseline: Price | None
) -> list[SpendRow]:
    """One row for each key. Raises ValueError for an unknown `by`."""
    if by not in get_args(By):
        raise ValueError(f"cannot sum by {by!r}; choose one of {', '.join(get_args(By))}")
    key, join = KEYS[by]
    totals = f"SELECT {key}, {TOTALS} {ANSWERS} FROM spend w {join} WHERE w.slot >= ? AND w.slot < ? GROUP BY 1"
    found = db.execute(totals, (_slot(since), BEYOND if until is None else until)).fetchall()
    if by in ("hour", "day"):
        found = _regroup(found, _hour if by == "hour" else _day)
    rows = [_spend_row(by, *row, baseline=baseline) for row in found]
    return rows if by in ("hour", "day") else sorted(rows, key=lambda row: (-row.cost, -row.requests, row.key or ""))


def today(db: sqlite3.Connection, now: datetime, baseline: Price | None) -> Today:
    """Since the local midnight before `now` (a naive local time)."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    span = (int(start), int(end))
    found = db.execute(f"SELECT {TOTALS} {ANSWERS} FROM spend w WHERE w.slot >= ? AND w.slot < ?", span).fetchone()
    guessed = """SELECT ifnull(sum(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens), 0)
        FROM spend WHERE slot >= ? AND slot < ? AND basis IN ('estimated', 'mixed')"""
    by_slot = "SELECT slot, sum(requests) FROM spend WHERE slot >= ? AND slot < ? GROUP BY slot"
    return Today(
        **_sums(found),
        per_hour=_per_hour(db.execute(by_slot, span), span),
        estimated_tokens=db.execute(guessed, span).fetchone()[0],
        baseline=_baseline(found[-4:], baseline),
    )


def sessions(db: sqlite3.Connection, limit: int, since: float | None, before: float | None) -> list[SessionRow]:
    """Last active first."""
    page = f"{SESSION} WHERE s.last_at >= ? AND s.last_at < ? ORDER BY s.last_at DESC LIMIT ?"
    values = (since or 0.0, BEYOND if before is None else before, limit)
    return [_session_row(db, row) for row in db.execute(page, values).fetchall()]


def session(db: sqlite3.Connection, uid: str) -> SessionRow:
    """The one with exactly this uid, which exists."""
    return _session_row(db, db.execute(f"{SESSION} WHERE s.uid = ?", (uid,)).fetchone())


BEYOND = 2**62


def _session_row(db: sqlite3.Connection, row: tuple[Any, ...]) -> SessionRow:
    id, uid, project, first, last, subagents = row
    totals = db.execute(f"SELECT {TOTALS} FROM spend w WHERE w.session_id = ?", (id,)).fetchone()
    models = tuple(model for (model,) in db.execute(MODELS, (id,)))
    return SessionRow(
        **_sums(totals), id=uid, project=project, started_at=first, ended_at=last, subagents=subagents, models=models
    )


def _spend_row(by: str, key: Any, *found: int, baseline: Price | None) -> SpendRow:
    return SpendRow(**_sums(found), by=by, key=key, baseline=_baseline(found[-4:], baseline))


def _sums(found: Iterable[int]) -> dict[str, int]:
    return dict(zip(COLUMNS, found, strict=False))


def _baseline(answers: Iterable[int | None], price: Price | None) -> int | None:
    """The answers' tokens at another price; the calls to a router would not have been made."""
    fresh, output, read, written = (count or 0 for count in answers)
    return None if price is None else prices.cost(Usage(fresh, output, read, written), price)


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


def _per_hour(rows: Iterable[tuple[int, int]], span: tuple[int, int]) -> tuple[int, ...]:
    """A day has 23 or 25 hours where clocks are changed."""
    start, end = span
    hours = [0] * max(1, (end - start) // 3600)
    for slot, requests in rows:
        hours[min((slot - start) // 3600, len(hours) - 1)] += requests
    return tuple(hours)


def _slot(since: float | None) -> int:
    return 0 if since is None else int(since // SLOT_S * SLOT_S)
