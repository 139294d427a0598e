"""A router lab for other people: Markdown, CSV and HTML.

Owns those three forms. Must never let recorded text become markup, nor load anything from the network. The one
surprise: the CSV has the routers alone, one a line with exact figures; what each said to each turn stands in the other
two, because there it can be read.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from io import StringIO

from ccr_tui.prices import show, usd
from ccr_tui.replay.export import STYLE, cell, harmless, per_cent
from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.labsums import Report, Trivial
from ccr_tui.slim import dataclass
from ccr_tui.store.rows import iso
from ccr_tui.transfer.telling import visible

HEADS = ("router", "model", "right", "invalid", "flips", "median", "in", "out", "cost", "hops", "net saving")
PLAIN = ("turns", "labelled", "right", "accuracy", "invalid", "asked", "flips", "ms", "input_tokens", "output_tokens")
DOLLARS = ("cost", "paid", "hops_cost", "answers_cost", "baseline_cost", "net_saving")
SAID = 200
"""Letters of what was asked for in a turn."""


@dataclass(frozen=True, slots=True)
class Table:
    """One of the lab's tables."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int
    """How many columns from the left are words, and not numbers."""


def title(found: Found) -> str:
    """Which session the routers were tried on."""
    return f"router lab: {found.title} ({found.session})"


def tables(found: Found) -> Iterator[Table]:
    """The routers, who took what for what, and each turn."""
    rows = [*map(_router, found.reports), *map(_trivial, found.trivials)]
    yield Table("Routers", HEADS, rows, 2)
    for report in found.reports:
        if report.confusion:
            heads = (*found.offered, "invalid")
            counts = [(truth, *(str(row.get(name, 0)) for name in heads)) for truth, row in report.confusion.items()]
            yield Table(f"{report.name}: who should have worked, and whom it named", ("", *heads), counts, 1)
    names = [report.name for report in found.reports]
    heads = ("step", "asked for", "recorded", "label", "by", *names)
    yield Table("Turns", heads, [_turn(turn, found.reports) for turn in found.turns], len(heads))


def markdown(found: Found) -> str:
    """A heading, the tables, and what should be known."""
    lines = [f"# {cell(title(found))}", "", _when(found), ""]
    for table in tables(found):
        rule = ["---" if at < table.words else "---:" for at in range(len(table.heads))]
        lines += [f"## {cell(table.title)}", ""]
        lines += ["| " + " | ".join(map(cell, row)) + " |" for row in (table.heads, rule, *table.rows)]
        lines.append("")
    notes = [f"- {cell(note)}" for note in _notes(found)]
    return "\n".join([*lines, *(["## Notes", "", *notes, ""] if notes else [])])


def as_csv(found: Found) -> str:
    """One line a router, the trivial ones too; money in decimal dollars."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["router", "model", *PLAIN, *(f"{name}_usd" for name in DOLLARS)])
    every: tuple[Report | Trivial, ...] = (*found.reports, *found.trivials)
    for each in every:
        plain = [getattr(each, name, None) for name in PLAIN]
        money = [usd(getattr(each, name, None)) for name in DOLLARS]
        writer.writerow([harmless(each.name), harmless(getattr(each, "model", "")), *plain, *money])
    return out.getvalue()


def html(found: Found) -> str:
    """One page, complete in itself."""
    parts = "".join(f"<h2>{escape(table.title)}</h2><table>{_html_rows(table)}</table>" for table in tables(found))
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(found))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title(found))}</title>'
        f"<style>{STYLE}</style><h1>{escape(title(found))}</h1><p>{escape(_when(found))}</p>"
        f"{parts}{f'<h2>Notes</h2><ul>{notes}</ul>' if notes else ''}</html>\n"
    )


FORMATS: Mapping[str, Callable[[Found], str]] = {
    "md": lambda found: visible(markdown(found)),
    "csv": lambda found: visible(as_csv(found)),
    "html": lambda found: visible(html(found)),
}
"""By the end of a file's name."""


def _html_rows(table: Table) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in table.heads)
    rows = ("".join(f"<td>{escape(each)}</td>" for each in row) for row in table.rows)
    return f"<tr>{head}</tr>" + "".join(f"<tr>{row}</tr>" for row in rows)


def _router(each: Report) -> tuple[str, ...]:
    right = f"{each.right} of {each.labelled}" if each.labelled else ""
    return (
        each.name, each.model, f"{right} {per_cent(each.accuracy)}".strip(), f"{each.invalid} of {each.asked}",
        per_cent(each.flips), "" if each.ms is None else f"{each.ms} ms", f"{each.input_tokens:,}",
        f"{each.output_tokens:,}", show(each.cost), show(each.hops_cost), _money(each.net_saving),
    )  # fmt: skip


def _trivial(each: Trivial) -> tuple[str, ...]:
    right, saved = per_cent(each.accuracy), _money(each.net_saving)
    return (each.name, "", right, "", "", "", "", "", show(0), show(each.hops_cost), saved)


def _money(cost: int | None) -> str:
    return "" if cost is None else show(cost)


def _turn(turn: KeptTurn, reports: Sequence[Report]) -> tuple[str, ...]:
    said = (_verdict(report.verdicts, turn.uid) for report in reports)
    asked = " ".join(turn.said.split())
    short = asked if len(asked) <= SAID else f"{asked[: SAID - 1]}…"
    return (str(turn.n), short, turn.recorded or "", turn.label or "", turn.by, *said)


def _verdict(verdicts: Mapping[str, str | None], uid: str) -> str:
    return (verdicts[uid] or "invalid") if uid in verdicts else ""


def _when(found: Found) -> str:
    at = f"{iso(found.started_at)[:19].replace('T', ' ')} UTC, " if found.started_at else ""
    often = f", each turn {found.repeat} times" if found.repeat > 1 else ""
    cut = "" if found.finished else "; not finished"
    return f"{at}run {found.run[:12]}{often}, {show(found.spent)} spent{cut}"


def _notes(found: Found) -> list[str]:
    base = [] if found.baseline is None else [f"net saving is counted from {found.baseline} for all"]
    return [*base, *(f"{each.name}: {each.error}" for each in found.reports if each.error), *found.notes]
