"""Where mistakes of the program are written down: `ccr-tui.log` beside the database.

Owns one log file, made when there is something to write. Must never hold a request's body or a credential: what a trace
has belongs to the trace. The one surprise: without it Python would print to the terminal, across the screen of the app.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ccr_tui import ownfiles

SIZE = 1024 * 1024
"""Bytes after which a new file is begun; one old one is kept."""


class PrivateFile(RotatingFileHandler):
    """A log that only its owner can read."""

    def _open(self) -> io.TextIOWrapper:
        descriptor = ownfiles.create(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND)
        return os.fdopen(descriptor, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk, or a file that is not ours: nothing is written down. Python would tell it across the screen."""


@contextmanager
def journal(db: Path) -> Iterator[Path]:
    """Warnings and errors go to the log beside `db` while the block runs."""
    path = db.with_name("ccr-tui.log")
    handler = PrivateFile(path, maxBytes=SIZE, backupCount=1, delay=True, encoding="utf-8")
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield path
    finally:
        root.removeHandler(handler)
        handler.close()
