"""What stands on a form's line: shown, read again, and what of it is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.screens import written
from ccr_tui.screens.written import MASK

SECRET = "Bearer sk-0123456789abcdef"
names = st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True).filter(lambda name: not written._SECRET.search(name))
texts = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20).map(str.strip)
plain = texts.filter(lambda text: text and not written._NEXT.search(f"; {text}"))


@given(st.dictionaries(names, plain.filter(lambda text: not written._NEXT.search(f"{text}")), max_size=4))
def test_headers_read_as_they_were_shown(headers: dict[str, str]) -> None:
    assert written.headers(written.headers_line(headers)) == headers


def test_a_secret_in_the_file_is_masked_and_stays_unless_it_is_replaced() -> None:
    before = {"X-Title": "me; myself", "Authorization": SECRET, "X-Api-Key": "$KEY"}
    line = written.headers_line(before)
    assert line == f"X-Title: me; myself; Authorization: {MASK}; X-Api-Key: $KEY"
    assert written.headers(line, before) == before
    assert written.headers(line.replace(MASK, "$TOKEN"), before)["Authorization"] == "$TOKEN"
    with pytest.raises(ValueError, match="Authorization must be"):
        written.headers(line.replace(MASK, "sk-typed"), before)


def test_a_proxys_password_is_masked_and_stays_unless_something_else_changes() -> None:
    before = "http://ada:secret@proxy.lan:3128"
    assert written.proxy_line(before) == f"http://ada:{MASK}@proxy.lan:3128"
    assert written.proxy(written.proxy_line(before), before) == before
    with pytest.raises(ValueError, match="password typed anew"):
        written.proxy(f"http://ada:{MASK}@other.lan:3128", before)


@pytest.mark.parametrize(("line", "proxy"), [("", None), ("none", ""), ("socks5://a:1", "socks5://a:1")])
def test_a_proxy_is_one_none_or_the_environments(line: str, proxy: str | None) -> None:
    assert written.proxy(line) == proxy
    assert written.proxy_line(proxy) == line


@pytest.mark.parametrize(
    ("read", "line", "wrong"),
    [
        (written.keys, "$A, sk-b", "variables that hold the keys"),
        (written.headers, "no header", "Name: value; Name: value"),
        (written.headers, "X Y: z", "Name: value; Name: value"),
        (written.headers, "X-Y:", "Name: value; Name: value"),
        (written.headers, "X-Api-Key: sk-1", "must be $NAME"),
        (written.proxy, "ftp://a", "must be an http://"),
        (written.quirks, "think_tags", "name = value"),
        (written.quirks, "think_tags = yes", "name = value"),
        (written.quirks, "a = 1}, b = {c = 2", "name = value"),
    ],
)
def test_what_is_wrong_is_said(read: Callable[[str], object], line: str, wrong: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(line)
    assert wrong in str(caught.value)


def test_keys_are_told_by_their_variables_alone() -> None:
    assert written.keys_line(("$A", "sk-secret", "${B}")) == "$A, ${B}"
    assert written.keys("$A,$B ${C}") == ("$A", "$B", "${C}")
    assert written.keys("") == ()


values = st.recursive(
    st.booleans() | st.integers(-9, 9**9) | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), values, max_size=3))
def test_quirks_read_as_they_were_shown(quirks: dict[str, Any]) -> None:
    assert written.quirks(written.quirks_line(quirks)) == quirks


tables = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), max_size=4)


@given(tables, tables)
def test_only_what_changes_is_written(before: dict[str, int], after: dict[str, int]) -> None:
    made: Any = dict(before)
    for keys, value in written.table(("t",), before, after):
        if keys == ("t",):
            made = dict(value or {})
        elif value is None:
            del made[keys[1]]
        else:
            made[keys[1]] = value
    assert made == after
    assert (written.table(("t",), before, after) == []) == (before == after)
