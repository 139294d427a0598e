"""What the test of a model finds out, over real sockets: a badge for every ability that it has or lacks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from able import ALL, Able, refusal
from places import KEY, closed_port
from scenarios import Plain

from ccr_tui import assembly, host, wiretest
from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import NotFound
from ccr_tui.feed import Feed
from ccr_tui.proxy.engine import Engine
from ccr_tui.records import Badge, Price, Trace
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Calibration, Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRICE = Price(input=1_000_000_000, output=4_000_000_000, basis="user")
HOUSE = Path(__file__).parent.parent.parent
NAMES = [check.__name__ for check in wiretest.CHECKS]


def config_of(upstream: Able, **model: Any) -> Config:
    providers = {"p": Provider("p", "openai", upstream.base_url, api_key=KEY)}
    fields = {"price": PRICE, "quirks": {"thinking": "reasoning_effort"}, **model}
    return Config(
        providers=providers,
        models={"m": Model("m", "p", **{"id": "scripted-model", **fields})},
        agents={"default": ("m",)},
    )


@asynccontextmanager
async def engine_for(config: Config, counter: Counter) -> AsyncIterator[Engine]:
    """An engine that does not listen: its context is all that a test needs."""
    engine = Engine(config, Feed(), counter, Calibration(), lambda *_: None)
    try:
        yield engine
    finally:
        await engine.stop(0)


async def found(config: Config, counter: Counter, name: str = "m") -> dict[str, Badge]:
    async with engine_for(config, counter) as engine:
        badges = [badge async for badge in wiretest.run(engine.context, name, pause_s=0.0)]
        assert engine.feed.board == {}
    assert [badge.check for badge in badges] == NAMES
    return {badge.check: badge for badge in badges}


CASES: list[tuple[str, dict[str, str], str]] = [
    ("", {}, ""),
    ("streaming", {"streaming": "no"}, "came whole"),
    ("tools", {"tools": "no", "parallel_tools": "failed"}, "wrote the call as text"),
    ("results", {"tools": "no", "parallel_tools": "failed"}, "but then: .*role 'tool'"),
    ("parallel", {"parallel_tools": "no"}, "one city at a time"),
    ("reasoning", {"reasoning": "no"}, "no reasoning came"),
    ("schema", {"json_schema": "no"}, "Paris, of course"),
    ("cache", {"cached_usage": "no"}, "hardly any cached tokens"),
    ("usage", {"cached_usage": "no"}, "reports no usage"),
    ("system", {"mid_system": "no"}, "not heard: I do not know"),
]


@pytest.mark.parametrize(("without", "lacking", "said"), CASES, ids=[case[0] or "everything" for case in CASES])
async def test_each_ability_is_found_and_missed(
    counter: Counter, without: str, lacking: dict[str, str], said: str
) -> None:
    async with Able(KEY, can=ALL - {without}) as upstream:
        badges = await found(config_of(upstream), counter)
        assert upstream.faults == []
    assert {name: badge.ability for name, badge in badges.items()} == {**dict.fromkeys(NAMES, "ok"), **lacking}
    for name in lacking:
        assert re.search(said if name == next(iter(lacking)) else "Not tried, because tools", badges[name].sentence)


async def test_a_badge_tells_time_and_money(counter: Counter) -> None:
    async with Able(KEY) as upstream:
        badges = await found(config_of(upstream), counter)
        free = await found(config_of(upstream, price=None), counter)
    one = 3000 * 1_000 + 20 * 4_000  # one request at the prices above, in nano-USD
    assert (badges["auth"].cost, badges["one_token"].cost, badges["models"].cost) == (one, 0, 0)
    assert badges["tools"].cost == 2 * one
    assert badges["tools"].at > 1_700_000_000
    assert free["tools"].cost is None, "a price that nobody knows is not 0"


TROUBLE: list[tuple[str, Plain, str, str, str]] = [
    ("refused", refusal("no such thing"), "ok", "no", "no such thing"),
    ("overloaded", Plain(503, "busy", content_type="text/plain"), "failed", "failed", "503|overloaded|busy"),
    ("forbidden", Plain(403, {"error": {"message": "not for you"}}), "no", "failed", "not for you"),
    ("no money", Plain(402, {"error": {"message": "Insufficient Balance"}}), "ok", "failed", "Insufficient Balance"),
]


@pytest.mark.parametrize(("plain", "auth", "one", "said"), [case[1:] for case in TROUBLE], ids=[c[0] for c in TROUBLE])
async def test_trouble_is_told_from_inability(counter: Counter, plain: Plain, auth: str, one: str, said: str) -> None:
    async with Able(KEY) as upstream:
        upstream.plain = plain
        badges = await found(config_of(upstream), counter)
    assert (badges["auth"].ability, badges["one_token"].ability) == (auth, one)
    told = badges["auth"] if auth != "ok" else badges["one_token"]
    assert re.search(said, told.sentence)
    assert {badges[name].ability for name in NAMES[3:]} == {"failed"}


async def test_a_wrong_key_a_missing_one_and_a_dead_server(counter: Counter) -> None:
    async with Able("another key") as upstream:
        wrong = await found(config_of(upstream), counter)
        config = config_of(upstream)
        unset = replace(config.providers["p"], api_key="$NOT_SET_ANYWHERE")
        missing = await found(replace(config, providers={"p": unset}), counter)
        dead = replace(config.providers["p"], base_url=f"http://127.0.0.1:{closed_port()}/v1")
        gone = await found(replace(config, providers={"p": dead}), counter)
    assert wrong["auth"].ability == "no"
    assert KEY not in str(wrong)
    assert (missing["auth"].ability, missing["models"].ability) == ("failed", "failed")
    assert "NOT_SET_ANYWHERE" in missing["auth"].sentence
    assert "refuses the connection" in gone["auth"].sentence
    assert gone["streaming"].sentence == "Not tried, because one_token did not pass."


async def test_an_unknown_id_is_told_with_what_there_is(counter: Counter) -> None:
    async with Able(KEY) as upstream:
        badges = await found(config_of(upstream, id="scripted-modell"), counter)
    assert (badges["auth"].ability, badges["models"].ability, badges["one_token"].ability) == ("ok", "no", "no")
    assert "did you mean 'scripted-model'?" in badges["models"].sentence


async def test_a_model_that_nobody_knows_is_not_found(counter: Counter) -> None:
    async with Able(KEY) as upstream, engine_for(config_of(upstream), counter) as engine:
        with pytest.raises(NotFound):
            await anext(wiretest.run(engine.context, "nobody"))


async def test_neither_router_nor_rules_nor_fallbacks_stand_in_its_way(counter: Counter) -> None:
    async with Able(KEY) as upstream:
        config = config_of(upstream)
        models = {**config.models, "r": Model("r", "p", "router-model")}
        agents = {"default": ("r", "m"), "router": ("r",), "tool": ("r",), "think": ("r",), "long_context": ("r",)}
        badges = await found(replace(config, mode="router", models=models, agents=agents), counter)
        assert {request.body["model"] for request in upstream.of("test")} == {"scripted-model"}
    assert {badge.ability for badge in badges.values()} == {"ok"}


async def test_the_demo_model_is_tested_with_no_network(counter: Counter, tmp_path: Path) -> None:
    config = assembly.load({}, {"CCR_TUI_CONFIG": str(tmp_path / "none.toml")}, tmp_path)
    async with engine_for(config, counter) as engine:
        testing = wiretest.run(engine.context, "demo")
        badges = [await anext(testing) for _ in range(3)]
        await testing.aclose()
    assert [(badge.check, badge.ability) for badge in badges] == [(name, "ok") for name in NAMES[:3]]


async def test_a_test_that_is_broken_off_is_paid_for(tmp_path: Path, counter: Counter) -> None:
    async with Able(KEY) as upstream, host.open(replace(config_of(upstream), db=tmp_path / "ccr.db"), counter) as house:
        async with aclosing(house.test("m")) as testing:
            (first, *_) = [await anext(testing) for _ in range(4)]
        assert house.reader.paid().requests == len(upstream.of("test"))
        assert house.reader.paid().cost > (first.cost or 0) > 0
        assert house.reader.today().cost == 0


async def test_a_whole_test_is_what_is_announced(counter: Counter) -> None:
    sent: list[Trace] = []
    async with Able(KEY, can=ALL - {"cache"}) as upstream, engine_for(config_of(upstream), counter) as engine:
        async for _ in wiretest.run(engine.context, "m", pause_s=0.0, sent=sent.append):
            pass
    assert len(sent) == wiretest.QUESTIONS, "the most of all"
    assert wiretest.USES.prompt * 0.5 < sum(trace.estimate or 0 for trace in sent) < wiretest.USES.prompt * 2


async def doctor(upstream: Able, folder: Path, *args: str) -> tuple[int, str, str]:
    """`ccr-tui doctor` as a script calls it, with the upstream's model configured as m."""
    (folder / "config.toml").write_text(
        f'[providers.p]\nbase_url = "{upstream.base_url}"\napi_key = "{KEY}"\n'
        '[models.m]\nid = "scripted-model"\nprice = { input = 1, output = 4 }\n'
    )
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    places = {"CCR_TUI_CONFIG": str(folder / "config.toml"), "CCR_TUI_DB": str(folder / "ccr.db"), "HOME": str(folder)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ccr_tui", "doctor", *args, cwd=folder, env={**kept, **places, "PYTHONPATH": str(HOUSE)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    return child.returncode or 0, out.decode(), err.decode()


async def test_the_doctor_prints_and_keeps_what_it_found(tmp_path: Path) -> None:
    async with Able(KEY, can=ALL - {"parallel"}) as upstream:
        code, out, err = await doctor(upstream, tmp_path, "--model", "m", "--json")
    assert (code, err) == (0, "m serves Claude Code\n"), "parallel tools are no need"
    told = json.loads(out)
    assert (told["ok"], told["model"], told["provider"], told["id"]) == (True, "m", "p", "scripted-model")
    assert [check["name"] for check in told["checks"]] == NAMES
    parallel = next(check for check in told["checks"] if check["name"] == "parallel_tools")
    assert (parallel["ok"], parallel["ability"], parallel["needed"]) == (False, "no", False)
    assert parallel["cost_usd"] == "0.00308"
    kept = Reader(tmp_path / "ccr.db").badges()["p", "scripted-model"]
    assert {badge.check: badge.ability for badge in kept}["parallel_tools"] == "no"
    paid = Reader(tmp_path / "ccr.db").paid()
    assert (paid.cost, paid.unpriced) == (sum(badge.cost or 0 for badge in kept), 0)
    assert paid.requests == len(upstream.of("test"))
    assert KEY not in out + err + str(kept)


async def test_the_doctor_ends_with_3_where_claude_code_would_fail(tmp_path: Path) -> None:
    async with Able(KEY, can=ALL - {"tools"}) as upstream:
        code, out, err = await doctor(upstream, tmp_path, "--model", "m")
    assert code == 3
    assert [line.split()[1] for line in out.splitlines()] == NAMES
    assert "lacks what Claude Code needs: tools" in err
