"""Recorded sessions played through the house as if they happened now: what `--demo` shows of real work.

Owns where the recordings of traces/ are found and when each of their requests goes out. Must never ask a provider: the
recorded bytes are served, at the moments at which they came. The two surprises: each playing is a session of its own,
because a session that is played twice would look like one that repeats itself; and what lands says why its model was
chosen *then*, because the rule that makes the rehearsal go the recorded way is nobody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from ccr_tui.config import Config
from ccr_tui.errors import StoreError
from ccr_tui.feed import Feed
from ccr_tui.origin import DEMO
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.recorded import Recorded
from ccr_tui.records import Flight, Trace
from ccr_tui.replay.asrecorded import can_be_rehearsed, config_of
from ccr_tui.replay.rehearse import STEERING, context_of
from ccr_tui.store import archive
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

SESSION = "x-claude-code-session-id"
HERE = Path(__file__).parent
PLACES = (HERE / "traces", HERE.parent / "traces")
"""In an installed package, and in a checkout."""


def files() -> list[Path]:
    """The recordings that come with the program; none where somebody has taken them out."""
    return next((found for place in PLACES if (found := sorted(place.glob("*.jsonl")))), [])


def recorded() -> list[list[Trace]]:
    """Each recording's requests in their order, as far as they can be played. Blocks; files that can't be read are
    left out."""
    sessions = []
    for file in files():
        with suppress(OSError, StoreError), file.open("rb") as lines:
            traces = [one for one in archive.read(lines, file.name) if not can_be_rehearsed(one.attempts)]
            sessions.append(sorted(traces, key=lambda trace: trace.started_at))
    return [each for each in sessions if each]


async def play(traces: Sequence[Trace], context: Callable[[], Context], counter: Counter) -> None:
    """One session, each request as long after the first one as it came then; those that overlapped do so again."""
    ids: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    zero = loop.time()
    async with asyncio.TaskGroup() as group:
        for trace in traces:
            await asyncio.sleep(max(0.0, zero + trace.started_at - traces[0].started_at - loop.time()))
            group.create_task(once(trace, ids, context(), counter))


def priced(config: Config) -> Config:
    """The recording's config, whose prices are called as all of the demo's are: nobody has set them here."""
    models = {
        name: replace(model, price=model.price and replace(model.price, source=DEMO))
        for name, model in config.models.items()
    }
    return replace(config, models=models)


async def once(trace: Trace, ids: dict[str, str], context: Context, counter: Counter) -> Trace:
    """One request, with the recorded answer, on this house's board and into its database."""
    headers = {name: value for name, value in trace.headers.items() if name not in STEERING}
    if trace.session:
        headers[SESSION] = ids.setdefault(trace.session, str(uuid4()))
    served = context_of(trace, priced(config_of(trace)), Recorded(trace.attempts, trace.started_at), counter)
    stand = replace(served, feed=AsThen(context.feed, trace), clock=context.clock, stopping=context.stopping)
    return await exchange.run(dumps(trace.body), Collector(headers), stand)


class AsThen(Feed):
    """The house's board and listeners, for one request that lands with the decision of then."""

    def __init__(self, house: Feed, then: Trace) -> None:
        super().__init__()
        self._house, self._then = house, then

    def take_off(self, flight: Flight) -> Flight:
        """On the house's board."""
        return self._house.take_off(flight)

    def begin(self, flight: Flight) -> None:
        """To the house's listeners."""
        self._house.begin(flight)

    def land(self, trace: Trace) -> None:
        """To the house's listeners, with the rules that were considered when it was recorded."""
        self._house.land(replace(trace, decision=self._then.decision) if trace.decision else trace)
