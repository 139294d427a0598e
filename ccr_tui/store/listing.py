"""Requests in the order that a list wants, page by page.

Owns the orders, each with its index, and the SQL of a row. Must never sort a million rows: every order is read along
its index, from a key. The one surprise: requests are ordered by when they ended, which is when they came into the list;
their numbers would say the same but for what was imported later. SQLite reads a range of an expression's index only for
one plain comparison, so the rows with the same key as the last one are asked for apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ccr_tui import prices
from ccr_tui.errors import StoreError
from ccr_tui.slim import dataclass
from ccr_tui.store import patterns
from ccr_tui.store.filters import COLUMNS, Filter
from ccr_tui.store.rows import TraceRow

ROW = """
SELECT t.n, t.uid, s.uid, p.path, t.agent_id, t.origin, t.started_at, t.duration_ms, t.ttft_ms, t.outcome, t.status,
    t.error, t.asked_model, t.mode, t.agent, t.rule, m.model, nullif(m.provider, ''), t.stop_reason, t.input_tokens,
    t.cache_read_tokens, t.cache_write_tokens, t.output_tokens, t.reasoning_tokens, t.usage_basis,
    t.estimated_input_tokens, t.cost, t.cost_basis, t.router_cost, t.attempts, t.kind, t.cache_saved, t.cache_lost,
    '', NULL, ifnull(k.marked, 0), k.note, (SELECT r.kind FROM run r WHERE r.id = t.run_id)
FROM trace t LEFT JOIN session s ON s.id = t.session_id LEFT JOIN project p ON p.id = t.project_id
    LEFT JOIN model m ON m.id = t.model_id LEFT JOIN mark k ON k.trace = t.n
"""

Key = tuple[float, int]
"""Where a row stands in an order: its value, and its number."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a list is sorted by, the largest first unless it is turned around."""

    name: str = "time"
    turned: bool = False

    def key(self, row: TraceRow) -> Key:
        """Where a row stands."""
        return float(ORDERS[self.name][1](row)), row.n

    @property
    def sql(self) -> str:
        """The value, as its index has it."""
        return ORDERS[self.name][0]


def _sent(row: TraceRow) -> int:
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens


ORDERS: dict[str, tuple[str, Callable[[TraceRow], float]]] = {
    "time": ("t.started_at + t.duration_ms / 1000.0", lambda row: row.started_at + row.duration_ms / 1000.0),
    "cost": ("ifnull(t.cost, -1)", lambda row: -1 if row.cost is None else row.cost),
    "tokens": (
        "t.input_tokens + t.cache_read_tokens + t.cache_write_tokens + t.output_tokens",
        lambda row: _sent(row) + row.output_tokens,
    ),
    "duration": ("t.duration_ms", lambda row: row.duration_ms),
    "cached": (
        "ifnull(t.cache_read_tokens * 1.0 / "
        "nullif(t.input_tokens + t.cache_read_tokens + t.cache_write_tokens, 0), -1)",
        lambda row: row.cache_read_tokens / _sent(row) if _sent(row) else -1,
    ),
}
"""By name: the value in SQL, and of a row. Unknown costs and shares come last."""
# "+t.n" keeps SQLite from reading by number and sorting a million rows: half a million are skipped in 70 ms, not 4 s.


UPTO: dict[str, Callable[[float], str]] = {
    "time": lambda value: datetime.fromtimestamp(value).strftime("%Y-%m-%dT%H:%M"),
    "cost": lambda value: "those of unknown cost" if value < 0 else prices.show(int(value)),
    "tokens": lambda value: f"{value:,} tokens",
    "duration": lambda value: f"{value / 1000:.1f} s",
    "cached": lambda value: "those of unknown share" if value < 0 else f"{value:.0%} cached",
}
"""How a place in an order is told."""


class CutOff(StoreError):
    """An expression took too long: `rows` are those that were found by then, in their order; `upto` is where it was."""

    def __init__(self, order: Order, value: float, rows: list[TraceRow]) -> None:
        self.upto, self.rows = UPTO[order.name](value), rows
        cure = "words or since: narrow it down"
        if order.name == "time":
            cure = f"since:{self.upto} goes on from there" if order.turned else f"until:{_minute_on(value)} goes on"
        super().__init__(
            f"The expression took longer than {patterns.ALL_S:.0f} seconds: what is shown was found as far as "
            f"{self.upto}, and there may be more; {cure}."
        )


def _minute_on(value: float) -> str:
    """So that none of that minute is left out."""
    return UPTO["time"](value + 60)


