"""A client that keeps what it is sent: the other end of an exchange in demos, replays and tests.

Owns nothing but its bytes. Must never touch a socket. The one surprise: it answers `message()` from the events it was
sent, as a real client would, not from the trace.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccr_tui.proxy import sse
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.records import Json
from ccr_tui.wire import loads


class Collector:
    """Collects one answer."""

    def __init__(self, headers: Mapping[str, str] | None = None, query: str = "") -> None:
        self.headers: Mapping[str, str] = headers or {}
        self.query = query
        self.status = 0
        self.answer_headers: Mapping[str, str] = {}
        self.data = bytearray()
        self._streamed = False

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """The answer at once."""
        self.status, self.answer_headers = status, headers
        self.data += body

    async def begin(self, headers: Mapping[str, str]) -> None:
        """The headers of a stream."""
        self.status, self.answer_headers, self._streamed = 200, headers, True

    async def write(self, data: bytes) -> None:
        """A piece of the stream."""
        self.data += data

    async def end(self, data: bytes) -> None:
        """The last one."""
        self.data += data

    def events(self) -> list[Json]:
        """The stream's events, parsed."""
        decoder = sse.Decoder()
        return [loads(event.data) for event in (*decoder.feed(bytes(self.data)), *decoder.close())]

    def message(self) -> Json:
        """The message or the error object, streamed or not."""
        if not self._streamed:
            return loads(bytes(self.data))
        fold = Fold()
        for event in self.events():
            fold.feed(event)
        return fold.message
