"""What of a body has come before: the same message is the very same object again.

Claude Code sends its whole conversation in each turn, and a turn should cost what it added. So the messages, tools and
system blocks of a body become parts, and whoever works something out about a part (its tokens, its name in the store,
what it is for another provider) leaves it there and finds it in the next turn.

Owns `Part`, `Parts`, the tools or the system blocks of a request, and `History`, its messages; `memory.py` recognises
them. Must never change a value: a part is a dict like any other, only known. The one surprise: parts are told apart by
their bytes, because Python takes 1, 1.0 and True for equal and pays no heed to the order of keys, and JSON does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from secrets import token_hex
from typing import Any, NoReturn, TypeVar
from weakref import ref

import orjson

from ccr_tui.records import Json
from ccr_tui.wire import dumps

LISTS = ("tools", "system", "messages")
"""The top-level keys whose elements are parts."""
ENDS = 4
"""Parts at the end of a history by which the next turn finds it: the marks of the cache change the last ones."""
REACH = 16
"""How far from the end of a turn its predecessor's end is looked for: what one turn adds, and to spare."""
Result = TypeVar("Result")


class Part(dict[str, Any]):
    """A message, tool or system block that may come again."""

    __slots__ = ("__weakref__", "data", "found")

    def __init__(self, value: Mapping[str, Any], data: bytes) -> None:
        super().__init__(value)
        self.data = bytes(memoryview(data))
        """Its JSON. A copy: what orjson 3.13 gives holds on to ten times its size (measured: 127 KB for 11 KB)."""
        self.found: dict[Any, Any] = {}
        """What was worked out about it, under the key of whoever did. Any thread may look and add."""

    def _fixed(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a part is shared by all bodies that hold it: make a new dict instead of changing it")

    # A change would be one in every body that holds the part, and unknown to its JSON.
    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _fixed


class Parts(list[Any]):
    """The tools of a request, or its system blocks: the very same list again where all of them are the same."""

    __slots__ = ("found",)

    def __init__(self, parts: Iterable[Part]) -> None:
        super().__init__(parts)
        self.found: dict[Any, Any] = {}
        """What was worked out about all of them, as a part has it."""

    def _fixed(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("these parts are shared by all bodies that hold them: make a new list instead of changing it")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _fixed
    append = clear = extend = insert = pop = remove = reverse = sort = _fixed


GAP = token_hex()
GAP_TEXT = b'"%b"' % GAP.encode()
"""Stands in for the messages while the rest is written. By chance, so that no body can hold it."""
DATA = attrgetter("data")
KINDS = frozenset({Part})
KEEPERS = frozenset({Part, Parts})


def once(value: Any, work: Callable[[Any], Result]) -> Result:
    """What `work` makes of a part or of parts: worked out once, and anew each time of anything else. Any thread may
    call. Nobody may change what it gives."""
    if type(value) not in KEEPERS:
        return work(value)
    try:
        known: Result = value.found[work]
    except KeyError:
        known = value.found[work] = work(value)
    return known


class History(list[Any]):
    """The messages of one request. It finds the request before, whose beginning it shares, by their common parts.

    What is worked out along the messages is then only worked out along the new ones: see `along`. It reads like any
    list, and must not be changed. Its parts know it weakly: it is there as long as somebody keeps it (`memory.Talks`
    those of late), or a message that stays would keep whole conversations.
    """

    __slots__ = ("__weakref__", "_found", "_inherited", "_known")

    def __init__(self, messages: Iterable[Any]) -> None:
        super().__init__(messages)
        self._found: dict[Any, Any] = {}
        self._inherited: dict[Any, Any] = {}
        self._known = 0
        before = self._before()
        if before is not None:
            self._inherited = before._found
            before._retire()
        mine = ref(self)
        for part in self[-ENDS:]:
            if isinstance(part, Part):
                part.found[History] = mine

    @property
    def known(self) -> int:
        """How many of the first messages are those of the request before."""
        return self._known

    def _before(self) -> History | None:
        """The latest history that begins with the same parts, which are then `_known`."""
        for end in range(len(self), max(0, len(self) - REACH), -1):
            before = _history_of(self[end - 1])
            if before is not None and before[:end] == self[:end]:  # the same objects: they are not looked into
                self._known = end
                return before
        return None

    def _retire(self) -> None:
        """Not to be found any more: its place is taken."""
        for part in self[-ENDS:]:
            if _history_of(part) is self:
                part.found.pop(History, None)

    def recall(self, key: object) -> Any:
        """What was kept with this key, here or by the history before; None if nothing was."""
        return self._found.get(key, self._inherited.get(key))

    def keep(self, key: object, value: object) -> None:
        """For the next turn."""
        self._found[key] = value

    def along(self, key: object, start: Result, add: Callable[[Result, Any], Result]) -> list[Result]:
        """What `add` makes of `start` and the first message, of that and the second one, and so on: all of it.

        `add` is called once for each message, also over the turns. Any thread may call.
        """
        known: list[Result] | None = self._found.get(key)
        if known is None:
            known = self._inherited.get(key, [])[: self._known]
            for message in self[len(known) :]:
                known.append(add(known[-1] if known else start, message))
            self._found[key] = known
        return known

    def latest(self, key: object, start: Result, add: Callable[[Result, Any], Result]) -> Result:
        """What `along` has at its end, for whoever wants only that: no result of an earlier message is touched."""
        if key not in self._found:
            count, known = self._reached(key)
            results: list[Result] = known[:]
            for message in self[count:]:
                results.append(add(results[-1] if results else start, message))
            self._found[key] = len(self), results[-REACH:]
        last: list[Result] = self._found[key][1]
        return last[-1] if last else start

    def news(self, key: object) -> list[Any]:
        """The messages that `latest` has not yet gone along with this key."""
        return [] if key in self._found else self[self._reached(key)[0] :]

    def _reached(self, key: object) -> tuple[int, list[Any]]:
        """How many of the first messages `latest` has gone along for the history before, and the last results of it."""
        count, results = self._inherited.get(key, (0, []))
        left = len(results) - max(0, count - self._known)
        return (min(count, self._known), results[:left]) if left > 0 else (0, [])


def _history_of(message: Any) -> History | None:
    """The history that this message leads to."""
    known = message.found.get(History) if isinstance(message, Part) else None
    return None if known is None else known()


def written(body: Mapping[str, Any]) -> bytes:
    """The body's JSON; its parts are not written anew."""
    try:
        messages = _texts(body.get("messages"))
        frame = {key: _spliced(value) if key in LISTS else value for key, value in body.items() if key != "messages"}
        if not messages:
            return orjson.dumps({key: frame.get(key, value) for key, value in body.items()})
        before, after = orjson.dumps({key: frame.get(key, GAP) for key in body}).split(GAP_TEXT)
    except TypeError:
        return dumps(body)
    messages[0] = b"%b[%b" % (before, messages[0])
    messages[-1] = b"%b]%b" % (messages[-1], after)
    return b",".join(messages)  # the one time that a long conversation is copied


def _texts(messages: Json) -> list[bytes]:
    """The JSON of each; the first one may be the system's, and there may be thousands behind it."""
    if not isinstance(messages, list):
        return []
    if not KINDS.issuperset(map(type, messages[1:])):
        return [each.data if isinstance(each, Part) else orjson.dumps(each) for each in messages]
    first = (each.data if isinstance(each, Part) else orjson.dumps(each) for each in messages[:1])
    return [*first, *map(DATA, messages[1:])]


def _spliced(value: Json) -> Json:
    if isinstance(value, Parts):
        return orjson.Fragment(text_of(value))
    if not isinstance(value, list):
        return value
    return [orjson.Fragment(each.data) if isinstance(each, Part) else each for each in value]


def text_of(parts: Parts) -> bytes:
    """Their JSON, joined once."""
    return once(parts, _joined)


def _joined(parts: Parts) -> bytes:
    return b"[%b]" % b",".join([part.data for part in parts])
