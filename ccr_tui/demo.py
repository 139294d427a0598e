"""The built-in demo model, and the sessions that it can play.

Owns what is answered when nothing is configured: a chat completions upstream without a network, plainly labelled as a
demo. Must never claim to be a model, never touch a file, and never keep anybody waiting longer than is pleasant to
watch. The one surprise: it is an upstream like any other, so everything it shows went down the same street.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

HOST = "demo.invalid"
"""The host name of the demo provider; RFC 2606 promises that nobody answers there."""
BASE_URL = f"http://{HOST}/v1"

HELLO = """\
This is **ccr-tui's built-in demo model**: your request arrived and was recorded, but no real model is configured yet.

To use a real one, stop ccr-tui and start it again with three variables:

    export OPENAI_API_KEY=sk-...
    export OPENAI_BASE_URL=https://api.deepseek.com
    export OPENAI_MODEL=deepseek-flash

Any OpenAI-compatible server will do, a local one too. `ccr-tui config init` writes a commented config.toml instead.
Say "play" and I'll call one harmless tool, so that you can see a tool loop in ccr-tui."""

PLAYED = "That was a tool loop: I asked for `{tool}`, Claude Code ran it, and its result came back in this request."

Piece = tuple[float, bytes]
"""Seconds to wait, then bytes to send."""


def answer(content: bytes) -> tuple[bool, list[Piece]]:
    """Whether the answer is a stream, and its pieces, for one chat completions body."""
    body = json.loads(content)
    deltas, reason = script(body)
    usage = used(body, content, deltas)
    if body.get("stream"):
        return True, list(streamed(deltas, reason, usage, body["model"]))
    return False, [(0.2, json.dumps(completion(deltas, reason, usage, body["model"])).encode())]


def used(body: dict[str, Any], content: bytes, deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """Usage as a provider with a prompt cache reports it: a quarter of the bytes, all but the newest turn cached; a
    quarter of the letters that are said."""
    messages = body["messages"]
    fresh = len(json.dumps(messages[last_answer(messages) :])) // 4
    prompt = max(1, len(content) // 4)
    cached = max(0, prompt - fresh) // 64 * 64 if last_answer(messages) else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": max(1, sum(map(letters, deltas)) // 4),
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def letters(delta: dict[str, Any]) -> int:
    """How much is said in a piece of an answer."""
    called = [part["function"] for part in delta.get("tool_calls", ())]
    calls = sum(len(each.get("name", "")) + len(each.get("arguments", "")) for each in called)
    return len(delta.get("content", "")) + len(delta.get("reasoning_content", "")) + calls


def last_answer(messages: list[dict[str, Any]]) -> int:
    """Where the last assistant message stands; 0 if there is none."""
    return max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=0)


def script(body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What to say to this conversation: deltas, and the finish reason."""
    if body["model"] in ASIDE:
        return ASIDE[body["model"]](body)
    if "response_format" in body or wants_json(body):
        return [{"content": json.dumps({"title": "ccr-tui demo"})}], "stop"
    messages = body["messages"]
    said = [m for m in messages if m["role"] == "user"]
    scene = re.search(r"\[demo scene (\w+)\]", text_of(said[0])) if said else None
    if scene and scene[1] in SCENES:
        step = sum(m["role"] == "assistant" for m in messages)
        return turn(SCENES[scene[1]].turns[step % len(SCENES[scene[1]].turns)], step)
    if messages[-1]["role"] == "tool":
        return words(PLAYED.format(tool="Bash")), "stop"
    if has_bash(body) and re.search(r"\bplay\b", newest(messages)):
        return turn(Turn("I'll call one tool.", calls=(("Bash", HARMLESS),)), len(messages))
    return words(HELLO), "stop"


# -- Router mode


def routed(body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """As the router: whoever the script has next for the turn that is asked about."""
    question = newest(body["messages"])
    one = turn_asked(question.partition("What happened before")[0])
    done = question.count("agent has already worked on this")
    use = [*one.hops, *["tool"] * 9][done] if one else "tool"
    return words(json.dumps({"use": use})), "stop"


def worked(agent: str, body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """As an agent without tools: what the script has it find out for the newest turn."""
    one = turn_asked("\n".join(text_of(m) for m in body["messages"] if m["role"] == "user"))
    thought, found = one.hops.get(agent, ("", NO_SCRIPT)) if one else ("", NO_SCRIPT)
    return [*({"reasoning_content": word} for word in split(thought)), *words(found)], "stop"


def turn_asked(text: str) -> Turn | None:
    """The turn of a scene whose words come last in the text."""
    turns = [one for scene in SCENES.values() for one in scene.turns if one.asked]
    return max((one for one in turns if one.asked in text), key=lambda one: text.rindex(one.asked), default=None)


NO_SCRIPT = "This is ccr-tui's built-in demo model: it has nothing to find out here."
ASIDE: dict[str, Callable[[dict[str, Any]], tuple[list[dict[str, Any]], str]]] = {
    "demo-router": routed,
    "demo-think": partial(worked, "think"),
    "demo-coder": partial(worked, "coder"),
}
"""The models that play the agents of Router mode; any other is a tool agent."""
HARMLESS = {"command": "echo 'hello from the ccr-tui demo model'", "description": "Say hello"}


class Turn:
    """One answer of a played session: what is thought, said and called, and what the tools then return."""

    def __init__(
        self,
        text: str = "",
        thinking: str = "",
        calls: tuple[tuple[str, dict[str, Any]], ...] = (),
        results: tuple[str, ...] = (),
        asked: str = "",
        hops: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.text, self.thinking, self.calls, self.results, self.asked = text, thinking, calls, results, asked
        self.hops = hops or {}


class Scene:
    """A played session: the project it pretends to be in, the model it is asked of, and its turns.

    A turn's `asked` is what the person says before it; its `results` are what the tools that it calls return; its
    `hops` are the agents that work before it in Router mode, in order, each with what it thinks and what it finds.
    """

    def __init__(self, project: str, model: str, turns: tuple[Turn, ...]) -> None:
        self.project, self.model, self.turns = project, model, turns


def turn(one: Turn, step: int) -> tuple[list[dict[str, Any]], str]:
    """The deltas of a turn."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": word} for word in split(one.thinking)]
    deltas += words(one.text)
    for index, (name, given) in enumerate(one.calls):
        head = {"index": index, "id": f"call_demo_{step}_{index}", "type": "function"}
        deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in cut(given)]
    return deltas, "tool_calls" if one.calls else "stop"


