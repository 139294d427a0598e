"""What one row of spending looks like on a line, at any width.

Owns the columns, their order of importance, and how keys are called. Pure. The one surprise: a column that would be
empty in every row is left out, so that a table without a router has room for more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from ccr_tui import decimals
from ccr_tui.baseline import Baseline
from ccr_tui.screens import show
from ccr_tui.screens.costs import NOTHING
from ccr_tui.screens.roster import Pieces, Row
from ccr_tui.slim import dataclass
from ccr_tui.store.amounts import SpendRow, Sums
from ccr_tui.store.queries import By

Cell = tuple[str, str]
DIGITS = 3
"""Decimals where nothing else is said."""
MOST = 1000
"""Rows that are listed; what is left is told in one."""
TIMES = ("hour", "day", "week")
MOST_SHARE = 9999
"""Per cent; what is more is told as more than that."""
BAR, WIDEST_BAR = 10, 60
"""Columns of the bars: usually, and where there is room."""
KEYS = {"session": 64, "project": 48}
"""What keys keep before bars get longer; others have 32."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every row is drawn with."""

    by: By
    compared: Baseline | None
    """One model for all: the baseline, or what is asked "what if" about."""
    inks: Mapping[str | None, str]
    """The keys' inks in the picture above."""
    most: int
    """The cost of the dearest row."""
    is_what_if: bool = False
    empty: frozenset[str] = frozenset()
    """Columns without anything in them."""
    digits: Mapping[str, int] = field(default_factory=dict)
    """Decimals of the columns of money; sums have the same."""
    widths: Mapping[str, int] = field(default_factory=dict)
    """Of columns that need more than is usual."""
    tails: Mapping[str, int] = field(default_factory=dict)
    """The decimals of their smallest amounts, which may be more."""

    def lined(self, text: str, name: str) -> str:
        """An amount, so that the points of its column are below one another."""
        return show.lined(text, self.tails.get(name, self.digits.get(name, DIGITS)))


@dataclass(frozen=True, slots=True)
class Column:
    """Its heading, width, and what it says of a row."""

    title: str
    width: int
    cell: Callable[[Sums, Context], Cell]


def rows(found: Sequence[SpendRow], context: Context) -> list[Row]:
    """Lines for the list; times come newest first, all else dearest first."""
    ordered = list(reversed(found)) if context.by in TIMES else list(found)
    made = [Row((context.by, "" if row.key is None else row.key), _drawer(row, context)) for row in ordered[:MOST]]
    if len(ordered) > MOST:
        left = len(ordered) - MOST
        made.append(Row(("", ""), lambda width: [(f"   … and {left:,} more", "muted")]))
    return made


def headings(context: Context) -> Callable[[int], Pieces]:
    """The first line, for a width."""
    return lambda width: [
        (show.fit("   " + context.by, _room(width, context)), "muted"),
        *((_heading(column, context), "muted") for column in _columns(width, context)),
    ]


def _drawer(row: SpendRow, context: Context) -> Callable[[int], Pieces]:
    def draw(width: int) -> Pieces:
        room = _room(width, context)
        ink = context.inks.get(row.key, "")
        line: list[Cell] = [(" ■ " if ink else "   ", ink), *called(context.by, row, room - 3)]
        for column in _columns(width, context):
            text, ink = column.cell(row, context)
            line.append((show.fit_right(text, column.width + 1), ink))
        return line

    return draw


def _room(width: int, context: Context) -> int:
    return width - 1 - sum(column.width + 1 for column in _columns(width, context))


def _heading(column: Column, context: Context) -> str:
    """Numbers stand at the right; a bar begins at the left, and says what it is a part of."""
    if column.title == "bar":
        return " " + show.fit("cost, of the dearest" if column.width >= 20 else "of dearest", column.width)
    return show.fit_right(_title(column, context), column.width + 1)


def _title(column: Column, context: Context) -> str:
    if column.title != "at":
        return column.title
    word = "if" if context.is_what_if else "at"
    return f"{word} {show.model(context.compared.name)}"[: column.width] if context.compared else "at ?"


