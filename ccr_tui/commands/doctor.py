"""`ccr-tui doctor`: is everything there that the proxy needs?

Owns the checks; each is a function that gives one finding, and they stand in one tuple. Must never change anything, and
sends a request to a provider only where a model is named: then that model is tested, and the result is kept as its
badges. The one surprise: the loop check measures this machine now, so a loaded machine may fail it; its message says
what was measured.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

import click

from ccr_tui.commands.common import as_json, load, narrate, print_json, read, safe_block, settings
from ccr_tui.commands.probe import ask, stranger
from ccr_tui.config import Config, keyless
from ccr_tui.errors import CcrError
from ccr_tui.slim import dataclass

if TYPE_CHECKING:
    from ccr_tui.store.rows import TraceRow

LATE_MS = 250
"""A loop that is late by this much makes streams stutter visibly."""
CHOOSE = "choose another port: --port, CCR_TUI_PORT"
RECENT_S = 86_400.0
"""How old what a provider last answered may be to be told of."""
SAID = 200
"""Letters of an error."""
LOOKED = 200
"""Requests that are looked through for that, at most."""
LITTLE = 16 * 1024 * 1024
"""Bytes that should be free on the database's disk: its log alone takes four MB, now and then more."""
DAMAGED = (
    "`ccr-tui traces verify` tells all that is broken, `ccr-tui traces export` reads what can still be read. "
    "A file that can't be written to is moved aside by itself."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    name: str
    ok: bool
    message: str
    """What is there, or what is wrong and how to mend it."""
    noted: bool = False
    """Whether it is worth a thought though nothing is wrong here."""


def check_config(config: Config, problems: list[str]) -> Finding:
    """Is everything that is set, set right?"""
    where = "the environment alone" if config.path is None or not config.path.exists() else str(config.path)
    said = [*problems, *(f"note: {note}" for note in config.notes)]
    return Finding("config", not problems, "\n".join(said) or f"{where}: {_counted(len(config.models), 'model')}")


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def check_keys(config: Config, problems: list[str]) -> Finding:
    """Is there a key wherever one is named?"""
    missing = keyless(config)
    return Finding("keys", not missing, "\n".join(missing) or "every key that is named is set")


def check_port(config: Config, problems: list[str]) -> Finding:
    """Can the proxy listen, or does it already?"""
    where = f"{config.host}:{config.port}"
    there = ask(config)
    if there.ours and (others := there.differing(config)):
        other = f"{where} is taken by another {stranger(there, config)}: {' and '.join(others)}"
        return Finding("port", False, f"{other}. What is sent there is answered and recorded there; {CHOOSE}")
    if there.ours:
        return Finding("port", True, f"{there.what} listens at {where}")
    if there.taken:
        return Finding("port", False, f"{where} is taken by {stranger(there, config)}; {CHOOSE}")
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        with socket.create_server((config.host, config.port), family=family):
            return Finding("port", True, f"{where} is free")
    except OSError as error:
        return Finding("port", False, f"cannot listen at {where}: {error.strerror or error}")


def check_database(config: Config, problems: list[str]) -> Finding:
    """Can the traces be read and written?"""
    from ccr_tui.store.prune import size
    from ccr_tui.store.queries import Reader
    from ccr_tui.store.verify import glance

    path = config.db or Path()
    if not path.exists():
        above = next(folder for folder in path.absolute().parents if folder.exists())
        ok = above.is_dir() and os.access(above, os.W_OK)
        why = "will be made" if ok else f"cannot be made: {above} is no directory that you can write to"
        return Finding("database", ok, f"{path} {why}")
    store = Reader(path)
    try:
        if seen := glance(path):
            return Finding("database", False, f"{seen}\n{DAMAGED}")
        taken, last = size(path), store.last_n()
    except CcrError as error:
        return Finding("database", False, str(error))
    finally:
        store.close()
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return Finding("database", False, f"{path} or its directory is not writable for you")
    if (there := ask(config)).trouble and not there.differing(config):
        return Finding("database", False, f"{there.what}, which runs, can't write: {there.trouble}")
    if (free := disk_usage(path.parent).free) < LITTLE:
        return Finding("database", False, f"{path}: {free / 1e6:.0f} MB are free on its disk. Free some space there.")
    return Finding(
        "database", True, f"{path}: {_counted(last, 'trace')}, {taken.told}{taken.beside and f'; {taken.beside}'}"
    )


def check_models(config: Config, problems: list[str]) -> Finding:
    """Has anybody asked the models? Not this command, which sends nothing."""
    real = {name for name, provider in config.providers.items() if provider.kind != "demo"}
    names = [name for name, model in config.models.items() if model.provider in real]
    if not names:
        return Finding("models", True, "the built-in demo model answers; it needs nobody", noted=True)
    asks = f"`ccr-tui doctor --model {names[0]}` asks one, with at most thirteen requests"
    return Finding("models", True, f"{_counted(len(names), 'model')}, not asked now; {asks}", noted=True)


def check_answers(config: Config, problems: list[str]) -> Finding:
    """Have the providers answered, the last time that each was asked?"""
    from ccr_tui.store.queries import Filter, Reader

    path = config.db or Path()
    if not path.exists():
        return Finding("answers", True, "nothing was asked yet", noted=True)
    store = Reader(path)
    try:
        rows = store.rows(Filter(since=time.time() - RECENT_S), limit=LOOKED)
    except CcrError as error:
        return Finding("answers", False, str(error))
    finally:
        store.close()
    return _answers([row for row in rows if row.outcome != "cancelled" and row.provider in config.providers])


def _answers(rows: Sequence[TraceRow]) -> Finding:
    """`rows` are the newest first."""
    failed = [row for row in rows if row.outcome == "error"]
    if not rows:
        return Finding("answers", True, "nothing was asked in the last 24 hours", noted=True)
    last = {row.provider: row for row in reversed(rows)}
    dead = [
        f"{row.provider}: the last request failed with {row.status}, {' '.join((row.error or '').split())[:SAID]}"
        for row in last.values()
        if row in failed
    ]
    count = (
        f"{len(failed)} of the last {_counted(len(rows), 'request')} failed" if failed else "none has failed of late"
    )
    return Finding("answers", not dead, "\n".join([count, *dead]), noted=bool(failed))


def check_loop(config: Config, problems: list[str]) -> Finding:
    """Is this machine on time?"""
    late = asyncio.run(_lateness(0.3))
    return Finding("loop", late < LATE_MS, f"an idle event loop is late by {late:.0f} ms at worst")


async def _lateness(for_s: float) -> float:
    worst, end = 0.0, time.perf_counter() + for_s
    while (due := time.perf_counter() + 0.01) < end:
        await asyncio.sleep(0.01)
        worst = max(worst, time.perf_counter() - due)
    return worst * 1000


CHECKS: tuple[Callable[[Config, list[str]], Finding], ...] = (
    check_config,
    check_keys,
    check_port,
    check_database,
    check_models,
    check_answers,
    check_loop,
)


def _mark(finding: Finding) -> str:
    return "BAD" if not finding.ok else "-- " if finding.noted else "ok "


@click.command()
@click.option(
    "--model", metavar="MODEL", help="Test this model instead, with at most thirteen requests, which are paid for."
)
@settings
@as_json
def doctor(flags: Mapping[str, str], model: str | None, as_json: bool) -> None:
    """Check what the proxy needs; exit code 3 if anything is wrong.

    Nobody is asked, unless a model is named; what was recorded tells who has not answered of late.
    """
    if model is not None:
        from ccr_tui.commands.abilities import report

        raise SystemExit(0 if report(load(flags), model, as_json) else 3)
    config, problems = read(flags)
    found = [check(config, problems) for check in CHECKS]
    healthy = all(finding.ok for finding in found)
    if as_json:
        print_json({"ok": healthy, "checks": [asdict(finding) for finding in found]})
    else:
        for finding in found:
            message = safe_block(finding.message).replace("\n", "\n" + " " * 15)
            click.echo(f"{_mark(finding)}  {finding.name:8}  {message}")
        thoughts = "nothing is wrong here; what begins with -- was not looked at, or is worth a look"
        whole = thoughts if any(finding.noted for finding in found) else "all is well"
        narrate(whole if healthy else "something needs mending")
    if not healthy:
        raise SystemExit(3)
