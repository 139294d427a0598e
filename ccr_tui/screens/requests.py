"""The columns of the requests, and where their rows come from.

Owns what one request looks like on one line. The one surprise: columns come and go with the width, in the order of how
much they are asked for; at 80 columns the project goes first. A request is told by when it ended, because that is when
it came into the list.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from ccr_tui.lanes import speed
from ccr_tui.screens import costs, failing, show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.pages import Place, Stop
from ccr_tui.screens.table import Column
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import CutOff, Filter, Key, List, Order, Reader, TraceRow

Cell = tuple[str, str]

KINDS = {"main": "main", "subagent": "sub", "compaction": "compact", "web_search": "web", "background": "bg"}
AGENTS = {"background": "bg", "long_context": "long", "web_search": "web"}
WORKERS = {"think": "think", "code": "coder"}
"""Agents that work before another speaks, by the purposes of their calls."""
COST = 9
"""Cells of what a request costs: "$0.000066"."""


def layout(width: int) -> Sequence[Column]:
    """The columns for a width."""
    wide = 10 if width >= 96 else 7
    dated = 12 if width >= 108 else 9
    fixed = [
        Column("ended", dated, lambda row: (show.when(ended(row), time.time(), dated), "muted"), order="time"),
        Column("agent", wide, lambda row: agent(row, wide)),
        Column("in", 6, lambda row: (tokens(row, _prompt(row)), ""), right=True, order="tokens"),
        Column("cached", 6, cached, right=True, order="cached"),
        Column("out", 6, lambda row: (tokens(row, row.output_tokens if row.usage_basis else None), ""), right=True),
        Column("cost", COST, in_line, right=True, order="cost"),
        Column("s", 5, lambda row: (took(row.duration_ms), ""), right=True, order="duration"),
    ]
    room = width - sum(column.width + 1 for column in fixed)
    for column, needed in (
        (Column("project", 12, project), 28),
        (Column("first s", 7, lambda row: (took(row.ttft_ms), "muted"), right=True), 32),
        (Column("tok/s", 5, lambda row: (rate(row), "muted"), right=True), 34),
        (Column("stop", 10, lambda row: (show.harmless(row.stop_reason or ""), "muted")), 38),
        (Column("provider", 12, lambda row: (show.harmless(row.provider or ""), "muted")), 40),
        (Column("rule", 18, lambda row: (show.harmless(row.rule or ""), "muted")), 42),
        (Column("session", 8, lambda row: (show.harmless((row.session or "")[:8]), "muted")), 42),
    ):
        if room - column.width - 1 >= needed:
            fixed.append(column)
            room -= column.width + 1
    for number, column in enumerate(fixed):
        more = min(WIDER.get(column.title, 0), max(0, room - 48))
        fixed[number], room = replace(column, width=column.width + more), room - more
    names = Column("asked → answered", max(10, room - 1), lambda row: names_of(row, max(10, room - 1)))
    return sorted([*fixed, names], key=lambda column: ORDER.index(column.title))


WIDER = {"project": 12, "provider": 8, "rule": 8, "stop": 4}
"""By how much a column may grow where there is room."""


ORDER = (
    *("ended", "session", "project", "asked → answered", "provider", "agent", "rule"),
    *("in", "cached", "out", "cost", "first s", "tok/s", "s", "stop"),
)


def ended(row: TraceRow) -> float:
    """When it was over."""
    return row.started_at + row.duration_ms / 1000


def whole(row: TraceRow) -> tuple[str, str, str] | None:
    """A failed request says who failed and why, in place of its numbers; how long it took stays."""
    if row.outcome != "error":
        return None
    words = failing.sentence(row.status, row.error or "failed", tries(row))
    return "asked → answered", f"{marks(row)}{show.model(row.asked_model)} {failed(row)} {show.harmless(words)}", "bad"


OURS = "✗ by ccr-tui:"
"""What nobody else has refused: a budget, a guard, a model that is not there."""
LONGEST = 28
"""Cells of the name of a model that failed."""


def failed(row: TraceRow) -> str:
    """Who failed: the model that was asked last, and the agent that it was asked as where that is a special one."""
    if not row.attempts:
        return OURS
    name = show.fit(show.model(row.model), LONGEST).rstrip() if row.model else "–"
    known, _ = agent(row)
    return f"→ {name} ✗" if known == KINDS["main"] else f"→ {name} ({known}) ✗"


def names_of(row: TraceRow, width: int) -> Cell:
    """Which model was asked for, and which one answered; where there is room, the note on it."""
    mark = "⊘ " if row.outcome == "cancelled" else ""
    mine, asked, answered = marks(row), show.model(row.asked_model), show.model(row.model) if row.model else "–"
    answered += f" ×{tries(row)}" if tries(row) > 1 else ""
    over = len(mine) + len(asked) + 3 + len(mark) + len(answered) - width
    if over > 0:
        asked = show.fit(asked, max(5, len(asked) - over)).rstrip()
    names = f"{mine}{asked} → {mark}{answered}"
    note = f"  {show.harmless(row.note)}" if row.note and len(names) + 12 < width else ""
    aside = "muted" if row.origin == "replay" else ""
    return names + note, "warn" if row.outcome == "cancelled" else "link" if row.marked else aside


def tries(row: TraceRow) -> int:
    """How often somebody was asked to answer: with retries, other keys and fallbacks."""
    return row.hops.split(",").count("answer")


def project(row: TraceRow) -> Cell:
    """The last part of its path; a request that a replay or a lab has sent belongs to none, and says so."""
    if row.origin == "replay":
        return ("↻ lab" if row.run_kind == "lab" else "↻ replay"), "warn"
    return show.harmless(folder(row.project)), "muted"


def marks(row: TraceRow) -> str:
    """A star: a bookmark; a pencil: a note; a ring of an arrow: a replay or a lab has sent it."""
    signs = ("↻" if row.origin == "replay" else "") + ("★" if row.marked else "") + ("✎" if row.note else "")
    return f"{signs} " if signs else ""


def agent(row: TraceRow, width: int = 10) -> Cell:
    """The agent that the router chose, and who worked before it; in Normal mode what kind of request it was."""
    name = row.agent or ""
    if name in ("", "default"):
        return KINDS.get(row.kind, row.kind), "muted"
    return path(row, width), AGENT_INKS.get(name, "")


def path(row: TraceRow, width: int) -> str:
    """think→tool; shorter where that does not fit: th→tool, and 2→tool for two before it."""
    last = show.harmless(AGENTS.get(row.agent or "", row.agent or ""))
    before = [WORKERS[hop] for hop, _ in groupby(row.hops.split(",")) if hop in WORKERS]
    for names in (before, [name[:2] for name in before], [str(len(before))]):
        whole_path = "→".join([*names, last])
        if len(whole_path) <= width:
            return whole_path
    return last


def _prompt(row: TraceRow) -> int | None:
    if row.usage_basis is None:
        return row.estimated_input_tokens
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens


def tokens(row: TraceRow, count: int | None) -> str:
    text = show.tokens(count)
    return text if row.usage_basis == "reported" or count is None else "~" + text


def cached(row: TraceRow) -> Cell:
    """The share of the prompt that the provider had cached; a dash where it told nothing of it."""
    share = row.cached_share
    if share is None:
        return "–", "faint"
    return f"⟨{show.percent(share, 1):>3}⟩", "good" if share >= 0.5 else "muted"


def cost(row: TraceRow) -> Cell:
    """What it cost; a sum sign where the tokens beside it are the answer's alone."""
    words, ink = costs.of_row(row)
    return "Σ" * (row.cost is not None and set(row.hops.split(",")) > {"answer"}) + words, ink


