"""A trace as JSON, and back, exactly.

Owns the mapping between `records.Trace` and JSON objects; both the database's records and the archive are written with
it. Must never leave anything out silently: a field added to records.py travels by itself if it is plain, and else has
to be named here. The one surprise: bodies, streams and raw bytes are left to the caller, because the database keeps
them as chunks and the archive as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

from ccr_tui.records import Attempt, Failure, Json, Price, RouteDecision, TimelineEvent, Trace, Usage
from ccr_tui.store import idiom
from ccr_tui.wire import dumps, loads

BROKEN = (LookupError, ValueError, TypeError, AttributeError, zlib.error)
"""What reading damaged bytes can raise."""
HEAVY = frozenset({"body", "raw", "reply", "sent", "stream"})
"""Fields that the caller stores his own way."""
LONG = 64 * 1024
"""Bytes from which on a third of the time is worth 4 % more: 300 KB take 5.5 ms, not 9.2."""
PAYS = 100
"""Bytes from which on it pays to compress: a message of so many saves 40, and takes 6 us."""


def to_json(trace: Trace) -> dict[str, Any]:
    """Everything but the heavy fields."""
    made = _plain(trace)
    made["headers"] = dict(trace.headers)
    made["decision"] = trace.decision and _plain(trace.decision)
    made["attempts"] = [*map(_attempt_json, trace.attempts)]
    made["timeline"] = _timeline_json(trace.timeline)
    made["failure"] = trace.failure and _plain(trace.failure)
    return made


def from_json(given: dict[str, Any], attempts: list[dict[str, Any]], **heavy: Any) -> Trace:
    """The trace. `attempts` holds {"sent": ..., "stream": ...} for each attempt; `heavy` is body, raw and reply."""
    made = [_attempt(*pair) for pair in zip(given["attempts"], attempts, strict=True)]
    return Trace(
        **given
        | heavy
        | {
            "decision": given["decision"] and _decision(given["decision"]),
            "attempts": tuple(made),
            "timeline": _timeline(given["timeline"]),
            "failure": given["failure"] and Failure(**given["failure"]),
            "spans": tuple((name, start, end) for name, start, end in given["spans"]),
        }
    )


def pack(value: Json) -> bytes:
    """JSON, compressed where that makes it smaller. zlib begins with an x, which no JSON does."""
    return squeeze(dumps(value))


def unpack(data: bytes) -> Json:
    """What `pack` was given."""
    return loads(spread(data))


def squeeze(data: bytes) -> bytes:
    """JSON bytes, compressed where that makes them smaller."""
    small = compress(data) if len(data) > PAYS else data
    return small if len(small) < len(data) else data


def compress(data: bytes) -> bytes:
    """In zlib's format. What is short takes the dictionary, and memory of its own size: the usual window needs 256 KB,
    which may have to be fetched from the system (a kilobyte took 127 us then)."""
    return idiom.RECORDS.packed(data) if len(data) <= idiom.SHORT else zlib.compress(data, 6 if len(data) < LONG else 3)


def spread(data: bytes) -> bytes:
    """What `squeeze` was given."""
    return idiom.unpacked(data) if data.startswith(b"x") else data


def utf8(text: str) -> str:
    """For a column or a search: SQLite takes UTF-8 only, so lone surrogates become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def lined_up(stream: tuple[tuple[int, bytes], ...]) -> bytes:
    """Pieces and their times: a line of JSON [milliseconds, length] in deltas, then all bytes."""
    times = _deltas([ms for ms, _ in stream])
    head = dumps([times, [len(piece) for _, piece in stream]])
    return b"".join((head, b"\n", *(piece for _, piece in stream)))


def pack_stream(lined: bytes) -> bytes:
    """What `lined_up` gave, compressed. Streams repeat themselves so closely that level 3 takes half the time of level
    6 and gives 4 % more."""
    return idiom.STREAMS.packed(lined) if len(lined) <= idiom.SHORT else zlib.compress(lined, 3)


def unpack_stream(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """The pieces and their times, from what `pack_stream` gave."""
    head, _, body = idiom.unpacked(data).partition(b"\n")
    times, sizes = loads(head)
    ends = [0, *accumulate(sizes)]
    pieces = [body[start:end] for start, end in pairwise(ends)]
    return tuple(zip(accumulate(times), pieces, strict=True))


def _plain(record: Any) -> dict[str, Any]:
    kind: type = type(record)
    return _light(kind)(record)


@cache
def _light(kind: type) -> Callable[[Any], dict[str, Any]]:
    """Makes a dict of those fields of a record that are not heavy. Written out field by field: asked for one by one by
    their names they take three times as long."""
    entries = (f"{each.name!r}: one.{each.name}" for each in fields(kind) if each.name not in HEAVY)
    made: dict[str, Callable[[Any], dict[str, Any]]] = {}
    exec(f"def light(one):\n return {{{', '.join(entries)}}}", {}, made)
    return made["light"]


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    made = _plain(attempt)
    made["usage"] = attempt.usage and _plain(attempt.usage)
    made["price"] = attempt.price and _plain(attempt.price)
    made["failure"] = attempt.failure and _plain(attempt.failure)
    return made


def _attempt(given: dict[str, Any], heavy: dict[str, Any]) -> Attempt:
    return Attempt(
        **given
        | heavy
        | {
            "usage": given["usage"] and Usage(**given["usage"]),
            "price": given["price"] and Price(**given["price"]),
            "failure": given["failure"] and Failure(**given["failure"]),
            "notes": tuple(given["notes"]),
        }
    )


def _decision(given: dict[str, Any]) -> RouteDecision:
    considered = tuple((rule, why) for rule, why in given["considered"])
    return RouteDecision(**given | {"fallbacks": tuple(given["fallbacks"]), "considered": considered})


def _timeline_json(events: tuple[TimelineEvent, ...]) -> dict[str, Any]:
    """In columns, times as deltas and types as indexes: a thousand events take 1.5 KB when compressed, not 5."""
    codes: dict[str, int] = {}
    times, types, indexes, sizes, last = [], [], [], [], 0
    for event in events:
        ms = event.ms
        times.append(ms - last)
        types.append(codes.setdefault(event.type, len(codes)))
        indexes.append(event.index)
        sizes.append(event.size)
        last = ms
    return {"types": [*codes], "ms": times, "type": types, "index": indexes, "size": sizes}


def _timeline(given: dict[str, Any]) -> tuple[TimelineEvent, ...]:
    types = given["types"]
    columns = zip(accumulate(given["ms"]), given["type"], given["index"], given["size"], strict=True)
    return tuple(TimelineEvent(ms, types[code], index, size) for ms, code, index, size in columns)


def _deltas(times: list[int]) -> list[int]:
    return [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
