"""What the two translators share: bytes into events, one failure, usage reported or estimated.

Owns the way from the upstream's bytes to single SSE events or one JSON body, whichever comes (some servers answer a
streamed request with a body, and the other way round). Must never finish without either `finished` or `error` being
set once close() was called. The one surprise: a body that is no event stream is collected and judged in close().
"""

from __future__ import annotations

from collections.abc import Callable

from ccr_tui.errors import ProxyError, UpstreamBroken
from ccr_tui.proxy.complaints import error_of, read_error
from ccr_tui.proxy.sse import LIMIT, Decoder, Event, loads
from ccr_tui.records import Json, Usage

COUNTED = 16 * 1024
"""Characters at either end of a long answer that are counted where the provider reports no tokens."""


BEATS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})
"""Events that only keep a connection alive, whatever stands in them."""


def quarter(text: str) -> int:
    """A guess at tokens for callers that have no counter."""
    return (len(text) + 3) // 4


class Incoming:
    """One upstream answer. Push bytes with feed(), end with close(); both give the events for the client.

    `error` is set when the answer failed; the events given before it (or with it) still count, nothing comes after.
    """

    def __init__(self, provider: str, model_id: str, count: Callable[[str], int], estimate: int) -> None:
        self.provider = provider
        self.estimate = estimate
        self.error: ProxyError | None = None
        self.finished = False
        """True when the answer came to its end and all its events are out."""
        self.usage: Usage | None = None
        self.reported_cost: int | None = None
        """Nano-USD, where the upstream says what the call cost."""
        self.stop_reason: str | None = None
        self.stop_sequence: str | None = None
        self.answered_by: str | None = None
        """The model that the upstream says has answered."""
        self.notes: list[str] = []
        """What was repaired, dropped or ignored, a sentence each; complete when finished."""
        self._model_id = model_id
        self._count = count
        self._decoder = Decoder()
        self._form = ""  # "sse" or "body" once the first byte tells
        self._body: list[bytes] = []
        self._size = 0
        self._said: list[str] = []
        self._closing = False

    _read = staticmethod(loads)
    """JSON as its value. Raises ValueError."""

    def feed(self, data: bytes) -> list[Json]:
        """The events that `data` allows; [] after an error or the end."""
        out: list[Json] = []
        if self.error is not None or self.finished:
            return out
        if self._form != "sse":
            data = self._sniffed(data)
        if data:
            self._events(self._decoder.feed(data), out)
            if self._decoder.broken:
                self._fail(self._too_big())
        return out

    def close(self) -> list[Json]:
        """The upstream's last byte has come: the last events, or an error if it was too early."""
        out: list[Json] = []
        self._closing = True
        if self._form == "body":
            self._judge_body(out)
        elif self._form == "sse":
            self._events(self._decoder.close(), out)
        if self.error is None and not self.finished:
            self._at_end(out)
        return out

    def settled(self) -> Usage:
        """The usage, with estimates for whatever the upstream did not report; also good for an answer cut short."""
        usage = self.usage
        if usage is None:
            return Usage(input=self.estimate, output=self._counted(), basis="estimated")
        if usage.prompt and (usage.output or not self._said):
            return usage
        given = usage.input if usage.prompt else self.estimate
        return Usage(
            given, usage.output or self._counted(), usage.cache_read, usage.cache_write, usage.reasoning, "mixed"
        )

    # -- for the two translators -------------------------------------------------------------------------------------

    def _event(self, event: Event, out: list[Json]) -> None:
        raise NotImplementedError

    def _whole(self, body: Json, out: list[Json]) -> None:
        raise NotImplementedError

    def _at_end(self, out: list[Json]) -> None:
        raise NotImplementedError

    def _fail(self, error: ProxyError) -> None:
        """The first failure is the one that counts."""
        if self.error is None and not self.finished:
            self.error = error

    def _parsed(self, data: str, name: str = "") -> list[Json]:
        """The chunks in one event's data: one, or one a line where a server forgets the blank lines between. `name` is
        the event's."""
        if not data or data.isspace():
            return []
        try:
            return [self._read(data)]
        except ValueError:
            pass
        try:
            return [self._read(line) for line in data.split("\n") if line.strip() not in ("", "[DONE]")]
        except ValueError:
            if not self._closing and name not in BEATS:  # at the end it is a chunk cut in two, which _at_end() judges
                said = read_error(data).message
                self._fail(UpstreamBroken(f"{self.provider} sent a chunk that is not JSON: {said[:200]}. Try again."))
            return []

    def _refusal(self, body: Json) -> ProxyError:
        """The error that an upstream put into a successful response."""
        return error_of(200, {}, body, self.provider, {"model": self._model_id}, estimate=self.estimate)

    def _cut(self) -> ProxyError:
        stray = self._decoder.stray
        if stray:
            said = read_error(stray).message
            return self._no_answer(said)
        if not self._form:
            return UpstreamBroken(f"{self.provider} answered with an empty body. Try again.")
        return UpstreamBroken(f"{self.provider} cut its answer off before the end: it is incomplete. Try again.")

    # -- bytes -------------------------------------------------------------------------------------------------------

    def _sniffed(self, data: bytes) -> bytes:
        """What belongs to the event stream; a body is kept instead."""
        self._body.append(data)
        self._size += len(data)
        if self._size > LIMIT:
            self._fail(self._too_big())
        if self._form:
            return b""
        data = b"".join(self._body)
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if not start:
            return b""
        self._form = "body" if start in b"{[<" else "sse"
        return data if self._form == "sse" else b""

    def _events(self, events: list[Event], out: list[Json]) -> None:
        for event in events:
            if self.error is not None or self.finished:
                return
            self._event(event, out)

    def _judge_body(self, out: list[Json]) -> None:
        body = b"".join(self._body)
        try:
            value = self._read(body.removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            said = read_error(body).message
            self._fail(self._no_answer(said))
            return
        if self.error is None:
            self._whole(value, out)

    def _no_answer(self, said: str) -> ProxyError:
        """A success that holds none: a web page, mostly."""
        return UpstreamBroken(
            f"{self.provider} answered 200 with what is no answer: {said[:200] or 'nothing'}. "
            f"Check providers.{self.provider}.base_url in config.toml, or OPENAI_BASE_URL: it must be the API's."
        )

    def _too_big(self) -> ProxyError:
        return UpstreamBroken(f"{self.provider} sent more than {LIMIT >> 20} MiB in one piece; nothing of it was kept.")

    def _uttered(self) -> str:
        """All that was said so far, calls included."""
        return "".join(self._said)

    def _counted(self) -> int:
        """Tokens of what was said. Of a long text only its two ends are counted: this happens on the event loop, where
        a megabyte would take from a fifth of a second to a whole one."""
        said = self._uttered()
        if len(said) <= 2 * COUNTED:
            return self._count(said) if said else 0
        ends = self._count(said[:COUNTED]) + self._count(said[-COUNTED:])
        return ends * len(said) // (2 * COUNTED)
