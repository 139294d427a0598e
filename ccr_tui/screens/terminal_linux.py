"""Textual's driver for Linux and macOS, made patient: see `terminal.py`, which alone imports this, where it can be had.

Owns the thread that writes, and when the picture is sent anew. Must never wait on the event loop. The one surprise: it
uses private names of Textual's driver (seen with 8.2), which has no other way to change who writes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from queue import Full
from typing import IO

from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

LOOK_S = 0.2
"""Between two looks whether the terminal reads again."""
ENDS_S = 1.0
"""How long the last words may take."""


class Writer(WriterThread):
    """Writes in a thread; what comes while it is too far behind is dropped."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self.behind = False

    def write(self, text: str) -> None:
        """Hand it to the thread, or drop it."""
        if self.behind or not self.is_alive():
            return
        try:
            self._queue.put_nowait(text)
        except Full:
            self.behind = True

    def run(self) -> None:
        """Write until it is told to end, or nobody is there: a signal then ends the app."""
        number = self._file.fileno()
        with suppress(OSError):
            while (text := self._queue.get()) is not None:
                left = text.encode("utf-8", "backslashreplace")
                while left:
                    left = left[os.write(number, left) :]

    def stop(self) -> None:
        """What is left is written, if somebody reads."""
        with suppress(Full):
            self._queue.put(None, timeout=ENDS_S)
        self.join(ENDS_S)


class Terminal(LinuxDriver):
    """Textual's, with that writer."""

    _writer: Writer | None = None
    _has_it = False
    """Whether the terminal is ours, from the end of taking it to the beginning of giving it back."""
    _is_called = False
    """Whether it will be taken anew, after a stop."""

    @property
    def _writer_thread(self) -> WriterThread | None:
        return self._writer

    @_writer_thread.setter
    def _writer_thread(self, given: WriterThread | None) -> None:
        self._writer = None if given is None else Writer(given._file)

    def start_application_mode(self) -> None:
        """Take the terminal."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._has_it = True

    def stop_application_mode(self) -> None:
        """Give it back."""
        self._has_it = False
        super().stop_application_mode()

    def _sigtstp_application(self, *_: object) -> None:
        """Stop, as soon as the loop is between two things."""
        self._loop.call_soon_threadsafe(super()._sigtstp_application)

    def _sigcont_application(self, *_: object) -> None:
        """Begin anew after a stop, as soon as the loop is between two things.

        A signal may come in the middle of anything, of a line on its way to the writer too, whose lock is held then:
        who writes another one there waits for ever. (A terminal that is closed sends this one with SIGHUP.)
        """
        if not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._begin_anew)

    def _begin_anew(self) -> None:
        """Where nobody asked before the stop (`kill -STOP`), what runs ends first: the thread that reads keys would not
        end, and the terminal be left as it is for us. While the app ends it counts for nothing."""
        self._is_called = False
        is_at_work = self._has_it and self._auto_restart
        if self._app._exit or not (is_at_work or self._must_signal_resume):
            return
        if is_at_work:
            self.suspend_application_mode()
        super()._sigcont_application()

    def write(self, data: str) -> None:
        """Never waits."""
        if (writer := self._writer) is None:
            return
        was_behind = writer.behind
        writer.write(data)
        if writer.behind and not was_behind:
            self._loop.call_soon_threadsafe(self._loop.call_later, LOOK_S, self._catch_up)

    def _catch_up(self) -> None:
        writer = self._writer
        if writer is None or not writer.is_alive():
            return
        if not writer._queue.empty():
            self._loop.call_later(LOOK_S, self._catch_up)
            return
        writer.behind = False
        self._app.refresh(layout=True)
