"""A credential that a refusing provider repeats is covered, however it is written."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy.attempt import masked
from ccr_tui.proxy.complaints import error_of
from ccr_tui.proxy.disguise import covered, undressed

KEY = 'Plain+Zz9/Yy8=Xx7&Ww6<Vv5"Uu4'
LOOKS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON of PHP": lambda key: json.dumps(key)[1:-1].replace("/", r"\/"),
    "JSON, each letter": lambda key: "".join(f"\\u{ord(one):04X}" for one in key),
    "a URL": lambda key: quote(key, safe=""),
    "a URL, each letter": lambda key: "".join(f"%{ord(one):02x}" for one in key),
    "a page": escape,
    "a page, each letter": lambda key: "".join(f"&#{ord(one)};" for one in key),
    "a page without ends": lambda key: "".join(f"&#x{ord(one):X}" for one in key),
    "base64": lambda key: b64encode(key.encode()).decode(),
    "basic authentication": lambda key: b64encode(f"user:{key}".encode()).decode(),
    "another length before it": lambda key: b64encode(f"me:{key}".encode()).decode(),
    "base64 for URLs": lambda key: urlsafe_b64encode(f"a{key}b".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex().upper(),
}


def left(text: str, look: str) -> int:
    """The longest piece of the look that still stands in the text."""
    return max(n for n in range(len(look) + 1) for at in range(len(look) - n + 1) if look[at : at + n] in text)


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_however_it_is_written(look: Callable[[str], str]) -> None:
    dressed = look(KEY)
    body = b'{"error": {"message": "bad key ' + look(KEY).encode() + b'"}}'
    kept = b"".join(piece for _, piece in masked([(1, body[:44]), (2, body[44:])], (KEY,), True))
    assert len(kept) == len(body) and left(kept.decode(), dressed) < 9
    assert left(undressed(f"bad key {dressed}.", (KEY,)), dressed) < 9
    error = error_of(400, {}, body, "p", secrets=(KEY,))
    assert left(error.message, dressed) < 9 and left(error.message, KEY) < 5


@pytest.mark.parametrize("length", range(len(KEY) // 2 + 1, len(KEY)))
def test_one_that_is_cut_off_counts_from_its_half_on(length: int) -> None:
    assert undressed(f"it said {KEY[:length]}…", (KEY,)) == "it said ***…"


@given(st.binary(max_size=60))
def test_what_holds_none_stays(data: bytes) -> None:
    assert covered(data, (KEY, "short")) == data


def test_of_a_long_answer_both_ends_are_looked_at() -> None:
    key, between = quote(KEY, safe="").encode(), b"." * 200_000
    assert covered(key + between + key, (KEY,)) == b"*" * len(key) + between + b"*" * len(key)
