"""Whether a trace that somebody else has written can be one: what an archive says is looked at before it is kept.

Owns the kinds and sizes of a trace's values. Must never look at what we have recorded ourselves: it takes a tenth of a
millisecond. The one surprise: JSON holds times of the year 10^292 and counts of thirty digits, which no list could show
and no sum could hold; bodies are anybody's and stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ccr_tui.records import MOST, Trace

LATEST = 253_000_000_000.0
"""Seconds: the year 9987."""
LONGEST = 200
"""Characters of a trace's id."""


def check(trace: Trace) -> None:
    """Raises ValueError, which names the field."""
    _check(trace, Trace, "trace")
    if not (0 < len(trace.uid) <= LONGEST and trace.uid.isprintable()):
        raise ValueError("an id that is none")


def _check(value: Any, hint: Any, where: str) -> None:
    if hint is Any:
        return
    if not _fits(value, hint):
        raise ValueError(f"{where} can't be {str(value)[:40]!r}")
    if isinstance(hint, type) and is_dataclass(hint):
        for name, kind in _fields(hint).items():
            _check(getattr(value, name), kind, name)
    elif get_origin(hint) in (Union, UnionType) and value is not None:
        _check(value, next(each for each in get_args(hint) if each is not NoneType), where)
    elif get_origin(hint) is tuple:
        inner = get_args(hint)
        for n, each in enumerate(value):
            _check(each, inner[0] if inner[-1] is ... else inner[n], where)


@cache
def _fields(record: type) -> dict[str, Any]:
    return get_type_hints(record)


def _fits(value: Any, hint: Any) -> bool:
    """Whether it is of that kind; what is in it is looked at by itself."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is tuple:
        return isinstance(value, tuple | list) and (inner[-1] is ... or len(value) == len(inner))
    if origin is Mapping:
        return isinstance(value, dict) and all(isinstance(each, str) for pair in value.items() for each in pair)
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= LATEST
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST
    return isinstance(value, hint)
