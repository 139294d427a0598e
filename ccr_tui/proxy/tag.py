"""<CCR-SUBAGENT-MODEL>provider,model</CCR-SUBAGENT-MODEL>: a subagent's prompt names its own model.

Owns where the tag is looked for (the system prompt, and what stands before the first answer) and its removal. Must
never change the body that it was given. The one surprise: a tag inside <system-reminder> is left alone, because there
the client shows CLAUDE.md, which often explains the tag to the main agent, and that is no request for a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ccr_tui.proxy.asked import texts_of
from ccr_tui.proxy.turn import REMINDER, reminded
from ccr_tui.records import Json
from ccr_tui.seen import once

OPEN = "<CCR-SUBAGENT-MODEL>"
_TAG = rf"{OPEN}\s*([^<>\s](?:[^<>]{{0,200}}[^<>\s])?)\s*</CCR-SUBAGENT-MODEL>\n?"
_BARE = re.compile(_TAG)
_AMONG_REMINDERS = re.compile(rf"{REMINDER}|{_TAG}", re.DOTALL)


def tag_of(body: Json) -> str | None:
    """The model that the first tag names; None without a tag."""
    found = once(body.get("system"), _tag_in)
    if found is None:
        for message in body.get("messages") or ():
            if message.get("role") == "assistant" or (found := once(message, _tag_of)) is not None:
                break
    return found


def _tag_of(message: Json) -> str | None:
    return _tag_in(message.get("content"))


def _tag_in(place: Json) -> str | None:
    texts = [text for text in texts_of(place) if OPEN in text]
    return next((match[1] for text in texts for match in _found(text) if match[1]), None)


def _found(text: str) -> Iterator[re.Match[str]]:
    """Tags, and the reminders among which they do not count."""
    end = reminded(text)
    yield from _AMONG_REMINDERS.finditer(text, 0, end)
    yield from _BARE.finditer(text, end)


def without_tag(body: Json) -> Json:
    """The body without its tags; the very same object where it has none.

    A block that held nothing else goes too. What would leave a message or the system prompt empty stays as it is.
    """
    if tag_of(body) is None:
        return body
    count = len(_opening(body))
    messages = [_cleaned(message, "content") for message in body["messages"][:count]] + body["messages"][count:]
    return {**_cleaned(body, "system"), "messages": messages}


def _opening(body: Json) -> list[Json]:
    """The messages before the first answer. Those stay the same for the whole conversation."""
    messages = body.get("messages")
    messages = messages if isinstance(messages, list) else []
    answers = (n for n, message in enumerate(messages) if message.get("role") == "assistant")
    return messages[: next(answers, len(messages))]


def _cleaned(holder: Json, key: str) -> Json:
    content = holder.get(key)
    if isinstance(content, str):
        return {**holder, key: _untagged(content) or content}
    if not isinstance(content, list):
        return holder
    return {**holder, key: list(_blocks(content)) or content}


def _blocks(content: list[Json]) -> Iterator[Json]:
    for block in content:
        if not isinstance(block, dict) or block.get("type") != "text" or OPEN not in str(block.get("text")):
            yield block
        elif kept := _untagged(block["text"]):
            yield {**block, "text": kept}


def _untagged(text: str) -> str:
    """Empty if nothing but blanks is left."""
    end = reminded(text)
    left = _AMONG_REMINDERS.sub(_reminder, text[:end]) + _BARE.sub("", text[end:])
    return left if left.strip() else ""


def _reminder(match: re.Match[str]) -> str:
    return "" if match[1] else match[0]
