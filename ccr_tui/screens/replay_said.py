"""What stands beside a list where there is room: a step's words and bill, or a turn and what every router made of it.

Owns those two pages. Pure: the trace is read elsewhere. The one surprise: of a prompt only what came after the last
answer is shown, because all before it has stood in the steps before.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui.records import Json, Trace
from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.recordings import asked
from ccr_tui.replay.words import StepResult
from ccr_tui.screens import lab_table, show
from ccr_tui.screens.lines import Document
from ccr_tui.wire import dumps

MOST = 40
"""Lines of a text that are shown; the whole request is one key away."""


def step(trace: Trace, result: StepResult, then: StepResult | None, answer: Sequence[str]) -> Document:
    """What was asked in a step, what was answered then, and what each would have taken."""
    page = Document()
    page.put(("What it takes", "title"))
    page.put((f"{'':8} {'in':>8} {'cached':>8} {'out':>8} {'cost':>10}", "muted"))
    for name, one in (("then", then), ("now", result)):
        if one is not None and one.usage is not None:
            used = one.usage
            counts = f"{show.tokens(used.prompt):>8} {show.percent(used.cache_read, used.prompt):>8}"
            page.put(
                (f"{name:8} ", "muted"),
                f"{counts} {show.tokens(used.output):>8}",
                (f" {show.money(one.cost):>10}", "money"),
            )
    low, high = show.money(result.low), show.money(result.high)
    if result.low is not None and low != high:
        page.put((f"between {low} and {high}", "muted"))
    for note in (*result.notes, *([result.error] if result.error else [])):
        page.put((f"· {show.harmless(note)}", "warn"), hang=2)
    page.put("")
    page.put(("What was asked", "title"))
    _some(page, [line for message in asked(trace) for line in _lines(message)])
    page.put("")
    page.put(("What was answered then", "title"))
    _some(page, answer)
    return page


def turn(one: KeptTurn, labs: Sequence[Found]) -> Document:
    """A turn in full, who should work on it, and what every router said to it."""
    page = Document()
    by = {"person": "your label ✎", "recorded": "as the router said then"}.get(one.by, "")
    page.put(
        ("Should work  ", "muted"),
        (one.label or "nobody knows: t, h or c says", lab_table.ink_of(one.label)),
        (f"  {by}", "muted"),
    )
    page.put(("Named then   ", "muted"), (one.recorded or "the router was not asked", lab_table.ink_of(one.recorded)))
    for found in labs:
        for report in found.reports:
            if one.uid in report.verdicts:
                words, ink = lab_table.verdict(one, report)
                page.put((f"{show.fit(show.harmless(report.name), 12)} ", "muted"), (words, ink))
    page.put("")
    page.put(("What was asked", "title"))
    _some(page, show.harmless_lines(one.said))
    return page


def _some(page: Document, lines: Sequence[str]) -> None:
    for line in lines[:MOST]:
        page.put(line)
    if len(lines) > MOST:
        page.put((f"… {len(lines) - MOST} more lines: ⏎ shows all of it", "muted"))


def _lines(message: Json) -> list[str]:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return show.harmless_lines(content)
    found: list[str] = []
    for block in content if isinstance(content, list) else []:
        found += _block(block) if isinstance(block, dict) else []
    return found


def _block(block: dict[str, Json]) -> list[str]:
    if block.get("type") == "text":
        return show.harmless_lines(str(block.get("text")))
    if block.get("type") == "tool_result":
        given = block.get("content")
        text = given if isinstance(given, str) else "\n".join(_lines({"content": given})) or dumps(given).decode()
        return ["↩ a tool's result", *(f"  {line}" for line in show.harmless_lines(text))]
    return [f"[{show.harmless(str(block.get('type')))}]"]
