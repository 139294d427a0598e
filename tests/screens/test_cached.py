"""The Cache page of constructed cases."""

from __future__ import annotations

import re

import pytest
from test_verdict import ASK, CALL, FIRST, OTHER, RESULT, SECOND, asked, body, call

from ccr_tui.records import Json
from ccr_tui.screens.cached import cache_document


@pytest.mark.parametrize("width", [60, 78, 118], ids=str)
@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (FIRST, SECOND, "read again"),
        (OTHER, SECOND, "missed"),
        (SECOND, body({"role": "system", "content": "You are terse."}, ASK, CALL, RESULT), "missed"),
    ],
    ids=["it only grew", "the tools changed", "the system prompt changed"],
)
def test_nothing_is_read_again_that_is_not_in_common(before: Json, now: Json, told: str, width: int) -> None:
    verdict = asked(call(before, "before", 0.0), call(now))
    lines = cache_document(verdict, width).lines
    page = "\n".join(line.shown(False)[0] for line in lines)
    rows = dict(re.findall(r"^([a-z ]{16}) *([\d,]+) ", page, re.MULTILINE))
    assert verdict.missed and f"{verdict.missed:,}" in rows.get(f"{told:16}", ""), page
    words = f"of {verdict.unchanged:,} that it would have read, had it only grown"
    assert (words in " ".join(page.split())) is (told == "missed")
