"""A provider without a network or a clock: it answers by chance, and writes its own bill.

Owns the other side of the budget's law. Must never be kinder than a real provider: an answer that is cut is billed, and
so is one whose usage nobody was told, or that a gateway never passed on; and a token may be a single byte. The one
surprise: it runs on a loop whose time does not pass, so that a thousand sessions take seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import generated
import httpx

from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.feed import Feed
from ccr_tui.prices import Book, cost
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.records import Json, Price, Trace, Usage
from ccr_tui.replay.words import Recording, Step, Variant
from ccr_tui.store.rows import TraceRow
from ccr_tui.tally import Count
from ccr_tui.tokens import Calibration

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

RATIOS = (0.92, 1.21)
"""Others' tokens by ours (measured, see tokens.py)."""


@dataclass
class Habits:
    """How a provider behaves, as shares of its answers."""

    refuses: float = 0.0
    cuts: float = 0.0
    dies: float = 0.0
    hangs: float = 0.0
    """Billed, and never answered."""
    wordy: float = 0.0
    """How often it counts a token for each byte that it could possibly show its model."""
    tells: float = 1.0
    """How often it reports usage."""
    calls: float = 0.3
    """How often it calls a tool."""


class Simulated(httpx.AsyncBaseTransport):
    """The provider. `bill` is all that it will ever ask for, nano-USD."""

    def __init__(self, seed: int, counter: Counter, prices: Mapping[str, Price], habits: Habits) -> None:
        self.chance, self.counter, self.prices, self.habits = random.Random(seed), counter, prices, habits
        self.bill = 0
        self.asked: list[Json] = []
        self.at_once = self.most_at_once = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = json.loads(request.content)
        self.asked.append(sent)
        await asyncio.sleep(self.chance.random())
        kind = self.chance.random()
        if kind < self.habits.refuses:
            return answered(b'{"error":{"message":"no"}}', self.chance.choice([400, 429, 500, 503]))
        kind -= self.habits.refuses
        if kind < self.habits.dies:
            raise httpx.ConnectError("refused")
        if kind - self.habits.dies < self.habits.hangs:
            self.bill += cost(self.usage(sent), self.prices[sent["model"]])
            if self.chance.random() < 0.5:
                raise httpx.ReadError("reset")
            return answered(b"<html>Gateway Timeout</html>", 504, "text/html")
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Answer(self, sent))

    def usage(self, sent: Json) -> Usage:
        raw = self.counter.request(sent).total
        prompt = round(raw * self.chance.uniform(*RATIOS)) + self.chance.randrange(200)
        if self.chance.random() < self.habits.wordy:
            prompt = len(rendered(sent).encode("utf-8", "replace")) + PICTURE * shown(sent)
        cached = self.chance.randrange(prompt + 1)
        most = sent.get("max_tokens") or sent.get("max_completion_tokens")
        return Usage(input=prompt - cached, cache_read=cached, output=self.chance.choice([1, most // 2, most]))


WORDS = "You are a model. " * 100
"""What a provider may say before everything else."""
PICTURE = 16_384


def rendered(sent: Json) -> str:
    """A request as widely as a chat template writes one."""
    parts = [f"<|im_start|>system\n{WORDS}\n# Tools\n"]
    parts += [f"<tool>\n{json.dumps(tool, indent=4)}\n</tool>\n" for tool in sent.get("tools", ())]
    for message in sent["messages"]:
        content = message.get("content") or ""
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        functions = [call["function"] for call in message.get("tool_calls", ())]
        given = [json.dumps(json.loads(each["arguments"]), indent=4) for each in functions]
        calls = "".join(f"<tool_call>\n{f['name']}\n{text}" for f, text in zip(functions, given, strict=True))
        parts.append(f"<|im_start|>{message['role']}\n{text}{calls}<|im_end|>\n")
    return "".join(parts) + "<|im_start|>assistant\n<think>\n"


def shown(sent: Json) -> int:
    """Pictures."""
    return json.dumps(sent["messages"]).count('"image_url": {')


class Answer(httpx.AsyncByteStream):
    """One answer, which is billed as soon as it begins."""

    def __init__(self, provider: Simulated, sent: Json) -> None:
        self.provider, self.sent = provider, sent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        one, chance = self.provider, self.provider.chance
        usage = one.usage(self.sent)
        one.bill += cost(usage, one.prices[self.sent["model"]])
        one.at_once += 1
        one.most_at_once = max(one.most_at_once, one.at_once)
        try:
            for delta in self.deltas():
                if chance.random() < one.habits.cuts:
                    raise httpx.ReadError("cut")
                yield event({"choices": [{"index": 0, "delta": delta}]})
                await asyncio.sleep(chance.random())
            yield event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            if chance.random() < one.habits.tells:
                yield event({"choices": [], "usage": told(usage)})
            yield b"data: [DONE]\n\n"
        finally:
            one.at_once -= 1

    def deltas(self) -> list[dict[str, Any]]:
        chance, tools = self.provider.chance, self.sent.get("tools")
        if not tools or chance.random() >= self.provider.habits.calls:
            return [{"content": "Some "}, {"content": "words."}]
        name = tools[0]["function"]["name"]
        call = {"index": 0, "id": f"call_{chance.getrandbits(40):x}", "type": "function"}
        return [{"tool_calls": [{**call, "function": {"name": name, "arguments": '{"file_path":"a.py"}'}}]}]


class Body(httpx.AsyncByteStream):
    """A body at once."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.data


def answered(data: bytes, status: int = 200, kind: str = "application/json") -> httpx.Response:
    return httpx.Response(status, headers={"content-type": kind}, stream=Body(data))


def event(chunk: Json) -> bytes:
    return b"data: " + json.dumps({"model": "sim", **chunk}).encode() + b"\n\n"


def told(usage: Usage) -> Json:
    details = {"cached_tokens": usage.cache_read}
    return {"prompt_tokens": usage.prompt, "completion_tokens": usage.output, "prompt_tokens_details": details}


# --- what is replayed ------------------------------------------------------------------------------------------------


def row(trace: Trace, n: int) -> TraceRow:
    """As much of a list's row as a replay looks at."""
    given = dict.fromkeys(TraceRow.__dataclass_fields__)
    return TraceRow(**{**given, "n": n, "id": trace.uid, "started_at": trace.started_at, "kind": trace.kind})


def recording(traces: list[Trace]) -> Recording:
    by_uid = {trace.uid: trace for trace in traces}
    steps = tuple(Step(n, row(trace, n)) for n, trace in enumerate(traces, 1))
    return Recording("session", "a session", "test", steps, by_uid.__getitem__, paths=lambda: None)  # type: ignore[arg-type, return-value]


def small(n: int, words: int = 20, max_tokens: int = 300, seen: str = "") -> Trace:
    """A short recorded request with one tool, whose answer called it; what the tool brought before is `seen`."""
    ask = f"Step {n}. " + "Look at the parser. " * words
    before = {"type": "tool_use", "id": "toolu_x", "name": "Read", "input": {"file_path": seen, "like": [{"as": seen}]}}
    result = {"type": "tool_result", "tool_use_id": "toolu_x", "content": [{"type": "text", "text": seen}]}
    past = [{"role": "assistant", "content": [before]}, {"role": "user", "content": [result, generated.image(n)]}]
    properties = {"file_path": {"type": "string", "description": seen}}
    body = {
        "model": "claude-opus-5-5",
        "max_tokens": max_tokens,
        "stream": True,
        "messages": [{"role": "user", "content": ask}, *(past if seen else ())],
        "tools": [
            {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": properties}}
        ],
    }
    call = {"type": "tool_use", "id": f"toolu_{n}", "name": "Read", "input": {"file_path": "a.py"}}
    reply = {**generated.reply(body, n, [call]), "stop_reason": "tool_use"}
    return generated.trace(f"step-{n}", body, reply=reply, headers={})


def variants(prices: Mapping[str, Price]) -> tuple[Variant, ...]:
    """One model for all, for each price."""
    provider = Provider("sim", "openai", "http://sim.invalid/v1", api_key="sk-simulated", proxy="")
    models = {name: Model(name, "sim", name, price=price) for name, price in prices.items()}
    patience = Patience(waits_s=(0.5, 1.0))
    config = Config(
        providers={"sim": provider}, models=models, patience=patience, agents={"default": tuple(models)[:1]}
    )
    return tuple(Variant(name, name, config, model=name) for name in models)


@asynccontextmanager
async def standing(transport: Simulated, counter: Counter) -> AsyncIterator[Context]:
    """What exchanges stand on, with the loop's own clock."""
    loop = asyncio.get_running_loop()

    async def count(body: Json) -> Count:
        return counter.request(body)

    yield Context(
        config=Config(),
        upstreams=Upstreams(transport=transport),
        feed=Feed(),
        book=Book(),
        calibration=Calibration(),
        count=count,
        tokens_of=counter.text,
        learn=lambda *_: None,
        clock=lambda: 1_790_000_000 + loop.time(),
        ticks=loop.time,
    )


__all__ = ["Habits", "Simulated", "recording", "replace", "small", "standing", "variants"]
