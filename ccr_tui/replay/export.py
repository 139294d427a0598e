"""A comparison for other people: Markdown, CSV and HTML.

Owns those three forms. Must never let recorded text become markup, nor load anything from the network. The one
surprise: the plot in the HTML is plain SVG, drawn here, so that the file is complete in itself.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from html import escape
from io import StringIO

from ccr_tui.prices import show, usd
from ccr_tui.replay.words import RECORDED, Comparison, VariantSums
from ccr_tui.store.rows import iso
from ccr_tui.transfer.telling import visible

COLUMNS: tuple[tuple[str, Callable[[VariantSums], str]], ...] = (
    ("variant", lambda line: line.name),
    ("models", lambda line: ", ".join(line.models)),
    ("requests", lambda line: str(line.requests)),
    ("failed", lambda line: str(line.failed or "")),
    ("in", lambda line: f"{line.about}{line.prompt_tokens:,}"),
    ("cached", lambda line: per_cent(line.cached_share)),
    ("out", lambda line: f"{line.about}{line.output_tokens:,}"),
    ("cost", lambda line: money(line)),
    ("from", lambda line: line.cost_from),
    ("between", lambda line: between(line)),
    ("saved", lambda line: "" if line.name == RECORDED or line.is_unanswered else show(line.saved)),
    ("at baseline", lambda line: "" if line.saved_baseline is None else show(line.saved_baseline)),
    ("first token", lambda line: "" if line.ttft_ms is None else f"{line.ttft_ms} ms"),
    ("tools agree", lambda line: per_cent(line.tool_agreement)),
    ("stops agree", lambda line: per_cent(line.stop_agreement)),
    ("judged", lambda line: per_cent(line.judged)),
    ("parts at", lambda line: "" if line.parts_at is None else f"step {line.parts_at}"),
    ("best", lambda line: "*" if line.pareto else ""),
    ("cheapest", lambda line: "*" if line.cheapest else ""),
)
NUMBERS = ("requests", "failed", "in", "cached", "out", "cost", "between", "saved", "at baseline", "first token")
PLAIN = (
    "requests", "failed", "unpriced", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "ttft_ms", "duration_ms", "tool_agreement", "stop_agreement", "length_ratio", "judged",
    "parts_at",
)  # fmt: skip
DOLLARS = ("cost", "low", "high", "router_cost", "hop_cost", "saved", "saved_baseline")
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#9d755d", "#bab0ac")


def money(line: VariantSums) -> str:
    """A cost as people read it; a + says that some of it is not known, a dash that nobody answered."""
    if line.cost is None and line.is_unanswered:
        return "–"
    return (
        (line.about if line.cost else "") + show(line.cost) + ("+" if line.unpriced and line.cost is not None else "")
    )


def between(line: VariantSums) -> str:
    """The bounds of an estimated cost; nothing where it is exact."""
    if line.cost is None or line.low is None or line.high is None or line.low == line.high:
        return ""
    return f"{show(line.low)} to {show(line.high)}"


def per_cent(value: float | None) -> str:
    """A number of 0 to 1 in per cent; nothing where it is not known."""
    return "" if value is None else f"{value:.0%}"


def heads(comparison: Comparison) -> list[str]:
    """The columns that say something here."""
    others = [line for line in comparison.variants if line.name != RECORDED]
    telling = [head for head, told in COLUMNS if any(map(told, others))]
    return [head for head, _ in COLUMNS if head in ("variant", "cost", "from") or head in telling]


def cells(comparison: Comparison) -> list[list[str]]:
    """The table's lines, as `heads` has them."""
    shown = heads(comparison)
    return [[told(line) for head, told in COLUMNS if head in shown] for line in comparison.variants]


def title(comparison: Comparison) -> str:
    """What was replayed, and when."""
    return f"{comparison.kind}: {comparison.title} ({comparison.session})"


def markdown(comparison: Comparison) -> str:
    """A heading, the table, and where each figure comes from."""
    shown = heads(comparison)
    rule = ["---:" if head in NUMBERS else "---" for head in shown]
    rows = ["| " + " | ".join(map(cell, row)) + " |" for row in (shown, rule, *cells(comparison))]
    lines = [f"# {cell(title(comparison))}", "", _when(comparison), "", *rows, ""]
    for name, notes in _notes(comparison).items():
        lines += [f"## {cell(name)}", "", *(f"- {cell(note)}" for note in notes), ""]
    return "\n".join(lines)


