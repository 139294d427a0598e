"""The configuration changes while requests run: none is torn, the next one follows it, a broken one is refused."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from able import Able
from clients import ask, folded, parse_sse
from places import KEY
from scripted_openai import ScriptedOpenAI
from test_store_faults import Served

from ccr_tui import host
from ccr_tui.commands.common import Source
from ccr_tui.editing import agent, mode, model, provider, remove
from ccr_tui.errors import ConfigError
from ccr_tui.host import House
from ccr_tui.tokens import Counter
from ccr_tui.watching import changes

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.name == "nt", reason="signals are spelled differently on Windows"),
]
STREAMS = 50


def text_for(upstream: ScriptedOpenAI, default: str) -> str:
    return (
        '# mine\n[server]\nport = 0\n[store]\npath = "ccr.db"\n'
        f'[providers.up]\nbase_url = "{upstream.base_url}"\napi_key = "{KEY}"\n'
        '[models.one]\nid = "model-one"\n[models.two]\nid = "model-two"\n'
        f'[agents]\ndefault = "{default}"  # who\n'
    )


class Following(Source):
    """A house on a config.toml of its own, and the sentences about its changes."""

    def __init__(self, path: Path) -> None:
        super().__init__({"config": str(path)})
        self.path = path
        self.said: list[str] = []
        self._news = asyncio.Event()

    def __call__(self, sentence: str) -> None:
        self.said.append(sentence)
        self._news.set()

    async def after(self, text: str) -> str:
        """Write the file, and wait for what is said about it."""
        self._news.clear()
        self.path.write_text(text)
        await asyncio.wait_for(self._news.wait(), 10)
        return self.said[-1]


@pytest_asyncio.fixture(loop_scope="session")
async def following(
    upstream: ScriptedOpenAI, counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[House, Following]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ccr_tui.watching.EVERY_S", 0.02)
    path = tmp_path / "config.toml"
    path.write_text(text_for(upstream, "one"))
    source = Following(path)
    async with host.open(source.load(), counter, source) as house:
        house.on_config(source)
        yield house, source


async def stream(http: aiohttp.ClientSession, house: House, marker: str) -> dict[str, Any]:
    body = {**ask(marker), "stream": True}
    async with http.post(f"{house.engine.address}/v1/messages", json=body) as response:
        message = folded(parse_sse(await response.read()))
        return {**message, "by": response.headers["x-ccr-model"]}


async def test_fifty_streams_run_through_a_change_and_none_is_torn(
    following: tuple[House, Following], upstream: ScriptedOpenAI, http: aiohttp.ClientSession
) -> None:
    house, source = following
    before = len(upstream.requests)
    running = [asyncio.create_task(stream(http, house, "held:60")) for _ in range(STREAMS)]
    await upstream.came(before + STREAMS)
    said = await source.after(text_for(upstream, "two"))
    assert said == "The configuration changed: agents.default."
    fresh = await stream(http, house, "text")
    assert not any(task.done() for task in running), "the change must come while they run"
    upstream.release.set()
    words = "".join(f"word{n} " for n in range(60))
    messages = await asyncio.gather(*running)
    upstream.release.clear()
    assert [message["content"][0]["text"] for message in messages] == [words] * STREAMS
    assert {(message["by"], message["stop_reason"]) for message in messages} == {("one", "end_turn")}
    assert fresh["by"] == "two"


async def test_a_broken_file_is_refused_and_the_old_one_stays(
    following: tuple[House, Following], upstream: ScriptedOpenAI, http: aiohttp.ClientSession
) -> None:
    house, source = following
    good = text_for(upstream, "one")
    assert "line 1" in await source.after("[agents\n")
    assert "the old one stays" in (house.problem or "")
    assert "agents.default names 'nobody'" in await source.after(text_for(upstream, "nobody"))
    assert (await stream(http, house, "text"))["by"] == "one"
    assert await source.after(good) == "The configuration is right again."
    assert house.problem is None


async def test_what_needs_a_restart_is_said_and_the_rest_is_taken(
    following: tuple[House, Following], upstream: ScriptedOpenAI, http: aiohttp.ClientSession
) -> None:
    house, source = following
    said = await source.after(text_for(upstream, "two").replace("port = 0", "port = 4444"))
    assert said.startswith("The configuration changed: agents.default. server.port changed")
    assert said.endswith("restart ccr-tui for that.")
    assert (await stream(http, house, "text"))["by"] == "two"


async def test_the_screen_edits_the_file_and_the_next_request_follows(
    following: tuple[House, Following], upstream: ScriptedOpenAI, http: aiohttp.ClientSession
) -> None:
    house, source = following
    edits = [*model("three", provider="up", id="model-three"), *agent("default", ["three", "one"])]
    assert await house.edit(edits) == []
    assert (await stream(http, house, "text"))["by"] == "three"
    assert upstream.last.body["model"] == "model-three"
    assert "# mine" in source.path.read_text()
    assert source.path.with_name("config.toml.bak").read_text() == text_for(upstream, "one")


async def test_edits_that_are_made_at_once_are_all_made(following: tuple[House, Following]) -> None:
    house, source = following
    names = [f"m{n}" for n in range(6)]
    await asyncio.gather(*(house.edit(model(name, provider="up", id=name)) for name in names))
    assert set(names) < house.engine.config.models.keys()
    assert [name for name in names if f"[models.{name}]" not in source.path.read_text()] == []


REFUSED = [
    (remove("providers", "up"), "models.one.provider is missing"),
    (provider("new", kind="nonsense"), "providers.new.kind must be one of"),
    (agent("think", ["nobody"]), "agents.think"),
    (model("one", quirks={"nope": 1}), "no such quirk"),
]


@pytest.mark.parametrize(("edits", "said"), REFUSED, ids=["in-use", "kind", "agent", "quirk"])
async def test_an_edit_that_would_not_load_changes_nothing(
    following: tuple[House, Following], edits: Any, said: str
) -> None:
    house, source = following
    before, config = source.path.read_text(), house.engine.config
    with pytest.raises(ConfigError, match=said):
        await house.edit(edits)
    assert source.path.read_text() == before
    assert changes(config, house.engine.config) == []


async def test_what_the_environment_wins_is_said(
    following: tuple[House, Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _ = following
    monkeypatch.setenv("ENABLE_ROUTER", "false")
    said = await house.edit(mode("router"))
    assert len(said) == 1 and said[0].endswith("has mode now, but environment ENABLE_ROUTER wins over it.")
    assert house.engine.config.mode == "normal"


async def test_a_model_is_tested_by_the_running_house(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with Able(KEY) as able:
        (tmp_path / "config.toml").write_text(text_for(able, "one").replace("model-one", "scripted-model"))
        source = Following(tmp_path / "config.toml")
        async with host.open(source.load(), counter, source) as house:
            found = [badge async for badge in house.test("one")]
            assert await house.models_of("up") == ["scripted-model"]
            assert house.reader.badges()["up", "scripted-model"] == tuple(found)
            assert house.reader.count() == 0, "a test is nobody's session"


async def test_serve_says_what_became_of_a_change(upstream: ScriptedOpenAI, tmp_path: Path) -> None:
    path, served = tmp_path / "config.toml", Served(tmp_path)
    path.write_text(text_for(upstream, "one"))
    try:
        await served.start()
        path.write_text(text_for(upstream, "two"))
        assert await served.line() == "The configuration changed: agents.default."
        path.write_text("[agents\n")
        assert "line 1" in await served.line()
        assert await served.end() == 0
        assert await served.line() == "ending; running streams get 10 s, or none if told so again"
        assert await served.line() == ""
    finally:
        await served.end(signal.SIGKILL)
