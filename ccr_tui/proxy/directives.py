"""What system messages in the middle of a conversation order, besides what they say.

Owns the effort that holds for the next answer, the tools that are offered by now, and which reminders are over
(platform.claude.com/docs/en/build-with-claude: effort-per-message, mid-conversation-system-messages). Must never look
into other messages than it has to: there may be thousands. The one surprise: an effort that stands behind tool results
alone waits for the person's next words; one behind the person's words holds for the answer to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ccr_tui.compacted import since
from ccr_tui.records import Json
from ccr_tui.seen import History


def effort_now(body: Json) -> str | None:
    """The effort for the next answer: the latest order that is in force, else the request's own."""
    messages = body.get("messages") or []
    if not _has_system(messages):
        return _effort(body)
    for n in range(len(messages) - 1, -1, -1):
        message = messages[n]
        if message.get("role") == "system" and (ordered := _effort(message)) and _in_force(messages, n):
            return ordered
    return _effort(body)


def _effort(holder: Json) -> str | None:
    config = holder.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    return effort if isinstance(effort, str) and effort else None


def _in_force(messages: Sequence[Json], n: int) -> bool:
    """Whether the person spoke right before the order, or has spoken since."""
    for at in range(n - 1, -1, -1):
        if messages[at]["role"] == "assistant":
            break
        if _has_input(messages[at]):
            return True
    return any(_has_input(message) for message in messages[n + 1 :])


def _has_input(message: Json) -> bool:
    """Whether a message is the person's and more than results of tools."""
    if message["role"] != "user":
        return False
    content = message["content"]
    return bool(content) if isinstance(content, str) else any(block["type"] != "tool_result" for block in content)


def tools_now(body: Json) -> list[Json]:
    """The request's tools as the conversation has changed them by now."""
    declared: list[Json] = body.get("tools") or []
    changes = list(_changes(body["messages"]))
    if not changes:
        return declared
    offered = {_name(tool): tool for tool in declared}
    known = dict(offered)
    for kind, tool in changes:
        name = _name(tool)
        if kind == "tool_removal":
            offered.pop(name, None)
        elif tool.get("type") == "tool_definition":
            known[name] = offered[name] = tool["definition"]
        elif name in known:
            offered[name] = known[name]
    return list(offered.values())


def _has_system(messages: Sequence[Json]) -> bool:
    """Whether there is any system message among them; of a conversation that goes on, only what is new is looked at."""
    if not isinstance(messages, History):
        return any(message["role"] == "system" for message in messages)
    return messages.along(_has_system, False, _or_system)[-1:] == [True]


def _or_system(before: bool, message: Json) -> bool:
    return before or message["role"] == "system"


def _changes(messages: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    if not _has_system(messages) and since(messages) is messages:
        return
    for message in messages:
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            for change in [block] if message["role"] == "system" else _compacted(block):
                if is_change(change):
                    yield change["type"], change["tool"]


def _compacted(block: Json) -> list[Json]:
    """The changes of the tools in what a summary stands for."""
    changes = block.get("tool_changes") if block["type"] == "compaction" else None
    return [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []


def is_change(block: Json) -> bool:
    """Whether a block adds or removes a tool, in a way that can be followed."""
    tool = block.get("tool")
    if block.get("type") not in ("tool_addition", "tool_removal") or not isinstance(tool, dict):
        return False
    if tool.get("type") != "tool_definition":
        return tool.get("type") == "tool_reference" and isinstance(tool.get("name"), str)
    made = tool.get("definition")
    if block["type"] == "tool_removal" or not isinstance(made, dict) or not isinstance(made.get("name"), str):
        return False
    return isinstance(made.get("input_schema"), dict) or made.get("type") not in (None, "custom", "function")


def _name(tool: Json) -> str:
    inner = tool.get("definition")
    return str((inner if isinstance(inner, dict) else tool).get("name") or tool.get("type"))


def told(block: Json) -> str:
    """A change of the tools as a sentence."""
    name = _name(block["tool"])
    if block["type"] == "tool_removal":
        return f"[The tool {name} can't be called any more.]"
    return f"[The tool {name} can be called from now on.]"


def over(messages: Sequence[Json]) -> list[int]:
    """The places of reminders for one turn (`clear_at: next_user_message`) that a later user message has ended."""
    if not _has_system(messages):
        return []
    found = [n for n, message in enumerate(messages) if message["role"] == "system" and message.get("clear_at")]
    if not found:
        return found
    last = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=-1)
    return [n for n in found if n < last and messages[n]["clear_at"] == "next_user_message"]
