"""What a person types to narrow a list, and what it means."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.filtering import FLAGS, KEYS, FilterError, Term, complete, parse, quoted

NOW = datetime(2026, 11, 23, 15, 30).timestamp()
MIDNIGHT = datetime(2026, 11, 23).timestamp()

MEANT = [
    ("error", [Term("error")]),
    ("failed", [Term("error")]),
    ("!error", [Term("error", inverted=True)]),
    ("agent:bg", [Term("agent", values=("background",))]),
    ("outcome:failed", [Term("outcome", values=("error",))]),
    ("AGENT:think,tool", [Term("agent", values=("think", "tool"))]),
    ("model:qwen*", [Term("model", values=("qwen*",))]),
    ("!model:qwen*", [Term("model", values=("qwen*",), inverted=True)]),
    ('project:"my work"', [Term("project", values=("my work",))]),
    ("cost>0.05", [Term("cost", ">", (50_000_000,))]),
    ("cost>=$0.05", [Term("cost", ">=", (50_000_000,))]),
    ("cached<50%", [Term("cached", "<", (50,))]),
    ("tokens>100k", [Term("tokens", ">", (100_000,))]),
    ("ttft>2s", [Term("ttft", ">", (2000,))]),
    ("ttft>300ms", [Term("ttft", ">", (300,))]),
    ("dur>1.5m", [Term("dur", ">", (90_000,))]),
    ("took<30", [Term("dur", "<", (30_000,))]),
    ("tries:2", [Term("tries", "=", (2,))]),
    ("status:4*,529", [Term("status", values=("4*", "529"))]),
    ("status>=500", [Term("status", ">=", (500,))]),
    ("since:2h", [Term("since", values=(NOW - 7200,))]),
    ("since:today", [Term("since", values=(MIDNIGHT,))]),
    ("until:yesterday", [Term("until", values=(MIDNIGHT - 86400,))]),
    ("since:09:30", [Term("since", values=(MIDNIGHT + 9.5 * 3600,))]),
    ("since:2026-11-22", [Term("since", values=(MIDNIGHT - 86400,))]),
    ('text:"out of memory"', [Term("text", values=('"out of memory"',))]),
    ("text:/out of (memory|space)/ error", [Term("text", "~", ("out of (memory|space)",)), Term("error")]),
    (r'!text:/a\/b "c", d/i', [Term("text", "~", ('(?i)a/b "c", d',), inverted=True)]),
    ("text:/home/ada", [Term("text", values=("/home/ada",))]),
    ("text:/home/ada/", [Term("text", values=("/home/ada/",))]),
    ("text:/home", [Term("text", values=("/home",))]),
    ("slow down", [Term("words", values=("slow down",))]),
    ("slow error down", [Term("error"), Term("words", values=("slow down",))]),
    ('"error"', [Term("words", values=('"error"',))]),
    ("!slow", [Term("words", values=("slow",), inverted=True)]),
    ("http://x/y C:\\z", [Term("words", values=("http://x/y C:\\z",))]),
    ("cost > 0.05", [Term("cost", ">", (50_000_000,))]),
    ("cost> 0.05 ok", [Term("cost", ">", (50_000_000,)), Term("ok")]),
    ("!Took >=\t2s", [Term("dur", ">=", (2000,), inverted=True)]),
    ('">" "or" error', [Term("error"), Term("words", values=('">" "or"',))]),
    ('"-ok" slow', [Term("words", values=('"-ok" slow',))]),
    ("out of memory or not found", [Term("words", values=("out of memory or not found",))]),
    ("-x -okay a->b --error", [Term("words", values=("-x -okay a->b --error",))]),
    ("error or", [Term("error"), Term("words", values=("or",))]),
    ("", []),
    ("   ", []),
]


@pytest.mark.parametrize(("text", "terms"), MEANT, ids=[case[0] or "nothing" for case in MEANT])
def test_what_is_typed_is_understood(text: str, terms: list[Term]) -> None:
    assert list(parse(text, NOW)) == terms


WRONG = [
    ("x modle:q", 2, "modle is no key; did you mean mode or model?"),
    ("zzz:1", 0, "zzz is no key; known are agent, asked, cached, cost"),
    ("model:", 0, "model: lacks its value"),
    ("ok cost>", 3, "cost> lacks its value"),
    ("error text:/a(/", 6, "/a(/ is no regular expression: missing )"),
    ("cost>cheap", 0, "cheap is no number here; cost is dollars: cost>0.05"),
    ("cached<5s", 0, "5s is no number here"),
    ("agent>3", 0, "agent can't be compared with >"),
    ("since:soon", 0, "soon is no time; write since:2h"),
    ("model = qwen", 0, "model can't be compared with =; who answered"),
    ("cost > cheap", 0, "cheap is no number here; cost is dollars: cost>0.05"),
    ("cost >", 0, "cost> lacks its value"),
    ("spent > 3", 6, "> stands alone; compare a key, as in cost>0.05, or put it in quotes"),
    ("error or ok", 6, "a comma means or: outcome:ok,error; put it in quotes to look for it as it stands"),
    ("slow OR agent:tool", 5, "a comma means or"),
    ("error and slow", 6, "all terms must hold, without a word between them"),
    ("not marked", 0, "! inverts what follows it: !error"),
    ("slow -ok", 5, "! inverts: !ok; put it in quotes"),
    ("-model:qwen*", 0, "! inverts: !model:qwen*"),
    ("a !", 2, "! inverts what follows it"),
]


@pytest.mark.parametrize(("text", "at", "words"), WRONG, ids=[case[0] for case in WRONG])
def test_what_is_not_understood_is_told_with_its_place_and_what_is_known(text: str, at: int, words: str) -> None:
    with pytest.raises(FilterError) as refused:
        parse(text, NOW)
    assert refused.value.at == at
    assert str(refused.value).startswith(words)
    assert f"(at character {at + 1})" in str(refused.value)


@given(st.text(alphabet='abc:<>="!*,% \x00中\ud800', max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        terms = parse(text, NOW)
    except FilterError as error:
        assert 0 <= error.at < len(text)
    else:
        assert all(term.values or term.key in FLAGS for term in terms)


def names(key: str) -> list[str]:
    return {"model": ["qwen-max", "deepseek-flash", "qwen 3 max"], "agent": ["tool", "think"]}.get(key, [])


COMPLETED = [
    ("mod", "model: mode:"),
    ("err", "error"),
    ("!mar", "marked"),
    ("error agent:t", "tool think"),
    ("model:max", 'qwen-max "qwen 3 max"'),
    ("model:qwen-max,deep", "deepseek-flash"),
    ("kind:sub", "subagent"),
    ("cos", "cost>"),
    ("since:", "30m 2h today yesterday 7d"),
    ("cost>", ""),
    ("nosuch:a", ""),
    ("", ""),
    ("error ", ""),
]


@pytest.mark.parametrize(("text", "options"), COMPLETED, ids=[case[0] or "nothing" for case in COMPLETED])
def test_keys_and_values_are_offered(text: str, options: str) -> None:
    found = complete(text, len(text), names)
    assert " ".join(option for option, _ in found.options) == options
    for option, _ in found.options:
        assert (text[: found.start] + option).startswith(text[: found.start])


def test_what_is_offered_is_understood() -> None:
    for key in KEYS:
        for option, words in complete(key, len(key), names).options:
            assert words, f"{option} says what it means"
    assert quoted('a "b" c') == '"a b c"'


def test_every_example_in_the_words_is_understood() -> None:
    for key, words in KEYS.items():
        examples = words.partition(": ")[2] if key not in ("since", "until") else words
        for example in examples.split(", "):
            assert parse(example, NOW), f"{key}: {example}"
