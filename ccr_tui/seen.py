"""What of a body has come before: the same message is the very same object again.

Claude Code sends its whole conversation in each turn, and a turn should cost what it added. So the messages, tools and
system blocks of a body become parts, and whoever works something out about a part (its tokens, its name in the store,
what it is for another provider) leaves it there and finds it in the next turn.

Owns `Part`; `memory.py` recognises them. Must never change a value: a part is a dict like any other,
only known. The one surprise: parts are told apart by their bytes, because Python takes 1, 1.0 and True for equal and
pays no heed to the order of keys, and JSON does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from ccr_tui.records import Json
from ccr_tui.wire import dumps

LISTS = ("tools", "system", "messages")
"""The top-level keys whose elements are parts."""


class Part(dict[str, Any]):
    """A message, tool or system block that may come again."""

    __slots__ = ("data", "found")

    def __init__(self, value: Mapping[str, Any], data: bytes) -> None:
        super().__init__(value)
        self.data = data
        """Its JSON."""
        self.found: dict[Any, Any] = {}
        """What was worked out about it, under the key of whoever did. Any thread may look and add."""

    def _fixed(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a part is shared by all bodies that hold it: make a new dict instead of changing it")

    # A change would be one in every body that holds the part, and unknown to its JSON.
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _fixed


def written(body: Mapping[str, Any]) -> bytes:
    """The body's JSON; its parts are not written anew."""
    spliced = {key: _spliced(value) if key in LISTS else value for key, value in body.items()}
    try:
        return orjson.dumps(spliced)
    except TypeError:
        return dumps(body)


def _spliced(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    return [orjson.Fragment(each.data) if isinstance(each, Part) else each for each in value]
