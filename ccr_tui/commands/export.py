"""`traces export`: requests, a session or all that a filter lets through, in one of five formats or to a collector.

Owns what is chosen on the command line and what is said of it. Must never write a key: what is exported is redacted
unless --no-redact says otherwise, and even then a trace holds none of the proxy's. The one surprise: without --format
the name of the file decides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ccr_tui import assembly
from ccr_tui.commands.choosing import chosen, filters
from ccr_tui.commands.common import narrate, present, reader, safe, settings
from ccr_tui.commands.meter import meter
from ccr_tui.errors import CcrError

if TYPE_CHECKING:
    from ccr_tui.records import Trace
    from ccr_tui.store.queries import Reader
    from ccr_tui.transfer.leaving import Chosen, Format
    from ccr_tui.transfer.progress import Report
    from ccr_tui.transfer.redaction import Redactor

FORMATS = ("jsonl", "har", "md", "html", "curl", "otlp")
SIDES: Mapping[str, tuple[Literal["received", "sent"], ...]] = {
    "received": ("received",),
    "sent": ("sent",),
    "both": ("received", "sent"),
}


@click.command("export")
@click.argument("ids", nargs=-1, metavar="[ID...]")
@filters
@click.option("--format", "format", type=click.Choice(FORMATS), help="By FILE's ending; jsonl where it has none.")
@click.option("-o", "--output", metavar="FILE", help="Where to (standard output). A file is made with mode 0600.")
@click.option("--force", is_flag=True, help="Overwrite FILE where there is one.")
@click.option(
    "--otlp", metavar="URL", help="Send OpenTelemetry spans to this collector, such as http://127.0.0.1:4318."
)
@click.option("--no-redact", is_flag=True, help="Everything as it was recorded: names, addresses, images, streams.")
@click.option(
    "--side", type=click.Choice(list(SIDES)), default="received", help="curl: the client's side, or what went on."
)
@settings
def export(flags: Mapping[str, str], ids: tuple[str, ...], **wanted: Any) -> None:
    """Write requests to a file, oldest first: those named, or all that the options let through.

    Formats: jsonl (`import` takes it in again), har, md, html, curl, otlp; compressed where FILE ends in .gz. What
    looks like a key, an e-mail address, a person's name in a path, an account id or an image is replaced, and told.
    """
    format, output = wanted.pop("format"), wanted.pop("output")
    otlp, complete, side = wanted.pop("otlp"), wanted.pop("no_redact"), wanted.pop("side")
    if not wanted.pop("force") and output not in (None, "-") and Path(output).is_file():
        raise click.UsageError(f"{safe(output)} is there already; --force overwrites it.")
    if otlp is None and format is None and not _is_known(output):
        known = ", ".join(_suffixes())
        raise click.UsageError(f"{safe(output)}: its name must end in {known} (or .gz after it), or say --format.")
    choice = _choice(ids, wanted)
    redactor = None if complete else _redactor(flags)
    if otlp is not None or format == "otlp":
        _send(flags, choice, otlp, redactor)
    else:
        _write(flags, choice, _format(format, output), output, redactor, SIDES[side])
    if redactor is not None:
        narrate(f"{redactor.told()} --no-redact exports everything.")


def _choice(ids: tuple[str, ...], wanted: Mapping[str, Any]) -> Chosen:
    from ccr_tui.transfer.leaving import Chosen

    if ids and any(value for value in wanted.values()):
        raise click.UsageError("name requests, or choose them by options; not both.")
    return Chosen(ids, None if ids else chosen(wanted))


def _suffixes() -> Iterable[str]:
    from ccr_tui.transfer.leaving import SUFFIXES

    return SUFFIXES


def _is_known(output: str | None) -> bool:
    """Whether the name tells a format, or has no ending that could, as a device has none."""
    from ccr_tui.transfer.leaving import SQUEEZED, format_of

    name = Path((output or "").lower().removesuffix(SQUEEZED))
    return not name.suffix or format_of(str(name)) is not None


def _counted(choice: Chosen, store: Reader) -> int:
    """How many requests it is about. Raises CcrError for none, or for one that is not there."""
    for id in choice.ids:
        store.row(id)
    if not (total := choice.count(store)):
        raise CcrError("Nothing matches, so nothing was written.")
    return total


def _format(given: str | None, output: str | None) -> Format:
    from ccr_tui.transfer.leaving import FORMATS, format_of

    named = next((format for format in FORMATS if format == given), None)
    return named or format_of(output or "") or "jsonl"


def _redactor(flags: Mapping[str, str]) -> Redactor:
    from ccr_tui.transfer.redaction import redactor

    return redactor(assembly.read(flags, os.environ, Path.cwd())[0], os.environ)


def _write(
    flags: Mapping[str, str],
    choice: Chosen,
    format: Format,
    output: str | None,
    redactor: Redactor | None,
    sides: tuple[Literal["received", "sent"], ...],
) -> None:
    from ccr_tui.transfer import leaving

    store, config = _store(flags), assembly.read(flags, os.environ, Path.cwd())[0]
    total, done = _counted(choice, store), [0]
    scene = leaving.scene(config, _heading(choice), sides)
    with meter("exporting", "requests", 1) as report:
        traces = leaving.told(choice.traces(store), total, _noting(done, report))
        made = leaving.pieces(format, traces, replace(scene, marks=leaving.marks_in(store)), redactor)
        if output in (None, "-"):
            sys.stdout.flush()
            leaving.copy(made, sys.stdout.buffer)
        else:
            leaving.write(made, str(output))
    narrate(f"{done[0]} traces written" + (f" to {safe(output)}" if output else ""))


def _store(flags: Mapping[str, str]) -> Reader:
    present(flags)
    return reader(flags)


def _noting(done: list[int], report: Report) -> Report:
    def noted(now: int, total: int) -> None:
        done[0] = now
        report(now, total)

    return noted


def _heading(choice: Chosen) -> str:
    """What the document is about."""
    if choice.ids:
        return f"Request {choice.ids[0]}" if len(choice.ids) == 1 else f"{len(choice.ids)} requests"
    session = choice.filter.session if choice.filter else None
    return f"Session {session}" if session else "Requests"


def _send(flags: Mapping[str, str], choice: Chosen, url: str | None, redactor: Redactor | None) -> None:
    from ccr_tui.transfer import otlp

    if url is None and not otlp.wanted(os.environ):
        raise click.UsageError("name the collector: --otlp URL, or OTEL_EXPORTER_OTLP_ENDPOINT.")
    store = _store(flags)
    total, done = _counted(choice, store), 0
    traces: Iterable[Trace] = choice.traces(store)
    out = otlp.exporter(url)
    with meter("sending", "requests", 1) as report:

        def sent(count: int) -> None:
            nonlocal done
            done += count
            report(done, total)

        spans = otlp.send(traces, out, otlp.wants_content(os.environ), redactor, sent)
    out.shutdown()
    narrate(f"{done} traces sent as {spans} spans to {safe(url or 'the collector of the environment')}")
