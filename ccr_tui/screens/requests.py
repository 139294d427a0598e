"""The columns of the requests, and the words of their filter.

Owns what one request looks like on one line. Pure. The one surprise: columns come and go with the width, in the order
of how much they are asked for; at 80 columns the project goes first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from ccr_tui.screens import show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.table import Column
from ccr_tui.store.queries import Filter, Reader, TraceRow

Cell = tuple[str, str]

KINDS = {"main": "main", "subagent": "sub", "compaction": "compact", "web_search": "web", "background": "bg"}
AGENTS = {"background": "bg", "long_context": "long", "web_search": "web"}


def layout(width: int) -> Sequence[Column]:
    """The columns for a width."""
    wide = 10 if width >= 96 else 7
    fixed = [
        Column("time", 8, lambda row: (show.clock(row.started_at, time.time()), "muted")),
        Column("agent", wide, lambda row: agent(row, wide)),
        Column("in", 6, lambda row: (_tokens(row, _prompt(row)), ""), right=True),
        Column("cached", 6, cached, right=True),
        Column("out", 6, lambda row: (_tokens(row, row.output_tokens if row.usage_basis else None), ""), right=True),
        Column("cost", 9, cost, right=True),
        Column("s", 5, lambda row: (show.seconds(row.duration_ms), ""), right=True),
    ]
    room = width - sum(column.width + 1 for column in fixed)
    for column, needed in (
        (Column("project", 12, lambda row: (show.harmless(_last(row.project)), "muted")), 28),
        (Column("first s", 7, lambda row: (show.seconds(row.ttft_ms), "muted"), right=True), 34),
        (Column("tok/s", 5, lambda row: (rate(row), "muted"), right=True), 36),
        (Column("stop", 10, lambda row: (show.harmless(row.stop_reason or ""), "muted")), 40),
        (Column("provider", 12, lambda row: (show.harmless(row.provider or ""), "muted")), 42),
        (Column("rule", 18, lambda row: (show.harmless(row.rule or ""), "muted")), 44),
        (Column("session", 8, lambda row: (show.harmless((row.session or "")[:8]), "muted")), 44),
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
    *("time", "session", "project", "asked → answered", "provider", "agent", "rule"),
    *("in", "cached", "out", "cost", "first s", "tok/s", "s", "stop"),
)


def whole(row: TraceRow) -> tuple[str, str, str] | None:
    """A failed request says why, in place of its numbers."""
    if row.outcome != "error":
        return None
    why = row.error or "failed"
    words = why if str(row.status) in why[:16] else f"{row.status} {why}"
    return "asked → answered", f"{show.model(row.asked_model)} → ✗ {show.harmless(words)}", "bad"


def names_of(row: TraceRow, width: int) -> Cell:
    """Which model was asked for, and which one answered."""
    mark = "⊘ " if row.outcome == "cancelled" else ""
    asked, answered = show.model(row.asked_model), mark + (show.model(row.model) if row.model else "–")
    over = len(asked) + 3 + len(answered) - width
    if over > 0:
        asked = show.fit(asked, max(5, len(asked) - over)).rstrip()
    return f"{asked} → {answered}", "warn" if row.outcome == "cancelled" else ""


def agent(row: TraceRow, width: int = 10) -> Cell:
    """The agent that the router chose, and who worked before it; in Normal mode what kind of request it was."""
    name = row.agent or ""
    if name in ("", "default"):
        return KINDS.get(row.kind, row.kind), "muted"
    return path(row, width), AGENT_INKS.get(name, "")


def path(row: TraceRow, width: int) -> str:
    """think→tool; shorter where that does not fit: th→tool, and 2→tool for two before it."""
    last = show.harmless(AGENTS.get(row.agent or "", row.agent or ""))
    before = ["coder" if hop == "code" else hop for hop, _ in groupby(row.hops.split(",")) if hop]
    for names in (before, [name[:2] for name in before], [str(len(before))]):
        whole_path = "→".join([*names, last])
        if len(whole_path) <= width:
            return whole_path
    return last


def _prompt(row: TraceRow) -> int | None:
    if row.usage_basis is None:
        return row.estimated_input_tokens
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens


def _tokens(row: TraceRow, count: int | None) -> str:
    text = show.tokens(count)
    return text if row.usage_basis == "reported" or count is None else "~" + text


def cached(row: TraceRow) -> Cell:
    """The share of the prompt that the provider had cached."""
    prompt = _prompt(row)
    if row.usage_basis is None or not prompt:
        return "–", "faint"
    share = row.cache_read_tokens / prompt
    return f"⟨{show.percent(row.cache_read_tokens, prompt):>3}⟩", "good" if share >= 0.5 else "muted"


def cost(row: TraceRow) -> Cell:
    """What it cost; a question mark where no price is known."""
    return show.money(row.cost), "money" if row.cost is not None else "warn"


def rate(row: TraceRow) -> str:
    """Tokens a second after the first one."""
    if row.ttft_ms is None or row.duration_ms - row.ttft_ms < 50 or row.output_tokens < 2:
        return "–"
    return f"{row.output_tokens / ((row.duration_ms - row.ttft_ms) / 1000):.0f}"


def _last(path: str | None) -> str:
    return (path or "").rstrip("/\\").replace("\\", "/").rpartition("/")[2]


# -- the filter

WORDS = {"ok": "ok", "error": "error", "errors": "error", "failed": "error", "cancelled": "cancelled"}
FIELDS = ("session", "agent", "model", "outcome", "project")
MEANT = {"outcome": WORDS, "agent": {shown: name for name, shown in (KINDS | AGENTS).items()}}
"""What stands for a value, where the list shows another word than is recorded."""
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_filter(words: str, now: float) -> Filter:
    """`error agent:tool model:qwen project:web session:3f2a since:2h` and free text, as a filter; raises ValueError."""
    chosen, free = Filter(), []
    for word in words.split():
        name, colon, value = word.partition(":")
        if word in WORDS:
            chosen = replace(chosen, outcome=WORDS[word])
        elif colon and name == "since":
            chosen = replace(chosen, since=_since(value, now))
        elif colon and name in FIELDS and value:
            given: dict[str, Any] = {name: MEANT.get(name, {}).get(value, value)}
            chosen = replace(chosen, **given)
        else:
            free.append(word)
    return replace(chosen, text=" ".join(free)) if free else chosen


def _since(value: str, now: float) -> float:
    if value[-1:] in UNITS and value[:-1].isdigit():
        return now - int(value[:-1]) * UNITS[value[-1]]
    raise ValueError(f"since:{value} is not understood; write since:30m, since:2h or since:7d")


@dataclass(frozen=True)
class Requests:
    """The store's requests behind a filter, as the table reads them."""

    reader: Reader
    filter: Filter | None = None

    def rows(self, before: int | None, limit: int) -> list[TraceRow]:
        """Newest first, below `before`; those of Router mode with who worked before."""
        rows = self.reader.rows(self.filter, before, limit)
        hops = self.reader.hops([row.n for row in rows if row.attempts > 1 and row.mode == "router"])
        return [replace(row, hops=hops[row.n]) if row.n in hops else row for row in rows]

    def count(self) -> int:
        """How many pass the filter."""
        return self.reader.count(self.filter)
