"""The one thread that writes: finished traces go in at one end, committed rows come out at the other.

Owns the queue, the batches and the rejects file. Must never block who hands a trace in, and never lose one silently:
a batch that fails is retried trace by trace, and what still can't be written goes to `<db>.rejects.jsonl`, which
`traces import` takes. The one surprise: `put` does nothing but queue (0.1 us); cutting up, hashing and compressing
happen in the thread, 20 ms later, so a `flush` is needed before one's own trace can be read back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ccr_tui.records import Trace
from ccr_tui.store import archive, schema
from ccr_tui.store.insert import Insertion
from ccr_tui.store.veil import Veil

BATCH = 100
"""Traces in one transaction at most."""
GATHER_S = 0.02
"""How long others are waited for once a trace has come: beginning and committing is half of what a trace costs."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A model's calibration, to be kept."""

    key: str
    ratio: float
    n: int
    error: float | None
    at: float


@dataclass(slots=True)
class Signal:
    """Set when everything that was queued before it has been dealt with."""

    done: threading.Event = field(default_factory=threading.Event)
    is_last: bool = False


Item = Trace | Signal


class Writer:
    """Keeps finished traces. `on_commit` gets the newest `n`, `on_reject` a sentence; both in the writer's thread."""

    def __init__(
        self,
        path: Path,
        on_commit: Callable[[int], None] | None = None,
        on_reject: Callable[[str], None] | None = None,
        secrets: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`secrets` gives what must never be kept, at the time."""
        self._veil = Veil(secrets)
        self.path = path
        self.rejects = path.with_name(path.name + ".rejects.jsonl")
        self._on_commit = on_commit or (lambda _: None)
        self._on_reject = on_reject or (lambda _: None)
        self._is_closed = False
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self._learned: SimpleQueue[Learned] = SimpleQueue()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ccr-tui store", daemon=True)

    def start(self) -> None:
        """Open or make the database, and begin. Raises StoreError, which names the file and the cure."""
        self._connection = schema.writable(self.path)
        self._insertion = Insertion(self._connection)
        self._thread.start()

    def put(self, trace: Trace) -> None:
        """Keep a finished trace, soon. Any thread may call; returns at once."""
        if self._is_closed:
            self._on_reject(f"Request {trace.uid} finished after the store was closed; it is lost.")
        self._queue.put(trace)

    def put_calibration(self, key: str, ratio: float, n: int, error: float | None) -> None:
        """Keep what was learned about a model's tokens, along with the next trace; the latest for a key counts."""
        self._learned.put(Learned(key, ratio, n, error, time.time()))

    def flush(self, timeout: float | None = 10.0) -> bool:
        """Wait, at most `timeout` seconds, until what was put so far is stored or rejected. False if it took longer."""
        signal = Signal()
        self._queue.put(signal)
        self._hurry.set()
        return self._thread.is_alive() and signal.done.wait(timeout)

    def close(self, timeout: float | None = 10.0) -> bool:
        """Store what is queued and end. False if that took longer than `timeout` seconds."""
        self._is_closed = True
        signal = Signal(is_last=True)
        self._queue.put(signal)
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return signal.done.is_set()

    def _run(self) -> None:
        going = True
        while going:
            batch = list(self._batch())
            signals = [item for item in batch if isinstance(item, Signal)]
            learned = [self._learned.get_nowait() for _ in range(self._learned.qsize())]
            self._keep([*learned, *(self._veil.over(item) for item in batch if isinstance(item, Trace))])
            going = not any(signal.is_last for signal in signals)
            if not going:
                self._connection.close()
            for signal in signals:
                signal.done.set()

    def _batch(self) -> Iterator[Item]:
        """What is queued, at least one item: the busier it gets, the larger the batches."""
        item = self._queue.get()
        yield item
        if self._queue.qsize() < BATCH:
            self._hurry.wait(GATHER_S)
        self._hurry.clear()
        for _ in range(BATCH - 1):
            if isinstance(item, Signal) and item.is_last:
                return
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            yield item

    def _keep(self, items: Sequence[Trace | Learned]) -> None:
        if not items or self._stored(items) is None:
            return
        for item in items:
            problem = self._stored([item])
            if problem and isinstance(item, Trace):
                self._reject(item, problem)

    def _stored(self, items: Sequence[Trace | Learned]) -> str | None:
        """Write all in one transaction, or none and say why."""
        try:
            newest = self._write(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, traffic goes on, and the trace goes to the rejects
            self._insertion.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return f"{type(error).__name__}: {error}"
        if newest:
            _tell(self._on_commit, newest)
        return None

    def _write(self, items: Sequence[Trace | Learned]) -> int:
        newest = 0
        self._connection.execute("BEGIN IMMEDIATE")
        for item in items:
            if isinstance(item, Trace):
                newest = self._insertion.add(item)
            else:
                self._insertion.learn(item.key, item.ratio, item.n, item.error, item.at)
        self._connection.execute("COMMIT")
        return newest

    def _reject(self, trace: Trace, problem: str) -> None:
        """Keep it in the file beside the database; if even that fails, at least say so."""
        try:
            archive.append_reject(self.rejects, trace, problem)
            where = f"it is in {self.rejects}"
        except Exception as error:  # noqa: BLE001 - a full disk, most likely: the sentence is all that is left
            where = f"nor in {self.rejects} ({error}): it is lost"
        _tell(self._on_reject, f"Request {trace.uid} could not be stored ({problem}); {where}.")


def _tell(listener: Callable[[Any], None], news: object) -> None:
    try:
        listener(news)
    except Exception:  # noqa: BLE001, S110 - a listener's fault (a screen that is closing) is not the store's
        pass
