"""Garbage is searched for when nobody is at it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from ccr_tui import sweeping


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """As they were; and Python itself does not look meanwhile."""
    before = gc.get_threshold()
    gc.collect()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.collect()


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def work(searches: int) -> None:
    """As much as Python answers with so many smaller searches."""
    for _ in range(searches):
        gc.collect(1)


def test_what_was_worked_is_swept_once_nothing_more_is() -> None:
    sweep, knot = sweeping.Sweep(), Knot()
    gone = ref(knot)
    work(sweeping.LEAST)
    del knot
    gc.collect(1)
    assert not sweep.look()  # somebody has worked since the look before
    assert sweep.look()
    assert gone() is None
    assert not sweep.look()  # once


def test_what_came_after_the_first_picture_and_stays_is_left_out_from_then_on() -> None:
    sweep, stays = sweeping.Sweep(), Knot()
    work(sweeping.LEAST)
    assert not sweep.look()
    assert any(each is stays for each in gc.get_objects())
    assert sweep.look()
    assert not any(each is stays for each in gc.get_objects())
    comes = Knot()
    work(sweeping.LEAST)
    assert not sweep.look()
    assert sweep.look()
    assert any(each is comes for each in gc.get_objects())  # only the first time


def test_little_work_is_not_swept_after() -> None:
    sweep = sweeping.Sweep()
    work(sweeping.LEAST - 1)
    assert not [None for _ in range(4) if sweep.look()]


def test_who_is_at_it_is_not_held_up() -> None:
    sweep = sweeping.Sweep()
    for _ in range(6):
        work(sweeping.LEAST)
        assert not sweep.look()


def test_python_does_it_by_itself_where_nobody_rests() -> None:
    sweeping.Sweep()
    assert gc.get_threshold()[2] == sweeping.MOST
    assert gc.isenabled()