def in_line(row: TraceRow) -> Cell:
    """The same for a column: the points below one another, but for less than a hundredth of a cent."""
    words, ink = cost(row)
    return show.lined(words, widest=COST) if "$" in words else words, ink


def took(ms: int | None) -> str:
    """A duration for a column of them: the points of seconds below one another."""
    words = show.seconds(ms)
    return words + "  " if words.isdigit() else words


def rate(row: TraceRow) -> str:
    """Tokens a second from the first one to the end: a row does not know when the last one came."""
    found = None if row.ttft_ms is None else speed(row.output_tokens, row.duration_ms - row.ttft_ms)
    return "–" if found is None else f"{found:.0f}"


def folder(path: str | None) -> str:
    """The last part of a project's path."""
    return (path or "").rstrip("/\\").replace("\\", "/").rpartition("/")[2]


NEWEST = Order()


@dataclass(frozen=True)
class Requests:
    """The store's requests behind a filter, as the table reads them."""

    reader: Reader
    filter: Filter | None = None
    order: Order = NEWEST

    def open(self) -> Listed:
        """The rows as they are now."""
        return Listed(self.reader, self.reader.listed(self.filter, self.order))

    def newer(self, than: int, limit: int) -> list[TraceRow]:
        """What has come since."""
        return with_hops(self.reader, self.reader.newer(self.filter, than, limit))

    def place(self) -> Place:
        """Which file the store is."""
        return self.reader.place()


@dataclass(frozen=True)
class Listed:
    """They at one moment."""

    reader: Reader
    given: List

    @property
    def most(self) -> int:
        """The number of the newest request there was."""
        return self.given.most

    def rows(self, after: Key | None, limit: int, forward: bool, stop: Stop) -> list[TraceRow]:
        """A page; requests that took several calls with what each was for."""
        try:
            return with_hops(self.reader, self.reader.page(self.given, after, limit, forward, stop))
        except CutOff as cut:
            cut.rows = with_hops(self.reader, cut.rows)
            raise

    def key_after(self, after: Key | None, count: int, stop: Stop) -> Key | None:
        """A key further down."""
        return self.reader.key_after(self.given, after, count, stop)

    def count(self, stop: Stop) -> int:
        """How many pass the filter."""
        return self.reader.counted(self.given, stop)


def with_hops(reader: Reader, rows: list[TraceRow]) -> list[TraceRow]:
    """The rows, those that took several calls with what each was for."""
    hops = reader.hops([row.n for row in rows if row.attempts > 1])
    return [replace(row, hops=hops[row.n]) if row.n in hops else row for row in rows]
