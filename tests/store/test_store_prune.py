"""What is removed is gone, what is shared stays, what was spent is not forgotten, and everything adds up."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui.errors import StoreError
from ccr_tui.records import Trace
from ccr_tui.store import archive, schema
from ccr_tui.store.mentions import path_of
from ccr_tui.store.prune import FRESH_S, Progress, Wish, plan, prune, size
from ccr_tui.store.queries import Reader
from ccr_tui.store.removal import remove
from ccr_tui.store.verify import verify
from ccr_tui.store.writer import Writer

Keep = Callable[[Iterable[Trace]], None]
DAY = 86400.0


def lived(seed: int, turns: int, session: str, at: float) -> list[Trace]:
    """A session whose requests are an hour apart."""
    return [
        replace(one, uid=f"{session}-{n}", session=session, started_at=at + 3600.0 * n)
        for n, one in enumerate(generated.recorded(seed=seed, turns=turns))
    ]


OLD, NEW = generated.STARTED, generated.STARTED + 40 * DAY
BOTH = [*lived(1, 8, "old", OLD), *lived(2, 6, "new", NEW)]
LONG = lived(3, 30, "long", OLD)


def spent(reader: Reader) -> object:
    return [replace(row) for row in reader.spend("model")], reader.spend("session"), reader.spend("day")


def execute(path: Path, statement: str) -> None:
    db = schema.writable(path)
    db.execute(statement)
    db.close()


def test_by_age_the_old_ones_go_and_the_spending_stays(path: Path, keep: Keep, reader: Reader) -> None:
    keep(BOTH)
    before = spent(reader)
    told: list[Progress] = []
    done = prune(path, Wish(before=NEW), told.append)
    assert (done.requests, done.is_complete) == (8, True)
    assert {row.session for row in reader.rows()} == {"new"}
    assert spent(reader) == before
    assert verify(path) == []
    removing = [each.done for each in told if each.phase == "removing"]  # more of them where the machine is busy
    assert removing[-1] == 1.0 and removing == sorted(removing)
    assert [each.phase for each in told][-1] == "done"
    for trace in BOTH[8:]:
        assert reader.trace(trace.uid) == trace


def test_space_is_given_back(path: Path, keep: Keep) -> None:
    keep([*BOTH, *LONG])
    before = size(path)
    done = prune(path, Wish(before=NEW))
    assert done.before == before and done.after == size(path)
    assert done.freed > 0 and done.after.free < 8 * 4096
    assert done.after.disk < before.disk * 0.8


def test_the_log_is_no_part_of_what_is_taken_and_given_back(path: Path, keep: Keep) -> None:
    keep([*BOTH, *LONG])
    reader = sqlite3.connect(path)  # keeps the log from being emptied as the last one closes
    reader.execute("SELECT count(*) FROM trace").fetchone()
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_autocheckpoint = 0")
    for n in range(40):
        other.execute("UPDATE session SET title = ?", (f"{n}" * 4000,))
        other.commit()
    before = size(path)
    assert before.log > before.database == before.used + before.free
    assert before.disk >= before.log + path.stat().st_size
    done = prune(path, Wish(before=0.0))
    assert done.requests == 0 and done.freed <= before.free < before.log
    reader.close()
    other.close()
    assert prune(path, Wish(before=NEW)).freed <= before.database


def test_an_older_file_is_written_anew(path: Path, keep: Keep) -> None:
    keep(LONG)
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = DELETE")
    db.execute("PRAGMA auto_vacuum = NONE")
    db.execute("VACUUM")
    db.close()
    before = size(path)
    assert prune(path, Wish(before=NEW)).after.disk < before.disk * 0.7
    assert verify(path) == []


def test_what_later_requests_share_stays(path: Path, keep: Keep, reader: Reader) -> None:
    keep(LONG)
    held = count(path, "chunk")
    prune(path, Wish(before=OLD + 10 * 3600))
    assert [row.id for row in reader.rows()] == [f"long-{n}" for n in range(29, 9, -1)]
    for trace in LONG[10:]:
        assert reader.trace(trace.uid) == trace
    assert count(path, "chunk") > held * 0.6, "the conversation goes on, so what was said early is still sent"
    assert verify(path) == []


def count(path: Path, table: str) -> int:
    db = schema.readable(path)
    try:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        db.close()


def test_words_are_found_where_they_still_are(path: Path, keep: Keep, reader: Reader) -> None:
    asked = {"messages": [{"role": "user", "content": "the walrus and the carpenter"}], "model": "m", "max_tokens": 1}
    other = {**asked, "messages": [{"role": "user", "content": "only a pangolin"}]}
    traces = [
        generated.trace("a", asked, session="one", started_at=OLD),
        generated.trace("b", other, session="one", started_at=OLD + 1),
        generated.trace("c", asked, session="two", started_at=NEW),
    ]
    keep(traces)
    prune(path, Wish(session="one"))
    assert [row.id for row in reader.search("walrus")] == ["c"]
    assert reader.search("pangolin") == []
    assert verify(path) == []
    keep([generated.trace("d", other, session="three", started_at=NEW)])
    assert [row.id for row in reader.search("pangolin")] == ["d"], "said anew, it is found anew"


def test_a_request_that_comes_back_is_not_counted_twice(path: Path, keep: Keep, reader: Reader) -> None:
    keep(BOTH)
    before = spent(reader)
    prune(path, Wish(before=NEW))
    assert archive.take_in(path, BOTH) == (8, 6)
    assert spent(reader) == before
    assert verify(path) == []
    assert reader.trace("old-3") == BOTH[3]
    prune(path, Wish(before=NEW))
    assert (spent(reader), verify(path)) == (before, [])


@pytest.mark.parametrize(
    "spare",
    [
        "UPDATE session SET pinned = 1 WHERE uid = 'old'",
        "INSERT INTO mark SELECT n, 1, NULL, 0 FROM trace WHERE uid LIKE 'old-%'",
        "INSERT INTO mark SELECT n, 0, 'look at this', 0 FROM trace WHERE uid LIKE 'old-%'",
    ],
    ids=["pinned", "bookmarked", "noted"],
)
def test_what_somebody_wants_to_keep_stays(path: Path, keep: Keep, reader: Reader, spare: str) -> None:
    keep(BOTH)
    execute(path, spare)
    for wish in (Wish(before=NEW), Wish(larger_than=0), Wish(before=NEW, larger_than=0)):
        found = plan(path, wish)
        assert found.spared == 8
        assert prune(path, wish).requests == found.requests
    assert {row.session for row in reader.rows()} == {"old"}
    assert verify(path) == []


def test_a_pinned_session_is_not_removed_by_name(path: Path, keep: Keep) -> None:
    keep(BOTH)
    execute(path, "UPDATE session SET pinned = 1 WHERE uid = 'old'")
    with pytest.raises(StoreError, match="is pinned; `ccr-tui sessions unpin old` lets it go"):
        prune(path, Wish(session="old"))
    with pytest.raises(StoreError, match="there is no session 'none'"):
        plan(path, Wish(session="none"))


def test_by_size_the_oldest_go_until_it_fits(path: Path, keep: Keep, reader: Reader) -> None:
    keep([*LONG, *BOTH[8:]])
    limit = size(path).used - 30_000
    done = prune(path, Wish(larger_than=limit))
    assert done.after.used <= limit
    left = {row.id for row in reader.rows()}
    assert {trace.uid for trace in BOTH[8:]} <= left
    assert verify(path) == []


def test_what_is_young_stays_however_large(path: Path, keep: Keep, reader: Reader) -> None:
    import time

    keep([replace(trace, started_at=time.time() - FRESH_S / 2) for trace in BOTH])
    assert prune(path, Wish(larger_than=0)).requests == 0


def test_a_forecast_changes_nothing_and_is_near(path: Path, keep: Keep, reader: Reader) -> None:
    keep([*BOTH, *LONG])
    before = path.read_bytes(), size(path)
    found = plan(path, Wish(before=NEW))
    assert (path.read_bytes(), size(path)) == before
    assert (found.requests, found.sessions, found.spared) == (38, 2, 0)
    assert found.cost == sum(row.cost for row in reader.spend("session") if row.key != "new")
    done = prune(path, Wish(before=NEW))
    assert done.requests == found.requests
    assert 0.5 < found.bytes / (done.before.used - done.after.used) < 2


def test_nothing_wished_is_nothing_done(path: Path, keep: Keep) -> None:
    assert prune(path, Wish(before=NEW)).requests == 0
    assert not path.exists(), "looking makes no file"
    keep(BOTH)
    assert prune(path, Wish()).requests == 0


def test_it_stops_when_told_and_goes_on_the_next_time(path: Path, keep: Keep, reader: Reader) -> None:
    keep(LONG)
    stop = threading.Event()
    execute(path, "PRAGMA user_version")

    def one(progress: Progress) -> None:
        stop.set()

    done = prune(path, Wish(before=NEW), one, stop)
    assert not done.is_complete and 0 < done.requests <= 30
    assert verify(path) == []
    assert prune(path, Wish(before=NEW)).requests == 30 - done.requests
    assert reader.count() == 0


def test_traffic_goes_on_meanwhile(path: Path, keep: Keep, reader: Reader) -> None:
    """The writer remembers what is in the database; what is taken away under it is written again."""
    keep([*LONG, *BOTH[:8]])
    commits: list[int] = []
    rejected: list[str] = []
    writer = Writer(path, commits.append, rejected.append)
    writer.start()
    again = iter([replace(trace, uid=f"again-{n}", started_at=NEW) for n, trace in enumerate(LONG)])

    def go_on(_: Progress) -> None:
        for trace in [next(again, None) for _ in range(8)]:
            if trace:
                writer.put(trace)

    prune(path, Wish(before=NEW), go_on)
    for trace in again:
        writer.put(trace)
    assert writer.close(30) and not rejected
    assert verify(path) == []
    assert reader.count() == 30


def test_a_reader_that_remembers_chunks_is_not_fooled(path: Path, keep: Keep, reader: Reader) -> None:
    """The last chunk's number is not given to another."""
    keep(BOTH[:8])
    for trace in BOTH[:8]:
        reader.trace(trace.uid)
    prune(path, Wish(before=NEW))
    keep(LONG)
    for trace in LONG:
        assert reader.trace(trace.uid) == trace
    assert verify(path) == []


