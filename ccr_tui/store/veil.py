"""What is kept never holds a key: one that was spoken of in a conversation is covered before it is stored.

Owns that cover: an asterisk for each byte. Must never touch what a client or a provider is sent, and never cost more
than a look at what is new in a turn. The one surprise: such a request is not stored word for word, nor replayed so;
`SECURITY.md` says it. A raw stream in which a key came in pieces, over several chunks, is not kept at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import accumulate
from typing import Any, TypeAlias, TypeVar

from ccr_tui.hiding import SHORTEST
from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.seen import History, Part
from ccr_tui.store.ready import Ready
from ccr_tui.wire import dumps, loads

NUMBERS = frozenset({"timeline", "spans"})
"""What holds no words but ours."""
Record = TypeVar("Record", bound=Any)
Cover: TypeAlias = Callable[[Trace], Trace]
"""Makes of a trace what may be kept of it."""


def as_it_is(trace: Trace) -> Trace:
    """No cover."""
    return trace


class Veil:
    """Covers the secrets that `secrets` gives at the time. For one thread."""

    def __init__(self, secrets: Callable[[], Sequence[str]]) -> None:
        self._secrets = secrets
        self._known: tuple[bytes, ...] | None = None
        """The secrets of late: to ask for them takes a tenth of a millisecond."""
        self._is_asked = False
        """Whether they are those of now."""

    def over(self, trace: Trace) -> Trace:
        """The trace as it may be kept: the same one if it holds no secret."""
        self.look_again()
        return self.ready(trace).trace

    def look_again(self) -> None:
        """The next one is looked through for the secrets of then. (They are asked for there, which may fail.)"""
        self._is_asked = False

    def ready(self, trace: Trace) -> Ready:
        """The same, ready to be written. Raises ValueError or TypeError for what is no JSON."""
        made = Ready.of(trace)
        written = self._known if self._is_asked and self._known is not None else self._written()
        return Ready.of(_covered(trace, written)) if written and _tells(made, written) else made

    def line(self, data: bytes) -> bytes:
        """A line of JSON as it may be kept, by the secrets of late. Any thread may ask."""
        for secret in self._written() if self._known is None else self._known:
            if secret in data:  # the loop asks: a call less
                data = data.replace(secret, b"*" * len(secret))
        return data

    def _written(self) -> tuple[bytes, ...]:
        """The secrets as they stand in JSON."""
        self._known = tuple(sorted({dumps(one)[1:-1] for one in self._secrets() if len(one) >= SHORTEST}))
        self._is_asked = True
        return self._known


def _tells(ready: Ready, secrets: tuple[bytes, ...]) -> bool:
    """Whether a secret is in what the client said, in what it was answered, in what providers sent, or in our words.

    What providers were sent is made of the first; it is not looked through.
    """
    trace, request, reply = ready.trace, ready.request, ready.reply
    pieces = [ready.record, *ready.streams, trace.raw or b""]
    if reply is not None:
        pieces += [*reply.chunks, reply.manifest]
    messages = trace.body.get("messages") if isinstance(trace.body, dict) else None
    if request is not None:
        talk = request.said if isinstance(messages, History) else range(0)
        pieces += [*request.chunks[: talk.start], *request.chunks[talk.stop :], request.manifest]
    for secret in secrets:
        for piece in pieces:
            if secret in piece:
                return True
    return isinstance(messages, History) and _history(messages, secrets)


def _history(messages: History, secrets: tuple[bytes, ...]) -> bool:
    """Only what is new in it is looked at."""
    return messages.along((Veil, secrets), False, lambda before, one: before or _part(one, secrets))[-1:] == [True]


def _part(value: Json, secrets: tuple[bytes, ...]) -> bool:
    return _has(value.data if isinstance(value, Part) else dumps(value), secrets)


def _has(data: bytes, secrets: tuple[bytes, ...]) -> bool:
    return any(secret in data for secret in secrets)


def _joined(attempt: Attempt) -> bytes:
    return b"".join(piece for _, piece in attempt.stream)


def _covered(trace: Trace, secrets: tuple[bytes, ...]) -> Trace:
    hold = _has(dumps(trace.reply), secrets)
    attempts = tuple(_attempt(attempt, secrets, hold) for attempt in trace.attempts)
    return replace(_inside(replace(trace, attempts=()), secrets), attempts=attempts)


def _attempt(attempt: Attempt, secrets: tuple[bytes, ...], hold: bool) -> Attempt:
    """`hold`: whether a secret was answered; where none stands in the stream as a whole, it is there in pieces."""
    stream = _stream(attempt, secrets) if _has(_joined(attempt), secrets) or not hold else ()
    return replace(_inside(replace(attempt, stream=()), secrets), stream=stream)


def _inside(record: Record, secrets: tuple[bytes, ...]) -> Record:
    """The same record, with every text in it covered."""
    names = (each.name for each in fields(record) if each.name not in NUMBERS)
    changes = {name: _value(getattr(record, name), secrets) for name in names}
    return replace(record, **changes)


def _value(value: Any, secrets: tuple[bytes, ...]) -> Any:
    if isinstance(value, bytes):
        return _bytes(value, secrets)
    if is_dataclass(value):
        return _inside(value, secrets)
    if isinstance(value, tuple):
        return tuple(_value(each, secrets) for each in value)
    return _json(dict(value) if isinstance(value, Mapping) else value, secrets)


def _stream(attempt: Attempt, secrets: tuple[bytes, ...]) -> tuple[tuple[int, bytes], ...]:
    """The same pieces; a secret that lies over two of them is covered in both."""
    data = _bytes(_joined(attempt), secrets)
    ends = [*accumulate((len(piece) for _, piece in attempt.stream), initial=0)]
    return tuple((ms, data[start:end]) for (ms, _), start, end in zip(attempt.stream, ends, ends[1:], strict=False))


def _json(value: Json, secrets: tuple[bytes, ...]) -> Json:
    return loads(_bytes(dumps(value), secrets))


def _bytes(data: bytes, secrets: tuple[bytes, ...]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, b"*" * len(secret))
    return data
