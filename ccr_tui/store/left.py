"""What a killed program left behind, taken in by whoever looks next.

Owns the moment in which somebody looks at a database that no program writes into. Must never take in what a running
program has noted. The one surprise: to look may write. Else the answers of a killed program's last tenth of a second,
which stand in its notes alone, and those that wait in a file, would be missing until the next one starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ccr_tui.errors import StoreError
from ccr_tui.records import Trace


def take_in(db: Path) -> int:
    """Store the requests that programs which are gone had not. How many; what can't be stored now is left as it is."""
    taken = 0
    with suppress(StoreError):
        if db.exists():
            taken = _waiting(db) if db.with_name(f"{db.name}.waiting.jsonl").exists() and not _is_in_use(db) else 0
            taken += _noted(db) if _notes(db) else 0  # after those that are whole
    return taken


def _notes(db: Path) -> list[Path]:
    return list(db.parent.glob(f"{db.name}.running-*"))


def _is_in_use(db: Path) -> bool:
    """Whether a program that writes is running."""
    from ccr_tui.store.begun import leftovers  # for most looks there is nothing to do

    return len(list(leftovers(db))) < len(_notes(db))


def _noted(db: Path) -> int:
    """What stands in notes. Raises StoreError."""
    from ccr_tui.store.begun import leftovers

    taken = 0
    for left in leftovers(db):  # its lock is ours meanwhile: a program that starts leaves it alone
        taken += _stored(db, left.traces) if left.traces else 0
        left.remove()
    return taken


def _waiting(db: Path) -> int:
    """What waits in the file. Raises StoreError."""
    from ccr_tui.store.spill import Waiting

    waiting, taken = Waiting(db), 0
    try:
        while True:
            taken += _stored(db, waiting)
            if waiting.is_over():
                return taken
    finally:
        waiting.close()


def _stored(db: Path, traces: Iterable[Trace]) -> int:
    """How many of them were not there yet. Raises StoreError."""
    from ccr_tui.store.intake import Intake

    taken = 0
    with Intake(db) as intake:
        for trace in traces:
            if not intake.has(trace.uid):
                intake.add(trace)
                intake.breathe()
                taken += 1
    return taken
