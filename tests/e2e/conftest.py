"""Clients of the house: the official SDK, and a raw one that sees the very bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
import pytest_asyncio
from scripted_openai import ScriptedOpenAI


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The raw client."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture
def sdk_of() -> Any:
    """Makes the official client of an address; it never asks twice."""

    def make(address: str, **more: Any) -> anthropic.AsyncAnthropic:
        quiet = anthropic.DefaultAsyncHttpxClient(trust_env=False)
        return anthropic.AsyncAnthropic(
            **{"base_url": address, "api_key": "any", "max_retries": 0, "http_client": quiet, **more}
        )

    return make


@pytest.fixture(autouse=True)
def nothing_that_openai_would_refuse(upstream: ScriptedOpenAI) -> Any:
    """Whatever a test made us send, the upstream judged it."""
    upstream.faults.clear()
    yield
    assert upstream.faults == []
