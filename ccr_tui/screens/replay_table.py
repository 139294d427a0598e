"""What one variant of a replay looks like on a line, and one step of it, at any width.

Owns the columns and which of them give way. Pure. The one surprise: columns in which no variant has anything (a reprice
knows no times and no agreement) are left out, so that what there is has room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ccr_tui.replay.words import RECORDED, Comparison, StepResult, VariantSums
from ccr_tui.screens import costs, show
from ccr_tui.screens.roster import Pieces, Row
from ccr_tui.slim import dataclass

SERIES = ("link", "good", "think", "warn", "coder", "title", "key")
"""Inks of the variants in the picture, in their order; the recording is muted."""
Cell = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """Its heading, width, what it says of a variant, and from which width of the table on it is shown."""

    title: str
    width: int
    cell: Callable[[VariantSums], Cell]
    at_least: int = 0


def _models(line: VariantSums) -> Cell:
    """Where the name does not say it."""
    told = ", ".join(show.model(name) for name in line.models)
    return ("", "") if line.name in (told, *line.models) else (told, "muted")


def _cost(line: VariantSums) -> Cell:
    if line.cost is None and line.is_unanswered:
        return costs.NOTHING, "faint"
    about = line.about if line.cost else ""
    return about + show.money(line.cost) + ("+" if line.unpriced and line.cost is not None else ""), "money"


def _cached(line: VariantSums) -> Cell:
    share = line.cached_share
    return ("–", "faint") if share is None else (show.percent(share, 1), "")


def _between(line: VariantSums) -> Cell:
    if line.cost is None or line.low is None or line.high is None or line.low == line.high:
        return "", ""
    low, high = show.money(line.low), show.money(line.high)
    if low == high:  # what is shown would look exact
        return f"±{max(line.high - line.cost, line.cost - line.low, 1) / max(1, line.cost):.1%}", "muted"
    return f"{low}–{high.removeprefix('$')}", "muted"


def _saved(line: VariantSums) -> Cell:
    return ("", "") if line.name == RECORDED else _signed(line.saved)


def _share(line: VariantSums) -> Cell:
    """How the cost changes."""
    before = (line.cost or 0) + (line.saved or 0)
    if line.name == RECORDED or line.saved is None or not before:
        return "", ""
    times = (line.cost or 0) / before
    told = f"×{times:.0f}" if times >= 9.5 else f"×{times:.1f}" if times >= 2 else f"{times - 1:+.0%}".replace("-", "−")
    return told, "good" if line.saved >= 0 else "bad"


def _agreement(value: float | None) -> Cell:
    return (
        ("", "") if value is None else (f"{value:.0%}", "good" if value >= 0.9 else "warn" if value >= 0.5 else "bad")
    )


def _based(line: VariantSums) -> Cell:
    return _signed(line.saved_baseline)


def _signed(saved: int | None) -> Cell:
    """Money saved, as the command line has it: a minus says that it costs more."""
    if saved is None:
        return "", ""
    return (show.money(saved), "good") if saved >= 0 else (f"−{show.money(-saved)}", "bad")


COLUMNS: tuple[Column, ...] = (
    Column("answered by", 24, _models, 96),
    Column("reqs", 5, lambda line: (f"{line.requests}", "muted"), 110),
    Column("fail", 4, lambda line: (f"{line.failed}" if line.failed else "", "bad")),
    Column("in", 6, lambda line: (line.about + show.tokens(line.prompt_tokens), "")),
    Column("cached", 6, _cached),
    Column("out", 6, lambda line: (line.about + show.tokens(line.output_tokens), "")),
    Column("cost", 9, _cost),
    Column("between", 17, _between, 104),
    Column("saved", 9, _saved, 62),
    Column("change", 6, _share),
    Column("at base", 9, _based, 130),
    Column("first", 7, lambda line: (show.seconds(line.ttft_ms) if line.ttft_ms is not None else "", ""), 110),
    Column("took", 7, lambda line: (show.duration(line.duration_ms) if line.duration_ms is not None else "", ""), 140),
    Column("tools", 5, lambda line: _agreement(line.tool_agreement)),
    Column("stops", 5, lambda line: _agreement(line.stop_agreement), 120),
    Column("judged", 6, lambda line: _agreement(line.judged)),
    Column("parts at", 8, lambda line: ("" if line.parts_at is None else f"step {line.parts_at}", "muted"), 130),
    Column("from", 9, lambda line: (line.cost_from, "muted"), 88),
)  # fmt: skip
NAME = 16
WIDEST = 30
"""Columns of a variant's name, at the least, and what other columns give way to."""
LEFT = frozenset({"answered by", "parts at", "from"})


def columns(comparison: Comparison, width: int) -> list[Column]:
    """Those that say something of a variant, as many as there is room for."""
    others = [line for line in comparison.variants if line.name != RECORDED] or list(comparison.variants)
    said = [c for c in COLUMNS if width >= c.at_least and any(c.cell(line)[0] for line in others)]
    found = [_whole(c, comparison) for c in said]
    name = min(WIDEST, max(NAME, *(show.cells(line.name) + 5 for line in comparison.variants)))
    while found and sum(c.width + 1 for c in found) + name > width:
        found.remove(max(found, key=lambda column: column.at_least))
    return found


def _whole(column: Column, comparison: Comparison) -> Column:
    """As wide as its figures: none is cut."""
    if column.title in LEFT:
        return column
    return replace(column, width=max(column.width, *(show.cells(column.cell(line)[0]) for line in comparison.variants)))


