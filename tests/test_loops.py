"""The event loop that is chosen carries both halves of the program."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from ccr_tui import loops
from ccr_tui.replay import instant


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python has eager tasks from 3.12 on")
def test_the_loop_takes_tasks_that_begin_at_once_as_textual_asks_for_them() -> None:
    async def seven() -> int:
        await asyncio.sleep(0)
        return 7

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        return await loop.create_task(seven())

    assert loops.run(main()) == 7


FEW = """
import resource, sys
from ccr_tui import loops
from ccr_tui.replay import instant
hard = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
async def limits():
    return resource.getrlimit(resource.RLIMIT_NOFILE)
print(*loops.run(limits()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it counts sockets by themselves")
@pytest.mark.parametrize("hard", [64, 500])
def test_as_many_connections_as_the_system_allows(hard: int) -> None:
    """Five hundred streams take a thousand descriptors, which is where a program on Linux begins."""
    done = subprocess.run([sys.executable, "-c", FEW, str(hard)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(hard), str(hard)]


def test_a_clock_that_does_not_wait_waits_for_its_threads_at_the_end() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(10)
        ended.set()

    async def main() -> None:
        asyncio.get_running_loop().run_in_executor(None, work)

    threading.Timer(0.2, may_end.set).start()
    instant.run(main())
    assert ended.is_set()
