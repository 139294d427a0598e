"""What each request adds to the sums, told by its rows alone.

Owns the statement that works shares out of `trace` and `attempt`, the same that `insert` adds up while it writes; the
check compares both, and removal keeps the shares of what goes. Must never round: money is an integer. The surprises:
spend is what is there plus what was removed: spend = sum(shares of traces) + pruned; and replays have no share in it,
because they are experiments with a bill of their own (`ccr-tui replay runs`).
"""

from __future__ import annotations

from ccr_tui.store.schema import SLOT_S

SPEND = (
    "slot", "model_id", "agent", "session_id", "project_id", "kind", "purpose", "basis", "cost_basis", "price_id",
    "requests", "errors", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "cost", "unpriced", "cache_saved", "cache_lost", "switched_tokens", "cache_unknown",
    "cache_write_1h_tokens",
)  # fmt: skip
"""The columns of `spend` and of `pruned`: what is summed by, and what is summed."""
SPEND_KEYS = 10
NOTHING = " AND ".join(f"{name} = 0" for name in SPEND[SPEND_KEYS:])
"""Where a sum is one of nothing."""
KEYS = ", ".join(SPEND[:SPEND_KEYS])

KEY = f"""
CAST(t.started_at AS INTEGER) / {SLOT_S} * {SLOT_S}, {{model}}, ifnull(t.agent, ''),
ifnull(t.session_id, 0), ifnull(t.project_id, 0), t.kind, {{purpose}}, {{basis}}, {{priced}}
"""
PRICED = "CASE WHEN a.cost IS NULL THEN 'unknown' ELSE a.cost_basis END, ifnull(a.price_id, 0)"
SHARES = f"""
SELECT {KEY.format(model="a.model_id", purpose="a.purpose", basis="ifnull(a.usage_basis, '')", priced=PRICED)},
    a.answer, a.answer AND t.outcome = 'error', a.input_tokens, a.cache_read_tokens, a.cache_write_tokens,
    a.output_tokens, a.reasoning_tokens, ifnull(a.cost, 0), a.cost IS NULL AND a.usage_basis IS NOT NULL,
    ifnull(a.cache_saved, 0), ifnull(a.cache_lost, 0), a.switched_tokens,
    a.usage_basis IS NOT NULL AND (a.cache_saved IS NULL OR a.cache_lost IS NULL), a.cache_write_1h_tokens
FROM attempt a JOIN trace t ON t.n = a.trace AND t.origin <> 'replay' {{only}}
UNION ALL
SELECT {KEY.format(model="ifnull(t.model_id, 0)", purpose="'answer'", basis="''", priced="'unknown', 0")},
    1, t.outcome = 'error', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM trace t WHERE t.origin <> 'replay' AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.trace = t.n AND a.answer)
    {{only}}
"""
"""`only` narrows it down to some of the traces `t`."""
ALL = SHARES.format(only="")
THAT = SHARES.format(only="AND t.n = ?")
"""Of one trace; its number is given twice."""


def adding(table: str) -> str:
    """The statement that adds a row of shares to the sums in `table`."""
    return f"INSERT INTO {table} ({', '.join(SPEND)}) VALUES ({', '.join('?' * len(SPEND))}){_added()}"


def moving(table: str, query: str) -> str:
    """The statement that adds all that `query` finds to the sums in `table`."""
    return f"INSERT INTO {table} ({', '.join(SPEND)}) SELECT * FROM ({query}) WHERE true{_added()}"


def _added() -> str:
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in SPEND[SPEND_KEYS:])
    return f" ON CONFLICT ({KEYS}) DO UPDATE SET {sums}"
