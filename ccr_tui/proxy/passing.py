"""A Messages API request on its way to an upstream that speaks the Messages API itself.

Owns what changes: the model's name, reasoning that the upstream could not accept, and for servers of other models what
only Anthropic's own know. Must never touch anything else, nor the body that it was given. The one surprise: a thinking
block that was made from another model's reasoning carries our mark instead of Anthropic's signature, and one such block
makes Anthropic refuse the session; but without it, thinking with a budget is refused while the tool calls that followed
it are under way. Other models behind the same format sign nothing, and refuse calls that come back without their
reasoning (Kimi, Mimo: "reasoning_content is missing in assistant tool call message"), so they get every block, ours
with an empty signature (opencode #44713). They know no system messages in the middle either ("messages[1].role: unknown
variant `system`", awesome-deepseek-agent #167), nor every pattern in a schema (claude-code #92964).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ccr_tui.proxy import hop
from ccr_tui.proxy.asked import texts_of
from ccr_tui.proxy.content import reminder
from ccr_tui.proxy.notes import Notes
from ccr_tui.proxy.schemas import readable
from ccr_tui.records import Json
from ccr_tui.signed import SIGNATURE

_OURS = SIGNATURE.partition(".")[0] + "."
"""What every version of our mark begins with."""
_SIGNS_NOTHING = re.compile(r"(?i)kimi|moonshot|mimo|deepseek|glm|minimax|qwen|gpt-oss|gemma|llama|mistral|devstral")
"""Models of others behind the Messages API. Any other id is taken for Claude's, whatever a gateway calls it."""
_ALWAYS_THINKS = re.compile(r"(?i)kimi-k2[.p]7-code|kimi-for-coding")
"""They refuse to be told not to think ("only type=enabled is allowed for this model", Kimi-K2 #141)."""


def pass_through(body: Json, model_id: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body for the upstream, and what was changed besides the model's name."""
    notes = Notes()
    is_other = _SIGNS_NOTHING.search(model_id) is not None
    made = _unsigned if is_other else _without_ours
    kept = [said for message in body["messages"] for said in made(message, notes)]
    sent = {**body, "model": model_id, "messages": _by_two(kept, notes) if is_other else kept}
    if is_other and isinstance(body.get("tools"), list):
        sent["tools"] = [_readable(tool) for tool in body["tools"]]
    if _is_bereft(body, kept):
        notes.add("thinking was left out of this request: the calls under way are another model's, without its own")
        sent = _without_thinking(sent)
    if is_other and (body.get("thinking") or {}).get("type") == "disabled" and _ALWAYS_THINKS.search(model_id):
        notes.add("thinking was to be off, but this model always thinks")
        sent = _without_thinking(sent)
    return sent, notes.all()


def _is_bereft(body: Json, kept: list[Json]) -> bool:
    """Whether calls under way have lost the reasoning that must stand before them (docs: thinking-tool-workflows)."""
    if (body.get("thinking") or {}).get("type") != "enabled":
        return False
    last = next((message for message in reversed(kept) if message["role"] == "assistant"), None)
    if last is None or any(last is message for message in body["messages"]) or not isinstance(last["content"], list):
        return False
    kinds = [block["type"] for block in last["content"]]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _without_thinking(sent: dict[str, Any]) -> dict[str, Any]:
    """Nor the order to clear it, which is refused where there is none."""
    rest = {key: value for key, value in sent.items() if key not in ("thinking", "context_management")}
    management = sent.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    if isinstance(management, dict) and isinstance(edits, list):
        others = [edit for edit in edits if not _clears_thinking(edit)]
        return rest | ({"context_management": {**management, "edits": others}} if others else {})
    return rest


def _clears_thinking(edit: Json) -> bool:
    return isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking")


def _without_ours(message: Json, notes: Notes) -> Iterator[Json]:
    """The message without such reasoning; an agent's result in it becomes the user's word before it.

    A message that held nothing else is left out: its neighbours then stand side by side, which is allowed.
    """
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, list):
        yield message
        return
    yield from ({"role": "user", "content": hop.context(block)} for block in content if hop.agent_of(block))
    kept = [block for block in content if not _foreign(block)]
    if any(_foreign(block) and hop.agent_of(block) is None for block in content):
        notes.add("reasoning of another model was left out: the upstream accepts only its own")
    if kept:
        yield message if len(kept) == len(content) else {**message, "content": kept}


def _unsigned(message: Json, notes: Notes) -> Iterator[Json]:
    """The message for a model that signs nothing: our own marks are no signature."""
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, list) or not any(map(_is_ours, content)):
        yield message
        return
    yield from ({"role": "user", "content": hop.context(block)} for block in content if hop.agent_of(block))
    if any(_is_ours(block) and not _says_nothing(block) for block in content):
        notes.add("reasoning of another model was sent without our mark")
    kept = [{**block, "signature": ""} if _is_ours(block) else block for block in content if not _says_nothing(block)]
    if kept:
        yield {**message, "content": kept}


def _by_two(messages: list[Json], notes: Notes) -> list[Json]:
    """With the words of system messages at the end of the user's message before them."""
    if all(message["role"] != "system" for message in messages):
        return messages
    said: list[Json] = []
    for message in messages:
        if message["role"] != "system":
            said.append(message)
        elif told := [{"type": "text", "text": reminder(text)} for text in texts_of(message.get("content")) if text]:
            before = said.pop() if said and said[-1]["role"] == "user" else {"role": "user", "content": []}
            said.append({**before, "content": [*_blocks(before["content"]), *told]})
    notes.add("system messages in the middle were sent as the user's words: only Anthropic's own models know them")
    return said


def _blocks(content: Json) -> list[Json]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []


def _readable(tool: Json) -> Json:
    """The tool without patterns that not everybody can read."""
    schema = tool.get("input_schema")
    clean = readable(schema)
    return tool if clean is schema else {**tool, "input_schema": clean}


def _is_ours(block: Json) -> bool:
    return block["type"] == "thinking" and str(block.get("signature") or "").startswith(_OURS)


def _says_nothing(block: Json) -> bool:
    """Whether a block of ours is for nobody but ourselves: an agent's, or one that only carries something."""
    return _is_ours(block) and (hop.agent_of(block) is not None or hop.is_aside(block) or not block["thinking"])


def _foreign(block: Json) -> bool:
    """Unsigned reasoning is not Anthropic's either: other servers of the Messages API send an empty signature."""
    return _is_ours(block) or (block["type"] == "thinking" and not block.get("signature"))
