"""Whatever is put in comes out equal, and the sums are the sums."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import generated
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccr_tui.records import Trace
from ccr_tui.store import archive, schema, sums
from ccr_tui.store.insert import Insertion
from ccr_tui.store.queries import Reader
from ccr_tui.store.sums import By
from ccr_tui.store.verify import verify
from ccr_tui.store.writer import Writer

SOME = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Writer, Reader]]:
    """One database for all examples, so that they share chunks; it must verify when all is over."""
    path: Path = tmp_path_factory.mktemp("laws") / "ccr.db"
    rejected: list[str] = []
    writer, reader = Writer(path, None, rejected.append), Reader(path)
    writer.start()
    yield writer, reader
    assert writer.close(60)
    assert not rejected
    reader.close()
    assert verify(path) == []


def bodies_of(trace: Trace) -> str:
    """Text that differs where values, their types or the order of keys differ."""
    return json.dumps([trace.body, trace.reply, [attempt.sent for attempt in trace.attempts]])


@given(trace=generated.traces())
@SOME
def test_a_trace_comes_back_exactly(house: tuple[Writer, Reader], trace: Trace) -> None:
    writer, reader = house
    trace = replace(trace, uid=f"law-{reader.last_n()}")  # hypothesis repeats itself; uids must not
    writer.put(trace)
    assert writer.flush(60)
    back = reader.trace(trace.uid)
    assert back == trace
    assert bodies_of(back) == bodies_of(trace)


@given(traces=st.lists(generated.traces(), max_size=2, unique_by=lambda trace: trace.uid))
@settings(SOME, max_examples=20)
def test_an_archive_reads_as_it_was_written(traces: list[Trace]) -> None:
    back = list(archive.read(archive.lines(traces)))
    assert back == traces
    assert list(map(bodies_of, back)) == list(map(bodies_of, traces))


@given(traces=st.lists(generated.traces(), max_size=3, unique_by=lambda trace: trace.uid))
@settings(SOME, max_examples=20)
def test_spending_is_the_sum_of_all_calls(traces: list[Trace]) -> None:
    """But for those of replays, which have bills of their own."""
    db = schema.empty()
    insertion = Insertion(db)
    for trace in traces:
        insertion.add(trace)
    traces = [trace for trace in traces if trace.origin != "replay"]
    calls = [attempt for trace in traces for attempt in trace.attempts]
    used = [attempt.usage for attempt in calls if attempt.usage]
    for by in get_args(By):
        rows = sums.spend(db, by, None, None, None)
        assert sum(row.cost for row in rows) == sum(call.cost or 0 for call in calls)
        assert sum(row.router_cost for row in rows) == sum(c.cost or 0 for c in calls if c.purpose == "route")
        assert sum(row.unpriced for row in rows) == sum(c.cost is None and c.usage is not None for c in calls)
        assert sum(row.requests for row in rows) == len(traces)
        assert sum(row.failed for row in rows) == sum(trace.outcome == "error" for trace in traces)
        assert sum(row.prompt_tokens + row.output_tokens for row in rows) == sum(u.prompt + u.output for u in used)
    db.close()