def _columns(width: int, context: Context) -> Sequence[Column]:
    """Those that a width has room for, in their order; the key keeps 20 columns, later 28; one at the right is free."""
    room, chosen = width - 1 - (20 if width < 110 else 28), []
    columns = {name: replace(c, width=context.widths.get(name, c.width)) for name, c in COLUMNS.items()}
    for name in BY_NEED:
        if name not in context.empty and room >= columns[name].width + 1:
            chosen.append(name)
            room -= columns[name].width + 1
    if "bar" in chosen:
        wide = min(WIDEST_BAR, BAR + max(0, room + 28 - KEYS.get(context.by, 32)))
        columns["bar"] = Column("bar", wide, partial(_share, wide=wide))
    return [column for name, column in columns.items() if name in chosen]


# -- cells


def _requests(row: Sums, context: Context) -> Cell:
    return f"{row.requests:,}" if row.requests < 100_000 else show.tokens(row.requests), ""


def _failed(row: Sums, context: Context) -> Cell:
    return (f"✗{row.failed}", "bad") if row.failed else ("", "")


def _sent(row: Sums, context: Context) -> Cell:
    return _about(row) + show.tokens(row.prompt_tokens), ""


def _answered(row: Sums, context: Context) -> Cell:
    return _about(row) + show.tokens(row.output_tokens), ""


def _about(row: Sums) -> str:
    return "~" if row.has_guesses else ""


def _cached(row: Sums, context: Context) -> Cell:
    share = row.cached_share
    return ("–", "faint") if share is None else (show.percent(share, 1), "good" if share >= 0.5 else "muted")


def cost(row: Sums, digits: int | None = None) -> str:
    """What was paid, with its marks: ~ for estimated tokens, + for calls whose price nobody knows."""
    more = "+" if row.unpriced and row.spent is not None else ""
    if row.is_unbilled:
        return NOTHING
    amount = show.money(row.spent) if digits is None else decimals.money(row.spent, digits)
    return ("~" if row.is_about and row.spent else "") + amount + more


def _cost(row: Sums, context: Context) -> Cell:
    digits = context.digits.get("cost", DIGITS)
    return context.lined(cost(row, digits), "cost"), "warn" if row.unpriced else "money"


def _share(row: Sums, context: Context, wide: int = BAR) -> Cell:
    full, rest = show.bar(row.cost / context.most if context.most else 0.0, wide)
    return full + " " * len(rest), "money"


def _router(row: Sums, context: Context) -> Cell:
    return _some(row.router_cost, "router", context, "router")


def _hops(row: Sums, context: Context) -> Cell:
    return _some(row.hop_cost, "think", context, "aside")


def _saved(row: Sums, context: Context) -> Cell:
    return _some(row.cache_saved, "good", context, "saved", "+" if row.cache_unknown else "")


def _lost(row: Sums, context: Context) -> Cell:
    return _some(row.cache_lost, "warn", context, "lost", "+" if row.cache_unknown else "")


def _some(amount: int, ink: str, context: Context, name: str, mark: str = "") -> Cell:
    told = decimals.money(amount, context.digits.get(name, DIGITS))
    return (context.lined(told + mark, name), ink) if amount else ("", "")


def _at(row: Sums, context: Context) -> Cell:
    if context.compared is None or not (row.requests or row.mix.prompt):
        return "", ""
    if row.is_unbilled:
        return NOTHING, "faint"
    digits = context.digits.get("at", DIGITS)
    return context.lined(beside(row, context.compared, digits), "at"), "muted"


def beside(row: Sums, compared: Baseline, digits: int) -> str:
    """What one model would have cost for the calls whose cost is told; a plus where there are more of them."""
    more = "+" if row.is_partly(compared.price) else ""
    return _about(row) + decimals.money(row.beside(compared.price), digits) + more


def _against(row: Sums, context: Context) -> Cell:
    return against(row, context.compared, context.digits.get("at", DIGITS), context.is_what_if)


def against(row: Sums, compared: Baseline | None, digits: int, is_what_if: bool = False) -> Cell:
    """How much less or more was paid than one model for all would have cost, as both are shown.

    What if: how much less or more that model would have cost than was paid.
    """
    if compared is None or row.spent is None:
        return "", ""
    other = row.beside(compared.price)
    mine, theirs = (other, row.cost) if is_what_if else (row.cost, other)
    share = decimals.against(mine, theirs, digits) if other else None
    if share is None:
        return "", ""
    words = f"{share:+d}%" if share <= MOST_SHARE else f">{MOST_SHARE}%"
    return words.replace("-", "−"), "good" if share < 0 else "warn" if share else "muted"


