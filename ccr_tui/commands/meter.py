"""How long work shows itself on the terminal: one line that is written over, with what is done and what is left.

Must never write to stdout, nor anything but whole sentences where stderr is no terminal. The one surprise: ctrl+c is
how it is cancelled; what was finished before stays, and the caller says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ccr_tui.transfer.progress import Report

EVERY_S = 0.2
"""Between two writings of the line."""


@contextmanager
def meter(what: str, unit: str = "MB", scale: int = 1_000_000) -> Iterator[Report]:
    """A report that draws itself: "reading  34 of 120 MB  28 %  12 s left"."""
    begun, drawn = time.monotonic(), 0.0
    is_shown = sys.stderr.isatty()

    def report(done: int, total: int) -> None:
        nonlocal drawn
        now = time.monotonic()
        if is_shown and now - drawn >= EVERY_S:
            drawn = now
            sys.stderr.write(f"\r\x1b[2K{line(what, unit, done / scale, total / scale, now - begun)}")
            sys.stderr.flush()

    try:
        yield report
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def line(what: str, unit: str, done: float, total: float, spent_s: float) -> str:
    """The line itself."""
    digits = 0 if max(done, total) >= 10 else 1
    if total <= 0:
        return f"{what}  {done:,.{digits}f} {unit}"
    share = min(1.0, done / total)
    left = f"  {spent_s / share - spent_s:,.0f} s left" if share > 0.01 and spent_s > 1 else ""
    return f"{what}  {done:,.{digits}f} of {total:,.{digits}f} {unit}  {share:.0%}{left}"
