"""What the screens see of the running proxy: a few attributes, and no way into its insides."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol

from ccr_tui.config import Config
from ccr_tui.editing import Edit
from ccr_tui.feed import Feed
from ccr_tui.records import Badge, Mode
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Counter


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
    is_apart: bool
    """Whether the proxy that another program runs records into another database than this one shows."""
    viewing: str
    """Where the proxy runs, if that is another program; else empty."""

    @property
    def engine(self) -> Engine:
        """The proxy."""

    @property
    def reader(self) -> Reader:
        """The store, for reading from any thread; there once the house has started."""

    @property
    def counter(self) -> Counter:
        """What counts tokens, from any thread."""

    def on_commit(self, listener: Callable[[int], Any], /) -> None:
        """`listener` gets the number of the last trace, in the writer's thread, after each commit."""

    @property
    def problem(self) -> str | None:
        """What is wrong with the configuration on the disk, or waits for a restart."""

    def on_config(self, listener: Callable[[str], Any], /) -> None:
        """`listener` gets a sentence, on the loop, when the configuration has changed or could not be taken."""

    async def edit(self, edits: Sequence[Edit]) -> list[str]:
        """Change config.toml, and go on with it; sentences about what wins over it. Raises ConfigError."""

    def hold(self, mode: Mode | None = None, agents: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Until the program ends: this mode, and these agents' models, whatever the file and the environment say."""

    def test(self, model: str) -> AsyncGenerator[Badge, None]:
        """Find out what a model can do, a badge after each check; they are kept."""

    async def models_of(self, provider: str) -> list[str]:
        """The ids that a provider lists. Raises CcrError."""

    async def start(self) -> None:
        """Open the store and listen; raises CcrError."""

    async def stop(self, grace_s: float = 10.0) -> None:
        """Let streams end, flush the store, close."""
