"""What `ccr-tui replay` does beyond repricing: rehearse, and rerun with its preview, its consent and its progress.

Owns those two ways. Must never send anything before the person has seen the bill and said yes. The one surprise: the
first Ctrl-C lets what is under way come to its end, because it is paid for already; the second one does not wait.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ccr_tui.commands.common import narrate, safe
from ccr_tui.errors import CcrError

UNFINISHED = 1
DIFFERS = 3
TOLD = 5
"""Steps of a rehearsal that are named."""

if TYPE_CHECKING:
    from ccr_tui.replay.words import Progress, Recording, Settings, Variant, VariantSums
    from ccr_tui.replay.work import Bench, Found
    from ccr_tui.store.queries import Reader
    from ccr_tui.store.runs import RunRow
    from ccr_tui.tokens import Counter


def rehearse(bench: Bench, given: Settings, counter: Counter, tell: Callable[[Progress], None]) -> Found:
    """The recorded bytes once more."""
    from ccr_tui.replay.real import rehearse_all

    return rehearse_all(bench, given, counter, time.time(), tell=tell)


def rerun(
    bench: Bench,
    variants: Sequence[Variant],
    given: Settings,
    preview: Found,
    store: Reader,
    counter: Counter,
    *,
    yes: bool,
    resume: str | None,
) -> Found:
    """Every step for real, once the person agrees. Raises CcrError, click.Abort where he does not."""
    from ccr_tui.replay.real import rerun_all
    from ccr_tui.replay.remaining import remaining
    from ccr_tui.replay.rerun import can_be_asked
    from ccr_tui.replay.work import largest

    can_be_asked(variants)
    most = 0 if given.max_cost is None else largest(bench, variants, given, counter)
    left = preview.comparison.variants[1:] if resume is None else remaining(store, resume, preview)
    if any(line.requests for line in left):
        ask(left, given, most, yes=yes)
    else:
        narrate("Nothing is left to send, and nothing to pay: every answer is kept.")
    before = answered(store, resume)
    with stopping() as stopped:
        found = rerun_all(
            bench, variants, given, store, counter, run=resume, tell=tell_money, cancelled=lambda: bool(stopped)
        )
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    if not found.comparison.finished and not stopped and answered(store, found.comparison.run) == before:
        too_small(store, found, given, most, is_new=resume is None)
    if not found.comparison.finished:
        narrate(f"It is not over; go on with --resume {found.comparison.run[:12]}.")
    return found


def answered(store: Reader, run: str | None) -> int:
    """How many requests of a run have had an answer, or an error."""
    from ccr_tui.replay import kept
    from ccr_tui.replay.words import RECORDED

    return sum(variant != RECORDED for variant, _ in kept.done(store, run)) if run else 0


def too_small(store: Reader, found: Found, given: Settings, most: int, *, is_new: bool) -> None:
    """Raises CcrError: the cap let no request out. A run that never began is not kept."""
    from ccr_tui.prices import usd
    from ccr_tui.store.runs import Runs

    if given.max_cost is None:
        return
    if is_new:
        Runs(store.path).delete(found.comparison.run)
    told = f"--max-cost {usd(given.max_cost)} is too small. Nothing was sent: {' '.join(found.comparison.notes)}"
    raise CcrError(f"{told} Every single request can be sent with --max-cost {usd(found.comparison.spent + most)}")


def ask(lines: Sequence[VariantSums], given: Settings, most: int, *, yes: bool) -> None:
    """The estimated bill, and the question. Raises UsageError where nobody can answer it.

    `most` is what the longest request may cost at worst.
    """
    from ccr_tui.prices import show

    for line in lines:
        requests = f"{line.requests} request{'s' * (line.requests != 1)}"
        narrate(f"{safe(line.name)}: {requests}, {bill(line)}" if line.requests else f"{safe(line.name)}: all done")
    if given.judge is not None:
        narrate(f"{safe(given.judge)} is asked about every answer, twice: that is in none of these sums.")
    cap = "no cap (--max-cost USD sets one)" if given.max_cost is None else f"never more than {show(given.max_cost)}"
    narrate(f"This sends every request for real; {cap}.")
    if given.max_cost is not None and most:
        narrate(f"The longest one may cost {show(most)} at worst: it is sent while so much is left of the cap.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("a rerun costs money: add --yes to say so where nobody can be asked")
    click.confirm("Go on?", abort=True, err=True)


def bill(line: VariantSums) -> str:
    """What a variant is expected to cost, with the band of its error."""
    from ccr_tui.prices import show

    if line.cost is None:
        return "its price is not known (set models.NAME.price)"
    band = "" if line.low == line.high else f" ({show(line.low)} to {show(line.high)})"
    more = f", and {line.unpriced} of unknown price" if line.unpriced else ""
    return f"about {show(line.cost)}{band}{more}, if its answers are as long as the recorded ones"


@contextmanager
def stopping() -> Iterator[list[bool]]:
    """A list that fills at the first Ctrl-C; the second one interrupts as usual."""
    asked: list[bool] = []

    def stop(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        narrate("\nending: what is under way comes to its end (Ctrl-C again does not wait)")

    before = signal.getsignal(signal.SIGINT)
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, stop)
    try:
        yield asked
    finally:
        with suppress(ValueError):
            signal.signal(signal.SIGINT, before)


def tell_money(progress: Progress) -> None:
    """How far it is, and what it has cost, on a terminal."""
    from ccr_tui.prices import show

    if sys.stderr.isatty():
        left = f", {progress.eta_s:.0f} s left" if progress.eta_s is not None else ""
        line = f"{progress.done} of {progress.total} requests, {show(progress.spent)} spent{left}"
        click.echo(f"\r{line}\x1b[K", err=True, nl=False)


def resumed(
    store: Reader, id: str, written: tuple[str, ...], given: Settings
) -> tuple[RunRow, tuple[str, ...], Settings]:
    """The run that is gone on with, its variants, and its settings but for a new cap or concurrency.

    Raises CcrError where it was another kind, or has other variants.
    """
    from ccr_tui.replay import kept
    from ccr_tui.replay.words import Settings

    row = store.run(id)
    if row.kind != "rerun":
        raise CcrError(f"Replay {row.id[:12]} is a {row.kind}; only a rerun can be resumed.")
    before = tuple(row.asked["variants"])
    if written and written != before:
        raise CcrError(f"Replay {row.id[:12]} was made with --variant {' --variant '.join(before)}; leave it away.")
    old: Settings = kept.from_json(Settings, row.asked["settings"])
    cap = old.max_cost if given.max_cost is None else given.max_cost
    return row, before, replace(old, max_cost=cap, concurrency=max(old.concurrency, given.concurrency))


def check_same(row: RunRow | None, recording: Recording) -> None:
    """Raises CcrError where a run is to go on with another recording."""
    if row is not None and row.session != recording.session:
        raise CcrError(f"Replay {row.id[:12]} is of {row.session}, and not of {recording.session}.")


def code(found: Found) -> int:
    """The exit code: 1 for a rerun that is not over, or in which a variant got no answer at all; 3 for a rehearsal of
    which a step came out otherwise, the first of those are told."""
    from ccr_tui.replay.real import REHEARSED

    if found.comparison.kind != "rehearse":
        unanswered = any(line.is_unanswered for line in found.comparison.variants if line.cost_from == "rerun")
        return UNFINISHED if unanswered or not found.comparison.finished else 0
    failed = [each for each in found.results[REHEARSED] if each.outcome == "error"]
    for each in failed[:TOLD]:
        narrate(f"step {each.n}: {safe(each.error)}")
    many = f"{len(failed)} of {len(found.results[REHEARSED])} requests came out otherwise, or could not be rehearsed"
    narrate(many if failed else "every request came out as it was recorded")
    return DIFFERS if failed else 0
