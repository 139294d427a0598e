"""Whether a client that has sent its end still listens: half-closed, or gone.

Owns the question to the kernel. Must never take a guess for the truth: where nothing can be seen, nobody listens. The
one surprise: both look the same on the wire (a FIN), but a client on this machine has the other end of the connection
in the same kernel, and an end that no process holds any more has no inode there (Linux; sock_diag(7), proc(5)).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
Ends = tuple[Any, Any]
"""A connection as one end sees it: its own address and the other's, each (host, port, ...)."""
DIAG, BY_FAMILY, WAIT_S = 4, 20, 0.05
"""The kernel's service, its only question, and how long it may take (25 us, measured)."""
QUESTION = struct.Struct("=IHHII BBBBI 2s2s16s16sI8s")
"""A head, which sockets are meant, and the addresses of one, in the network's order."""
ERROR, REFUSED = struct.Struct("=4xH10xi"), 2
ANSWER, PORTS_AT, INODE_AT = 88, 20, 84


def listening(connections: Iterable[Ends]) -> list[bool]:
    """Of each of our connections, whether a process of this machine still holds the other end."""
    asked = list(connections)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, DIAG) as kernel:
            kernel.settimeout(WAIT_S)
            return [_is_held(kernel, *ends) for ends in asked]
    except (OSError, AttributeError):  # not here: a sandbox, or no Linux
        return _in_tables(asked)


def _is_held(kernel: socket.socket, own: Any, peer: Any) -> bool:
    """What the kernel says of the other end. Raises OSError where it does not answer."""
    try:
        (here, port), (there, other_port) = own[:2], peer[:2]
        family = socket.AF_INET6 if ":" in here else socket.AF_INET
        addresses = [socket.inet_pton(family, each.partition("%")[0]).ljust(16, b"\0") for each in (there, here)]
        ports = other_port.to_bytes(2, "big"), port.to_bytes(2, "big")
    except (TypeError, ValueError, AttributeError):  # the connection is gone
        return False
    anything = b"\xff" * 8
    tcp = socket.IPPROTO_TCP
    kernel.send(
        QUESTION.pack(QUESTION.size, BY_FAMILY, 1, 0, 0, family, tcp, 0, 0, 0xFFFFFFFF, *ports, *addresses, 0, anything)
    )
    answer = kernel.recv(4096)
    if len(answer) >= ERROR.size and (error := ERROR.unpack_from(answer))[0] == REFUSED and error[1] != -errno.ENOENT:
        raise OSError(-error[1], "the kernel does not tell")
    is_found = len(answer) >= ANSWER and answer[PORTS_AT : PORTS_AT + 4] == b"".join(ports)
    return is_found and answer[INODE_AT:ANSWER] != bytes(4)


def _in_tables(connections: Iterable[Ends]) -> list[bool]:
    """The same, of the list of all connections of the machine."""
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
