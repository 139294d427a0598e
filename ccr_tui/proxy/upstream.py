"""Sending one request to a provider, and what can go wrong before, in and after it.

Owns the transports (one for each way out: direct, or through a proxy), and the translation of transport trouble into
our errors. Must never know Anthropic's or OpenAI's formats, nor follow a redirect. The surprises: httpx's client is
left out, because of what it does between us and its transport only cookies are wanted (0.2 ms a request);
httpx-aiohttp reports a refused connection, a DNS failure and a reset before the headers all as ConnectTimeout, so they
are told apart by the cause underneath (measured with 0.2.0); and a pooled connection may be dead although the server
advertised keep-alive (llama.cpp closes after every stream), so a request that got no byte back is sent once more.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import httpx

from ccr_tui import demo
from ccr_tui.errors import ProxyError, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from ccr_tui.proxy.transports import DemoTransport, SocksTransport, WatchedTransport, http_proxy
from ccr_tui.proxy.ways import host_of, way_out
from ccr_tui.slim import dataclass

LARGE = 512 * 1024
"""Bytes of a request body that is sent piece by piece, with a deadline for each."""
SLICE, FIRST = 1024 * 1024, 16 * 1024
"""Bytes that are handed to the socket at once (0.3 ms), and of the first piece."""
SLOWEST = 16 * 1024
"""Bytes a second that a body is sent at the least."""
RESENT = "The connection was dead before any byte came; the request was sent once more on a new one."
Response = httpx.Response
LIMITS = httpx.Limits(max_connections=10_000, max_keepalive_connections=50, keepalive_expiry=120)
"""A number is needed: None becomes aiohttp's default of 100 connections, and the 101st stream would wait in silence."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a provider."""

    provider: str
    """Its name, for error sentences."""
    url: str
    headers: Mapping[str, str]
    content: bytes
    connect_s: float
    silence_s: float
    """Longest silence before the headers and between two pieces."""
    proxy: str | None = None
    """The provider's or the config's own proxy; "" forbids one; None leaves it to the environment."""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where HTTP_PROXY and its kin are looked up; without any of them there, the process's and the system's own."""
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Way:
    """A way out, and the cookies by which gateways keep one who asks on one machine."""

    transport: httpx.AsyncBaseTransport
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The response, its body not yet read. Raises httpx.TransportError."""
        if self.cookies.jar:
            self.cookies.set_cookie_header(request)
        response = await self.transport.handle_async_request(request)
        response.request = request
        if b"set-cookie" in [name.lower() for name, _ in response.headers.raw]:
            self.cookies.extract_cookies(response)
        return response


