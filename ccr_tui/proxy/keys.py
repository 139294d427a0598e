"""Which of a provider's keys is used next, and which of them rest.

Owns the rotation. Must never show a key: not in a log, a note, an error or a repr; keys are told by their place in the
list. The surprises: a session stays with its key while that key serves, because providers keep prompt caches by
account; and when all keys rest, the one whose rest ends first is used, because a rest is a guess and a refusal a fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from hashlib import blake2b

from ccr_tui.errors import ProxyError
from ccr_tui.slim import dataclass

BAD_S = 600.0
"""How long a key rests that was refused (401, 403): nothing but the account's owner cures it."""
EMPTY_S = 3600.0
"""How long a key rests whose account has no credit left."""
LIMITED_S = 30.0
"""How long a key rests at its rate limit where the provider names no time."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was picked."""

    text: str = field(repr=False)
    place: int
    """From 1 on, in the order of the configuration."""
    of: int
    """How many there are."""

    @property
    def label(self) -> str:
        """How a note calls it."""
        return f"key {self.place} of {self.of}"


class Keyring:
    """The keys of all providers, by the providers' names. Times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._rests: dict[tuple[str, str], float] = {}
        self._turns: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Keyring: {len(self._rests)} rested>"

    def pick(self, provider: str, keys: Sequence[str], session: str | None, now: float) -> Key | None:
        """The key to use now; None where the provider has none."""
        if not keys:
            return None
        start = self._start(provider, session, len(keys))
        order = [(start + step) % len(keys) for step in range(len(keys))]
        place = min(order, key=lambda at: max(self._rest(provider, keys[at], now), 0.0))
        return Key(keys[place], place + 1, len(keys))

    def _start(self, provider: str, session: str | None, many: int) -> int:
        """Where the search begins: a session's own place, else one further each time."""
        if many == 1:
            return 0
        if session is not None:
            return int.from_bytes(blake2b(session.encode("utf-8", "replace"), digest_size=8).digest(), "big") % many
        turn = self._turns.get(provider, 0)
        self._turns[provider] = turn + 1
        return turn % many

    def _rest(self, provider: str, key: str, now: float) -> float:
        return self._rests.get((provider, key), now) - now

    def rest(self, provider: str, key: Key, now: float, seconds: float) -> None:
        """Leave this key alone for a while."""
        self._rests[provider, key.text] = now + seconds

    def awake(self, provider: str, keys: Sequence[str], now: float) -> int:
        """How many of the keys do not rest."""
        return sum(self._rest(provider, key, now) <= 0 for key in keys)


def rest_s(error: ProxyError, retry_after_s: float | None) -> float | None:
    """How long the key rests that met this error; None: the error is not about the key."""
    if error.status == 402 or (error.status == 429 and error.should_retry is False):
        return EMPTY_S
    if error.status in (401, 403):
        return BAD_S
    if error.status == 429:
        return LIMITED_S if retry_after_s is None else retry_after_s
    return None
