"""What stands in the place of the database, or of SQLite's files beside it, is changed while the writer uses it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from test_store_recovery import TRACES, Watched, at_work, carried_over, ids, stored

from ccr_tui.errors import StoreError
from ccr_tui.store import archive, ground, recent, schema, soundness, writer
from ccr_tui.store.ground import Ground
from ccr_tui.store.queries import Reader
from ccr_tui.store.standing import Log, Standing
from ccr_tui.store.verify import glance, verify
from ccr_tui.store.writer import Writer


@pytest.fixture
def running(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(ground, "BUSY_MS", 1)
    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    monkeypatch.setattr(writer, "PAUSE_S", 3600.0)
    with at_work(path) as made:
        yield made


def without_log(path: Path) -> None:
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)


def another_programs(path: Path) -> None:
    made = path.with_name("other.db")
    with closing(sqlite3.connect(made)) as db:
        db.execute("CREATE TABLE theirs (x)")
    made.replace(path)


def a_newer_ones(path: Path) -> None:
    made = path.with_name("newer.db")
    schema.writable(made).close()
    with closing(sqlite3.connect(made)) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    made.replace(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    """What is moved to a larger disk: the same file, by way of a link."""
    path.symlink_to(path.rename(path.with_name("elsewhere.db")))


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be replaced there")
@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (another_programs, "is another program's database"),
        (a_newer_ones, "was made by a newer ccr-tui"),
        (a_folder, "is no ordinary file"),
        (a_pipe, "is no ordinary file"),
        (a_link, "is a symbolic link"),
    ],
)
def test_what_can_be_no_database_of_ours_is_waited_out_and_left_as_it_is(
    path: Path, running: Watched, deed: Callable[[Path], None], said: str
) -> None:
    deed(path)
    without_log(path)
    for trace in TRACES[1:4]:
        running.put(trace)
    running.until(lambda: said in running.trouble)
    assert said in told_by_a_glance(path) or deed is a_newer_ones
    path.rename(path.with_name("theirs"))
    assert running.flush(30)
    assert stored(path) == ["t01", "t02", "t03"] and verify(path) == []
    assert (running.trouble, running.lost) == ("", 0) and not running.rejects.exists()


def told_by_a_glance(path: Path) -> str:
    try:
        return glance(path)
    except StoreError as error:
        return str(error)


@pytest.mark.parametrize("data", [b"something else " * 1000, b"\xa5" * 70_000, b"SQLite"], ids=["text", "bytes", "few"])
def test_what_is_no_database_in_its_place_is_moved_aside(path: Path, running: Watched, data: bytes) -> None:
    path.with_name("new").write_bytes(data)
    path.with_name("new").replace(path)
    for trace in TRACES[1:4]:
        running.put(trace)
        assert running.flush(30)
    assert stored(path) == ["t01", "t02", "t03"] and verify(path) == []
    assert len(running.sentences) == 1 and "was damaged" in running.sentences[0]
    assert not running.rejects.exists()
    assert data in [file.read_bytes() for file in path.parent.iterdir() if ".damaged-" in file.name]


def test_a_backup_that_is_moved_into_its_place_gets_nothing_of_the_old_log(
    path: Path, running: Watched, reader: Reader, tmp_path: Path
) -> None:
    """And the old file, where it was moved to, has all of it."""
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30) and reader.count() == 4
    backup, old = tmp_path / "backup.db", tmp_path / "old.db"
    archive.take_in(backup, TRACES[8:10])
    path.rename(old)
    backup.rename(path)
    running.put(TRACES[10])
    assert running.flush(30)
    assert stored(path) == ["t08", "t09", "t10"] and reader.count() == 3 and verify(path) == []
    assert stored(old) == ids(4) and verify(old) == []
    assert "goes on in the one that is there now" in running.sentences[0]


def test_a_log_that_is_deleted_with_what_it_holds_loses_nothing(path: Path, running: Watched, reader: Reader) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30) and reader.count() == 4
    Path(f"{path}-wal").unlink()
    for trace in TRACES[4:]:
        running.put(trace)
        assert running.flush(30)
    assert (stored(path), reader.count()) == (ids(12), 12)
    assert "-wal was deleted while ccr-tui ran" in running.sentences[0] and len(running.sentences) == 1
    assert running.close(30) and stored(path) == ids(12) and verify(path) == []


def emptied(log: Path) -> None:
    os.truncate(log, 0)


def cut_in_half(log: Path) -> None:
    os.truncate(log, log.stat().st_size // 2)


def overwritten(log: Path) -> None:
    with log.open("r+b") as file:
        file.write(b"\xa5" * log.stat().st_size)


@pytest.mark.parametrize("deed", [emptied, cut_in_half, overwritten])
def test_a_log_that_is_cut_or_overwritten_costs_nothing(
    path: Path, running: Watched, reader: Reader, deed: Callable[[Path], None]
) -> None:
    carried_over(path)
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30) and reader.count() == 4
    deed(Path(f"{path}-wal"))
    for trace in TRACES[4:]:
        running.put(trace)
        assert running.flush(30)
    assert stored(path) == ids(12) and reader.count() == 12
    assert "-wal was cut short or overwritten" in running.sentences[0] and len(running.sentences) == 1
    assert running.close(30) and verify(path) == []


@pytest.mark.parametrize("deed", [emptied, cut_in_half])
def test_a_log_that_is_cut_within_a_transaction_is_noticed_after_it(
    path: Path, running: Watched, deed: Callable[[Path], None]
) -> None:
    carried_over(path)
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    ground = running._ground
    with ground.transaction() as insertion:
        insertion.learn("k", 1.0, 1, None, 0.0)
        deed(Path(f"{path}-wal"))
    running.put(TRACES[4])
    assert running.flush(30)
    assert stored(path) == ids(5) and verify(path) == []


def test_of_what_was_too_much_to_be_remembered_its_costs_are(
    path: Path, running: Watched, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "WHOLE", 1)
    carried_over(path)
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    before = [replace(row, n=0) for row in reader.rows()]
    emptied(Path(f"{path}-wal"))
    assert running.close(30)
    for row, old in zip(reader.rows(), before, strict=True):
        assert (row.id, row.outcome, row.cost, row.output_tokens) == (old.id, old.outcome, old.cost, old.output_tokens)
        assert row.error == (old.error if row.id == "t00" else old.error or recent.CUT_OFF)
    assert verify(path) == []


OPEN = """
import os, sys
from pathlib import Path
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer
path, source = Path(sys.argv[1]), Path(sys.argv[2])
traces = list(archive.read(source.read_bytes().splitlines(keepends=True)))
writer, reader = Writer(path, None, print), Reader(path)
writer.start()
for trace in traces:
    writer.put(trace)
    assert writer.flush(30)
    os.truncate(f"{path}-shm", 0)
    print(reader.count())
    os.truncate(f"{path}-shm", 1000)
