"""The most input tokens that a provider can count in a request, whatever its tokenizer.

Owns that bound. Must never look at an estimate, or at what was learned: it holds for a model that nobody has ever
asked. The one surprise: it is three to four times what English text takes, because all that is known of an unknown
tokenizer is that each of its tokens stands for a byte at least.

What it takes for granted:
- a text makes no more tokens than it has bytes in UTF-8 (true of every byte-level and every byte-fallback tokenizer);
- tools, and the arguments of calls, are shown to the model as JSON, indented by four at most, at worst in ASCII alone;
- a chat template, and the provider's own words, add no more than AROUND, PER_MESSAGE and PER_TOOL tokens;
- a picture takes at most what the dearest documented rule makes of one, and so does a page of a PDF.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from ccr_tui.proxy.asked import server_tool
from ccr_tui.records import Json
from ccr_tui.wire import dumps, loads

AROUND = 2048
"""A provider's own words in a request. Anthropic's for tools take up to 804 tokens (its page on tool use), a name and a
date some 20 to 200."""
PER_MESSAGE, PER_TOOL = 32, 64
PICTURE = 16_384
"""Qwen-VL with high resolution; Claude takes up to 4,784, GPT-5 1,190, Gemini some 2,240."""
DEAR_PICTURE = 48_169
"""gpt-4o-mini: 2,833 and 5,667 for each of eight tiles (OpenAI's page on vision)."""
PAGE = 8192
"""Its text and its picture."""


def most_input(sent: Json, model_id: str, pages: Callable[[str], int | None]) -> int:
    """Of a body in either format, as it is sent. `pages` counts a PDF's, None where it can't."""
    if not isinstance(sent, dict):
        return AROUND + len(dumps(sent))
    tools = [tool for tool in sent.get("tools") or () if isinstance(tool, dict)]
    messages = [message for message in sent.get("messages") or () if isinstance(message, dict)]
    picture = DEAR_PICTURE if "4o-mini" in model_id else PICTURE
    found = len(dumps(sent)) + AROUND + PER_MESSAGE * len(messages) + PER_TOOL * len(tools)
    found += sum(_widened(dumps(tool)) for tool in tools)
    for block in blocks(messages):
        if (data := shown(block)) is not None:
            found += picture - len(data)
        elif (data := attached(block)) is not None and (count := pages(data)) is not None:
            found += PAGE * count - len(data)
        elif (given := arguments(block)) is not None:
            found += PER_TOOL + widened(given)
    return found


def runs_tools(sent: Json) -> str | None:
    """A tool in it that the provider itself would run, whose work no bound is known of; None: there is none."""
    tools = sent.get("tools") if isinstance(sent, dict) else None
    return next((kind for tool in tools or () if isinstance(tool, dict) and (kind := server_tool(tool))), None)


def widened(value: Json) -> int:
    """How many bytes more JSON takes when it is written as widely as a template may write it."""
    return max(0, len(json.dumps(value, indent=4)) - len(dumps(value)))


@lru_cache(maxsize=256)
def _widened(tool: bytes) -> int:
    """The same of a tool, which every request sends again."""
    return widened(loads(tool))


def blocks(messages: list[Json]) -> Iterator[Json]:
    """Every block of every message, those within results too, and every call."""
    for message in messages:
        yield from within(message.get("content"))
        yield from message.get("tool_calls") or ()


def within(content: Any) -> Iterator[Json]:
    """Blocks, however deep."""
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            yield block
            yield from within(block.get("content"))


def shown(block: Json) -> str | None:
    """The data of a picture, empty where it is only linked to; None for anything else."""
    match block:
        case {"type": "image", "source": {"data": str(data)}}:
            return data
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return url.partition(",")[2] if url.startswith("data:") else ""
        case {"type": "image" | "image_url"}:
            return ""
    return None


def attached(block: Json) -> str | None:
    """The data of a PDF; None for anything else."""
    match block:
        case {"type": "document", "source": {"type": "base64", "data": str(data)}}:
            return data
        case {"type": "file", "file": {"file_data": str(url)}}:
            return url.partition(",")[2]
    return None


def arguments(block: Json) -> Json:
    """What a call was given, as data if it can be read; None for anything else."""
    match block:
        case {"type": "tool_use", "input": given}:
            return given
        case {"function": {"arguments": str(text)}}:
            try:
                return json.loads(text)
            except ValueError:
                return text
    return None
