"""What goes wrong under the writer: traffic goes on, the person is told, and nothing is lost."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from killing import flight, killed

from ccr_tui import ownfiles
from ccr_tui.errors import StoreError
from ccr_tui.records import Flight
from ccr_tui.store import archive, ground, schema, soundness, spill, standing, waiting_room, writer
from ccr_tui.store.begun import CUT_OFF, KILLED, Begun, leftovers
from ccr_tui.store.insert import Insertion
from ccr_tui.store.prune import Wish, prune
from ccr_tui.store.queries import Reader
from ccr_tui.store.ready import Ready
from ccr_tui.store.verify import verify
from ccr_tui.store.writer import Writer
from ccr_tui.wire import loads

TRACES = [replace(one, uid=f"t{n:02d}") for n, one in enumerate(generated.recorded(seed=6, turns=12))]


class Watched(Writer):
    """A writer that remembers what it told."""

    def __init__(self, path: Path) -> None:
        self.sentences: list[str] = []
        self.troubles: list[str] = []
        super().__init__(path, None, self.sentences.append, on_trouble=self.troubles.append)

    def until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < end, (self.sentences, self.troubles)
            time.sleep(0.005)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "BUSY_MS", 1)
    monkeypatch.setattr(writer, "RETRY_S", 0.01)
    monkeypatch.setattr(writer, "PAUSE_S", 3600.0)


@contextmanager
def at_work(path: Path) -> Iterator[Watched]:
    """A writer that has stored the first trace."""
    made = Watched(path)
    made.start()
    made.put(TRACES[0])
    assert made.flush(30)
    yield made
    made.close(30)


@pytest.fixture
def running(path: Path) -> Iterator[Watched]:
    with at_work(path) as made:
        yield made


@pytest.fixture
def locked(path: Path, running: Watched) -> Iterator[sqlite3.Connection]:
    """Another program is writing."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def stored(path: Path) -> list[str]:
    reader = Reader(path)
    try:
        for row in reader.rows():
            assert reader.trace(row.id) in TRACES
        return sorted(row.id for row in reader.rows())
    finally:
        reader.close()


def ids(count: int) -> list[str]:
    return [trace.uid for trace in TRACES[:count]]


def test_a_lock_is_waited_for(path: Path, running: Watched, locked: sqlite3.Connection) -> None:
    for trace in TRACES[1:]:
        running.put(trace)
    assert not running.flush(0.2)
    assert "Another process has been writing for long" in running.trouble
    locked.execute("ROLLBACK")
    assert running.flush(30)
    assert stored(path) == ids(12)
    assert (running.trouble, running.troubles[-1], running.sentences) == ("", "", [])


