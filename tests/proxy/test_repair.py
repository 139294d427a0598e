"""Tool arguments as models write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams import arguments

from ccr_tui.proxy.anthropic import UNPARSED
from ccr_tui.proxy.repair import Arguments

MENDED: dict[str, tuple[str, Any]] = {
    "nothing": ("", {}),
    "blank": (" \n", {}),
    "null": ("null", {}),
    "Python's None": ("None", {}),
    "raw line break": ('{"a": "x\ny\tz"}', {"a": "x\ny\tz"}),
    "trailing comma": ('{"a": [1, 2,], "b": 1,}', {"a": [1, 2], "b": 1}),
    "single quotes": ("{'a': 'it\\'s \"so\"'}", {"a": 'it\'s "so"'}),
    "Python's constants": ('{"a": True, "b": None, "c": [False]}', {"a": True, "b": None, "c": [False]}),
    "no number": ('{"a": NaN}', {"a": None}),
    "keys without quotes": ("{a: 1, b_c: 2}", {"a": 1, "b_c": 2}),
    "bare quotes": ('{"a": "say "hi" now"}', {"a": 'say "hi" now'}),
    "missing comma": ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    "missing comma after a line": ('{"a": "x"\n "b": 2}', {"a": "x", "b": 2}),
    "missing last bracket": ('{"a": {"b": [1', None),
    "only the last bracket is missing": ('{"a": {"b": 1', {"a": {"b": 1}}),
    "a lone bracket": ("{", {}),
    "unknown escapes": (r'{"a": "\d+ \x"}', {"a": r"\d+ \x"}),
    "fences": ('```json\n{"a": 1}\n```', {"a": 1}),
    "JSON in a string": ('"{\\"a\\": 1}"', {"a": 1}),
    "in a list": ('[{"a": 1}]', {"a": 1}),
    "an empty object first": ('{}{"a": 1}', {"a": 1}),
    "two objects": ('{"a": 1}{"b": 2}', {"a": 1}),
    "words after it": ('{"a": 1} Done.', {"a": 1}),
}

HOPELESS: dict[str, str] = {
    "a string that was not closed": '{"command": "rm -rf /tmp',
    "a value that is missing": '{"a": ',
    "a word for a value": '{"a": hello there}',
    "prose": "I will read the file.",
    "a number": "42",
    "a list": "[1, 2]",
    "wrong brackets": '{"a": [1}',
}


def mended(text: str, cut: bool = False, step: int = 0) -> tuple[str, Arguments]:
    made = Arguments()
    pieces = [text[at : at + step] for at in range(0, len(text), step)] if step else [text]
    return "".join(made.feed(piece) for piece in pieces) + made.close(cut), made


@given(arguments, st.sampled_from([None, 1]), st.booleans(), st.integers(0, 5))
def test_good_arguments_pass_unchanged(given_: Any, indent: int | None, ascii_: bool, step: int) -> None:
    text = json.dumps(given_, indent=indent, ensure_ascii=ascii_)
    result, made = mended(text, step=step)
    assert (result, made.broken, made.mended) == (text, False, {})
    assert made.done


@pytest.mark.parametrize(
    ("text", "value"),
    [case for case in MENDED.values() if case[1] is not None],
    ids=[k for k, v in MENDED.items() if v[1] is not None],
)
@pytest.mark.parametrize("step", [0, 1, 3], ids=["whole", "by characters", "by threes"])
def test_what_is_broken_is_mended(text: str, value: Any, step: int) -> None:
    result, made = mended(text, step=step)
    assert json.loads(result) == value
    assert not made.broken


@pytest.mark.parametrize("text", HOPELESS.values(), ids=HOPELESS)
@pytest.mark.parametrize("step", [0, 1], ids=["whole", "by characters"])
def test_what_is_hopeless_passes_as_it_came_and_says_so(text: str, step: int) -> None:
    """What never was an object arrives inside one that no tool takes."""
    result, made = mended(text, step=step)
    assert made.broken
    if text.startswith("{"):
        assert result == text
    else:
        assert json.loads(result) == {UNPARSED: {"raw": text, "len": len(text)}}


@given(arguments.filter(bool), st.data())
def test_half_a_call_is_never_made_whole(given_: Any, data: st.DataObject) -> None:
    text = json.dumps(given_)
    half = text[: data.draw(st.integers(1, len(text) - 1))]
    result, made = mended(half, cut=True)
    assert made.broken
    with pytest.raises(ValueError):
        json.loads(result)


@given(st.text(st.sampled_from("{}[]\":,'\\ntu1-e. \n\taé"), max_size=30), st.booleans())
def test_any_soup_comes_out_the_same_however_it_is_cut(text: str, cut: bool) -> None:
    whole, first = mended(text, cut)
    single, second = mended(text, cut, step=1)
    assert (whole, first.broken, first.mended) == (single, second.broken, second.mended)
    if not first.broken:
        assert isinstance(json.loads(whole), dict)


def test_what_is_certain_goes_out_at_once() -> None:
    made = Arguments()
    assert [made.feed(piece) for piece in ('{"a', '": "x', "y\\", 'n"', ", ", '"b": 1', "2}")] == [
        '{"a',
        '": "x',
        "y",
        "\\n",
        '"',
        ', "b": ',
        "12}",
    ]


def test_a_long_argument_takes_linear_time() -> None:
    text = json.dumps({"content": "line\n" * 200_000})
    result, _ = mended(text, step=1000)
    assert result == text
