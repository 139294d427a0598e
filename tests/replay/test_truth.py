"""A reprice says what the same session really takes elsewhere: tokens, cached tokens, answers and money.

The session is recorded on one model, repriced for others, and then asked of those for real, at a provider that counts
and caches by rules of its own (keeping.py). What is learned of a model's tokens is learned from another session.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import generated
import pytest
import pytest_asyncio
from keeping import Keeping

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.prices import cost, usd
from ccr_tui.records import Price, Usage
from ccr_tui.replay import recordings
from ccr_tui.replay.words import Settings, StepResult
from ccr_tui.replay.work import Bench
from ccr_tui.store.filters import Filter
from ccr_tui.store.rows import TraceRow

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = pytest.mark.asyncio(loop_scope="session")

PRICE = Price(input=1_000_000_000, output=4_000_000_000, cache_read=100_000_000, source="test", basis="user")
FAMILIES = {"none": "generic", "blocks": "openai", "runs": "vllm", "units": "deepseek"}
TARGETS = ("digits-runs", "digits-units", "quarters-blocks")
ALL = ("whole-blocks", "whole-units", "digits-blocks", "digits-runs", "digits-units", "quarters-blocks", "digits-none")
"""For the table: `make truth`."""
SEEN, TAUGHT, TURNS = 3, 77, 14
"""Seeds of the session that is repriced and of the one that the models' tokens are learned from."""
LESSONS = 30
"""Turns of the latter: after 14, a text unlike any that came before has been missed by 4 %."""


@dataclass(frozen=True)
class Truth:
    """What was predicted for a model, and what it then took."""

    steps: list[tuple[StepResult, TraceRow]]

    def missed(self, figure: str) -> list[float]:
        """For each step, the share by which the prediction was off."""
        return sorted(off(*getattr(self, figure)(step, row)) for step, row in self.steps)

    def prompt(self, step: StepResult, row: TraceRow) -> tuple[int, int]:
        assert step.usage
        return step.usage.prompt, sent(row)

    def cached(self, step: StepResult, row: TraceRow) -> tuple[int, int]:
        assert step.usage
        return step.usage.cache_read, row.cache_read_tokens

    def output(self, step: StepResult, row: TraceRow) -> tuple[int, int]:
        assert step.usage
        return step.usage.output, row.output_tokens


def off(predicted: int, true: int) -> float:
    return abs(predicted - true) / max(1, true)


def sent(row: TraceRow) -> int:
    return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens


def p95(values: list[float]) -> float:
    return values[ceil(len(values) * 0.95) - 1]


def config(keeping: Keeping, folder: Path) -> Config:
    providers = {
        how: Provider(how, "openai", keeping.base_url, api_key="any", family=family) for how, family in FAMILIES.items()
    }
    names = ("whole-none", *ALL, *TARGETS)
    models = {name: Model(name, name.partition("-")[2], name, price=PRICE) for name in names}
    return Config(
        port=0, providers=providers, models=models, agents={"default": ("whole-none",)}, db=folder / "ccr.db",
        patience=Patience(waits_s=()),
    )  # fmt: skip


def encoding(counter: Counter) -> Callable[[str], list[int]]:
    counter.load()
    encode: Callable[[str], list[int]] = counter._core.encode_ordinary
    return encode


async def talk(http: aiohttp.ClientSession, address: str, model: str, session: str, seed: int, turns: int) -> None:
    """A session of Claude Code: its tools and system prompt, long results, and what the model says stays in it."""
    body = next(iter(generated.session(seed, 1, tools=20)))
    body |= {"metadata": {"user_id": json.dumps({"session_id": session})}, "stream": False}
    for turn in range(turns):
        async with http.post(f"{address}/v1/messages", json=body, headers={"x-ccr-model": model}) as response:
            assert response.status == 200, await response.text()
            said = (await response.json())["content"]
        body = {**body, "messages": [*body["messages"], {"role": "assistant", "content": said}, then(said, seed, turn)]}


