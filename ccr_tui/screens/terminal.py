"""The terminal, as something that may stop reading: a frozen window, a lost connection, one that is gone.

Owns how pictures get there. Must never make the event loop wait: the proxy lives on it. The one surprise: what a
terminal does not take in time is dropped, and once it reads again it is sent the whole picture, not what it missed.
"""

from __future__ import annotations

import os
import select
from typing import IO

from textual.driver import Driver


def reads(file: IO[str]) -> bool:
    """Whether something can be written to it without waiting; true where that can't be known."""
    if os.name != "posix":
        return True
    try:
        return bool(select.select([], [file], [], 0)[1])
    except (OSError, ValueError):
        return True


def patient(driver: type[Driver]) -> type[Driver]:
    """The same driver, but one that never waits for the terminal; another system's as it is."""
    if driver.__name__ != "LinuxDriver":
        return driver
    from ccr_tui.screens.terminal_linux import Terminal

    return Terminal
