"""A provider on loopback that counts tokens its own way and keeps a prompt cache by known rules: the truth.

Owns a tokenizer, a chat template and three caches, written without a look at ccr_tui/caching.py: they work on tokens,
one by one, where the simulator knows blocks of text. The one surprise: what it says depends on the conversation alone,
so that the same session asked of two of its models gives the same answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import generated
from aiohttp import web

Cut = Callable[[str], list[Any]]
_DIGIT = re.compile(r"(\d)")


def ways(encode: Callable[[str], list[int]]) -> dict[str, Cut]:
    """How a model cuts text into tokens: as OpenAI's does, the same with every digit alone (as Qwen's and Llama's), or
    every four characters (as servers do that only guess)."""
    return {
        "whole": encode,
        "digits": lambda text: [token for piece in _DIGIT.split(text) for token in encode(piece)],
        "quarters": lambda text: [text[start : start + 4] for start in range(0, len(text), 4)],
    }


class Keeping:
    """Models: a name of `ways`, a dash, and how its cache works: none, blocks, units or runs."""

    def __init__(self, encode: Callable[[str], list[int]], clock: Callable[[], float]) -> None:
        self.ways, self.clock = ways(encode), clock
        self.caches: dict[str, Any] = {}

    async def __aenter__(self) -> Keeping:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        words, _, how = body["model"].partition("-")
        cut = self.ways[words]
        said, calls = answer(body)
        prompt, spoken = cut(template(body)), cut(f"{said}{written(calls)}<|im_end|>\n")
        cache = self.caches.setdefault(body["model"], CACHES[how]())
        cached = cache.serve(prompt, spoken, self.clock())
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(spoken),
                 "prompt_tokens_details": {"cached_tokens": cached}}  # fmt: skip
        if not body.get("stream"):
            return web.json_response(whole(body["model"], said, calls, usage))
        events = stream(body["model"], said, calls, usage)
        return web.Response(text="".join(events), content_type="text/event-stream")


def template(body: Any) -> str:
    """Tools in the system message, then every message; what ends it is where the answer begins."""
    tools = "".join(json.dumps(tool, ensure_ascii=False) + "\n" for tool in body.get("tools", ()))
    parts = [f"<|im_start|>tools\n{tools}<|im_end|>\n"] if tools else []
    for message in body["messages"]:
        said = f"{text(message.get('content'))}{written(message.get('tool_calls') or [])}"
        parts.append(f"<|im_start|>{message['role']}\n{said}<|im_end|>\n")
    return "".join(parts) + "<|im_start|>assistant\n"


def written(calls: list[Any]) -> str:
    functions = [call["function"] for call in calls]
    return "".join(f"<tool_call>{function['name']} {function['arguments']}</tool_call>" for function in functions)


def text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(part.get("text", "<image>") for part in content)


def answer(body: Any) -> tuple[str, list[Any]]:
    """Some sentences, and in two turns of three a tool's call; what they are depends on how far the session is."""
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    said = f"Step {turn}. {generated._source(500 + turn * 3, 400 + turn * 700 % 4000)}"
    if turn % 3 == 2:
        return said, []
    given = json.dumps({"file_path": f"/home/ada/engine/part_{turn}.py", "limit": turn * 100}, separators=(",", ":"))
    return said, [{"id": f"call_{turn}", "type": "function", "function": {"name": "Read", "arguments": given}}]


def whole(model: str, said: str, calls: list[Any], usage: Any) -> Any:
    message = {"role": "assistant", "content": said, **({"tool_calls": calls} if calls else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def stream(model: str, said: str, calls: list[Any], usage: Any) -> list[str]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model}
    pieces: list[Any] = [{"role": "assistant", "content": ""}, {"content": said}]
    pieces += [{"tool_calls": [{"index": n, **call}]} for n, call in enumerate(calls)]
    events = [{**head, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
    end = "tool_calls" if calls else "stop"
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
    events.append({**head, "choices": [], "usage": usage})
    return [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]


class Nothing:
    def serve(self, prompt: list[Any], spoken: list[Any], now: float) -> int:
        return 0


class Blocks:
    """Prefixes in blocks of 128 tokens, from 1024 on, for ten minutes after their last use."""

    block, least, lives_s = 128, 1024, 600.0
    answers = False

    def __init__(self) -> None:
        self.used: dict[int, float] = {}

    def serve(self, prompt: list[Any], spoken: list[Any], now: float) -> int:
        hit, names = 0, self.names(prompt)
        for at, name in enumerate(names, 1):
            if name not in self.used or now - self.used[name] > self.lives_s:
                break
            hit = at * self.block
        if hit >= len(prompt):
            hit -= self.block
        self.used.update(dict.fromkeys(self.names(prompt + spoken) if self.answers else names, now))
        return hit if hit >= self.least else 0

    def names(self, tokens: list[Any]) -> list[int]:
        found, name = [], 0
        for start in range(0, len(tokens) - self.block + 1, self.block):
            name = hash((name, *tokens[start : start + self.block]))
            found.append(name)
        return found


class Runs(Blocks):
    """What vLLM does: 16 tokens, no least length, the answer too, until memory is short."""

    block, least, lives_s = 16, 16, float("inf")
    answers = True


class Units:
    """Whole prompts, prompts with their answers, and what two prompts had in common; multiples of 64 tokens."""

    def __init__(self) -> None:
        self.units: list[list[Any]] = []
        self.prompts: list[list[Any]] = []

    def serve(self, prompt: list[Any], spoken: list[Any], now: float) -> int:
        hit = max((len(unit) for unit in self.units if prompt[: len(unit)] == unit), default=0)
        common = max((alike(prompt, other) for other in self.prompts), default=0)
        self.units += [prompt, prompt + spoken, prompt[:common]]
        self.prompts += [prompt, prompt + spoken]
        return min(hit, len(prompt) - 1) // 64 * 64


def alike(one: list[Any], other: list[Any]) -> int:
    """How many tokens two lists begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


CACHES = {"none": Nothing, "blocks": Blocks, "runs": Runs, "units": Units}
