"""Whether a client that has sent its end still listens: half-closed, or gone.

Owns the look into the kernel's table of connections. Must never take a guess for the truth: where nothing can be seen,
nobody listens. The one surprise: both look the same on the wire (a FIN), but a client on this machine has the other end
of the connection in the same table, and an end that no process holds any more has no inode there (Linux; proc(5)).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
Ends = tuple[Any, Any]
"""A connection as one end sees it: its own address and the other's, each (host, port, ...)."""


def listening(connections: Iterable[Ends]) -> list[bool]:
    """Of each of our connections, whether a process of this machine still holds the other end."""
    wanted = [(_hex(peer), _hex(own)) for own, peer in connections]
    held = set[tuple[str, str]]()
    for version in {_version(own) for own, _ in wanted if own}:
        held |= _held(version)
    return [ends in held for ends in wanted]


def _held(version: int) -> set[tuple[str, str]]:
    """Local and remote address of every connection that a process holds."""
    try:
        lines = TABLES[version].read_text().splitlines()[1:]
    except OSError:
        return set()
    fields = (line.split() for line in lines)
    return {(field[1], field[2]) for field in fields if len(field) > 9 and field[9] != "0"}


def _version(address: str) -> int:
    return 4 if len(address) == len("0100007F:0000") else 6


def _hex(address: Any) -> str:
    """An address as the kernel's table has it: words of 32 bits in the machine's order."""
    if not isinstance(address, tuple) or len(address) < 2:
        return ""
    host = ip_address(address[0].partition("%")[0])
    packed = socket.inet_pton(socket.AF_INET if host.version == 4 else socket.AF_INET6, str(host))
    words = (int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words) + f":{address[1]:04X}"
