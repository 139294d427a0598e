"""What was paid for with no trace left: tests of models, and routers that a command asked.

Owns the table `paid`, and how a call is counted for it. Must never be written by the writer's thread: such calls are
rare, so each writing brings a connection of its own. The one surprise: calls are counted as they end and not by check
or question, so that what is broken off in the middle is paid for here too.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from ccr_tui.prices import usd
from ccr_tui.records import Attempt, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import codec, schema
from ccr_tui.store.totals import is_unpriced

What = Literal["test", "route"]
"""test: of what a model can do. route: the router, asked by `route --ask`."""
KEEP = "INSERT INTO paid (at, what, model, requests, cost, unpriced) VALUES (?, ?, ?, ?, ?, ?)"
SUM = """
SELECT ifnull(sum(requests), 0), ifnull(sum(cost), 0), ifnull(sum(unpriced), 0) FROM paid
WHERE (?1 IS NULL OR at >= ?1) AND (?2 IS NULL OR at < ?2)
"""


@dataclass(slots=True)
class Paid:
    """Calls that were sent, and what they have cost."""

    requests: int = 0
    cost: int = 0
    """Nano-USD, as far as prices are known."""
    unpriced: int = 0

    @property
    def known(self) -> int | None:
        """What is known of the cost; None where nothing is."""
        return None if self.unpriced and not self.cost else self.cost

    def take(self, trace: Trace) -> None:
        """The calls of one more request."""
        self.add(trace.attempts)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """More calls; one that reached nobody is none."""
        for attempt in attempts:
            self.requests += attempt.usage is not None or attempt.status is not None
            self.cost += attempt.cost or 0
            self.unpriced += is_unpriced(attempt)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"requests": self.requests, "cost_usd": usd(self.known), "unpriced": self.unpriced}


def keep(path: Path, what: What, model: str, paid: Paid) -> None:
    """Write down what was paid now, if anything was sent. Blocks; raises StoreError."""
    if not paid.requests:
        return
    with closing(schema.writable(path)) as db:
        try:
            row = (time.time(), what, codec.utf8(model), paid.requests, paid.cost, paid.unpriced)
            db.execute(KEEP, row)
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error


def paid(db: sqlite3.Connection, since: float | None, until: float | None) -> Paid:
    """All of it in this span."""
    return Paid(*db.execute(SUM, (since, until)).fetchone())
