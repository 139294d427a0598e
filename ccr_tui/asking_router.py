"""What the router says to one request, outside of any traffic.

Owns `ask_router`. Must never answer a client or write a trace: only the router is asked, through the very code that
live requests take. The one surprise: it costs what one question to the router costs, and says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from ccr_tui.config import Config
from ccr_tui.feed import Feed
from ccr_tui.prices import usd
from ccr_tui.proxy.asked import about
from ccr_tui.proxy.asking import Asking
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.delivery import Delivery
from ccr_tui.proxy.draft import Draft
from ccr_tui.proxy.engine import Engine
from ccr_tui.proxy.router import next_agent
from ccr_tui.records import Attempt, Json
from ccr_tui.tokens import Calibration, Counter


async def ask_router(
    config: Config,
    body: Json,
    headers: Mapping[str, str],
    sent: Callable[[Sequence[Attempt]], None] = lambda attempts: None,
) -> Json:
    """The router's verdict as JSON: who would work first, the cause, its own words, its tokens, time and cost.

    `sent` gets the calls that were made for it, whatever came of them.
    """
    engine = Engine(config, Feed(), Counter(), Calibration(), lambda *_: None)
    client = Collector(headers)
    draft = Draft(client, time.time(), time.perf_counter, "replay")
    draft.body = draft.work = body
    counting = asyncio.ensure_future(engine.count(body))
    delivery = Delivery(client, draft.flight, draft.ms)
    try:
        asking = Asking(draft, delivery, about(body, headers), engine.context, counting)
        found = await next_agent(asking, [])
        await counting
    finally:
        sent(draft.attempts)
        await engine.stop(0)
    return {"agent": found.agent, "cause": found.cause, "said": found.said, **costs(draft.attempts)}


def costs(tries: Sequence[Attempt]) -> dict[str, Json]:
    """What the question took, all tries together; nothing where nobody had to be asked."""
    if not tries:
        return {"model": None, "duration_ms": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": "0"}
    used = [attempt.usage for attempt in tries if attempt.usage]
    costs = [attempt.cost for attempt in tries if attempt.usage]
    return {
        "model": tries[-1].model,
        "duration_ms": sum(attempt.duration_ms for attempt in tries),
        "input_tokens": sum(usage.prompt for usage in used) if used else None,
        "output_tokens": sum(usage.output for usage in used) if used else None,
        "cost_usd": usd(None if None in costs or not costs else sum(cost or 0 for cost in costs)),
    }
