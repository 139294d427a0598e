"""What a project, a session, a turn, a subagent and a request look like on one line of the tree.

Owns the columns and which of them a width has room for. Pure. The one surprise: a request has no figure at the
baseline, because what one model for all would have had cached is known of a conversation only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import field
from functools import lru_cache
from typing import NamedTuple

from ccr_tui.baseline import Baseline
from ccr_tui.screens import costs, requests, show
from ccr_tui.slim import dataclass
from ccr_tui.store.amounts import Sums
from ccr_tui.store.browsing import Branch, Project, Turn
from ccr_tui.store.queries import SessionRow, TraceRow

Piece = tuple[str, str]
LEAST = 34
"""Columns of a title at least; one more stays free at the right."""
COLUMNS = (("cost", 9), ("at", 11), ("requests", 8), ("ended", 9), ("in", 6), ("cached", 6), ("took", 7), ("out", 6))
"""Names and widths, the most asked for first."""
ORDER = ("requests", "in", "cached", "out", "cost", "at", "took", "ended")


@dataclass
class Seen:
    """What all lines need to know."""

    baseline: Baseline | None = None
    running: frozenset[str] = frozenset()
    """Sessions of which a request is under way."""
    old: set[int] = field(default_factory=set)
    """Numbers of sessions whose rows are no longer true."""


class Line(NamedTuple):
    """A title in pieces, and the cells by column."""

    title: Sequence[Piece]
    cells: dict[str, Piece]
    tail: tuple[str, str] = ("", "")
    """What is seen behind the title however long that is: with room, and without."""


@lru_cache(16)
def columns(width: int) -> tuple[tuple[str, int], ...]:
    """What there is room for, in order."""
    room, chosen = width - LEAST - 1, {}
    for name, size in COLUMNS:
        if room >= size + 1:
            chosen[name] = size
            room -= size + 1
    return tuple((name, chosen[name]) for name in ORDER if name in chosen)


def headings(width: int, seen: Seen) -> list[Piece]:
    """The names of the columns; that of the baseline is its model's."""
    shown = columns(width)
    room = width - 1 - sum(size + 1 for _, size in shown)
    names = {"at": f"at {show.model(seen.baseline.name)}" if seen.baseline else "at ?"}
    pieces = [(show.fit("  project · session · what was typed · requests", room), "muted")]
    return pieces + [(" " + show.fit_right(names.get(name, name), size), "muted") for name, size in shown]


class Lines:
    """Draws for one width."""

    def __init__(self, width: int, seen: Seen) -> None:
        self.width, self.seen = width, seen
        self._shown = columns(width)
        self._room = width - 1 - sum(size + 1 for _, size in self._shown)

    def drawn(self, line: Line, depth: int, opened: bool | None) -> list[Piece]:
        """A line with its arrow (None: it has nothing inside) and its cells."""
        room, cells = self._room, line.cells
        arrow = "  " if opened is None else "▾ " if opened else "▸ "
        tail = line.tail[10 * show.cells(line.tail[0]) > 3 * room]
        *title, rest = cut([("  " * depth + arrow, "muted"), *line.title], room - show.cells(tail))
        pieces = [*title, (tail, "muted"), rest]
        for name, size in self._shown:
            text, ink = cells.get(name, ("", ""))
            pieces.append((" " + show.fit_right(text, size), ink))
        return pieces

    def project(self, project: Project, spent: Sums | None) -> Line:
        """Its last folder's name, where it is, how many sessions."""
        count = len(project.sessions)
        name = show.harmless((project.path or "").rstrip("/\\").replace("\\", "/").rpartition("/")[2])
        where = f"{count} session{'s' * (count != 1)}" + (f" · {show.harmless(project.path)}" if project.path else "")
        title = [(name or "no project", "title"), (f"  {where}", "muted")]
        cells = self.sums(spent) if spent else {}
        return Line(title, cells | {"ended": (show.when(project.last_at, time.time(), 9), "muted")})

    def session(self, number: int, row: SessionRow) -> Line:
        """What it is called; a dot while it runs."""
        running = [("● ", "good")] if row.id in self.seen.running else []
        running += [("⚑ ", "link")] if row.pinned else []
        count = row.subagents
        agents = (f"  {count} subagent{'s' * (count != 1)}", f" ⎇{count}") if count else ("", "")
        name = show.harmless(row.title) if row.title else f"session {show.harmless(row.id[:8])}"
        cells = self.sums(row) | self._time(row.started_at, row.ended_at)
        return Line([*running, (name, "strong")], cells, agents)

    def turn(self, turn: Turn) -> Line:
        """What was typed."""
        title = ("no prompt", "muted") if turn.prompt is None else (show.harmless(turn.prompt), "")
        return Line([("❯ ", "title"), title], self.sums(turn) | self._time(turn.started_at, turn.ended_at))

    def branch(self, branch: Branch) -> Line:
        """What a subagent was told."""
        title = [("⎇ subagent ", "link"), (show.harmless(branch.prompt or branch.agent_id[:12]), "")]
        return Line(title, self.sums(branch) | self._time(branch.started_at, branch.ended_at))

    def request(self, row: TraceRow) -> Line:
        """Who was asked and who answered, or why not."""
        agent, ink = requests.agent(row)
        whole = requests.whole(row)
        names = (whole[1], whole[2]) if whole else requests.names_of(row, 60)
        cells = {
            "in": (requests.tokens(row, row.input_tokens + row.cache_read_tokens + row.cache_write_tokens), ""),
            "cached": requests.cached(row),
            "out": (requests.tokens(row, row.output_tokens), ""),
            "cost": requests.cost(row),
        }
        ended = row.started_at + row.duration_ms / 1000
        return Line([(f"{agent:8}", ink), names], cells | self._time(row.started_at, ended))

    def sums(self, sums: Sums) -> dict[str, Piece]:
        """The cells of many requests: what rests on estimates says so, and what nobody has billed is no amount."""
        share = sums.cached_share
        failed = f" ✗{sums.failed}" if sums.failed else ""
        about = "~" if sums.has_guesses else ""
        base = self.seen.baseline
        return {
            "requests": (f"{sums.requests}{failed}", "bad" if failed else ""),
            "in": (about + show.tokens(sums.prompt_tokens), ""),
            "cached": ("–" if share is None else f"⟨{show.percent(share, 1):>3}⟩", "good" if share else "muted"),
            "out": (about + show.tokens(sums.output_tokens), ""),
            "cost": costs.of_sums(sums),
            "at": (costs.beside(sums, base.price) if base else "", "muted"),
        }

    def _time(self, started: float, ended: float) -> dict[str, Piece]:
        took = show.seconds((ended - started) * 1000)
        return {
            "took": (took if "m" in took or "h" in took else f"{took} s", "muted"),
            "ended": (show.when(ended, time.time(), 9), "muted"),
        }


def cut(pieces: Sequence[Piece], room: int) -> list[Piece]:
    """The pieces in exactly `room` cells."""
    shown: list[Piece] = []
    for text, ink in pieces:
        is_long = len(text) > room and text[: room + 1].isascii()  # then nobody need count all of its cells
        fitted = show.fit(text, room if is_long else min(room, show.cells(text)))
        shown.append((fitted, ink))
        room -= show.cells(fitted)
    return [*shown, (" " * room, "")]
