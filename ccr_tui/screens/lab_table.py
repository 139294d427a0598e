"""What a turn, a router and its confusion matrix look like on lines, at any width.

Owns those columns. Pure. The one surprise: the routers of all labs of a session stand in one list, whenever they were
asked, because they were asked about the same turns and are measured by the same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.labsums import Report, Trivial
from ccr_tui.screens import show
from ccr_tui.screens.roster import Pieces, Row
from ccr_tui.slim import dataclass

AGENT = 8
"""Columns of an agent's name."""
SAID = 7 + (AGENT + 1) + (AGENT + 3) + 13
"""Columns before what was asked for."""
Cell = tuple[str, str]


def turn_headings(router: str) -> Callable[[int], Pieces]:
    """The first line of the turns; `router` is the one whose answers stand there."""

    def draw(width: int) -> Pieces:
        says = f" {show.fit(router or 'says', 12)}"
        return [(show.fit(f"{'step':>5}  {'recorded':{AGENT}} {'label':{AGENT + 2}}{says} asked for", width), "muted")]

    return draw


def turn_rows(turns: Sequence[KeptTurn], report: Report | None) -> list[Row]:
    """A line for each turn, with what the chosen router said to it."""
    return [Row(("turn", turn.uid), _turn_drawer(turn, report)) for turn in turns]


def _turn_drawer(turn: KeptTurn, report: Report | None) -> Callable[[int], Pieces]:
    words, ink = verdict(turn, report)

    def draw(width: int) -> Pieces:
        label = f"{turn.label or '·'}{' ✎' if turn.by == 'person' else ''}"
        return [
            (f"{turn.n:>5}  ", "muted"),
            (show.fit(turn.recorded or "·", AGENT) + " ", "muted"),
            (show.fit(label, AGENT + 2) + " ", ink_of(turn.label) if turn.by == "person" else "muted"),
            (show.fit(words, 12) + " ", ink),
            (show.fit(show.harmless(" ".join(turn.said.split())), max(0, width - SAID)), ""),
        ]

    return draw


def verdict(turn: KeptTurn, report: Report | None) -> Cell:
    """What a router said, and whether that was right."""
    if report is None or turn.uid not in report.verdicts:
        return "", ""
    said = report.verdicts[turn.uid]
    words = said or "invalid"
    if turn.label is None:
        return words, "" if said else "warn"
    right = (said or "tool") == turn.label
    return f"{'✓' if right else '✗'} {words}", "good" if right else "bad"


def ink_of(agent: str | None) -> str:
    """An agent's ink."""
    return agent if agent in ("tool", "think", "coder") else ""


# -- routers


