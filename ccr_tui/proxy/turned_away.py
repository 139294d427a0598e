"""Requests that are turned away before they are read, and what is recorded of them.

Owns their traces: status, reason, when, from where. Must never keep a body, nor a credential, nor let somebody who is
not let in fill the database. The one surprise: there are two sorts of them.

Who was let in, and whose body can't be had (too large, packed in a way that nobody knows, cut off, hung up in the
middle of it), gets a trace for each, as for any other request: the sum of the traces is what he has sent. A stranger (a
web page, a name that is not ours, a wrong key, a path that is not there, what is no HTTP) may come a thousand times a
second: the first of a sort has a trace at once, the others that come within a minute have one together, which says how
many they were; and as long as they go on, each such span is twice as long as the one before, up to an hour. A page that
never stops leaves some fifty traces in a day.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Protocol
from uuid import uuid4

from ccr_tui import __version__
from ccr_tui.errors import ProxyError
from ccr_tui.proxy.asked import kept_headers
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.draft import plain
from ccr_tui.records import Failure, Outcome, Trace
from ccr_tui.slim import dataclass

SPAN_S, LONGEST_S = 60.0, 3600.0
"""How long strangers of one sort are counted together, at first and at most."""
MOST = 120
"""Characters of what a stranger says of himself that are kept."""
UNKNOWN = "UNKNOWN"
"""The method of what is no HTTP, in aiohttp's words."""
HUNG_UP = "The client hung up before its request was whole."


class Asking(Protocol):
    """A request, as far as it is known before its body."""

    @property
    def method(self) -> str:
        """GET, POST or another."""

    @property
    def path(self) -> str:
        """Without the query."""

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in any case."""

    @property
    def remote(self) -> str | None:
        """The address of who asks."""


@dataclass(slots=True)
class Sort:
    """Strangers that are refused for one reason."""

    span_s: float
    count: int = 0
    """Those since its last trace."""
    last: Failure | None = None


class TurnedAway:
    """Those of one server."""

    def __init__(self, context: Callable[[], Context], span_s: float = SPAN_S) -> None:
        self._context, self._span_s = context, span_s
        self._sorts: dict[int, tuple[Sort, asyncio.TimerHandle]] = {}

    def unread(self, request: Asking, error: ProxyError, began: float) -> str:
        """One who was let in; `began` is when, by the context's ticks. The trace's id."""
        return self._land("error", error.failure, self._since(began), headers_of(request))

    def hung_up(self, request: Asking, began: float) -> None:
        """One who was let in, and left."""
        self._land("cancelled", Failure(0, "cancelled", HUNG_UP), self._since(began), headers_of(request))

    def stranger(self, request: Asking, error: ProxyError) -> None:
        """One who was not."""
        failure = Failure(error.status, error.type, f"{whence(request)}: {error.message}", error.should_retry)
        known = self._sorts.get(error.status)
        if known is None:
            self._land("error", failure, 0, agent_of(request))
            self._count(error.status, Sort(self._span_s))
        else:
            known[0].count += 1
            known[0].last = failure

    def end(self) -> None:
        """Nobody comes any more: tell of those that were only counted."""
        for sort, timer in self._sorts.values():
            timer.cancel()
            self._tell(sort)
        self._sorts.clear()

    def _count(self, status: int, sort: Sort) -> None:
        timer = asyncio.get_running_loop().call_later(sort.span_s, self._over, status)
        self._sorts[status] = sort, timer

    def _over(self, status: int) -> None:
        """A span is over; after one in which nobody came, the next stranger is the first again."""
        sort, _ = self._sorts.pop(status)
        if sort.count:
            self._tell(sort)
            self._count(status, Sort(min(2 * sort.span_s, LONGEST_S)))

    def _tell(self, sort: Sort) -> None:
        if sort.last is not None:
            times = "once more" if sort.count == 1 else f"{sort.count} times more"
            said = f"The same {times} within {sort.span_s / 60:.0f} min; the last time: {sort.last.message}"
            self._land("error", Failure(sort.last.status, sort.last.type, said, sort.last.should_retry), 0, {})

    def _since(self, began: float) -> int:
        return int((self._context().ticks() - began) * 1000)

    def _land(self, outcome: Outcome, failure: Failure, ms: int, headers: Mapping[str, str]) -> str:
        context = self._context()
        started = context.clock() - ms / 1000
        uid = f"{int(started * 1000):011x}{uuid4().hex[:13]}"
        context.feed.land(trace(uid, started, ms, outcome, failure, headers))
        return uid


def trace(
    uid: str, started_at: float, ms: int, outcome: Outcome, failure: Failure, headers: Mapping[str, str]
) -> Trace:
    """The record of a request of which nothing was read."""
    return Trace(
        uid=uid,
        origin="live",
        kind="other",
        session=None,
        project=None,
        agent_id=None,
        asked_model="",
        streamed=False,
        body=None,
        raw=None,
        headers=headers,
        decision=None,
        attempts=(),
        reply=None,
        timeline=(),
        outcome=outcome,
        status=failure.status,
        failure=failure,
        estimate=None,
        started_at=started_at,
        ttft_ms=None,
        duration_ms=ms,
        app_version=__version__,
    )


def whence(request: Asking) -> str:
    """What a stranger wanted, and where he comes from; nothing that he presented as a key is in it."""
    parts = ["Something" if request.method == UNKNOWN else f"{request.method} {request.path}"]
    if origin := request.headers.get("Origin", ""):
        parts.append(f"from a page of {re.sub('(?<=//)[^/]*@', '', origin)}")  # no browser tells a login
    if remote := elsewhere(request.remote):
        parts.append(f"from {remote}")
    return covered(request, " ".join(plain(part)[:MOST] for part in parts))


def elsewhere(remote: str | None) -> str:
    """The address, unless it is this machine's own."""
    try:
        return "" if remote is None or ipaddress.ip_address(remote).is_loopback else remote
    except ValueError:
        return remote or ""


def agent_of(request: Asking) -> dict[str, str]:
    """What a stranger says that he is."""
    agent = request.headers.get("User-Agent", "")
    return {"user-agent": covered(request, plain(agent)[:MOST])} if agent else {}


def headers_of(request: Asking) -> dict[str, str]:
    """The headers that a trace may keep."""
    return dict(kept_headers(request.headers))


def covered(request: Asking, text: str) -> str:
    """The text without what he has presented as a key."""
    presented = request.headers.get("x-api-key", ""), request.headers.get("Authorization", "").partition(" ")[2]
    for one in presented:
        text = text.replace(one.strip(), "***") if one.strip() else text
    return text