class Upstreams:
    """The ways out. One transport for each, made on first use and kept, because an SSL context costs 46 ms."""

    def __init__(
        self, garbled: type[Exception] | tuple[()] = (), transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`garbled` is what the transport raises for bytes that are no HTTP; httpx has no name for it.

        `transport` stands in for every way out: a recorded or a simulated upstream.
        """
        self._garbled, self._given = garbled, transport
        self._ways: dict[str, Way] = {}
        self._ssl: ssl.SSLContext | None = None

    @asynccontextmanager
    async def send(self, call: Call) -> AsyncIterator[httpx.Response]:
        """The provider's response, its body not yet read. Leaving the block closes the connection if it is unfinished.

        Raises UpstreamUnreachable, UpstreamTimeout or UpstreamBroken.
        """
        try:
            response = await self._send(call)
            try:
                yield response
            finally:
                await response.aclose()
        except self._garbled as error:
            sentence = f"{address(call)} sent something that is not HTTP. Check base_url (the port, https or http?)."
            raise UpstreamBroken(sentence) from error

    async def _send(self, call: Call) -> httpx.Response:
        try:
            way = self._way(way_of(call))
        except ValueError as error:
            sentence = f"The proxy on the way to {address(call)} must be an http://, https:// or socks5:// URL."
            raise UpstreamUnreachable(f"{sentence} Check PROXY_URL or HTTPS_PROXY.", should_retry=False) from error
        try:
            return await self._once(way, call)
        except httpx.TransportError as error:
            if not is_stale(error):
                raise explain(error, call) from error
        try:
            response = await self._once(way, call)
        except httpx.TransportError as error:
            found = explain(error, call)
            found.add_note(RESENT)
            raise found from error
        response.extensions["resent"] = RESENT
        return response

    async def _once(self, way: Way, call: Call) -> httpx.Response:
        longest = longest_s(call)
        if longest is None and len(call.content) <= LARGE:
            return await way.send(request_of(call))
        try:
            async with asyncio.timeout(longest) as limit:
                return await way.send(request_of(call, limit if longest is None else None))
        except TimeoutError as error:
            raise httpx.ReadTimeout("who should read the request does not, or a proxy is silent") from error

    def _way(self, name: str) -> Way:
        if name not in self._ways:
            self._ways[name] = Way(self._transport(name))
        return self._ways[name]

    def _transport(self, way: str) -> httpx.AsyncBaseTransport:
        if self._given is not None:
            return self._given
        if way == "demo":
            return DemoTransport()
        self._ssl = self._ssl or httpx.create_ssl_context()
        if way.startswith("socks"):
            return SocksTransport(verify=self._ssl, limits=LIMITS, proxy=httpx.Proxy(way))
        proxy = http_proxy(way) if way else None
        return WatchedTransport(verify=self._ssl, limits=LIMITS, proxy=proxy)

    def warm(self) -> None:
        """Read the certificates now (46 ms, mostly without the GIL), so that the first request does not. Any thread."""
        self._ssl = self._ssl or httpx.create_ssl_context()

    async def close(self) -> None:
        """Close every connection."""
        for way in self._ways.values():
            await way.transport.aclose()
        self._ways.clear()


def request_of(call: Call, limit: asyncio.Timeout | None = None) -> httpx.Request:
    """The request as it is sent, with every header that it needs: httpx takes 0.1 ms to find out which are missing.

    `limit` is put off with each slice of a large body.
    """
    url, content = url_of(call.url), call.content
    put_off = partial(keep_going, limit, call.silence_s) if limit else None
    stream = Slices(content, put_off) if len(content) > LARGE else httpx.ByteStream(content)
    timeout = {"connect": call.connect_s, "read": call.silence_s, "write": call.silence_s, "pool": None}
    headers = headers_of(url, tuple(call.headers.items()))
    request = httpx.Request(call.method, url, headers=headers, stream=stream, extensions={"timeout": timeout})
    if content:
        request.headers["content-length"] = str(len(content))
    if isinstance(stream, httpx.ByteStream):
        request.read()
    return request


@lru_cache(maxsize=256)
def url_of(text: str) -> httpx.URL:
    """Parsed once: 0.1 ms."""
    return httpx.URL(text)


@lru_cache(maxsize=256)
def headers_of(url: httpx.URL, own: tuple[tuple[str, str], ...]) -> httpx.Headers:
    """Those of a call, and what each request needs. Most calls of a provider have the same; `Request` copies them."""
    return httpx.Headers({"host": url.netloc.decode("ascii"), "connection": "keep-alive", **dict(own)})


class Slices(httpx.AsyncByteStream):
    """A large body piece by piece: written in one go it would hold the loop."""

    def __init__(self, content: bytes, put_off: Callable[[bool], None] | None = None) -> None:
        """`put_off` is told that another piece went out, and whether it was the last one."""
        self._content, self._put_off = content, put_off or (lambda _: None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Each slice, uncopied; the first is short, because aiohttp copies it behind the headers."""
        whole = memoryview(self._content)
        for start, end in pairwise([0, *range(FIRST, len(whole), SLICE), len(whole)]):
            self._put_off(False)
            yield whole[start:end]
        self._put_off(True)


def keep_going(limit: asyncio.Timeout, silence_s: float, is_over: bool) -> None:
    """Give a slice the time that an answer may be silent, and some for a slow line; after the last one the transport
    waits for the answer. aiohttp has no deadline for what it writes (seen with 3.14)."""
    now = asyncio.get_running_loop().time()
    with suppress(RuntimeError):  # the answer came before the request was read: the limit is no more
        limit.reschedule(None if is_over else now + silence_s + SLICE / SLOWEST)


async def pieces(response: httpx.Response, call: Call) -> AsyncGenerator[bytes, None]:
    """The body as it comes, decompressed. Raises UpstreamBroken or UpstreamTimeout."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    try:  # httpx's own way to the raw bytes takes as long as all that we do with them
        async for piece in response.stream if is_plain(response) else response.aiter_bytes():
            yield piece
    except httpx.DecodingError as error:
        raise UpstreamBroken(f"{call.provider}'s compressed answer cannot be unpacked.") from error
    except httpx.TimeoutException as error:
        raise UpstreamTimeout(
            f"{call.provider} fell silent in mid-answer for {call.silence_s:g} s. "
            "Ask again, or raise timeout_s for this provider."
        ) from error
    except (httpx.TransportError, httpx.StreamError) as error:
        raise UpstreamBroken(f"{call.provider} closed the connection in mid-answer. Ask again.") from error


def is_plain(response: httpx.Response) -> bool:
    """Whether the body is not compressed."""
    return all(value == b"identity" for name, value in response.headers.raw if name.lower() == b"content-encoding")


async def whole(response: httpx.Response, call: Call, limit: int = 64 * 1024 * 1024) -> bytes:
    """The whole body. Raises UpstreamBroken if it is over `limit` bytes, or as `pieces` does."""
    parts: list[bytes] = []
    async for piece in pieces(response, call):
        parts.append(piece)
        limit -= len(piece)
        if limit < 0:
            raise UpstreamBroken(f"{call.provider}'s answer is over 64 MiB.")
    return b"".join(parts)


def way_of(call: Call) -> str:
    """The proxy that leads to the call's host: a URL, "" for none, "demo" for the demo model."""
    return "demo" if host_of(call.url) == demo.HOST else way_out(call.url, call.proxy, call.env)


def longest_s(call: Call) -> float | None:
    """How long the headers may take in all; None: the transport's own deadlines do.

    Neither aiohttp (CONNECT) nor httpcore (SOCKS5) has one for a proxy that takes the connection and then says nothing.
    """
    return call.connect_s + call.silence_s + len(call.content) / SLOWEST if way_of(call) else None


def causes(error: BaseException) -> list[BaseException]:
    """The error and everything underneath it, aiohttp's `os_error` included."""
    found: list[BaseException] = []
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            todo += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
    return found


def is_stale(error: httpx.TransportError) -> bool:
    """Whether the connection died before any byte came, as a pooled one does when its server has closed it."""
    names = {type(cause).__name__ for cause in causes(error)}
    connected = not names & {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorCertificateError",
        "ClientConnectorSSLError",
        "ClientProxyConnectionError",
        "ConnectionTimeoutError",
    }
    died = {
        "ServerDisconnectedError",
        "ConnectionResetError",
        "BrokenPipeError",
        "RemoteProtocolError",
        "ClientConnectionResetError",
    }
    return connected and bool(names & died)


def address(call: Call) -> str:
    """The provider and its host, for sentences; never the path or the query, which may hold a key."""
    parts = urlsplit(call.url)
    return f"{call.provider} ({parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''})"


def explain(error: httpx.TransportError, call: Call) -> ProxyError:
    """The error as a sentence of cause and cure, by what lies underneath."""
    under = causes(error)
    where = address(call)
    if any(isinstance(cause, socket.gaierror) or "DNS" in type(cause).__name__ for cause in under):
        return UpstreamUnreachable(f"The host name of {where} cannot be found. Check base_url and the network.")
    if any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in under):
        return UpstreamUnreachable(
            f"No safe connection to {where}: {tls_reason(under)}. Check base_url (https or http?) and the certificate.",
            should_retry=False,
        )
    if isinstance(error, httpx.ProxyError) or any("Proxy" in type(cause).__name__ for cause in under):
        return UpstreamUnreachable(f"The proxy on the way to {where} does not let us through. Check PROXY_URL.")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return UpstreamUnreachable(f"The base_url of {where} cannot be used: {error}.", should_retry=False)
    return unanswered(error, under, where, call)


