"""Screens let the network have its turns: no row of messages holds the event loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import on
from textual.app import App, ComposeResult
from textual.message import Message
from textual.widget import Widget

from ccr_tui.screens import turns

turns.share()
LONG_S = turns.BUDGET_S * 1.2


class Clock:
    """Goes on as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Hops:
    """Counts the turns of the loop."""

    def __init__(self) -> None:
        self.count = 0
        self.ended = False

    def hop(self) -> None:
        self.count += 1
        if not self.ended:
            asyncio.get_running_loop().call_soon(self.hop)


async def worked(takes: list[float]) -> list[tuple[int, float]]:
    """Each of these begins in which turn of the loop, and how much was worked in the window that it began in."""
    clock, hops = Clock(), Hops()
    hops.hop()
    shared = turns.Turns(clock)
    begun: list[tuple[int, float]] = []

    async def work(takes: float) -> None:
        await shared.mine()
        begun.append((hops.count, clock.now))
        clock.now += takes

    await asyncio.gather(*(work(one) for one in takes))
    hops.ended = True
    return begun


@given(st.lists(st.floats(0, 4 * turns.BUDGET_S), min_size=1, max_size=12))
def test_no_turn_works_for_longer_than_its_budget_and_the_longest_of_its_messages(takes: list[float]) -> None:
    begun = asyncio.run(worked(takes))
    assert len(begun) == len(takes)
    window, since = begun[0]
    for turn, at in begun[1:]:
        if turn - window >= turns.TURNS:
            window, since = turn, at
        assert at - since < turns.BUDGET_S


def test_what_is_short_needs_no_turn_of_its_own() -> None:
    begun = asyncio.run(worked([0.0001] * 20))
    assert len({turn for turn, _ in begun}) == 1


def test_another_loop_begins_anew() -> None:
    shared = turns.Turns(lambda: 0.0)

    async def broken_off() -> None:
        await shared.mine()

    for _ in range(3):
        asyncio.run(asyncio.wait_for(broken_off(), 1))


class Work(Message):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Busy(Widget):
    """Holds the loop with each message."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[int, int]] = []

    @on(Work)
    def _work(self, work: Work) -> None:
        assert isinstance(self.app, Shown)
        self.done.append((work.number, self.app.hops.count))
        until = perf_counter() + LONG_S
        while perf_counter() < until:
            pass


class Shown(App[None]):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.busy = [Busy() for _ in range(count)]
        self.hops = Hops()

    def compose(self) -> ComposeResult:
        yield from self.busy


@pytest.mark.parametrize(("widgets", "messages"), [(1, 6), (6, 1), (3, 2)], ids=["one queue", "many", "both"])
async def test_the_network_has_turns_between_long_messages(widgets: int, messages: int) -> None:
    app = Shown(widgets)
    async with app.run_test() as pilot:
        app.hops.hop()
        for number in range(messages):
            for busy in app.busy:
                busy.post_message(Work(number))
        await pilot.pause()
        app.hops.ended = True
    for busy in app.busy:
        assert [number for number, _ in busy.done] == list(range(messages))  # a widget's own order stays
    at = sorted(turn for busy in app.busy for _, turn in busy.done)
    # who counts turns may come before a message in one turn, and after it in another
    assert all(later - turn >= turns.TURNS - 1 for turn, later in pairwise(at))
