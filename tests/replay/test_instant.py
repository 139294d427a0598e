"""Time that does not pass: it jumps over waiting, and stands still while a thread is at work."""

from __future__ import annotations

import asyncio
import threading

from ccr_tui.replay import instant


def test_waiting_takes_no_time() -> None:
    async def wait() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert instant.run(wait()) == 3600


def test_time_stands_still_while_a_thread_is_at_work() -> None:
    """Else a deadline would pass before the thread can have done anything."""
    looked = threading.Event()

    async def deadline() -> None:
        await asyncio.sleep(0)
        looked.set()
        await asyncio.sleep(10)

    async def work() -> bool:
        waiting = asyncio.ensure_future(deadline())
        await asyncio.to_thread(looked.wait)
        is_over = waiting.done()
        await waiting
        return is_over or asyncio.get_running_loop().time() != 10

    assert not instant.run(work())
