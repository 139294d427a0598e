"""Upstreams that ask the purse before every call.

Owns the one door through which a rerun's calls go out, whoever makes them: the answer, a retry, a fallback, the router,
an agent that works aside. Must never let a call out whose worst case does not fit. The one surprise: a refusal (any
status but 200) gives its worst case back, because nobody bills it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ccr_tui.config import Config
from ccr_tui.errors import ProxyError
from ccr_tui.proxy.upstream import Call, Response, Upstreams
from ccr_tui.replay.budget import BudgetReached, Purse
from ccr_tui.replay.worst import Worst, model_of
from ccr_tui.wire import loads


class Metered(Upstreams):
    """The upstreams of one step. `inner` really sends."""

    def __init__(self, inner: Upstreams, purse: Purse, worst: Worst, config: Config, *, capped: bool) -> None:
        super().__init__()
        self._inner, self._purse, self._worst, self._config, self._capped = inner, purse, worst, config, capped
        self._refused: BudgetReached | None = None
        """Once a call was refused, so are all after it: a cheaper fallback must not answer in its place."""

    @asynccontextmanager
    async def send(self, call: Call) -> AsyncIterator[Response]:
        """As `Upstreams.send`. Raises BudgetReached before anything is sent."""
        amount = self._most(call)
        self._draw(amount)
        answered = False
        try:
            async with self._inner.send(call) as response:
                answered = response.status_code == 200
                yield response
        finally:
            if not answered:
                self._purse.give_back(amount)

    def _draw(self, amount: int) -> None:
        try:
            if self._refused is not None:
                raise self._refused
            self._purse.draw(amount)
        except BudgetReached as error:
            self._refused = error
            raise

    def _most(self, call: Call) -> int:
        """What the call may cost. Raises ProxyError where that can't be told, and there is a cap."""
        sent = loads(call.content)
        provider = self._config.providers[call.provider]
        model = model_of(self._config, call.provider, str(sent.get("model")))
        amount = self._worst.of(sent, model, provider)
        if amount is None and self._capped:
            raise ProxyError(unpriced(model.name), status=402, type="billing_error", should_retry=False)
        return amount or 0


def unpriced(name: str) -> str:
    """Why a model can't be asked under a cap."""
    return f"The price of {name} is not known, so no budget can be kept: set models.{name}.price in config.toml."
