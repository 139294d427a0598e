"""Sessions that somebody wants to keep.

Owns the column `pinned` of a session. Must never pin what is not there. The one surprise: a pin keeps requests that
come later too, because it is the session's.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ccr_tui.store import schema
from ccr_tui.store.codec import utf8

PIN = "UPDATE session SET pinned = ? WHERE uid = ?"


def pin(path: Path, session: str, is_pinned: bool) -> None:
    """Keep the session of this id, or keep it no longer. Raises StoreError."""
    db = schema.writable(path)
    try:
        db.execute(PIN, (is_pinned, utf8(session)))
    except sqlite3.Error as error:
        raise schema.trouble(path, error) from error
    finally:
        db.close()
