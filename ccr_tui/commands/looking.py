"""Looking into requests: their tokens, cache, stream and differences, and a session's context over time.

Owns the options of `traces show` that look deeper, and the command `context`. Must never open the database for writing.
The one surprise: what people read is the very page that the Trace screen shows, without its colours; scripts get JSON.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ccr_tui.commands.common import as_json, load, print_json, reader, settings
from ccr_tui.errors import ConfigError

if TYPE_CHECKING:
    from ccr_tui.config import Provider
    from ccr_tui.inspection import Inspection
    from ccr_tui.records import Trace
    from ccr_tui.screens.lines import Document
    from ccr_tui.store.queries import Reader

SENT = "sent"
BEFORE = "before"


def deeper(command: click.decorators.FC) -> click.decorators.FC:
    """Give `traces show` the options that look deeper, gathered as its argument `deeper`."""
    for option in (
        click.option("--diff", metavar="OTHER", help=f"Compared with another request; or with: {BEFORE}, {SENT}."),
        click.option("--stream", is_flag=True, help="How the answer came in: lanes, speed, silences."),
        click.option("--cache", is_flag=True, help="What came of the provider's prompt cache, and why."),
        click.option("--tokens", is_flag=True, help="Where the tokens are."),
    ):
        command = option(command)
    return command


def look(flags: Mapping[str, str], store: Reader, trace: Trace, wanted: Mapping[str, Any], is_json: bool) -> bool:
    """Print what was wanted of this request; False where nothing was."""
    chosen = {name: value for name, value in wanted.items() if value}
    if not chosen:
        return False
    found = _inspection(flags, store, trace)
    if is_json:
        told = {name: _JSON[name](found, value) for name, value in chosen.items()}
        if "cache" in told:
            told["cache"]["at_baseline"] = _at_baseline(flags, store, trace)
        print_json({"id": trace.uid, **told})
        return True
    for name, value in chosen.items():
        _print(_PAGES[name](found, value, _width()))
    return True


def _inspection(flags: Mapping[str, str], store: Reader, trace: Trace) -> Inspection:
    from ccr_tui.inspection import Inspection
    from ccr_tui.tokens import Counter

    return Inspection(trace, store, Counter(), _providers(flags))


def _providers(flags: Mapping[str, str]) -> Mapping[str, Provider]:
    """As they are configured; a configuration that is broken does not matter for looking at requests."""
    try:
        return load(flags).providers
    except ConfigError:
        return {}


# -- JSON


def _at_baseline(flags: Mapping[str, str], store: Reader, trace: Trace) -> dict[str, Any] | None:
    """What one model for all would have cost; None where its price or the tokens are not known."""
    from ccr_tui import baseline

    try:
        chosen = baseline.chosen(load(flags), store.asked(), time.time())
    except ConfigError:
        return None
    found = None if chosen is None else baseline.against(trace, chosen)
    return None if found is None else found.as_json()


def _diff_json(found: Inspection, other: str) -> dict[str, Any]:
    from ccr_tui.alignment import align

    if other == SENT:
        answer = found.trace.answer
        sent = None if answer is None else answer.sent
        notes = [] if answer is None else list(answer.notes)
        return {"against": SENT, "notes": notes, **align(found.trace.body, sent, translated=True).as_json()}
    against = _other(found, other)
    if against is None:
        return {"against": None, "counts": {}, "settings": [], "changes": []}
    return {"against": against.uid, **align(against.body, found.trace.body).as_json()}


def _other(found: Inspection, other: str) -> Trace | None:
    """The trace that is meant; None where there is none before. Raises StoreError."""
    return found.before if other == BEFORE else found.reader.trace(other)


def _stream_json(found: Inspection, _: Any) -> dict[str, Any]:
    from ccr_tui.lanes import pulse

    return pulse(found.trace).as_json()


_JSON: dict[str, Callable[[Inspection, Any], dict[str, Any]]] = {
    "tokens": lambda found, _: found.xray.as_json(),
    "cache": lambda found, _: found.verdict.as_json(),
    "stream": _stream_json,
    "diff": _diff_json,
}


# -- pages


def _tokens_page(found: Inspection, _: Any, width: int) -> Document:
    from ccr_tui.screens.weights import tokens_document

    return tokens_document(found.trace, found.xray, width)


def _cache_page(found: Inspection, _: Any, width: int) -> Document:
    from ccr_tui.screens.cached import cache_document

    return cache_document(found.verdict, width, found.lately)


def _stream_page(found: Inspection, _: Any, width: int) -> Document:
    from ccr_tui.screens.stream import stream_document

    return stream_document(found.trace, width)


def _diff_page(found: Inspection, other: str, _: int) -> Document:
    from ccr_tui.screens.changes import compared

    return compared(found, None if other == BEFORE else other)


_PAGES: dict[str, Callable[[Inspection, Any, int], Document]] = {
    "tokens": _tokens_page,
    "cache": _cache_page,
    "stream": _stream_page,
    "diff": _diff_page,
}


def _print(page: Document) -> None:
    """The page as it opens, what is folded on one line."""
    index = 0
    while index < len(page.lines):
        line = page.lines[index]
        is_folded = index in page.folded and line.until > index
        click.echo(line.shown(is_folded)[0].rstrip())
        index = line.until if is_folded else index + 1


def _width() -> int:
    return min(160, max(80, shutil.get_terminal_size((120, 40)).columns))


# -- a session


@click.command()
@click.argument("session")
@settings
@as_json
def context(flags: Mapping[str, str], session: str, as_json: bool) -> None:
    """Show a session's context over time.

    What each request's prompt was made of, and which one blew it up.
    """
    from ccr_tui import growth
    from ccr_tui.tokens import Counter

    store = reader(flags)
    row = store.session(session)
    found = growth.of_session(store, row.id, Counter())
    if as_json:
        for point in found.points:
            print_json(point.as_json())
        return
    _table(found)


def _table(found: Any) -> None:
    from ccr_tui.commands.common import local, table, tokens
    from ccr_tui.growth import GROUPS

    heads = ("id", "time", "request", "agent", "prompt", "grown", *GROUPS)
    rows = [
        (
            point.row.id[:12],
            local(point.row.started_at),
            point.drop or point.row.kind,
            (point.row.agent_id or "")[:8],
            ("" if point.reported else "~") + tokens(point.total),
            "" if point.grown is None else f"{'+' if point.grown > 0 else '-'}{tokens(abs(point.grown))}",
            *(tokens(point.tokens[group]) if point.tokens[group] else "" for group in GROUPS),
        )
        for point in found.points
    ]
    table(heads, rows, right=",".join(heads[4:]))
