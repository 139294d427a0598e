"""Real llama.cpp servers, and a house in front of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anthropic
import llama
import pytest
import pytest_asyncio
from downloads import Unavailable
from places import Place

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

KEY = "sk-llama-1"


@dataclass
class Servers:
    """Where they listen, by what is special about them."""

    tools: str
    think: str
    small: str
    """512 tokens of context, one slot, and a key."""
    route: str
    """A router that always names the thinking agent."""


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Skips, and says why, where the server can't be had."""
    with ExitStack() as stack:
        try:
            yield Servers(
                tools=stack.enter_context(llama.server("tools", context=2048, slots=2)),
                think=stack.enter_context(llama.server("think", context=1024, slots=1)),
                small=stack.enter_context(llama.server("tools", context=512, slots=1, key=KEY)),
                route=stack.enter_context(llama.server("route", context=2048, slots=1)),
            )
        except Unavailable as why:
            pytest.skip(f"llama.cpp's server: {why}")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def llamas(servers: Servers, counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Models `tools`, `think`, `small` and `locked` (the same, with a wrong key), as a user would configure them."""
    from ccr_tui import host
    from ccr_tui.config import Config, Model, Provider

    keys = {"tools": None, "think": None, "small": KEY, "locked": "sk-wrong"}
    addresses = {"tools": servers.tools, "think": servers.think, "small": servers.small, "locked": servers.small}
    config = Config(
        port=0,
        providers={name: Provider(name, "openai", f"{addresses[name]}/v1", api_key=keys[name]) for name in keys},
        models={name: Model(name, name, "smollm2-135m") for name in keys},
        agents={"default": ("tools",)},
        db=tmp_path_factory.mktemp("llamas") / "ccr.db",
    )
    async with host.open(config, counter) as house:
        yield Place(house, None)


@pytest_asyncio.fixture(loop_scope="session")
async def sdk(llamas: Place) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The official client, which never asks twice."""
    quiet = anthropic.DefaultAsyncHttpxClient(trust_env=False)
    async with anthropic.AsyncAnthropic(
        base_url=llamas.address, api_key="any", max_retries=0, http_client=quiet
    ) as client:
        yield client
