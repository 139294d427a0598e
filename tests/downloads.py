"""What the tests with a real server and a real client fetch, once, into the user's cache directory.

Owns where it goes and the difference between "can't be had here", which is a skip that says why, and "is broken", which
is a failure. The one surprise: an installation is made beside its place and moved there when it is whole, so that an
interrupted one never counts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

GIVEN = dict(os.environ)
"""The environment as it was, for the installers: `conftest.py` takes away what steers the program."""
OFFLINE = (
    "name resolution",
    "failed to resolve",
    "enotfound",
    "eai_again",
    "econnrefused",
    "econnreset",
    "etimedout",
    "enetunreach",
    "err_socket_timeout",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "no route to host",
    "newconnectionerror",
    "connecttimeouterror",
    "readtimeouterror",
    "proxyerror",
    "temporary failure",
)
"""How pip and npm say that the registry did not answer, in lower case."""


class Unavailable(Exception):
    """It can't be had on this machine: no registry answers, nothing can fetch from it, or nothing of it runs here."""


def cache_dir() -> Path:
    """Where downloads are kept; `make clean` leaves it alone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ccr-tui-tests"


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name in the cache, made by `make` if it is not there."""
    place = cache_dir() / name
    if not place.exists():
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        try:
            make(draft)
            move(draft, place)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return place


def move(draft: Path, place: Path) -> None:
    """Into its place, unless somebody else was quicker."""
    try:
        draft.rename(place)
    except OSError:
        if not place.exists():
            raise


def fetch(command: list[str]) -> None:
    """Run an installer. Raises Unavailable if it could not reach its registry, RuntimeError for any other trouble."""
    done = subprocess.run(command, env=GIVEN, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return
    said = (done.stderr + done.stdout).strip()
    unreached = [line for line in said.splitlines() if any(sign in line.lower() for sign in OFFLINE)]
    if unreached:
        raise Unavailable(f"{Path(command[0]).name} could not reach its registry: {unreached[0].strip()}")
    raise RuntimeError(f"{' '.join(command[:3])} ended with {done.returncode}:\n{said}")
