"""What is kept never holds a key: one that was spoken of in a conversation is covered before it is stored.

Owns that cover: an asterisk for each byte. Must never touch what a client or a provider is sent, and never cost more
than a look at what is new in a turn. The one surprise: such a request is not stored word for word, nor replayed so;
`SECURITY.md` says it. (What a provider repeats of its credential is covered earlier, in its own stream.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ccr_tui.records import Attempt, Failure, Json, Trace
from ccr_tui.seen import LISTS, History, Part
from ccr_tui.wire import dumps, loads

SHORTEST = 8
"""Characters below which a value is no secret: "none" and "local" are keys of servers that want none."""


class Veil:
    """Covers the secrets that `secrets` gives at the time. For one thread."""

    def __init__(self, secrets: Callable[[], Sequence[str]]) -> None:
        self._secrets = secrets

    def over(self, trace: Trace) -> Trace:
        """The trace as it may be kept: the same one if it holds no secret."""
        written = tuple(sorted({dumps(one)[1:-1] for one in self._secrets() if len(one) >= SHORTEST}))
        return _covered(trace, written) if written and _tells(trace, written) else trace


def _tells(trace: Trace, secrets: tuple[bytes, ...]) -> bool:
    """Whether a secret is in what the client said, or in what it was answered; all else is made of that."""
    said = trace.raw is not None and _has(trace.raw, secrets)
    return (
        said
        or _has(dumps([trace.reply, trace.asked_model, dict(trace.headers)]), secrets)
        or _body(trace.body, secrets)
    )


def _body(body: Json, secrets: tuple[bytes, ...]) -> bool:
    if not isinstance(body, dict):
        return _has(dumps(body), secrets)
    frame = {key: value for key, value in body.items() if key not in LISTS}
    return _has(dumps(frame), secrets) or any(_list(body.get(key), secrets) for key in LISTS)


def _list(values: Json, secrets: tuple[bytes, ...]) -> bool:
    if isinstance(values, History):
        return values.along((Veil, secrets), False, lambda before, one: before or _part(one, secrets))[-1:] == [True]
    return any(_part(one, secrets) for one in values) if isinstance(values, list) else _has(dumps(values), secrets)


def _part(value: Json, secrets: tuple[bytes, ...]) -> bool:
    return _has(value.data if isinstance(value, Part) else dumps(value), secrets)


def _has(data: bytes, secrets: tuple[bytes, ...]) -> bool:
    return any(secret in data for secret in secrets)


def _covered(trace: Trace, secrets: tuple[bytes, ...]) -> Trace:
    return replace(
        trace,
        body=_json(trace.body, secrets),
        raw=trace.raw and _bytes(trace.raw, secrets),
        reply=_json(trace.reply, secrets),
        headers=_json(dict(trace.headers), secrets),
        asked_model=_json(trace.asked_model, secrets),
        decision=trace.decision and replace(trace.decision, reason=_json(trace.decision.reason, secrets)),
        failure=_failure(trace.failure, secrets),
        attempts=tuple(_attempt(attempt, secrets) for attempt in trace.attempts),
    )


def _attempt(attempt: Attempt, secrets: tuple[bytes, ...]) -> Attempt:
    """Its stream piece by piece: one secret over two pieces was sent as two halves, each of them is left."""
    return replace(
        attempt,
        sent=_json(attempt.sent, secrets),
        failure=_failure(attempt.failure, secrets),
        stream=tuple((ms, _bytes(piece, secrets)) for ms, piece in attempt.stream),
    )


def _failure(failure: Failure | None, secrets: tuple[bytes, ...]) -> Failure | None:
    return failure and replace(failure, message=_json(failure.message, secrets))


def _json(value: Json, secrets: tuple[bytes, ...]) -> Json:
    return loads(_bytes(dumps(value), secrets))


def _bytes(data: bytes, secrets: tuple[bytes, ...]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, b"*" * len(secret))
    return data
