"""A trace while it is being made.

Owns the pieces that become one `Trace` at the end of an exchange. Must never do I/O. The one surprise: it can be turned
into a trace at any moment, however far the exchange came, because that is what happens when the client leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from secrets import token_hex

from ccr_tui import __version__
from ccr_tui.proxy.anthropic import usage_json
from ccr_tui.proxy.asked import Asked, kept_headers
from ccr_tui.proxy.delivery import Client, Delivery
from ccr_tui.records import Attempt, Failure, Flight, Json, Origin, Outcome, RouteDecision, Trace, Usage


class Span:
    """A stage of the waterfall, from here to the end of its block. (A generator would take five calls for it.)"""

    __slots__ = ("_begun", "_draft", "_name")

    def __init__(self, draft: Draft, name: str) -> None:
        self._draft, self._name, self._begun = draft, name, draft.ms()

    def __enter__(self) -> None:
        """It has begun."""

    def __exit__(self, *_: object) -> None:
        self._draft.spans.append((self._name, self._begun, self._draft.ms()))


class Draft:
    """Everything that is known of one request so far. Times are milliseconds since it arrived."""

    def __init__(
        self, client: Client, now: float, ticks: Callable[[], float], origin: Origin, uid: str | None = None
    ) -> None:
        self.uid = uid or f"{int(now * 1000):011x}{token_hex(7)[:13]}"
        self.client, self.started_at, self.origin = client, now, origin
        self.body: Json = None
        self.work: Json = None
        """What is translated: the body, and what agents have found out for it."""
        self.raw: bytes | None = None
        self.is_large = False
        """Whether the body is too large to be worked on while others wait."""
        self.asked: Asked | None = None
        self.decision: RouteDecision | None = None
        self.attempts: list[Attempt] = []
        self.estimate: int | None = None
        self.outcome: Outcome = "cancelled"
        self.status = 0
        self.failure: Failure | None = None
        self.whole: Trace | None = None
        """The record, once the client has all of the answer."""
        self.flight = Flight(self.uid, now, "")
        self.spans: list[tuple[str, int, int]] = []
        """The stages that are over: name, when it began and when it ended."""
        self._ticks, self._zero = ticks, ticks()

    @property
    def request_id(self) -> str:
        """What the client sees as request-id."""
        return f"req_{self.uid}"

    @property
    def message_id(self) -> str:
        """The id of the message that is answered."""
        return f"msg_{self.uid}"

    def ms(self) -> int:
        """Milliseconds since the request arrived."""
        return int((self._ticks() - self._zero) * 1000)

    def span(self, name: str) -> Span:
        """A stage of the waterfall."""
        return Span(self, name)

    def is_asked(self, asked: Asked) -> None:
        """Who asks, for the board."""
        self.asked, flight = asked, self.flight
        flight.asked_model, flight.kind = asked.model, asked.kind
        flight.project, flight.session = asked.project, asked.session

    def is_decided(self, decision: RouteDecision) -> None:
        """Who is to answer, for the board."""
        self.decision = decision
        self.flight.agent, self.flight.model = decision.agent, decision.model

    def remark(self, name: str, why: str) -> None:
        """What was considered after the rules had chosen, such as a provider that was passed over."""
        if self.decision is not None:
            self.decision = replace(self.decision, considered=(*self.decision.considered, (name, why)))

    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        known = {"request-id": self.request_id, "x-ccr-trace": self.uid}
        if self.decision is None:
            return known
        route = self.decision
        return known | {"x-ccr-model": plain(self.flight.model), "x-ccr-agent": route.agent, "x-ccr-rule": route.rule}

    def opening(self) -> Json:
        """A message_start for an upstream that keeps its client waiting."""
        message = {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.asked.model if self.asked else "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_json(Usage(input=self.estimate or 0)),
        }
        return {"type": "message_start", "message": message}

    def trace(self, delivery: Delivery, is_whole: bool = False) -> Trace:
        """The record, as far as the exchange came; `is_whole`: the answer is, and its client gets the end of it now."""
        asked = self.asked
        return Trace(
            uid=self.uid,
            origin=self.origin,
            kind=asked.kind if asked else "other",
            session=asked.session if asked else None,
            project=asked.project if asked else None,
            agent_id=asked.agent_id if asked else None,
            asked_model=asked.model if asked else "",
            streamed=delivery.streams,
            body=self.body,
            raw=self.raw,
            headers=kept_headers(self.client.headers),
            decision=self.decision,
            attempts=tuple(self.attempts),
            reply=delivery.message,
            timeline=tuple(delivery.timeline),
            outcome="ok" if is_whole else self.outcome,
            status=200 if is_whole else delivery.status,
            failure=self.failure,
            estimate=self.estimate,
            started_at=self.started_at,
            ttft_ms=delivery.ttft_ms,
            duration_ms=self.ms(),
            spans=tuple(self.spans),
            app_version=__version__,
        )


@lru_cache(maxsize=256)
def plain(text: str) -> str:
    """Fit for a header: printable ASCII only."""
    return "".join(character if 32 <= ord(character) < 127 else "?" for character in text)
