"""An upstream that answers with what was recorded.

Owns the transport that gives each call of one exchange the bytes of its recorded attempt, at the moments at which they
came, and the breakers that pass over whoever was not asked then. Must never open a connection. The one surprise: what a
recording does not hold, the response's headers, is made up so that the street goes on as it did: a refusal that was not
tried again says that it must not be soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx

from ccr_tui.config import Patience
from ccr_tui.differing import first_difference
from ccr_tui.errors import ProxyError, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from ccr_tui.proxy.breaker import Breaker, Breakers
from ccr_tui.records import Attempt, Failure
from ccr_tui.slim import dataclass
from ccr_tui.wire import loads

HOST = "recorded.invalid"
"""RFC 2606 promises that nobody answers there."""
NOT_SOON = "86400"
"""A Retry-After that nobody waits for."""
CUT = ("in mid-answer", "compressed answer cannot be unpacked", "is over 64 MiB", "is not HTTP")
"""Parts of the sentences that tell of the transport's own failures after the headers."""
DEADLINE = "The router gave no answer within"
"""Says that we gave up, and not the upstream."""


class Recorded(httpx.AsyncBaseTransport):
    """The attempts of one exchange that began at `began`, in their order. Times are those of the running loop."""

    def __init__(self, attempts: Sequence[Attempt], began: float) -> None:
        self._attempts, self._began = attempts, began
        self._zero = asyncio.get_running_loop().time()
        self.asked = 0
        """Calls so far."""
        self.differences: list[str] = []
        """Where what is sent is not what was sent, a sentence for each call."""

    @property
    def breakers(self) -> Breakers:
        """Everybody rests but the provider that was asked next."""
        return AsThen(lambda: next((one.provider for one in self._attempts[self.asked :]), None))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The recorded response. Raises ProxyError where none came, or none was recorded."""
        content = b"".join([piece async for piece in request.stream])  # type: ignore[union-attr]
        self.asked += 1
        if self.asked > len(self._attempts):
            raise ProxyError(f"The recording has no call number {self.asked}.", should_retry=False)
        attempt = self._attempts[self.asked - 1]
        if where := first_difference(attempt.sent, loads(content)):
            self.differences.append(f"call {self.asked} is sent otherwise: {where}")
        begun = self._zero + attempt.started_at - self._began
        await until(begun + ((attempt.connect_ms or 0) if attempt.status else attempt.duration_ms) / 1000)
        if attempt.status is None:
            if attempt.failure is None or attempt.failure.message.startswith(DEADLINE):
                await forever()
            raise failed(attempt, self._goes_on(attempt))
        headers = {} if self._goes_on(attempt) or attempt.status == 200 else {"retry-after": NOT_SOON}
        return httpx.Response(attempt.status, headers=headers, stream=Pieces(attempt, begun))

    def _goes_on(self, attempt: Attempt) -> bool:
        """Whether the same model was asked again after this attempt."""
        after = self._attempts[self.asked : self.asked + 1]
        return any((one.provider, one.model, one.purpose) == who(attempt) for one in after)


class AsThen(Breakers):
    """Breakers that are open for all but one: `asked` names the provider of the next recorded call."""

    def __init__(self, asked: Callable[[], str | None]) -> None:
        super().__init__()
        self._asked = asked

    def of(self, provider: str) -> Breaker:
        """That provider's, as it was then."""
        return Resting(asked=lambda: self._asked() == provider)


@dataclass(slots=True)
class Resting(Breaker):
    """Open unless its provider is the next one that was asked."""

    asked: Callable[[], bool] = lambda: True

    def is_open(self, now: float) -> bool:
        """Whether it was passed over."""
        return not self.asked()

    def admit(self, now: float, patience: Patience) -> bool:
        """Whether it was asked."""
        return self.asked()


def who(attempt: Attempt) -> tuple[str, str, str]:
    """Provider, model and what it was asked for."""
    return attempt.provider, attempt.model, attempt.purpose


def failed(attempt: Attempt, again: bool) -> ProxyError:
    """The failure of an attempt without a response, of the kind that the street treats as it was treated."""
    failure = attempt.failure
    assert failure is not None
    kind = UpstreamTimeout if failure.type == "timeout_error" else UpstreamBroken if again else UpstreamUnreachable
    return made(kind, failure)


def made(kind: type[ProxyError], failure: Failure) -> ProxyError:
    """The recorded failure as an error."""
    return kind(failure.message, status=failure.status, type=failure.type, should_retry=failure.should_retry)


async def until(moment: float) -> None:
    """Wait for a moment of the running loop's clock."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


async def forever() -> None:
    """Wait until somebody gives up."""
    await asyncio.get_running_loop().create_future()


class Pieces(httpx.AsyncByteStream):
    """A recorded body."""

    def __init__(self, attempt: Attempt, begun: float) -> None:
        self._attempt, self._begun = attempt, begun

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, when they came; then the end, or how it broke off."""
        attempt = self._attempt
        for ms, piece in attempt.stream:
            await until(self._begun + ms / 1000)
            yield piece
        said = attempt.failure.message if attempt.failure else ""
        if said.startswith(DEADLINE):
            await forever()
        if attempt.failure and any(sign in said for sign in CUT):
            await until(self._begun + attempt.duration_ms / 1000)
            raise made(UpstreamTimeout if attempt.failure.type == "timeout_error" else UpstreamBroken, attempt.failure)
