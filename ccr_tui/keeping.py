"""What the configuration says of keeping, done: old requests are removed now and then while the program runs.

Owns when that happens, what is said of it, and the sweeping of folders that killed programs left. Must never remove
most of a database by itself: a clock that jumped, or a limit with a slip of the pen, would take everything with it.
The one surprise: it looks for the first time a minute after the start, when the first requests were answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

from ccr_tui import sizes
from ccr_tui.config import Config
from ccr_tui.errors import StoreError

FIRST_S = 60.0
EVERY_S = 3600.0
MOST = 0.5
"""The part of all requests above which a person has to say so."""
FEW = 100
"""Requests of which any part may go."""


class Keeping:
    """Prunes as the configuration says it at the time; `tell` gets a sentence about what was done or was too much."""

    def __init__(self, db: Path, config: Callable[[], Config], tell: Callable[[str], None]) -> None:
        self._db, self._config, self._tell = db, config, tell
        self._stop = Event()
        self._said = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more; what is being removed ends with its piece."""
        self._stop.set()
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            await asyncio.to_thread(self.work)
            await asyncio.sleep(EVERY_S)

    def work(self) -> None:
        """Remove what is too old or too much, if that is asked for."""
        from ccr_tui import scratch
        from ccr_tui.store.prune import kept, plan, prune  # 20 ms, a minute after the start

        scratch.sweep()
        wish = kept(self._config())
        if wish.is_empty:
            return
        try:
            found = plan(self._db, wish)
            if found.requests > max(FEW, MOST * found.total):
                self._say(
                    f"[store] keep_days and keep_gb would remove {found.requests:,} of {found.total:,} requests at "
                    "once. That is left to you: ccr-tui traces prune"
                )
            elif found.requests:
                pruned = prune(self._db, wish, None, self._stop)
                self._say(f"{pruned.requests:,} old requests removed, {sizes.show(pruned.freed)} given back.")
        except StoreError as error:
            self._say(str(error))

    def _say(self, sentence: str) -> None:
        if sentence != self._said:
            self._said = sentence
            self._tell(sentence)