assert writer.close(30)
print(reader.count())
"""


@pytest.mark.skipif(os.name == "nt", reason="a file that is mapped can't be cut short there")
def test_an_index_of_the_log_that_is_cut_short_ends_no_program(path: Path, tmp_path: Path) -> None:
    """SQLite has it in its memory, where the system answers with SIGBUS."""
    source = tmp_path / "some.jsonl"
    with closing(Reader(path)) as reader:
        made = Writer(path)
        made.start()
        for trace in TRACES[:5]:
            made.put(trace)
        assert made.close(30)
        source.write_bytes(b"".join(archive.lines(reader.traces())))
    other = tmp_path / "own" / "other.db"
    ended = subprocess.run([sys.executable, "-c", OPEN, other, source], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (0, ["1", "2", "3", "4", "5", "5"]), ended.stderr
    assert verify(other) == []


def carrying_over(running: Watched, deed: Callable[[], object]) -> None:
    """A transaction of ours that carries the log over, while something happens to the file."""
    with running._ground.transaction():
        running._ground.connection.execute("COMMIT")
        carried_over(running.path)
        deed()
        running._ground.connection.execute("BEGIN IMMEDIATE")


def test_what_is_copied_over_it_while_its_log_is_carried_over_is_noticed_at_once(
    path: Path, running: Watched, tmp_path: Path
) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    backup = tmp_path / "backup.db"
    archive.take_in(backup, TRACES[8:10])
    carrying_over(running, lambda: None)
    carrying_over(running, lambda: path.write_bytes(backup.read_bytes()))
    running.put(TRACES[10])
    assert running.flush(30)
    assert stored(path) == [*ids(4), "t08", "t09", "t10"] and verify(path) == []
    assert "was overwritten" in running.sentences[0]


def damage_of_the_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-3 * 4096, os.SEEK_END)
        file.write(b"\xa5" * 3 * 4096)


def test_what_is_written_into_it_while_its_log_is_carried_over_is_noticed_at_the_next_look(
    path: Path, running: Watched
) -> None:
    """Of which there is one a minute after the log was carried over."""
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    carrying_over(running, lambda: damage_of_the_end(path))
    assert running._ground.wrong() is None
    running._ground._look_at = 0.0
    running.put(TRACES[8])
    assert running.flush(30)
    assert stored(path) == [*ids(4), "t08"] and verify(path) == []
    assert "was damaged" in running.sentences[0]
    assert running._ground.wrong() is None and running._ground._look_at > time.monotonic()


@pytest.fixture
def without_descriptors(path: Path) -> Iterator[Callable[[], None]]:
    """No file can be opened any more in this process, until the end or a second call."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []

    def switch() -> None:
        if taken:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            while taken:
                os.close(taken.pop())
            return
        taken.append(os.open(os.devnull, os.O_RDONLY))
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 1, limits[1]))
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))

    yield switch
    if taken:
        switch()


