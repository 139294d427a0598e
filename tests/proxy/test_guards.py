"""What stops a client that runs away, each limit by example and by law."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.config import Guards
from ccr_tui.errors import BadRequest, ProxyError
from ccr_tui.proxy.guards import (
    Pace,
    Spent,
    check_budgets,
    check_calls,
    check_pace,
    check_window,
    repeats,
)
from ccr_tui.proxy.overflow import overflow
from ccr_tui.records import Attempt, Json, Trace, Usage
from ccr_tui.tokens import Estimate

DOLLAR = 1_000_000_000
DAY = date(2026, 11, 22)


def stopped(check: Any, *arguments: Any) -> ProxyError:
    with pytest.raises(ProxyError) as caught:
        check(*arguments)
    assert caught.value.should_retry is False, "Claude Code must not retry"
    return caught.value


# ---------------------------------------------------------------- going round in a circle


def said(text: str = "Go on.") -> Json:
    return {"role": "user", "content": text}


def step(*inputs: Json, text: str = "") -> list[Json]:
    """An assistant message that calls a tool once for each input, and the results."""
    calls = [{"type": "tool_use", "id": f"t{n}", "name": "Bash", "input": one} for n, one in enumerate(inputs)]
    results = [{"type": "tool_result", "tool_use_id": f"t{n}", "content": f"{n}"} for n in range(len(inputs))]
    words = [{"type": "text", "text": text}] if text else []
    return [{"role": "assistant", "content": [*words, *calls]}, {"role": "user", "content": results}]


A, B = {"command": "ls"}, {"command": "pwd"}


def talk(*parts: Any) -> Json:
    return {"messages": [message for part in parts for message in (part if isinstance(part, list) else [part])]}


NUDGED = [
    step(A)[0],
    {
        "role": "user",
        "content": [*step(A)[1]["content"], {"type": "text", "text": "<system-reminder>x</system-reminder>"}],
    },
]
PRESSED = [
    step(A)[0],
    {
        "role": "user",
        "content": [*step(A)[1]["content"], {"type": "text", "text": "[Request interrupted by user for tool use]"}],
    },
]


@pytest.mark.parametrize(
    ("body", "times"),
    [
        pytest.param(talk(said()), 0, id="a question"),
        pytest.param(talk(said(), step(A)), 1, id="once"),
        pytest.param(talk(said(), step(A) * 3), 3, id="three times"),
        pytest.param(talk(said(), step(A) * 3, step(B)), 1, id="then another"),
        pytest.param(talk(said(), step(B), step(A) * 2), 2, id="another before"),
        pytest.param(talk(said(), step(A, text="Hm."), step(A, text="Once more.")), 2, id="whatever it says"),
        pytest.param(talk(said(), step(A, B) * 4), 4, id="the same two at once"),
        pytest.param(talk(said(), step(A, B), step(B, A)), 1, id="another order"),
        pytest.param(talk(said(), step(A, A), step(A)), 3, id="twice at once counts twice"),
        pytest.param(talk(said(), step(A) * 5, said()), 0, id="a person spoke"),
        pytest.param(talk(said(), step(A) * 5, said(), step(A)), 1, id="since a person spoke"),
        pytest.param(talk(said(), NUDGED * 3), 3, id="the client's reminders are nobody's words"),
        pytest.param(talk(said(), step(A), PRESSED, step(A)), 1, id="a person pressed Escape"),
        pytest.param(
            talk(said(), step(A), {"role": "system", "content": []}, step(A)), 2, id="a system message between"
        ),
        pytest.param(talk(said(), {"role": "assistant", "content": "No."}, step(A)), 1, id="text alone ends a loop"),
    ],
)
def test_how_often_the_newest_loop_repeats_itself(body: Json, times: int) -> None:
    assert repeats(body) == times


def test_a_circle_is_stopped_and_says_which_key_allows_it() -> None:
    guards = Guards(repeated_calls=12)
    check_calls(talk(said(), step(A) * 12), guards)
    error = stopped(check_calls, talk(said(), step(A) * 13), guards)
    assert (error.status, error.type) == (400, "invalid_request_error")
    assert "Bash" in error.message and "guards.repeated_calls" in error.message
    check_calls(talk(said(), step(A) * 99), Guards(repeated_calls=None))


INPUTS = st.sampled_from([A, B, {"command": "ls", "n": 1}, {}])


@given(st.lists(st.lists(INPUTS, min_size=1, max_size=3), max_size=8), st.integers(1, 9), INPUTS)
def test_what_came_before_never_hides_a_circle(before: list[list[Json]], times: int, call: Json) -> None:
    earlier = [step(*inputs) for inputs in before]
    assert repeats(talk(said(), *earlier, *[step(call)] * times)) >= times
    assert repeats(talk(said(), *earlier, said(), *[step(call)] * times)) == times


@given(st.lists(st.integers(), unique=True, max_size=30))
def test_different_inputs_are_no_circle(inputs: list[int]) -> None:
    assert repeats(talk(said(), *[step({"n": n}) for n in inputs])) <= 1


# ---------------------------------------------------------------- requests a minute


def test_a_session_that_asks_too_often_is_stopped_for_a_while() -> None:
    pace, guards = Pace(), Guards(requests_per_minute=3)
    for at in (0, 10, 20):
        check_pace("s", at, guards, pace)
    error = stopped(check_pace, "s", 59, guards, pace)
    assert (error.status, error.type, error.retry_after) == (429, "rate_limit_error", None)
    assert "guards.requests_per_minute" in error.message
    check_pace("other", 59, guards, pace)
    check_pace("s", 60, guards, pace)
    stopped(check_pace, "s", 61, guards, pace)


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_no_minute_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    pace, now, let = Pace(), 0.0, list[float]()
    for pause in pauses:
        now += pause
        recent = [at for at in let if now - at < 60]
        assert pace.admit("s", now, limit) == (len(recent) < limit)
        let += [now] if len(recent) < limit else []


# ---------------------------------------------------------------- money


def trace(cost: int | None, at: float = 0.0, session: str | None = "s") -> Trace:
    attempt = Attempt(
        n=1, purpose="answer", provider="p", model="m", sent={}, started_at=at, ttft_ms=None, duration_ms=1, status=200,
        stop_reason="end_turn", usage=Usage(input=1), price=None, cost=cost, cost_basis="list",
    )  # fmt: skip
    return Trace(
        uid="u", origin="live", kind="main", session=session, project=None, agent_id=None, asked_model="",
        streamed=True, body={}, raw=None, headers={}, decision=None, attempts=(attempt, attempt), reply=None,
        timeline=(), outcome="ok", status=200, failure=None, estimate=None, started_at=at, ttft_ms=None, duration_ms=1,
    )  # fmt: skip


def test_a_day_s_budget() -> None:
    spent, guards = Spent(), Guards(budget_per_day=5 * DOLLAR)
    spent.seed(DAY, 4 * DOLLAR, 2, {})
    check_budgets("s", DAY, guards, spent)
    spent.seed(DAY, 5 * DOLLAR, 2, {})
    error = stopped(check_budgets, "s", DAY, guards, spent)
    assert (error.status, error.type) == (402, "billing_error")
    assert "$5.00" in error.message and "guards.budget_per_day" in error.message
    assert "2 answers of unknown price" in error.message
    check_budgets("s", DAY + timedelta(days=1), guards, spent)


def test_a_session_s_budget() -> None:
    spent, guards = Spent(), Guards(budget_per_session=DOLLAR)
    spent.seed(DAY, 0, 0, {"s": DOLLAR, "t": DOLLAR - 1})
    error = stopped(check_budgets, "s", DAY, guards, spent)
    assert (error.status, error.type) == (402, "billing_error")
    assert "guards.budget_per_session" in error.message
    check_budgets("t", DAY, guards, spent)
    check_budgets(None, DAY, guards, spent)


def test_a_budget_of_nothing_stops_all() -> None:
    stopped(check_budgets, "s", DAY, Guards(budget_per_day=0), Spent())


def test_every_attempt_is_paid_and_unknown_prices_are_counted() -> None:
    spent = Spent()
    spent.land(trace(3))
    spent.land(trace(None))
    assert (spent.on(date.fromtimestamp(0)), spent.unpriced, spent.sessions) == (6, 1, {"s": 6})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from(["s", "t", None])), max_size=20))
def test_a_day_holds_its_own_and_a_session_all_its_days(landed: list[tuple[int, int, str | None]]) -> None:
    spent, day_s = Spent(), 86_400.0
    ordered = sorted(landed, key=lambda one: one[0])
    for day, cost, session in ordered:
        spent.land(trace(cost, at=day * day_s, session=session))
    last = ordered[-1][0] if ordered else 0
    assert spent.on(date.fromtimestamp(last * day_s)) == sum(2 * cost for day, cost, _ in landed if day == last)
    for session in ("s", "t"):
        assert spent.sessions.get(session, 0) == sum(2 * cost for _, cost, own in landed if own == session)


def test_a_request_that_began_yesterday_is_not_today_s() -> None:
    spent = Spent()
    spent.land(trace(5, at=86_400.0))
    spent.land(trace(7, at=0.0))
    assert spent.on(date.fromtimestamp(86_400)) == 10


# ---------------------------------------------------------------- a model's window


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.one_of(st.none(), st.floats(0, 1)))
def test_the_window(tokens: int, window: int, error: float | None) -> None:
    try:
        check_window(Estimate(tokens, error, 5), window, "m")
    except BadRequest as stop:
        assert tokens > window, "what fits is never refused"
        found = overflow(stop.message)
        assert found and (found.input, found.limit) == (tokens, window), "the words that Claude Code compacts at"
        assert stop.should_retry is False and "agents.long_context" in stop.message
    else:
        assert tokens <= window or tokens * (1 - (0.1 if error is None else error)) <= window
