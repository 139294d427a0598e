"""The judge of what is sent: each of its rules can be broken."""

from __future__ import annotations

from typing import Any

import pytest
from openai_rules import problems

GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TOOL = {"type": "function", "function": {"name": "T", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c", "type": "function", "function": {"name": "T", "arguments": "{}"}}


def said(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def called(**differs: Any) -> dict[str, Any]:
    call = {**CALL, **differs}
    result = {"role": "tool", "tool_call_id": call["id"], "content": "r"}
    return {"messages": [*GOOD["messages"], {"role": "assistant", "content": None, "tool_calls": [call]}, result]}


def offered(**differs: Any) -> dict[str, Any]:
    return {"tools": [{**TOOL, "function": {**TOOL["function"], **differs}}]}


FORM = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
BROKEN: dict[str, dict[str, Any]] = {
    "an unknown key": {"top_k": 5},
    "null": {"stop": None},
    "five stops": {"stop": ["a", "b", "c", "d", "e"]},
    "an empty stop": {"stop": [""]},
    "too hot": {"temperature": 2.5},
    "nothing may be said": {"max_completion_tokens": 0},
    "an effort of its own": {"reasoning_effort": "ultra"},
    "a long cache key": {"prompt_cache_key": "k" * 65},
    "an answer without a name": {"response_format": {**FORM, "json_schema": {"name": "", "schema": {}}}},
    "an answer without a schema": {"response_format": {**FORM, "json_schema": {"name": "a"}}},
    "a text without text": said({"type": "text", "text": ""}),
    "a picture of nothing": said({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}),
    "a picture of a kind that nobody reads": said(
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,A"}}
    ),
    "a file without data": said({"type": "file", "file": {"filename": "a.pdf"}}),
    "a long id": called(id="c" * 41),
    "a call with a dot in its name": called(function={"name": "a.b", "arguments": "{}"}),
    "a schema of a list": offered(parameters={"type": "array"}),
    "a choice at the root": offered(parameters={"type": "object", "anyOf": [{}]}),
    "strict and open": offered(strict=True),
    "two tools of one name": {"tools": [TOOL, TOOL]},
    "a choice without tools": {"tool_choice": "auto"},
}


@pytest.mark.parametrize("differs", BROKEN.values(), ids=BROKEN)
def test_a_rule_is_broken(differs: dict[str, Any]) -> None:
    assert len(problems({**GOOD, **differs})) == 1


FITS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "a picture": said({"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}}),
    "a call": called(),
    "tools and a form": {**offered(), "tool_choice": "required", "response_format": FORM, "stop": ["a"]},
}


@pytest.mark.parametrize("differs", FITS.values(), ids=FITS)
def test_what_fits_is_not_refused(differs: dict[str, Any]) -> None:
    assert problems({**GOOD, **differs}) == []
