"""Who should have worked on a request, as a person says.

Owns the table `route_label`. Must never be taken for what happened: the recorded route stands in the trace. The one
surprise: labels are kept by the trace's uid and not by its number, so that they outlive an export and an import, and
may be given to traces of a file that is not in the database.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ccr_tui.store import codec, schema

KEEP = """
INSERT INTO route_label (trace, agent, at) VALUES (?, ?, ?)
ON CONFLICT (trace) DO UPDATE SET agent = excluded.agent, at = excluded.at
"""


def save(path: Path, trace: str, agent: str | None) -> None:
    """Label a request; None takes the label away. Blocks; raises StoreError."""
    uid = codec.utf8(trace)
    with closing(schema.writable(path)) as db:
        try:
            if agent is None:
                db.execute("DELETE FROM route_label WHERE trace = ?", (uid,))
            else:
                db.execute(KEEP, (uid, agent, time.time()))
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error


def load(path: Path) -> dict[str, str]:
    """Every label, by the trace's uid. Raises StoreError."""
    with closing(schema.readable(path)) as db:
        try:
            return dict(db.execute("SELECT trace, agent FROM route_label").fetchall())
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error