def test_no_descriptors_left_is_no_damage(path: Path, without_descriptors: Callable[[], None]) -> None:
    made = Watched(path)
    made.start()
    without_descriptors()
    for trace in TRACES[:3]:
        made.put(trace)
    made.flush(1)
    without_descriptors()
    for trace in TRACES[3:6]:
        made.put(trace)
    assert made.flush(30) and made.close(30)
    assert stored(path) == ids(6) and verify(path) == [] and made.sentences == []


def test_no_descriptors_left_after_another_has_emptied_the_log_is_no_damage(
    path: Path, running: Watched, without_descriptors: Callable[[], None]
) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    without_descriptors()
    running.put(TRACES[1])
    running.flush(1)
    without_descriptors()
    running.put(TRACES[2])
    assert running.flush(30)
    assert stored(path) == ids(3) and running.sentences == [] and verify(path) == []


def test_a_copy_that_cannot_be_made_now_is_waited_for(
    path: Path, running: Watched, tmp_path: Path, without_descriptors: Callable[[], None]
) -> None:
    """What is in the file's place is whole: to move it aside would lose sight of it."""
    backup = tmp_path / "backup.db"
    archive.take_in(backup, TRACES[8:10])
    data = backup.read_bytes()
    os.truncate(f"{path}-wal", 0)
    path.write_bytes(data)
    without_descriptors()
    running.put(TRACES[1])
    running.until(lambda: bool(running.trouble))
    without_descriptors()
    assert running.flush(30)
    assert stored(path) == ["t00", "t01", "t08", "t09"]
    assert not any("was damaged" in said for said in running.sentences)


@pytest.mark.parametrize("deed", [emptied, cut_in_half, overwritten])
def test_in_a_pause_all_of_the_log_goes_into_the_file(
    path: Path, running: Watched, monkeypatch: pytest.MonkeyPatch, deed: Callable[[Path], None]
) -> None:
    """So that nobody who does something to the log afterwards costs anything."""
    monkeypatch.setattr(writer, "PAUSE_S", 0.0)
    for trace in TRACES[1:4]:
        running.put(trace)
    running.until(lambda: soundness.newest_alone(path) == 4)
    deed(Path(f"{path}-wal"))
    running.put(TRACES[4])
    assert running.flush(30)
    assert running.close(30) and stored(path) == ids(5) and verify(path) == []
    assert running.sentences == []


def test_a_log_that_is_deleted_before_anything_was_stored_loses_nothing(path: Path) -> None:
    made = Watched(path)
    made.start()
    Path(f"{path}-wal").unlink(missing_ok=True)
    for trace in TRACES[:3]:
        made.put(trace)
        assert made.flush(30)
    reader = Reader(path)
    assert reader.count() == 3
    reader.close()
    assert made.close(30) and stored(path) == ids(3) and verify(path) == []


def test_a_log_that_is_deleted_before_it_was_looked_at_loses_nothing(path: Path) -> None:
    one = Ground(path)
    Path(f"{path}-wal").unlink()
    one._standing, one._log = Standing(path), Log(path)
    with one.transaction() as insertion:
        insertion.learn("k", 2.0, 1, None, 0.0)
    mend = one.wrong()
    assert mend is not None and "-wal was deleted" in mend()
    assert one.wrong() is None
    one.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT ratio FROM calibration").fetchall() == [(2.0,)]
