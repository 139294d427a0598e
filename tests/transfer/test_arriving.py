"""Files from elsewhere: HAR of several makers, claude-trace's lines, and what each file is."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from generated import recorded, trace
from transcripts import SESSION, Writer, parallel, text, usage

from ccr_tui.errors import CcrError
from ccr_tui.proxy.anthropic import as_stream
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.store import archive, marks, schema
from ccr_tui.store.queries import Reader
from ccr_tui.store.removal import Removal
from ccr_tui.store.verify import verify
from ccr_tui.transfer import arriving, claude_code, leaving
from ccr_tui.transfer.arriving import Summary

BODY = {
    "model": "claude-opus-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hello"}],
    "metadata": {"user_id": json.dumps({"device_id": "0" * 64, "session_id": SESSION})},
    "stream": True,
}
REPLY = {
    "id": "msg_upstream",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 2, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0},
}
STREAM = as_stream(REPLY).decode()
HEADERS = {"User-Agent": "claude-cli/2.1.330", "Authorization": "Bearer never kept", "X-Api-Key": "never kept"}
PRICE = Price(4_000_000_000, 20_000_000_000, 200_000_000)


def quote(provider: str, model: str, at: float, usage: Usage) -> Price | None:
    return PRICE if provider == "anthropic" else None


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "ccr.db"


def take(db: Path, content: Any, name: str = "given") -> Summary:
    path = db.with_name(name)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return arriving.take_in(db, str(path), quote)


def entry(**changes: Any) -> dict[str, Any]:
    """As mitmproxy and browsers write one."""
    given: dict[str, Any] = {
        "startedDateTime": "2026-10-05T09:00:00.250+02:00",
        "time": 1200.4,
        "request": {
            "method": "POST",
            "url": "https://api.anthropic.com/v1/messages?beta=true",
            "headers": [{"name": name, "value": value} for name, value in HEADERS.items()],
            "postData": {"mimeType": "application/json", "text": json.dumps(BODY)},
        },
        "response": {
            "status": 200,
            "headers": [{"name": "request-id", "value": "req_upstream"}],
            "content": {"size": 1, "mimeType": "text/event-stream", "text": STREAM},
        },
        "timings": {"blocked": -1, "dns": 3, "connect": 20, "send": 2, "wait": 300, "receive": 875},
    }
    return {**given, **changes}


def har(*entries: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "other", "version": "1"}, "entries": list(entries)}}


def pair(**changes: Any) -> dict[str, Any]:
    """As claude-trace writes one."""
    request = {"timestamp": 1791183600.25, "method": "POST", "url": "https://api.anthropic.com/v1/messages?beta=true"}
    response = {"timestamp": 1791183601.45, "status_code": 200, "headers": {}, "body_raw": STREAM}
    return {"request": request | {"headers": HEADERS, "body": BODY}, "response": response, "logged_at": "x"} | changes


def only(db: Path) -> Trace:
    (row,) = Reader(db).rows()
    return Reader(db).trace(row.id)


def test_a_har_becomes_a_trace(db: Path) -> None:
    assert take(db, har(entry())).new == 1
    one = only(db)
    assert (one.origin, one.session, one.asked_model, one.outcome) == ("imported", SESSION, "claude-opus-5-5", "ok")
    assert (one.body, one.reply) == (BODY, REPLY)
    assert (one.started_at, one.duration_ms, one.attempts[0].connect_ms) == (1791183600.25, 1200, 325)
    assert one.attempts[0].usage == Usage(10, 2, 5, 0)
    assert one.attempts[0].cost == 10 * 4_000 + 2 * 20_000 + 5 * 200
    assert one.headers == {"user-agent": "claude-cli/2.1.330"}
    assert (one.attempts[0].provider, one.attempts[0].notes) == ("anthropic", ("imported from a HAR file",))
    assert verify(db) == []


def test_claude_traces_lines_become_the_same(db: Path) -> None:
    assert take(db, json.dumps(pair()) + "\n").format == "claude-trace"
    one = only(db)
    assert (one.body, one.reply, one.started_at, one.duration_ms) == (BODY, REPLY, 1791183600.25, 1200)
    assert one.attempts[0].notes == ("imported from claude-trace",)


ANSWERS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "a stream in base64": ({"text": b64encode(STREAM.encode()).decode(), "encoding": "base64"}, "ok", REPLY),
    "a whole message": ({"text": json.dumps(REPLY)}, "ok", REPLY),
    "nothing was kept": ({}, "error", None),
    "an error in the stream": (
        {
            "text": STREAM.split("event: message_delta")[0]
            + 'event: error\ndata: {"type":"error","error":{"type":"x"}}\n\n'
        },
        "error",
        REPLY | {"stop_reason": None},
    ),
}


@pytest.mark.parametrize(("content", "outcome", "reply"), ANSWERS.values(), ids=list(ANSWERS))
def test_answers_of_every_kind(db: Path, content: dict[str, Any], outcome: str, reply: Any) -> None:
    take(db, har(entry(response={"status": 200, "content": {"mimeType": "x", **content}})))
    one = only(db)
    assert one.outcome == outcome
    assert (one.reply and one.reply["content"]) == (reply and reply["content"])


def test_an_error_is_one(db: Path) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    take(db, har(entry(response={"status": 529, "content": {"text": json.dumps(error)}})))
    one = only(db)
    assert (one.outcome, one.status) == ("error", 529)
    assert one.failure and (one.failure.type, one.failure.message) == ("overloaded_error", "Overloaded")


def test_no_answer_is_a_cancelled_request(db: Path) -> None:
    take(db, json.dumps(pair(response=None)))
    assert only(db).outcome == "cancelled"


LEFT = {
    "another path": entry(request={"method": "POST", "url": "https://api.anthropic.com/v1/messages/count_tokens"}),
    "another method": entry(request={"method": "GET", "url": "https://api.anthropic.com/v1/messages"}),
    "no body": entry(request={"method": "POST", "url": "https://api.anthropic.com/v1/messages"}),
    "no time": entry(startedDateTime="yesterday"),
    "no request for a message": entry(
        request={"method": "POST", "url": "https://x.org/v1/messages", "postData": {"text": "[1]"}}
    ),
    "no object": 7,
}


@pytest.mark.parametrize("left", LEFT.values(), ids=list(LEFT))
def test_what_is_left_out_is_counted_with_its_reason(db: Path, left: Any) -> None:
    summary = take(db, har(left, entry()))
    assert (summary.new, sum(summary.left.values())) == (1, 1)


def test_the_same_file_again_brings_nothing(db: Path) -> None:
    take(db, har(entry()))
    again = take(db, har(entry()))
    assert (again.new, again.known + again.proxied) == (0, 1)


def transcript(db: Path) -> Path:
    writer = Writer()
    writer.user("hello")
    writer.answer("msg_upstream", text("Hello!"), usage=usage(10, 2, 5), request="req_upstream")
    return writer.write(db.with_name("x.jsonl"))


def from_transcript(db: Path) -> int:
    return claude_code.take_in(db, [transcript(db)], quote, 2e9).new


def from_har(db: Path) -> int:
    return take(db, har(entry()), "a.har").new


def from_claude_trace(db: Path) -> int:
    return take(db, json.dumps(pair()), "b.jsonl").new


WAYS: list[Callable[[Path], int]] = [from_transcript, from_har, from_claude_trace]


@pytest.mark.parametrize("first", WAYS)
@pytest.mark.parametrize("second", WAYS)
def test_an_answer_counts_once_whichever_way_it_comes(
    db: Path, first: Callable[[Path], int], second: Callable[[Path], int]
) -> None:
    assert first(db) == 1
    assert second(db) == 0
    assert Reader(db).count() == 1


def proxied() -> Trace:
    """The same answer as it went through the proxy, which passed it on as it came."""
    made = trace("feed0001", BODY, session=SESSION)
    usage = Usage(10, 2, 5)
    answer = replace(made.attempts[0], provider="anthropic", model="claude-opus-5-5", usage=usage, cost=90, price=PRICE)
    return replace(made, reply=REPLY, attempts=(answer,))


def from_archive(db: Path) -> int:
    return take(db, b"".join(archive.lines([proxied()])).decode(), "c.jsonl").new


RICHER = [from_transcript, from_har, from_archive]
"""From what tells the least of a request to what tells the most."""


def told(db: Path) -> list[Any]:
    """What everything adds up to, and which trace it is."""
    reader = Reader(db)
    assert verify(db) == []
    sessions = [replace(row, title=None) for row in reader.spend("session")]  # a transcript tells a title too
    found = [each.uid for each in reader.traces()], reader.spend("model"), sessions, reader.total()
    reader.close()
    return list(found)


@pytest.mark.parametrize("ways", list(permutations(RICHER)), ids=lambda ways: ", ".join(way.__name__ for way in ways))
@pytest.mark.parametrize("count", [2, 3])
def test_what_tells_the_most_of_a_request_stays_in_whatever_order_it_comes(
    db: Path, tmp_path: Path, ways: tuple[Callable[[Path], int], ...], count: int
) -> None:
    for way in ways[:count]:
        way(db)
    (tmp_path / "alone").mkdir()
    alone = tmp_path / "alone" / "ccr.db"
    max(ways[:count], key=RICHER.index)(alone)
    assert told(db) == told(alone)
    for way in ways[:count]:
        assert way(db) == 0
    assert told(db) == told(alone)


def test_what_a_person_has_put_on_a_transcripts_trace_goes_over(db: Path) -> None:
    from_transcript(db)
    marks.note(db, 1, "look at this")
    summary = take(db, har(entry()), "a.har")
    assert (summary.new, summary.replaced, summary.proxied) == (0, 1, 0)
    (row,) = Reader(db).rows()
    assert (row.note, row.n) == ("look at this", 2)
    assert Reader(db).search("hello")[0].n == 2


def test_an_archive_does_not_count_again_what_a_transcript_told(db: Path) -> None:
    writer = Writer()
    writer.answer("msg_feed0001", text("Hello!"), usage=usage(10, 2, 5))
    claude_code.take_in(db, [writer.write(db.with_name("x.jsonl"))], quote, 2e9)
    lines = b"".join(archive.lines([trace("feed0001"), trace("feed0002")])).decode()
    summary = take(db, lines)
    assert (summary.new, summary.replaced) == (1, 1)
    assert sorted(each.uid for each in Reader(db).traces()) == ["feed0001", "feed0002"]
    assert verify(db) == []


def test_what_was_removed_is_not_counted_again(db: Path) -> None:
    archive.take_in(db, [trace("feed0001", session=SESSION)])
    connection = schema.writable(db)
    connection.execute("BEGIN")
    removal = Removal(connection)
    removal.take_out(1)
    removal.sweep()
    connection.execute("COMMIT")
    connection.close()
    writer = Writer()
    writer.answer("msg_feed0001", text("Hello!"), usage=usage(10, 2, 5))
    assert claude_code.take_in(db, [writer.write(db.with_name("x.jsonl"))], quote, 2e9).proxied == 1
    assert take(db, b"".join(archive.lines([trace("feed0001", session=SESSION)])).decode()).new == 1
    assert Reader(db).total().requests == 1
    assert verify(db) == []


def test_our_own_har_comes_back(db: Path, tmp_path: Path) -> None:
    some = [*recorded(1, 3), trace("alone")]
    made = b"".join(leaving.pieces("har", some, leaving.Scene(), None)).decode()
    assert take(db, made).new == 4
    again = take(db, made)
    assert (again.new, again.known) == (0, 4)
    assert verify(db) == []
    assert [each.uid for each in Reader(db).traces()] == [each.uid for each in some]


KINDS = {
    "archive": ("archive", b"".join(archive.lines([trace()])).decode()),
    "har": ("har", json.dumps(har(entry()), indent=2)),
    "har on a line": ("har", json.dumps(har(entry()))),
    "claude-trace": ("claude-trace", json.dumps(pair())),
    "transcript": ("transcript", "".join(json.dumps(line) + "\n" for line in parallel().lines)),
    "transcript with a summary": ("transcript", '{"type":"summary","summary":"x","leafUuid":"y"}\n'),
}


@pytest.mark.parametrize(("kind", "content"), KINDS.values(), ids=list(KINDS))
def test_a_file_tells_by_what_it_holds_what_it_is(tmp_path: Path, kind: str, content: str) -> None:
    (tmp_path / "x").write_text(content)
    assert arriving.format_of(str(tmp_path / "x")) == kind


@pytest.mark.parametrize("content", ["", "{}", "[]", "7", "hello", '{"log": 7}', '{"format":"other"}', "\x00", "{"])
def test_what_is_none_of_them_is_refused(db: Path, content: str) -> None:
    with pytest.raises(CcrError, match="given"):
        take(db, content)
    assert not db.exists() or Reader(db).count() == 0


BOMBS = {
    "an archive": b'{"format":"ccr-tui traces","version":2}\n' + b"0" * 3_000_000,
    "a HAR on many lines": b'{"log":\n' + b"[\n" * 1_500_000,
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_packed_file_that_unpacks_without_end_is_refused(
    db: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "LONGEST", 1 << 20)
    path = db.with_name("bomb.gz")
    path.write_bytes(gzip.compress(content))
    with pytest.raises(CcrError, match=r"more than (1 MB, which no request|can be read as a whole)"):
        arriving.take_in(db, str(path), quote)
