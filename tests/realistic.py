"""A session as it would have been recorded: translated as the proxy translates, counted, cached and billed.

`talk(counter)` gives its traces. It has what the screens are to explain: a tool that was added, a system prompt that
changed, a pause that was too long, another model in between, a result that blew the context up, a compaction, and a
subagent beside it. The one surprise: what the cache served is worked out with `prefix`, as an ideal cache would serve
it, so that a verdict about any of these requests can be told from its construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from generated import STARTED, attempt, image, reply, session, trace, unmarked

from ccr_tui import prefix, prices
from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.request import translate
from ccr_tui.records import Json, Price, RouteDecision, TimelineEvent, Trace, Usage
from ccr_tui.tally import Scale

SESSION = "5d1f0a52-7777-4000-8000-00000000000a"
DASHSCOPE = Provider("dashscope", "openai", "https://dashscope.aliyuncs.com/compatible-mode/v1")
DEEPSEEK = Provider("deepseek", "openai", "https://api.deepseek.com/v1")
PRICES = {
    "qwen-max": Price(1_600_000_000, 6_400_000_000, 320_000_000, None, "2026-11-22", "ccr-tui table 2026-11-22"),
    "deepseek-v4-pro": Price(660_000_000, 1_980_000_000, 22_000_000, None, "2026-11-22", "ccr-tui table 2026-11-22"),
}
RATIO = 0.97
"""Tokens that the provider reports for one that is counted."""
LIVES_S = 300.0


@dataclass
class _Cache:
    """Each model's last prompt, and when it was sent."""

    last: dict[str, tuple[Json, float]] = field(default_factory=dict)

    def read(self, model: str, sent: Json, at: float, scale: Scale) -> tuple[int, int]:
        """Tokens of the prompt, and of those that come from the cache."""
        before, then = self.last.get(model, (None, at))
        found = prefix.compare(before, sent, scale)
        self.last[model] = sent, at
        warm = before is not None and at - then <= LIVES_S
        return round(found.raw_now * RATIO), round(found.raw * RATIO) // 128 * 128 if warm else 0


def talk(counter: Scale, turns: int = 24, seed: int = 5, at: float = STARTED) -> list[Trace]:
    """The session's traces, oldest first."""
    cache, cache_aside, found, second = _Cache(), _Cache(), list[Trace](), 0.0
    for n, (body, kind, model, pause) in enumerate(_script(seed, turns)):
        second += pause
        found.append(_record(n, body, kind, model, at + second, cache, counter))
        if n in (7, 8, 9):
            sub = {**body, "messages": body["messages"][: 4 + 2 * (n - 7)], "tools": body["tools"][:5]}
            aside = _record(100 + n, sub, "subagent", model, at + second + 4, cache_aside, counter)
            found.append(replace(aside, agent_id="a576fa3afc7190154"))
    return found


def _script(seed: int, turns: int) -> Iterator[tuple[dict[str, Any], str, str, float]]:
    """Body, kind, model, and seconds since the one before."""
    bodies = list(session(seed, turns, tools=10))
    added = next(session(seed, 1, tools=13))["tools"]
    for n, body in enumerate(bodies):
        if n >= 5:
            body = {**body, "tools": added}
        if n >= 11:
            body = _with_system(body, "\nThe date is 2026-11-23.")
        if n >= 14:
            body = _blown_up(body, len(bodies[14]["messages"]))
        if n >= 19:
            start = len(bodies[18]["messages"])
            body = {**body, "messages": [_summary(), *body["messages"][start - 1 :]]}
        pause = 900.0 if n == 8 else 25.0
        yield body, "main", "deepseek-v4-pro" if n == 16 else "qwen-max", pause
        if n == 18:
            last = {"role": "user", "content": "CRITICAL: Respond with TEXT ONLY. Summarise the conversation. " * 60}
            yield {**body, "messages": [*body["messages"], last]}, "compaction", "qwen-max", pause


def _with_system(body: dict[str, Any], more: str) -> dict[str, Any]:
    last = body["system"][-1]
    return {**body, "system": [*body["system"][:-1], {**last, "text": last["text"] + more}]}