def test_too_much_to_wait_in_memory_waits_in_a_file(
    path: Path, running: Watched, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST", 3000)
    for trace in TRACES[1:]:
        running.put(trace)
    running.until(spill.waiting_file(path).exists)
    locked.execute("ROLLBACK")
    running.put(replace(TRACES[0], uid="one more"))
    assert running.flush(30)
    assert {*ids(12)} < {row.id for row in Reader(path).rows()}
    assert not spill.waiting_file(path).exists()
    assert verify(path) == [] and running.sentences == []


def test_what_waits_when_the_program_ends_is_taken_by_the_next(
    path: Path, running: Watched, locked: sqlite3.Connection
) -> None:
    for trace in TRACES[1:]:
        running.put(trace)
    assert running.close(30)
    assert running.sentences == []
    waiting = spill.waiting_file(path)
    assert list(archive.read(waiting.read_bytes().splitlines(keepends=True))) == TRACES[1:]
    locked.execute("ROLLBACK")
    again = Watched(path)
    again.start()
    assert again.flush(30) and again.close(30)
    assert stored(path) == ids(12)
    assert not waiting.exists()


def test_a_torn_line_that_waits_is_left_out(path: Path) -> None:
    path.parent.mkdir()
    for trace in TRACES[:2]:
        spill.put_aside(spill.waiting_file(path), trace, "for the test")
    with spill.waiting_file(path).open("ab") as file:
        file.write(b'{"uid": "torn", "bod')
    made = Watched(path)
    made.start()
    assert made.flush(30) and made.close(30)
    assert stored(path) == ids(2)


def test_a_full_disk_is_waited_for(path: Path, running: Watched) -> None:
    """SQLite says the same of a database that may not grow."""
    connection = running._ground.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for n, trace in enumerate(generated.recorded(seed=9, turns=8)):
        running.put(replace(trace, uid=f"full-{n}"))
    running.until(lambda: "Free some space on its disk" in running.trouble)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert running.flush(30)
    assert Reader(path).count() == 9
    assert running.troubles[-1] == "" and running.sentences == []
    assert verify(path) == []


def test_a_file_that_is_read_only_for_now_is_waited_for(path: Path, running: Watched) -> None:
    connection = running._ground.connection
    connection.execute("PRAGMA query_only = ON")
    running.put(TRACES[1])
    running.until(lambda: "writable" in running.trouble)
    connection.execute("PRAGMA query_only = OFF")
    assert running.flush(30)
    assert stored(path) == ids(2)


def test_a_deleted_file_is_noticed_and_made_anew(path: Path, running: Watched) -> None:
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    running.put(TRACES[1])
    assert running.flush(30)
    assert "was deleted or moved while ccr-tui ran" in running.sentences[0]
    assert stored(path) == ["t01"]
    assert verify(path) == []


def test_what_runs_is_known_after_a_kill_although_the_whole_folder_was_deleted(path: Path, running: Watched) -> None:
    running.begin(Flight("before", 1.0, "m"))
    shutil.rmtree(path.parent)
    running.put(TRACES[1])
    assert running.flush(30)
    running.begin(Flight("after", 2.0, "m"))
    (file,) = path.parent.glob("*.running-*")
    assert [loads(line)[0] for line in file.read_bytes().splitlines()] == ["before", "after"]


def test_a_file_deleted_without_its_log_is_made_anew(path: Path, running: Watched) -> None:
    path.unlink()
    for trace in TRACES[1:]:
        running.put(trace)
    assert running.flush(30)
    assert stored(path) == ids(12)[1:]
    assert verify(path) == []


def test_a_file_that_another_takes_the_place_of_is_used(path: Path, running: Watched, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    archive.take_in(other, [TRACES[5]])
    path.rename(tmp_path / "moved.db")
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink()
    other.rename(path)
    running.put(TRACES[6])
    assert running.flush(30)
    assert stored(path) == ["t05", "t06"]


def test_a_reader_follows_to_the_new_file(path: Path, running: Watched, reader: Reader) -> None:
    assert reader.count() == 1
    path.unlink()
    for trace in TRACES[3:6]:
        running.put(trace)
    assert running.flush(30)
    assert sorted(row.id for row in reader.rows()) == ["t03", "t04", "t05"]
    assert reader.trace("t04") == TRACES[4]


OTHER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO calibration (key, ratio, n, error, at) VALUES ('x', 1.0, 1, 0.0, 0.0)")
db.execute("COMMIT")
db.close()
"""
"""Another program that writes, and closes the file: the last one to do so deletes the log."""


@pytest.mark.parametrize("opening", [schema.writable, schema.readable], ids=["to write", "to read"])
def test_opening_the_file_a_second_time_gives_no_lock_away(
    path: Path, running: Watched, opening: Callable[[Path], sqlite3.Connection]
) -> None:
    opening(path).close()
    log = Path(f"{path}-wal").stat().st_ino
    subprocess.run([sys.executable, "-c", OTHER, path], check=True)
    assert Path(f"{path}-wal").stat().st_ino == log
    running.put(TRACES[1])
    assert running.flush(30)
    assert (stored(path), running.sentences) == (["t00", "t01"], [])


def test_a_log_that_is_deleted_costs_nothing_that_comes_later(path: Path, running: Watched, reader: Reader) -> None:
    assert reader.count() == 1
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink()
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    assert (stored(path), reader.count()) == (ids(4), 4)
    assert "-wal was deleted while ccr-tui ran" in running.sentences[0]


def damage_pages(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def damage_head(path: Path) -> None:
    path.write_bytes(b"\0" * 8192)


def damage_all(path: Path) -> None:
    path.write_bytes(b"something else " * 1000)


def random_definitions(path: Path) -> None:
    """SQLite quotes a table's name in what it says, which Python can't decode."""
    carried_over(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"CREATE TABLE")
    data[at - 12 : at + 40] = b"\xf9" * 52
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_pages, damage_head, damage_all, random_definitions])
def test_a_damaged_file_is_moved_aside_at_the_start(path: Path, damage: Callable[[Path], None]) -> None:
    archive.take_in(path, TRACES[:3])
    damage(path)
    broken = path.read_bytes()
    made = Watched(path)
    made.start()
    made.put(TRACES[5])
    assert made.flush(30) and made.close(30)
    assert stored(path) == ["t05"]
    (kept,) = (file for file in path.parent.iterdir() if ".damaged-" in file.name and file.suffix not in (".db-shm",))
    assert kept.read_bytes() == broken
    assert str(kept) in made.sentences[0] and "a new one has been begun" in made.sentences[0]


def test_a_file_damaged_while_it_runs_is_moved_aside(path: Path, running: Watched) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    damage_pages(path)
    for trace in TRACES[4:]:
        running.put(trace)
    assert running.flush(30)
    assert any("was damaged" in sentence for sentence in running.sentences)
    assert set(ids(12)[4:]) <= set(stored(path))
    assert verify(path) == []


def test_what_cannot_be_looked_through_for_keys_is_lost_aloud_and_the_rest_goes_on(path: Path, reader: Reader) -> None:
    sentences: list[str] = []
    made = Writer(path, None, sentences.append, lambda: ["s3cret-of-mine"])
    made.start()
    made.put(replace(TRACES[0], reply=object()))
    made.put(TRACES[1])
    assert made.flush(30) and made.close(30)
    assert [row.id for row in reader.rows()] == ["t01"]
    assert "could not be looked through for keys" in sentences[0] and "it is lost" in sentences[0]


# -- something else writes into the file while it is open


def older(path: Path, tmp_path: Path) -> Path:
    """A whole database, of fewer requests: a backup."""
    made = tmp_path / "older.db"
    archive.take_in(made, TRACES[8:10])
    with closing(sqlite3.connect(made)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return made


def carried_over(path: Path) -> None:
    """What stands in the log stands in the file, too."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0


LATE = ["t04", "t05", "t06"]
"""What stands in the log alone then."""


def half_carried_over(path: Path, running: Watched) -> None:
    """Of seven requests four stand in the file, all in the log."""
    for traces in (TRACES[1:4], TRACES[4:7]):
        for trace in traces:
            running.put(trace)
        assert running.flush(30)
        if trace is TRACES[3]:
            carried_over(path)


def random_middle(path: Path) -> None:
    carried_over(path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(random.Random(1).randbytes(size // 2))


def emptied(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(0)


def cut_in_half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def emptied_and_its_log_deleted(path: Path) -> None:
    """As SQLite does, whoever opens the empty file with it."""
    emptied(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    assert not Path(f"{path}-wal").exists()


@pytest.mark.parametrize(
    "damage", [random_middle, random_definitions, emptied, emptied_and_its_log_deleted, cut_in_half]
)
def test_what_is_written_into_the_file_is_noticed_before_the_next_request_is_lost_in_it(
    path: Path, running: Watched, reader: Reader, damage: Callable[[Path], None]
) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30) and reader.count() == 4
    damage(path)
    if damage is emptied:
        with closing(Reader(path)) as other, pytest.raises(StoreError, match="something has emptied it"):
            other.count()
    for trace in TRACES[4:]:
        running.put(trace)
        assert running.flush(30)
    assert "was damaged" in running.sentences[0] and len(running.sentences) == 1
    assert stored(path) == ids(12) and verify(path) == [], "of late, so that it was remembered"
    assert reader.count() == 12
    assert any(".damaged-" in file.name for file in path.parent.iterdir())


def test_pages_that_cannot_be_read_now_are_no_damage() -> None:
    """The disk has a bad minute, and SQLite's check tells of it as of damage."""
    unread = "*** in database main ***\nTree 24 page 100: unable to get the page. error code=266"
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE said (line)")
        db.execute("INSERT INTO said VALUES (?)", (unread,))
        with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
            list(soundness.said(db.execute("SELECT line FROM said")))
        assert list(soundness.said(db.execute("SELECT replace(line, '266', '11') FROM said"))) == [
            " ".join(unread.replace("266", "11").split())
        ]


@pytest.mark.parametrize("times", [1, 2])
def test_what_sqlite_calls_damaged_is_looked_at_before_it_is_moved_aside(
    path: Path, running: Watched, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """It says so also where a page could not be read; and twice of what no look finds, such as a broken index."""
    add_all, broken = Insertion.add_all, [sqlite3.DatabaseError("database disk image is malformed")] * times

    def add(self: Insertion, made: Sequence[Ready]) -> int:
        if broken:
            raise broken.pop()
        return add_all(self, made)

    monkeypatch.setattr(Insertion, "add_all", add)
    for trace in TRACES[1:3]:
        running.put(trace)
        assert running.flush(30)
    assert stored(path) == ids(3) and verify(path) == []
    assert ["was damaged" in said for said in running.sentences] == [True] * (times - 1)


def test_what_is_remembered_outlives_a_new_file_that_cannot_be_opened_at_once(
    path: Path, running: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk has a bad minute: the file was moved aside, and what takes its place can't be read yet."""
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    make, refused = schema.writable, [sqlite3.OperationalError("disk I/O error")] * 3

    def writable(path: Path) -> sqlite3.Connection:
        if refused:
            raise schema.trouble(path, refused.pop())
        return make(path)

    monkeypatch.setattr(schema, "writable", writable)
    random_middle(path)
    running.put(TRACES[4])
    running.until(lambda: not refused)
    assert running.flush(30)
    assert stored(path) == ids(5) and verify(path) == []
    assert "was damaged" in running.sentences[0] and len(running.sentences) == 1


def test_a_new_file_that_is_damaged_at_once_is_moved_aside_too(
    path: Path, running: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30)
    make, harms = schema.writable, [True] * 2

    def writable(path: Path) -> sqlite3.Connection:
        made = make(path)
        if harms:
            harms.pop()
            carried_over(path)
            cut_in_half(path)
            made.execute("SELECT count(*) FROM said").fetchall()
        return made

    def watched(path: Path) -> sqlite3.Connection:
        try:
            return writable(path)
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error

    monkeypatch.setattr(schema, "writable", watched)
    random_middle(path)
    running.put(TRACES[4])
    assert running.flush(30)
    assert not harms
    assert stored(path) == ids(5) and verify(path) == []


@pytest.mark.parametrize("is_log_empty", [True, False], ids=["its log carried over", "with a log beside it"])
def test_a_backup_copied_over_the_open_file_is_gone_on_with(
    path: Path, running: Watched, reader: Reader, tmp_path: Path, is_log_empty: bool
) -> None:
    half_carried_over(path, running)
    assert reader.count() == 7
    if is_log_empty:
        carried_over(path)
    path.write_bytes(older(path, tmp_path).read_bytes())
    for trace in TRACES[10:]:
        running.put(trace)
        assert running.flush(30)
    assert "was overwritten while ccr-tui ran" in running.sentences[0] and len(running.sentences) == 1
    assert stored(path) == [*LATE, "t08", "t09", "t10", "t11"] and verify(path) == []
    assert reader.count() == 7 and reader.trace("t08") == TRACES[8]


def test_an_end_carries_no_log_over_into_a_file_that_was_overwritten(
    path: Path, running: Watched, tmp_path: Path
) -> None:
    half_carried_over(path, running)
    path.write_bytes(older(path, tmp_path).read_bytes())
    assert running.close(30)
    assert stored(path) == [*LATE, "t08", "t09"] and verify(path) == []
    assert "was overwritten while ccr-tui ran" in running.sentences[0]


def another_takes_in(path: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", OTHER, path], check=True)


def another_carries_over(path: Path, tmp_path: Path) -> None:
    carried_over(path)


def another_prunes(path: Path, tmp_path: Path) -> None:
    prune(path, Wish(before=2e10))


def a_newer_one_brings_it_up_to_date(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    carried_over(path)


def somebody_touches_it(path: Path, tmp_path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def the_same_is_copied_over(path: Path, tmp_path: Path) -> None:
    carried_over(path)
    path.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    "deed",
    [
        another_takes_in,
        another_carries_over,
        another_prunes,
        a_newer_one_brings_it_up_to_date,
        somebody_touches_it,
        the_same_is_copied_over,
    ],
)
def test_what_others_may_do_is_no_damage(
    path: Path, running: Watched, reader: Reader, tmp_path: Path, deed: Callable[[Path, Path], None]
) -> None:
    for trace in TRACES[1:4]:
        running.put(trace)
    assert running.flush(30) and reader.count() == 4
    place = standing.place(path)
    deed(path, tmp_path)
    before = reader.count()
    running.put(TRACES[5])
    assert running.flush(30)
    assert (running.sentences, standing.place(path)) == ([], place)
    assert reader.count() == before + 1
    assert deed is a_newer_one_brings_it_up_to_date or verify(path) == []


def test_a_look_at_a_large_file_is_followed_by_none_for_a_while(
    path: Path, running: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program that imports carries its log over again and again."""
    monkeypatch.setattr(ground, "QUICK_S", 0.0)
    running._ground._not_before = time.monotonic() + 1000
    os.utime(path, (1.0, 1.0))
    running.put(TRACES[1])
    assert running.flush(30) and running._ground.wrong() is None
    running._ground._not_before = 0.0
    assert running._ground.wrong() is None and running._ground._not_before > time.monotonic()
    assert stored(path) == ids(2)


def test_nothing_that_was_moved_aside_is_moved_over(path: Path) -> None:
    archive.take_in(path, TRACES[:1])
    first = ground.set_aside(path)
    archive.take_in(path, TRACES[1:2])
    assert ground.set_aside(path) != first
    assert len([file for file in path.parent.iterdir() if ".damaged-" in file.name]) == 2


# -- killed


def test_what_ran_when_the_program_was_killed_is_told_at_the_next_start(path: Path, begun: Begun) -> None:
    for trace in TRACES[:3]:
        begun.begin(flight(trace))
    begun.end(TRACES[1])
    archive.take_in(path, TRACES[2:3])
    killed(begun)
    made = Watched(path)
    made.start()
    assert made.flush(30) and made.close(30)
    reader = Reader(path)
    interrupted, answered = reader.row("t00"), reader.row("t01")
    whole = TRACES[1]
    assert (interrupted.outcome, interrupted.status, interrupted.error) == ("error", 0, KILLED)
    assert (interrupted.session, interrupted.asked_model) == (TRACES[0].session, TRACES[0].asked_model)
    assert (answered.outcome, answered.status, answered.error) == (whole.outcome, whole.status, CUT_OFF)
    assert whole.answer and answered.cost == whole.answer.cost and answered.output_tokens == whole.answer.usage.output  # type: ignore[union-attr]
    assert reader.trace("t02") == TRACES[2]
    reader.close()
    assert verify(path) == []
    assert not list(path.parent.glob("*.running-*"))


def test_that_a_request_has_ended_is_noted_while_others_are_waited_for(
    path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that come close together are stored together; killed before that, each still has its tokens and costs."""
    monkeypatch.setattr(waiting_room, "GATHER_S", 60.0)
    one = Watched(path)
    one.start()
    for trace in TRACES[:3]:
        one.begin(flight(trace))
    one.put(TRACES[0])
    assert one.flush(30)  # from here on traffic is dense
    for trace in TRACES[1:3]:
        one.put(trace)
    one.until(lambda: len(ended(path)) == 3)
    assert reader.count() == 1
    assert one.close(30) and reader.count() == 3


def ended(path: Path) -> list[str]:
    """Whose end stands in the file that tells what runs."""
    (journal,) = path.parent.glob("*.running-*")
    told = [loads(line) for line in journal.read_bytes().splitlines()]
    return [uid for uid, outcome, *_ in told if outcome in ("ok", "error", "cancelled")]


def test_what_runs_elsewhere_is_left_alone(path: Path, begun: Begun) -> None:
    begun.begin(flight(TRACES[0]))
    assert list(leftovers(path)) == []
    made = Watched(path)
    made.start()
    assert made.close(30)
    assert begun.path.exists() and Reader(path).count() == 0


def test_a_torn_line_of_the_journal_is_left_out(path: Path, begun: Begun) -> None:
    begun.begin(flight(TRACES[0]))
    os.write(begun._fd, b'["torn", 1')
    killed(begun)
    (left,) = leftovers(path)
    assert [trace.uid for trace in left.traces] == ["t00"]


def test_the_journal_stays_small(path: Path, begun: Begun) -> None:
    begun.begin(flight(replace(TRACES[0], uid="always")))
    for n in range(6000):
        trace = replace(TRACES[0], uid=f"r{n}")
        begun.begin(flight(trace))
        begun.end(trace)
        begun.kept([trace.uid])
    assert begun.path.stat().st_size < 600_000
    killed(begun)
    (left,) = leftovers(path)
    assert left.traces[0].uid == "always"


def test_a_writer_that_ends_leaves_no_journal(path: Path, running: Watched) -> None:
    running.begin(flight(TRACES[1]))
    assert len(list(path.parent.glob("*.running-*"))) == 1
    running.put(TRACES[1])
    assert running.close(30)
    assert not list(path.parent.glob("*.running-*"))


def test_times_that_go_back_leave_the_order(path: Path, running: Watched, reader: Reader) -> None:
    """The clock was set: what came later stays later, and everything adds up."""
    for n, trace in enumerate(TRACES[1:6]):
        running.put(replace(trace, started_at=trace.started_at - 86_400.0 * n * (-1) ** n))
    assert running.flush(30)
    assert [row.id for row in reader.rows()] == ids(6)[::-1]
    assert [row.id for row in reader.rows(before=reader.rows()[2].n)] == ids(3)[::-1]
    assert sum(row.requests for row in reader.spend("day")) == 6
    assert verify(path) == []


def test_what_another_program_lets_wait_meanwhile_is_not_removed(path: Path) -> None:
    path.parent.mkdir()
    file = spill.waiting_file(path)
    spill.put_aside(file, TRACES[0], "for the test")
    waiting = spill.Waiting(path)
    assert list(waiting) == [TRACES[0]]
    spill.put_aside(file, TRACES[1], "for the test")
    assert not waiting.is_over() and list(waiting) == [TRACES[1]]
    assert waiting.is_over() and not file.exists()


def test_a_line_that_is_being_written_is_read_when_it_is_whole(path: Path) -> None:
    path.parent.mkdir()
    file = spill.waiting_file(path)
    for trace in TRACES[:2]:
        spill.put_aside(file, trace, "for the test")
    whole = file.read_bytes()
    file.write_bytes(whole[:-50])
    waiting = spill.Waiting(path)
    assert list(waiting) == [TRACES[0]]
    with file.open("ab") as other:
        other.write(whole[-50:])
    assert not waiting.is_over() and list(waiting) == [TRACES[1]] and waiting.is_over()


def times_open(file: Path) -> int:
    """How many of this program's descriptors are of that file."""
    about, found = file.stat(), 0
    for descriptor in (int(one.name) for one in Path("/dev/fd").iterdir()):
        with suppress(OSError):
            found += os.path.samestat(about, os.fstat(descriptor))
    return found


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be removed there")
def test_a_trace_never_goes_into_a_file_that_was_just_removed(path: Path, running: Watched) -> None:
    file = spill.waiting_file(path)
    spill.put_aside(file, TRACES[0], "for the test")
    with file.open("rb") as held:
        ownfiles.lock(held.fileno())
        other = threading.Thread(target=spill.put_aside, args=(file, TRACES[1], "for the test"))
        other.start()
        running.until(lambda: times_open(file) == 2)  # from here on it can only wait for the lock
        file.unlink()
    other.join()
    with closing(spill.Waiting(path)) as waiting:
        assert list(waiting) == [TRACES[1]]


def test_a_line_behind_a_torn_one_is_whole(path: Path) -> None:
    path.parent.mkdir()
    file = spill.waiting_file(path)
    spill.put_aside(file, TRACES[0], "for the test")
    with file.open("ab") as other:
        other.write(b'{"uid": "torn", "bod')
    spill.put_aside(file, TRACES[1], "for the test")
    with closing(spill.Waiting(path)) as waiting:
        assert list(waiting) == TRACES[:2]
