"""traces prune, sessions pin and unpin: what is kept, and what is let go.

Owns these commands and what they say before and after. Must never remove anything that was not wished for, nor what is
pinned, marked or noted. The one surprise: where nobody can be asked it refuses, also with --json; --yes is the answer.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from ccr_tui import sizes
from ccr_tui.commands.choosing import named
from ccr_tui.commands.common import as_json, load, local, narrate, print_json, reader, safe_block, settings
from ccr_tui.commands.meter import meter
from ccr_tui.prices import show, usd

if TYPE_CHECKING:
    from ccr_tui.store.prune import Plan, Progress, Pruned, Wish

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def _age(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    from ccr_tui.filtering import moment

    if value is not None and re.fullmatch(r"[\d.]+\s*[ms]", value.strip()):  # who writes 6m may mean months
        raise click.BadParameter(f"{value!r} would be minutes or seconds; write 36h, 30d, 12w or a date")
    try:
        return None if value is None else moment(value.strip(), time.time())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{value!r} is no age; write 36h, 30d, 12w or a date") from error


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([KMGT]I?)?B?", value.strip().upper())
    if match is None:
        raise click.BadParameter(f"{value!r} is no size; write 500MB, 2GB or 1.5GiB")
    return int(float(match[1]) * UNITS[match[2] or ""])


@click.command()
@click.option("--older-than", "before", callback=_age, metavar="AGE", help="Requests older than 30d, 12w, or a date.")
@click.option("--larger-than", callback=_bytes, metavar="SIZE", help="The oldest, until the rest takes 2GB or less.")
@click.option("--session", callback=named, metavar="SESSION", help="Only of this session.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings
@as_json
def prune(flags: Mapping[str, str], dry_run: bool, yes: bool, as_json: bool, **given: Any) -> None:
    """Remove old requests, and give their space back to the disk.

    Without an option that chooses, what [store] keep_days and keep_gb say. What was spent stays in all sums; pinned
    sessions and requests with a bookmark or a note stay as they are.
    """
    from ccr_tui.store import prune as store

    path = reader(flags).path
    wish = store.Wish(**given)
    if wish.is_empty:
        wish = store.kept(load(flags))
    plan = store.plan(path, wish)
    if not as_json:
        _say_plan(path, plan, wish, _print if dry_run else narrate)
    is_dry = dry_run or wish.is_empty
    if is_dry and as_json:
        print_json(_plan_json(path, plan) | {"dry_run": True})
    if is_dry or not (yes or not plan.requests or _agrees()):
        return
    pruned = _with_meter(path, wish, plan)
    if as_json:
        print_json(_plan_json(path, plan) | _pruned_json(pruned))
    else:
        _say_pruned(pruned)
    if not pruned.is_complete:
        raise SystemExit(1)


def _print(sentence: str) -> None:
    click.echo(safe_block(sentence))


def _agrees() -> bool:
    """Raises UsageError where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("what is removed is gone: add --yes to say so where nobody can be asked")
    return click.confirm("Remove them?", err=True)


def _with_meter(path: Path, wish: Wish, plan: Plan) -> Pruned:
    from ccr_tui.store.prune import prune as run

    with _interruptible() as stop, meter("removing", "requests", 1) as report:

        def tell(progress: Progress) -> None:
            report(progress.requests, max(plan.requests, progress.requests))

        return run(path, wish, tell, stop)


@contextmanager
def _interruptible() -> Iterator[Event]:
    """Ctrl+C ends the work between two pieces."""
    stop = Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _say_plan(path: Path, plan: Plan, wish: Wish, say: Callable[[str], None]) -> None:
    """Where that was asked for it is the result, else what a person reads before agreeing."""
    size = plan.size
    say(f"{path} takes {size.told}{size.beside and f'; {size.beside}'}.")
    if wish.is_empty:
        say("Everything is kept. --older-than 30d, --larger-than 2GB or --session S choose what is to go.")
        return
    if not plan.requests and not plan.spared:
        say("Nothing is to go.")
        _say_missed(plan, wish, say)
        return
    span = f", from {local(plan.oldest)} to {local(plan.newest)}" if plan.oldest and plan.newest else ""
    they = "it" if plan.requests == 1 else "they"
    say(f"{_counted(plan.requests, 'request')} of {_counted(plan.sessions, 'session')}{span}: about "
        f"{sizes.show(plan.bytes)}. The {show(plan.cost)} that {they} cost stay in the spending.")  # fmt: skip
    _say_missed(plan, wish, say)
    if plan.spared:
        stay = "stays" if plan.spared == 1 else "stay"
        say(f"{_counted(plan.spared, 'request')} {stay}: pinned, with a bookmark or with a note.")


def _say_missed(plan: Plan, wish: Wish, say: Callable[[str], None]) -> None:
    from ccr_tui.store.prune import TOO_FRESH, missed

    if (left := missed(plan, wish)) is not None:
        say(f"That leaves {sizes.show(left)}, more than was asked for: {TOO_FRESH}")


def _say_pruned(pruned: Pruned) -> None:
    was, now = sizes.show(pruned.before.database), sizes.show(pruned.after.database)
    narrate(f"{_counted(pruned.requests, 'request')} removed; {sizes.show(pruned.freed)} given back: {was} → {now}.")
    if not pruned.is_complete:
        narrate("Broken off; what is left goes the next time.")


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _plan_json(path: Path, plan: Plan) -> dict[str, Any]:
    from ccr_tui.store.rows import iso

    return {
        "database": str(path),
        "size_bytes": plan.size.database,
        "log_bytes": plan.size.log,
        "used_bytes": plan.size.used,
        "requests": plan.requests,
        "sessions": plan.sessions,
        "spared": plan.spared,
        "oldest": None if plan.oldest is None else iso(plan.oldest),
        "newest": None if plan.newest is None else iso(plan.newest),
        "cost_usd": usd(plan.cost),
        "estimated_bytes": plan.bytes,
    }


def _pruned_json(pruned: Pruned) -> dict[str, Any]:
    return {
        "dry_run": False,
        "removed": pruned.requests,
        "freed_bytes": pruned.freed,
        "size_after_bytes": pruned.after.database,
        "complete": pruned.is_complete,
    }


@click.command()
@click.argument("session")
@settings
@as_json
def pin(flags: Mapping[str, str], session: str, as_json: bool) -> None:
    """Keep a session, whatever is pruned. The beginning of its id is enough."""
    _pin(flags, session, True, as_json)


@click.command()
@click.argument("session")
@settings
@as_json
def unpin(flags: Mapping[str, str], session: str, as_json: bool) -> None:
    """Let a session be pruned like any other."""
    _pin(flags, session, False, as_json)


def _pin(flags: Mapping[str, str], session: str, is_pinned: bool, as_json: bool) -> None:
    from ccr_tui.store import pins

    store = reader(flags)
    row = store.session(session)
    pins.pin(store.path, row.id, is_pinned)
    if as_json:
        print_json(store.session(row.id).as_json())
    else:
        narrate(f"{row.id}: {'pinned; it is kept whatever is pruned' if is_pinned else 'no longer pinned'}")
