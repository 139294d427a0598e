"""What stops a client that runs away: repeated tool calls, requests a minute, money, and a model's window.

Owns the limits and what has been spent against them. Must never do I/O or look at a clock; times are arguments. Every
trip is an error with `x-should-retry: false` and a sentence that names the key in config.toml. The surprises: what runs
is not counted until it has ended, so a budget can be passed by what is in flight; an unknown price counts as nothing,
and the sentence says so; and the window's sentence is the one that makes Claude Code compact (measured with 2.1.330).

Statuses, measured with 2.1.330 and x-should-retry false (one request, no second): 402 and 429 are shown with the
sentence, 400 too; 403 is shown as "Failed to authenticate", which would mislead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import date

from ccr_tui.config import Guards
from ccr_tui.errors import BadRequest, ProxyError
from ccr_tui.prices import show
from ccr_tui.proxy.asked import texts_of
from ccr_tui.proxy.shortening import cure
from ccr_tui.proxy.turn import INTERRUPTED
from ccr_tui.records import Json, Trace
from ccr_tui.tokens import Estimate

MINUTE_S = 60.0
UNSURE = 0.1
"""How far an estimate may be off before anything has been learned about the model's tokens."""
BYTES_A_TOKEN = 2
"""Text has more bytes a token than this, so a smaller request need not be counted to know that it fits."""
SESSIONS = 1000
"""Sessions whose pace is remembered."""


class Spent:
    """Nano-USD spent today (by the local date) and by each session, as far as prices are known."""

    def __init__(self) -> None:
        self.day: date | None = None
        self.today = 0
        self.unpriced = 0
        """Answers of today whose price is unknown."""
        self.sessions: dict[str, int] = {}

    def seed(self, day: date, today: int, unpriced: int, sessions: Mapping[str, int]) -> None:
        """Take up what was spent before the program started."""
        self.day, self.today, self.unpriced = day, today, unpriced
        self.sessions = dict(sessions)

    def land(self, trace: Trace) -> None:
        """Add a finished request, by the day on which it began."""
        cost = sum(attempt.cost or 0 for attempt in trace.attempts)
        if self._is_today(date.fromtimestamp(trace.started_at)):
            self.today += cost
            self.unpriced += any(attempt.usage and attempt.cost is None for attempt in trace.attempts)
        if trace.session:
            self.sessions[trace.session] = self.sessions.get(trace.session, 0) + cost

    def on(self, day: date) -> int:
        """What was spent on this day."""
        return self.today if self._is_today(day) else 0

    def _is_today(self, day: date) -> bool:
        """A later day than the one that is counted begins a new count."""
        if self.day is None or day > self.day:
            self.day, self.today, self.unpriced = day, 0, 0
        return day == self.day


class Pace:
    """When each session's requests of the last minute came."""

    def __init__(self) -> None:
        self._came: dict[str | None, deque[float]] = {}

    def admit(self, session: str | None, now: float, limit: int) -> bool:
        """Whether one more is within the limit; then it is counted. Requests without a session are taken together."""
        came = self._came.pop(session, deque())
        self._came[session] = came
        while len(self._came) > SESSIONS:
            del self._came[next(iter(self._came))]
        while came and now - came[0] >= MINUTE_S:
            came.popleft()
        if len(came) >= limit:
            return False
        came.append(now)
        return True


def check_calls(body: Json, guards: Guards) -> None:
    """Raises BadRequest where the client's tools go round in a circle."""
    limit = guards.repeated_calls
    if limit is None or len(body["messages"]) <= 2 * limit or repeats(body) <= limit:
        return
    name = newest_calls(body)[0][0]
    raise BadRequest(
        f"Stopped: the tool {name} was called {limit + 1} times in a row with the very same input, so the work goes "
        "round in a circle. Say how to go on, or raise guards.repeated_calls in config.toml (0 turns it off).",
        should_retry=False,
    )


def check_pace(session: str | None, now: float, guards: Guards, pace: Pace) -> None:
    """Raises ProxyError where a session asks too often. `now` is of any clock that does not go back."""
    limit = guards.requests_per_minute
    if limit is None or pace.admit(session, now, limit):
        return
    raise ProxyError(
        f"Stopped: this session has made {limit} requests within a minute. Wait a moment and go on, or raise "
        "guards.requests_per_minute in config.toml (0 turns it off).",
        status=429,
        type="rate_limit_error",
        should_retry=False,
    )


def check_budgets(session: str | None, day: date, guards: Guards, spent: Spent) -> None:
    """Raises ProxyError where the money for the day or for the session is spent."""
    daily, own = guards.budget_per_day, guards.budget_per_session
    if daily is not None and spent.on(day) >= daily:
        unknown = f" ({spent.unpriced} answers of unknown price not counted)" if spent.unpriced else ""
        raise over(
            f"Stopped: today's budget of {show(daily)} is spent ({show(spent.on(day))}{unknown}). Wait for "
            "tomorrow, or raise guards.budget_per_day in config.toml."
        )
    used = spent.sessions.get(session or "", 0)
    if own is not None and session and used >= own:
        raise over(
            f"Stopped: this session's budget of {show(own)} is spent ({show(used)}). Begin a new session, or raise "
            "guards.budget_per_session in config.toml."
        )


def over(sentence: str) -> ProxyError:
    """The error for a budget that is spent."""
    return ProxyError(sentence, status=402, type="billing_error", should_retry=False)


def check_window(estimate: Estimate, window: int, model: str, body: Json = None) -> None:
    """Raises BadRequest in the words that make Claude Code compact, where the input surely is over the window."""
    unsure = UNSURE if estimate.error is None else estimate.error
    if estimate.tokens * (1 - unsure) <= window:
        return
    larger = (
        f"set agents.long_context in config.toml to a model with a larger window than {model} (models.{model}.context)"
    )
    raise BadRequest(
        f"prompt is too long: {estimate.tokens} tokens > {window} maximum. "
        f"{cure(body, estimate.tokens, window, larger)}",
        should_retry=False,
    )


Call = tuple[str, Json]
"""A tool's name and its input."""


def repeats(body: Json) -> int:
    """How many times in a row, up to now, the newest tool loop made the very same calls.

    Several calls at once are one step; a step of one call that stands in it twice counts twice.
    """
    steps = _steps(body)
    if not steps:
        return 0
    newest = steps[0]
    single = all(call == newest[0] for call in newest)
    count = 0
    for step in steps:
        if single and all(call == newest[0] for call in step):
            count += len(step)
        elif step == newest:
            count += 1
        else:
            break
    return count


def newest_calls(body: Json) -> list[Call]:
    """The calls of the newest step of the tool loop; empty outside of one."""
    return next(iter(_steps(body)), [])


def _steps(body: Json) -> list[list[Call]]:
    """The steps of the newest tool loop, newest first: each assistant message's calls, since a person last spoke."""
    steps: list[list[Call]] = []
    for message in reversed(body["messages"]):
        if message["role"] == "user" and _is_persons(message):
            break
        if message["role"] == "assistant":
            calls = [(block["name"], block["input"]) for block in _blocks(message, "tool_use")]
            if not calls:
                break
            steps.append(calls)
    return steps


def _is_persons(message: Json) -> bool:
    """Whether a user message begins something new; one with tool results only does where the person stepped in."""
    if any(text.startswith(INTERRUPTED) for text in texts_of(message["content"])):
        return True
    return not any(True for _ in _blocks(message, "tool_result"))


def _blocks(message: Json, kind: str) -> list[Json]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if block["type"] == kind]
