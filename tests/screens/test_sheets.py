"""A sheet is read once for each theme."""

from __future__ import annotations

import asyncio

import pytest
from textual.css.stylesheet import Stylesheet, StylesheetParseError
from textual.css.tokenizer import TokenError

from ccr_tui.screens.sheets import Sheets

RED, BLUE = {"accent": "#ff0000"}, {"accent": "#0000ff"}
MANY = 100
"""More than Textual keeps."""


def filled(kind: type[Stylesheet], variables: dict[str, str]) -> Stylesheet:
    sheets = kind(variables=variables)
    for n in range(MANY):
        sheets.add_source(f"#part{n} {{ color: $accent; width: {n + 1}; }}", read_from=("sheet", str(n)))
    sheets.reparse()
    return sheets


def told(sheets: Stylesheet) -> list[str]:
    return [rule.css for rule in sheets.rules]


def test_what_was_read_is_not_read_again_for_a_new_screen() -> None:
    sheets = filled(Sheets, RED)
    before = list(map(id, sheets.rules))
    sheets.set_variables(dict(RED))
    sheets.add_source("#new { width: 1; }", read_from=("sheet", "new"))
    sheets.reparse()
    assert list(map(id, sheets.rules[:MANY])) == before
    assert len(sheets.rules) == MANY + 1


def test_another_theme_is_read_as_textual_reads_it() -> None:
    sheets = filled(Sheets, RED)
    sheets.set_variables(BLUE)
    sheets.reparse()
    assert told(sheets) == told(filled(Stylesheet, BLUE)) != told(filled(Stylesheet, RED))


def test_a_theme_that_was_shown_before_is_not_read_again() -> None:
    sheets = filled(Sheets, RED)
    before = list(map(id, sheets.rules))
    for theme in (BLUE, RED):
        sheets.set_variables(theme)
        sheets.reparse()
    assert list(map(id, sheets.rules)) == before
    sheets.set_variables({"accent": "#00ff00"})
    sheets.reparse()
    assert told(sheets) == told(filled(Stylesheet, {"accent": "#00ff00"}))


async def test_what_is_read_ahead_leaves_the_loop_its_turns() -> None:
    sheets, turns = Sheets(variables=RED), 0
    for n in range(MANY):
        sheets.add_source(f"#part{n} {{ color: $accent; }}", read_from=("sheet", str(n)))
    reading = asyncio.ensure_future(sheets.read_ahead())
    while not reading.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns >= MANY
    ahead = list(map(id, sheets._parse_rules("#part7 { color: $accent; }", ("sheet", "7"))))
    sheets.reparse()
    assert [id(sheets.rules[7])] == ahead


@pytest.mark.parametrize("wrong", ["#one { colour: red; }", "#one {"])
async def test_what_is_wrong_is_told_where_it_always_was(wrong: str) -> None:
    sheets = Sheets()
    sheets.add_source(wrong, read_from=("sheet", "wrong"))
    await sheets.read_ahead()
    with pytest.raises((StylesheetParseError, TokenError)) as told:
        sheets.reparse()
    theirs = Stylesheet()
    theirs.add_source(wrong, read_from=("sheet", "wrong"))
    with pytest.raises(type(told.value)):
        theirs.parse()
