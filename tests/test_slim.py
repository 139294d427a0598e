"""Dataclasses that cost little behave as the standard library's do: the same shapes are made with both and compared."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
import sys
import threading
import typing
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from types import FunctionType
from typing import Any, ClassVar

import pytest

from ccr_tui import slim

HOUSE = Path(__file__).parent.parent / "ccr_tui"

Make = Callable[..., Any]


def simple(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Documented."""

        a: int
        b: str = "x"
        c: list[int] = field(default_factory=list)

    return Shape


def bare(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Has no field."""

    return Shape


def single(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Has one."""

        a: float

    return Shape


def picky(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Has every kind of field."""

        many: ClassVar[int] = 3
        a: int
        hidden: int = field(default=1, repr=False)
        beside: int = field(default=2, compare=False)
        unhashed: tuple[int, ...] = field(default=(), hash=False)
        given: int = field(default=4, kw_only=True)
        made: dict[str, int] = field(init=False, repr=False, hash=False, default_factory=dict)
        fixed: int = field(init=False, default=7)

    return Shape


def afterwards(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Looks at itself when it is made."""

        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("below zero")

    return Shape


def own(made: Make, **how: bool) -> Any:
    @made(**how)
    class Shape:
        """Brings its own methods."""

        a: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

    return Shape


def child(made: Make, **how: bool) -> Any:
    @made(**how)
    class Parent:
        """Comes first."""

        a: int
        b: int = 2

    @made(**how)
    class Shape(Parent):
        """Adds and overrides."""

        b: int = 3
        c: str = "c"

    return Shape


SHAPES = [simple, bare, single, picky, afterwards, own, child]
HOWS = [
    {},
    {"frozen": True},
    {"slots": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
]
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1.5,), {}),
    ((-1,), {}),
    ((1, "y"), {}),
    ((1, 5, 6), {}),
    ((1, "y", [3]), {}),
    ((1,), {"given": 9}),
    ((1,), {"beside": 9, "unhashed": (1,)}),
    ((1, 2, 3, 4, 5, 6, 7, 8, 9), {}),
    ((), {"nobody": 1}),
]


def tried(work: Callable[[], object]) -> object:
    try:
        return work()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error), str(error).partition("(")[0]


def refused(work: Callable[[], object]) -> bool:
    """Of how Python 3.11 says no nothing is told: with slots, it stumbles over itself."""
    return isinstance(tried(work), tuple)


def told(kind: Any, args: tuple[Any, ...], named: dict[str, Any]) -> list[object]:
    """All that can be told of an instance, and of what it says when something is done to it."""
    one = tried(lambda: kind(*args, **named))
    if not isinstance(one, kind):
        return [one]
    two = kind(*args, **named)
    return [
        repr(one).partition(".")[2],
        one == two,
        one != two,
        one == dataclasses.asdict(one),
        tried(lambda: hash(one) == hash(two)),
        dataclasses.asdict(one),
        tried(lambda: dataclasses.astuple(dataclasses.replace(one, a=8))),
        refused(lambda: setattr(two, "a", 9)),
        refused(lambda: setattr(two, "other", 9)),
        refused(lambda: delattr(two, "a")),
        tried(lambda: dataclasses.astuple(copy.copy(one))),
        tried(lambda: dataclasses.astuple(copy.deepcopy(one))),
        hasattr(one, "__dict__"),
    ]


def about(kind: Any) -> list[object]:
    """All that can be told of the class."""
    return [
        [(each.name, each.type, each.kw_only) for each in dataclasses.fields(kind)],
        kind.__match_args__,
        str(inspect.signature(kind)),
        tried(lambda: typing.get_type_hints(kind.__init__)),
        kind.__hash__ is None,
        "__slots__" in vars(kind),
        kind.__doc__,
    ]


@pytest.mark.parametrize("worth", [0, 99], ids=["filled while open", "filled while frozen"])
@pytest.mark.parametrize("how", HOWS, ids=lambda how: "+".join(how) or "plain")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_slim_dataclass_is_as_the_standard_librarys(
    shape: Callable[..., Any], how: dict[str, bool], worth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slim, "WORTH", worth)
    theirs, ours = shape(dataclasses.dataclass, **how), shape(slim.dataclass, **how)
    for args, named in CALLS:
        assert told(ours, args, named) == told(theirs, args, named)
    assert about(ours) == about(theirs)


@slim.dataclass(frozen=True, slots=True)
class Kept:
    """Can be found by its name, so it can be pickled."""

    a: int
    b: tuple[str, ...] = ()


def test_a_frozen_one_with_slots_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept(1, ("x",)))) == Kept(1, ("x",))


@pytest.mark.parametrize("name", ["a", "other"])
def test_a_frozen_one_with_slots_says_that_it_is_frozen(name: str) -> None:
    with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
        setattr(Kept(1), name, 2)
    with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
        delattr(Kept(1), name)


def test_a_field_that_holds_its_own_instance_is_told_as_dots() -> None:
    one = simple(slim.dataclass)(1)
    one.c = one
    assert repr(one).endswith("c=...)")


def test_a_child_without_fields_may_have_more_attributes_but_keeps_those_of_its_frozen_parent() -> None:
    class Child(simple(slim.dataclass, frozen=True)):  # type: ignore[misc]
        pass

    one = Child(1)
    one.more = 2
    assert one.more == 2
    with pytest.raises(FrozenInstanceError):
        one.a = 2
    del one.more
    with pytest.raises(FrozenInstanceError):
        del one.a


def test_a_child_of_one_that_is_filled_while_open_is_a_child() -> None:
    @slim.dataclass(frozen=True, slots=True)
    class Four:
        a: int
        b: int = 2
        c: int = 3
        d: int = 4

    class Child(Four):
        pass

    for kind in (Four, Child):
        one = kind(1, d=9)
        assert type(one) is kind and dataclasses.astuple(one) == (1, 2, 3, 9)
        with pytest.raises(FrozenInstanceError):
            one.a = 5  # type: ignore[misc]


def test_methods_are_written_when_they_are_needed_and_once() -> None:
    kind = simple(slim.dataclass, frozen=True, slots=True)
    late = {"__init__", "__eq__", "__hash__"}
    assert {name for name in vars(kind) if isinstance(vars(kind)[name], slim.Unwritten)} == late
    kind(1)
    written = vars(kind)["__init__"]
    assert isinstance(written, FunctionType)
    kind(2)
    assert vars(kind)["__init__"] is written
    assert isinstance(vars(kind)["__eq__"], slim.Unwritten)


def test_threads_that_make_the_first_instances_all_get_whole_ones() -> None:
    kinds = [simple(slim.dataclass, frozen=True, slots=True) for _ in range(50)]
    made: list[Any] = []
    gate = threading.Barrier(4)

    def make() -> None:
        gate.wait()
        made.extend(kind(1) for kind in kinds)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 200
    assert {(each.a, each.b, len(each.c)) for each in made} == {(1, "x", 0)}


def test_a_class_whose_module_is_gone_still_works() -> None:
    kind = simple(slim.dataclass)
    name, kind.__module__ = kind.__module__, "nowhere"
    assert kind.__module__ not in sys.modules
    assert kind(1).a == 1
    kind.__module__ = name


def test_every_dataclass_of_ours_is_slim() -> None:
    heavy = [
        path.relative_to(HOUSE).as_posix()
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if any(alias.name == "dataclass" for alias in node.names)
    ]
    assert heavy == ["slim.py"]
