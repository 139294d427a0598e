"""The notes of what runs: what is in them at any moment, and what is read of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from killing import flight, killed

from ccr_tui.records import Attempt, Price, Usage
from ccr_tui.store import begun as notes
from ccr_tui.store.begun import Begun, leftovers

TRACES = [replace(one, uid=f"t{n:02d}") for n, one in enumerate(generated.recorded(seed=6, turns=12))]
USAGE = Usage(1, 2, 3, 4, 5, "mixed", 6)
PRICE = Price(1, 2, 3, None, "2026-11-01", "a list", "user", 4)
ANSWER = Attempt(1, "answer", "p", "m", None, 1.5, 3, 4, 200, "end_turn", USAGE, PRICE, 7, "user")
ENDS = {
    "nobody was asked": (),
    "answered and paid for": (ANSWER,),
    "without tokens": (replace(ANSWER, usage=None, price=None, cost=None, cost_basis="unknown"),),
    "asked twice": (replace(ANSWER, status=529, usage=None), replace(ANSWER, n=2)),
    "half a character": (replace(ANSWER, model="m\udc80"),),
}


@pytest.mark.parametrize("attempts", ENDS.values(), ids=ENDS)
def test_how_a_request_ended_is_read_as_it_was_noted(path: Path, begun: Begun, attempts: tuple[Attempt, ...]) -> None:
    ended = replace(TRACES[0], attempts=attempts, outcome="cancelled", status=499, agent_id="a", ttft_ms=None)
    begun.begin(flight(ended))
    begun.end(ended)
    killed(begun)
    (left,) = leftovers(path)
    (told,) = left.traces
    assert told.attempts == attempts
    for name in ("uid", "session", "project", "kind", "asked_model", "outcome", "status", "agent_id", "duration_ms"):
        assert getattr(told, name) == getattr(ended, name)
    assert told.failure and told.failure.message == notes.CUT_OFF


def test_what_runs_stands_in_a_file_at_every_moment(path: Path, begun: Begun) -> None:
    """Also while the file is written anew with what still counts: whoever kills us then leaves one that has it."""
    begun.begin(flight(replace(TRACES[0], uid="always")))
    lacking, is_over = [], threading.Event()

    def look() -> None:
        while not is_over.is_set():
            if b"always" not in begun.path.read_bytes():
                lacking.append(begun.path)

    watcher = threading.Thread(target=look)
    watcher.start()
    for n in range(6000):
        trace = replace(TRACES[0], uid=f"r{n}")
        begun.begin(flight(trace))
        begun.end(trace)
        begun.kept([trace.uid])
    is_over.set()
    watcher.join()
    assert lacking == []
    assert begun.path.stat().st_size < 2 * notes.LARGEST, "it was written anew"
    assert list(leftovers(path)) == [], "it is still ours"
    begun.begin(flight(replace(TRACES[0], uid="last")))
    killed(begun)
    (left,) = leftovers(path)
    assert [trace.uid for trace in left.traces][-1] == "last"
    assert left.traces[0].uid == "always"


def test_a_line_that_stands_there_twice_says_nothing_new_and_an_end_without_a_beginning_nothing(
    path: Path, begun: Begun
) -> None:
    for trace in TRACES[:3]:
        begun.begin(flight(trace))
    begun.end(TRACES[1])
    lines = begun.path.read_bytes().splitlines(keepends=True)
    os.write(begun._fd, b"".join([*lines[::-1], lines[3].replace(b"t01", b"t99")]))
    killed(begun)
    (left,) = leftovers(path)
    assert [(trace.uid, trace.outcome, trace.status) for trace in left.traces] == [
        ("t00", "error", 0),
        ("t01", TRACES[1].outcome, TRACES[1].status),
        ("t02", "error", 0),
    ]


def test_notes_that_have_taken_the_place_of_others_are_not_taken_for_a_dead_program_s(
    path: Path, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has opened the old file, and gets its lock only once it is nobody's."""
    begun.begin(flight(TRACES[0]))
    locking = notes._lock

    def late(fd: int) -> None:
        monkeypatch.setattr(notes, "_lock", locking)
        begun._write_anew()
        locking(fd)

    monkeypatch.setattr(notes, "_lock", late)
    assert list(leftovers(path)) == []
    assert begun.path.exists()


def test_what_could_be_written_nowhere_else_stays_in_the_notes(path: Path, begun: Begun) -> None:
    """The disk was full until the end: what the notes could hold is told at the next start."""
    for trace in TRACES[:2]:
        begun.begin(flight(trace))
        begun.end(trace)
    begun.kept([TRACES[0].uid])
    begun.close()
    (left,) = leftovers(path)
    assert [(trace.uid, trace.outcome) for trace in left.traces] == [("t01", TRACES[1].outcome)]


def deleted(notes: Path) -> None:
    notes.unlink()


def cut(notes: Path) -> None:
    os.truncate(notes, 30)


def another_in_its_place(notes: Path) -> None:
    other = notes.with_name("other")
    other.write_bytes(b"")
    other.replace(notes)


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be removed there")
@pytest.mark.parametrize("deed", [deleted, cut, another_in_its_place])
def test_notes_that_are_deleted_or_cut_are_written_anew_with_the_next_request_that_is_stored(
    path: Path, begun: Begun, deed: Callable[[Path], None]
) -> None:
    for trace in TRACES[:3]:
        begun.begin(flight(trace))
    begun.end(TRACES[1])
    deed(begun.path)
    begun.begin(flight(TRACES[3]))
    begun.kept([TRACES[0].uid])
    killed(begun)
    (left,) = leftovers(path)
    assert [(trace.uid, trace.outcome) for trace in left.traces] == [
        ("t01", TRACES[1].outcome),
        ("t02", "error"),
        ("t03", "error"),
    ]
