"""Memory that is free and that the C library keeps, given back to the system now and then.

Owns when that happens. Must never be needed: where there is no such call (it is glibc's), the memory just stays with
the process. The one surprise is how much it is: requests of 300 KB come and go in pieces of all sizes, and with twenty
conversations at once 50 of 180 MB lay between them unused.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ccr_tui.feed import Feed

EVERY_S = 20.0


def give_back() -> None:
    """Takes 1 to 5 ms of CPU without the GIL; other threads may wait that long for memory. Any thread."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


class Slack:
    """Gives back while there is traffic."""

    def __init__(self, feed: Feed) -> None:
        self._landed = False
        self._task: asyncio.Task[None] | None = None
        feed.subscribe(lambda _: self._note())

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def _note(self) -> None:
        self._landed = True

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if self._landed:
                self._landed = False
                await asyncio.to_thread(give_back)
