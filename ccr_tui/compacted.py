"""What of a conversation counts once a server has compacted it.

Owns `since`. Must never change a message that it keeps. The one surprise: a client goes on sending everything. The
Messages API drops all blocks before the latest `compaction` block by itself, and one whose content is null (a
compaction that failed) is no compaction at all (platform.claude.com/docs/en/build-with-claude/compaction; the SDK's
own words for the block).
"""

from __future__ import annotations

from typing import Any

from ccr_tui.records import Json
from ccr_tui.seen import History

NOWHERE = -1


def since(messages: Json) -> Json:
    """The messages from the latest summary on, which is then the user's word; the very same list without one."""
    at = _latest(messages)
    if at == NOWHERE:
        return messages
    message = messages[at]
    blocks: list[Any] = message["content"]
    start = max(n for n, block in enumerate(blocks) if _is_summary(block))
    rest = [{**message, "content": blocks[start + 1 :]}] if blocks[start + 1 :] else []
    return [{"role": "user", "content": [blocks[start]]}, *rest, *messages[at + 1 :]]


def _latest(messages: Json) -> int:
    """The place of the last message with a summary in it. Of a conversation that goes on only what is new is read."""
    if isinstance(messages, History):
        return messages.latest(_latest, (0, NOWHERE), _next)[1]
    places = range(len(messages) - 1, -1, -1) if isinstance(messages, list) else ()
    return next((n for n in places if _holds_summary(messages[n])), NOWHERE)


def _next(before: tuple[int, int], message: Json) -> tuple[int, int]:
    """How many messages there are by now, and where the last summary stands."""
    count, place = before
    return count + 1, count if _holds_summary(message) else place


def _holds_summary(message: Json) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(_is_summary(block) for block in content)


def _is_summary(block: Json) -> bool:
    if not isinstance(block, dict) or block.get("type") != "compaction":
        return False
    return isinstance(block.get("content"), str) and bool(block["content"])
