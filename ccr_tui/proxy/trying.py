"""Asking until one answers: the same model again, the next key, the next model.

Owns what a failure is worth, as pure decisions, and the order of the tries; waiting and asking are arguments. Must
never ask again once content has reached the client. The surprises: a provider that refuses connections is not asked
again by us, because Claude Code retries for minutes and should see it at once; and where all models fail, the client is
told of a failure that time may cure before one that it can't.

    the key is bad or at its limit     another key of the provider, at once
    busy, broken, cut before content   the same model after 0.5 and 1 s, or after its Retry-After if that is short;
                                       not if the client's first ping would go out meanwhile and hide the status
    too long for the model             a model with a larger window: a fallback, or the long_context agent
    wrong in itself (400, 413, 422)    nobody: the client is told
    anything else                      the next fallback
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from email.utils import parsedate_to_datetime

from ccr_tui import config as configuration
from ccr_tui.config import Config, Model, Patience
from ccr_tui.errors import (
    BadRequest,
    ConfigError,
    ProxyError,
    UpstreamBroken,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.keys import Key, Keyring, rest_s
from ccr_tui.proxy.overflow import overflow
from ccr_tui.proxy.routing import resolve, window
from ccr_tui.slim import dataclass

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 520, 521, 522, 523, 524, 529})
"""Statuses that a moment may cure. Not 504: it has cost its minutes already."""
MARGIN_S = 0.5
"""What a further try takes at least: it must be over before the client's first ping."""
WRONG = frozenset({400, 405, 413, 422})
"""Statuses by which the request itself is wrong, whoever is asked."""


def again_s(error: ProxyError, tries: int, patience: Patience, now: float) -> float | None:
    """Seconds to wait before the same model is asked again after `tries` tries; None: it is not worth it.

    `now` is the time of day (seconds since the epoch), for a Retry-After that is a date.
    """
    if tries > len(patience.waits_s) or error.should_retry is False or error.status not in TRANSIENT:
        return None
    if isinstance(error, UpstreamUnreachable | UpstreamTimeout):
        return None
    asked = seconds(error.retry_after, now)
    if asked is None:
        return patience.waits_s[tries - 1]
    return asked if asked <= patience.retry_after_s else None


def seconds(retry_after: str | None, now: float) -> float | None:
    """A Retry-After header in seconds from `now`: a number or an HTTP date; None where it makes no sense."""
    if not retry_after:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - now
        except ValueError:
            return None
    return max(0.0, wait) if wait < float("inf") else None


def keeps_status(ticks: Callable[[], float], ping_at: float) -> Callable[[float], bool]:
    """Whether a client who could be told status and Retry-After now can be told them after a wait too.

    Its first ping, at `ping_at`, begins a 200; from then on nothing is lost by waiting.
    """
    last = ping_at - MARGIN_S
    return lambda wait: not ticks() < last < ticks() + wait


def is_providers_fault(error: ProxyError) -> bool:
    """Whether the provider failed, and not the request, its key or its limits."""
    if isinstance(error, UpstreamRefused):
        return error.status >= 500
    return isinstance(error, UpstreamUnreachable | UpstreamTimeout | UpstreamBroken)


def too_long(error: ProxyError) -> bool:
    """Whether a model with a larger window might take the request."""
    return error.status == 400 and overflow(error.message) is not None


def goes_on(error: ProxyError) -> bool:
    """`is_final` for work that is not the client's own request: what one model can't do, another may."""
    return False


def is_final(error: ProxyError) -> bool:
    """Whether no other model would do better."""
    return isinstance(error, BadRequest) or (error.status in WRONG and not error.elsewhere)


def worthiest(errors: Sequence[ProxyError]) -> ProxyError:
    """What the client is told where several models failed: the last failure that time may cure, else the first."""
    return next((error for error in reversed(errors) if error.should_retry is not False), errors[0])


Ask = Callable[[Model, str | None, str], Awaitable[None]]
"""Asks a model with a key; the text says why it is asked, "" for the first try. Raises ProxyError."""


