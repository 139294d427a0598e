"""Which of Claude's models the client asks for: what everything is compared with where nobody has chosen.

Owns the choice. Must never read all requests. The one surprise: it holds for a whole day, because a comparison that
turned in the midst of work would change every figure that somebody has just looked at; so today's requests decide only
where there is none of an earlier day, and then the first of them does.
"""

from __future__ import annotations

import sqlite3

WINDOW = 1000
"""Requests of before that are looked at."""
_CLAUDES = "kind = 'main' AND asked_model LIKE 'claude-%' AND asked_model NOT LIKE 'claude-ccr-%'"
BEFORE = "SELECT n FROM trace WHERE started_at < ? ORDER BY n DESC LIMIT 1"
MOST = f"""
SELECT asked_model FROM trace WHERE n > :last - {WINDOW} AND n <= :last AND started_at < :midnight AND {_CLAUDES}
    GROUP BY asked_model ORDER BY asked_model LIKE '%haiku%', count(*) DESC, max(n) DESC LIMIT 1
"""
FIRST = f"""
SELECT asked_model FROM trace WHERE n < (SELECT min(n) FROM trace) + {WINDOW} AND {_CLAUDES}
    ORDER BY asked_model LIKE '%haiku%', n LIMIT 1
"""


def before(db: sqlite3.Connection, midnight: float) -> str | None:
    """The one that was asked for most of late in main requests before that time, a Haiku only if there is no other."""
    last = db.execute(BEFORE, (midnight,)).fetchone()
    found = last and db.execute(MOST, {"last": last[0], "midnight": midnight}).fetchone()
    return str(found[0]) if found else None


def first(db: sqlite3.Connection) -> str | None:
    """The one that was asked for first, a Haiku only if there is no other; None if none of Claude's was named."""
    found = db.execute(FIRST).fetchone()
    return str(found[0]) if found else None
