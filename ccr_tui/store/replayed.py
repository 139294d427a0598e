"""What replays and labs have cost: the money that no session's sums hold.

Owns that one question. Must never mix it with spending. The one surprise: it adds the traces of replays up one by one;
there are few of them, each belongs to a run, and no sums are kept.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from ccr_tui.prices import usd
from ccr_tui.slim import dataclass

SUM = """
SELECT count(*), ifnull(sum(t.cost), 0), ifnull(sum(t.cost IS NULL AND t.usage_basis IS NOT NULL), 0)
FROM trace t WHERE t.run_id IS NOT NULL AND t.origin = 'replay' AND t.started_at >= ? AND t.started_at < ?
"""
BEYOND = 2.0**62


@dataclass(frozen=True, slots=True)
class Replayed:
    """The requests that replays have sent."""

    requests: int
    cost: int
    """Nano-USD, as far as prices are known."""
    unpriced: int

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"requests": self.requests, "cost_usd": usd(self.cost), "unpriced": self.unpriced}


def replayed(db: sqlite3.Connection, since: float | None, until: float | None) -> Replayed:
    """Those that began in this span."""
    return Replayed(*db.execute(SUM, (since or 0.0, BEYOND if until is None else until)).fetchone())
