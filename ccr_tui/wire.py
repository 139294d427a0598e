"""JSON as bytes, the fast way where it is exact and the standard way where it is not.

Owns `loads` and `dumps`. Must never change a value: orjson is six times faster (0.6 against 3.7 ms for 583 KB) but
refuses lone surrogates and integers over 64 bits when writing and turns 30-digit integers into floats when reading, so
those go through the standard library. The one surprise: NaN and Infinity are refused both ways, as JSON says.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from threading import Lock
from typing import Any, NoReturn

import orjson

_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
"""Translates every digit to 0 and everything else to a space."""
_RUN = b"0" * 19
_LOOK, _LOOKS = 1000, 500
"""Bytes of which a full look costs as much as one at a single pair, and how many pairs are looked at one by one at
most; where there are more of them, as in base64 or a log, a full look is faster."""


LARGE = 4 * 1024 * 1024
"""Bytes of JSON above which reading it is worth some care."""
MOST = 2_000_000
"""Values that are surely taken, in objects and lists: a real conversation of 64 MB has half as many. 60 MB of tiny
objects are 15 million: 3 s of CPU in one piece, in which no other thread runs, and 2 GB (measured)."""
PIECE = 1 << 20
"""Bytes that are looked through at once, some 10 ms."""
DEEPEST = 250
"""Levels of nesting that are surely taken, and some more: enough for any schema, few enough for whoever walks them."""


class TooDeep(ValueError, RecursionError):
    """The JSON is nested too deeply. It is what Python raises there too, and no JSON of ours."""

    def __init__(self) -> None:
        super().__init__("the JSON is nested too deeply")


def loads(data: bytes | str) -> Any:
    """The value. Raises ValueError (json.JSONDecodeError is one) with a position, or if it is nested too deeply."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    value = parsed(raw)
    if raw.count(b"[") + raw.count(b"{") > DEEPEST:
        check_depth(value)
    return value


class TooMany(ValueError):
    """The JSON holds too many values."""

    def __init__(self) -> None:
        super().__init__(f"the JSON holds over {MOST:,} values")


def check_many(raw: bytes) -> None:
    """Raises ValueError where reading it would hold everybody else up for long. Of valid JSON only; the count of
    another's values means nothing."""
    if sum(map(raw.count, MARKS)) > MOST and any(count > MOST for count in _counts(raw)):
        raise TooMany


MARKS = (b",", b"{", b"[")


def _counts(raw: bytes) -> Iterator[int]:
    """How many values there are at least, growing piece by piece; marks within texts are none."""
    count, start, inside = 0, 0, 0
    while start < len(raw):
        piece = raw[start : start + PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # what it escapes is in the next one
            piece = raw[start : start + PIECE + 1]
        start += len(piece)
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        between = b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
        count += sum(map(between.count, MARKS))
        yield count


def check_depth(value: Any) -> None:
    """Raises ValueError for what is nested too deeply."""
    try:
        orjson.dumps(value)  # which has a limit of 254 levels, and is the quickest to look
    except TypeError:
        if is_deep(value):
            raise TooDeep from None


def is_deep(value: Any, limit: int = DEEPEST) -> bool:
    """Whether it is nested deeper than so many levels. Goes level by level, so that no depth is too much."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def parsed(raw: bytes) -> Any:
    """The value, however deeply it is nested: whoever calls this checks that. Raises ValueError."""
    if len(raw) > LARGE:
        with _UNDISTURBED:
            return _parsed(raw)
    return _parsed(raw)


class _Undisturbed:
    """No garbage is looked for while a large body is read, by whatever threads.

    All its objects are new and none is garbage, but the collector would look at them again and again, without letting
    anybody else run: 60 MB of small objects took 4.6 s with it and 1.6 s without (measured).
    """

    def __init__(self) -> None:
        self._lock, self._readers, self._was_on = Lock(), 0, False

    def __enter__(self) -> None:
        with self._lock:
            if not self._readers:
                self._was_on = gc.isenabled()
                gc.disable()
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers and self._was_on:
                gc.enable()


_UNDISTURBED = _Undisturbed()


def _parsed(raw: bytes) -> Any:
    try:
        if not _may_hold_a_long_integer(raw):
            return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        text = raw.decode("utf-8", "surrogatepass")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise TooDeep from None
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's own limit, and its advice is for programmers
            raise ValueError("an integer in it has more digits than can be read (4300)") from None
        raise


def dumps(value: Any) -> bytes:
    """Compact UTF-8, keys in the order given. Raises ValueError or TypeError for what is no JSON."""
    try:
        return orjson.dumps(value)
    except TypeError:
        if is_deep(value):  # Python 3.13 would write it, for nobody to read
            raise TooDeep from None
        return _written(value)


def _written(value: Any) -> bytes:
    try:
        return _encoded(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False), value)
    except RecursionError:
        raise TooDeep from None


def _encoded(text: str, value: Any) -> bytes:
    """UTF-8, or, where a lone surrogate makes that impossible, with everything beyond ASCII escaped."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _may_hold_a_long_integer(raw: bytes) -> bool:
    """Whether 19 digits stand in a row: perhaps more than 64 bits, which orjson would read as a float.

    Any such run holds two neighbours of every ninth byte, so a look at those (0.2 ms for 600 KB) and around the few
    pairs of digits among them settles it; a full look takes 1 ms, a regular expression 12 ms.
    """
    ninths = raw[::9].translate(_DIGITS)
    at = ninths.find(b"00")
    for _ in range(min(len(raw) // _LOOK, _LOOKS)):
        if at < 0:
            return False
        if _RUN in raw[max(0, 9 * at - 9) : 9 * at + 27].translate(_DIGITS):
            return True
        at = ninths.find(b"00", at + 1)
    return _RUN in raw.translate(_DIGITS)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
