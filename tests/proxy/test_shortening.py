"""A request that is too long is told how it can be made to fit, and never what can't help."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_verdict import Letters

from ccr_tui.errors import BadRequest
from ccr_tui.proxy.complaints import error_of
from ccr_tui.proxy.guards import check_window
from ccr_tui.proxy.shortening import fixed_share
from ccr_tui.records import Json
from ccr_tui.tally import tally
from ccr_tui.tokens import Estimate

TOOL = {"name": "Bash", "description": "Runs it. " * 2000, "input_schema": {"type": "object"}}
FIRST: list[Json] = [{"role": "user", "content": "Hello."}]
LONG: list[Json] = [*FIRST, {"role": "assistant", "content": "Yes. " * 4000}, {"role": "user", "content": "And?"}]
HELPS: dict[str, tuple[dict[str, Any], str]] = {
    "the first request": ({"system": "Be brief.", "tools": [TOOL], "messages": FIRST}, "Compacting can't help"),
    "a chat's first": (
        {"tools": [{"function": TOOL}], "messages": [{"role": "system", "content": "Be brief."}, *FIRST]},
        "Compacting can't help",
    ),
    "tools alone, later too": ({"tools": [TOOL] * 3, "messages": LONG}, "Compacting can't help"),
    "a long prompt": (
        {"messages": [{"role": "user", "content": "word " * 9000}]},
        "Nothing was said yet that could be",
    ),
    "a conversation": ({"system": "Be brief.", "messages": LONG}, "Compact the conversation (/compact), or "),
}


@pytest.mark.parametrize(("body", "begins"), HELPS.values(), ids=HELPS)
def test_the_cure_fits(body: dict[str, Any], begins: str) -> None:
    given = tally(body, Letters()).total
    with pytest.raises(BadRequest) as caught:
        check_window(Estimate(given, 0.0, 9), 1000, "small", body)
    words = caught.value.message
    assert words.startswith(f"prompt is too long: {given} tokens > 1000 maximum. {begins}")
    assert "larger window than small (models.small.context)" in words
    if fixed := re.search(r"are some (\d+) of these", words):
        assert 1000 <= int(fixed[1]) <= given and "/compact" not in words


@pytest.mark.parametrize(("body", "begins"), HELPS.values(), ids=HELPS)
def test_a_providers_refusal_has_the_same_cure(body: dict[str, Any], begins: str) -> None:
    said = b'{"error": {"message": "This model\'s maximum context length is 1000 tokens. However, your messages ' + (
        b'resulted in 9000 tokens.", "code": "context_length_exceeded"}}'
    )
    found = error_of(400, {}, said, "small", {**body, "model": "tiny"})
    assert found.message.startswith("prompt is too long: 9000 tokens > 1000 maximum (")
    assert begins in found.message and "a model with a larger window than tiny's" in found.message


@pytest.mark.parametrize("body", [None, 3, {}, {"messages": 3}, {"messages": []}, {"messages": [1, "x", {}]}])
def test_odd_bodies_have_a_cure(body: Json) -> None:
    assert 0 <= fixed_share(body) <= 1
    with pytest.raises(BadRequest, match="prompt is too long: 9000 tokens > 1000 maximum"):
        check_window(Estimate(9000, 0.0, 9), 1000, "small", body)