def _blown_up(body: dict[str, Any], at: int) -> dict[str, Any]:
    """One tool's result that is much too long."""
    messages = list(body["messages"])
    index = next(i for i in range(at - 1, 0, -1) if messages[i]["role"] == "user")
    log = "\n".join(
        f"2026-11-22 12:{i // 60 % 60:02}:{i % 60:02} worker-{i % 7} took record {i * 7919}" for i in range(3500)
    )
    call = {"type": "tool_use", "id": "call_log", "name": "Bash", "input": {"command": "cat /var/log/engine.log"}}
    result = {"type": "tool_result", "tool_use_id": "call_log", "content": log}
    shot = {"role": "user", "content": [{"type": "text", "text": "This is what I see:"}, image(7, 640, 480)]}
    ours = [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}, shot]
    return {**body, "messages": [*messages[:index], *ours, *messages[index:]]}


def _summary() -> dict[str, Any]:
    words = (
        "This session is being continued from a previous conversation that ran out of context. " + "It was long. " * 300
    )
    return {"role": "user", "content": words}


def _record(n: int, body: dict[str, Any], kind: str, model: str, at: float, cache: _Cache, counter: Scale) -> Trace:
    provider = DEEPSEEK if model.startswith("deepseek") else DASHSCOPE
    translated = translate(body, model, facts_for(provider, Model(model, provider.name, model)))
    prompt, cached = cache.read(model, translated.body, at, counter)
    content = _answer(n)
    usage = Usage(prompt - cached, 420, cached, reasoning=80)
    call = attempt(
        provider=provider.name, model=model, sent=translated.body, started_at=at + 0.01, usage=usage,
        price=PRICES[model], cost=prices.cost(usage, PRICES[model]), cost_basis="list", notes=translated.notes,
        ttft_ms=620, duration_ms=9400,
    )  # fmt: skip
    return trace(
        f"7{n:03d}f00d-{seed_of(body)}",
        body,
        session=SESSION,
        kind=kind,
        decision=RouteDecision("normal", "default", model, "default", "no other rule matched", (), ()),
        attempts=(call,),
        reply=reply(body, n, content),
        timeline=tuple(_timeline(content)),
        started_at=at,
        ttft_ms=620,
        duration_ms=9410,
        estimate=round(prompt * 0.99),
        spans=(("parse", 0, 3), ("route", 3, 4), ("connect", 6, 210), ("wait", 210, 620), ("stream", 620, 9400)),
    )


def seed_of(body: dict[str, Any]) -> str:
    return f"{len(unmarked(body)['messages']):04d}"


def _answer(n: int) -> list[dict[str, Any]]:
    thought = "The scheduler drops the last record because the slice ends one too early. " * 4
    return [
        {"type": "thinking", "thinking": thought, "signature": "ccr-tui.v1"},
        {"type": "text", "text": f"Step {n}: I found the slice in `parse()` and will look at who calls it. " * 3},
        {"type": "tool_use", "id": f"call_r{n}", "name": "Read", "input": {"file_path": "/home/ada/engine/part_7.py"}},
        {"type": "tool_use", "id": f"call_b{n}", "name": "Bash", "input": {"command": "pytest -x -q tests/engine"}},
    ]


def _timeline(content: list[dict[str, Any]]) -> Iterator[TimelineEvent]:
    ms = 620
    yield TimelineEvent(ms, "message_start")
    for index, block in enumerate(content):
        text = str(block.get("thinking") or block.get("text") or "") or repr(block["input"])
        yield TimelineEvent(ms, "content_block_start", index)
        for at in range(0, len(text), 12):
            ms += 2170 if (index, at) == (1, 96) else 60
            yield TimelineEvent(ms, "content_block_delta", index, len(text[at : at + 12]))
        yield TimelineEvent(ms, "content_block_stop", index)
        ms += 35
    yield TimelineEvent(ms, "message_delta")
    yield TimelineEvent(ms, "message_stop")
