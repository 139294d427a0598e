"""What a person typed: in a message, in the first request of a session, in a title that the client asked for.

Owns how the client's own additions (reminders, tool results, echoes of local commands) are told from a prompt. Pure;
must never depend on one client version's wording alone: what is not recognised is shown as it is. The one surprise: a
message that holds a tool result is no prompt even if it holds text too, because the client puts what was typed while
tools ran, and its reminders, beside their results, and the turn goes on.
"""

from __future__ import annotations

import re
from typing import Any

from ccr_tui.records import Json
from ccr_tui.wire import loads

LONGEST = 200
"""Characters of a title."""
CONTINUED = "This session is being continued from a previous conversation"
"""How the summary begins that a compaction leaves in place of the conversation (seen with 2.1.330)."""

_ASIDE = re.compile(r"<(system-reminder|local-command-stdout|local-command-caveat|command-message)>.*?</\1>", re.DOTALL)
_COMMAND = re.compile(r"<command-name>(.*?)</command-name>|<command-args>(.*?)</command-args>", re.DOTALL)


def typed(message: Json) -> str | None:
    """What a person typed in this message; None where it is the client's own, or an answer."""
    if not isinstance(message, dict) or message.get("role") != "user":
        return None
    content = message.get("content")
    blocks = content if isinstance(content, list) else [content]
    if any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks):
        return None
    text = "\n".join(part for block in blocks if (part := _own(_text(block))))
    return None if not text or text.startswith(CONTINUED) else text


def line(text: str) -> str:
    """The beginning of a prompt on one line, as a title."""
    words = " ".join(text[: 4 * LONGEST].split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def first_prompt(body: Json) -> str | None:
    """The title of a conversation: the first thing that a person typed in it."""
    messages = body.get("messages") if isinstance(body, dict) else None
    for message in messages if isinstance(messages, list) else ():
        if text := typed(message):
            return line(text)
    return None


def given_title(reply: Json) -> str | None:
    """The title in the answer to a request for one: JSON such as {"title": "Mend the parser"}, or a plain line."""
    content = reply.get("content") if isinstance(reply, dict) else None
    text = "".join(_text(block) for block in content) if isinstance(content, list) else ""
    try:
        found = loads(text.strip().removeprefix("```json").removesuffix("```").encode("utf-8", "replace"))
    except ValueError:
        return None
    title = found.get("title") if isinstance(found, dict) else None
    return line(title) if isinstance(title, str) and title.strip() else None


def _text(block: Any) -> str:
    if isinstance(block, str):
        return block
    text = block.get("text") if isinstance(block, dict) and block.get("type") == "text" else None
    return text if isinstance(text, str) else ""


def _own(text: str) -> str:
    """Without what the client put around or beside it; a slash command as it was typed."""
    rest = _ASIDE.sub("", text) if "<" in text else text
    if command := [name or args for name, args in _COMMAND.findall(rest)]:
        return " ".join(part.strip() for part in command if part.strip())
    return rest.strip()
