"""Dataclasses that cost little to make.

Owns `dataclass`, which is used for every dataclass here. Must never give one that behaves differently from the standard
library's: fields, `replace`, `asdict`, pickling, `match` and errors are the same. The one surprise: a method is written
when it is first looked up. The standard library compiles six for each class when it is made, a millisecond of CPU for a
frozen one with slots, and a start makes three hundred classes of which it uses fifty. And a frozen one with slots is
filled before it freezes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]


class _Factory:
    """Stands in a signature for what is made anew each time."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()
POST = "__post_init__"
WORTH = 4
"""Fields from which on a frozen object is filled in as an open one."""
Source = tuple[str, list[str], dict[str, Any]]
"""Of a method: what follows its name, its lines, and the values that it stands on, by name."""


class Unwritten:
    """Stands where a method will be, and writes it once anybody looks; twice at most, where two threads look."""

    __slots__ = ("_name", "_owner", "_source")

    def __init__(self, owner: type, name: str, source: Callable[[type], Source]) -> None:
        self._owner, self._name, self._source = owner, name, source

    def __get__(self, one: Any, kind: type) -> Any:
        written = _written(self._owner, self._name, *self._source(self._owner))
        setattr(self._owner, self._name, written)
        return written.__get__(one, kind)


def _written(owner: type, name: str, head: str, lines: list[str], known: dict[str, Any]) -> Any:
    """The method, compiled: of names of fields only, and in its module, whose names the annotations are made of."""
    body = "\n  ".join(lines)
    made: dict[str, Any] = {}
    exec(f"def made({', '.join(known)}):\n def {name}{head}:\n  {body}\n return {name}", _module(owner), made)
    method = made["made"](**known)
    method.__qualname__ = f"{owner.__qualname__}.{name}"
    if name == "__init__":
        method.__annotations__["return"] = None
    return method


def _module(owner: type) -> dict[str, Any]:
    module = sys.modules.get(owner.__module__)
    return {} if module is None else vars(module)


def _furnished(kind: type, frozen: bool, slots: bool, eq: bool) -> type:
    """With the methods that it does not bring itself."""
    own = {name: value for name, value in vars(kind).items() if value is not None or name != "__hash__"}
    late: dict[str, Callable[[type], Source]] = {"__init__": _frozen_init if frozen else _init}
    if eq:
        late["__eq__"] = _eq
    if eq and frozen:
        late["__hash__"] = _hash
    methods: dict[str, Any] = {name: Unwritten(kind, name, source) for name, source in late.items()}
    methods["__repr__"] = _repr
    if eq and not frozen:
        methods["__hash__"] = None
    if frozen:
        methods |= _shut(kind)
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _restore}
    for name, method in methods.items():
        if name not in own:
            setattr(kind, name, method)
    return kind


def _init(kind: type, put: str = "self.{0} = {1}") -> Source:
    known: dict[str, Any] = {"_put": object.__setattr__, "_missing": _FACTORY}
    lines = [put.format(each.name, value) for each in fields(kind) if (value := _value(each, known))]
    if hasattr(kind, POST):
        lines.append("self.__post_init__()")
    plain = [_parameter(each) for each in fields(kind) if each.init and not each.kw_only]
    named = [_parameter(each) for each in fields(kind) if each.init and each.kw_only]
    given = ["self", *plain, *(["*", *named] if named else [])]
    return f"({', '.join(given)})", lines or ["pass"], known


def _frozen_init(kind: Any) -> Source:
    """Through object.__setattr__ as the standard library does, or, where there are slots alone, as an object of an open
    class of the same form, which is frozen when it is whole: 0.5 us instead of 2.1 for fourteen fields."""
    head, lines, known = _init(kind, "_put(self, '{0}', {1})")
    if kind.__bases__ != (object,) or "__slots__" not in vars(kind) or len(lines) < WORTH or hasattr(kind, POST):
        return head, lines, known
    known |= {"_kind": kind, "_open": type(kind.__name__, (object,), {"__slots__": kind.__slots__})}
    other = ["if self.__class__ is not _kind:", *(f" {line}" for line in lines), " return"]
    _, quick, _ = _init(kind)
    return head, [*other, "_put(self, '__class__', _open)", *quick, "self.__class__ = _kind"], known


def _value(each: Field[Any], known: dict[str, Any]) -> str:
    """What the field is set to; nothing if it is left alone. Writes down its default in `known`."""
    default = f"_default_{each.name}"
    if each.default_factory is not MISSING:
        known[default] = each.default_factory
        return f"{default}() if {each.name} is _missing else {each.name}" if each.init else f"{default}()"
    known[default] = each.default
    if each.init:
        return each.name
    return "" if each.default is MISSING else default


def _parameter(each: Field[Any]) -> str:
    """As it stands between the brackets."""
    named = f"{each.name}: {each.type}" if isinstance(each.type, str) else each.name
    if each.default_factory is not MISSING:
        return f"{named} = _missing"
    return named if each.default is MISSING else f"{named} = _default_{each.name}"


def _eq(kind: type) -> Source:
    mine, yours = (_tuple(who, (each for each in fields(kind) if each.compare)) for who in ("self", "other"))
    return "(self, other)", [f"return {mine} == {yours} if other.__class__ is self.__class__ else NotImplemented"], {}


def _hash(kind: type) -> Source:
    counted = (each for each in fields(kind) if (each.compare if each.hash is None else each.hash))
    return "(self)", [f"return hash({_tuple('self', counted)})"], {}


def _tuple(who: str, of: Iterable[Field[Any]]) -> str:
    return f"({''.join(f'{who}.{each.name}, ' for each in of)})"


@recursive_repr()
def _repr(self: Any) -> str:
    told = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({told})"


def _shut(kind: Any) -> dict[str, Any]:
    """What keeps instances as they are."""
    names = frozenset(each.name for each in fields(kind))

    def __setattr__(self: Any, name: str, value: object) -> None:
        if type(self) is kind or name in names:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(kind, self).__setattr__(name, value)

    def __delattr__(self: Any, name: str) -> None:
        if type(self) is kind or name in names:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(kind, self).__delattr__(name)

    return {"__setattr__": __setattr__, "__delattr__": __delattr__}


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(given=None, /, *, frozen=False, slots=False, eq=True):
        """As the standard library's; of its options those that are used here."""

        def made(kind):
            shaped = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(kind)
            return _furnished(shaped, frozen, slots, eq)

        return made if given is None else made(given)
