"""A cast of models for Router mode: every model is played by name, from a part that is a list of answers.

Owns the scripted upstream `Cast`, the configuration with the original's four agents, and `play`, which sends a request
to a house and gives back the message that the client made of it, and its trace. The one surprise: a line of a part may
be a status, a status with headers, `SILENCE` (no answer until the play is over) or `CUT` (headers
alone, and then the connection is closed).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from clients import BASH, folded, parse_sse

from ccr_tui import host
from ccr_tui.config import Config, Model, Provider, Routing
from ccr_tui.proxy.anthropic import Grammar
from ccr_tui.records import Trace

TOOL_CALL = {"name": "Bash", "arguments": '{"command": "ls"}'}
SILENCE = object()
CUT = object()


class Cast:
    """An upstream whose models answer from their parts."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuses = ""
        """A key that is not good."""
        self.seen: Callable[[], bool] = lambda: True
        """Whether what was said has arrived: then a stream is cut."""
        self._over = asyncio.Event()

    async def __aenter__(self) -> Cast:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._runner.cleanup()

    def plays(self, **parts: list[Any]) -> None:
        self.parts, self.asked = dict(parts), []

    def order(self) -> list[str]:
        return [model for model, _ in self.asked]

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append((body["model"], body))
        if self.refuses and self.refuses in request.headers["authorization"]:
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        line = self.parts[body["model"]].pop(0)
        if line is SILENCE:
            await self._over.wait()
        if line is CUT:
            return await self._cut(request)
        if isinstance(line, int):
            line = (line, {})
        if isinstance(line, tuple):
            status, headers = line
            return web.json_response({"error": {"message": f"scripted {status}"}}, status=status, headers=headers)
        message = self._message(line)
        if not body.get("stream"):
            reason = "tool_calls" if "tool_calls" in message else "stop"
            usage = {"prompt_tokens": 50, "completion_tokens": 5}
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
            return web.json_response({"choices": [choice], "model": body["model"], "usage": usage})
        return await self._stream(request, message, body["model"])

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        """Headers, and nothing more."""
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        assert request.transport
        request.transport.close()
        return response

    def _message(self, line: Any) -> dict[str, Any]:
        if isinstance(line, str):
            return {"content": line}
        if "name" in line:
            return {"content": None, "tool_calls": [{"index": 0, "id": "call_x", "type": "function", "function": line}]}
        return dict(line)

    async def _stream(self, request: web.Request, message: dict[str, Any], model: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        reason = "tool_calls" if "tool_calls" in message else "stop"
        cut = message.pop("then", None) is CUT
        deltas = [{key: value} for key, value in message.items() if value]
        for chunk in (
            *({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
            {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 5}},
        ):
            await response.write(b"data: " + json.dumps({**chunk, "model": model}).encode() + b"\n\n")
            if cut:
                async with asyncio.timeout(10):
                    while not self.seen():
                        await asyncio.sleep(0.002)
                assert request.transport
                request.transport.close()
                return response
        await response.write(b"data: [DONE]\n\n")
        return response


def config_of(cast: Cast, folder: Path, deadline_s: float = 60.0) -> Config:
    """The original's four agents, and a router that is given so long."""
    names = {"router": "r", "tool": "t", "coder": "c", "think": "k"}
    return Config(
        mode="router",
        port=0,
        providers={"cast": Provider("cast", "openai", cast.base_url, api_key="sk-cast-1234567890")},
        models={name: Model(name, "cast", name) for name in names.values()},
        agents={agent: (name,) for agent, name in names.items()},
        routing=Routing(deadline_s=deadline_s),
        db=folder / "ccr.db",
    )


def turn(text: str, *messages: Any, **more: Any) -> dict[str, Any]:
    said = [{"role": "user", "content": text}, *messages]
    return {"model": "claude-opus", "max_tokens": 500, "messages": said, "tools": [BASH], "stream": True, **more}


async def play(house: host.House, body: dict[str, Any]) -> tuple[dict[str, Any], Trace]:
    """The message that the client made of the answer, and its trace."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{house.engine.address}/v1/messages", json=body) as response,
    ):
        data = await response.read()
        assert response.status == 200, data
        if body["stream"]:
            events = parse_sse(data)
            grammar = Grammar()
            for event in events:
                grammar.feed(event)
            grammar.close()
        message = folded(events) if body["stream"] else json.loads(data)
    assert await house.flush()
    return message, await asyncio.to_thread(house.reader.trace, response.headers["x-ccr-trace"])


def use(agent: str) -> str:
    return json.dumps({"use": agent})
