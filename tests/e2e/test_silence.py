"""What a client hears while its upstream is silent."""

from __future__ import annotations

import aiohttp
import pytest
from clients import ask
from places import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("silent", ["slowhead:0.9", "slowfirst:0.9"])
async def test_a_client_that_wants_no_stream_gets_its_message_whole(
    pinging: Place, http: aiohttp.ClientSession, silent: str
) -> None:
    async with http.post(f"{pinging.address}/v1/messages", json={**ask(silent), "stream": False}) as response:
        assert response.content_type == "application/json"
        assert (await response.json())["content"] == [{"type": "text", "text": "All done."}]
