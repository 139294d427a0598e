"""The client's end of an exchange: events out, pings while it is silent, one error at most.

Owns what the client has been sent, and therefore the reply that is recorded: the stored message is the fold of the very
events that went out, so that what was recorded and what was received can't differ. Must never know the upstream's
format. The surprises: when an upstream stays silent for longer than `ping_s`, the response is begun with a
message_start and a ping; from then on an upstream's failure can only be told as an `error` event. And the end of a
stream goes out with `finish`, when it has been noted that the answer is whole: who has an answer can't be forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from ccr_tui.errors import ProxyError
from ccr_tui.proxy import sse
from ccr_tui.proxy.anthropic import FIELDS, Fold, error_body
from ccr_tui.records import Flight, Json, TimelineEvent
from ccr_tui.wire import dumps

STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
JSON_HEADERS = {"content-type": "application/json"}
ENDING = frozenset({"content_block_stop", "message_delta", "message_stop"})
"""What comes after the last piece of content."""
TEXTS = frozenset({"text_delta", "thinking_delta", "input_json_delta"})
"""Pieces that mean the same when they are joined."""
TAIL = 60
"""Characters of the latest text that the board shows."""


class ClientGone(Exception):
    """The client closed its connection: normal, and the end of the exchange."""


class Client(Protocol):
    """Whoever asked: a live HTTP connection, or a collector in replays and tests."""

    headers: Mapping[str, str]
    """Request headers, names in lower case."""
    query: str

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer at once. Raises ClientGone."""

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Open a 200 whose body will come in pieces. Raises ClientGone."""

    async def write(self, data: bytes) -> None:
        """Send a piece; waits while the client is slow. Raises ClientGone."""

    async def end(self, data: bytes) -> None:
        """Send the last piece. Raises ClientGone."""


def _encoded(events: list[Json]) -> bytes:
    return b"".join([sse.encode(event["type"], event) for event in events])


def joined(events: list[Json]) -> list[Json]:
    """Neighbouring pieces of one text as one piece.

    They go out in one write, so that nobody sees them sooner or later for it, and a burst costs half.
    """
    if len(events) < 2:
        return events
    out: list[Json] = []
    for (index, kind), group in groupby(events, key=_voice):
        run = list(group)
        if kind is not None and len(run) > 1:
            text = "".join([event["delta"][FIELDS[kind]] for event in run])
            run = [{"type": "content_block_delta", "index": index, "delta": {"type": kind, FIELDS[kind]: text}}]
        out += run
    return out


def _voice(event: Json) -> tuple[int | None, str | None]:
    """Block and kind of a piece of text; nothing for any other event, or one that says more."""
    if event["type"] == "content_block_delta" and len(event) == 3:
        delta = event["delta"]
        if len(delta) == 2 and delta["type"] in TEXTS:
            return event["index"], delta["type"]
    return None, None


class Delivery:
    """What one client gets, and the record of it."""

    def __init__(self, client: Client, flight: Flight, now: Callable[[], int]) -> None:
        self.headers: dict[str, str] = {}
        """Sent with every answer: request-id and x-ccr-*."""
        self.streams = False
        self.status = 0
        """The HTTP status that the client was sent; 0 while nothing went out."""
        self.answering = False
        """Whether any content went out; from then on nothing is asked again."""
        self.timeline: list[TimelineEvent] = []
        self.ttft_ms: int | None = None
        self._client = client
        self._flight = flight
        self._now = now
        self._fold = Fold()
        self._started = False
        self._counts: Mapping[str, Json] = {}
        """Tokens that a message_start told which was not passed on."""
        self._base = 0
        self._end = b""
        """The last events of a stream, which `finish` sends."""
        self._touched = 0
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._ping: asyncio.Task[None] | None = None

    @property
    def message(self) -> Json:
        """The message as the client has it so far; None before message_start."""
        return self._fold.message

    async def send(self, events: list[Json]) -> None:
        """Pass events on, in one write; the end of the answer waits for `finish`."""
        events = self._fresh(events)
        if not events:
            return
        if self._base:
            events = [{**one, "index": one["index"] + self._base} if "index" in one else one for one in events]
        now = self._now()
        for event in events:
            self._note(event, now)
        if not self.streams:
            await asyncio.sleep(0)  # in a flood nobody else would run, and a client that left not be noticed
            return
        if events[-1]["type"] == "message_stop":
            events = self._without_end(events)
        if events:
            await self._write(_encoded(events))

    def _without_end(self, events: list[Json]) -> list[Json]:
        start = len(events)
        while start and events[start - 1]["type"] in ENDING:
            start -= 1
        self._end = _encoded(events[start:])
        return events[:start]

    def next_speaker(self) -> None:
        """What comes now is another model's: its blocks follow those that are out, and it may be asked again."""
        self._base = len((self.message or {}).get("content", ()))
        self.answering = False

    def _fresh(self, events: list[Json]) -> list[Json]:
        """Without a second message_start: the first may have gone out with a ping, or before a failed attempt."""
        if not (events and events[0]["type"] == "message_start"):
            return [self._counted(event) for event in events] if self._counts else events
        if not self._started:
            self._started = True
            return events
        self._counts = events[0]["message"].get("usage") or {}
        return self._fresh(events[1:])

    def _counted(self, event: Json) -> Json:
        """An Anthropic upstream may tell a request's tokens at the start alone: then they stand at the end too."""
        if event["type"] != "message_delta":
            return event
        told = event.get("usage") or {}
        missing = {name: count for name, count in self._counts.items() if told.get(name) is None}
        return {**event, "usage": {**told, **missing}} if missing else event

    def _note(self, event: Json, now: int) -> None:
        """Into the fold, the timeline and the board."""
        self._fold.feed(event)
        kind, size = event["type"], 0
        if kind == "content_block_delta":
            size = self._note_delta(event["delta"])
        elif kind == "content_block_start":
            self._note_block(event["content_block"], now)
        self.timeline.append(TimelineEvent(now, kind, event.get("index"), size))

    def _note_block(self, block: Json, now: int) -> None:
        self.answering = True
        if self.ttft_ms is None:
            self.ttft_ms = self._flight.ttft_ms = now
        flight, kind = self._flight, block["type"]
        flight.phase = "tool" if kind.endswith("tool_use") else "thinking" if "thinking" in kind else "text"
        flight.tool = block.get("name", "")

    def _note_delta(self, delta: Json) -> int:
        text = delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""
        flight = self._flight
        flight.output_chars += len(text)
        flight.tail = (flight.tail + text)[-TAIL:]
        return len(text)

    async def finish(self) -> None:
        """The message is complete: end the stream, or send it whole."""
        if not self.streams:
            await self._whole(200, {}, self.message)
        elif self._end:
            await self._write(self._end, is_last=True)

    async def fail(self, error: ProxyError, request_id: str) -> None:
        """Tell the client: by status while nothing went out, else by an `error` event."""
        body = error_body(error.failure, request_id, error.details)
        if self.status:
            await self._write(sse.encode("error", body))
            return
        extra = {"retry-after": error.retry_after} if error.retry_after else {}
        if error.should_retry is not None:
            extra["x-should-retry"] = str(error.should_retry).lower()
        await self._whole(error.status, extra, body)

    async def _whole(self, status: int, extra: Mapping[str, str], body: Json) -> None:
        self.status = status
        await self._client.whole(status, {**JSON_HEADERS, **self.headers, **extra}, dumps(body))

    async def _write(self, data: bytes, is_last: bool = False) -> None:
        async with self._lock:
            if not self.status:
                self.status = 200
                await self._client.begin(STREAM_HEADERS | self.headers)
            self._touched = self._now()
            await (self._client.end if is_last else self._client.write)(data)

    def keep_alive(self, ping_s: float, start: Callable[[], Json]) -> None:
        """Ping whenever nothing was sent for `ping_s` seconds, until `let_be`. `start` makes a message_start.

        A timer and no task, because most answers need none (a task that sleeps costs 35 us).
        """
        silent = (self._now() - self._touched) / 1000
        again = partial(self._listen, ping_s, start)
        self._timer = asyncio.get_running_loop().call_later(max(ping_s - silent, 0.01), again)

    def let_be(self) -> None:
        """No pings any more."""
        if self._timer:
            self._timer.cancel()
        if self._ping:
            self._ping.cancel()

    def _listen(self, ping_s: float, start: Callable[[], Json]) -> None:
        if (self._now() - self._touched) / 1000 < ping_s:
            return self.keep_alive(ping_s, start)
        self._ping = asyncio.ensure_future(self._pinged(ping_s, start))
        self._ping.add_done_callback(heard)
        return None

    async def _pinged(self, ping_s: float, start: Callable[[], Json]) -> None:
        if not self._started:
            await self.send([start()])
        await self._write(sse.PING)
        self.keep_alive(ping_s, start)


def heard(task: asyncio.Future[Any]) -> None:
    """What went wrong in a task that nobody waits for (a client that left during a ping) is known elsewhere."""
    if not task.cancelled():
        task.exception()
