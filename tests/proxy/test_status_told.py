"""How long a failing model is asked again: never so long that its status can no longer be told."""

from __future__ import annotations

import asyncio

import pytest

from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import ProxyError, UpstreamRefused
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.keys import Keyring
from ccr_tui.proxy.trying import Trial, keeps_status

CONFIG = Config(
    providers={"p": Provider("p", "openai", "http://127.0.0.1:1/v1")}, models={"m": Model("m", "p", "m-id")}
)


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


CASES = [
    ("a short Retry-After", 429, "1", 0.0, [0, 1, 2]),
    ("one that can be waited for once", 429, "2", 1.0, [0, 3]),
    ("one that is too long", 429, "5", 0.0, [0]),
    ("none", 503, None, 0.0, [0, 0.5, 1.5]),
    ("a slow provider", 503, None, 1.75, [0, 2.25]),
    ("a provider so slow that the client has been sent a ping", 503, None, 6.0, [0, 6.5, 13.5]),
]


@pytest.mark.parametrize(
    ("status", "retry_after", "takes", "asked"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_client_is_told_the_status_while_it_can_be(
    status: int, retry_after: str | None, takes: float, asked: list[float]
) -> None:
    clock, begun = Clock(), list[float]()

    async def ask(model: Model, key: str | None, why: str) -> None:
        begun.append(clock.now - 100)
        clock.now += takes
        raise UpstreamRefused("busy", status=status, retry_after=retry_after)

    fits = keeps_status(clock, clock.now + CONFIG.ping_s)
    trial = Trial(CONFIG, Breakers(), Keyring(), ask, bool, print, None, clock, clock, clock.sleep, fits)
    with pytest.raises(ProxyError) as caught:
        asyncio.run(trial.run(["m"]))
    assert (caught.value.status, caught.value.retry_after) == (status, retry_after)
    assert begun == asked
