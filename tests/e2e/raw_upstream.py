"""An upstream of bare sockets, which can be as wrong as a network: it sends the bytes that it is given, and cuts.

The one surprise: it answers every request on every connection with the same `script`, a sequence of bytes to send and
of `Cut` (close), `Reset` (RST) or `Hang` (wait until the other side leaves) to end with. Without one of these the
connection is kept open for the next request.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from ways import closed

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM + b"transfer-encoding: chunked\r\n\r\n"
CLOSED = STREAM + b"connection: close\r\n\r\n"


class End(Enum):
    """How a connection ends after the bytes."""

    CUT = auto()
    RESET = auto()
    HANG = auto()


Script = Iterable[bytes | End]


class RawUpstream:
    """Listens on a free port of 127.0.0.1 inside `async with`."""

    def __init__(self) -> None:
        self.script: Script = ()
        self.bodies: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self._serving: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> RawUpstream:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 27)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leaves no connection behind: a later test would be blamed for it."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._serving.discard(task)
            await closed(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}
        length = int(headers.get("content-length", 0))  # none: somebody asks which models there are
        self.bodies.append(json.loads(await reader.readexactly(length) or b"null"))
        self.headers.append(headers)
        for step in self.script:
            if isinstance(step, End):
                return await _end(step, reader, writer)
            writer.write(step)
            await writer.drain()
            await asyncio.sleep(0)
        return True


async def _end(how: End, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    if how is End.HANG:
        await reader.read()
    elif how is End.RESET:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    return False


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; b"" ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(data: bytes) -> tuple[bytes, ...]:
    """A whole event stream, as servers send it."""
    return (CHUNKED + chunk(data), chunk(b""))


def plain(status: int, body: Any, extra: bytes = b"") -> tuple[bytes, ...]:
    """A whole JSON answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = b"HTTP/1.1 %d So\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n" % (
        status,
        len(data),
        extra,
    )
    return (head + data,)


def event(value: Any) -> bytes:
    """One event without a name, as chat completions are streamed."""
    return b"data: %b\n\n" % json.dumps(value).encode()


def said(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    """A chunk of a chat completion."""
    return event({"model": "raw", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


def named(kind: str, **fields: Any) -> bytes:
    """An event of the Messages API."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())
