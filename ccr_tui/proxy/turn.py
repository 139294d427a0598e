"""The newest turn of a conversation: whose it is, and what the person said in it.

Owns how a person's words are told from what the client adds (<system-reminder>, tool results). Must never change a
body. The one surprise: while tools run, the newest turn holds no words at all, so `words` goes back to those that began
the work; a rule about them then holds through the whole tool loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ccr_tui.proxy.asked import newest_turn, texts_of
from ccr_tui.records import Json

INTERRUPTED = "[Request interrupted by user"
"""How the client says that the person pressed Escape; what follows is the person's (measured with 2.1.330)."""
REMINDER = r"<system-reminder>.*?</system-reminder>"
_REMINDER = re.compile(REMINDER, re.DOTALL)
_CLOSE = "</system-reminder>"


def goes_on(body: Json) -> bool:
    """Whether a tool loop goes on: the newest turn brings a result, and the person has not stepped in."""
    turn = newest_turn(body)
    texts = (text for message in turn for text in texts_of(message.get("content")))
    return any(map(_holds_result, turn)) and not any(text.startswith(INTERRUPTED) for text in texts)


def reminded(text: str) -> int:
    """How far reminders can reach: to the end of the last one. What opens behind it is never closed, and looking for
    the end of each of those would take a time that grows with the square of the text (6 s for 40 MB)."""
    return text.rfind(_CLOSE) + len(_CLOSE) if _CLOSE in text else 0


def words(body: Json, most: int = 20_000) -> str:
    """What the person typed last, without the client's reminders; its last `most` characters."""
    messages = body.get("messages")
    for message in reversed(messages if isinstance(messages, list) else []):
        own = isinstance(message, dict) and message.get("role") == "user" and not _only_results(message)
        if own and (said := "\n".join(_typed(message))):
            return said[-most:]
    return ""


def _typed(message: Json) -> Iterator[str]:
    for text in texts_of(message.get("content")):
        end = reminded(text)
        own = _REMINDER.sub("", text[:end]) + text[end:] if end else text
        if own.strip() and not own.startswith(INTERRUPTED):
            yield own.strip()


def _only_results(message: Json) -> bool:
    """Text beside results is the client's ("Tool loaded."), unless the person has stepped in."""
    texts = texts_of(message.get("content"))
    return _holds_result(message) and not any(text.startswith(INTERRUPTED) for text in texts)


def _holds_result(message: Json) -> bool:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