@dataclass(slots=True)
class Trial:
    """The tries of one request."""

    config: Config
    breakers: Breakers
    keyring: Keyring
    ask: Ask
    has_content: Callable[[], bool]
    """Whether the client has been sent any; from then on nothing is asked again."""
    remark: Callable[[str, str], None]
    """Told what was considered beside the rules: its name, and why."""
    session: str | None
    clock: Callable[[], float]
    """The time of day."""
    ticks: Callable[[], float]
    """Seconds of a clock that does not go back."""
    sleep: Callable[[float], Awaitable[object]]
    fits: Callable[[float], bool] = lambda _: True
    """Whether so many seconds may be waited now."""
    pausing: Callable[[ProxyError, float, int, int], None] = lambda *_: None
    """Told before each wait: what was met, the seconds, the number of the try that comes, and of how many."""
    ends: Callable[[ProxyError], bool] = is_final
    """Whether this failure ends the tries."""
    spared: bool = False
    """Whether the work goes on without an answer: then a provider that is down is passed over even if it is alone."""
    why: str = ""
    """Why the first model is asked, where that needs a word."""
    _asked: list[str] = field(default_factory=list)

    async def run(self, names: Sequence[str]) -> None:
        """The models in order, until one answers. Raises the ProxyError that the client should be told."""
        todo, errors = list(names), list[ProxyError]()
        while todo:
            model = resolve(self.config, todo.pop(0))
            if self._passes_over(model, todo):
                continue
            why = f"Asked because {self._asked[-1]} failed." if self._asked else self.why
            self._asked.append(model.name)
            try:
                return await self._patiently(model, why)
            except ProxyError as error:
                if self.has_content():
                    raise
                errors.append(error)
                todo = self._left(model, error, todo)
        raise worthiest(errors or [UpstreamUnreachable("Every provider that could be asked is passed over.")])

    def _passes_over(self, model: Model, todo: Sequence[str]) -> bool:
        """Whether the model's provider is down, and another one can be asked instead, or nobody need be."""
        now = self.ticks()
        others = (resolve(self.config, name).provider for name in todo)
        if not self.spared and not any(not self.breakers.of(other).is_open(now) for other in others):
            return False
        if self.breakers.of(model.provider).admit(now, self.config.patience):
            return False
        self.remark("breaker_open", f"{model.name} was passed over: {self.breakers.why(model.provider, now)}")
        return True

    def _left(self, model: Model, error: ProxyError, todo: list[str]) -> list[str]:
        """Who may be asked after this failure."""
        if too_long(error):
            return self._wider(model, error, todo)
        return [] if self.ends(error) else todo

    def _wider(self, model: Model, error: ProxyError, todo: list[str]) -> list[str]:
        """Those with a larger window than the model that the request was too long for."""
        found = overflow(error.message)
        limit = (found.limit if found else None) or window(self.config, model.name) or 0
        names = dict.fromkeys((*todo, *self.config.agents.get("long_context", ())))
        wider = [name for name in names if name not in self._asked and self._takes_more(name, limit)]
        if wider:
            self.remark("window", f"{model.name} takes {limit or 'fewer'} tokens: {wider[0]} is asked instead")
        return wider

    def _takes_more(self, name: str, limit: int) -> bool:
        size = window(self.config, name)
        return size is None or size > limit

    async def _patiently(self, model: Model, why: str) -> None:
        """One model, until it answers or further tries are not worth it. Raises ProxyError."""
        keys, tries = self._keys(model), 0
        breaker = self.breakers.of(model.provider)
        while True:
            key = self.keyring.pick(model.provider, keys, self.session, self.ticks())
            try:
                await self.ask(model, key.text if key else None, why)
            except ProxyError as error:
                self._judge(model, error)
                if self.has_content():
                    raise
                if key and self._another_key(model, keys, key, error):
                    why = f"Asked again with another key: {key.label} met a {error.status}."
                    continue
                tries += 1
                wait = again_s(error, tries, self.config.patience, self.clock())
                if wait is None or breaker.is_open(self.ticks()) or not self.fits(wait):
                    raise
                why = f"Try {tries + 1}, after {wait:g} s."
                self.pausing(error, wait, tries + 1, len(self.config.patience.waits_s) + 1)
                await self.sleep(wait)
            else:
                return breaker.answered()

    def _judge(self, model: Model, error: ProxyError) -> None:
        """What the failure says about the provider."""
        breaker = self.breakers.of(model.provider)
        if is_providers_fault(error):
            breaker.failed(self.ticks(), self.config.patience)
        elif isinstance(error, UpstreamRefused):
            breaker.answered()

    def _another_key(self, model: Model, keys: Sequence[str], key: Key, error: ProxyError) -> bool:
        """Rests a key that is bad or at its limit, where there are several. Whether one is left that does not rest."""
        rest = rest_s(error, seconds(error.retry_after, self.clock()))
        if rest is None or len(keys) < 2:
            return False
        self.keyring.rest(model.provider, key, self.ticks(), rest)
        return self.keyring.awake(model.provider, keys, self.ticks()) > 0

    def _keys(self, model: Model) -> tuple[str, ...]:
        """The provider's keys. Raises ProxyError, which names the variable, if none of them is set."""
        try:
            return configuration.keys(self.config.providers[model.provider], self.config.env)
        except ConfigError as error:
            raise ProxyError(str(error), status=401, type="authentication_error", should_retry=False) from error
