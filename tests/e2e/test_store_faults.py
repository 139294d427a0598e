"""The proxy goes on whatever happens to its database, and what was answered is kept: real processes, real kills."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from clients import ask
from places import KEY, closed_port
from scripted_openai import ScriptedOpenAI

from ccr_tui.store import schema
from ccr_tui.store.begun import CUT_OFF, KILLED
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.name == "nt", reason="signals are spelled differently on Windows"),
]
LIVES = int(os.environ.get("CCR_TEST_LIVES", "2"))
"""How often the proxy is killed; `make kills` says 100."""
HOUSE = Path(__file__).parent.parent.parent


@dataclass
class Served:
    """A `ccr-tui serve` of its own, and what it says."""

    folder: Path
    address: str = ""
    said: list[str] = field(default_factory=list)
    child: asyncio.subprocess.Process | None = None

    @property
    def db(self) -> Path:
        return self.folder / "ccr.db"

    async def start(self) -> None:
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ccr_tui", "--config", str(self.folder / "config.toml"), "serve",
            cwd=self.folder, stderr=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONPATH": str(HOUSE)},
        )  # fmt: skip
        while not (line := await self.line()).startswith("listening on "):
            assert line, self.said
        self.address = line.removeprefix("listening on ")

    async def line(self) -> str:
        assert self.child and self.child.stderr
        said = (await asyncio.wait_for(self.child.stderr.readline(), 30)).decode().strip()
        self.said.append(said)
        return said

    async def until(self, words: str) -> str:
        while words not in (line := await self.line()):
            assert line, self.said
        return line

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self.child
        if self.child.returncode is None:
            self.child.send_signal(number)
        return await asyncio.wait_for(self.child.wait(), 30)


def text_for(upstream: ScriptedOpenAI, port: int = 0) -> str:
    return (
        f'[server]\nport = {port}\n[store]\npath = "ccr.db"\n'
        f'[providers.up]\nbase_url = "{upstream.base_url}"\napi_key = "{KEY}"\n'
        '[models.one]\nprovider = "up"\nid = "model-one"\n[agents]\ndefault = "one"\n'
    )


@pytest.fixture
async def serving(upstream: ScriptedOpenAI, tmp_path: Path) -> AsyncIterator[Callable[[], Any]]:
    (tmp_path / "config.toml").write_text(text_for(upstream))

    @asynccontextmanager
    async def run() -> AsyncIterator[Served]:
        served = Served(tmp_path)
        try:
            await served.start()
            yield served
        finally:
            await served.end(signal.SIGKILL)

    yield run


async def answered(http: aiohttp.ClientSession, served: Served, marker: str = "text") -> str:
    """The id of the trace of a whole answer."""
    async with http.post(f"{served.address}/v1/messages", json={**ask(marker), "stream": True}) as response:
        assert b"message_stop" in await response.read()
        return response.headers["x-ccr-trace"]


def traces(db: Path) -> dict[str, str]:
    reader = Reader(db)
    try:
        return {row.id: row.error or row.outcome for row in reader.rows(limit=10_000)}
    finally:
        reader.close()


async def load(http: aiohttp.ClientSession, served: Served, whole: set[str], chance: random.Random) -> None:
    """One client after another until the proxy is gone."""
    while True:
        try:
            whole.add(await answered(http, served, chance.choice(["text", "long:5"])))
        except (aiohttp.ClientError, AssertionError):
            return


async def kill_under_load(run: Any, http: aiohttp.ClientSession, lives: int, seed: int) -> tuple[set[str], Path]:
    """Lives of the proxy, each ended by kill -9 at a random moment. Whom it answered in full, and its database."""
    chance, whole = random.Random(seed), set[str]()
    for _ in range(lives):
        async with run() as served:
            clients = [asyncio.create_task(load(http, served, whole, chance)) for _ in range(4)]
            before, wanted = len(whole), chance.randrange(1, 25)
            while len(whole) < before + wanted:
                assert not all(client.done() for client in clients)
                await asyncio.sleep(chance.random() / 500)
            await served.end(signal.SIGKILL)
            await asyncio.gather(*clients)
    return whole, served.db


async def test_kill_9_under_load_loses_no_answer(serving: Any, http: aiohttp.ClientSession) -> None:
    whole, db = await kill_under_load(serving, http, lives=LIVES, seed=1)
    async with serving() as last:
        assert await last.end() == 0
    found = traces(db)
    assert whole <= found.keys(), "every answer that a client had in full is there"
    assert {found[uid] for uid in whole} <= {"ok", CUT_OFF}, "as answered, with its tokens"
    assert verify(db) == []
    assert not list(db.parent.glob("*.running-*"))


async def test_what_ran_is_recorded_as_interrupted(
    serving: Any, http: aiohttp.ClientSession, upstream: ScriptedOpenAI
) -> None:
    async with serving() as served:
        before = len(upstream.requests)
        hanging = asyncio.create_task(answered(http, served, "stall"))
        await upstream.came(before + 1)
        await served.end(signal.SIGKILL)
        with pytest.raises((aiohttp.ClientError, AssertionError)):
            await hanging
    async with serving() as again:
        await answered(http, again)
        assert await again.end() == 0
    assert sorted(traces(served.db).values()) == [KILLED, "ok"]


async def test_what_was_answered_is_flushed_when_the_terminal_closes(serving: Any, http: aiohttp.ClientSession) -> None:
    async with serving() as served:
        whole = {await answered(http, served) for _ in range(3)}
        assert await served.end(signal.SIGHUP) == 0
    assert traces(served.db).keys() == whole


async def test_a_database_that_breaks_is_moved_aside_and_answers_go_on(
    serving: Any, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "ccr.db").write_bytes(b"no database at all " * 999)
    async with serving() as served:
        assert "was damaged" in served.said[0]
        one = await answered(http, served)
        assert await served.end() == 0
    assert traces(served.db).keys() == {one}
    assert "was damaged" in (tmp_path / "ccr-tui.log").read_text()


async def test_answers_go_on_while_the_database_is_locked_and_when_it_is_deleted(
    serving: Any, http: aiohttp.ClientSession
) -> None:
    async with serving() as served:
        whole = {await answered(http, served)}
        while not traces(served.db).keys() >= whole:
            await asyncio.sleep(0.01)
        other = sqlite3.connect(served.db, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        whole |= {await answered(http, served) for _ in range(3)}
        assert "Another process has been writing for long" in await served.until("waits")
        other.execute("ROLLBACK")
        other.close()
        await served.until("can be written again; nothing was lost")
        while not traces(served.db).keys() >= whole:  # the last one may come in the next batch
            await asyncio.sleep(0.01)
        assert traces(served.db).keys() == whole
        served.db.unlink()
        one = await answered(http, served)
        await served.until("was deleted or moved while ccr-tui ran")
        assert await served.end() == 0
    assert traces(served.db).keys() == {one}


async def test_a_newer_database_is_refused_with_the_cure(serving: Any, tmp_path: Path) -> None:
    schema.writable(tmp_path / "ccr.db").close()
    db = sqlite3.connect(tmp_path / "ccr.db")
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(AssertionError, match=r"was made by a newer ccr-tui .* Update ccr-tui"):
        async with serving():
            pass


async def test_an_app_whose_terminal_is_closed_writes_everything_down(
    upstream: ScriptedOpenAI, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    port = closed_port()
    (tmp_path / "config.toml").write_text(text_for(upstream, port))
    pid, terminal = pty.fork()
    if pid == 0:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(HOUSE), "TERM": "xterm-256color"}
        os.chdir(tmp_path)
        os.execve(sys.executable, [sys.executable, "-m", "ccr_tui", "--config", str(tmp_path / "config.toml")], env)
    drawing = asyncio.create_task(asyncio.to_thread(drain, terminal))
    try:
        served = Served(tmp_path, f"http://127.0.0.1:{port}")
        one = await asyncio.wait_for(first_answer(http, served), 60)
        os.kill(pid, signal.SIGHUP)
        _, status = await asyncio.wait_for(asyncio.to_thread(os.waitpid, pid, 0), 30)
    finally:
        os.close(terminal)
        await drawing
    assert os.WIFEXITED(status)
    assert traces(served.db).keys() == {one}
    assert not list(tmp_path.glob("*.running-*"))


def drain(terminal: int) -> None:
    """What the app draws, until its end."""
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass


async def first_answer(http: aiohttp.ClientSession, served: Served) -> str:
    """As soon as somebody answers."""
    while True:
        with suppress(aiohttp.ClientError):
            return await answered(http, served)
        await asyncio.sleep(0.05)
