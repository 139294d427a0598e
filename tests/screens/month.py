"""A month of work, made up by rule: what the picture of the Spend screen shows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import generated

from ccr_tui.prices import cost
from ccr_tui.records import Attempt, Price, RouteDecision, Trace, Usage

TABLE = {"since": "2026-11-22", "source": "the project's table"}
PRICES = {
    ("dashscope-intl", "qwen3.8-max"): Price(1_200_000_000, 6_000_000_000, 120_000_000, **TABLE),
    ("deepseek", "deepseek-flash"): Price(150_000_000, 600_000_000, 3_000_000, **TABLE),
    ("deepseek", "deepseek-v4-pro"): Price(550_000_000, 2_190_000_000, 55_000_000, **TABLE),
    ("local", "qwen2.5-coder-3b"): Price(20_000_000, 20_000_000, **TABLE),
}
ANSWERING = list(PRICES)[:3]
PROJECTS = ("/home/ada/engine", "/home/ada/web", "/home/ada/ccr-tui")
WANTED = (
    *("Find out why the last record is dropped", "Write the missing tests", "Make it twice as fast", "Mend the types"),
    *("Tidy up what is said in errors", "Add a --json flag", "Look for races", "Say in the README what is new"),
)
WHERE = ("in the parser", "in the importer", "on the start page", "in the cache", "in the command line")
HOURS = (9, 10, 11, 14, 15, 16, 20)


def month(now: datetime, days: int = 30, sessions: int = 3, seed: int = 7) -> Iterator[Trace]:
    """Every session of `days` days up to `now`; fewer on weekends, some of them in Router mode."""
    chance = random.Random(seed)
    for ago in range(days, -1, -1):
        day = (now - timedelta(days=ago)).replace(hour=0, minute=0, second=0, microsecond=0)
        most = 1 if day.weekday() > 4 else sessions + chance.randrange(-1, 3)
        for number in range(most):
            start = day.timestamp() + chance.choice(HOURS) * 3600 + chance.random() * 3600
            yield from session(chance, start, now.timestamp(), routed=number % 2 == 1)


def session(chance: random.Random, at: float, end: float, routed: bool) -> Iterator[Trace]:
    """A conversation that grows; now and then the model changes, and a thinking agent works before the answer."""
    uid, project, size, who = identity(chance), chance.choice(PROJECTS), 14_000, ANSWERING[0]
    messages: list[dict[str, Any]] = []
    for turn in range(chance.randrange(20, 60)):
        at += chance.uniform(5, 60)
        if at > end:
            return
        size += chance.randrange(200, 5_000)
        opens = turn % 9 == 0
        messages = [*messages, *said(chance, turn, opens)]
        who = chance.choices(ANSWERING, [6, 3, 1])[0] if opens else who
        cached = int(size * chance.choice([0.9, 0.93, 0.95, 0.2])) // 64 * 64 if turn else 0
        answer = call(1 + 2 * (routed and opens), who, Usage(size - cached, chance.randrange(50, 1_500), cached))
        before = asked(size) if routed and opens else ()
        mode, agent = ("router", "tool") if routed else ("normal", "default")
        yield generated.trace(
            identity(chance),
            {"model": "claude-opus-5-5", "max_tokens": 10, "messages": messages},
            session=uid, project=project, started_at=at, attempts=(*before, answer), asked_model="claude-opus-5-5",
            decision=RouteDecision(mode, agent, who[1], "router" if routed else "default", "by rule"),
            timeline=(), reply=None,
        )  # fmt: skip


def said(chance: random.Random, turn: int, opens: bool) -> Iterator[dict[str, Any]]:
    """What comes to the messages: a prompt, or a call of a tool and its result."""
    if opens:
        yield {"role": "user", "content": f"{chance.choice(WANTED)} {chance.choice(WHERE)}"}
        return
    name = chance.choice(("Read", "Grep", "Bash", "Edit"))
    yield {"role": "assistant", "content": [{"type": "tool_use", "id": f"t{turn}", "name": name, "input": {}}]}
    yield {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{turn}", "content": "done"}]}


def asked(size: int) -> tuple[Attempt, ...]:
    """The router, and the agent that it chose."""
    return (
        call(1, list(PRICES)[3], Usage(900, 8), "route"),
        call(2, ANSWERING[2], Usage(size // 2, 900), "think"),
    )


def call(n: int, who: tuple[str, str], usage: Usage, purpose: str = "answer") -> Attempt:
    price = PRICES[who]
    return generated.attempt(
        n, purpose=purpose, provider=who[0], model=who[1], usage=usage, price=price, cost=cost(usage, price),
        cost_basis="list", stream=(),
    )  # fmt: skip


def identity(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128)))
