"""A replay in a process of its own, so that the screen that waits for it never does.

Owns both ends of the pipe between them and the words that go through it. Must never let the other process write to the
terminal, nor outlive the one that started it. The one surprise: a thread is not enough. Repricing is Python that keeps
its interpreter busy for seconds, and a price table that is imported holds it for 0.2 s at once.

    asks:  Open, Reprice, Rest, Rerun, Turns, Bill, Lab, Stop
    answers:  Opened, Progress, Told, Left, Listed, Billed, Tried, Trouble
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO, TYPE_CHECKING, Any

from ccr_tui import itself
from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.replay.words import Comparison, Progress, Settings, VariantSums
from ccr_tui.slim import dataclass

if TYPE_CHECKING:
    from ccr_tui.replay.labkept import Found, KeptTurn

POLITE = 5
"""How far it stands back from whatever else wants the processor."""


@dataclass(frozen=True, slots=True)
class Open:
    """Choose what is replayed: `last`, a file, a session or a request."""

    what: str


@dataclass(frozen=True, slots=True)
class Reprice:
    """What these variants would have cost."""

    written: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class Rerun:
    """Send every step of these variants for real; `run` is one that was cut off."""

    written: tuple[str, ...]
    settings: Settings
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a rerun that was cut off, with what that would cost."""

    written: tuple[str, ...]
    run: str


@dataclass(frozen=True, slots=True)
class Turns:
    """Which turns a router would be asked about."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What asking these routers so often would cost; `run` is a lab that was cut off: what is left of it."""

    routers: tuple[str, ...]
    prompts: Mapping[str, str]
    repeat: int = 1
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Lab:
    """Ask routers about the turns, for real; `run` is a lab that was cut off."""

    routers: tuple[str, ...]
    prompts: Mapping[str, str]
    repeat: int
    settings: Settings
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """End what goes on; what was done stays."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The recording that was chosen."""

    what: str
    session: str
    title: str
    source: str
    steps: int
    models: tuple[str, ...]
    """Who answered then, the busiest first."""
    cost: int | None
    agents: tuple[str, ...]
    """Agents that spoke in it."""
    at: float = 0.0
    """When it was read."""
    newest: int = 0
    """The highest number of its traces, where it is a session that may go on."""


