"""Who holds a port of this machine, and which port is free.

Owns what Linux tells in /proc about listening sockets. Must never tell more of a program than its name: its arguments
may hold a key. The one surprise: another user's program has no readable file descriptors, so it stays unnamed.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from ccr_tui.slim import dataclass

PROC = Path("/proc")
LISTENS = "0A"
"""The state of a socket that listens, in /proc/net/tcp."""
NEAR = 100
"""How many ports after a taken one are tried."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A program that listens."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def holder(port: int, proc: Path = PROC) -> Holder | None:
    """The program that listens at the port, where the system tells."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    for folder in sorted(proc.glob("[0-9]*")) if wanted else ():
        with suppress(OSError):
            if any(os.readlink(file) in wanted for file in (folder / "fd").iterdir()):  # noqa: PTH115
                return Holder(int(folder.name), _name(folder))
    return None


def free_port(host: str, after: int) -> int | None:
    """The next port at which nobody listens; None if there is none near."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(after + 1, min(after + NEAR, 65_535) + 1):
        with suppress(OSError), socket.create_server((host, port), family=family):
            return port
    return None


def _listening(port: int, proc: Path) -> set[str]:
    """The inodes of the sockets that listen there."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                parts = line.split()
                if parts[3] == LISTENS and int(parts[1].rpartition(":")[2], 16) == port:
                    found.add(parts[9])
    return found


def _name(folder: Path) -> str:
    """The program, and for an interpreter what it runs: nginx, python3 -m http.server, node server.js."""
    arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    program = Path(arguments[0]).name or (folder / "comm").read_text().strip()
    if arguments[1:2] == ["-m"]:
        return f"{program} -m {arguments[2]}"
    runs = Path(arguments[1]).name if len(arguments) > 1 and program.startswith(INTERPRETERS) else ""
    return program if not runs or runs.startswith("-") else f"{program} {runs}"


INTERPRETERS = ("python", "node", "ruby", "perl", "java", "bun", "deno")
