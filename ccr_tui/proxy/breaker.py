"""A circuit breaker for each provider: one that keeps failing is passed over for a while.

Owns who is passed over, and until when. Must never look at a clock (`now` is an argument, in seconds of any clock that
does not go back), and never decide alone: whoever has no other model to ask asks it anyway, because a breaker without
an alternative only hides that a provider is back. The one surprise: when the rest is over, one request is let through
and the rest begins anew, so a probe that is never heard of again (its client left) blocks nothing for longer than that.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ccr_tui.config import Patience
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

State = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class Breaker:
    """One provider's."""

    failures: list[float] = field(default_factory=list)
    """When it failed, since it last answered; at most as many as open it."""
    until: float | None = None
    """The end of its rest; None: closed."""
    probing: bool = False
    """Whether a request has been let through to see if it is back."""

    def state(self, now: float) -> State:
        """Closed: asked like any other. Open: passed over. Half open: one request may try it, or does."""
        if self.until is None:
            return "closed"
        return "half_open" if self.probing or now >= self.until else "open"

    def is_open(self, now: float) -> bool:
        """Whether it is to be passed over now. Takes no probe."""
        return self.until is not None and now < self.until

    def admit(self, now: float, patience: Patience) -> bool:
        """Whether a request may go there; after a rest this is the one that tries."""
        if self.is_open(now):
            return False
        if self.until is not None:
            self.until, self.probing = now + patience.breaker_rest_s, True
        return True

    def failed(self, now: float, patience: Patience) -> None:
        """It failed, by its own making."""
        recent = [at for at in self.failures if now - at <= patience.breaker_window_s]
        self.failures = [*recent, now][-max(1, patience.breaker_failures) :]
        if self.until is not None or len(self.failures) >= patience.breaker_failures:
            self.until, self.probing = now + patience.breaker_rest_s, False

    def answered(self) -> None:
        """It lives: an answer, or a refusal that is not its own failure."""
        self.failures, self.until, self.probing = [], None, False


class Breakers:
    """Every provider's breaker, by its name. They outlive a change of the configuration."""

    def __init__(self) -> None:
        self._known: dict[str, Breaker] = {}

    def of(self, provider: str) -> Breaker:
        """That provider's."""
        return self._known.setdefault(provider, Breaker())

    def why(self, provider: str, now: float) -> str:
        """Why it is passed over, as a sentence."""
        known = self.of(provider)
        rest = max(0.0, (known.until or now) - now)
        times = len(known.failures)
        return f"{provider} failed {times} times in a row and is tried again in {rest:.0f} s"

    def health(self, now: float) -> Json:
        """Those that have failed lately: state, failures in a row, and seconds until one request may try it."""
        return {
            name: {
                "state": one.state(now),
                "failures": len(one.failures),
                "tried_again_in_s": None if one.until is None else round(max(0.0, one.until - now), 1),
            }
            for name, one in sorted(self._known.items())
            if one.failures or one.until is not None
        }