def then(said: list[dict[str, Any]], seed: int, turn: int) -> dict[str, Any]:
    """What the client answers: the tool's result, or the person's next wish."""
    calls = [block["id"] for block in said if block["type"] == "tool_use"]
    long = generated._source(seed * 31 + turn * 7, (200, 2000, 6000, 12000)[(seed + turn) % 4])
    if not calls:
        return {
            "role": "user",
            "content": f"Good. Now do part {turn} as well; mind the naïve “quotes” and 中文. {long}",
        }
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": calls[0], "content": long}]}


async def found_out(
    counter: Counter, folder: Path, targets: tuple[str, ...] = TARGETS, turns: int = TURNS
) -> dict[str, Truth]:
    """Records on one model, teaches the others, predicts, and asks them."""
    async with (
        Keeping(encoding(counter), time.time) as keeping,
        host.open(config(keeping, folder), counter) as house,
        aiohttp.ClientSession() as http,
    ):
        address = house.engine.address
        await talk(http, address, "whole-none", "seen", SEEN, turns)
        for name in targets:
            await talk(http, address, name, f"taught-{name}", TAUGHT, LESSONS)
        assert await house.flush()
        predicted = await asyncio.to_thread(predict, house, counter, targets)
        keeping.caches.clear()  # a recording begins with a cold cache
        for name in targets:
            await talk(http, address, name, f"true-{name}", SEEN, turns)
        assert await house.flush()
        return {name: Truth(paired(predicted[name], house, f"true-{name}")) for name in targets}


def predict(house: host.House, counter: Counter, targets: tuple[str, ...]) -> dict[str, list[StepResult]]:
    with recordings.opened("seen", house.reader) as recording:
        bench = Bench(recording, house.engine.config, house.reader, counter)
        found = bench.reprice(bench.variants([f"{name}={name}" for name in targets]), Settings(), time.time())
        return {name: list(found.results[name]) for name in targets}


def paired(predicted: list[StepResult], house: host.House, session: str) -> list[tuple[StepResult, TraceRow]]:
    rows = sorted(house.reader.rows(Filter(session=session)), key=lambda row: row.n)
    return list(zip(predicted, rows, strict=True))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def truths(counter: Counter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Truth]]:
    yield await found_out(counter, tmp_path_factory.mktemp("truth"))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("figure", ["prompt", "cached", "output"])
async def test_predicted_tokens_are_within_two_per_cent(truths: dict[str, Truth], name: str, figure: str) -> None:
    assert p95(truths[name].missed(figure)) <= 0.02


@pytest.mark.parametrize("name", TARGETS)
async def test_the_cost_of_the_true_tokens_is_exact(truths: dict[str, Truth], name: str) -> None:
    for step, row in truths[name].steps:
        usage = Usage(row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_write_tokens)
        assert row.cost == cost(usage, PRICE)
        assert step.cost == cost(replace(step.usage or Usage()), PRICE)


async def table(folder: Path) -> None:
    """The README's table."""
    from ccr_tui.tokens import Counter

    counter = Counter()
    counter.load()
    print("| model | tokens in | cached | out | predicted cost | true cost | off by, p95: in | cached | out |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, truth in (await found_out(counter, folder, ALL, 30)).items():
        rows = [row for _, row in truth.steps]
        sums = [sum(map(sent, rows)), sum(r.cache_read_tokens for r in rows), sum(r.output_tokens for r in rows)]
        costs = [sum(step.cost or 0 for step, _ in truth.steps), sum(row.cost or 0 for row in rows)]
        missed = [f"{p95(truth.missed(figure)):.2%}" for figure in ("prompt", "cached", "output")]
        shown = [f"{each:,}" for each in sums] + [f"${usd(each)}" for each in costs] + missed
        print(f"| {name} | {' | '.join(shown)} |")


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as place:
        asyncio.run(table(Path(place)))
    sys.exit(0)
