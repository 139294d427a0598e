"""Cost against agreement as a picture: what is cheaper and agrees as well lies further left, and as high.

Owns where the points and their names lie. Pure. The one surprise: names that would lie on top of each other move a line
down, so that a point's own line has its mark and the name may stand below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from ccr_tui.replay.sums import agreement
from ccr_tui.replay.words import RECORDED, Comparison
from ccr_tui.screens import show
from ccr_tui.screens.course import Picture
from ccr_tui.slim import dataclass

LABEL = 6
"""Columns of the scale at the left."""
NEEDS = "  no answers to compare: a reprice sends nothing. R sends every request for real"


@dataclass(frozen=True, slots=True)
class Point:
    """A variant: its place from 0 to 1, how it is called, and its ink."""

    x: float
    y: float
    name: str
    ink: str
    best: bool


def points(comparison: Comparison, ink_of: Callable[[str], str]) -> list[Point]:
    """Those of which both are known; none where only the recording is left."""
    every = ((line, line.cost, agreement(line)) for line in comparison.variants)
    known = [(line, cost, agrees) for line, cost, agrees in every if cost is not None and agrees is not None]
    top = max((cost for _, cost, _ in known), default=0)
    found = [Point(cost / (top or 1), agrees, show.harmless(line.name), ink_of(line.name), line.pareto)
             for line, cost, agrees in known]  # fmt: skip
    return found if any(line.name != RECORDED for line, _, _ in known) else []


def picture(comparison: Comparison, ink_of: Callable[[str], str], width: int, height: int) -> Picture | None:
    """The points in a frame; None where there is nothing to compare, or no room."""
    found = points(comparison, ink_of)
    if not found or height < 6 or width < 32:
        return None
    rows, columns = height - 2, width - LABEL - 1
    grid = [[(" ", "")] * width for _ in range(height)]
    for y, words in ((0, "100%"), ((rows - 1) // 2, "50%"), (rows - 1, "0%")):
        _write(grid[y], 0, f"{words:>{LABEL - 1}} ", "faint")
    for y in range(rows):
        grid[y][LABEL] = ("│", "faint")
    _write(grid[rows], LABEL, "└" + "─" * columns, "faint")
    top = show.money(max(line.cost or 0 for line in comparison.variants))
    _write(grid[rows + 1], LABEL, "$0", "faint")
    _write(grid[rows + 1], max(LABEL + 3, width - len(top)), top, "faint")
    title = "cost →   agreement ↑"
    _write(grid[rows + 1], LABEL + 4, show.fit(title, max(0, columns - len(top) - 6)), "faint")
    for point in sorted(found, key=lambda point: point.x):
        x, y = LABEL + 1 + round(point.x * (columns - 2)), round((1 - point.y) * (rows - 1))
        _name(grid[:rows], x, y, point)
        grid[y][x] = ("★" if point.best else "●", point.ink or "strong")
    return Picture(tuple(_joined(line) for line in grid), {})


def _name(grid: Sequence[list[tuple[str, str]]], x: int, y: int, point: Point) -> None:
    """Beside its point, at the left where there is no room at the right, or on the next line that is free."""
    words = f" {point.name}"
    at = x + 1 if x + 1 + len(words) <= len(grid[0]) else max(LABEL + 1, x - len(words))
    for line in grid[y:]:
        if all(char == " " for char, _ in line[at : at + len(words)]):
            _write(line, at, words if at > x else words[1:] + " ", point.ink or "muted")
            return


def _write(line: list[tuple[str, str]], at: int, words: str, ink: str) -> None:
    for place, char in enumerate(words[: len(line) - at], at):
        line[place] = (char, ink)


def _joined(cells: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("".join(char for char, _ in run), ink) for ink, run in groupby(cells, key=lambda cell: cell[1])]