@dataclass(frozen=True, slots=True)
class List:
    """The requests that pass a filter, in an order, as they were when number `most` was the newest."""

    filter: Filter
    order: Order
    most: int

    def rows(self, db: sqlite3.Connection, after: Key | None, limit: int, forward: bool = True) -> list[TraceRow]:
        """The next ones after a key, or with `forward` False those just before it; always in the list's order."""
        where, values = self.filter.where(db, each=True)
        down = self.order.turned is not forward
        way, less = ("DESC", "<") if down else ("", ">")
        end = f"ORDER BY {self.order.sql} {way}, t.n {way} LIMIT ?"
        numbers: list[int] = []
        beyond, start = (f"{self.order.sql} {less} ? AND", after[:1]) if after else ("", ())
        rest = f"{beyond} +t.n <= ? AND {where} {end}"
        source = self._source(where)
        try:
            if after is not None:
                same = f"{self.order.sql} = ? AND t.n {less} ? AND +t.n <= ? AND {where} ORDER BY t.n {way} LIMIT ?"
                _take(numbers, db, f"{source} {same}", (*after, self.most, *values), limit)
            if len(numbers) < limit:
                _take(numbers, db, f"{source} {rest}", (*start, self.most, *values), limit - len(numbers))
        except sqlite3.OperationalError:
            if not forward or _sorts(db, f"{source} {rest}") or (at := patterns.stopped_at()) is None:
                raise
            raise CutOff(self.order, self._value(db, at), rows_of(db, numbers)) from None
        found = rows_of(db, numbers)
        return found if forward else found[::-1]

    def _source(self, where: str) -> str:
        """Where numbers are read from. What an expression is asked of is read in the list's order, or the first row
        would come after all texts of a project; but few requests are read by what makes them few."""
        if patterns.OF_EACH not in where:
            return f"{NUMBERS_OF} WHERE"
        few = self.filter.session or patterns.OF_SOME in where
        few = few or any(term.key in FEW and not term.inverted for term in self.filter.terms)
        return f"{NUMBERS_OF} {'' if few else f'INDEXED BY trace_{INDEXES[self.order.name]}'} {TWICE} WHERE"

    def key_after(self, db: sqlite3.Connection, after: Key | None, count: int) -> Key | None:
        """The key of the row that is `count` rows further; None where there are not so many.

        SQLite counts them off along the index without reading them; only for a jump to where no key is known.
        """
        where, values = self.filter.where(db)
        way, less = ("", ">") if self.order.turned else ("DESC", "<")
        value = self.order.sql
        start = "" if after is None else f"{value} {less}= ? AND ({value} {less} ? OR t.n {less} ?) AND"
        given = () if after is None else (after[0], *after)
        jump = f"SELECT {value}, t.n FROM trace t WHERE {start} +t.n <= ? AND {where} ORDER BY {value} {way}, t.n {way}"
        found = db.execute(f"{jump} LIMIT 1 OFFSET ?", (*given, self.most, *values, count - 1)).fetchone()
        return None if found is None else (float(found[0]), int(found[1]))

    def _value(self, db: sqlite3.Connection, n: int) -> float:
        """Where in the order a request stands."""
        return float(db.execute(f"SELECT {self.order.sql} FROM trace t WHERE t.n = ?", (n,)).fetchone()[0])

    def count(self, db: sqlite3.Connection) -> int:
        """How many there are."""
        where, values = self.filter.where(db)
        upto = "" if self.filter == Filter() else "t.n <= ? AND "
        found = db.execute(
            f"SELECT count(*) FROM trace t WHERE {upto}{where}", [*([self.most] if upto else []), *values]
        )
        return int(found.fetchone()[0])


NUMBERS_OF = "SELECT t.n FROM trace t"
TWICE = "CROSS JOIN (VALUES (0), (1))"
"""Python's sqlite3 looks one row ahead, and where that fails the one before it is lost: here only its double is."""


INDEXES = {"time": "ended", "cost": "cost", "tokens": "tokens", "duration": "duration", "cached": "cached"}
"""That of each order."""
FEW = ("session", "id", "subagent", "marked", "noted", "note")
"""Keys that few requests pass."""


def _take(numbers: list[int], db: sqlite3.Connection, query: str, values: Sequence[Any], limit: int) -> None:
    """Their numbers alone, so that what has to be sorted is small; an end half-way leaves those that were found."""
    for (n,) in db.execute(query, (*values, limit * (1 + (TWICE in query)))):
        if n not in numbers[-1:]:
            numbers.append(n)


def _sorts(db: sqlite3.Connection, query: str) -> bool:
    """Whether all must be found before there is a first one."""
    plan = db.execute(f"EXPLAIN QUERY PLAN {query}", [None] * query.count("?"))
    return any("ORDER BY" in step[3] for step in plan)


def rows_of(db: sqlite3.Connection, numbers: Sequence[int]) -> list[TraceRow]:
    """The requests with these numbers, in their order."""
    found = db.execute(f"{ROW} WHERE t.n IN (SELECT value FROM json_each(?))", (str(list(numbers)),))
    rows = {row[0]: TraceRow(*row) for row in found}
    return [rows[n] for n in numbers]


def newer(db: sqlite3.Connection, filter: Filter, than: int, limit: int) -> list[TraceRow]:
    """Requests that came after number `than`, the newest first."""
    where, values = filter.where(db)
    page = f"{ROW} WHERE t.n > ? AND {where} ORDER BY t.n DESC LIMIT ?"
    return [TraceRow(*row) for row in db.execute(page, (than, *values, limit))]


RECENT = 5000
"""Requests whose values are offered where there is no list of all."""
NAMED = {
    "model": "SELECT DISTINCT model FROM model ORDER BY id DESC LIMIT 200",
    "provider": "SELECT DISTINCT provider FROM model WHERE provider <> '' ORDER BY 1",
    "project": "SELECT path FROM project ORDER BY id DESC LIMIT 200",
    "session": "SELECT uid FROM session ORDER BY last_at DESC LIMIT 50",
    "note": "SELECT note FROM mark WHERE note IS NOT NULL ORDER BY at DESC LIMIT 50",
}
OF_LATE = """
SELECT DISTINCT {column} FROM trace t NOT INDEXED
WHERE t.n > (SELECT max(n) FROM trace) - {recent} AND {column} IS NOT NULL LIMIT 50
"""


def names(db: sqlite3.Connection, key: str) -> Sequence[str]:
    """Values of a filter's key that occur, for completion; of some keys those of late only."""
    column = "t.agent" if key == "agent" else COLUMNS.get(key)
    wanted = NAMED.get(key) or (OF_LATE.format(column=column, recent=RECENT) if column and key != "id" else None)
    found = [str(value) for (value,) in db.execute(wanted)] if wanted else []
    return [path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] for path in found] if key == "project" else found
