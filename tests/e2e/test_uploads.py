"""Large requests on their way to a provider that does not read them, or not to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ccr_tui.errors import UpstreamTimeout
from ccr_tui.proxy import upstream
from ccr_tui.proxy.upstream import Call, Upstreams, whole

BODY = b"x" * (32 << 20)
"""More than any socket holds."""


@asynccontextmanager
async def unread(answer: bytes = b"") -> AsyncIterator[Call]:
    """A call of a provider that reads no body, and answers at once or never."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await gone.wait()
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield Call("up", f"http://127.0.0.1:{port}/v1", {}, BODY, connect_s=5, silence_s=0.3)
        finally:
            gone.set()


async def test_who_does_not_read_a_large_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "SLOWEST", 1e9)
    upstreams = Upstreams()
    async with unread() as call:
        with pytest.raises(UpstreamTimeout, match=r"for 0\.3 s"):
            async with upstreams.send(call):
                pass
    await upstreams.close()


async def test_who_answers_before_it_has_read_a_large_request_is_heard() -> None:
    upstreams = Upstreams()
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nmuch"
    async with unread(refusal) as call, upstreams.send(call) as response:
        assert (response.status_code, await whole(response, call)) == (413, b"much")
    await upstreams.close()
