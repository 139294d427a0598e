"""What is kept never holds a key: one that was spoken of in a conversation is covered before it is stored.

Owns that cover: an asterisk for each byte. Must never touch what a client or a provider is sent, and never cost more
than a look at what is new in a turn. The one surprise: such a request is not stored word for word, nor replayed so;
`SECURITY.md` says it. A raw stream in which a key came in pieces, over several chunks, is not kept at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from itertools import accumulate
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.seen import LISTS, History, Part
from ccr_tui.wire import dumps, loads

SHORTEST = 8
"""Characters below which a value is no secret: "none" and "local" are keys of servers that want none."""
LONG = frozenset({"body", "raw", "reply", "sent", "stream", "attempts"})
"""What is looked at by itself."""
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

    def over(self, trace: Trace) -> Trace:
        """The trace as it may be kept: the same one if it holds no secret."""
        written = self._written()
        return _covered(trace, written) if written and _tells(trace, written) else trace

    def line(self, data: bytes) -> bytes:
        """A line of JSON as it may be kept, by the secrets of late. Any thread may ask."""
        return _bytes(data, self._written() if self._known is None else self._known)

    def _written(self) -> tuple[bytes, ...]:
        """The secrets as they stand in JSON."""
        self._known = tuple(sorted({dumps(one)[1:-1] for one in self._secrets() if len(one) >= SHORTEST}))
        return self._known


def _tells(trace: Trace, secrets: tuple[bytes, ...]) -> bool:
    """Whether a secret is in what the client said, in what it was answered, in what providers sent, or in our words."""
    said = trace.raw is not None and _has(trace.raw, secrets)
    return (
        said
        or _has(dumps(trace.reply), secrets)
        or _has(_words(trace, *trace.attempts), secrets)
        or _body(trace.body, secrets)
        or any(_has(_joined(attempt), secrets) for attempt in trace.attempts)
    )


def _words(*given: Trace | Attempt) -> bytes:
    """Everything but what is long, and looked at elsewhere."""
    kinds: list[type] = [type(one) for one in given]
    found = [_short(kind)(one) for kind, one in zip(kinds, given, strict=True)]
    return repr(found).encode("utf-8", "backslashreplace")


@cache
def _short(kind: type) -> Callable[[Any], Any]:
    return attrgetter(*(each.name for each in fields(kind) if each.name not in LONG | NUMBERS))


def _joined(attempt: Attempt) -> bytes:
    return b"".join(piece for _, piece in attempt.stream)


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
