"""Who listens at the configured address: our proxy, somebody else, or nobody.

Owns one GET /health without any of the HTTP clients (they cost 0.2 s to import). Must never send a credential. The one
surprise: the environment's HTTP proxy is not asked, because the address is this machine's own.
"""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from ccr_tui.config import Config
from ccr_tui.places import default_db, is_same, short
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

TIMEOUT_S = 2.0
NAMES = {"database": "its database", "config": "its configuration"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found at the address."""

    ours: bool
    taken: bool
    what: str
    """For people: "ccr-tui 0.1.0", "another program", "nobody"."""
    health: Json = None

    @property
    def pid(self) -> int | None:
        """The process of our proxy, where it tells."""
        found = self.health.get("pid") if self.ours and isinstance(self.health, dict) else None
        return found if isinstance(found, int) else None

    @property
    def told(self) -> dict[str, Any] | None:
        """What our proxy says of itself; None where none answers."""
        return self.health if self.ours and isinstance(self.health, dict) else None

    @property
    def trouble(self) -> str:
        """What keeps its store from writing now, where it tells; "" where nothing does."""
        found = self.health.get("trouble") if self.ours and isinstance(self.health, dict) else None
        return found if isinstance(found, str) else ""

    def file(self, name: str) -> Path | None:
        """Its "database" or its "config", where it tells."""
        found = self.health.get(name) if self.ours and isinstance(self.health, dict) else None
        return Path(found) if isinstance(found, str) and found else None

    def differing(self, config: Config) -> list[str]:
        """Which of its files are others than ours, in words."""
        ours = {"database": config.db or default_db(), "config": config.path}
        theirs = {name: self.file(name) for name in ours}
        return [
            f"{NAMES[name]} is {short(found)}"
            for name, found in theirs.items()
            if found is not None and (mine := ours[name]) is not None and not is_same(found, mine)
        ]


def ask(config: Config) -> Answer:
    """Look who is there."""
    if config.port == 0:
        return Answer(False, False, "nobody")
    line = http.client.HTTPConnection(_host(config), config.port, timeout=TIMEOUT_S)
    try:
        line.request("GET", "/health")
        health = json.loads(line.getresponse().read(100_000))
    except (ConnectionRefusedError, FileNotFoundError):
        return Answer(False, False, "nobody")
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return Answer(False, True, "another program")
    finally:
        line.close()
    if isinstance(health, dict) and {"status", "mode", "version", "models", "in_flight"} <= health.keys():
        return Answer(True, True, f"ccr-tui {health['version']}", health)
    return Answer(False, True, "another program", health)


def url(config: Config) -> str:
    """The address as this machine reaches it."""
    host = _host(config)
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"


def stranger(there: Answer, config: Config) -> str:
    """Who has taken the port, as far as can be found out."""
    from ccr_tui.holder import holder

    if there.ours:
        return f"{there.what} (pid {there.pid})" if there.pid else there.what
    found = holder(config.port)
    return str(found) if found else there.what


def _host(config: Config) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