COLUMNS = {
    column.title: column
    for column in (
        Column("requests", 8, _requests),
        Column("failed", 6, _failed),
        Column("in", 6, _sent),
        Column("cached", 6, _cached),
        Column("out", 6, _answered),
        Column("cost", 10, _cost),
        Column("bar", BAR, _share),
        Column("router", 8, _router),
        Column("aside", 8, _hops),
        Column("saved", 9, _saved),
        Column("lost", 8, _lost),
        Column("at", 14, _at),
        Column("+/−", 6, _against),
    )
}
"""From left to right."""
BY_NEED = (
    *("cost", "at", "+/−", "in", "cached", "requests", "out", "saved", "router", "lost", "bar", "failed", "aside"),
)


OPTIONAL = {
    "failed": "failed",
    "router": "router_cost",
    "aside": "hop_cost",
    "saved": "cache_saved",
    "lost": "cache_lost",
}
"""Columns that may be empty, and the figure that they show."""


def empty(found: Sequence[Sums]) -> frozenset[str]:
    """Columns that none of the rows has anything for."""
    return frozenset(name for name, field in OPTIONAL.items() if not any(getattr(row, field) for row in found))


Amounts = Mapping[str, Sequence[int]]
"""What the columns of money hold, their sums among it."""


def amounts(found: Sequence[Sums], compared: Baseline | None) -> Amounts:
    """What was paid and what it is compared with are one column to the eye."""
    held = {name: [getattr(row, OPTIONAL[name]) for row in found] for name in ("router", "aside", "saved", "lost")}
    both = [row.cost for row in found] + ([row.beside(compared.price) for row in found] if compared else [])
    return {**held, "cost": both, "at": both}


def digits(held: Amounts) -> Mapping[str, int]:
    """Decimals for each."""
    return {name: decimals.of(some) for name, some in held.items()}


def tails(held: Amounts) -> Mapping[str, int]:
    """The most decimals that an amount of each has."""
    return {name: decimals.tail(some, decimals.of(some)) for name, some in held.items()}


def widths(held: Amounts) -> Mapping[str, int]:
    """Of those whose largest amount, with its marks and the decimals of the smallest, needs more than is usual."""
    need = {name: len(decimals.money(max(some, default=0), decimals.tail(some, decimals.of(some)))) + 2
            for name, some in held.items()}  # fmt: skip
    return {name: width for name, width in need.items() if width > COLUMNS[name].width}


# -- keys


def called(by: str, row: SpendRow, room: int) -> list[Cell]:
    """A row's key; of a session its title, and the beginning of its id where there is room for both."""
    if not row.title or row.key is None:
        return [(show.fit(named(by, row.key), room), "")]
    title = show.harmless(" ".join(row.title.split()))
    if room < 28:
        return [(show.fit(title, room), "")]
    return [(show.fit(title, room - 10), ""), (show.fit(f"  {show.harmless(row.key[:8])}", 10), "faint")]


def named(by: str, key: str | None) -> str:
    """A key as people read it."""
    if key is None:
        return "(none was asked)" if by in ("model", "provider") else "(none)"
    if by == "hour":
        return datetime.fromisoformat(key).astimezone().strftime("%a %d %b %H:%M")
    if by == "day":
        return datetime.fromisoformat(key).strftime("%a %d %b %Y")
    if by == "week":
        monday = monday_of(key)
        sunday = monday + timedelta(days=6)
        start = f"{monday:%d}" if monday.month == sunday.month else f"{monday:%d %b}"
        return f"W{key[-2:]} {start}–{sunday:%d %b}"
    if by == "project":
        return show.harmless(home(key))
    return show.harmless(key)


def monday_of(week: str) -> datetime:
    """Where an ISO week begins: 2026-W47 is 2026-11-16."""
    year, number = week.split("-W")
    return datetime.fromisocalendar(int(year), int(number), 1)


def home(path: str) -> str:
    """A path with ~ for the person's own directory."""
    own = str(Path.home())
    return "~" + path[len(own) :] if path == own or path.startswith((own + "/", own + "\\")) else path


def span_of(by: str, key: str) -> tuple[float, float]:
    """Beginning and end of a key that is a time, in seconds since the epoch."""
    if by == "hour":
        start = datetime.fromisoformat(key).timestamp()
        return start, start + 3600
    day = monday_of(key) if by == "week" else datetime.fromisoformat(key)
    return day.timestamp(), (day + timedelta(days=7 if by == "week" else 1)).timestamp()
