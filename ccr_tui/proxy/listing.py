"""What models a provider says it has.

Owns GET /models of both kinds of provider. Must never be needed for an answer: many providers list more than they
serve, or nothing. The one surprise: Gemini writes "models/" before each id, and takes ids without.
"""

from __future__ import annotations

from typing import Any

from ccr_tui import __version__
from ccr_tui.config import Provider, credentials
from ccr_tui.errors import UpstreamBroken, UpstreamRefused
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.upstream import Call, whole
from ccr_tui.wire import loads

LIMIT = 16 * 1024 * 1024
"""Bytes of a list; OpenRouter's has 1 MB."""
SILENCE_S = 20.0


async def models_of(context: Context, provider: Provider) -> list[str]:
    """The provider's ids, sorted. Raises ProxyError, or ConfigError where its key is not set."""
    call = call_for(context, provider)
    async with context.upstreams.send(call) as response:
        body = await whole(response, call, LIMIT)
        if response.status_code != 200:
            raise UpstreamRefused(refusal(response.status_code, provider), status=response.status_code)
    try:
        found = loads(body)
    except ValueError as error:
        raise UpstreamBroken(f"{provider.name}'s list of models is not JSON.") from error
    return sorted({id for id in ids(found) if id})


def call_for(context: Context, provider: Provider) -> Call:
    """The request for the list."""
    config = context.config
    key, extra = credentials(provider, config)
    headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": f"ccr-tui/{__version__}"}
    if provider.kind == "anthropic":
        headers |= {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
    elif key:
        headers["authorization"] = f"Bearer {key}"
    path = "/v1/models?limit=1000" if provider.kind == "anthropic" else "/models"
    return Call(
        provider=provider.name,
        url=provider.base_url + path,
        headers={**headers, **{name.lower(): value for name, value in extra.items()}},
        content=b"",
        connect_s=config.connect_timeout_s,
        silence_s=min(SILENCE_S, config.timeout_s),
        proxy=provider.proxy if provider.proxy is not None else config.proxy,
        method="GET",
    )


def refusal(status: int, provider: Provider) -> str:
    """Why there is no list, in a sentence."""
    if status in (401, 403):
        return f"{provider.name} does not show its models with this key (HTTP {status})."
    if status in (404, 405):
        return f"{provider.name} has no list of models at {provider.base_url}/models (HTTP {status})."
    return f"{provider.name} answered HTTP {status} when asked for its models."


def ids(found: Any) -> list[str]:
    """The ids in any of the shapes that are in use: {"data": [...]}, {"models": [...]}, a bare list."""
    rows = found.get("data") or found.get("models") or [] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        return []
    named = [row.get("id") or row.get("name") if isinstance(row, dict) else row for row in rows]
    return [name.removeprefix("models/") for name in named if isinstance(name, str)]
