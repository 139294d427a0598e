"""An event loop whose clock does not wait.

Owns `Instant`: where nothing is ready to run, its time jumps to the next moment for which something is planned. Must
never be used where a real network is waited for: time would pass while that is still at work. The surprises: with it
the very code that waits, pings and gives up at its deadlines takes no time, and is always the same; and while one of
its own threads is at work (`run_in_executor`), time stands still.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Skipping(selectors.DefaultSelector):
    """Looks whether anything has come, and takes the time that it should wait for passed."""

    now = 0.0
    threads = 0
    """At work for the loop."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now. Without an end to wait for it really waits: another thread must have something to say."""
        if timeout is not None and timeout > 0 and self.threads:
            timeout = None
        elif timeout is not None and timeout > 0:
            self.now += timeout
            timeout = 0
        return super().select(timeout)


class Instant(asyncio.SelectorEventLoop):
    """Begins at 0 s."""

    def __init__(self) -> None:
        self._skipping = Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Seconds since it began."""
        return self._skipping.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """As ever, and time stands still until it is done."""

        def done(_: asyncio.Future[T]) -> None:
            self._skipping.threads -= 1

        self._skipping.threads += 1
        working = super().run_in_executor(executor, func, *args)
        working.add_done_callback(done)
        return working

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the base has it
        """Waits for its threads: the limit that Python has for it since 3.12 would have passed at once."""
        await super().shutdown_default_executor()


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` without waiting. Any thread that has no loop of its own may call it."""
    with asyncio.Runner(loop_factory=Instant) as runner:
        return runner.run(work)