@dataclass(frozen=True, slots=True)
class Told:
    """A comparison; it is kept in the database as a run."""

    comparison: Comparison
    room: int = 0
    """Nano-USD that the longest request may cost at worst, asked of those variants that can be asked."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a rerun, of each variant, and what was spent."""

    run: str
    lines: tuple[VariantSums, ...]
    spent: int
    """What may have been billed so far."""
    room: int
    """As in `Told`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The turns, and the agents between which is chosen."""

    turns: tuple[KeptTurn, ...]
    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Billed:
    """What is to be asked, what that is expected to cost, and at worst; None: a price is not known."""

    questions: int
    likely: int | None
    most: int | None
    spent: int = 0
    """What may have been billed for the part that was asked before."""
    cap: int | None = None
    """What that part was never to pass."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A lab is over, or was cut off; it is kept in the database."""

    found: Found


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something could not be done; one sentence."""

    why: str


class Beside:
    """The end of the pipe in the process that asks. Starting takes some 50 ms, so do it in a thread."""

    def __init__(self, config: Config, db: Path) -> None:
        self._waiting: list[object] = [(config, db)]
        """Said before there was anybody to hear it."""
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = Lock()
        self._over = False

    def listen(self, tell: Callable[[Any], object]) -> None:
        """Start it in a thread of its own, and tell what it answers; None when it is gone.

        The thread ends with the other process, and keeps nobody from leaving.
        """
        Thread(target=self._listen, args=(tell,), name="ccr-tui replay", daemon=True).start()

    def _listen(self, tell: Callable[[Any], object]) -> None:
        try:
            self.start()
        except CcrError as error:
            tell(Trouble(str(error)))
        while (answer := self.answer()) is not None:
            tell(answer)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        tell(None)

    def start(self) -> None:
        """The other process, with this configuration. Raises CcrError where none can be started."""
        call = [*itself.PYTHON, "-c", "from ccr_tui.replay.beside import main; main()"]
        with self._asking:
            if self._over:
                return
            try:
                self._process = subprocess.Popen(
                    call,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=itself.env(),
                    start_new_session=True,
                )
            except OSError as error:
                raise CcrError(f"No process could be started for the replay: {error.strerror or error}.") from error
            for message in self._waiting:
                self._say(message)

    def ask(self, message: object) -> None:
        """Say something to it, as soon as it is there; nothing happens if it is gone."""
        with self._asking:
            if self._process is None:
                self._waiting.append(message)
            else:
                self._say(message)

    def _say(self, message: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, ValueError):
                pickle.dump(message, self._process.stdin)
                self._process.stdin.flush()

    def answer(self) -> Any:
        """What it says next; waits for it. None when it is gone."""
        process = self._process
        if process is None or process.stdout is None:
            return None
        try:
            return pickle.load(process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            return None

    def stop(self) -> None:
        """Nobody asks any more: it ends by itself, once what it has sent is answered and kept."""
        with self._asking:
            self._over = True
            if self._process is not None and self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()
                Thread(target=self._process.wait, daemon=True).start()


class Bench:
    """The other process: one recording at a time, and whatever is asked of it."""

    def __init__(self, config: Config, db: Path, say: Callable[[object], None], waiting: Callable[[], bool]) -> None:
        from ccr_tui.store.queries import Reader
        from ccr_tui.tokens import Counter

        self.config, self.db, self.say, self.waiting = config, db, say, waiting
        self.reader, self.counter = Reader(db), Counter()
        self.open = ExitStack()
        self.bench: Any = None
        self.run = ""

    def do(self, message: object) -> None:
        """One thing after the other. Trouble is told, and the next thing is done."""
        try:
            match message:
                case Open(what):
                    self.choose(what)
                case Reprice(written, settings):
                    self.reprice(written, settings)
                case Rest(written, run):
                    self.rest(written, run)
                case Rerun(written, settings, run):
                    self.rerun(written, settings, run)
                case Turns():
                    self.turns()
                case Bill():
                    self.bill(message)
                case Lab():
                    self.lab(message)
        except CcrError as error:
            self.say(Trouble(str(error)))

    def choose(self, what: str) -> None:
        """Read a recording and count it."""
        from ccr_tui.replay import kept, recordings
        from ccr_tui.replay.work import Bench as Work

        self.open.close()
        self.bench = None
        recording = self.open.enter_context(recordings.opened(what, self.reader))
        rows = [step.row for step in recording.steps]
        known = [row.cost for row in rows if row.cost is not None]
        self.say(
            Opened(
                what, recording.session, recording.title, recording.source, len(rows),
                ranked(row.model for row in rows), sum(known) if known else None, ranked(row.agent for row in rows),
                time.time(), recording.newest,
            )
        )  # fmt: skip
        self.bench = Work(recording, self.config, self.reader, self.counter)
        self.run = kept.new_run()

    def reprice(self, written: tuple[str, ...], settings: Settings) -> None:
        """Every variant anew; the run of this recording is kept in place of the last one."""
        from ccr_tui.replay import work
        from ccr_tui.store.runs import Runs

        if self.bench is None:
            raise CcrError("Choose a session first.")
        variants = self.bench.variants(written)
        found = self.bench.reprice(variants, settings, time.time(), self.say, self.waiting)
        if self.waiting():
            return
        runs = Runs(self.db)
        found = replace(found, comparison=replace(found.comparison, run=self.run))
        runs.delete(self.run)
        work.keep(runs, found, variants, settings)
        asked = [variant for variant in variants if not variant.priced_only]
        self.say(Told(found.comparison, work.largest(self.bench, asked, settings, self.counter)))

    def rest(self, written: tuple[str, ...], run: str) -> None:
        """What the rest of a rerun is expected to cost."""
        from ccr_tui.replay import kept, work
        from ccr_tui.replay.remaining import gone, remaining

        if self.bench is None:
            raise CcrError("Choose a session first.")
        row = self.reader.run(run)
        settings = kept.settings_of(row, None, 1)
        variants = self.bench.variants(written, ask_router=settings.ask_router)
        preview = self.bench.reprice(variants, replace(settings, kind="reprice"), time.time())
        room = work.largest(self.bench, variants, settings, self.counter)
        self.say(Left(run, tuple(remaining(self.reader, run, preview)), gone(self.reader, run), room))

    def rerun(self, written: tuple[str, ...], settings: Settings, run: str | None) -> None:
        """Every step for real."""
        from ccr_tui.replay import kept
        from ccr_tui.replay.real import rerun_all

        if self.bench is None:
            raise CcrError("Choose a session first.")
        if run is not None:
            settings = kept.settings_of(self.reader.run(run), settings.max_cost, settings.concurrency)
        variants = self.bench.variants(written, ask_router=settings.ask_router)
        found = rerun_all(
            self.bench, variants, settings, self.reader, self.counter, run=run, tell=self.say, cancelled=self.waiting
        )
        self.say(Told(found.comparison))

    def turns(self) -> None:
        """Read every request, and say which of them begin a turn."""
        from ccr_tui.replay import lab, labwork
        from ccr_tui.store import labels

        if self.bench is None:
            raise CcrError("Choose a session first.")
        turns, plain = labwork.turns_of(self.bench.recording, labels.load(self.db))
        offered = lab.offered_in(turns, labwork.routed_config(self.bench).agents)
        self.say(Listed(tuple(plain), tuple(offered)))

    def bill(self, wanted: Bill) -> None:
        """What asking costs."""
        from ccr_tui.replay import labkept, labwork

        if self.bench is None:
            raise CcrError("Choose a session first.")
        turns, _ = labwork.turns_of(self.bench.recording, {})
        if wanted.run is None:
            tried = labwork.candidates(self.bench, wanted.routers, wanted.prompts)
            found = labwork.bill(self.bench, tried, turns, self.counter, wanted.repeat)
            return self.say(Billed(found.questions, found.likely, found.most))
        row = self.reader.run(wanted.run, labs=True)
        tried, repeat, before = labwork.again(self.bench, row)
        told = labkept.answers(self.reader, row.id)
        found = labwork.bill(self.bench, tried, turns, self.counter, repeat, told)
        spent = labkept.spent(self.reader, row.id)
        return self.say(Billed(found.questions, found.likely, found.most, spent, before.max_cost))

    def lab(self, wanted: Lab) -> None:
        """Ask for real."""
        from ccr_tui.replay import labwork

        if self.bench is None:
            raise CcrError("Choose a session first.")
        settings, repeat = wanted.settings, wanted.repeat
        if wanted.run is None:
            tried = labwork.candidates(self.bench, wanted.routers, wanted.prompts)
        else:
            tried, repeat, before = labwork.again(self.bench, self.reader.run(wanted.run, labs=True))
            settings = replace(settings, baseline=settings.baseline or before.baseline)
        found = labwork.run(
            self.bench, tried, settings, self.reader, self.counter, repeat=repeat, resume=wanted.run,
            tell=self.say, cancelled=self.waiting,
        )  # fmt: skip
        self.say(Tried(found))


def ranked(names: Any) -> tuple[str, ...]:
    """The names, the most frequent first; those that are not known are left out."""
    from collections import Counter

    return tuple(name for name, _ in Counter(name for name in names if name).most_common())


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Do what is asked until nobody asks any more."""
    queue: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(asked, queue), daemon=True).start()
    config, db = queue.get()

    def say(message: object) -> None:
        pickle.dump(message, answers)
        answers.flush()

    bench = Bench(config, db, say, lambda: not queue.empty())
    with bench.open:
        while (message := queue.get()) is not None:
            bench.do(message)


def _listen(asked: IO[bytes], queue: SimpleQueue[Any]) -> None:
    """What comes is looked at while work goes on: whatever it is, it ends that work."""
    while True:
        try:
            message = pickle.load(asked)
        except (EOFError, OSError, pickle.UnpicklingError):
            message = None
        queue.put(message)
        if message is None:
            return


def main() -> None:
    """The other process; its own end of standard output is kept for answers. Live traffic comes first."""
    if hasattr(os, "nice"):
        os.nice(POLITE)
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)
    os._exit(0)  # the listening thread can't be stopped


__all__ = [
    "Beside", "Bill", "Billed", "Lab", "Left", "Listed", "Open", "Opened", "Progress", "Reprice", "Rerun", "Rest",
    "Stop", "Told", "Tried", "Trouble", "Turns",
]  # fmt: skip
