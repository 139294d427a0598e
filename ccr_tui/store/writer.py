"""The one thread that writes: finished traces go in at one end, committed rows come out at the other.

Owns the thread, and what becomes of a trace that can't be written now. Must never block who hands a trace
in, and never lose one silently: trouble that may pass (a full disk, a lock) is waited for, in memory and then in
`<db>.waiting.jsonl`; a damaged file is moved aside; a trace that the database refuses goes to `<db>.rejects.jsonl`. The
one surprise: `put` only notes that the request has ended, and queues it (5 us); cutting up, hashing and compressing
happen in the thread, so a `flush` is needed before one's own trace can be read back.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ccr_tui.errors import StoreError
from ccr_tui.records import Flight, Trace
from ccr_tui.slim import dataclass
from ccr_tui.store import spill
from ccr_tui.store.begun import Begun, Leftover, leftovers
from ccr_tui.store.codec import BROKEN
from ccr_tui.store.ground import is_passing, opened
from ccr_tui.store.ready import Ready
from ccr_tui.store.recent import Recent
from ccr_tui.store.schema import trouble
from ccr_tui.store.veil import Veil
from ccr_tui.store.waiting_room import Item, Signal, WaitingRoom

RETRY_S = 0.25
"""How long to wait before trying again where the database can't be written."""
IDLE_S = 0.05
"""How long nothing must have come before older requests are looked at."""
PAUSE_S = 1.0
"""How long nothing must have come before all of SQLite's log is carried over into the file."""
SWAMPED = 8 * 1024 * 1024
"""Bytes of JSON, about, that may be queued: of what comes faster than it can be stored, the rest waits in the file."""
END_S = 1.0
"""How long what waits is taken back when the program ends; the rest is for the next one."""
MOST = 64 * 1024 * 1024
"""Bytes of JSON, about, that may wait in memory; as objects they take some four times as much."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A model's calibration, to be kept."""

    key: str
    ratio: float
    n: int
    error: float | None
    at: float


