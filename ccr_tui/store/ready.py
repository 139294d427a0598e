"""A trace made ready for the database: its bodies cut up, its record and streams written out, each of them once.

Owns `Ready`. Must never read the database or change a trace. The one surprise: what is looked through for keys is
these very bytes, which are all that is going to be stored, so that nothing is written out twice to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ccr_tui import chunks
from ccr_tui.chunks import Path
from ccr_tui.records import Json, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import codec
from ccr_tui.wire import dumps


@dataclass(slots=True)
class Ready:
    """What is stored of one request."""

    trace: Trace
    record: bytes
    """Everything but the heavy fields, as JSON."""
    request: Path | None
    reply: Path | None
    sent: Sequence[Path | None]
    """For each attempt."""
    streams: Sequence[bytes]
    """For each attempt; empty where there was none."""

    @classmethod
    def of(cls, trace: Trace) -> Ready:
        """Raises ValueError or TypeError for what is no JSON."""
        attempts = trace.attempts
        return cls(
            trace,
            dumps(codec.to_json(trace)),
            _cut(trace.body),
            _cut(trace.reply),
            [_cut(attempt.sent) for attempt in attempts],
            [codec.lined_up(attempt.stream) if attempt.stream else b"" for attempt in attempts],
        )

    def paths(self) -> Iterator[Path]:
        """All bodies."""
        return (path for path in (self.request, self.reply, *self.sent) if path is not None)


def _cut(body: Json) -> Path | None:
    return None if body is None else chunks.split(body)
