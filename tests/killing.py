"""What is noted of a request that begins, and a program that is killed, as the tests of the store have them."""

from __future__ import annotations

import os

from ccr_tui.records import Flight, Trace
from ccr_tui.store.begun import Begun


def flight(trace: Trace) -> Flight:
    return Flight(trace.uid, trace.started_at, trace.asked_model, trace.kind, trace.project, trace.session)


def killed(begun: Begun) -> None:
    """As the system leaves it: the lock is gone, and the file is there."""
    os.close(begun._fd)
    begun._fd = -1
