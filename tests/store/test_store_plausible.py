"""An archive that somebody has bent does no harm: what can't be a trace is refused, and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import generated
import pytest
from hypothesis import given

from ccr_tui.errors import StoreError
from ccr_tui.records import Trace
from ccr_tui.store import archive, plausible
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

HEADER, *_LINES = archive.lines([generated.trace()])
GOOD: dict[str, Any] = json.loads(_LINES[0])
BENT: list[tuple[str, Any]] = [
    ("started_at", 1e300), ("started_at", -1.0), ("started_at", "now"), ("duration_ms", 10**30), ("status", None),
    ("status", True), ("uid", ""), ("uid", "a" * 10_000), ("uid", "a\x1b[2J"), ("uid", 7), ("session", ["x"]),
    ("kind", "other than that"), ("headers", {"a": 1}), ("asked_model", None), ("spans", [["a", "b", 1]]),
    ("attempts.0.usage.input", 10**30), ("attempts.0.cost", 2**62), ("attempts.0.model", None),
    ("attempts.0.started_at", 1e300), ("attempts.0.notes", [1]), ("decision.considered", [["one"]]),
]  # fmt: skip


def bent(where: str, value: Any) -> bytes:
    made = json.loads(json.dumps(GOOD))
    *way, last = where.split(".")
    place = made
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    assert last in place
    place[last] = value
    return json.dumps(made).encode() + b"\n"


@pytest.mark.parametrize(("where", "value"), BENT, ids=[f"{where} {str(value)[:12]!r}" for where, value in BENT])
def test_a_value_that_can_not_be_is_refused(where: str, value: Any) -> None:
    with pytest.raises(StoreError, match="line 2: this is no trace"):
        list(archive.read([HEADER, bent(where, value)]))


def test_what_waits_for_us_is_taken_as_it_is() -> None:
    assert len(list(archive.read([HEADER, bent("duration_ms", 2**50)], is_ours=True))) == 1


def test_what_came_before_it_stays_and_can_be_listed(tmp_path: Path) -> None:
    db = tmp_path / "ccr.db"
    with pytest.raises(StoreError):
        archive.take_in(db, archive.read([HEADER, _LINES[0], bent("started_at", 1e300)]))
    assert len(list(Reader(db).traces())) == 1 and verify(db) == []


@given(generated.traces())
def test_every_trace_of_ours_can_be(trace: Trace) -> None:
    plausible.check(trace)
