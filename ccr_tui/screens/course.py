"""Spending over time as a picture: stacked bars by key, or what was paid against one model for all.

Owns how amounts become characters. `bars` and `lines` are for a thread: plotext takes some 10 ms a picture, and 0.3 s
to be imported, which happens here and late. The one surprise: plotext draws the frame, the ticks and the lines; bars
are put into its frame in eighths of a cell, because its own have whole cells only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from threading import Lock

from rich.style import Style
from textual.message import Message
from textual.strip import Strip

from ccr_tui import prices
from ccr_tui.screens.ink import Inked
from ccr_tui.slim import dataclass

Pieces = Sequence[tuple[str, str]]
SERIES = ("link", "good", "think", "warn", "coder")
"""Inks of the largest keys; what is left is muted."""
REST = "muted"
WIDEST = 12
"""Columns of a bar and the space after it, at most."""
_STYLED = re.compile(r"\x1b\[[0-9;]*m")
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
_DRAWING = Lock()
"""plotext keeps some of its state in its module."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Lines, top to bottom, and the inks of its keys."""

    lines: tuple[Pieces, ...]
    inks: Mapping[str | None, str]
    each: int = 1
    """Parts in one bar, where there is no room for a bar each."""


class CoursePlot(Inked):
    """Shows a picture; an ink such as "good/link" is the first one on the colour of the second."""

    class Resized(Message):
        """Another size, which wants another picture."""

    picture: Picture | None = None
    words = ""
    """Shown where there is no picture."""

    def put(self, picture: Picture | None, words: str = "") -> None:
        """Another picture, or words instead."""
        self.picture, self.words = picture, words
        self.refresh()

    def on_resize(self) -> None:
        """Tell the screen."""
        self.post_message(self.Resized())

    def ink(self, name: str) -> Style:
        """The style of an ink or of one on another."""
        upper, slash, lower = name.partition("/")
        return super().ink(upper) + Style(bgcolor=super().ink(lower).color) if slash else super().ink(name)

    def render_line(self, y: int) -> Strip:
        """One line."""
        if self.picture is None:
            return self.strip([(self.words if y == self.size.height // 2 else "", "muted")], self.size.width)
        lines = self.picture.lines
        return self.strip(lines[y] if y < len(lines) else [], self.size.width)


def ranked(parts: Sequence[Mapping[str | None, int]], most: int = len(SERIES)) -> list[str | None]:
    """The keys that cost most, the dearest first."""
    totals: dict[str | None, int] = {}
    for part in parts:
        for key, cost in part.items():
            totals[key] = totals.get(key, 0) + cost
    return sorted((key for key in totals if totals[key]), key=lambda key: -totals[key])[:most]


def bars(
    parts: Sequence[Mapping[str | None, int]], ticks: Mapping[int, str], width: int, height: int,
    inks: Mapping[str | None, str] | None = None, called: Mapping[str | None, str] | None = None,
) -> Picture | None:  # fmt: skip
    """A bar for each part, its keys stacked; None where nothing was spent, or there is no room. Keys that the table
    below does not name are `called` something on a line of their own, if there is room for one."""
    if called and height >= 9 and (picture := bars(parts, ticks, width, height - 1, inks)):
        return Picture((_legend(picture.inks, called, width), *picture.lines), picture.inks, picture.each)
    if not any(any(part.values()) for part in parts) or height < 4 or width < 24:
        return None
    keys = ranked(parts)
    known = {key: (inks or {}).get(key) or SERIES[place] for place, key in enumerate(keys)}
    shown, each = _fitting(parts, width)
    top = max(sum(part.values()) for part in shown)
    label = max(map(len, _amounts(top)))
    room = width - label - 1
    step = min(room / len(shown), WIDEST)
    starts = [round(at * step) for at in range(len(shown) + 1)]
    places = {starts[at // each]: words for at, words in sorted(ticks.items(), reverse=True)}
    grid = _frame(top, places, starts[-1], width, height)
    for at, part in enumerate(shown):
        column = _column(part, keys, known, top, height - 2)
        for x in range(starts[at], max(starts[at] + 1, starts[at + 1] - 1)):
            for y, cell in enumerate(column):
                grid[height - 3 - y][label + 1 + x] = cell
    return Picture(tuple(_joined(line) for line in grid), known, each)


def _fitting(parts: Sequence[Mapping[str | None, int]], width: int) -> tuple[Sequence[Mapping[str | None, int]], int]:
    """As many in one as it takes for each to have a column: of a course nothing may be left out. And how many."""
    each = 1
    while True:
        shown = [_sum(parts[at : at + each]) for at in range(0, len(parts), each)] if each > 1 else parts
        label = max(map(len, _amounts(max(sum(part.values()) for part in shown))))
        if len(shown) <= max(1, width - label - 1):
            return shown, each
        each += 1


def _sum(parts: Sequence[Mapping[str | None, int]]) -> Mapping[str | None, int]:
    found: Counter[str | None] = Counter()
    for part in parts:
        found.update(part)
    return found


def lines(
    paid: Sequence[int], other: Sequence[int], ticks: Mapping[int, str], width: int, height: int
) -> Picture | None:
    """Both summed up over time: what was paid, filled, below what another model would have cost."""
    mine, theirs = list(accumulate(paid)), list(accumulate(other))
    return many(((theirs, "title", False), (mine, "good", True)), ticks, width, height)


def many(
    series: Sequence[tuple[Sequence[int], str, bool]], ticks: Mapping[int, str], width: int, height: int
) -> Picture | None:
    """Lines over the same steps, each with its ink and whether it is filled; the last one lies on top. `ticks` are
    words by the number of a step. None where nothing was spent, or there is no room."""
    top = max((max(values) for values, _, _ in series if values), default=0)
    if not top or height < 4 or width < 24:
        return None
    label = max(map(len, _amounts(top)))
    room = width - label - 1
    last = max(1, max(len(values) for values, _, _ in series) - 1)
    places = {at * (room - 1) // last: words for at, words in ticks.items()}
    grid = _frame(top, places, room, width, height)
    for values, ink, filled in series:
        for y, text in enumerate(_drawn(values, top, room, height - 2, filled)):
            for x, char in enumerate(text):
                if char not in " \u2800":
                    grid[y][label + 1 + x] = (_both(grid[y][label + 1 + x][0], char), ink)
    return Picture(tuple(_joined(line) for line in grid), {})


def _legend(inks: Mapping[str | None, str], called: Mapping[str | None, str], width: int) -> Pieces:
    """As many names as there is room for, at the right."""
    pieces: list[tuple[str, str]] = []
    used = 1
    for key, ink in inks.items():
        name = called.get(key, "?")
        if used + len(name) + 4 <= width:
            pieces += [("■ ", ink), (f"{name}  ", "muted")]
            used += len(name) + 4
    return [(" " * (width - used), ""), *pieces]


# -- parts of a picture


def _amounts(top: int) -> list[str]:
    return ["$0", prices.show(top // 2), prices.show(top)]


def _frame(top: int, ticks: Mapping[int, str], room: int, width: int, height: int) -> list[list[tuple[str, str]]]:
    """Axes with their ticks, as plotext draws them, cell by cell."""
    from textual_plotext.plot import Plot

    amounts = _amounts(top)
    marks: list[float] = [0, 1, 2] if height >= 8 else [0, 2]
    with _DRAWING:
        plot = Plot()
        size = (max(map(len, amounts)) + 1 + room, height)
        plot.plotsize(*size)
        plot._set_size(*size)
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        plot.scatter([-9], [-9], marker=" ")
        plot.xlim(0, max(1, room - 1))
        plot.ylim(0, 2)
        plot.xticks(list(ticks), list(ticks.values()))
        plot.yticks(marks, [amounts[int(mark)] for mark in marks])
        text = _STYLED.sub("", plot.build())
    blank = [(" ", "")] * width
    return [([(char, "faint") for char in line] + blank)[:width] for line in text.split("\n")[:height]]


def _drawn(series: Sequence[int], top: int, room: int, height: int, filled: bool) -> list[str]:
    """One line over time, in braille, without a frame."""
    from textual_plotext.plot import Plot

    values = [value / top for value in series] * (2 if len(series) == 1 else 1)
    with _DRAWING:
        plot = Plot()
        plot.plotsize(room, height)
        plot._set_size(room, height)
        for axis in (plot.xaxes, plot.yaxes):
            axis(False, False)
        plot.xfrequency(0)
        plot.yfrequency(0)
        plot.plot(values, marker="braille", fillx=filled)
        plot.ylim(0, 1)
        return _STYLED.sub("", plot.build()).split("\n")[:height]


def _both(old: str, new: str) -> str:
    """Dots of braille, those of both."""
    if _BRAILLE <= ord(old) < _BRAILLE + 256 and _BRAILLE <= ord(new) < _BRAILLE + 256:
        return chr(ord(old) | ord(new))
    return new


def _column(
    part: Mapping[str | None, int], keys: Sequence[str | None], inks: Mapping[str | None, str], top: int, height: int
) -> list[tuple[str, str]]:
    """The cells of a bar from its foot; what is no key of the list is on top, muted."""
    stack = [(part.get(key, 0), inks[key]) for key in keys]
    stack.append((sum(part.values()) - sum(cost for cost, _ in stack), REST))
    eighths: list[str] = []
    paid = 0
    for cost, ink in stack:
        paid += max(0, cost)
        eighths += [ink] * (round(paid / top * height * 8) - len(eighths))
    if paid and not eighths:
        eighths = [max(stack)[1]]
    return [_cell(eighths[at : at + 8]) for at in range(0, len(eighths), 8)]


def _cell(eighths: Sequence[str]) -> tuple[str, str]:
    """One cell of a bar: the lowest ink, and at most one more above it."""
    runs = [(ink, len(list(run))) for ink, run in groupby(eighths)]
    if len(runs) == 1:
        ink, count = runs[0]
        return _EIGHTHS[count], ink
    low = runs[0][1]
    if len(eighths) < 8:  # the top of the bar: what is above the cell must stay empty
        return _EIGHTHS[len(eighths)], max(runs, key=lambda run: run[1])[0]
    return _EIGHTHS[low], f"{runs[0][0]}/{max(runs[1:], key=lambda run: run[1])[0]}"


def _joined(cells: Iterable[tuple[str, str]]) -> Pieces:
    """Cells of one ink as one piece."""
    return [("".join(char for char, _ in run), ink) for ink, run in groupby(cells, key=lambda cell: cell[1])]
