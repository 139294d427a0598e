"""Memory that is free and that the C library keeps, given back to the system now and then.

Owns when that happens. Must never be needed: where there is no such call (it is glibc's), the memory just stays with
the process. The one surprise is how much it is: requests of 300 KB come and go in pieces of all sizes, and with twenty
conversations at once 50 of 180 MB lay between them unused.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ccr_tui.feed import Feed
from ccr_tui.records import Trace

EVERY_S = 5.0
"""How often is looked whether much has come. What was given back costs a fault a page when it is used again."""
MUCH = 8 * 1024 * 1024
"""Bytes of JSON, about, after which memory is given back at once."""
PATIENCE = 4
"""Looks after which it is, however little came."""


def give_back() -> None:
    """Takes 1 to 5 ms of CPU without the GIL; other threads may wait that long for memory. Any thread."""
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


class Slack:
    """Gives back while there is traffic."""

    def __init__(self, feed: Feed) -> None:
        self._landed = self._looks = 0
        self._task: asyncio.Task[None] | None = None
        feed.subscribe(self._note)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    def is_due(self) -> bool:
        """Whether this look finds enough to give back for; then the next ones begin anew."""
        self._looks += 1
        if self._landed > MUCH or (self._landed and self._looks >= PATIENCE):
            self._landed = self._looks = 0
            return True
        return False

    def _note(self, trace: Trace) -> None:
        self._landed += 1 + 4 * (trace.estimate or 0)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            if self.is_due():
                await asyncio.to_thread(give_back)
