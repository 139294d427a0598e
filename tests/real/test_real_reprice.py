"""A reprice against the real llama.cpp server: what a session takes there, told before it is run there.

The one surprise: a context of 6144 tokens holds little text, and how many tokens a tokenizer makes of little text is
chance; so each turn shows pieces from all over the library, as a large context would.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import generated
import llama
import pytest
from downloads import Unavailable

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.records import Price
from ccr_tui.replay import recordings
from ccr_tui.replay.words import Settings, StepResult
from ccr_tui.replay.work import Bench
from ccr_tui.store.filters import Filter
from ccr_tui.store.rows import TraceRow

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]

CONTEXT = 6144
TURNS, LONGEST = 20, 32
"""Requests of the table's sessions, and how many tokens an answer may have."""
FEW = 5
"""Requests of the test's: each takes seconds on two cores."""
SYSTEM = 2400
"""Characters of the system prompt, which all sessions share, as those of Claude Code do."""
PRICE = Price(1_000_000_000, 4_000_000_000, 100_000_000, source="test", basis="user")
Figures = tuple[int, int]
"""Predicted, and true."""
NAMES = {"first": "smollm2-135m", "other": "by-another-name", "twin": "smollm2-135m"}
"""All are the same model; `other` is not known to be, and only another session has taught how it counts."""


def config(addresses: Mapping[str, str], folder: Path) -> Config:
    """Each is a server of its own, whose cache is cold when it is first asked."""
    providers = {
        name: Provider(name, "openai", f"{address}/v1", family="llama_cpp") for name, address in addresses.items()
    }
    models = {name: Model(name, name, NAMES[name], price=PRICE) for name in addresses}
    return Config(
        port=0, providers=providers, models=models, agents={"default": ("first",)}, db=folder / "ccr.db",
        patience=Patience(waits_s=()),
    )  # fmt: skip


async def talk(http: aiohttp.ClientSession, address: str, model: str, session: str, seed: int, turns: int) -> None:
    """Turns about code; what the model says stays in the conversation."""
    messages: list[dict[str, Any]] = []
    for turn in range(turns):
        pieces = (generated._source(seed * 1009 + turn * 97 + n * 13, 80 + turn * 7 % 40) for n in range(4))
        text = "\n".join(pieces)
        messages.append({"role": "user", "content": f"Part {turn}: what does this do? {text}"})
        body = {
            "model": "claude-x", "max_tokens": LONGEST, "temperature": 0.7, "system": generated._source(0, SYSTEM),
            "messages": messages, "metadata": {"user_id": f"user_x_session_{session}-{model}"},
        }  # fmt: skip
        async with http.post(f"{address}/v1/messages", json=body, headers={"x-ccr-model": model}) as response:
            assert response.status == 200, await response.text()
            messages = [*messages, {"role": "assistant", "content": (await response.json())["content"]}]


def predict(house: host.House, counter: Counter, names: Sequence[str]) -> dict[str, list[StepResult]]:
    with recordings.opened("seen-first", house.reader) as recording:
        bench = Bench(recording, house.engine.config, house.reader, counter)
        found = bench.reprice(bench.variants([f"{name}={name}" for name in names]), Settings(), time.time())
        return {name: list(found.results[name]) for name in names}


async def found_out(
    counter: Counter, folder: Path, addresses: Mapping[str, str], turns: int
) -> dict[str, dict[str, list[Figures]]]:
    """What was predicted for the twin, and for the same model under another name if it is there, and what was true."""
    names = [name for name in addresses if name != "first"]
    async with (
        host.open(config(addresses, folder), counter) as house,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=900)) as http,
    ):
        address = house.engine.address
        if "other" in names:
            await talk(http, address, "other", "taught", 8, turns)
        await talk(http, address, "first", "seen", 3, turns)
        assert await house.flush()
        predicted = await asyncio.to_thread(predict, house, counter, names)
        await talk(http, address, "twin", "seen", 3, turns)
        assert await house.flush()
        rows = await asyncio.to_thread(house.reader.rows, Filter(session="seen-twin"))
        true = sorted(rows, key=lambda row: row.n)
        return {name: figures(list(zip(steps, true, strict=True))) for name, steps in predicted.items()}


def figures(pairs: list[tuple[StepResult, TraceRow]]) -> dict[str, list[Figures]]:
    used = [(step.usage, row) for step, row in pairs if step.usage]
    return {
        "prompt": [(u.prompt, row.input_tokens + row.cache_read_tokens) for u, row in used],
        "cached": [(u.cache_read, row.cache_read_tokens) for u, row in used],
        "output": [(u.output, row.output_tokens) for u, row in used],
    }


def p95(pairs: list[Figures]) -> float:
    missed = sorted(abs(predicted - true) / max(1, true) for predicted, true in pairs)
    return missed[ceil(len(missed) * 0.95) - 1]


@contextmanager
def servers(*names: str) -> Iterator[dict[str, str]]:
    """Where each listens. Raises Unavailable."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(llama.server("tools", CONTEXT, 1)) for name in names}


async def test_what_is_predicted_is_what_the_server_reports(counter: Counter, tmp_path: Path) -> None:
    """For the same model elsewhere; `make truth-real` tells of one that is only calibrated, too."""
    try:
        with servers("first", "twin") as addresses:
            found = await found_out(counter, tmp_path, addresses, FEW)
    except Unavailable as why:
        pytest.skip(f"llama.cpp's server: {why}")
    for figure, pairs in found["twin"].items():
        assert p95(pairs) <= 0.02, (figure, pairs)


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    from ccr_tui.tokens import Counter as Counting

    tokens = Counting()
    tokens.load()
    with TemporaryDirectory() as place, servers(*NAMES) as running:
        for model, result in asyncio.run(found_out(tokens, Path(place), running, TURNS)).items():
            for figure, given in result.items():
                print(f"{model:6} {figure:7} {p95(given):7.2%}  {given}")
    sys.exit(0)
