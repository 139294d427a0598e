"""What the screens see of the running proxy: a few attributes, and no way into its insides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ccr_tui.config import Config
from ccr_tui.feed import Feed
from ccr_tui.store.queries import Reader


class Engine(Protocol):
    """The proxy: where it listens, with what, and how late its loop is."""

    feed: Feed
    config: Config
    address: str
    """http://host:port; empty until it listens."""

    @property
    def stall_ms(self) -> float:
        """The event loop's worst delay of the last two seconds, in milliseconds."""


class House(Protocol):
    """The proxy and its store, started and stopped by the app."""

    rejected: list[str]
    """Sentences about traces that could not be written."""

    @property
    def engine(self) -> Engine:
        """The proxy."""

    @property
    def reader(self) -> Reader:
        """The store, for reading from any thread; there once the house has started."""

    def on_commit(self, listener: Callable[[int], Any], /) -> None:
        """`listener` gets the number of the last trace, in the writer's thread, after each commit."""

    async def start(self) -> None:
        """Open the store and listen; raises CcrError."""

    async def stop(self, grace_s: float = 10.0) -> None:
        """Let streams end, flush the store, close."""
