"""Where finished traces leave the proxy, and where running ones are seen.

Owns the board of flights and the list of those who want finished traces. Must never block, never do I/O and never know
who listens. The one surprise: the board is a plain dict that the screen reads ten times a second; there is no message
per chunk, because a message per chunk is what makes a busy screen stall (DESIGN: measured).
"""

from __future__ import annotations

from collections.abc import Callable

from ccr_tui.records import Flight, Trace


class Feed:
    """The board (in flight, latest state wins) and the stream of finished traces (lossless, in order)."""

    def __init__(self) -> None:
        self.board: dict[str, Flight] = {}
        self._listeners: list[Callable[[Trace], None]] = []
        self._beginnings: list[Callable[[Flight], None]] = []

    def subscribe(self, listener: Callable[[Trace], None]) -> None:
        """`listener` gets every finished trace, on the event loop; it must return at once (a queue's put)."""
        self._listeners.append(listener)

    def on_begin(self, listener: Callable[[Flight], None]) -> None:
        """`listener` gets every request that was understood, on the event loop; it must return at once."""
        self._beginnings.append(listener)

    def begin(self, flight: Flight) -> None:
        """The request on the board was understood: whose it is and what it asks for is known."""
        for listener in self._beginnings:
            listener(flight)

    def take_off(self, flight: Flight) -> Flight:
        """Put a request on the board."""
        self.board[flight.uid] = flight
        return flight

    def land(self, trace: Trace) -> None:
        """Take the request off the board and hand its trace to everybody who listens."""
        self.board.pop(trace.uid, None)
        for listener in self._listeners:
            listener(trace)
