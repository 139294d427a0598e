"""Regular expressions over what was said.

Owns how an expression is put to the database: as a function of SQLite's that looks into one text after the other, and
as words that every text must have which it can match, where there are any. Must never hold Python's lock while it
matches, nor look at one text for long, because the event loop runs beside it. The one surprise: `regex` is used and not
`re`, which can neither be interrupted nor let others run meanwhile; tiktoken brings it along.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from ccr_tui.store import said
from ccr_tui.store.codec import BROKEN, unpack

ONE_S = 0.25
"""How long one text may be looked at."""
ALL_S = 20.0
"""How long all texts of one question may be."""
FUNCTION = "said_like"
OF_EACH, OF_SOME = f"{FUNCTION}(?, c.data, t.n)", f"{FUNCTION}(?, c.data, 0)"
"""It in SQL: asked of one request after the other, and of the texts that have certain words."""
_trouble = threading.local()
"""Why this thread's question was broken off, and at which request."""


class TooLong(Exception):
    """Looking took too long."""


class Looking:
    """The function for one connection: whether a chunk's message matches, which is asked for a request (0: for any)."""

    def __init__(self, end: float) -> None:
        self.end = end
        self.known: dict[str, Any] = {}

    def __call__(self, pattern: str, data: bytes, request: int) -> bool:
        """Raises TooLong."""
        if time.monotonic() > self.end:
            _trouble.at = request
            _trouble.why = f"The expression took longer than {ALL_S:.0f} seconds: narrow it down with words or since:."
            raise TooLong
        compiled = self.known.get(pattern) or self.known.setdefault(pattern, _compiled(pattern))
        try:
            text = said.text_of(unpack(data))
            return compiled.search(text, timeout=ONE_S, concurrent=True) is not None
        except BROKEN:
            return False
        except TimeoutError:
            _trouble.why = "The expression takes too long on one text: repetitions within repetitions do that."
            raise


def _compiled(pattern: str) -> Any:
    import regex  # type: ignore[import-untyped]  # 20 ms, and only for this

    return regex.compile(pattern)


def ready(db: sqlite3.Connection) -> None:
    """The connection has the function from now on, for one question."""
    _trouble.why, _trouble.at = "", 0
    db.create_function(FUNCTION, 3, Looking(time.monotonic() + ALL_S))


def why_broken_off() -> str:
    """A sentence, once, where this thread's last question was broken off by its expression; else ""."""
    why, _trouble.why = getattr(_trouble, "why", ""), ""
    return why


def stopped_at() -> int | None:
    """Once: the request that this thread's last question had come to when its time was up; None where it was not."""
    if at := getattr(_trouble, "at", 0):
        _trouble.why, _trouble.at = "", 0
    return at or None


def words(pattern: str) -> str:
    """A query to the full text index that every text passes which the expression matches; "" where none is known."""
    try:
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError):  # what regex knows and re does not
        return ""
    return " ".join(f'"{word}"{"" if whole else "*"}' for word, whole in _needed(list(parsed)))


def _needed(parsed: list[Any]) -> Iterator[tuple[str, bool]]:
    """Words that must stand in the text: they begin and, if whole, end with something that is no letter of a word."""
    run, after = "", False
    for op, given in [*parsed, (None, None)]:
        if op is _constants.LITERAL and chr(given).isascii() and chr(given).isalnum():
            run += chr(given)
            continue
        apart = op is _constants.LITERAL and chr(given).isascii() and chr(given) != "_"
        apart = apart or (op is _constants.AT and given is _constants.AT_BOUNDARY)
        if after and len(run) >= said.SHORTEST:
            yield run, apart
        run, after = "", apart
