"""Where finished traces wait for the writer's thread: who comes is gathered into batches.

Owns the queue, how much is in it, and how long others are waited for. Must never block who puts something in, nor wake
the thread for each trace while traffic is dense. The one surprise: what it counts are bytes of JSON by a guess, and of
a long conversation only what is new, because the turn before holds the rest in any case.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import field
from queue import Empty, SimpleQueue

from ccr_tui.records import Trace
from ccr_tui.seen import History
from ccr_tui.slim import dataclass

BATCH = 100
"""Traces in one transaction at most."""
GATHER_S = 0.1
"""How long others are gathered once a trace has come, while traffic is dense: to be woken, to begin and to commit costs
as much as several traces, because by then everything of ours has left the processor's caches. What looks at the
database hears of them so much later; in half the time a trace costs a fifth more (measured)."""
DENSE_S = 0.25
"""How long after the last commit the next trace is taken for one of many; one that comes later is stored at once."""
HEAVY = 4 * 1024 * 1024
"""Bytes for which no others are waited."""
LONG = 20_000
"""Bytes of a request from which on it is asked how much of it is new."""


@dataclass(slots=True)
class Signal:
    """Set when everything that was queued before it has been dealt with."""

    done: threading.Event = field(default_factory=threading.Event)
    is_last: bool = False


Item = Trace | Signal


class WaitingRoom:
    """Any thread may put something in; one takes it out."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._put = self._done = 0
        """Bytes that went in, counted by who puts, and that were dealt with, counted by the thread."""
        self._signals: list[Signal] = []
        """What somebody waits for."""
        self._hurry = threading.Event()

    @property
    def held(self) -> int:
        """Bytes that are not dealt with yet."""
        return self._put - self._done

    @property
    def is_calm(self) -> bool:
        """Whether there is time for other things."""
        return self.held <= HEAVY

    def put(self, trace: Trace) -> None:
        """Returns at once."""
        self._put = put = self._put + weight(trace)
        self._queue.put(trace)
        if put - self._done > HEAVY and not self._hurry.is_set():  # what `is_calm` says, in half the time
            self._hurry.set()

    def ask(self, signal: Signal) -> None:
        """To be told, soon, when everything before it was dealt with."""
        self._signals.append(signal)
        self._queue.put(signal)
        self._hurry.set()

    def first(self, timeout: float | None) -> Item | None:
        """What has waited longest; None if nothing comes for so many seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            return None

    def batch(self, first: Item, committed: float) -> list[Item]:
        """It and others: the busier it gets, the more. `committed` is when something was stored last."""
        if isinstance(first, Trace):
            self._gather(committed)
        batch, heavy = [first], 0
        while len(batch) < BATCH and heavy < HEAVY:
            last = batch[-1]
            if isinstance(last, Trace):
                heavy += weight(last)
            elif last.is_last:
                break
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
        return batch

    def dealt_with(self, traces: Iterable[Trace]) -> None:
        """They are in the database, or in a file."""
        self._done += sum(map(weight, traces))

    def answer(self, signals: Iterable[Signal]) -> None:
        """Tell who waits."""
        for signal in signals:
            self._signals.remove(signal)
            signal.done.set()

    def rest(self, seconds: float) -> None:
        """Wait so long, or until somebody is in a hurry."""
        self._hurry.wait(seconds)
        self._hurry.clear()

    def _gather(self, committed: float) -> None:
        """Let others come, while traffic is dense. None of them wakes this thread; who is in a hurry does."""
        now = time.monotonic()
        until = now + GATHER_S if now - committed < DENSE_S else now
        while not self._is_enough() and (left := until - time.monotonic()) > 0:
            self.rest(left)

    def _is_enough(self) -> bool:
        """Whether somebody waits for what is queued, or much is."""
        return bool(self._signals) or self.held > HEAVY or self._queue.qsize() >= BATCH


def weight(trace: Trace) -> int:
    """Bytes of JSON, about: a token has some four characters."""
    whole = 2000 + 4 * (trace.estimate or 0)
    if whole < LONG:
        return whole
    messages = trace.body.get("messages") if isinstance(trace.body, dict) else None
    if not isinstance(messages, History) or not messages:
        return whole
    return whole * (len(messages) - messages.known) // len(messages) + LONG
