"""A session as paths of chunks: the same bodies, and each thing read once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import generated
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui.errors import StoreError
from ccr_tui.records import Usage
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader
from ccr_tui.wire import dumps


def stored(folder: Path, bodies: list[Any]) -> Reader:
    archive.take_in(folder / "ccr.db", (generated.trace(f"u-{n}", body) for n, body in enumerate(bodies)))
    return Reader(folder / "ccr.db")


@settings(max_examples=15)
@given(st.lists(st.one_of(generated.bodies(), generated.json_values()), min_size=1, max_size=5), st.randoms())
def test_a_body_is_what_was_sent_in_whatever_order_it_is_asked_for(bodies: list[Any], chance: Any) -> None:
    with TemporaryDirectory() as folder:
        reader = stored(Path(folder), bodies)
        paths = reader.paths(range(1, len(bodies) + 1))
        wanted = [n for n, body in enumerate(bodies, 1) if body is not None] * 2
        chance.shuffle(wanted)
        assert all(dumps(paths.body(n)) == dumps(bodies[n - 1]) for n in wanted)
        reader.close()


def test_a_session_costs_what_it_adds(tmp_path: Path) -> None:
    bodies = list(generated.session(1, 12, tools=3))
    reader = stored(tmp_path, bodies)
    paths = reader.paths(range(1, 13))
    assert [paths.body(n) for n in range(1, 13)] == bodies
    assert len(paths.nodes) < 12 * 2 + 12 * 6
    assert len(paths.chunks.parsed) <= len(paths.nodes)
    reader.close()


def test_calls_and_what_was_reported(tmp_path: Path) -> None:
    answers = [generated.attempt(usage=Usage(100 * n, 10, 7, 3, basis="reported")) for n in range(1, 4)]
    traces = [
        generated.trace(f"u-{n}", {"messages": []}, attempts=(answer,), session="s") for n, answer in enumerate(answers)
    ]
    archive.take_in(tmp_path / "ccr.db", traces)
    reader = Reader(tmp_path / "ccr.db")
    calls = reader.paths([1, 2, 3]).calls
    assert [calls[n][0].usage for n in (1, 2, 3)] == [answer.usage for answer in answers]
    assert calls[1][0].price == answers[0].price
    reported = reader.reported(answers[0].provider, answers[0].model, limit=2)
    assert [(each.n, each.prompt) for each in reported] == [(2, 210), (3, 310)]
    assert reader.reported("nobody", "nothing") == []
    assert reader.paths([1]).headers(1) == dict(traces[0].headers)
    reader.close()


def test_a_chunk_that_is_missing_is_told(tmp_path: Path) -> None:
    reader = stored(tmp_path, [{"messages": [{"role": "user", "content": "hello"}]}])
    paths = reader.paths([1])
    broken = replace(paths, chunks=replace(paths.chunks, read=lambda numbers: []))
    with pytest.raises(StoreError, match="traces verify"):
        broken.body(1)
    reader.close()
