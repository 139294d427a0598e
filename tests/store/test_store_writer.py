"""The writer: everything is kept or rejected aloud, and nobody waits for it."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path

import generated
import pytest

from ccr_tui.records import Trace
from ccr_tui.store import archive, spill, waiting_room
from ccr_tui.store import writer as writer_module
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify
from ccr_tui.store.writer import Writer


class Watched(Writer):
    """A writer that remembers what it told."""

    def __init__(self, path: Path) -> None:
        self.commits: list[int] = []
        self.sentences: list[str] = []
        super().__init__(path, self.commits.append, self.sentences.append)


def run(writer: Writer, *traces: Trace) -> None:
    """All in one batch: they are queued before the thread begins."""
    for trace in traces:
        writer.put(trace)
    writer.start()
    assert writer.flush(30)
    assert writer.close(30)


def test_commits_are_told_with_the_newest_number(path: Path, reader: Reader) -> None:
    writer = Watched(path)
    run(writer, generated.trace("a"), generated.trace("b"))
    assert writer.commits == [2] == [reader.last_n()]
    assert [row.id for row in reader.rows()] == ["b", "a"]


def test_closing_stores_what_is_queued(path: Path, reader: Reader) -> None:
    writer = Writer(path)
    writer.start()
    for n in range(150):
        writer.put(generated.trace(f"t{n:03d}"))
    assert writer.close(30)
    assert reader.count() == 150


def test_a_closed_writer_says_that_it_keeps_nothing(path: Path) -> None:
    writer = Watched(path)
    writer.start()
    assert writer.close(30)
    writer.put(generated.trace("late"))
    assert not writer.flush(0.1)
    assert "late" in writer.sentences[0]


def test_one_bad_trace_does_not_take_its_batch_along(path: Path, reader: Reader) -> None:
    writer = Watched(path)
    run(writer, generated.trace("a"), generated.trace("twin"), generated.trace("twin"), generated.trace("z"))
    assert [row.id for row in reader.rows()] == ["z", "twin", "a"]
    assert len(writer.sentences) == 1
    assert "twin" in writer.sentences[0] and str(writer.rejects) in writer.sentences[0]
    assert verify(path) == []


def test_rejects_can_be_taken_in_later(path: Path, tmp_path: Path) -> None:
    first, second = generated.trace("twin"), generated.trace("twin", asked_model="another")
    writer = Watched(path)
    run(writer, first, second)
    rejected = list(archive.read(writer.rejects.read_bytes().splitlines()))
    assert rejected == [second]
    elsewhere = tmp_path / "elsewhere.db"
    assert archive.take_in(elsewhere, rejected) == (1, 0)


def test_what_is_no_json_at_all_is_lost_aloud(path: Path, reader: Reader) -> None:
    writer = Watched(path)
    run(writer, generated.trace("odd", reply=object()), generated.trace("good"))
    assert [row.id for row in reader.rows()] == ["good"]
    assert "it is lost" in writer.sentences[0]


def test_a_listener_that_fails_stops_nothing(path: Path, reader: Reader) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("the screen is closing")

    writer = Writer(path, fail)
    writer.start()
    for uid in ("a", "b"):
        writer.put(generated.trace(uid))
        assert writer.flush(30)
    assert writer.close(30)
    assert reader.count() == 2


def test_the_latest_calibration_counts_even_beside_a_bad_trace(path: Path, reader: Reader) -> None:
    writer = Watched(path)
    writer.put_calibration("dashscope/qwen-max", 1.0, 1, None)
    writer.put_calibration("dashscope/qwen-max", 1.06, 2, 0.01)
    run(writer, generated.trace("twin"), generated.trace("twin"))
    assert reader.calibrations() == {"dashscope/qwen-max": (1.06, 2, 0.01)}
    assert len(writer.sentences) == 1


def test_what_another_process_pruned_is_written_again(path: Path, reader: Reader) -> None:
    writer = Watched(path)
    writer.start()
    writer.put(generated.trace("a"))
    assert writer.flush(30)
    other = sqlite3.connect(path, isolation_level=None)
    for table in ("chunk", "node", "body", "trace", "attempt", "stream", "record", "spend", "price", "model"):
        other.execute(f"DELETE FROM {table}")
    other.execute("INSERT INTO said (said) VALUES ('delete-all')")
    other.close()
    again = generated.trace("b")
    writer.put(again)
    assert writer.close(30)
    assert reader.trace("b") == again
    assert reader.row("b").n == 2, "numbers are not used twice"
    assert verify(path) == []


def test_what_comes_faster_than_it_can_be_stored_waits_in_the_file_and_is_taken_back(
    path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SWAMPED", 1_000_000)
    monkeypatch.setattr(waiting_room, "HEAVY", 200_000)
    traces = [generated.trace(f"t{n:03d}") for n in range(60)]  # of 42 KB each, by their tokens
    writer = Watched(path)
    for trace in traces:
        writer.put(trace)
    writer.start()
    assert writer.flush(30)
    assert writer._waiting >= 36, "what was queued beyond the bound went into the file"
    assert writer.close(30)
    assert sorted(row.id for row in reader.rows()) == [trace.uid for trace in traces]
    assert all(reader.trace(trace.uid) == trace for trace in traces)
    assert not spill.waiting_file(path).exists() and writer.sentences == [] and verify(path) == []


def test_what_comes_too_fast_is_stored_in_the_end_where_the_file_cannot_be_written(
    path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SWAMPED", 100_000)
    spill.waiting_file(path).mkdir(parents=True)
    traces = [generated.trace(f"t{n:02d}") for n in range(20)]
    writer = Watched(path)
    run(writer, *traces)
    assert sorted(row.id for row in reader.rows()) == [trace.uid for trace in traces]
    assert (writer.lost, writer.sentences) == (0, [])


def test_what_waits_in_the_file_is_left_there_while_more_comes(
    path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each burst interrupts the taking back of the one before."""
    monkeypatch.setattr(writer_module, "SWAMPED", 150_000)
    monkeypatch.setattr(waiting_room, "HEAVY", 50_000)
    traces = [generated.trace(f"t{n:03d}") for n in range(120)]
    writer = Watched(path)
    writer.start()
    for at in range(0, 120, 20):
        before = writer.commits[-1:]
        for trace in traces[at : at + 20]:
            writer.put(trace)
        while writer.commits[-1:] == before:
            writer.flush(0.001)
    assert writer.close(60)
    again = Watched(path)
    again.start()
    assert again.flush(60) and again.close(60)
    assert sorted(row.id for row in reader.rows(limit=1000)) == [trace.uid for trace in traces]
    assert not spill.waiting_file(path).exists() and verify(path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_can_read_what_was_said(path: Path) -> None:
    before = os.umask(0o022)
    try:
        writer = Watched(path)
        run(writer, generated.trace("twin"), generated.trace("twin"))
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"ccr.db": 0o600, "ccr.db.rejects.jsonl": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