def streamed(deltas: list[dict[str, Any]], reason: str, usage: dict[str, Any], model: str) -> Iterator[Piece]:
    """The answer as server-sent events: a short wait, then some 40 words a second."""
    pauses = itertools.chain([0.5], itertools.repeat(0.025))
    for pause, delta in zip(pauses, deltas, strict=False):
        yield pause, event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "model": model})
    yield 0.0, event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "model": model})
    yield 0.0, event({"choices": [], "model": model, "usage": usage})
    yield 0.0, b"data: [DONE]\n\n"


def completion(deltas: list[dict[str, Any]], reason: str, usage: dict[str, Any], model: str) -> dict[str, Any]:
    """The same as one JSON answer."""
    text = "".join(delta.get("content", "") for delta in deltas)
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = merged(calls)
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "model": model, "usage": usage}


def merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tool call deltas put together by index."""
    calls: dict[int, dict[str, Any]] = {}
    for part in parts:
        call = calls.setdefault(part["index"], {**part, "function": {"name": "", "arguments": "", **part["function"]}})
        if call is not part and "id" not in part:
            call["function"]["arguments"] += part["function"]["arguments"]
    return list(calls.values())


def event(chunk: dict[str, Any]) -> bytes:
    """One chunk as a server-sent event."""
    whole = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, **chunk}
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


def words(text: str) -> list[dict[str, Any]]:
    """A text as content deltas, word by word."""
    return [{"content": word} for word in split(text)]


def split(text: str) -> list[str]:
    """Words with the white space behind them."""
    return re.findall(r"\S+\s*|^\s+", text)


def cut(given: dict[str, Any], size: int = 12) -> list[str]:
    """Arguments as JSON in pieces."""
    text = json.dumps(given)
    return [text[at : at + size] for at in range(0, len(text), size)]


def wants_json(body: dict[str, Any]) -> bool:
    """Whether a title is asked for: no tools, and the system prompt speaks of JSON."""
    first = body["messages"][0] if body.get("messages") else {}
    return not body.get("tools") and first.get("role") == "system" and '"title"' in text_of(first)


def has_bash(body: dict[str, Any]) -> bool:
    """Whether the client offers the Bash tool."""
    return any(tool.get("function", {}).get("name") == "Bash" for tool in body.get("tools") or [])


def newest(messages: list[dict[str, Any]]) -> str:
    """What was said since the last answer: the client may put reminders behind the person's words."""
    since = itertools.takewhile(lambda message: message["role"] != "assistant", reversed(messages))
    return "\n".join(text_of(message) for message in since if message["role"] == "user")