def unanswered(error: httpx.TransportError, under: list[BaseException], where: str, call: Call) -> ProxyError:
    """Refused, reset or silent."""
    names = {type(cause).__name__ for cause in under}
    if any(isinstance(cause, ConnectionRefusedError) for cause in under):
        return UpstreamUnreachable(f"{where} refuses the connection. Is it running, and is base_url's port right?")
    if "ConnectionTimeoutError" in names or (isinstance(error, httpx.ConnectTimeout) and "TimeoutError" in names):
        return UpstreamTimeout(
            f"{where} cannot be reached within {call.connect_s:g} s. Check base_url and the network."
        )
    if isinstance(error, httpx.ReadTimeout):
        return UpstreamTimeout(
            f"{where} sent nothing for {call.silence_s:g} s. Ask again, or raise timeout_s for this provider."
        )
    if is_stale(error) or isinstance(error, httpx.ReadError):
        return UpstreamBroken(f"{where} closed the connection before it answered. Ask again.")
    return UpstreamUnreachable(
        f"{where} cannot be reached ({type(under[-1]).__name__}). Check base_url and the network."
    )


def tls_reason(under: list[BaseException]) -> str:
    """What OpenSSL says, in its own words and without a stack."""
    for cause in under:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message or "the certificate cannot be verified"
        reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
        if reason:  # aiohttp's own SSLError has none
            return str(reason).replace("_", " ").lower()
    return "TLS failed"