def headings(comparison: Comparison | None) -> Callable[[int], Pieces]:
    """The first line."""

    def draw(width: int) -> Pieces:
        if comparison is None:
            return []
        shown = columns(comparison, width)
        pieces = [(show.fit("  variant", _room(shown, width)), "muted")]
        return [*pieces, *((f" {_fitted(c, c.title)}", "muted") for c in shown)]

    return draw


def rows(comparison: Comparison) -> list[Row]:
    """A line for each variant, the recording first."""
    return [Row(("variant", line.name), _drawer(comparison, line, at)) for at, line in enumerate(comparison.variants)]


def mark(comparison: Comparison, line: VariantSums) -> str:
    """That no other line is cheaper and as good, or that none is cheaper; with one variant alone figures say it."""
    return "" if len(comparison.variants) < 3 else "★" if line.pareto else "◂" if line.cheapest else ""


def best(comparison: Comparison) -> str:
    """What the marks mean, as the beginning of a line."""
    marks = {mark(comparison, line) for line in comparison.variants}
    return "★ nothing is cheaper and as good · " if "★" in marks else "◂ the cheapest · " if "◂" in marks else ""


def ink_of(comparison: Comparison, name: str) -> str:
    """The ink of a variant in table and picture."""
    names = [line.name for line in comparison.variants if line.name != RECORDED]
    return SERIES[names.index(name) % len(SERIES)] if name in names else "muted"


def legend(comparison: Comparison, width: int, most: int) -> list[Pieces]:
    """The lines of the picture by their inks, the dearest first, in at most so many lines."""
    priced = sorted((line for line in comparison.variants if line.cost is not None), key=lambda line: -(line.cost or 0))
    lines: list[list[tuple[str, str]]] = []
    room = 0
    for line in priced:
        name = show.fit(show.harmless(line.name), min(show.cells(line.name), max(8, width - 4)))
        if room < show.cells(name) + 4:
            lines.append([])
            room = width
        room -= show.cells(name) + 4
        lines[-1] += [("━ ", ink_of(comparison, line.name)), (f"{name}  ", "muted")]
    return list(lines[:most])


def _drawer(comparison: Comparison, line: VariantSums, at: int) -> Callable[[int], Pieces]:
    def draw(width: int) -> Pieces:
        shown = columns(comparison, width)
        ink = ink_of(comparison, line.name)
        best = mark(comparison, line) or " "
        room = _room(shown, width)
        cells = [column.cell(line) for column in shown]
        return [
            ("● " if at else "○ ", ink),
            (show.fit(show.harmless(line.name), room - 4), "strong" if at else "muted"),
            (f" {best}", "warn"),
            *((f" {_fitted(column, text)}", look) for column, (text, look) in zip(shown, cells, strict=True)),
        ]

    return draw


def _room(shown: Sequence[Column], width: int) -> int:
    return max(NAME, min(40, width - sum(column.width + 1 for column in shown)))


def _fitted(column: Column, text: str) -> str:
    return show.fit(text, column.width) if column.title in LEFT else show.fit_right(text, column.width)


# -- steps


def _names(width: int) -> tuple[int, int]:
    """Columns of an agent's name and of a model's."""
    return (7, 14) if width < 84 else (9, 18)


def step_headings(width: int) -> Pieces:
    """The first line of the steps."""
    agent, model = _names(width)
    then = f"{'answered then':{model}} " if width >= 100 else ""
    text = f"{'step':>5}  {'agent':{agent}} {then}{'answers now':{model}} {'in':>6} {'cached':>6} {'out':>6}"
    text += f" {'then':>9} {'now':>9} {'tools':>5}"
    return [(show.fit(text + "  what" * (len(text) + 6 <= width), width), "muted")]


def step_rows(recorded: Sequence[StepResult], results: Sequence[StepResult]) -> list[Row]:
    """A line for each step of a variant, beside the recording."""
    then = {result.step: result for result in recorded}
    return [Row(("step", result.step), _step_drawer(result, then.get(result.step))) for result in results]


def _step_drawer(result: StepResult, then: StepResult | None) -> Callable[[int], Pieces]:
    def draw(width: int) -> Pieces:
        usage, (agent, model) = result.usage, _names(width)
        prompt = usage.prompt if usage else 0
        parted = then is None or (then.provider, then.model) != (result.provider, result.model)
        cells: list[Cell] = [
            (f"{result.n:>5}  ", "muted"),
            (show.fit(result.agent, agent) + " ", result.agent if result.agent in ("think", "coder", "router") else ""),
        ]
        if width >= 100:
            cells.append((show.fit(show.model(then.model if then else ""), model) + " ", "muted"))
        return [
            *cells,
            (show.fit(show.model(result.model), model) + " ", "strong" if parted else ""),
            (f"{show.tokens(prompt) if usage else '':>6} ", ""),
            (f"{show.percent(usage.cache_read, prompt) if usage else '':>6} ", ""),
            (f"{show.tokens(usage.output) if usage else '':>6} ", ""),
            (show.fit_right(show.money(then.cost) if then else "", 9) + " ", "muted"),
            (show.fit_right(show.money(result.cost), 9) + " ", "money"),
            (show.fit_right(_agreement(result.tool_agreement)[0], 5) + "  ", _agreement(result.tool_agreement)[1]),
            (show.harmless(_word(result)), "bad" if result.outcome == "error" else "muted"),
        ]

    return draw


def _word(result: StepResult) -> str:
    """What is remarkable about a step."""
    hops = f"{result.calls - 1} more calls" if result.calls > 1 else ""
    return result.error or hops or ("" if result.stop_agrees is not False else f"ends with {result.stop_reason}")
