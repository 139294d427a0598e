"""What the store's tests stand on: a database in a fresh directory, its writer and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from ccr_tui.records import Trace
from ccr_tui.store.begun import Begun
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ccr.db"


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    made = Reader(path)
    yield made
    made.close()


@pytest.fixture
def keep(path: Path) -> Callable[[Iterable[Trace]], None]:
    """Stores traces, in their order, and fails if one is rejected."""

    def run(traces: Iterable[Trace]) -> None:
        rejected: list[str] = []
        writer = Writer(path, None, rejected.append)
        writer.start()
        for trace in traces:
            writer.put(trace)
        assert writer.close(60)
        assert not rejected

    return run


@pytest.fixture
def begun(path: Path) -> Iterator[Begun]:
    """The notes of what runs, beside the database."""
    path.parent.mkdir(exist_ok=True)
    made = Begun(path)
    made.open()
    yield made
    made.close()
