"""Two requests side by side, and two texts."""

from __future__ import annotations

import random
import string
from itertools import pairwise
from typing import Any

import pytest
from generated import bodies, image, session, sessions
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui import anatomy, wording
from ccr_tui.alignment import Alignment, State, align
from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.request import translate
from ccr_tui.records import Json

QWEN = Provider("dashscope", "openai", "https://dashscope.aliyuncs.com/compatible-mode/v1")
FACTS = facts_for(QWEN, Model("qwen-max", "dashscope", "qwen-max"))


def sent(body: Json) -> dict[str, Any]:
    return translate(body, "qwen-max", FACTS).body


def some(found: Alignment) -> dict[State, int]:
    return {state: count for state, count in found.counts().items() if count}


def says(*texts: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]}


CASES: list[tuple[str, Json, Json, dict[str, int]]] = [
    ("the same", says("a"), says("a"), {"same": 1}),
    ("a new one", says("a"), says("a", "b"), {"same": 1, "added": 1}),
    ("one gone", says("a", "b"), says("b"), {"same": 1, "removed": 1}),
    ("one changed", says("a", "old"), says("a", "new"), {"same": 1, "changed": 1}),
    ("one moved", says("a", "b", "c"), says("b", "c", "a"), {"same": 2, "moved": 1}),
    (
        "another sort",
        says("a"),
        {"messages": [{"role": "user", "content": [image()]}]},
        {"removed": 1, "added": 1},
    ),
    ("nothing at all", None, 3, {}),
]


@pytest.mark.parametrize(("before", "now", "counts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_blocks_are_matched(before: Json, now: Json, counts: dict[str, int]) -> None:
    assert some(align(before, now)) == counts


@settings(max_examples=20, deadline=None)
@given(sessions())
def test_a_turn_only_adds(found: list[dict[str, Any]]) -> None:
    for one, two in pairwise(found):
        assert set(some(align(one, two))) <= {"same", "added"}


@settings(max_examples=30, deadline=None)
@given(bodies(), bodies())
def test_every_block_of_both_is_told_once(one: Json, two: Json) -> None:
    found = align(one, two)
    old = [block.where for change in found.changes for block in change.before]
    new = [change.now.where for change in found.changes if change.now]
    assert sorted(map(str, old)) == sorted(str(block.where) for block in anatomy.blocks(one))
    assert new == [block.where for block in anatomy.blocks(two)]


@settings(max_examples=12, deadline=None)
@given(sessions())
def test_no_block_of_a_translation_is_lost_from_sight(found: list[dict[str, Any]]) -> None:
    body = found[-1]
    told = align(body, sent(body), translated=True)
    old = [block.where for change in told.changes for block in change.before]
    assert sorted(map(str, old)) == sorted(str(block.where) for block in anatomy.blocks(body))
    gone = [change.block for change in told.changes if change.state == "removed"]
    assert all(block.kind in ("thinking", "system") for block in gone), "the billing line and earlier reasoning"


def test_what_a_translation_does_is_told() -> None:
    body = list(session(5, 8))[-1]
    found = align(body, sent(body), translated=True)
    states = {change.state: change for change in found.changes}
    assert [block.where for block in states["merged"].before][:1] != []
    merged = next(change for change in found.changes if change.state == "merged")
    assert [block.where for block in merged.before] == [("system", 1), ("system", 2)]
    assert merged.now is not None and merged.now.where == ("messages", 0, "content")
    by = {setting.key: setting.state for setting in found.settings}
    assert by["metadata"] == "removed" and by["model"] == "changed" and by["stream_options"] == "added"


def test_settings_are_told_beside_the_blocks() -> None:
    found = align({**says("a"), "max_tokens": 8, "top_p": 1}, {**says("a"), "max_tokens": 9, "stream": True})
    assert [(s.key, s.state) for s in found.settings] == [
        ("max_tokens", "changed"),
        ("top_p", "removed"),
        ("stream", "added"),
    ]
    assert found.as_json()["settings"][0] == {"key": "max_tokens", "state": "changed", "before": 8, "now": 9}


def test_bodies_that_have_nothing_in_common_are_compared_soon() -> None:
    one, two = list(session(1, 60))[-1], list(session(2, 60))[-1]
    assert sum(align(one, two).counts().values()) > 200


# -- texts


def test_words_that_changed_within_a_line_are_marked() -> None:
    told = wording.compare("a\nthe old words here\nz", "a\nthe new words here\nz")
    assert [(line.op, line.text) for line in told] == [
        ("=", "a"),
        ("-", "the old words here"),
        ("+", "the new words here"),
        ("=", "z"),
    ]
    assert [[line.text[a:b] for a, b in line.changed] for line in told] == [[], ["old"], ["new"], []]


def test_lines_far_from_a_change_are_counted() -> None:
    old = [str(n) for n in range(100)]
    told = wording.compare("\n".join(old), "\n".join([*old[:50], "new", *old[50:]]))
    assert [line.op for line in told] == ["…", "=", "=", "=", "+", "=", "=", "=", "…"]
    assert (told[0].text, told[-1].text) == ("47", "47")


@settings(max_examples=60, deadline=None)
@given(st.text("ab \n", max_size=60), st.text("ab \n", max_size=60))
def test_a_comparison_holds_both_texts(old: str, new: str) -> None:
    told = [*wording._lines(old.split("\n"), new.split("\n"))]
    assert "\n".join(line.text for line in told if line.op in "=-") == old
    assert "\n".join(line.text for line in told if line.op in "=+") == new
    for line in told:
        assert all(0 <= a < b <= len(line.text) for a, b in line.changed)


@pytest.mark.parametrize("shape", ["one line", "many lines", "short lines"])
def test_large_texts_are_compared_soon(shape: str) -> None:
    chance = random.Random(1)
    pieces = ["".join(chance.choices(string.ascii_letters + " ", k=60)) for _ in range(5000)]
    glue = "" if shape == "one line" else "\n"
    size = 3 if shape == "short lines" else 60
    old = glue.join(piece[:size] for piece in pieces)
    new = glue.join(piece[:size] for piece in pieces[::-1])
    told = wording.compare(old, new)
    assert {line.op for line in told} >= {"-", "+"}
