"""A glance at one session, for Claude Code's status line.

Owns the two queries behind it. Must never import more than sqlite3, wait for a writer, or raise anything but
sqlite3.Error: a status line is drawn several times a minute, in a process of its own. The one surprise: it does not go
through `Reader`, whose imports would take three times as long as the reading.
"""

from __future__ import annotations

import sqlite3

TYPE_CHECKING = False  # typing itself would take 10 ms
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

Error = sqlite3.Error
"""What may go wrong, for who must not import sqlite3."""
WAIT_S = 0.2
"""How long a writer is waited for."""
LATEST = """
SELECT t.mode, t.agent, m.model, t.chosen, t.input_tokens + t.cache_read_tokens + t.cache_write_tokens, t.output_tokens
FROM trace t LEFT JOIN model m ON m.id = t.model_id
WHERE t.session_id = (SELECT id FROM session WHERE uid = ?) AND t.kind = 'main' AND t.usage_basis IS NOT NULL
ORDER BY t.n DESC LIMIT 1
"""
SPENT = """
SELECT sum(cost), sum(unpriced), sum((basis IN ('estimated', 'mixed') AND cost_basis <> 'reported') * cost),
    sum(cache_read_tokens), sum((basis <> 'estimated') * (input_tokens + cache_write_tokens) + cache_read_tokens)
FROM spend WHERE session_id = (SELECT id FROM session WHERE uid = ?)
"""


def glance(path: Path, session: str) -> dict[str, Any]:
    """What is known of a session, empty if nothing is. Raises sqlite3.Error.

    mode, agent, model (the provider's id), chosen (our name), prompt and output (tokens of the last request), cost
    (nano-USD), unpriced (calls), estimated (the part of the cost that rests on estimated tokens), cached and sent (the
    tokens of the session, where a provider told them).
    """
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)
    try:
        latest = db.execute(LATEST, (session,)).fetchone()
        spent = db.execute(SPENT, (session,)).fetchone()
    finally:
        db.close()
    if latest is None:
        return {}
    names = ("mode", "agent", "model", "chosen", "prompt", "output", "cost", "unpriced", "estimated", "cached", "sent")
    return dict(zip(names, (*latest, *spent), strict=True))
