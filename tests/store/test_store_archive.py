"""The archive: what goes out comes in again, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.records import Trace
from ccr_tui.store import archive
from ccr_tui.store.marks import Mark
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

Keep = Callable[[Iterable[Trace]], None]
HEADER = b'{"format":"ccr-tui traces","version":2}\n'
FIRST = b'{"format":"ccr-tui traces","version":1}\n'


def test_a_session_moves_to_another_database(keep: Keep, reader: Reader, tmp_path: Path) -> None:
    keep([*generated.recorded(seed=2, turns=8), generated.failed()])
    lines = list(archive.lines(reader.traces()))
    elsewhere = tmp_path / "elsewhere.db"
    assert archive.take_in(elsewhere, archive.read(lines)) == (9, 0)
    assert archive.take_in(elsewhere, archive.read(lines)) == (0, 9)
    other = Reader(elsewhere)
    assert list(other.traces()) == list(reader.traces())
    assert other.spend("model") == reader.spend("model")
    assert other.sessions() == reader.sessions()
    other.close()
    assert verify(elsewhere) == []


def test_the_format_is_plain(keep: Keep) -> None:
    header, line = archive.lines([generated.trace()])
    assert header == HEADER
    given = json.loads(line)
    assert given["body"]["messages"][0]["content"] == "hi"
    assert given["attempts"][0]["sent"]["model"] == "qwen-max"
    assert given["origin"] == "live"


GOOD = next(line for line in list(archive.lines([generated.trace()]))[1:])
REFUSED = [
    ([], "first line"),
    ([b"\xff\n"], "first line"),
    ([b"[]\n"], "first line"),
    ([b'{"format":"har","version":1}\n'], "first line"),
    ([b'{"format":"ccr-tui traces","version":3}\n'], "version 3 .* Update ccr-tui"),
    ([HEADER, GOOD[:-2] + b',"mark":{"marked":1,"note":null}}\n'], "line 2: this is no trace .*a mark that is"),
    ([HEADER, GOOD, b"{}\n"], "my.jsonl, line 3: this is no trace"),
    ([HEADER, b"[1]\n"], "line 2"),
    ([HEADER, GOOD[: len(GOOD) // 2]], "line 2"),
    ([HEADER, GOOD.replace(b'"status":200', b'"status":200,"new":1')], "line 2"),
]


@pytest.mark.parametrize(("lines", "words"), REFUSED, ids=[case[1] for case in REFUSED])
def test_what_is_no_archive_is_refused_by_line(lines: list[bytes], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        list(archive.read(lines, "my.jsonl"))


def test_what_came_before_a_bad_line_stays(path: Path, reader: Reader) -> None:
    with pytest.raises(StoreError, match="line 3"):
        archive.take_in(path, archive.read([HEADER, GOOD, b"nonsense\n"]))
    assert reader.count() == 1
    assert verify(path) == []


def test_empty_lines_are_nothing() -> None:
    assert len(list(archive.read([HEADER, b"\n", GOOD, b"  \n"]))) == 1


def test_an_archive_of_the_first_version_is_read() -> None:
    assert list(archive.read([FIRST, GOOD])) == [generated.trace()]


def test_what_a_person_has_put_on_a_request_goes_with_it() -> None:
    mark = Mark(True, "why so slow?")
    lines = archive.lines([generated.trace()], lambda uid: mark)
    assert [(entry.trace, entry.mark) for entry in archive.entries(lines)] == [(generated.trace(), mark)]
