"""Plays the demo's sessions through the proxy, so that a newcomer sees the screens alive.

Owns a client that behaves like Claude Code without running any tool: it sends the whole conversation each turn and
answers tool calls with results from the script. Must never leave the process. The one surprise: what it plays is
recorded, priced and shown by the same code as real work; only the models and their prices are made up, and say so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from ccr_tui import demo
from ccr_tui.config import Config, Model, Provider
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.records import Json, Price
from ccr_tui.tokens import Counter
from ccr_tui.wire import dumps

PRICES = {
    "demo-large": (300, 1200, 30),
    "demo-small": (50, 200, 5),
    "demo-router": (20, 80, 2),
    "demo-think": (500, 2000, 50),
    "demo-coder": (200, 800, 20),
}
"""Thousandths of a dollar for a million tokens: input, output, from the cache. All made up."""
AGENTS = {
    "default": ("demo-large",),
    "background": ("demo-small",),
    "tool": ("demo-large",),
    "coder": ("demo-coder",),
    "think": ("demo-think",),
    "router": ("demo-router",),
}
SYSTEM = "You are a coding agent in a demo of ccr-tui.\n\nWorking directory: {project}\n\n" + "Be brief. " * 400
TOOLS = {
    "Bash": {"command": "The command to run", "description": "What it does, in a few words"},
    "Read": {"file_path": "The absolute path of the file"},
    "Edit": {"file_path": "The file", "old_string": "Text to replace", "new_string": "Text to put in its place"},
    "Grep": {"pattern": "A regular expression", "path": "Where to search"},
}
PAUSE_S = 2.0


def config(base: Config, db: Path) -> Config:
    """The config of a demo: made-up models with made-up prices for every agent, a database of its own."""
    provider = Provider("demo", "demo", demo.BASE_URL)
    models = {name: Model(name, "demo", name, context=128_000, price=price(name)) for name in PRICES}
    return replace(base, providers={"demo": provider}, models=models, agents=AGENTS, db=db, api_key=None, mode="normal")


def price(name: str) -> Price:
    """A made-up price, labelled so."""
    fresh, output, cached = (1_000_000 * thousandth for thousandth in PRICES[name])
    return Price(fresh, output, cached, since="2026-11-22", source="made up for the demo", basis="user")


async def play(
    context: Callable[[], Context], rounds: int = 20, pause_s: float = PAUSE_S, counter: Counter | None = None
) -> None:
    """Play every scene side by side, `rounds` times with pauses between; with a counter the recorded sessions too."""
    from ccr_tui import stage  # late: all of replay stands behind it

    sessions = await asyncio.to_thread(stage.recorded) if counter else []
    for _ in range(rounds):
        scenes = [play_scene(scene, context, pause_s) for scene in demo.SCENES.values()]
        real = [stage.play(traces, context, counter) for traces in sessions] if counter else []
        await asyncio.gather(*scenes, *real)
        await asyncio.sleep(pause_s)


async def play_scene(scene: demo.Scene, context: Callable[[], Context], pause_s: float) -> None:
    """One session, from the person's first words to the last answer."""
    session, messages = str(uuid4()), list[Json]()
    for turn in scene.turns:
        if turn.asked:
            await asyncio.sleep(pause_s)
            messages.append({"role": "user", "content": [{"type": "text", "text": turn.asked}]})
        client = Collector({"x-claude-code-session-id": session, "user-agent": "ccr-tui demo"})
        await exchange.run(dumps(body(scene, session, messages)), client, context())
        reply = client.message()
        messages.append({"role": "assistant", "content": reply["content"]})
        messages += results(reply, turn)


def body(scene: demo.Scene, session: str, messages: list[Json]) -> Json:
    """A request as Claude Code makes it."""
    return {
        "model": scene.model,
        "messages": messages,
        "system": [{"type": "text", "text": SYSTEM.format(project=scene.project)}],
        "tools": [tool(name, fields) for name, fields in TOOLS.items()],
        "metadata": {"user_id": json.dumps({"device_id": "demo", "account_uuid": "", "session_id": session})},
        "max_tokens": 32000,
        "stream": True,
    }


def tool(name: str, fields: dict[str, str]) -> Json:
    """A tool's definition."""
    properties = {field: {"type": "string", "description": text} for field, text in fields.items()}
    return {
        "name": name,
        "description": f"{name} (in the demo nothing is run).",
        "input_schema": {"type": "object", "properties": properties, "required": list(fields)[:1]},
    }


def results(reply: Json, turn: demo.Turn) -> list[Json]:
    """What the called tools return, by the script, as the user message that follows."""
    calls = [block for block in reply["content"] if block["type"] == "tool_use"]
    if not calls:
        return []
    pairs = zip(calls, turn.results, strict=True)
    blocks = [{"type": "tool_result", "tool_use_id": call["id"], "content": result} for call, result in pairs]
    return [{"role": "user", "content": blocks}]
