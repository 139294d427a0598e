"""What was stored of late, and stands in SQLite's log alone: what something else does to that log is made good of it.

Owns those traces, in memory, until the log is carried over into the file. Must never hold much: of the newest that are
small the whole trace is kept, of the others what the lists and sums say. The one surprise: it is empty most of the
time, for in a pause of a second everything is carried over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ccr_tui.records import Attempt, Failure, Trace
from ccr_tui.store.waiting_room import weight

WHOLE = 1024 * 1024
"""Bytes of JSON, about, of which the whole traces are kept."""
MOST = 5000
"""Traces at most: a reader that never ends keeps SQLite from carrying its log over."""
CUT_OFF = "The texts of this request are lost: they stood in ccr.db-wal, which something else cut short or overwrote."


class Recent:
    """For the writer's thread alone."""

    def __init__(self) -> None:
        self._traces: dict[int, tuple[Trace, int]] = {}
        """By their numbers, the oldest first; and how much of `WHOLE` each takes."""
        self._held = 0

    def add(self, traces: Sequence[Trace], newest: int) -> None:
        """They were stored, and `newest` is the number of the last."""
        for n, trace in enumerate(traces, newest - len(traces) + 1):
            heavy = weight(trace)
            kept = (trace, heavy) if self._held + heavy <= WHOLE else (_told(trace), 0)
            self._traces[n] = kept
            self._held += kept[1]
        while len(self._traces) > MOST:
            self._held -= self._traces.pop(next(iter(self._traces)))[1]

    def carried(self, newest: int) -> None:
        """Up to that number all of them stand in the file."""
        while self._traces and (first := next(iter(self._traces))) <= newest:
            self._held -= self._traces.pop(first)[1]

    def take(self) -> list[Trace]:
        """All of them, for the last time."""
        taken = [trace for trace, _ in self._traces.values()]
        self._traces, self._held = {}, 0
        return taken


def _told(trace: Trace) -> Trace:
    """Without texts."""
    return replace(
        trace,
        body=None,
        raw=None,
        reply=None,
        timeline=(),
        attempts=tuple(map(_without_texts, trace.attempts)),
        failure=trace.failure or Failure(trace.status, "interrupted", CUT_OFF),
    )


def _without_texts(attempt: Attempt) -> Attempt:
    return replace(attempt, sent=None, stream=())
