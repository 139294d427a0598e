"""Inline reasoning, told apart from text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy.think import ThinkTags

CASES: dict[str, tuple[str, bool, bool, list[tuple[str, str]]]] = {
    "reasoning": ("<think>hm</think>\n\nHello", False, False, [("thinking", "hm"), ("text", "Hello")]),
    "after white space": ("\n<think>hm</think>Hello", False, False, [("thinking", "hm"), ("text", "Hello")]),
    "in the middle": ("Write <think>x</think>", False, False, [("text", "Write <think>x</think>")]),
    "never closed": ("<think>hm</thin", False, False, [("thinking", "hm</thin")]),
    "only a beginning": ("<thi", False, False, [("text", "<thi")]),
    "another tag": ("<thinner>x", False, False, [("text", "<thinner>x")]),
    "white space stays": (" \n x", False, False, [("text", " \n x")]),
    "empty reasoning": ("<think>\n\n</think>\n\nHi", False, False, [("thinking", "\n\n"), ("text", "Hi")]),
    "lone closing tag, unknown": ("hm</think>Hi", False, False, [("text", "hm</think>Hi")]),
    "lone closing tag, known": ("hm</think>Hi", True, False, [("text", "hmHi")]),
    "known to start inside": ("hm</think>\nHi", True, True, [("thinking", "hm"), ("text", "Hi")]),
    "Magistral's": ("[THINK]hm[/THINK]Hi", True, False, [("thinking", "hm"), ("text", "Hi")]),
    "Magistral's, unknown": ("[THINK]hm", False, False, [("text", "[THINK]hm")]),
    "a longer tag": ("<thinking>hm</thinking>Hi", True, False, [("thinking", "hm"), ("text", "Hi")]),
}


def split(text: str, known: bool, inside: bool, step: int) -> list[tuple[str, str]]:
    tags = ThinkTags(known, inside)
    said: list[tuple[str, str]] = []
    for at in range(0, len(text), step):
        said += tags.feed(text[at : at + step])
    said += tags.release()
    joined: list[tuple[str, str]] = []
    for kind, piece in said:
        if joined and joined[-1][0] == kind:
            joined[-1] = (kind, joined[-1][1] + piece)
        else:
            joined.append((kind, piece))
    return joined


@pytest.mark.parametrize(("text", "known", "inside", "said"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_tags_are_found_however_they_are_cut(
    text: str, known: bool, inside: bool, said: list[tuple[str, str]], step: int
) -> None:
    assert split(text, known, inside, step) == said


@given(st.text(st.sampled_from("<think>/ \na"), max_size=40), st.booleans(), st.booleans())
def test_the_cut_never_matters_and_no_text_is_lost(text: str, known: bool, inside: bool) -> None:
    said = split(text, known, inside, 1)
    assert said == split(text, known, inside, 1000)
    lost = text
    for _, piece in said:
        for char in piece:
            place = lost.find(char)
            assert place >= 0
            lost = lost[place + 1 :]


def test_plain_text_passes_without_delay() -> None:
    tags = ThinkTags()
    assert tags.feed("Hi") == [("text", "Hi")]
    assert tags.plain
