"""Regular expressions over what was said."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable

import generated
import pytest
import regex  # type: ignore[import-untyped]
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.cli import root
from ccr_tui.errors import StoreError
from ccr_tui.filtering import parse
from ccr_tui.records import Trace
from ccr_tui.screens.pages import first_pages
from ccr_tui.screens.requests import Requests
from ccr_tui.store import patterns
from ccr_tui.store.queries import CutOff, Filter, Order, Reader

Keep = Callable[[Iterable[Trace]], None]
SAID = {
    "memory": "The build ran out of memory at step 3.",
    "space": "No: Out of space, said the disk.",
    "panic": "thread main panicked; panic: index 7",
    "path": "see src/app.py:12",
    "evil": "a" * 60 + "b",
}
FINDS = [
    ("text:/out of (memory|space)/", ["memory"]),
    ("text:/out of (memory|space)/i", ["space", "memory"]),
    (r"text:/\bpanic\b/", ["panic"]),
    (r"text:/app\.py:\d+/", ["path"]),
    (r"text:/src\/app/", ["path"]),
    ("text:/^see/", ["path"]),
    ("!text:/./", []),
    (r"text:/\d/ !text:/step/", ["path", "panic"]),
    (r"text:/\bnowhere\b/", []),
]


@pytest.fixture
def told(keep: Keep, reader: Reader) -> Reader:
    bodies = {uid: {"messages": [{"role": "user", "content": words}]} for uid, words in SAID.items()}
    answer = {"role": "assistant", "content": [{"type": "text", "text": "ok"}]}
    keep(generated.trace(uid, body, session=uid, reply=answer) for uid, body in bodies.items())
    return reader


@pytest.mark.parametrize(("typed", "uids"), FINDS, ids=[case[0] for case in FINDS])
def test_what_an_expression_finds(told: Reader, typed: str, uids: list[str]) -> None:
    listed = told.listed(Filter(terms=parse(typed, 0.0)))
    assert [row.id for row in told.page(listed, None, 10)] == uids
    assert told.counted(listed) == len(uids)


def test_an_expression_that_never_ends_is_broken_off(told: Reader) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match="takes too long on one text"):
        told.counted(told.listed(Filter(terms=parse("text:/(a|a)+$/", 0.0))))
    assert time.monotonic() - began < 5
    assert told.counted(told.listed()) == len(SAID)


def test_all_texts_together_have_their_time(told: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "ALL_S", 0.0)
    with pytest.raises(StoreError, match=r"narrow it down with words or since:"):
        told.counted(told.listed(Filter(terms=parse("text:/o./", 0.0))))


WORDS = st.sampled_from(["foo", "bar", "foobar", "Foo", "barfoo", "x", "fo", "_foo", "foo_"])
PIECES = st.one_of(
    WORDS, st.sampled_from([" ", r"\b", r"\s", ".", ".*", "-", r"\w+", "(foo|bar)", "^", "$", "o?", "[fb]"])
)
TEXTS = st.lists(st.one_of(WORDS, st.sampled_from([" ", "-", ".", "\n", "é"])), max_size=8).map("".join)


@given(pieces=st.lists(PIECES, min_size=1, max_size=6), texts=st.lists(TEXTS, min_size=1, max_size=6))
def test_the_words_that_are_looked_for_first_leave_nothing_out(pieces: list[str], texts: list[str]) -> None:
    pattern = "".join(pieces)
    query = patterns.words(pattern)
    if not query:
        return
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE said USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2')")
    db.executemany("INSERT INTO said (rowid, text) VALUES (?, ?)", enumerate(texts))
    found = {n for (n,) in db.execute("SELECT rowid FROM said WHERE said MATCH ?", (query,))}
    db.close()
    assert {n for n, text in enumerate(texts) if regex.search(pattern, text)} <= found


@pytest.fixture
def slow(keep: Keep, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """Three requests that an expression finds at once, the newest, after forty in which it looks for long in vain."""
    texts = [f"{n} {'a' * 18}b" for n in range(40)] + [f"find me {n}" for n in range(3)]
    bodies = {f"t{n:02d}": {"messages": [{"role": "user", "content": words}]} for n, words in enumerate(texts)}
    paid = (generated.attempt(cost=n * 10**6) for n in range(len(texts)))
    keep(
        generated.trace(uid, body, session=uid, started_at=1e9 + n, attempts=(next(paid),))
        for n, (uid, body) in enumerate(bodies.items())
    )
    monkeypatch.setattr(patterns, "ALL_S", 1.0)
    monkeypatch.setattr(patterns, "ONE_S", 30.0)
    return reader


@pytest.mark.parametrize(("order", "told"), [("time", "until:20"), ("cost", "words or since:")])
def test_what_was_found_in_time_is_told_with_how_far_it_came(slow: Reader, order: str, told: str) -> None:
    listed = slow.listed(Filter(terms=parse("text:/find me|(a|a)+$/", 0.0)), Order(order))
    with pytest.raises(CutOff, match=told) as cut:
        slow.page(listed, None, 10)
    assert [row.id for row in cut.value.rows] == ["t42", "t41", "t40"]
    assert cut.value.upto in str(cut.value)
    assert slow.count() == 43, "the connection serves on"


def test_what_was_found_in_time_is_a_list_with_an_open_end(slow: Reader) -> None:
    source = Requests(slow, Filter(terms=parse("text:/find me|(a|a)+$/", 0.0)))
    pages = first_pages(source, lambda: False)
    assert pages.total == 3 and not pages.counted
    assert pages.cut is not None and not pages.beyond(0)


def test_a_command_prints_what_was_found_in_time_and_fails(slow: Reader) -> None:
    wanted = ["traces", "ls", "--db", str(slow.path), "--filter", "text:/find me|(a|a)+$/"]
    for way in ([], ["--json"]):
        done = CliRunner().invoke(root, wanted + way)
        assert isinstance(done.exception, CutOff)
        assert [uid in done.output for uid in ("t42", "t41", "t40", "t39")] == [True, True, True, False]
