"""JSON is read and written exactly."""

import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import wire
from ccr_tui.wire import LARGE, dumps, loads

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_what_is_written_is_read_back(value):
    assert loads(dumps(value)) == value


@given(values)
def test_it_reads_what_the_standard_library_writes(value):
    assert loads(json.dumps(value)) == value


@given(st.text(st.characters(categories=["Cs", "Lu"])))
def test_lone_surrogates_survive(text):
    written = json.dumps({"text": text}).encode()
    assert loads(dumps(loads(written))) == json.loads(written)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30, 12345678901234567890123])
def test_huge_integers_stay_integers(number):
    assert loads(b'{"x":[%d]}' % number) == {"x": [number]}


@pytest.mark.parametrize("pairs", [0, 3, 600])
@pytest.mark.parametrize("start", range(10))
def test_a_huge_integer_is_seen_wherever_it_stands(start, pairs):
    text = f'{{"x":"{"_" * start}","y":[{"123456789012345678," * pairs}1234567890123456789012]}}'
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize(
    "text", ["", "{", "[NaN]", "Infinity", "[1e400]", "[" * 100_000, "\ufeff1 2", '{"a":1,}'], ids=lambda t: t[:9]
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):
        loads(text.encode())


def test_an_integer_of_too_many_digits_is_refused_in_plain_words():
    with pytest.raises(ValueError, match="more digits than can be read") as told:
        loads(b'{"n": ' + b"9" * 5000 + b"}")
    assert "sys." not in str(told.value)


def test_no_garbage_is_looked_for_while_a_large_body_is_read():
    """Else 60 MB of small objects would keep everybody waiting three times as long."""
    raw = b"[" + b"[{}]," * (LARGE // 4) + b"1]"
    assert gc.isenabled()
    before = sum(each["collections"] for each in gc.get_stats())
    assert len(loads(raw)) == LARGE // 4 + 1
    assert sum(each["collections"] for each in gc.get_stats()) - before < 5
    with pytest.raises(ValueError):
        loads(raw[:-1])
    assert gc.isenabled()


def test_whoever_works_without_the_collector_goes_on_without_it():
    gc.disable()
    try:
        loads(b"[" + b"1," * LARGE + b"1]")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ValueError):
        loads(b'"\xff\xfe"')


def test_key_order_is_kept():
    assert dumps(loads(b'{"b":1,"a":2}')) == b'{"b":1,"a":2}'


@pytest.mark.parametrize("opening", ["[", '{"a":'], ids=["lists", "objects"])
@pytest.mark.parametrize(("depth", "taken"), [(200, True), (260, False), (900, False), (5000, False), (10**6, False)])
def test_what_is_nested_too_deeply_is_refused_in_words(opening: str, depth: int, taken: bool) -> None:
    text = opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth
    for data in (text, text.encode(), f'["\\ud800", {text}]'):
        if taken:
            assert loads(dumps(loads(data))) == loads(data)
        else:
            with pytest.raises(ValueError, match="nested too deeply"):
                loads(data)


def test_what_is_wide_is_not_deep() -> None:
    assert len(loads(b"[" + b"[[1]]," * 5000 + b"0]")) == 5001


def test_nothing_that_is_too_deep_is_written() -> None:
    value: Any = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply"):
        dumps(value)


TEXT = st.text(st.sampled_from('a,{["\\\n\u20ac'), max_size=12)
NESTED = st.recursive(
    st.none() | st.integers(0, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXT, inner, max_size=6),
    max_leaves=40,
)


def marks(value: Any) -> int:
    """Each object and list is one, and each of their values but the first."""
    if not isinstance(value, (dict, list)):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(0, len(inner) - 1) + sum(map(marks, inner))


@given(NESTED, st.integers(1, 40))
def test_values_are_counted_however_it_is_cut(value: Any, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "PIECE", piece)
        assert list(wire._counts(json.dumps(value).encode()))[-1] == marks(value)


def test_too_many_values_are_refused_and_marks_in_texts_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST", 1000)
    wire.check_many(b'["' + b'{,[\\"' * 5000 + b'"]')
    wire.check_many(b"[" + b",".join([b"{}"] * 500) + b"]")
    with pytest.raises(wire.TooMany, match="values"):
        wire.check_many(b"[" + b",".join([b"{}"] * 501) + b"]")
