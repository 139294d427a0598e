"""Whose turn it is on the event loop: screens work for some milliseconds, then what waits for the network goes on.

Owns for how long. Must never change the order of a widget's own messages; only when each is taken. The one surprise is
that Textual needs this: a widget whose queue is not empty takes message after message without letting go of the loop,
and all widgets that were told something are ready in the same turn of it, so that opening a screen of thirty widgets
was one turn of 45 to 70 ms, though nothing in it takes more than 20.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache, wraps
from time import perf_counter
from typing import Any, TypeVar

from textual.message_pump import MessagePump
from textual.timer import Timer

BUDGET_S = 0.005
"""After so long nothing more is begun until others had their turns."""
TURNS = 3
"""Turns of the loop that others get: bytes are read in the first, wake a task in the second, which answers."""


class Turns:
    """Counts what was worked since others had theirs."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0
        self._left = 0

    async def mine(self) -> None:
        """Come back when one more may begin: at once, or after some turns of the loop."""
        while not self._is_free():  # noqa: ASYNC110 - it waits for turns, which no event tells of
            await asyncio.sleep(0)

    def _is_free(self) -> bool:
        loop = asyncio.get_running_loop()
        if not self._left or loop is not self._loop:
            self._loop, self._left, self._began = loop, TURNS, self._clock()
            loop.call_soon(self._pass)
            return True
        return self._clock() - self._began < BUDGET_S

    def _pass(self) -> None:
        self._left -= 1
        if self._left and self._loop is not None:
            self._loop.call_soon(self._pass)


_turns = Turns()
_Method = TypeVar("_Method", bound=Callable[..., Coroutine[Any, Any, None]])


def _in_turn(method: _Method) -> _Method:
    """The same, when it is its turn."""

    @wraps(method)
    async def waiting(*args: Any, **named: Any) -> None:
        await _turns.mine()
        await method(*args, **named)

    return waiting  # type: ignore[return-value]


@cache
def share() -> None:
    """From now on, for all widgets and timers; what draws a screen is a timer too."""
    MessagePump._dispatch_message = _in_turn(MessagePump._dispatch_message)  # type: ignore[method-assign]
    Timer._tick = _in_turn(Timer._tick)  # type: ignore[method-assign]
