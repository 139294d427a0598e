"""Upstreams that ask the purse before every call.

Owns the one door through which a rerun's calls go out, whoever makes them: the answer, a retry, a fallback, the router,
an agent that works aside. Must never let a call out whose worst case does not fit. The one surprise: a refusal gives
its worst case back, because nobody bills it; a call that arrived and was never answered does not, because somebody may.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ccr_tui.config import Config
from ccr_tui.errors import ProxyError, UpstreamUnreachable
from ccr_tui.proxy.upstream import Call, Response, Upstreams
from ccr_tui.replay.bound import runs_tools
from ccr_tui.replay.budget import BudgetReached, Purse
from ccr_tui.replay.worst import Worst, model_of
from ccr_tui.wire import loads

OK, NOWHERE = 200, -1
"""An answer that is billed by what it tells; and what never left, or met nobody."""
UNHEARD = frozenset({408, 502, 504, *range(520, 528)})
"""What a gateway says of a provider that it no longer hears, and that may have done the work."""


class Metered(Upstreams):
    """The upstreams of one step. `inner` really sends; `drawn` is told how much is set aside, before each call."""

    def __init__(
        self,
        inner: Upstreams,
        purse: Purse,
        worst: Worst,
        config: Config,
        *,
        capped: bool,
        drawn: Callable[[int], None] = lambda held: None,
    ) -> None:
        super().__init__()
        self._inner, self._purse, self._worst, self._config, self._capped = inner, purse, worst, config, capped
        self._drawn = drawn
        self.lost = 0
        """Worst cases of calls that arrived, as far as is known, and were never answered."""
        self._refused: BudgetReached | None = None
        """Once a call was refused, so are all after it: a cheaper fallback must not answer in its place."""

    @asynccontextmanager
    async def send(self, call: Call) -> AsyncIterator[Response]:
        """As `Upstreams.send`. Raises BudgetReached before anything is sent."""
        amount = self._most(call)
        self._draw(amount)
        status = 0
        try:
            async with self._inner.send(call) as response:
                status = response.status_code
                yield response
        except UpstreamUnreachable:
            status = status or NOWHERE
            raise
        finally:
            self._ended(amount, status)

    def _ended(self, amount: int, status: int) -> None:
        """A call with this status is over; 0: it was sent, and nothing came."""
        if not status or status in UNHEARD:
            self.lost += amount
        elif status != OK:
            self._purse.give_back(amount)

    def _draw(self, amount: int) -> None:
        try:
            if self._refused is not None:
                raise self._refused
            self._purse.draw(amount)
        except BudgetReached as error:
            self._refused = error
            raise
        self._drawn(self._purse.held)

    def _most(self, call: Call) -> int:
        """What the call may cost. Raises ProxyError where that can't be told, and there is a cap."""
        sent = loads(call.content)
        if tool := runs_tools(sent):
            raise ProxyError(f"Not sent: {call.provider} would run {tool}, and a rerun runs no tool.", status=400,
                             type="invalid_request_error", should_retry=False)  # fmt: skip
        provider = self._config.providers[call.provider]
        model = model_of(self._config, call.provider, str(sent.get("model")))
        amount = self._worst.of(sent, model, provider)
        if amount is None and self._capped:
            raise ProxyError(unpriced(model.name), status=402, type="billing_error", should_retry=False)
        return amount or 0


def unpriced(name: str) -> str:
    """Why a model can't be asked under a cap."""
    return f"The price of {name} is not known, so no budget can be kept: set models.{name}.price in config.toml."
