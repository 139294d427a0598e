"""Documents wrap, fold and keep their text."""

from __future__ import annotations

import json
import re

import pytest
from generated import json_values, recorded, texts
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from ccr_tui.screens import show
from ccr_tui.screens.json_lines import LONGEST, gist, json_document
from ccr_tui.screens.lines import Document, rows_of, wrap
from ccr_tui.screens.stored import Line


@given(st.lists(texts(), max_size=5).map(" ".join), st.integers(4, 60), st.integers(0, 8), st.booleans())
def test_wrapping_loses_nothing_and_fits(text: str, width: int, hang: int, breaks: bool) -> None:
    shown = show.harmless(text)
    pieces = wrap(shown, width, hang, breaks)
    assert "".join(shown[start:end] for start, end in pieces) == shown
    assert [end for _, end in pieces[:-1]] == [start for start, _ in pieces[1:]]
    for number, (start, end) in enumerate(pieces):
        assert cell_len(shown[start:end]) <= max(2, width - (min(hang, width // 2) if number else 0))


def test_a_row_of_json_ends_after_an_escaped_newline() -> None:
    text = '"one\\ntwo\\\\n three\\r\\nfour"'
    assert [text[a:b] for a, b in wrap(text, 80, 0, True)] == ['"one\\n', "two\\\\n three\\r\\n", 'four"']


@settings(max_examples=60)
@given(json_values())
def test_json_lines_are_that_json(value: object) -> None:
    document = json_document(value)
    again = "".join(line.text.strip(" ") for line in document.lines)
    assert again.replace(" ", "") == show.harmless(json.dumps(value, ensure_ascii=False)).replace(" ", "")
    assert all(line.until <= len(document.lines) for line in document.lines)


def test_a_fold_hides_its_lines_in_one_row() -> None:
    document = json_document({"messages": [{"role": "user", "content": "x" * 300}]})
    start = next(i for i, line in enumerate(document.lines) if line.text == "    {")
    open_, folded = rows_of(document.lines, set(), 40), rows_of(document.lines, {start}, 40)
    assert len([row for row in folded if row[0] == start]) == 1
    assert len(folded) < len(open_)
    assert not [row for row in folded if start < row[0] < document.lines[start].until]


def test_a_body_opens_with_its_last_message_and_everything_else_closed() -> None:
    body = list(recorded(1, 6))[-1].body
    document = json_document(body)
    rows = [
        document.lines[i].shown(i in document.folded)[0] for i, _, _ in rows_of(document.lines, document.folded, 200)
    ]
    messages = [row for row in rows if row.startswith("    { role")]
    assert len(messages) == len(body["messages"]) - 1
    assert '  "tools": [ 12 items ],' in rows
    assert rows.index("    {") > rows.index(messages[-1])


def test_a_very_long_string_is_cut_and_says_so() -> None:
    line = json_document({"data": "A" * (LONGEST + 2_000_000)}).lines[1]
    assert len(line.text) < LONGEST + 100
    assert line.text.endswith("… 2.0 M more characters")


def test_what_is_nested_too_deep_is_still_shown() -> None:
    value: object = "core"
    for _ in range(300):
        value = [value]
    assert "core" in json_document(value).lines[60].text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1], "1 item"),
        ([1, 2], "2 items"),
        ({"a": 1}, "1 key"),
        ({"type": "text", "text": "two\nlines"}, "type: text · two lines"),
        ({"role": "user", "content": [{"type": "image"}]}, "role: user · type: image"),
        ({"name": "\x1b[1m"}, "name: ␛[1m"),
    ],
)
def test_a_folded_container_says_what_is_in_it(value: object, words: str) -> None:
    assert gist(value) == words


def test_recorded_text_is_said_line_by_line() -> None:
    page = Document()
    page.say("a\r\nb\rc\n\x1b[31m", "bad")
    assert page.lines == [
        Line("a", ((0, 1, "bad"),)),
        Line("b", ((0, 1, "bad"),)),
        Line("c", ((0, 1, "bad"),)),
        Line("␛[31m", ((0, 5, "bad"),)),
    ]


@given(st.text('ab "\\\n\té中', max_size=60), st.integers(12, 30))
def test_no_row_ends_inside_an_escape_of_json(text: str, width: int) -> None:
    shown = json.dumps(text)
    whole = [found.span() for found in re.finditer(r"\\(?:u[0-9a-f]{4}|.)", shown)]
    for _, end in wrap(shown, width, 2, True)[:-1]:
        assert not [span for span in whole if span[0] < end < span[1]]
