"""The programs that the benchmark runs as children: an upstream, the floors, and ccr-tui itself.

Owns nothing that is measured but the floors: an aiohttp server that passes bytes to an HTTP client and back, which is
the least that a proxy of this make can do. The one surprise: every child has a thread that tells its own resource usage
over a socket when it is asked, because that is the same on every system and counts all its threads.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import socket
import threading
import time
from pathlib import Path
from typing import Any

MARK = re.compile(rb"\[\[bench:(\d+):([\d.]+)\]\]")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = (
    '{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench-model",'
    '"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}'
)
USAGE = (
    b'{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench-model","choices":[],'
    b'"usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010}}'
)


def framed(data: bytes) -> bytes:
    """One server-sent event as one HTTP chunk."""
    event = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(event), event)


def stamped() -> bytes:
    """A chunk that says when it was sent."""
    return framed((EVENT % (f'{{"content":"t={time.monotonic_ns()} "}}', "null")).encode())


END = framed((EVENT % ("{}", '"stop"')).encode()) + framed(USAGE) + framed(b"[DONE]") + b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """Answers every POST with as many stamped chunks, so many milliseconds apart, as its body asks for."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._transport: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        if head < 0:
            return
        length = re.search(rb"content-length: *(\d+)", self._got[:head], re.IGNORECASE)
        if len(self._got) >= head + 4 + int(length[1]) if length else self._got.endswith(b"0\r\n\r\n"):
            at = max(0, self._got.rfind(b"[[bench:"))
            wanted = MARK.match(bytes(self._got[at : at + 40]))
            self._got.clear()
            chunks, pause_ms = (int(wanted[1]), float(wanted[2])) if wanted else (1, 0.0)
            task = asyncio.ensure_future(self._answer(chunks, pause_ms))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, chunks: int, pause_ms: float) -> None:
        self._transport.write(HEAD)
        due = asyncio.get_running_loop().time()
        for _ in range(chunks):
            if pause_ms:
                due += pause_ms / 1000
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            self._transport.write(stamped())
        self._transport.write(END)


async def upstream(port: int, _: str) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


async def floor(port: int, target: str, client: str) -> None:
    """aiohttp in, `client` out, bytes untouched."""
    from aiohttp import web

    send = {"httpx": httpx_sender, "httpx-aiohttp": httpx_sender, "aiohttp": aiohttp_sender}[client](client, target)

    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        async for data in send(body):
            if not response.prepared:
                await response.prepare(request)
            await response.write(data)
        return response

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/messages", handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def httpx_sender(kind: str, target: str) -> Any:
    import httpx

    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
    options: dict[str, Any] = {"timeout": 60, "trust_env": False}
    if kind == "httpx-aiohttp":
        from httpx_aiohttp import AiohttpTransport

        client = httpx.AsyncClient(transport=AiohttpTransport(limits=limits), **options)
    else:
        client = httpx.AsyncClient(limits=limits, **options)

    async def send(body: bytes) -> Any:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        async with client.stream("POST", target, content=body, headers=headers) as response:
            async for data in response.aiter_raw():
                yield data

    return send


def aiohttp_sender(_: str, target: str) -> Any:
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []

    async def send(body: bytes) -> Any:
        if not sessions:
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1000)))
        async with sessions[0].post(target, data=body, headers={"content-type": "application/json"}) as response:
            async for data in response.content.iter_any():
                yield data

    return send


def ccr_tui(arguments: list[str]) -> None:
    """The program itself; its settings stand in the environment."""
    from ccr_tui.cli import main

    main(arguments)


def meter(port: int) -> None:
    """Tell the bench our CPU seconds, those of the loop's thread, and our memory, whenever it asks."""
    line = socket.create_connection(("127.0.0.1", port))
    clock = loop_clock()

    def serve() -> None:
        while line.recv(1):
            used = resource.getrusage(resource.RUSAGE_SELF)
            cpu = used.ru_utime + used.ru_stime
            loop = cpu if clock is None else time.clock_gettime(clock)
            line.sendall(b"%.6f %.6f %d %.1f\n" % (cpu, loop, used.ru_maxrss, resident()))

    threading.Thread(target=serve, daemon=True).start()


def loop_clock() -> int | None:
    """The clock of this thread's CPU, which other threads may read; None where there is none (macOS)."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    return time.pthread_getcpuclockid(threading.get_ident())


def resident() -> float:
    """MB of memory now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)
    except OSError:
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject")
    parser.add_argument("--meter", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", default="")
    args = parser.parse_args()
    meter(args.meter)
    if args.subject == "upstream":
        asyncio.run(upstream(args.port, args.target))
    elif args.subject == "headless":
        ccr_tui(["serve"])
    elif args.subject == "app":
        ccr_tui([])
    else:
        asyncio.run(floor(args.port, args.target, args.subject))


if __name__ == "__main__":
    main()
