"""What the router model is asked, and what its answer means.

Owns the router's question and the reading of its answer. Must never let an answer that can't be read stop the work: it
becomes the tool agent, with the cause recorded. The one surprise: the question is a request in the client's own format,
so it goes down the same street as any other and every family's way to JSON applies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from ccr_tui.proxy.asked import newest_turn, texts_of
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

MAX_TOKENS = 2000
"""The question's bound. The original sent the whole conversation and all tools each time."""
ANSWER_TOKENS = 1024
"""Room for a router that thinks before it answers; the JSON itself takes some ten tokens."""
USES = {
    "tool": "read, search, run, write or change anything with tools, or simply answer",
    "coder": "write or review a substantial piece of code, before it is put into files",
    "think": "reason deeply first: a plan, a design, a hard bug, a proof",
}
SAME = {
    "tool": "tool", "use-tool": "tool", "use_tool": "tool", "usetool": "tool", "tools": "tool", "tool-agent": "tool",
    "coder": "coder", "code": "coder", "coding": "coder", "coder-agent": "coder",
    "think": "think", "thinker": "think", "thinking": "think", "reason": "think", "think-agent": "think",
}  # fmt: skip
"""The original's names (use-tool, coder, thinker) and what small models make of ours."""
_OBJECT = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who shall work, and why: `cause` is a code for the trace, `said` the router's answer word for word."""

    agent: str
    cause: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What an agent has already worked out in this turn."""

    agent: str
    text: str


def question(body: Json, offered: Sequence[str], done: Sequence[Done], tokens: Callable[[str], int]) -> Json:
    """The request that asks the router: who, of `offered`, works on the newest turn; at most MAX_TOKENS long."""
    schema = {
        "type": "object",
        "properties": {"use": {"type": "string", "enum": list(offered)}},
        "required": ["use"],
        "additionalProperties": False,
    }
    return {
        "model": "router",
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "system": instructions(offered),
        "messages": [{"role": "user", "content": situation(body, done, tokens)}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }


def instructions(offered: Sequence[str]) -> str:
    """What the router is told about itself and the agents."""
    lines = "\n".join(f'- "{name}": to {USES[name]}' for name in offered)
    return (
        "You dispatch work to agents. You never answer the request yourself.\n"
        f"The agents, and what each is for:\n{lines}\n"
        'Answer with one JSON object and nothing else: {"use": "NAME"}. If in doubt, use "tool".'
    )


def situation(body: Json, done: Sequence[Done], tokens: Callable[[str], int]) -> str:
    """The newest turn, what was done for it already, what came before, and which tools there are."""
    names = ", ".join(str(tool.get("name")) for tool in body.get("tools") or [] if isinstance(tool, dict))
    worked = [f"The {one.agent} agent has already worked on this:\n{clip(one.text, 1200)}" for one in done]
    parts = [f"The request:\n{clip(said(body), 3000)}", *worked]
    before = earlier(body)
    if before:
        parts.append(f"What happened before (the end of it):\n{before[-800:]}")
    parts.append(f"{len(body['messages'])} messages so far. Tools: {clip(names, 600)}")
    return within("\n\n".join(parts), tokens)


def said(body: Json) -> str:
    """What the person says in the newest turn, without the client's reminders."""
    texts = [
        text for message in newest_turn(body) if message["role"] == "user" for text in texts_of(message["content"])
    ]
    own = [text for text in texts if not text.lstrip().startswith("<system-reminder>")]
    return "\n".join(own or texts)


def earlier(body: Json) -> str:
    """The texts before the newest turn."""
    old = body["messages"][: len(body["messages"]) - len(newest_turn(body))]
    return "\n".join(f"{message['role']}: {text}" for message in old[-4:] for text in texts_of(message.get("content")))


def clip(text: str, size: int) -> str:
    """The text, or its two ends."""
    return text if len(text) <= size else f"{text[: size * 2 // 3]} […] {text[-size // 3 :]}"


def within(text: str, tokens: Callable[[str], int], limit: int = MAX_TOKENS - 300) -> str:
    """The text, shortened until it has at most `limit` tokens; the rest of MAX_TOKENS is for the instructions."""
    while (count := tokens(text)) > limit:
        text = clip(text, max(1, len(text) * limit // (count + 1) - 8))
    return text


def verdict(answer: str, offered: Sequence[str]) -> Verdict:
    """Who is meant by the router's answer; the tool agent, and why, if that can't be told."""
    named = list(names_in(answer))
    for name in named:
        if SAME.get(name) in offered:
            return Verdict(SAME[name], "llm_classifier", answer)
    if named:
        return Verdict("tool", "unknown_agent_fallback", answer)
    return Verdict("tool", "empty_answer_fallback" if not answer.strip() else "parse_failure_fallback", answer)


def names_in(answer: str) -> Iterator[str]:
    """Names that the answer uses: in any JSON object in it, else the answer itself if it is one bare word."""
    found = False
    for candidate in _OBJECT.findall(answer):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("use"), str):
            found = True
            yield plain(value["use"])
    bare = plain(answer)
    if not found and bare in SAME:
        yield bare


def plain(name: str) -> str:
    """A name without its decoration."""
    return name.strip().strip("\"'`.*").strip().lower().replace(" ", "-")