def as_csv(comparison: Comparison) -> str:
    """One line a variant; tokens are whole numbers, money decimal dollars."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    texts = ("variant", "written", "models", "cost_from")
    writer.writerow([*texts, *PLAIN, *(f"{name}_usd" for name in DOLLARS), "pareto", "cheapest"])
    for line in comparison.variants:
        plain = [getattr(line, name) for name in PLAIN]
        costs = [usd(getattr(line, name)) for name in DOLLARS]
        head = [harmless(text) for text in (line.name, line.written, " ".join(line.models), line.cost_from)]
        writer.writerow([*head, *plain, *costs, int(line.pareto), int(line.cheapest)])
    return out.getvalue()


def html(comparison: Comparison) -> str:
    """One page: the table, the cost over the session as a plot, and where each figure comes from."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads(comparison))
    rows = "".join(f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in cells(comparison))
    notes = "".join(
        f"<h2>{escape(name)}</h2><ul>{''.join(f'<li>{escape(note)}</li>' for note in each)}</ul>"
        for name, each in _notes(comparison).items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title(comparison))}</title>'
        f"<style>{STYLE}</style><h1>{escape(title(comparison))}</h1><p>{escape(_when(comparison))}</p>"
        f"<table><tr>{head}</tr>{rows}</table>{plot(comparison)}{notes}</html>\n"
    )


STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #8886;text-align:right}"
    "td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}svg{margin:2rem 0;max-width:100%}"
)
WIDTH, HEIGHT = 900, 320


def plot(comparison: Comparison) -> str:
    """The cost so far over the steps, a line for each variant."""
    lines = [(line.name, [cost or 0 for cost in line.series]) for line in comparison.variants if line.cost is not None]
    top = max((series[-1] for _, series in lines if series), default=0)
    if not top:
        return ""
    drawn = [_line(name, series, top, at) for at, (name, series) in enumerate(lines)]
    axis = f'<text x="0" y="12">{escape(show(top))}</text><path d="M0 {HEIGHT}H{WIDTH}" stroke="#888"/>'
    size = f'width="{WIDTH}" height="{HEIGHT + 30}" viewBox="0 0 {WIDTH + 160} {HEIGHT + 30}"'
    axes = f'<g font-size="12" fill="#888">{axis}</g>'
    return f'<svg {size} role="img" aria-label="cost so far">{axes}{"".join(drawn)}</svg>'


def _line(name: str, series: list[int], top: int, at: int) -> str:
    colour, count = COLOURS[at % len(COLOURS)], max(1, len(series) - 1)
    every = max(1, len(series) // 600)
    kept = [(n, cost) for n, cost in enumerate(series) if n % every == 0 or n == len(series) - 1]
    points = " ".join(f"{n * WIDTH / count:.1f},{HEIGHT - cost * (HEIGHT - 20) / top:.1f}" for n, cost in kept)
    end = HEIGHT - series[-1] * (HEIGHT - 20) / top if series else HEIGHT
    label = f'<text x="{WIDTH + 6}" y="{end + 4:.1f}" font-size="12" fill="{colour}">{escape(name)}</text>'
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>{label}'


FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "md": lambda found: visible(markdown(found)),
    "csv": lambda found: visible(as_csv(found)),
    "html": lambda found: visible(html(found)),
}
"""By the end of a file's name."""


def _when(comparison: Comparison) -> str:
    more = "" if comparison.finished else "; not finished"
    return f"{iso(comparison.started_at)[:19].replace('T', ' ')} UTC, run {comparison.run[:12]}{more}"


def _notes(comparison: Comparison) -> dict[str, tuple[str, ...]]:
    notes = {"the recording": comparison.notes, **{line.name: line.notes for line in comparison.variants}}
    return {name: each for name, each in notes.items() if each}


def cell(text: str) -> str:
    """A text in a Markdown table."""
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def harmless(text: str) -> str:
    """Spreadsheets take a text that begins so for a formula."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
