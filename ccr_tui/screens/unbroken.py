"""An app that goes on when one of its screens meets a mistake of ours: the proxy behind it is at work.

Owns what happens to an exception that nobody has caught: it is logged, told, and the screen that keeps failing is left.
Must never end the program by itself; only where the first screen too keeps failing is the terminal given back, and the
proxy goes on without a screen. The one surprise: Textual ends a widget's message loop when a handler fails, which would
leave a dead widget on the screen, so handlers are guarded for all widgets, by a patch.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump
from textual.worker import WorkerFailed

from ccr_tui.screens import show

log = logging.getLogger(__name__)
WITHIN_S = 5.0
"""Failures count together that come within so long."""
LEAVE = 3
"""So many, and the screen is left for the one below it, or for the first one."""
GIVE_UP = 12
"""So many, and the app gives the terminal back."""

_dispatch = MessagePump._dispatch_message


async def _guarded(pump: MessagePump, message: Message) -> None:
    """What Textual does with a message; a failure is the app's business and does not end the widget's loop."""
    try:
        await _dispatch(pump, message)
    except Exception as error:
        if not isinstance(pump.app, Unbroken):
            raise
        pump.app._handle_exception(error)


MessagePump._dispatch_message = _guarded  # type: ignore[method-assign,assignment]


class Unbroken(App[None]):
    """Tells of exceptions and goes on."""

    HOME = ""
    """The mode to go to when a screen keeps failing."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.broken: str | None = None
        """Why the app has given up, a sentence; None as long as it has not."""
        self._failures: deque[float] = deque(maxlen=GIVE_UP)

    def _handle_exception(self, error: Exception) -> None:
        """Called by Textual wherever it meets an exception that nobody has caught."""
        cause = error.error if isinstance(error, WorkerFailed) and error.error else error
        if self._exception is None:  # a test under way fails with it at its end
            self._exception = error
            self._exception_event.set()
        log.error("a screen met a mistake of ours", exc_info=cause)
        self._failures.append(time.monotonic())
        what = show.harmless(f"{type(cause).__name__}: {cause}")
        count = sum(self._failures[-1] - at < WITHIN_S for at in self._failures)
        if self._exit:
            return
        if count >= GIVE_UP:
            self.broken = f"The screen failed again and again ({what}); ccr-tui.log has it."
            self.exit()
        elif count % LEAVE == 0:
            self.call_later(self._leave)
        elif count == 1:
            self.notify(
                f"{what}\nccr-tui.log, beside the database, describes it. The proxy goes on.",
                title="This screen met a mistake of ours",
                severity="error",
                timeout=12,
                markup=False,
            )

    async def _leave(self) -> None:
        """The screen that fails."""
        if len(self.screen_stack) > 1:
            await self.pop_screen()
        elif self.HOME and self.current_mode != self.HOME:
            await self.switch_mode(self.HOME)