def text_of(message: dict[str, Any]) -> str:
    """The text of a chat message, whatever its shape."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if isinstance(part, dict))


SCENES: dict[str, Scene] = {
    "parser": Scene(
        "/home/you/csv-tool",
        "claude-opus-5-5",
        (
            Turn(
                "I'll look at the parser and its tests first.",
                thinking="The user says that quoted commas break the parser. I should read the code before I guess, "
                "and run the tests to see the failure for myself.",
                calls=(
                    ("Read", {"file_path": "/home/you/csv-tool/parser.py"}),
                    ("Bash", {"command": "python -m pytest -q", "description": "Run the tests"}),
                ),
                results=(
                    '     1\tdef split_line(line):\n     2\t    return line.rstrip("\\n").split(",")\n' * 12,
                    "F...                                                        [100%]\n"
                    "FAILED test_parser.py::test_quoted_comma - assert ['\"a', 'b\"'] == ['a,b']\n"
                    "1 failed, 3 passed in 0.04s\n",
                ),
                asked="Quoted commas break the CSV parser. Please fix it. [demo scene parser]",
                hops={
                    "think": (
                        "A split at every comma can't know which of them stand inside quotes. So either the line is "
                        "read with a state machine of its own, or with the reader that the language brings along. "
                        "What would a home-made one forget? Doubled quotes, and line ends inside quotes.",
                        "Cause: the line is split at every comma, quoted or not.\n\n"
                        "1. Read parser.py and run the tests, to see the failure.\n"
                        "2. Replace the split by csv.reader, which knows quotes and doubled quotes.\n"
                        "3. Run the tests again.",
                    ),
                    "coder": (
                        "One line goes in, one list of fields comes out; csv.reader takes any iterable of lines.",
                        "```python\nimport csv\n\n\ndef split_line(line):\n    return next(csv.reader([line]))\n```",
                    ),
                },
            ),
            Turn(
                "`split(\",\")` can't know about quotes. The standard library's reader does.",
                thinking="str.split ignores quoting. csv.reader handles it, with doubled quotes as well.",
                calls=(
                    (
                        "Edit",
                        {
                            "file_path": "/home/you/csv-tool/parser.py",
                            "old_string": 'return line.rstrip("\\n").split(",")',
                            "new_string": "return next(csv.reader([line]))",
                        },
                    ),
                ),
                results=("The file /home/you/csv-tool/parser.py has been updated.",),
            ),
            Turn(
                calls=(("Bash", {"command": "python -m pytest -q", "description": "Run the tests again"}),),
                results=("....                                                        [100%]\n4 passed in 0.03s\n",),
            ),
            Turn(
                "Fixed: `split_line` now reads a line with `csv.reader`, so commas inside quotes stay in their field. "
                "All four tests pass.",
            ),
            Turn(
                "A row of 10,000 fields takes 1.1 ms with the new reader against 0.6 ms before. For whole files, pass "
                "the open file to `csv.reader` once instead of a line at a time: that is faster than both.",
                thinking="They ask about speed. csv.reader per line has the cost of building a reader each time.",
                asked="Is it slower than before?",
                hops={
                    "think": (
                        "Two costs: building a reader for each line, and reading the line itself. Only the first one "
                        "goes away when the open file is passed.",
                        "A reader for each line costs about half a millisecond for 10,000 fields. Measure both, and "
                        "name the way to avoid it: one reader for the whole file.",
                    )
                },
            ),
        ),
    ),
    "docs": Scene(
        "/home/you/weather-cli",
        "claude-haiku-4-5",
        (
            Turn(
                calls=(("Grep", {"pattern": "add_argument", "path": "cli.py"}),),
                results=(
                    "cli.py:14: parser.add_argument('city')\ncli.py:15: parser.add_argument('--days', type=int)\n",
                ),
                asked="List the command line options for the README. [demo scene docs]",
            ),
            Turn("`weather CITY [--days N]`\n\n- `CITY`: the place\n- `--days N`: how many days to show"),
        ),
    ),
}
