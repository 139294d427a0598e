"""How a request is counted beside its answer: whoever is done waits for no count, and no count holds on to his body."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any

import pytest

from ccr_tui.config import Config
from ccr_tui.feed import Feed
from ccr_tui.proxy.engine import Engine
from ccr_tui.tokens import Calibration, Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Body(dict[str, Any]):
    """One that can be watched."""


async def test_a_body_whose_count_nobody_waits_for_any_more_is_let_go(counter: Counter) -> None:
    """Of 60 MB each count takes 15 s, and answers take one: ten bodies were held, of 190 MB each."""
    engine = Engine(Config(port=0), Feed(), counter, Calibration(), lambda *_: None)
    is_over = threading.Event()
    for threads in (engine._threads, engine._long):
        threads.submit(is_over.wait)
    body = Body(messages=[{"role": "user", "content": "so much " * 100_000}])
    seen, counted = weakref.ref(body), engine.count(body)
    del body
    assert seen() is not None and not counted.done()
    counted.cancel()
    await asyncio.sleep(0)
    is_held = seen() is not None
    is_over.set()
    await engine.stop()
    assert not is_held