def test_an_empty_database_keeps_nothing_of_what_was_said(path: Path, keep: Keep) -> None:
    keep(BOTH)
    prune(path, Wish(before=NEW + 40 * DAY))
    assert [count(path, table) for table in ("trace", "attempt", "record", "stream", "body", "node", "again")] == [
        0
    ] * 7
    assert count(path, "chunk") <= 1 and count(path, "said_docsize") == 0
    assert b"Working directory" not in path.read_bytes()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sessions that begin alike, and some that say the same."""
    path = tmp_path_factory.mktemp("shared") / "ccr.db"
    twins = [replace(one, uid=f"twin-{n}", session="twin") for n, one in enumerate(generated.recorded(1, 8))]
    archive.take_in(path, [*BOTH, *twins, generated.failed()])
    yield path


def lost(db: sqlite3.Connection) -> list[object]:
    """What is said in a request that is here, and is not found in its session; and what is found in one that does not
    say it."""
    indexed = {id for (id,) in db.execute("SELECT id FROM said_docsize")}
    says: dict[int, set[int]] = {}
    sessions: dict[int, int] = {}
    for n, session, *bodies in db.execute("SELECT n, ifnull(session_id, 0), request_id, reply_id FROM trace"):
        says[n] = {chunk for body in bodies for _, chunk in path_of(db, body)}
        sessions[n] = session
    named = db.execute("SELECT id, trace FROM chunk UNION ALL SELECT chunk, trace FROM again").fetchall()
    found = {(sessions[n], chunk) for chunk, n in named if n in sessions and chunk in indexed}
    wrong = [(chunk, n) for chunk, n in named if chunk in indexed and chunk not in says.get(n, ())]
    return [*({(sessions[n], chunk) for n, held in says.items() for chunk in held} - found), *wrong]


def test_what_is_said_again_late_in_a_long_session_is_still_found(path: Path) -> None:
    """The request goes that said it first there, from between others that stay."""
    other = generated.trace("other", {"messages": [{"role": "user", "content": "a word"}]}, session="other")
    talk = [{"role": "user", "content": f"turn {n}"} for n in range(61)]
    talk[50] = other.body["messages"][0]
    long = [generated.trace(f"t{n}", {"messages": talk[: n + 1]}, session="long") for n in range(61)]
    first = generated.trace("first", {"messages": [talk[0], talk[50]]}, session="long")
    archive.take_in(path, [other, *long[:50], first, *others(60), long[60]])
    db = schema.writable(path)
    assert lost(db) == []
    (n,) = db.execute("SELECT n FROM trace WHERE uid = 'first'").fetchone()
    db.execute("BEGIN IMMEDIATE")
    remove(db, [n])
    db.execute("COMMIT")
    assert lost(db) == []
    db.close()


def others(count: int) -> list[Trace]:
    """Of the same session, about something else."""
    body = {"messages": [{"role": "user", "content": "else"}]}
    return [generated.trace(f"o{n}", body, session="long", started_at=NEW) for n in range(count)]


@settings(max_examples=15)
@given(chosen=st.sets(st.integers(1, 23)), step=st.integers(1, 6))
def test_whatever_goes_the_rest_is_whole(shared: Path, chosen: set[int], step: int) -> None:
    db, numbers = schema.writable(shared), sorted(chosen)
    copy = shared.with_name("copy.db")
    db.execute("VACUUM INTO ?", (str(copy),))
    db.close()
    try:
        before = Reader(copy)
        kept = {row.id: before.trace(row.id) for row in before.rows() if row.n not in chosen}
        sums = spent(before)
        before.close()
        db = schema.writable(copy)
        for at in range(0, len(numbers), step):
            db.execute("BEGIN IMMEDIATE")
            remove(db, numbers[at : at + step])
            db.execute("COMMIT")
        assert not db.execute("SELECT 1 FROM chunk WHERE trace NOT IN (SELECT n FROM trace) AND trace").fetchall()
        assert not db.execute("SELECT 1 FROM again WHERE trace NOT IN (SELECT n FROM trace)").fetchall()
        assert lost(db) == []
        db.close()
        after = Reader(copy)
        assert {row.id: after.trace(row.id) for row in after.rows()} == kept
        assert spent(after) == sums
        after.close()
        assert verify(copy) == []
    finally:
        for file in shared.parent.glob("copy.db*"):
            file.unlink()
