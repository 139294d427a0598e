"""What the end-to-end tests stand on: a scripted upstream and a running house, over real sockets.

Owns what of the machine's environment reaches a test, and the fixtures `counter`, `upstream`, `place` (a patient
house), `pinging` (one that pings early) and `hasty` (one whose deadlines are short). They live for the whole run on the
session's event loop, so modules that use them say `pytestmark = pytest.mark.asyncio(loop_scope="session")`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from downloads import GIVEN
from hypothesis import settings
from places import KEY, Place, config_for
from scripted_openai import ScriptedOpenAI

from ccr_tui import loops

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

STEERS = re.compile(
    r"(OPENAI|ANTHROPIC|(ROUTER|TOOL|CODER|THINK)_AGENT|CCR_TUI)_.*|.*_API_KEY|ENABLE_ROUTER|API_TIMEOUT_MS|PROXY_URL"
    r"|(HTTPS?|ALL|NO)_PROXY|CLAUDE_CODE_USE_.*|NO_COLOR|FORCE_COLOR|COLUMNS|LINES",
    re.IGNORECASE,
)
"""Variables that the program or a client in a test heeds: a test sets those that it is about, whoever runs it."""
for name in filter(STEERS.fullmatch, GIVEN):
    del os.environ[name]

# Where others want the processor an example takes longer, which is no failure.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the program itself runs on."""
    return {"ours": loops.factory() or asyncio.new_event_loop}


@pytest.fixture(scope="session")
def counter() -> Counter:
    """Loaded once: it takes half a second."""
    from ccr_tui.tokens import Counter

    made = Counter()
    made.load()
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstream() -> AsyncIterator[ScriptedOpenAI]:
    async with ScriptedOpenAI(key=KEY) as scripted:
        yield scripted


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A house that waits long, and pings nobody meanwhile: a ping is the beginning of a success."""
    from ccr_tui import host

    async with host.open(config_for(upstream, tmp_path_factory.mktemp("place"), ping_s=60.0), counter) as house:
        await house.settled()  # a test of what keeps others waiting is about itself
        yield Place(house, upstream)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pinging(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A house that pings after a fifth of a second."""
    from ccr_tui import host

    async with host.open(config_for(upstream, tmp_path_factory.mktemp("pinging"), ping_s=0.2), counter) as house:
        await house.settled()  # until then a ping may come before the request has been counted
        yield Place(house, upstream)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    """A house that gives an upstream a second, and whose default agent has a dead first model."""
    from ccr_tui import host

    config = config_for(upstream, tmp_path_factory.mktemp("hasty"), ping_s=60.0, timeout_s=1.0)
    async with host.open(replace(config, agents={"default": ("dead", "scripted")}), counter) as house:
        yield Place(house, upstream)
