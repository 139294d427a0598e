"""A scripted OpenAI-compatible upstream on loopback: what it answers stands in the prompt.

Owns the server: a marker `[[ccr:NAME]]` or `[[ccr:NAME:ARG]]` in the newest user text picks a scenario of
`scenarios.py`, and the number of assistant messages after it picks the step, so that the server keeps no state but the
"first N times" counters. A model in `roles` plays its own scenario, whatever the prompt says. Every request is kept in
`requests`. Must never need a sleep in a test: `Request.left` and `Request.done` are events. The one surprise: it judges
as OpenAI would (`openai_rules.py`), so a body that breaks a rule gets a 400 and stands in `faults`.

As a program, for a look at the real client by hand:

    python tests/scripted_openai.py --port 8899 --log requests.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent))
from openai_rules import problems
from scenarios import SCENARIOS, Ask, Cut, Plain, Reset, Stall, Stream, Wait, whole

MARK = re.compile(r"\[\[ccr:([a-z0-9_]+)(?::([^\]]*))?\]\]")
SECRET = frozenset({"authorization", "x-api-key", "api-key", "cookie", "proxy-authorization"})


@dataclass
class Request:
    """One request as it came, and how it ended."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    port: int
    """The client's port: equal ports are one connection."""
    label: str = ""
    """Scenario and step, such as "tools[1]"."""
    outcome: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client went away before the answer was over."""


class ScriptedOpenAI:
    """`async with ScriptedOpenAI() as upstream:` listens on a free port of 127.0.0.1 until the block ends."""

    def __init__(
        self,
        key: str | None = None,
        rules: bool = True,
        log: Path | None = None,
        roles: Mapping[str, str] | None = None,
    ) -> None:
        self.key = key
        self.rules = rules
        self.log = log
        self.roles = roles or {}
        """Scenario by model."""
        self.requests: list[Request] = []
        self.faults: list[str] = []
        self.release = asyncio.Event()
        """Set it to end every stall."""
        self._counts: dict[str, int] = {}
        self._news = asyncio.Event()

    async def __aenter__(self) -> ScriptedOpenAI:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=1 << 30)
        for base in ("/v1", "/compatible-mode/v1"):  # as DashScope's begins
            app.router.add_post(f"{base}/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_route("*", "/{path:.*}", self._other)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port: int = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self.release.set()
        await self._runner.cleanup()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def last(self) -> Request:
        return self.requests[-1]

    async def came(self, count: int, within_s: float = 10) -> None:
        """Wait until so many requests have come in all."""
        while len(self.requests) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), within_s)

    def models(self) -> list[str]:
        """Which models were asked, in order."""
        return [request.body["model"] for request in self.requests]

    def labels(self) -> list[str]:
        """What was asked for, in order."""
        return [request.label for request in self.requests]

    def of(self, prefix: str) -> list[Request]:
        """The requests whose label begins so."""
        return [request for request in self.requests if request.label.startswith(prefix)]

    async def _read(self, http: web.Request) -> Request:
        raw = await http.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode(errors="replace")
        peer = http.transport.get_extra_info("peername") if http.transport else None
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(http.method, http.path_qs, headers, body, peer[1] if peer else 0)
        self.requests.append(request)
        self._news.set()
        return request

    async def _models(self, http: web.Request) -> web.StreamResponse:
        await self._read(http)
        return web.json_response({"object": "list", "data": [{"id": "scripted-model", "object": "model"}]})

    async def _other(self, http: web.Request) -> web.StreamResponse:
        await self._read(http)
        return openai_error(404, f"Invalid URL ({http.method} {http.path})", code="unknown_url")

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        request = await self._read(http)
        started = time.monotonic()
        try:
            response = await self._answer(http, request)
            request.outcome = request.outcome or "answered"
            return response
        except (ConnectionError, asyncio.CancelledError):
            request.outcome = "client left"
            request.left.set()
            raise
        finally:
            request.done.set()
            self._write_log(request, time.monotonic() - started)

    async def _answer(self, http: web.Request, request: Request) -> web.StreamResponse:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            request.label = "wrong key"
            return openai_error(401, "Incorrect API key provided: sk-wro**key.", code="invalid_api_key")
        broken = problems(request.body) if self.rules else []
        if broken:
            self.faults += broken
            request.label = "refused"
            return openai_error(400, broken[0])
        answer = self._choose(request)
        if isinstance(answer, Plain):
            return await _plain(http, answer)
        if not request.body.get("stream") and not answer.always_sse:
            return await self._completion(http, request, answer)
        return await self._stream(http, request, answer)

    def _choose(self, request: Request) -> Stream | Plain:
        role = self.roles.get(request.body["model"])
        name, arg, step = (role, None, 0) if role else marker(request.body["messages"])
        request.label = f"{name}[{step}]" if arg is None else f"{name}:{arg}[{step}]"
        scenario = SCENARIOS.get(name)
        if scenario is None:
            return Plain(400, {"error": {"message": f"the scripted upstream has no scenario {name}"}})
        steps = scenario(Ask(request.body, arg or "", step, lambda: self._count(f"{name}:{arg}")))
        return steps[min(step, len(steps) - 1)]

    def _count(self, key: str) -> int:
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key]

    async def _completion(self, http: web.Request, request: Request, answer: Stream) -> web.StreamResponse:
        data = json.dumps(whole(answer.events, answer.model or request.body["model"])).encode()
        fault = next((event for event in answer.events if isinstance(event, Cut | Reset | Stall)), None)
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(data))})
        await response.prepare(http)
        if fault is None:
            await response.write(data)
            return response
        await response.write(data[: len(data) // 2])
        await self._fault(http, request, fault)
        return response

    async def _stream(self, http: web.Request, request: Request, answer: Stream) -> web.StreamResponse:
        if answer.head_wait:
            await self._pause(answer.head_wait)
        headers = {"content-type": answer.content_type, "cache-control": "no-cache"}
        squeeze = zlib.compressobj(wbits=31) if answer.gzip else None
        if squeeze:
            headers["content-encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        usage_asked = (request.body.get("stream_options") or {}).get("include_usage")
        for event in answer.events:
            if isinstance(event, Cut | Reset | Stall):
                await self._fault(http, request, event)
                return response
            if isinstance(event, Wait):
                await self._pause(event.seconds)
                continue
            if isinstance(event, dict) and event.get("choices") == [] and "usage" in event and not usage_asked:
                continue
            data = answer.encode(event, request.body["model"])
            if squeeze:
                data = squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)
            for piece in answer.cut_up(data):
                await response.write(piece)
        await response.write_eof(squeeze.flush() if squeeze else b"")
        return response

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.release.wait(), seconds)
        except TimeoutError:
            pass

    async def _fault(self, http: web.Request, request: Request, fault: Cut | Reset | Stall) -> None:
        request.outcome = type(fault).__name__.lower()
        transport = http.transport
        if isinstance(fault, Stall):
            await self.release.wait()
        if transport is None:
            return
        if isinstance(fault, Reset):
            # Linger 0 makes the kernel send RST instead of FIN.
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()

    def _write_log(self, request: Request, seconds: float) -> None:
        if self.log is None:
            return
        headers = {name: "***" if name in SECRET else value for name, value in request.headers.items()}
        line = {"label": request.label, "outcome": request.outcome, "ms": round(seconds * 1000), "port": request.port}
        with self.log.open("a") as file:
            file.write(json.dumps({**line, "headers": headers, "body": request.body}) + "\n")


async def _plain(http: web.Request, answer: Plain) -> web.StreamResponse:
    if answer.status == 0:
        assert http.transport is not None
        http.transport.close()
        return web.Response()
    text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    response = web.Response(body=text.encode(), status=answer.status, headers=answer.headers)
    response.headers["content-type"] = answer.content_type
    return response


def openai_error(status: int, message: str, **more: Any) -> web.Response:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return web.json_response({"error": error}, status=status)


def text_of(message: dict[str, Any]) -> str:
    """All text of a chat message."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or () if part.get("type") == "text")


def marker(messages: list[dict[str, Any]]) -> tuple[str, str | None, int]:
    """Scenario, argument and step of a conversation; "nomark" where no user text carries one."""
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].get("role") != "user":
            continue
        found = MARK.findall(text_of(messages[at]))
        if found:
            name, arg = found[-1]
            step = sum(1 for message in messages[at + 1 :] if message.get("role") == "assistant")
            return name, arg or None, step
    return "nomark", None, 0


async def serve(port: int, log: Path | None) -> None:
    """Run until interrupted."""
    upstream = ScriptedOpenAI(log=log)
    await upstream.start(port)
    print(f"listening on {upstream.base_url}", file=sys.stderr, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await upstream.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--log", type=Path)
    args = parser.parse_args()
    try:
        asyncio.run(serve(args.port, args.log))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
