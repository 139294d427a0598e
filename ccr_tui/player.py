"""Plays the demo's sessions through the proxy, so that a newcomer sees the screens alive.

Owns a client that behaves like Claude Code without running any tool: it sends the whole conversation each turn and
answers tool calls with results from the script. Must never leave the process. The one surprise: what it plays is
recorded, priced and shown by the same code as real work; only the models and their prices are made up, and say so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from ccr_tui import demo
from ccr_tui.config import Config, Model, Provider
from ccr_tui.origin import DEMO
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
RECORDED = ("small", "chooser", "thinker")
"""Who answers in the recorded sessions: three servers of one small model, by the names that they had then."""
RECORDED_PRICE = Price(300_000_000, 1_200_000_000, 30_000_000, since="2026-11-23", source=DEMO, basis="user")
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
LOOK_S = 0.25
"""How soon a mode that was changed is seen."""


def config(base: Config, db: Path) -> Config:
    """The config of a demo: made-up models with made-up prices for every agent, a database of its own."""
    provider = Provider("demo", "demo", demo.BASE_URL)
    models = {name: Model(name, "demo", name, context=128_000, price=price(name)) for name in PRICES}
    small = {name: Provider(name, "demo", f"{demo.BASE_URL}/recorded", family="llama_cpp") for name in RECORDED}
    models |= {name: Model(name, name, "smollm2-135m", context=8192, price=RECORDED_PRICE) for name in RECORDED}
    return replace(
        base, providers={"demo": provider, **small}, models=models, agents=AGENTS, db=db, api_key=None, mode="normal"
    )


def price(name: str) -> Price:
    """A made-up price, labelled so."""
    fresh, output, cached = (1_000_000 * thousandth for thousandth in PRICES[name])
    return Price(fresh, output, cached, since="2026-11-22", source=DEMO, basis="user")


class Play:
    """The demo's programme: each made-up session once, beside them the recorded ones, one after another.

    It ends; whoever wants more begins it again. Where the mode was changed, the made-up sessions are played in the
    other one too, since the recorded ones are what they are.
    """

    def __init__(
        self, context: Callable[[], Context], counter: Counter | None = None, pause_s: float = PAUSE_S
    ) -> None:
        """`counter`: with one, the recorded sessions are played too."""
        self._context, self._counter, self._pause_s = context, counter, pause_s
        self._wanted = asyncio.Event()
        self.is_over = False
        """Whether all was played."""

    def again(self) -> None:
        """Play everything once more, if it is over."""
        if self.is_over:
            self._wanted.set()

    async def run(self) -> None:
        """The whole programme, then more whenever that is wanted. Never ends by itself."""
        await asyncio.gather(self._recorded(), self._scenes())
        while True:
            is_all = await self._more()
            await asyncio.gather(self._scenes(), *([self._recorded()] if is_all else []))

    async def _more(self) -> bool:
        """Wait until more is wanted: everything, or the made-up sessions in another mode."""
        self.is_over, mode = True, self._mode
        while not self._wanted.is_set() and self._mode == mode:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), LOOK_S)
        is_all = self._wanted.is_set()
        self._wanted.clear()
        self.is_over = False
        return is_all

    @property
    def _mode(self) -> str:
        return self._context().config.mode

    async def _scenes(self) -> None:
        """The made-up sessions, in as many modes as are chosen while they are played."""
        mode = ""
        while mode != self._mode:
            mode = self._mode
            scenes = [play_scene(scene, self._context, self._pause_s) for scene in demo.SCENES.values()]
            await asyncio.gather(*scenes)

    async def _recorded(self) -> None:
        """One after another, so that something goes on for minutes."""
        if self._counter is None:
            return
        from ccr_tui import stage  # late: all of replay stands behind it

        for traces in await asyncio.to_thread(stage.recorded):
            await stage.play(traces, self._context, self._counter)


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
