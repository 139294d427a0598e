"""Which event loop the program runs on.

Owns that choice, and how many connections there may be. Must never be needed: without uvloop the standard loop does the
same, a fifth slower. The one surprise: Textual's app and the proxy share this loop, so the choice is made once, where
the program begins. What has been imported by then is left out whenever garbage is looked for: that would hold up the
first picture by 60 ms.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

Result = TypeVar("Result")
DESCRIPTORS = 10_240
"""How many files and connections may be open at once: as many as macOS gives (its OPEN_MAX)."""

if sys.platform == "win32":  # which counts sockets by themselves

    def take_descriptors() -> None:
        """Nothing."""
else:
    import resource

    def take_descriptors() -> None:
        """As many as the system lets us have. A stream takes two, and a program begins with 1024 on Linux, 256 on
        macOS: who came beyond them would be cut off without a word."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`, on uvloop where that is installed (it has wheels for Linux and macOS)."""
    gc.freeze()
    take_descriptors()
    with asyncio.Runner(loop_factory=factory()) as runner:
        return runner.run(main)


def factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes such a loop; None for the standard one."""
    if find_spec("uvloop") is None or not _takes_uvloop():
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
    return made


def _takes_uvloop() -> bool:
    """From Python 3.13 on uvloop 0.23 hands a task factory `eager_start`, which the eager one, that Textual sets, takes
    since 3.13.3 only: before, no screen would start (uvloop's loop.pyx, `create_task`)."""
    eager = getattr(asyncio, "eager_task_factory", None)
    return eager is None or sys.version_info < (3, 13) or "eager_start" in eager.__code__.co_varnames
