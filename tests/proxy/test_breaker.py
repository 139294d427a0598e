"""When a provider is passed over, and when it is tried again: by example, and against a model of few words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.config import Patience
from ccr_tui.proxy.breaker import Breaker, Breakers

P = Patience(breaker_failures=3, breaker_window_s=60, breaker_rest_s=30)


def after(*failures: float) -> Breaker:
    breaker = Breaker()
    for at in failures:
        breaker.failed(at, P)
    return breaker


@pytest.mark.parametrize(
    ("failures", "now", "state"),
    [
        pytest.param((), 0, "closed", id="new"),
        pytest.param((0, 1), 1, "closed", id="too few"),
        pytest.param((0, 1, 2), 2, "open", id="enough"),
        pytest.param((0, 30, 60), 60, "open", id="just within the window"),
        pytest.param((0, 30, 61), 61, "closed", id="the first is too long ago"),
        pytest.param((0, 1, 2), 31.9, "open", id="still resting"),
        pytest.param((0, 1, 2), 32, "half_open", id="rested"),
        pytest.param((0, 1, 2, 20), 49, "open", id="a failure that came late begins the rest anew"),
    ],
)
def test_the_state(failures: tuple[float, ...], now: float, state: str) -> None:
    assert after(*failures).state(now) == state


def test_one_request_tries_it_after_the_rest_and_an_answer_closes_it() -> None:
    breaker = after(0, 1, 2)
    assert not breaker.admit(31, P)
    assert breaker.admit(32, P)
    assert breaker.state(33) == "half_open"
    assert not breaker.admit(33, P), "one at a time"
    breaker.answered()
    assert (breaker.state(34), breaker.admit(34, P)) == ("closed", True)


def test_a_trial_that_fails_begins_another_rest() -> None:
    breaker = after(0, 1, 2)
    assert breaker.admit(32, P)
    breaker.failed(33, P)
    assert (breaker.state(33), breaker.state(62), breaker.state(63)) == ("open", "open", "half_open")


def test_a_trial_that_is_never_heard_of_again_blocks_for_one_rest_only() -> None:
    breaker = after(0, 1, 2)
    assert [breaker.admit(at, P) for at in (32, 61, 62)] == [True, False, True]


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = after(0, 1)
    breaker.answered()
    breaker.failed(2, P)
    assert breaker.state(2) == "closed"


def test_health_tells_of_those_that_failed_only() -> None:
    breakers = Breakers()
    breakers.of("quiet")
    for at in (0, 1, 2):
        breakers.of("loud").failed(at, P)
    assert breakers.health(12) == {"loud": {"state": "open", "failures": 3, "tried_again_in_s": 20.0}}
    assert breakers.why("loud", 12) == "loud failed 3 times in a row and is tried again in 20 s"


EVENTS = st.lists(st.tuples(st.sampled_from(["failed", "answered", "asks"]), st.floats(0, 40)), max_size=60)


@given(EVENTS, st.integers(1, 5))
def test_it_admits_all_while_closed_and_one_a_rest_otherwise(events: list[tuple[str, float]], limit: int) -> None:
    patience, breaker = replace(P, breaker_failures=limit), Breaker()
    now, row, shut = 0.0, list[float](), None
    for event, pause in events:
        now += pause
        if event == "answered":
            breaker.answered()
            row, shut = [], None
        elif event == "failed":
            breaker.failed(now, patience)
            row.append(now)
            recent = [at for at in row if now - at <= patience.breaker_window_s]
            shut = now if shut is not None or len(recent) >= limit else None
        else:
            free = shut is None or now >= shut + patience.breaker_rest_s
            assert breaker.admit(now, patience) == free
            shut = now if shut is not None and free else shut
