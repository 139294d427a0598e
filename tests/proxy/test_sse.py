"""Server-sent events: what is cut out of bytes, and what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import json_values

from ccr_tui.proxy.sse import Decoder, encode, loads

CASES: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "one": (b"data: a\n\n", [("", "a")]),
    "crlf": (b"event: x\r\ndata: a\r\n\r\n", [("x", "a")]),
    "cr": (b"event: x\rdata: a\r\r", [("x", "a")]),
    "no space": (b"event:x\ndata:a\n\n", [("x", "a")]),
    "one space only": (b"data:  a\n\n", [("", " a")]),
    "two data lines": (b"data: a\ndata: b\n\n", [("", "a\nb")]),
    "empty data": (b"data\n\ndata:\n\n", [("", ""), ("", "")]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
    "name without data": (b"event: x\n\ndata: a\n\n", [("", "a")]),
    "comments": (b": ping\n\n:\ndata: a\n\n", [("", "a")]),
    "unknown fields": (b"retry: 5\nfoo: bar\ndata: a\n\n", [("", "a")]),
    "U+2028 is no line end": ("data: a\u2028b\u0085c\n\n".encode(), [("", "a\u2028b\u0085c")]),
    "broken UTF-8": (b"data: \xff\n\n", [("", "\ufffd")]),
    "no blank line at the end": (b"data: a\n\ndata: [DONE]", [("", "a"), ("", "[DONE]")]),
    "padding before a field": (b"\0\0data: a\n\n\0event: x\n\0data: b\n\n", [("", "a"), ("x", "b")]),
    "padding alone": (b"\0\0\0\n\0\ndata: a\n\0\ndata: b\n\n", [("", "a\nb")]),
    "nothing": (b"", []),
}


def decoded(*pieces: bytes) -> list[tuple[str, str]]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
    return [(event.event, event.data) for event in events]


@pytest.mark.parametrize(("data", "events"), CASES.values(), ids=CASES)
def test_bytes_become_events_whole_or_byte_by_byte(data: bytes, events: list[tuple[str, str]]) -> None:
    assert decoded(data) == events
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == events


@given(
    st.lists(st.sampled_from([b"data: \xc3\xa9", b"event: e", b": c", b"id: 1", b"", b"\xef\xbb\xbf", b"data"])),
    st.data(),
)
def test_where_the_network_cuts_does_not_matter(lines: list[bytes], data: st.DataObject) -> None:
    ends = [data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])) for _ in lines]
    whole = b"".join(line + end for line, end in zip(lines, ends, strict=True))
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True)]
    assert decoded(*pieces) == decoded(whole)


def test_an_event_is_out_as_soon_as_its_blank_line_is_there() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\n") == []
    assert [event.data for event in decoder.feed(b"\r")] == ["a"]
    assert decoder.feed(b"\n") == []


def test_comments_are_counted_and_stray_lines_kept() -> None:
    decoder = Decoder()
    decoder.feed(b': OPENROUTER PROCESSING\n\n:\n\n{"error": "no stream"}\n\n')
    assert (decoder.comments, decoder.stray) == (2, b'{"error": "no stream"}')


@pytest.mark.parametrize(
    "piece", [b"data: 0123456789", b"data: 0123456789\n", b"x" * 16], ids=["line", "lines", "stray"]
)
def test_an_endless_event_is_given_up(piece: bytes) -> None:
    decoder = Decoder(limit=100)
    for _ in range(20):
        decoder.feed(piece)
    assert decoder.broken
    assert decoder.feed(b"\n\ndata: a\n\n") == []


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    decoder = Decoder()
    for _ in range(200_000):
        decoder.feed(b"0123456789")
    assert len(decoder.feed(b"\ndata: a\n\n")) == 1


@given(json_values)
def test_what_is_encoded_decodes_to_the_same(value: Any) -> None:
    (event,) = Decoder().feed(encode("ping", value))
    assert (event.event, loads(event.data)) == ("ping", value)


@pytest.mark.parametrize("text", ["\u2028\u2029\u0085", "“quotes” – dash", "\ud83d", "😀", "é\n\r"])
def test_no_reader_sees_a_line_end_inside_an_event(text: str) -> None:
    data = encode("x", {"text": text})
    assert len(data.decode().splitlines()) == 3
    assert json.loads(data.decode().splitlines()[1].removeprefix("data: ")) == {"text": text}


@pytest.mark.parametrize("text", ["a\0b", "a\tb", "a\x1fb"], ids=["NUL", "tab", "another"])
def test_what_is_not_escaped_is_read_all_the_same(text: str) -> None:
    assert loads(f'{{"said": "{text}"}}') == loads(f'{{"said": "{text}"}}'.encode()) == {"said": text}


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "nope"], ids=["empty", "cut", "deep", "word"])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        loads(text)
