"""The transports beneath httpx, and the ends that theirs forget.

Owns what is mended in aiohttp's and httpcore's connections, and the demo model's. Must never know what is sent. The one
surprise: each class here that is not the demo's exists because of a fault that was seen, and may go when it is gone.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

import httpx
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.client_proto import ResponseHandler
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AIOHTTP_EXC_MAP, AiohttpResponseStream, map_aiohttp_exceptions

from ccr_tui import demo

WATCH_S = 1.0
"""Between two looks at a connection; a garbled body is noticed so late at most."""
MAPPED: tuple[type[Exception], ...] = tuple(AIOHTTP_EXC_MAP)
"""aiohttp's errors that httpx has names for."""
HEAD_END = b"\r\n\r\n"
LONGEST_HEADER = 64 * 1024
"""Bytes of one header of an answer; aiohttp's 8 KiB are few for a gateway's policies."""
OPENED: ContextVar[AsyncExitStack] = ContextVar("OPENED")
"""What closes the connections that were opened for the request that is being sent."""


class WatchedTransport(AiohttpTransport):
    """aiohttp's transport, and an end for the bodies that it forgets.

    A body whose chunks are garbled in the middle makes aiohttp close the connection, but tell nobody who reads it, and
    drop the read timeout too (seen with 3.14): without this a client would be sent pings for ever.
    """

    def get_client(self) -> ClientSession:
        """A session whose connections hand over headers first; cookies are not its business."""
        connector = TCPConnector(
            limit=self.limits.max_connections or 0, keepalive_timeout=self.limits.keepalive_expiry, ssl=self.ssl_context
        )
        connector._factory = partial(HeadFirst, loop=asyncio.get_running_loop())  # type: ignore[assignment]
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, its body under watch. Raises httpx.TransportError.

        What theirs does too, without reading and writing the headers twice more (0.1 ms).
        """
        if not isinstance(self.client, ClientSession):
            self.client = self.get_client()
        try:
            response = await self.client.request(request.method, str(request.url), **self._how(request))
        except MAPPED as error:
            raise mapped(error) from error
        watch(response)
        reason = (response.reason or "").encode("utf-8", "replace")
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=WholeStream(response),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": reason},
        )

    def _how(self, request: httpx.Request) -> dict[str, Any]:
        """What aiohttp is told of a request, beside its method and URL."""
        stream, timeout = request.stream, request.extensions["timeout"]
        how: dict[str, Any] = {
            "headers": [(name.decode(), value.decode()) for name, value in request.headers.raw],
            "data": request.content or None if isinstance(stream, httpx.ByteStream) else stream,
            "timeout": timeout_of(timeout["connect"], timeout["read"]),
            "allow_redirects": False,
        }
        if self.proxy is not None:
            how |= {"proxy": str(self.proxy.url), "proxy_headers": self.proxy.headers}
        return how


@lru_cache(maxsize=64)
def timeout_of(connect_s: float, read_s: float) -> ClientTimeout:
    """The deadlines of one provider: those of a connection, and of each silence."""
    return ClientTimeout(total=None, sock_connect=connect_s, sock_read=read_s)


class HeadFirst(ResponseHandler):
    """aiohttp's protocol, to which a response's headers are handed before what came with them.

    Its parser gives nothing of a packet in whose end it finds a mistake, not even the headers (seen with 3.14): an
    answer whose first words came in one packet with garbled bytes would be none.

    And its deadline does not look whether something has come: where a laptop slept between two looks at the sockets,
    the time is up although the answer is there.
    """

    awaits_head = False

    def set_response_params(self, **params: Any) -> None:
        """A request was sent: the next bytes are headers."""
        self.awaits_head = True
        super().set_response_params(**params)

    def _on_read_timeout(self) -> None:
        """The time is up, if the sockets have nothing either: they are looked at before a timer that is due."""
        self._read_timeout_handle = self._loop.call_later(0, super()._on_read_timeout)

    def data_received(self, data: bytes) -> None:
        """The headers first, then the rest of the packet."""
        if self.awaits_head and (end := data.find(HEAD_END) + len(HEAD_END)) >= len(HEAD_END):
            self.awaits_head = False
            if end < len(data):
                super().data_received(data[:end])
                data = data[end:]
        super().data_received(data)


def mapped(error: Exception) -> httpx.TransportError:
    """What httpx calls aiohttp's error. (Their own way is a generator, which costs each request 0.02 ms.)"""
    try:
        with map_aiohttp_exceptions():
            raise error
    except httpx.TransportError as found:
        return found


class WholeStream(AiohttpResponseStream):
    """aiohttp's body, with what it has read before it broke off.

    Its reader raises as soon as it knows of a broken end, though bytes that came in the same packet lie in its buffer
    (seen with 3.14).
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; the error comes after the last byte."""
        content = self._aiohttp_response.content
        try:
            try:
                while piece := await content.read(self.CHUNK_SIZE):
                    yield piece
            except MAPPED as error:
                raise mapped(error) from error
        except (httpx.TransportError, RuntimeError) as error:  # RuntimeError: the connection went at garbled bytes
            if rest := self._aiohttp_response.content._read_nowait(-1):
                yield rest
            if isinstance(error, httpx.TransportError):
                raise
            raise httpx.ReadError(str(error)) from error


def watch(response: Any) -> None:
    """Look once a second whether an aiohttp response that is not over has lost its connection."""
    content = response.content
    if response.closed or content.is_eof() or content.exception() is not None:
        return
    if response.connection is None or response.connection.transport is None:
        content.set_exception(httpx.ReadError("the connection is gone"))
    else:
        asyncio.get_running_loop().call_later(WATCH_S, watch, response)


class SocksTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport, and an end for the connections that it forgets.

    httpcore leaves a socket open whose SOCKS proxy refuses us, or says nothing until we give up (seen with 1.0.9).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        pool: Any = self._pool
        pool._network_backend = Noting(pool._network_backend)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response; without one, whatever was opened for it is closed."""
        async with AsyncExitStack() as opened:
            before = OPENED.set(opened)
            try:
                response = await super().handle_async_request(request)
            finally:
                OPENED.reset(before)
            opened.pop_all()
        return response


class Noting:
    """httpcore's way to open connections; each is noted in `OPENED`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def connect_tcp(self, *where: Any, **how: Any) -> Any:
        """A new connection."""
        stream = await self._inner.connect_tcp(*where, **how)
        OPENED.get().push_async_callback(stream.aclose)
        return stream


def http_proxy(way: str) -> httpx.Proxy:
    """The proxy at that URL, with its password as aiohttp 3.14 wants it: httpx-aiohttp 0.2 gives it a class that is
    deprecated. A header of this name becomes Proxy-Authorization in a tunnel's CONNECT and in absolute form alike."""
    proxy = httpx.Proxy(way)
    if proxy.auth is None:
        return proxy
    token = base64.b64encode(":".join(proxy.auth).encode()).decode()
    return httpx.Proxy(proxy.url, headers={"authorization": f"Basic {token}"})


class DemoTransport(httpx.AsyncBaseTransport):
    """The built-in demo model as an upstream: the same street, no network."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as a chat completions server would."""
        stream, pieces = demo.answer(request.content)
        kind = "text/event-stream" if stream else "application/json"
        return httpx.Response(200, headers={"content-type": kind}, stream=DemoStream(pieces))


class DemoStream(httpx.AsyncByteStream):
    """Bytes at the pace of a model."""

    def __init__(self, pieces: list[tuple[float, bytes]]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Each piece after its pause, in seconds."""
        for pause, piece in self._pieces:
            await asyncio.sleep(pause)
            yield piece
