"""Proxies on loopback that know every host name: whatever is asked for, they connect to 127.0.0.1.

Owns an HTTP proxy (CONNECT and absolute form), a SOCKS5 server, and a TLS front for an upstream that has none. A host
name that nobody else knows proves that a request went through one of them: without it the name means nothing.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


async def pump(reader: Reader, writer: Writer) -> None:
    """One direction of a tunnel, until either end closes."""
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def join(reader: Reader, writer: Writer, port: int, first: bytes = b"") -> None:
    """Tunnel between a client and a port of this machine; `first` has been read already."""
    there, out = await asyncio.open_connection("127.0.0.1", port)
    try:
        out.write(first)
        await asyncio.gather(pump(reader, out), pump(there, writer))
    finally:
        await closed(out)


async def closed(writer: Writer) -> None:
    """Close it, and wait until its socket is; who is cancelled meanwhile leaves none open either."""
    writer.close()
    try:
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
    finally:
        writer.transport.abort()


@dataclass
class Way:
    """A proxy that listens, and what went through it."""

    user: str | None = None
    """`name:password` that must be presented."""
    seen: list[str] = field(default_factory=list)
    """One line for each request or tunnel: "POST http://host:port/path", "CONNECT host:port" or "SOCKS host:port"."""
    refused: int = 0
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __aenter__(self) -> Way:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.serve(reader, writer)
        await closed(writer)

    async def serve(self, reader: Reader, writer: Writer) -> None:
        raise NotImplementedError


class HttpProxy(Way):
    """Speaks HTTP, as squid does."""

    @property
    def url(self) -> str:
        return f"http://{self.user + '@' if self.user else ''}127.0.0.1:{self.port}"

    async def serve(self, reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        if self.user and headers.get("proxy-authorization") != f"Basic {base64.b64encode(self.user.encode()).decode()}":
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            return await writer.drain()
        self.seen.append(f"{method} {target}")
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return await join(reader, writer, int(target.rpartition(":")[2]))
        parts = urlsplit(target)
        assert parts.port, "absolute form"
        kept = [line for line in lines if line and not line.lower().startswith("proxy-")]
        await join(
            reader, writer, parts.port, "\r\n".join([f"{method} {parts.path} {version}", *kept, "", ""]).encode()
        )


class SocksProxy(Way):
    """Speaks SOCKS5 (RFC 1928), with a password where one is set (RFC 1929)."""

    @property
    def url(self) -> str:
        return f"socks5://{self.user + '@' if self.user else ''}127.0.0.1:{self.port}"

    async def serve(self, reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 2 if self.user else 0
        if wanted not in methods:
            self.refused += 1
            writer.write(b"\x05\xff")
            return await writer.drain()
        writer.write(bytes([5, wanted]))
        if self.user and not await self._knows(reader, writer):
            return None
        kind = (await reader.readexactly(4))[3]
        host = await self._host(reader, kind)
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.seen.append(f"SOCKS {host}:{port}")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return await join(reader, writer, port)

    async def _knows(self, reader: Reader, writer: Writer) -> bool:
        await reader.readexactly(1)
        name = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        good = f"{name.decode()}:{password.decode()}" == self.user
        self.refused += not good
        writer.write(b"\x01\x00" if good else b"\x01\x01")
        await writer.drain()
        return good

    async def _host(self, reader: Reader, kind: int) -> str:
        if kind == 3:
            return (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        return ".".join(map(str, await reader.readexactly(4 if kind == 1 else 16)))


class SilentProxy(Way):
    """Takes connections, and says nothing."""

    async def serve(self, reader: Reader, writer: Writer) -> None:
        while await reader.read(65536):
            self.seen.append("bytes")


class TlsFront(Way):
    """Takes TLS off and passes on to an upstream's port."""

    def __init__(self, port: int, certificate: Path) -> None:
        super().__init__()
        self._behind, self._context = port, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    async def __aenter__(self) -> TlsFront:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.seen.append("TLS")
        await join(reader, writer, self._behind)


def certificate(folder: Path, host: str) -> Path:
    """A key and a certificate that signs itself, in one file."""
    made = folder / "upstream.pem"
    names = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(made), "-out", f"{made}.crt"]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, *files], check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + Path(f"{made}.crt").read_bytes())
    return made
