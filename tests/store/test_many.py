"""The generator of a benchmark's database keeps every rule that the store keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from many import RARE, fill

from ccr_tui.filtering import parse
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.store.verify import verify

COUNT = 400


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("many") / "ccr.db"
    fill(path, COUNT, seed=3)
    reader = Reader(path)
    yield reader
    reader.close()


def test_what_was_generated_adds_up(filled: Reader) -> None:
    assert verify(filled.path) == []
    assert filled.counted(filled.listed()) == COUNT < RARE


def test_its_requests_can_be_read_and_its_sessions_told(filled: Reader) -> None:
    rows = filled.page(filled.listed(), None, COUNT)
    for row in rows[::40]:
        trace = filled.trace(row.id)
        assert (trace.uid, trace.started_at, trace.outcome) == (row.id, row.started_at, row.outcome)
        assert trace.body["messages"][0]["role"] == "user"
    for session in filled.sessions()[:5]:
        turns = filled.turns_of(session.id)
        assert sum(turn.requests for turn in turns) == session.requests
        assert sum(turn.cost for turn in turns) == session.cost
        assert turns[0].prompt == session.title


def test_it_goes_on_as_any_database(filled: Reader) -> None:
    common = filled.page(filled.listed(Filter(terms=parse('"run the tests"', 0.0))), None, 100)
    assert len({row.session for row in common}) == len(common), "once in each session"
