"""A request as a curl command: as the client sent it here, or as it went on to a provider.

Owns how it is quoted for a POSIX shell. Must never write a key: where one is needed, the command reads it from the
environment. The one surprise: the body comes through a here-document, which takes it as it is however long it is; JSON
on one line can't be the line that ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from shlex import quote

from ccr_tui.config import Provider
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.wire import dumps

VERSION = "2023-06-01"
_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def received(trace: Trace, address: str, secret: bool) -> str:
    """What the client sent, to be sent again; `secret` says that this proxy wants a key of its own."""
    token = '"authorization: Bearer $CCR_TUI_API_KEY"' if secret else "'authorization: Bearer ccr-tui'"
    return _command(f"{address}/v1/messages", [f"anthropic-version: {VERSION}"], token, trace.body)


def sent(trace: Trace, providers: Mapping[str, Provider]) -> Iterator[str]:
    """What went to providers, each call as a command."""
    for attempt in trace.attempts:
        if attempt.sent is not None:
            yield _sent(attempt, providers.get(attempt.provider))


def _sent(attempt: Attempt, provider: Provider | None) -> str:
    kind = provider.kind if provider else "openai"
    base = (
        provider.base_url if provider else "https://api.anthropic.com" if _is_messages(attempt) else "https://HOST/v1"
    )
    key = f"${key_name(attempt.provider, provider)}"
    if kind == "anthropic" or (provider is None and _is_messages(attempt)):
        heads = [f"anthropic-version: {VERSION}"]
        return _command(f"{base.removesuffix('/v1')}/v1/messages", heads, f'"x-api-key: {key}"', attempt.sent)
    return _command(f"{base}/chat/completions", [], f'"authorization: Bearer {key}"', attempt.sent)


def key_name(name: str, provider: Provider | None) -> str:
    """The variable that a provider's key is in: the configured one, else one named after the provider."""
    found = _NAME.fullmatch((provider.api_key if provider else None) or "")
    return found[1] if found else re.sub(r"[^A-Z0-9]+", "_", f"{name or 'provider'}_API_KEY".upper())


def _command(url: str, headers: list[str], credential: str, body: Json) -> str:
    """`credential` is quoted by the caller: the shell has to look into it."""
    heads = "".join(f" -H {quote(head)}" for head in ["content-type: application/json", *headers])
    return f"curl -sS -N {quote(url)}{heads} -H {credential} --data-binary @- <<'JSON'\n{dumps(body).decode()}\nJSON\n"


def _is_messages(attempt: Attempt) -> bool:
    return attempt.provider == "anthropic"
