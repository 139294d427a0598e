"""What an exchange stands on.

Owns `Context`: the config as it was when the request arrived, and the things that all exchanges share. Must never be
changed while a request is under way; the engine makes a new one. The one surprise: clocks are in it, so that time is an
argument and no test has to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import field

from ccr_tui.config import Config
from ccr_tui.feed import Feed
from ccr_tui.memory import Memory
from ccr_tui.prices import Book
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.consult import Verdict
from ccr_tui.proxy.custom import Own
from ccr_tui.proxy.guards import Pace, Spent
from ccr_tui.proxy.keys import Keyring
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.tally import Count
from ccr_tui.tokens import Calibration


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class Context:
    """What an exchange stands on, read once when it begins."""

    config: Config
    upstreams: Upstreams
    feed: Feed
    book: Book
    calibration: Calibration
    count: Callable[[Json], Awaitable[Count]]
    """Uncalibrated input tokens of a client's body; counts in a thread."""
    tokens_of: Callable[[str], int]
    """Tokens of a short text."""
    learn: Callable[[str, int, int, float], None]
    """Told of reported usage: calibration key, uncalibrated count, reported input tokens, the family's ratio."""
    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    breakers: Breakers = field(default_factory=Breakers)
    keyring: Keyring = field(default_factory=Keyring)
    spent: Spent = field(default_factory=Spent)
    pace: Pace = field(default_factory=Pace)
    memory: Memory = field(default_factory=Memory)
    own: Own = field(default_factory=Own)
    """The user's own Python file that routes."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the program ends: whoever is cancelled then is told why."""
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)
    """What the router said to questions of late, by their hash."""
    ready: asyncio.Event = field(default_factory=_set)
    """Set once tokens can be counted; until then an answer waits for the count of its request."""