class Writer:
    """Keeps finished traces. `on_commit` gets the newest `n`; `on_reject` a sentence about what could not be written;
    `on_trouble` one about what keeps it from writing, and "" when that has passed; all in the writer's thread."""

    def __init__(
        self,
        path: Path,
        on_commit: Callable[[int], None] | None = None,
        on_reject: Callable[[str], None] | None = None,
        secrets: Callable[[], Sequence[str]] = tuple,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        """`secrets` gives what must never be kept, at the time."""
        self._veil = Veil(secrets)
        self.path = path
        self.rejects = spill.rejects_file(path)
        self.trouble = ""
        """What keeps it from writing at the moment, a sentence."""
        self.lost = 0
        """Requests that could be written down nowhere; `on_reject` was told of each."""
        self._on_commit = on_commit or (lambda _: None)
        self._on_reject = on_reject or (lambda _: None)
        self._on_trouble = on_trouble or (lambda _: None)
        self._is_closed = False
        self._room = WaitingRoom()
        self._learned: SimpleQueue[Learned] = SimpleQueue()
        self._committed = 0.0
        self._failed: Exception | None = None
        """Why the last transaction has to wait."""
        self._mend: Callable[[], str] | None = None
        """What must be done to the file first."""
        self._is_waiting = False
        """Whether there is a file of what waits."""
        self._waiting = 0
        """How often something was put into it."""
        self._end = float("inf")
        """Until when there is time for it."""
        self._returning: spill.Waiting | None = None
        """The rest of it, while it is taken back."""
        self._is_behind = True
        """Whether requests of older versions are perhaps still to be looked at."""
        self._is_settled = True
        """Whether there is nothing to do until something comes."""
        self._recent = Recent()
        self._again: list[Trace] = []
        """What stood in a log that something else has spoiled."""
        self._begun = Begun(path, self._veil.line)
        self._left: list[Leftover] = []
        self._thread = threading.Thread(target=self._run, name="ccr-tui store", daemon=True)

    def start(self) -> None:
        """Open or make the database, and begin. Raises StoreError, which names the file and the cure."""
        told: list[str] = []
        self._ground = opened(self.path, told)
        for sentence in told:
            _tell(self._on_reject, sentence)
        self._left = list(leftovers(self.path))
        self._is_waiting = spill.waiting_file(self.path).exists()
        self._begun.open()
        self._thread.start()

    def begin(self, flight: Flight) -> None:
        """A request is under way: where this program is killed, the next one will say that it was."""
        self._begun.begin(flight)

    def end(self, trace: Trace) -> None:
        """A request is answered, and its client is about to know: where this program is killed now, the next one will
        know its tokens and costs. What has been noted here is only queued when it is put."""
        self._begun.end(trace)

    def put(self, trace: Trace) -> None:
        """Keep a finished trace, soon. Any thread may call; returns at once."""
        if self._is_closed:
            self._on_reject(f"Request {trace.uid} finished after the store was closed; it is lost.")
        self._begun.end(trace)
        self._room.put(trace)

    def put_calibration(self, key: str, ratio: float, n: int, error: float | None) -> None:
        """Keep what was learned about a model's tokens, along with the next trace; the latest for a key counts."""
        self._learned.put(Learned(key, ratio, n, error, time.time()))

    def flush(self, timeout: float | None = 10.0) -> bool:
        """Wait, at most `timeout` seconds, until what was put so far is stored or rejected. False if it took longer."""
        signal = Signal()
        self._room.ask(signal)
        return self._thread.is_alive() and signal.done.wait(timeout)

    def close(self, timeout: float | None = 10.0) -> bool:
        """Store what is queued and end. False if that took longer than `timeout` seconds."""
        self._is_closed, self._end = True, time.monotonic() + END_S
        signal = Signal(is_last=True)
        self._room.ask(signal)
        if self._thread.is_alive():
            self._thread.join(timeout)
        return signal.done.is_set()

    def _run(self) -> None:
        self._take_over()
        going = True
        while going:
            batch = self._room.batch(self._next(), self._committed)
            signals = [item for item in batch if isinstance(item, Signal)]
            self._deal_with([item for item in batch if isinstance(item, Trace)])
            going = not any(signal.is_last for signal in signals)
            if not going:
                self._stop_returning()
                self._leave_ground()
                self._begun.close()
            self._room.answer(signals)

    def _deal_with(self, traces: Sequence[Trace]) -> None:
        """Store them; where more comes than can be stored, they wait in the file, which takes a tenth of the time."""
        learned = [self._learned.get_nowait() for _ in range(self._learned.qsize())]
        self._veil.look_again()
        ready = [*filter(None, map(self._ready, traces))]
        if self._room.held > SWAMPED:
            ready = [one for one in ready if not self._is_set_down(one.trace)]
        self._keep([*learned, *ready])
        self._keep_again()
        self._room.dealt_with(traces)
        if self._is_waiting and not self._failed:
            self._take_back()

    def _leave_ground(self) -> None:
        with suppress(StoreError):
            self._stand()
            self._keep_again()
        if told := self._ground.end():
            _tell(self._on_reject, told)

    def _next(self) -> Item:
        """The first in the queue; while there is none, what older versions did not write down is worked out, and what
        is in the log alone goes into the file."""
        while (item := self._room.first(self._patience())) is None:
            if self._is_behind:
                self._is_behind = self._caught_up()
            else:
                self._is_settled = self._ground.settle()
                self._recent.carried(self._ground.carried)
        return item

    def _patience(self) -> float | None:
        if self._is_behind:
            return IDLE_S
        return None if self._is_settled else PAUSE_S

    def _caught_up(self) -> bool:
        """A step; whether there are more. Where it fails it is left for the next start."""
        try:
            with self._ground.transaction() as insertion:
                return insertion.catch_up()
        except (sqlite3.Error, *BROKEN):
            return False

    def _ready(self, trace: Trace) -> Ready | None:
        """The trace as it may be kept. One that can't be looked through must not be kept in any file."""
        try:
            return self._veil.ready(trace)
        except Exception as error:  # noqa: BLE001 - the thread must go on, whatever is wrong with one trace
            why = f"{type(error).__name__}: {error}"
            self.lost += 1
            _tell(self._on_reject, f"Request {trace.uid} could not be looked through for keys ({why}); it is lost.")
            return None

    def _take_over(self) -> None:
        """What programs of before left: traces that wait in the file, and requests that they did not finish."""
        if self._is_waiting:
            self._take_back()
        for left in self._left:
            if all(self._is_kept(trace) for trace in left.traces):
                left.remove()
        self._left = []

    def _take_back(self) -> None:
        """What waits in the file, while nothing much is queued; the file goes when all of it is stored."""
        self._returning = self._returning or spill.Waiting(self.path)
        while self._room.is_calm and time.monotonic() < self._end:
            trace = next(self._returning, None)
            if trace is None and not self._returning.is_over():
                continue
            if trace is None:
                self._is_waiting = False
            if trace is None or not self._is_kept(trace):
                self._stop_returning()
                return

    def _stop_returning(self) -> None:
        if self._returning:
            self._returning.close()
        self._returning = None

    def _is_kept(self, trace: Trace) -> bool:
        """Store it unless it is there; False if it has to wait."""
        before = self._waiting
        if not self._is_known(trace.uid):
            self._keep([*filter(None, [self._ready(trace)])])
        return self._waiting == before

    def _is_known(self, uid: str) -> bool:
        try:
            return self._ground.insertion.has(uid)
        except sqlite3.Error:  # which whoever writes meets again, and deals with
            return False

    def _is_lacking(self, item: Ready | Learned) -> bool:
        return isinstance(item, Learned) or not self._is_known(item.trace.uid)

    def _keep(self, items: Sequence[Ready | Learned]) -> None:
        """In the database, or in one of the files beside it; waits while the trouble may pass."""
        while items and (error := self._stored(items)) is not None:
            if is_passing(error):
                if not self._may_wait(error):
                    self._put_aside(items, spill.waiting_file(self.path), str(error))
                    return
            elif self._ground.is_broken(error):
                self._mend = self._ground.damaged
            elif len(items) > 1:
                for item in items:
                    self._keep([item])
                return
            else:
                self._put_aside(items, self.rejects, f"{type(error).__name__}: {error}")
                return

    def _stored(self, items: Sequence[Ready | Learned]) -> Exception | None:
        """Write all in one transaction, or none and say why."""
        if self._failed and self._is_closed:
            return self._failed
        try:
            self._stand()
            newest = self._write(items)
            while mend := self._ground.wrong():
                self._mended(mend)
                newest = self._write(list(filter(self._is_lacking, items)))
        except Exception as error:  # noqa: BLE001 - whatever it is, traffic goes on, and the trace goes to a file
            return error
        self._failed, self._committed, self._is_settled = None, time.monotonic(), False
        stored = [item.trace for item in items if isinstance(item, Ready)]
        self._begun.kept(trace.uid for trace in stored)
        self._remember(stored)
        self._say_trouble("")
        if newest:
            _tell(self._on_commit, newest)
        return None

    def _stand(self) -> None:
        """On a file that is there and whole. Raises StoreError where no other can be made."""
        if self._mend is None:
            self._mend = self._ground.wrong()
        if self._mend is not None:
            self._mended(self._mend)
            self._mend = None

    def _mended(self, mend: Callable[[], str]) -> None:
        told = mend()
        if not told:
            return
        _tell(self._on_reject, told)
        self._begun.stay()
        recent = self._recent.take()
        if not self._ground.has_moved:
            self._again += [trace for trace in recent if not self._is_known(trace.uid)]
        self._ground.has_moved = False

    def _remember(self, stored: Sequence[Trace]) -> None:
        """For as long as they stand in the log alone."""
        self._recent.add(stored, self._ground.newest)
        self._recent.carried(self._ground.carried)

    def _keep_again(self) -> None:
        again, self._again = self._again, []
        self._keep([*filter(None, map(self._ready, again))])

    def _write(self, items: Sequence[Ready | Learned]) -> int:
        with self._ground.transaction() as insertion:
            for item in items:
                if isinstance(item, Learned):
                    insertion.learn(item.key, item.ratio, item.n, item.error, item.at)
            return insertion.add_all([item for item in items if isinstance(item, Ready)])

    def _may_wait(self, error: Exception) -> bool:
        """Wait a moment for trouble to pass; False where there is no time or no room for it any more."""
        self._failed = error
        self._say_trouble(f"{trouble(self.path, error)} Requests go on; what they record waits.")
        if self._is_closed or self._room.held > MOST:
            return False
        self._room.rest(RETRY_S)
        return True

    def _say_trouble(self, sentence: str) -> None:
        if sentence != self.trouble:
            self.trouble = sentence
            _tell(self._on_trouble, sentence)

    def _is_set_down(self, trace: Trace) -> bool:
        """Let it wait in the file; False where that can't be written."""
        try:
            self._set_down(trace, spill.waiting_file(self.path), "more came than could be stored")
        except spill.UNWRITABLE:
            return False
        return True

    def _set_down(self, trace: Trace, file: Path, problem: str) -> None:
        """Keep it in a file beside the database. Raises one of `spill.UNWRITABLE`."""
        spill.put_aside(file, trace, problem)
        self._begun.kept([trace.uid])
        if file != self.rejects:
            self._is_waiting, self._waiting = True, self._waiting + 1

    def _put_aside(self, items: Sequence[Ready | Learned], file: Path, problem: str) -> None:
        """Keep them in a file beside the database; if even that fails, at least say so."""
        for trace in (item.trace for item in items if isinstance(item, Ready)):
            try:
                self._set_down(trace, file, problem)
                where = f"it is in {file}"
            except spill.UNWRITABLE as error:
                self.lost += 1
                where = f"nor in {file} ({error}): it is lost"
            if file == self.rejects or "is lost" in where:
                _tell(self._on_reject, f"Request {trace.uid} could not be stored ({problem}); {where}.")


def _tell(listener: Callable[[Any], None], news: object) -> None:
    try:
        listener(news)
    except Exception:  # noqa: BLE001, S110 - a listener's fault (a screen that is closing) is not the store's
        pass
