"""Where finished traces leave the proxy, and where running ones are seen.

Owns the board of flights and the list of those who want finished traces. Must never block, never do I/O and never know
who listens. The one surprise: the board is a plain dict that the screen reads ten times a second; there is no message
per chunk, because a message per chunk is what makes a busy screen stall (DESIGN: measured).
"""

from __future__ import annotations

from collections.abc import Callable

from ccr_tui.records import Flight, Trace
from ccr_tui.standins import is_stand_in

SHORTEST = 12
"""Characters below which what a client presents is no key, but what somebody wrote because there had to be one."""
MOST = 32
"""Credentials that are known at once."""


class Feed:
    """The board (in flight, latest state wins) and the stream of finished traces (lossless, in order)."""

    def __init__(self) -> None:
        self.board: dict[str, Flight] = {}
        self._presented: dict[str, None] = {}
        self._listeners: list[Callable[[Trace], None]] = []
        self._beginnings: list[Callable[[Flight], None]] = []
        self._endings: list[Callable[[Trace], None]] = []

    @property
    def presented(self) -> tuple[str, ...]:
        """The credentials that clients have presented of late. Any thread may ask."""
        return tuple(self._presented)

    def present(self, credential: str) -> None:
        """A client has shown this as its key: no record may hold it. What is short or plain words is no key."""
        if len(credential) < SHORTEST or credential.isalpha() or credential in self._presented:
            return
        if is_stand_in(credential):
            return
        presented = {**self._presented, credential: None}
        self._presented = dict.fromkeys(list(presented)[-MOST:])

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

    def on_end(self, listener: Callable[[Trace], None]) -> None:
        """`listener` gets every trace that is about to land well, on the event loop, before its client has the end of
        the answer; it must return at once."""
        self._endings.append(listener)

    def end(self, trace: Trace) -> None:
        """The request is answered; what is still to come is that the client gets the end of the answer."""
        for listener in self._endings:
            listener(trace)

    def take_off(self, flight: Flight) -> Flight:
        """Put a request on the board."""
        self.board[flight.uid] = flight
        return flight

    def land(self, trace: Trace) -> None:
        """Take the request off the board and hand its trace to everybody who listens."""
        self.board.pop(trace.uid, None)
        for listener in self._listeners:
            listener(trace)
