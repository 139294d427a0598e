"""Work that another agent does before the tool agent speaks: what it is given, and how its result travels.

Owns the flattened history for agents without tools, and the blocks in which their work reaches the client and comes
back. Must never let a result change its place or its words later: the tool agent's conversation is billed by its
repeated prefix. The one surprise: the result travels through the client. It is sent as a thinking block that carries
our mark; the client sends it back in every later turn, and each translation puts it where it was when it was new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ccr_tui.compacted import since
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.asked import BILLING, system_texts, texts_of
from ccr_tui.proxy.content import compact
from ccr_tui.proxy.directives import effort_now
from ccr_tui.records import Json
from ccr_tui.signed import ASIDE, RESULT, speaker

TASKS = {
    "coder": "You are the coder agent. Write the code that the request above needs, complete and ready to be put in "
    "place. Another agent with tools will apply it; you have no tools, so call none and say nothing about files that "
    "you have not seen.",
    "think": "You are the thinking agent. Think the request above through and give the conclusion: the cause, the plan "
    "or the decision, with the steps. Another agent with tools will carry it out; you have no tools, so call none.",
}


def task(body: Json, agent: str) -> Json:
    """The request for an agent without tools: the same conversation as plain text, roles strictly taking turns."""
    kept = ("model", "max_tokens", "metadata", "stream", "thinking", "output_config", "temperature", "top_p")
    messages = alternating([*flat(since(body["messages"])), ("user", TASKS[agent])])
    config = {key: value for key, value in (body.get("output_config") or {}).items() if key != "format"}
    config |= {"effort": effort} if (effort := effort_now(body)) else {}
    made = {key: body[key] for key in kept if key in body} | ({"output_config": config} if config else {})
    system = [text for text in system_texts(body) if not text.startswith(BILLING)]
    return {**made, "system": "\n\n".join(system), "messages": messages}


def flat(messages: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Role and text of every message; system messages in the middle are the user's."""
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        content = message.get("content", [])
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if text := told(block):
                yield role, text


def told(block: Json) -> str:
    """A block as text for somebody without tools."""
    kind = block["type"]
    if kind == "tool_use":
        return f"[called the tool {block['name']} with {compact(block['input'])}]"
    if kind == "tool_result":
        return f"[result of the tool]\n{chr(10).join(texts_of(block.get('content')))}"
    if kind == "thinking":
        agent = agent_of(block)
        return f"[the {agent} agent found]\n{block['thinking']}" if agent else ""
    if kind == "text":
        return str(block["text"])
    if kind == "compaction":
        return f"[summary of the conversation before]\n{block['content']}" if block.get("content") else ""
    return "" if kind == "redacted_thinking" else f"[{kind}]"


def alternating(said: Sequence[tuple[str, str]]) -> list[Json]:
    """Messages whose roles take turns, the user first."""
    messages: list[Json] = []
    for role, text in said:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n\n{text}"
        elif messages or role == "user":
            messages.append({"role": role, "content": text})
        else:
            messages += [{"role": "user", "content": "(the conversation goes on)"}, {"role": role, "content": text}]
    return messages


def agent_of(block: Json) -> str | None:
    """The agent whose result a thinking block holds; None for any other block."""
    said = speaker(block)
    return said.agent if said and said.part == "result" else None


def is_aside(block: Json) -> bool:
    """Whether a thinking block only showed an agent at work; it is never sent to anybody."""
    said = speaker(block)
    return said is not None and said.part == "aside"


def context(block: Json) -> str:
    """An agent's result as the tool agent reads it."""
    agent = agent_of(block)
    return (
        f"<{agent}-agent-result>\n{block['thinking']}\n</{agent}-agent-result>\n"
        f"The {agent} agent worked this out for you. Use it; don't work it out again."
    )


class Aside:
    """An agent's answer on its way to the client: everything it thinks and says becomes thinking blocks.

    Push the events of its answer in, and send what comes out; `close` ends what is open if the answer was cut.
    """

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._fold = Fold()
        self._said: set[int] = set()
        self._open: int | None = None
        self._signed = False

    @property
    def blocks(self) -> list[Json]:
        """The thinking blocks as the client has them, and as it will send them back."""
        return list((self._fold.message or {}).get("content", []))

    @property
    def text(self) -> str:
        """The agent's result: what it said, without its thinking."""
        return "\n\n".join(block["thinking"] for block in self.blocks if agent_of(block))

    def feed(self, events: Sequence[Json]) -> list[Json]:
        """The events for the client; block indexes as they came."""
        changed = [new for event in events for new in self._changed(event)]
        for event in changed:
            self._fold.feed(event)
        return changed

    def close(self) -> list[Json]:
        """Ends a block that the answer left open; half a result is no result."""
        if self._open is None:
            return []
        index, self._open = self._open, None
        events = [{"type": "content_block_stop", "index": index}]
        if not self._signed:
            events.insert(0, signed(index, f"{ASIDE}.{self._agent}"))
        for event in events:
            self._fold.feed(event)
        return events

    def _changed(self, event: Json) -> Iterator[Json]:
        kind = event["type"]
        if kind == "message_start":
            yield event
        elif kind == "content_block_start":
            yield from self._start(event)
        elif event.get("index") == self._open and self._open is not None:
            yield from self._inside(event)

    def _start(self, event: Json) -> Iterator[Json]:
        kind, index = event["content_block"]["type"], event["index"]
        if kind not in ("text", "thinking"):
            return  # it has no tools: a call would be nobody's
        self._open, self._signed = index, False
        if kind == "text":
            self._said.add(index)
        yield {**event, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}

    def _inside(self, event: Json) -> Iterator[Json]:
        index = event["index"]
        if event["type"] == "content_block_stop":
            if index in self._said:
                yield signed(index, RESULT + self._agent)
            self._open = None
            yield event
            return
        delta = event["delta"]
        if delta["type"] == "text_delta":
            yield {**event, "delta": {"type": "thinking_delta", "thinking": delta["text"]}}
        elif delta["type"] == "signature_delta":
            self._signed = True
            yield signed(index, f"{ASIDE}.{self._agent}")
        elif delta["type"] == "thinking_delta":
            yield event


def signed(index: int, signature: str) -> Json:
    """The event that closes a thinking block with our mark."""
    delta = {"type": "signature_delta", "signature": signature}
    return {"type": "content_block_delta", "index": index, "delta": delta}
