"""What a raw client of the house sends, how it reads the bytes that come back, and how long it waited for them."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

STEP_S = 0.005

BASH = {
    "name": "Bash",
    "description": "Runs a command",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}


def ask(marker: str, **more: Any) -> dict[str, Any]:
    """A Messages body whose prompt plays that scenario."""
    return {
        "model": "claude-sonnet-test",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": f"Please play. [[ccr:{marker}]]"}],
        "tools": [BASH],
        **more,
    }


def parse_sse(data: bytes) -> list[dict[str, Any]]:
    """The events of a Messages stream; any line that Claude Code would not read is a failure."""
    events = []
    for block in data.decode("utf-8").split("\n\n")[:-1]:
        found = re.fullmatch(r"event: (\w+)\ndata: (\{.*\})", block)
        assert found, block
        event = json.loads(found[2])
        assert event["type"] == found[1]
        events.append(event)
    assert data.endswith(b"\n\n") or not data
    return events


def blocks_of(message: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The content of a message, as short as a table of cases wants it."""
    return [SHORT[block["type"]](block) for block in message["content"]]


SHORT: dict[str, Any] = {
    "text": lambda block: ("text", block["text"]),
    "thinking": lambda block: ("thinking", block["thinking"]),
    "tool_use": lambda block: ("tool_use", block["name"], block["input"]),
}


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client makes of a stream's events, in the plainest way."""
    message: dict[str, Any] = {}
    pieces: dict[int, list[str]] = {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = json.loads(json.dumps(event["message"]))
        elif kind == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(dict(event["content_block"]))
            pieces[event["index"]] = []
        elif kind == "content_block_delta":
            _add(message["content"][event["index"]], event["delta"], pieces[event["index"]])
        elif kind == "content_block_stop" and message["content"][event["index"]]["type"] == "tool_use":
            message["content"][event["index"]]["input"] = json.loads("".join(pieces[event["index"]]) or "{}")
        elif kind == "message_delta":
            message.update(event["delta"])
            message["usage"] = {**message["usage"], **event["usage"]}
    return message


def _add(block: dict[str, Any], delta: dict[str, Any], pieces: list[str]) -> None:
    for name in delta.keys() & {"text", "thinking"}:
        block[name] = block.get(name, "") + delta[name]
    block.update({"signature": delta["signature"]} if "signature" in delta else {})
    pieces.append(delta.get("partial_json", ""))


class Beats:
    """How long this loop, on which the house runs too, was at work or at rest: a moment that the machine gave to
    somebody else counts as one beat, so that a limit may be as narrow as what is promised."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def seconds(self) -> float:
        """Until now, or until the end of the block."""
        return self._count * STEP_S

    async def __aenter__(self) -> Beats:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            self._count += 1
