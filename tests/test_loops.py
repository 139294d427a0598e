"""The event loop that is chosen carries both halves of the program."""

from __future__ import annotations

import asyncio

import pytest

from ccr_tui import loops


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
