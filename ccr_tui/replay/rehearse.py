"""Rehearsing: the recorded upstream bytes go down the street once more, and the client must be sent what it was sent.

Owns one rehearsal and the comparison with the recording. Must never ask a provider, count money as spent or touch the
store. The one surprise: time is the recording's own. The loop's clock jumps to the moments at which the bytes came, so
that pings, deadlines and retries fall where they fell, and a session of an hour takes a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import zip_longest

from ccr_tui.config import Config, Model, Provider
from ccr_tui.differing import first_difference
from ccr_tui.feed import Feed
from ccr_tui.prices import Book, Missing
from ccr_tui.proxy import exchange, sse
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.recorded import Recorded
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.records import Json, Price, TimelineEvent, Trace, Usage
from ccr_tui.replay import instant
from ccr_tui.replay.asrecorded import Remembered, can_be_rehearsed, config_of
from ccr_tui.slim import dataclass
from ccr_tui.tally import Count
from ccr_tui.tokens import Calibration, Counter, Estimate
from ccr_tui.wire import dumps, loads

STEERING = frozenset({"x-ccr-model"})
"""Headers that chose the model; here the recorded choice is made."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One request, once more."""

    trace: Trace
    """As it came out this time; its id is the recorded one."""
    data: bytes
    """What the client was sent."""
    differences: tuple[str, ...]
    """In what the client was sent, a sentence each, the first event that differs first; empty is the proof."""
    sent: tuple[str, ...] = ()
    """In what the upstream was sent: the translation has changed since."""


class Unrehearsable(ValueError):
    """The recording lacks what a rehearsal needs; the message says what."""


def rehearse(trace: Trace, counter: Counter, received: bytes | None = None) -> Rehearsal:
    """One recorded request again, in no time. Any thread without a loop of its own may call it.

    `received` is what the client was really sent, where somebody kept it; else the record of it is compared.
    Raises Unrehearsable.
    """
    if why := can_be_rehearsed(trace.attempts):
        raise Unrehearsable(f"Request {trace.uid} can't be rehearsed: {why}.")
    client, again, sent = instant.run(_run(trace, counter))
    data = bytes(client.data)
    found = list(differences(trace, again))
    if received is not None:
        found = [*differing_events(received, data, trace.streamed), *found]
    return Rehearsal(again, data, tuple(found), tuple(sent))


async def _run(trace: Trace, counter: Counter) -> tuple[Collector, Trace, list[str]]:
    transport = Recorded(trace.attempts, trace.started_at)
    headers = {name: value for name, value in trace.headers.items() if name not in STEERING}
    client = Collector(headers)
    context = context_of(trace, config_of(trace), transport, counter)
    raw = trace.raw if trace.raw is not None else dumps(trace.body)
    again = await exchange.run(raw, client, context, "replay", trace.uid)
    if transport.asked < len(trace.attempts):
        transport.differences.append(f"{len(trace.attempts)} calls were made then, {transport.asked} now")
    return client, again, transport.differences


def context_of(trace: Trace, config: Config, transport: Recorded, counter: Counter) -> Context:
    """What the exchange stands on: its clock is the loop's, its estimates are the recorded ones."""
    loop = asyncio.get_running_loop()
    expected = Expected(trace)
    return Context(
        config=config,
        upstreams=Upstreams(transport=transport),
        feed=Feed(),
        book=AtHand(),
        calibration=expected,
        count=expected.count,
        tokens_of=counter.text,
        learn=lambda *_: None,
        clock=lambda: trace.started_at + loop.time(),
        ticks=loop.time,
        verdicts=Remembered(trace),
        breakers=transport.breakers,
    )


class AtHand(Book):
    """Prices that need no look into the large table, which would take a thread."""

    def known(self, model: Model, provider: Provider, at: float, usage: Usage | None = None) -> Price | Missing | None:
        """The recorded price."""
        return model.price


class Expected(Calibration):
    """The estimates that were made then: they depend on what had been learned by that time."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        answers = [a for a in trace.attempts if a.purpose == "answer"]
        self._asides = [a.estimate or 0 for a in trace.attempts if a.purpose != "answer"]
        self._usual = next((a.estimate for a in reversed(answers) if a.estimate is not None), trace.estimate) or 0
        self._by_model = {f"{a.provider}/{a.model}": a.estimate for a in answers if a.estimate is not None}
        self._body: Json = None

    async def count(self, body: Json) -> Count:
        """The first body is the client's; those after it are asides, in order."""
        if self._body is None:
            self._body = body
            return Count(self._usual)
        return Count(self._asides.pop(0) if self._asides else 0)

    def estimate(self, key: str, raw: int, default_ratio: float = 1.0) -> Estimate:
        """What was expected of this model."""
        known = self._by_model.get(key) if raw == self._usual else None
        return Estimate(raw if known is None else known, None, 0)


# --- the comparison --------------------------------------------------------------------------------------------------


def differences(old: Trace, new: Trace) -> Iterator[str]:
    """Where the record of what the client was sent differs. Of a client that left only what it got is compared."""
    left = old.outcome == "cancelled"
    timeline = new.timeline[: len(old.timeline)] if left else new.timeline
    for n, (then, now) in enumerate(zip_longest(old.timeline, timeline)):
        if shape(then) != shape(now):
            yield f"event {n} was {told(then)} and is {told(now)}"
            break
    if left:
        return
    if found := first_difference(old.reply, new.reply):
        yield f"the reply differs at {found}"
    for name in ("outcome", "status", "failure", "streamed"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} was {getattr(old, name)} and is {getattr(new, name)}"


def shape(event: TimelineEvent | None) -> tuple[str, int | None, int] | None:
    """An event without its moment."""
    return None if event is None else (event.type, event.index, event.size)


def told(event: TimelineEvent | None) -> str:
    """An event in words."""
    if event is None:
        return "nothing"
    place = "" if event.index is None else f" of block {event.index}"
    return f"{event.type}{place}" + (f" ({event.size} characters)" if event.size else "")


def differing_events(then: bytes, now: bytes, streamed: bool) -> Iterator[str]:
    """The first event whose bytes differ; pings stand where time put them and do not count."""
    if not streamed:
        if then != now:
            yield f"the answer differs at {first_difference(loads(then), loads(now)) or 'its bytes'}"
        return
    for n, (old, new) in enumerate(zip_longest(events(then), events(now), fillvalue="")):
        if old != new:
            yield f"event {n} differs: {where(old, new)}"
            return


def events(data: bytes) -> list[str]:
    """Name and data of each event, pings left out."""
    decoder = sse.Decoder()
    found = [f"{event.event} {event.data}" for event in (*decoder.feed(data), *decoder.close())]
    return [event for event in found if not event.startswith("ping ")]


def where(old: str, new: str) -> str:
    """Where two events differ, as a path if they are of one kind."""
    kinds = [event.partition(" ") for event in (old, new)]
    if not old or not new or kinds[0][0] != kinds[1][0]:
        return f"{kinds[0][0] or 'nothing'} became {kinds[1][0] or 'nothing'}"
    return f"{kinds[0][0]} at {first_difference(loads(kinds[0][2]), loads(kinds[1][2])) or 'its bytes'}"


def received_in(data: bytes) -> dict[str, bytes]:
    """The answers of a .sse file of `traces/`, by the id of their trace."""
    parts = [part.partition(b"\n\n") for part in data.removesuffix(b"\n").split(b"\n: trace ")]
    return {head.removeprefix(b": trace ").decode(): body for head, _, body in parts if head}