@dataclass(frozen=True, slots=True)
class Line:
    """One router of the list: its name, the lab it was asked in, if it was, and what it did."""

    name: str
    model: str
    found: Found | None = None
    report: Report | Trivial | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What the cursor stays on."""
        return ("router", f"{self.found.run if self.found and isinstance(self.report, Report) else ''} {self.name}")


def lines(labs: Sequence[Found], pending: Sequence[str]) -> list[Line]:
    """Those that are still to be asked, those that were, the newest lab first, and the trivial ones."""
    waiting = [Line(*name_and_model(each)) for each in pending]
    asked = [Line(one.name, one.model, found, one) for found in labs for one in found.reports]
    trivial = [Line(one.name, "", labs[0], one) for one in labs[0].trivials] if labs else []
    return [*waiting, *asked, *trivial]


def name_and_model(written: str) -> tuple[str, str]:
    """Of NAME=MODEL."""
    name, sign, model = written.partition("=")
    return (name, model) if sign else (written, written)


COLUMNS: tuple[tuple[str, int, int], ...] = (
    ("model", 18, 100), ("right", 6, 0), ("of", 4, 110), ("invalid", 7, 0), ("flips", 5, 60), ("median", 7, 70),
    ("in", 6, 120), ("out", 5, 120), ("cost", 9, 0), ("hops", 9, 90), ("net saving", 10, 64), ("asked", 12, 140),
)  # fmt: skip
"""Title, width, and from which width of the table on it is shown."""
LEFT = ("model", "asked")


def columns(width: int) -> list[tuple[str, int]]:
    """Those for which there is room."""
    return [(title, wide) for title, wide, least in COLUMNS if width >= least]


def router_headings(width: int) -> Pieces:
    """The first line of the routers."""
    shown = columns(width)
    return [(show.fit("  router", room(shown, width)), "muted"), *((f" {_fit(t, w, t)}", "muted") for t, w in shown)]


def room(shown: Sequence[tuple[str, int]], width: int) -> int:
    """Columns that the name has."""
    return max(12, min(28, width - sum(wide + 1 for _, wide in shown)))


def router_rows(listed: Sequence[Line], now: float) -> list[Row]:
    """A line for each router."""
    return [Row(line.key, _router_drawer(line, now)) for line in listed]


def _router_drawer(line: Line, now: float) -> Callable[[int], Pieces]:
    def draw(width: int) -> Pieces:
        shown = columns(width)
        name = (show.fit("  " + show.harmless(line.name), room(shown, width)), "strong" if line.model else "muted")
        if line.report is None:
            return [name, (f" {show.harmless(line.model)}: not asked yet, R asks it", "warn")]
        cells = _cells(line, now)
        return [name, *((f" {_fit(cells[t][0], w, t)}", cells[t][1]) for t, w in shown)]

    return draw


def _cells(line: Line, now: float) -> dict[str, Cell]:
    """Every cell, by its title."""
    blank = dict.fromkeys((title for title, _, _ in COLUMNS), ("", ""))
    match line.report:
        case Report() as report:
            state = "" if line.found is None or line.found.finished else " cut off"
            at = show.when(line.found.started_at, now, 12).strip() if line.found else ""
            return blank | {
                "model": (show.model(report.model), "muted"),
                "right": share(report.accuracy),
                "of": (f"{report.labelled}", "muted"),
                "invalid": (f"{report.invalid / report.asked:.0%}", "bad" if report.invalid else "")
                if report.asked
                else ("", ""),
                "flips": ("" if report.flips is None else f"{report.flips:.0%}", "warn" if report.flips else ""),
                "median": ("" if report.ms is None else show.duration(report.ms), ""),
                "in": (show.tokens(report.input_tokens), "muted"),
                "out": (show.tokens(report.output_tokens), "muted"),
                "cost": (show.money(report.cost), "money"),
                "hops": (show.money(report.hops_cost), "muted"),
                "net saving": saving(report.net_saving),
                "asked": (f"{at}{state}", "warn" if state else "muted"),
            }
        case Trivial() as one:
            right = share(one.accuracy)
            return blank | {
                "right": right,
                "cost": (show.money(0), "muted"),
                "hops": (show.money(one.hops_cost), "muted"),
                "net saving": saving(one.net_saving),
            }
    return blank


def share(value: float | None) -> Cell:
    """Per cent, and whether that is much."""
    return ("?", "muted") if value is None else (f"{value:.0%}", "good" if value >= 0.8 else "warn")


def saving(nanos: int | None) -> Cell:
    """Money saved; what costs more has a minus."""
    if nanos is None:
        return "", ""
    return (show.money(nanos), "good") if nanos >= 0 else (f"−{show.money(-nanos)}", "bad")


def _fit(text: str, width: int, title: str) -> str:
    return show.fit(text, width) if title in LEFT else show.fit_right(text, width)


# -- the matrix


def matrix(line: Line | None, offered: Sequence[str]) -> list[Pieces]:
    """Who should have worked, down; whom the router named, across. Or why there is nothing to see."""
    report = line.report if line else None
    if not isinstance(report, Report):
        return [[(_why_not(line), "muted")]]
    if report.error:
        return [[(show.harmless(report.error), "bad")]]
    if not report.confusion:
        return [[("no turn has a label: t, h, c say who should work", "muted")]]
    heads = (*offered, "invalid")
    first = [("should ↓ said →  ", "muted"), *((f"{name:>8}", ink_of(name) or "muted") for name in heads)]
    return [first, *(_matrix_line(truth, row, heads) for truth, row in report.confusion.items()), [], *spelled(report)]


def spelled(report: Report) -> list[Pieces]:
    """The rows of the matrix as sentences, for whoever doesn't read matrices."""
    found: list[Pieces] = []
    for truth, row in report.confusion.items():
        total, right = sum(row.values()), row.get(truth, 0)
        wrong = ", ".join(f"{count} {_sent(said)}" for said, count in row.items() if count and said != truth)
        turns = f"{total} turn{'s' * (total != 1)}"
        rest = f"; {wrong}" if wrong else ""
        found.append([(truth, ink_of(truth)), (f" should have had {turns}: {right} went there{rest}", "")])
    return found


def _sent(said: str) -> str:
    return "could not be used" if said == "invalid" else f"to {said}"


def _why_not(line: Line | None) -> str:
    if line is None:
        return "a adds a router"
    return "R asks it about every turn" if line.report is None else "what comes out without any router"


def _matrix_line(truth: str, row: dict[str, int] | object, heads: Sequence[str]) -> Pieces:
    counts = row if isinstance(row, dict) else {}
    cells = [(f"{counts.get(name, 0) or '·':>8}", _hit(truth, name, counts.get(name, 0))) for name in heads]
    return [(f"{truth:<17}", ink_of(truth)), *cells]


def _hit(truth: str, name: str, count: int) -> str:
    if not count:
        return "faint"
    return "good-strong" if truth == name else "bad"
