"""A graph of stacked columns, one for each request.

Owns how columns are drawn: two steps of height in each line, by an upper half block whose ink is the upper step and
whose background is the lower one. Must never scroll: where there are more requests than columns, neighbours share one,
and the highest of them is drawn. The one surprise: colours are never alone, since the legend names each, and the table
below has the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from ccr_tui.growth import GROUPS, Group, Point
from ccr_tui.screens import show
from ccr_tui.screens.ink import Inked

INKS: dict[Group, tuple[str, str]] = {
    "tools": ("tool schemas", "tool"),
    "system": ("system", "muted"),
    "prompts": ("prompts", "title"),
    "answers": ("answers", ""),
    "thinking": ("thinking", "think"),
    "calls": ("tool calls", "coder"),
    "results": ("tool results", "router"),
    "media": ("images, documents", "good"),
}
"""What a group is called, and its ink."""
AXIS = 8
"""Columns of the numbers at the left."""
WIDEST = 12
"""Cells of a column and the space after it, at most."""


class Graph(Inked):
    """Context by request; the chosen one is marked below it."""

    class Picked(Message):
        """A column was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self) -> None:
        super().__init__(id="graph")
        self.points: Sequence[Point] = ()
        self.chosen = 0

    def put(self, points: Sequence[Point], chosen: int) -> None:
        """Show these."""
        self.points, self.chosen = points, chosen
        self.refresh()

    def choose(self, index: int) -> None:
        """Mark another one."""
        self.chosen = index
        self.refresh()

    @property
    def columns(self) -> int:
        """How many columns there is room for."""
        return max(1, self.content_size.width - AXIS)

    def _spread(self) -> tuple[int, int]:
        """Requests a column, and cells a column."""
        each = -(-len(self.points) // self.columns) if self.points else 1
        drawn = -(-len(self.points) // each) if self.points else 1
        return each, max(1, min(WIDEST, self.columns // drawn))

    def _highest(self, column: int, each: int) -> Point | None:
        """What a column draws."""
        group = self.points[column * each : (column + 1) * each]
        return max(group, key=lambda point: point.total) if group else None

    def render_line(self, y: int) -> Strip:
        """One line: two steps of every column; the last line marks the chosen one and where the context fell."""
        width, lines = self.content_size.width, self.content_size.height - 1
        if not self.points:
            return self.strip([("no request with a body" if y == 0 else "", "muted")], width)
        top = max(point.total for point in self.points) or 1
        if y >= lines:
            return self._marks(width)
        label = show.tokens(round(top * (lines - y) / lines)) if y in (0, lines // 2) else ""
        segments = [
            Segment(f"{label:>{AXIS - 2}} ", self.ink("muted")),
            Segment("┤" if label else "│", self.ink("faint")),
        ]
        each, wide = self._spread()
        steps = 2 * lines
        for column in range(-(-len(self.points) // each)):
            point = self._highest(column, each)
            upper, lower = (self._at(point, (steps - 2 * y - half) / steps * top, top / steps) for half in (0, 1))
            gap = 1 if wide > 2 else 0
            segments.append(self._segment(upper, lower, wide - gap))
            segments += [Segment(" " * gap, self._blank)] * bool(gap)
        return Strip(segments).adjust_cell_length(width, self._blank)

    @property
    def _blank(self) -> Style:
        return Style(bgcolor=self.ink("").bgcolor)

    def _at(self, point: Point | None, height: float, step: float) -> Group | None:
        """The group that fills most of the step below `height`; None where the column has ended half-way."""
        if point is None:
            return None
        below, best, widest, filled = 0.0, GROUPS[0], 0.0, 0.0
        for group in GROUPS:
            start, below = below, below + point.tokens[group]
            part = min(below, height) - max(start, height - step)
            filled += max(0.0, part)
            if part > widest:
                best, widest = group, part
        return best if filled >= step / 2 else None

    def _segment(self, upper: Group | None, lower: Group | None, wide: int) -> Segment:
        """Two steps of one column."""
        if lower is None:
            return Segment(" " * wide, self._blank)
        if upper is None:
            return Segment("▄" * wide, self.ink(INKS[lower][1]))
        if upper == lower:
            return Segment("█" * wide, self.ink(INKS[upper][1]))
        colours = [self.ink(INKS[group][1]).color for group in (upper, lower)]
        return Segment("▀" * wide, Style(color=colours[0], bgcolor=colours[1]))

    def _marks(self, width: int) -> Strip:
        each, wide = self._spread()
        pieces = [(" " * (AXIS - 2) + " ", ""), ("└", "faint")]
        for column in range(-(-len(self.points) // each)):
            group = self.points[column * each : (column + 1) * each]
            is_chosen = column == self.chosen // each
            fell = next((point.drop for point in group if point.drop), "")
            sign = ("▲", "title") if is_chosen else ("⇣", "warn") if fell else ("─", "faint")
            pieces += [sign, ("─" * (wide - 1), "faint")]
        return self.strip(pieces, width)

    def on_click(self, event: events.Click) -> None:
        """A click on a column chooses it."""
        each, wide = self._spread()
        place = event.get_content_offset_capture(self).x - AXIS
        index = place // wide * each
        if 0 <= index < len(self.points):
            column = self.points[index : index + each]
            self.post_message(self.Picked(index + max(range(len(column)), key=lambda n: column[n].total)))


class Legend(Inked):
    """What the colours say, with the share of the chosen request."""

    def __init__(self) -> None:
        super().__init__(id="legend")
        self.point: Point | None = None

    def render_line(self, y: int) -> Strip:
        """The one line; where there is no room for all, the largest."""
        width, point = self.size.width, self.point
        if point is None:
            return self.strip([], width)
        words = {
            group: f" {INKS[group][0]} {show.percent(point.tokens[group], point.total)}  "
            for group in GROUPS
            if point.tokens[group]
        }
        room, fitting = width - 1, set[Group]()
        for group in sorted(words, key=lambda group: -point.tokens[group]):
            room -= len(words[group]) + 1
            if room >= 0:
                fitting.add(group)
        pieces = [(" ", "")]
        for group in words:
            if group in fitting:
                pieces += [("█", INKS[group][1]), (words[group], "muted")]
        return self.strip(pieces, width)
