"""What is measured inside one process: the call that hands a trace over, and what the turns of a long session cost.

Owns no goal. Must never run anything else beside. The one surprise: a process of its own (`python inside.py`), because
the garbage and the threads of the benchmark's client would be in the figures.

It prints one JSON object: medians in microseconds of CPU.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ccr_tui.feed import Feed
from ccr_tui.memory import Memory
from ccr_tui.records import Attempt, Flight, Price, Trace, Usage
from ccr_tui.store import schema
from ccr_tui.store.bodies import Shelf
from ccr_tui.store.writer import Writer
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

CALLS = 2000
TOGETHER = 20
"""Requests that are handed over without a pause: what dense traffic brings before the store's thread sets to work."""
TURNS = (50, 500)
AROUND = 20
"""Turns around each, of which the median is taken."""


def trace(n: int, body: Any) -> Trace:
    """A finished request with little in it but tokens and a price, which are noted as it ends."""
    return Trace(
        uid=f"bench{n:020}",
        origin="live",
        kind="main",
        session="bench",
        project="/bench",
        agent_id=None,
        asked_model="claude-bench",
        streamed=True,
        body=body,
        raw=None,
        headers={},
        decision=None,
        attempts=(answer(),),
        reply=None,
        timeline=(),
        outcome="ok",
        status=200,
        failure=None,
        estimate=1000,
        started_at=time.time(),
        ttft_ms=1,
        duration_ms=2,
    )


def answer() -> Attempt:
    """One call, answered and paid for."""
    return Attempt(
        n=1,
        purpose="answer",
        provider="bench",
        model="bench-model-1",
        sent=None,
        started_at=time.time(),
        ttft_ms=1,
        duration_ms=2,
        status=200,
        stop_reason="end_turn",
        usage=Usage(1000, 200, 20_000, 300),
        price=Price(150_000_000, 600_000_000, 75_000_000, None, "2026-11-01", "ccr-tui table 2026-11-22"),
        cost=1_893_000,
        cost_basis="list",
    )


def handing_over() -> dict[str, float]:
    """What the loop does for the record of a request: notes that it begins, that it ends, and hands its trace over."""
    with tempfile.TemporaryDirectory() as folder:
        writer, feed = Writer(Path(folder) / "bench.db"), Feed()
        writer.start()
        feed.on_begin(writer.begin)
        feed.on_end(writer.end)
        feed.subscribe(writer.put)
        body = {"model": "claude-bench", "max_tokens": 1, "messages": [{"role": "user", "content": "bench"}]}
        traces = [trace(n, body) for n in range(CALLS)]
        flights = [Flight(each.uid, each.started_at, "claude-bench") for each in traces]
        (begun,) = timed([feed.begin], flights, writer.flush)
        ended, landed = timed([feed.end, feed.land], traces, writer.flush)
        writer.close(60)
    return {"begin": begun, "end": ended, "land": landed}


def timed(calls: list[Callable[[Any], object]], given: list[Any], settle: Callable[[], object]) -> list[float]:
    """The median of each of the calls that are made one after the other, in microseconds of this thread's CPU; `settle`
    waits for the store's thread, which would else work at the same time all the while, on the other half of the same
    core perhaps."""
    took: list[list[int]] = [[] for _ in calls]
    for n, one in enumerate(given):
        if n % TOGETHER == 0:
            settle()
        for call, times in zip(calls, took, strict=True):
            started = time.thread_time_ns()
            call(one)
            times.append(time.thread_time_ns() - started)
    empty = statistics.median(-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(CALLS))
    return [(statistics.median(times) - empty) / 1000 for times in took]


class Talk:
    """A conversation to which each turn adds the same 300 words."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        tools = [
            {"name": f"T{n}", "description": self._said(200), "input_schema": {"type": "object"}} for n in range(20)
        ]
        system = [{"type": "text", "text": self._said(2000)}]
        self._messages: list[Any] = []
        self._body = {"model": "claude-bench", "max_tokens": 100, "system": system, "tools": tools}
        self._turn = 0

    def _said(self, count: int) -> str:
        return " ".join(f"w{self._chance.randrange(5000)}" for _ in range(count))

    def next(self) -> bytes:
        """The next turn's request."""
        self._turn += 1
        if self._turn > 1:
            call = {"type": "tool_use", "id": f"t{self._turn}", "name": "T1", "input": {"x": self._said(10)}}
            self._messages.append({"role": "assistant", "content": [{"type": "text", "text": self._said(50)}, call]})
        result = {"type": "tool_result", "tool_use_id": f"t{self._turn}", "content": self._said(240)}
        self._messages.append({"role": "user", "content": [result]})
        return dumps({**self._body, "messages": self._messages})


def turns() -> dict[str, dict[str, float]]:
    """By turn: reading, counting, storing, and the size of the request in KB. Conversations take turns once they have
    come that far, because a machine's speed may change from one second to the next."""
    counter, memory = Counter(), Memory(64 << 20)
    counter.load()
    found: dict[int, list[tuple[float, ...]]] = {at: [] for at in TURNS}
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(schema.writable(Path(folder) / "bench.db"))
        talks = {at: Talk(at) for at in TURNS}
        for at, talk in talks.items():
            for _ in range(at - AROUND - 1):
                one_turn(talk.next(), memory, counter, shelf)
        for _ in range(2 * AROUND):
            for at, talk in talks.items():
                found[at].append(one_turn(talk.next(), memory, counter, shelf))
    names = ("read", "count", "store", "kilobytes")
    return {
        str(at): dict(zip(names, map(statistics.median, zip(*found[at], strict=True)), strict=True)) for at in TURNS
    }


def one_turn(raw: bytes, memory: Memory, counter: Counter, shelf: Shelf) -> tuple[float, ...]:
    clock = time.thread_time
    started = clock()
    body = memory.read(raw)
    read = clock()
    counter.news(body)
    counter.request(body)
    counted = clock()
    shelf.connection.execute("BEGIN")
    shelf.put(body, 1)
    shelf.connection.execute("COMMIT")
    return (read - started) * 1e6, (counted - read) * 1e6, (clock() - counted) * 1e6, len(raw) / 1024


if __name__ == "__main__":
    print(json.dumps({**handing_over(), "turns": turns()}))
