"""The overview's words: what the provider said, what the client was sent, and sums that a person can follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from generated import attempt, trace

from ccr_tui.records import Failure, Trace
from ccr_tui.screens.overview import overview_document

CUT = Failure(502, "api_error", "half cut its answer off before the end.")
SPENT = Failure(402, "billing_error", "Stopped: today's budget of $5 is spent.", False)


def text_of(record: Trace, width: int = 200) -> str:
    return "\n".join(line.text for line in overview_document(record, width).lines)


FAILED: dict[str, tuple[Mapping[str, Any], list[str]]] = {
    "in a stream that had begun": (
        {"status": 200, "failure": CUT, "attempts": (attempt(failure=CUT),)},
        [
            "✗ error · 502, told inside a stream that had begun with 200",
            "Error  502 api_error",
            "provider   dashscope: answered 200",
            "client     had been sent 200, because its stream had begun",
            "it was then sent an error event: api_error",
        ],
    ),
    "before anything was sent": (
        {"status": 502, "failure": CUT, "attempts": (attempt(failure=CUT, status=None),)},
        ["✗ error · 502", "provider   dashscope: no response came", "client     was sent 502 with this error"],
    ),
    "by ccr-tui itself": (
        {"status": 402, "failure": SPENT, "attempts": ()},
        ["✗ error · 402", "provider   none was asked: ccr-tui refuses this itself"],
    ),
}


@pytest.mark.parametrize(("given", "shown"), FAILED.values(), ids=FAILED)
def test_a_failure_tells_what_the_provider_said_and_what_the_client_got(
    given: Mapping[str, Any], shown: list[str]
) -> None:
    text = text_of(trace(outcome="error", reply=None, **given))
    assert [words for words in shown if words not in text] == [], text
