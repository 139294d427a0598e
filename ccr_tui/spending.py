"""What the Spend screen and `ccr-tui spend --summary` tell: one reading of the sums, with a forecast and the budgets.

Owns which spans of time there are, how the day is forecast and what counts against a budget. Must never run on the
event loop, nor add up requests one by one. The one surprise: spans begin at a local midnight, so that "7 days" are
today and the six days before it, whole.

The forecast is what today has cost so far, plus the mean of what the days before cost after this time of day: at most
seven of them, and none from before anything was recorded. Without such a day there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime, timedelta
from typing import Any

from ccr_tui.config import Guards
from ccr_tui.prices import usd
from ccr_tui.slim import dataclass
from ccr_tui.store.amounts import Billed, SpendRow, Sums, Today
from ccr_tui.store.paid import Paid
from ccr_tui.store.queries import By, Reader
from ccr_tui.store.replayed import Replayed
from ccr_tui.store.schema import SLOT_S
from ccr_tui.store.sums import COLUMNS, TIMES

SPANS: dict[str, int | None] = {"today": 1, "7 days": 7, "30 days": 30, "90 days": 90, "all": None}
"""Their names, and how many local days they are."""
BARS = 92
"""The most stretches of time that a course is cut into."""
PAST_DAYS = 7
"""Days that a forecast goes by."""
UNITS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What today will have cost, if it goes on like the days before."""

    so_far: int
    rest: int
    """The mean of what those days cost after this time of day."""
    days: int

    @property
    def cost(self) -> int:
        """At midnight, in nano-USD."""
        return self.so_far + self.rest

    @property
    def briefly(self) -> str:
        """The same in few words."""
        return "as yesterday went on" if self.days == 1 else f"as the last {self.days} days went on"

    @property
    def words(self) -> str:
        """How it was made."""
        days = "yesterday" if self.days == 1 else f"the last {self.days} days"
        return f"so far, and the mean of what {days} cost after this time of day"


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit of [guards], and what was spent of it."""

    what: str
    """day or session."""
    limit: int
    spent: int
    session: str | None = None
    """The session that has spent the most of those of today."""

    @property
    def share(self) -> float:
        """The part that is spent; over 1 where more is."""
        return self.spent / self.limit if self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Course:
    """Known cost over time."""

    unit: str
    """hour, day or week."""
    edges: tuple[float, ...]
    parts: tuple[dict[str | None, int], ...]
    """Between each two edges, by key."""


@dataclass(frozen=True, slots=True)
class Spending:
    """One reading."""

    by: By
    since: float | None
    rows: list[SpendRow]
    total: Sums
    billed: list[Billed]
    course: Course
    today: Today
    forecast: Forecast | None
    budgets: list[Budget]
    replayed: Replayed = Replayed(0, 0, 0)
    """What replays and labs have cost in this time, their judges included: it is in no sum above."""
    tests: Paid = field(default_factory=Paid)
    """What tests of models and routers that a command asked have cost: in no sum above, too."""


def read(reader: Reader, guards: Guards, by: By, since: float | None, now: float) -> Spending:
    """All of it, from a reader of the store. Blocks; raises StoreError."""
    rows = reader.spend(by, since=since)
    return Spending(
        by,
        since,
        rows,
        together(rows),
        reader.billed(since=since),
        _course(reader, by, since, now),
        reader.today(now=now),
        forecast(reader, now),
        budgets(reader, guards, now),
        reader.replayed(since),
        reader.paid(since),
    )


def together(rows: Iterable[Sums]) -> Sums:
    """All rows in one."""
    numbers = [[getattr(row, name) for name in COLUMNS] for row in rows]
    return Sums(*map(sum, zip(*numbers, strict=True))) if numbers else Sums()


def steps(reader: Reader, found: Spending) -> list[SpendRow]:
    """The sums of each stretch of the course, in its order. Blocks; raises StoreError."""
    unit: By = found.course.unit  # type: ignore[assignment]
    rows = found.rows if found.by == unit else reader.spend(unit, since=found.course.edges[0])
    known = {row.key: row for row in rows}
    return [known.get(TIMES[unit](int(at)), SpendRow()) for at in found.course.edges[:-1]]


def since(span: str, now: float) -> float | None:
    """When a span begins, in seconds since the epoch; None for all."""
    days = SPANS[span]
    return None if days is None else (midnight(now) - timedelta(days=days - 1)).timestamp()


def midnight(at: float) -> datetime:
    """The local midnight before."""
    return datetime.fromtimestamp(at).replace(hour=0, minute=0, second=0, microsecond=0)


def forecast(reader: Reader, now: float) -> Forecast | None:
    """What today will have cost; None where no day before can be gone by. Blocks."""
    today, began = midnight(now), reader.began()
    later = math.ceil((now - today.timestamp()) / SLOT_S) * SLOT_S
    days = [today - timedelta(days=n) for n in range(PAST_DAYS, 0, -1)]
    days = [day for day in days if began is not None and began < day.timestamp() + later]
    if not days:
        return None
    edges = [at for day in days for at in (day.timestamp() + later, (day + timedelta(days=1)).timestamp())]
    rests = [sum(part.values()) for part in reader.course("day", edges)[::2]]
    return Forecast(reader.today(now=now).cost, round(sum(rests) / len(rests)), len(rests))


def budgets(reader: Reader, guards: Guards, now: float) -> list[Budget]:
    """The limits that are set, with what counts against them. Blocks."""
    found = []
    if guards.budget_per_day is not None:
        found.append(Budget("day", guards.budget_per_day, reader.today(now=now).cost))
    if guards.budget_per_session is not None:
        rows = reader.sessions(limit=100, since=midnight(now).timestamp())
        if rows:
            most = max(rows, key=lambda row: row.cost)
            found.append(Budget("session", guards.budget_per_session, most.cost, most.id))
    return found


def edges(unit: str, start: float, now: float) -> tuple[float, ...]:
    """Where its stretches of time begin, and where the last one ends; weeks begin on Mondays."""
    at = midnight(start)
    if unit == "hour":
        at = datetime.fromtimestamp(start).replace(minute=0, second=0, microsecond=0)
    if unit == "week":
        at -= timedelta(days=at.weekday())
    found = [at.timestamp()]
    while found[-1] <= now:
        at += UNITS[unit]
        if at.timestamp() > found[-1]:
            found.append(at.timestamp())
    return tuple(found)


def _course(reader: Reader, by: By, start: float | None, now: float) -> Course:
    first = (reader.began() or now) if start is None else start
    unit = _unit(by, now - first)
    cuts = edges(unit, first, now)[-BARS - 1 :]
    return Course(unit, cuts, tuple(reader.course(_key(by), cuts)))


def _unit(by: By, length_s: float) -> str:
    """The unit that was asked for, where that gives neither one bar nor too many; else hours for two days, then days,
    then weeks."""
    days = length_s / 86400
    if by == "week" and days > 14:
        return "week"
    if days * 24 < BARS and (by == "hour" or days <= 2):
        return "hour"
    return "day" if days < BARS else "week"


def _key(by: By) -> By:
    """Along with times, the models are told apart."""
    return "model" if by in UNITS else by


def summary_json(found: Spending, now: float) -> dict[str, Any]:
    """What `spend --summary --json` prints, without prices of other models."""
    from ccr_tui.store.rows import iso

    guess = found.forecast
    return {
        "since": None if found.since is None else iso(found.since),
        "until": iso(now),
        **found.total.sums_json(),
        "billed": [part.as_json() for part in found.billed],
        "replays": found.replayed.as_json(),
        "tests": found.tests.as_json(),
        "course": {
            "unit": found.course.unit,
            "edges": [iso(at) for at in found.course.edges],
            "cost_usd": [{key or "": usd(cost) for key, cost in part.items()} for part in found.course.parts],
        },
        "today_usd": usd(found.today.spent),
        "forecast_usd": None if guess is None else usd(guess.cost),
        "forecast_by": None if guess is None else guess.words,
        "budgets": [
            {"of": each.what, "session": each.session, "limit_usd": usd(each.limit), "spent_usd": usd(each.spent)}
            for each in found.budgets
        ],
    }
