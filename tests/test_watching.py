"""Files that change under a running program: every change is told once, when it is complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ccr_tui.commands.common import Source
from ccr_tui.config import Config, Guards, Model, Provider
from ccr_tui.errors import ConfigError
from ccr_tui.watching import adopt, changes, watch

GOOD = '[providers.groq]\n[models.{name}]\n[agents]\ndefault = "{name}"\n'


class Told:
    """What the watcher told, and waiting for it."""

    def __init__(self) -> None:
        self.all: list[Config | ConfigError] = []
        self._news = asyncio.Event()

    def __call__(self, found: Config | ConfigError) -> None:
        self.all.append(found)
        self._news.set()

    async def next(self) -> Config | ConfigError:
        await asyncio.wait_for(self._news.wait(), 10)
        self._news.clear()
        return self.all[-1]


class Torn(Source):
    """A configuration whose file is being rewritten by an editor at the very moment of one reading."""

    def __init__(self, path: Path, reading: int) -> None:
        super().__init__({"config": str(path)})
        self._path, self._left = path, reading

    def load(self) -> Config:
        self._left -= 1
        if self._left:
            return super().load()
        text = self._path.read_text()
        self._path.write_text("")
        try:
            return super().load()
        finally:
            self._path.write_text(text)


@asynccontextmanager
async def watching(*paths: Path, source: Source | None = None) -> AsyncIterator[Told]:
    """A watcher in a hurry, over a configuration in paths[0]."""
    told = Told()
    source = source or Source({"config": str(paths[0])})
    looked = asyncio.create_task(watch(paths, source, told, every_s=0.01, settle_s=0.01))
    await told.next()  # what it says at the beginning
    yield told
    looked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looked


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_MODEL", "CCR_TUI_CONFIG", "CCR_TUI_DB"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config.toml"
    file.write_text(GOOD.format(name="one"))
    return file


async def test_a_change_is_told_with_the_new_configuration(path: Path) -> None:
    async with watching(path) as told:
        path.write_text(GOOD.format(name="second"))
        found = await told.next()
    assert isinstance(found, Config)
    assert found.agents["default"] == ("second",)


async def test_a_file_of_the_same_size_put_in_its_place_is_a_change(path: Path) -> None:
    async with watching(path) as told:
        other = path.with_name("new.toml")
        other.write_text(GOOD.format(name="two"))
        other.replace(path)
        found = await told.next()
    assert isinstance(found, Config)
    assert found.agents["default"] == ("two",)


async def test_what_was_read_while_the_file_was_rewritten_does_not_count_at_the_start(path: Path) -> None:
    async with watching(path, source=Torn(path, reading=1)) as told:
        pass
    assert [set(found.models) for found in told.all if isinstance(found, Config)] == [{"one"}]


async def test_what_was_read_while_the_file_was_rewritten_does_not_count_later(path: Path) -> None:
    async with watching(path, source=Torn(path, reading=2)) as told:
        path.write_text(GOOD.format(name="second"))
        found = await told.next()
    assert isinstance(found, Config) and set(found.models) == {"second"}


BROKEN = [
    ("[agents\n", "line 1"),
    (GOOD.format(name="x") + 'coder = "nobody"\n', "agents.coder names 'nobody'"),
    (GOOD.format(name="x") + "[models.x.quirks]\nnope = 1\n", "models.x.quirks.nope"),
]


@pytest.mark.parametrize(("text", "said"), BROKEN, ids=["syntax", "reference", "quirk"])
async def test_what_is_wrong_is_told_with_line_or_key(path: Path, text: str, said: str) -> None:
    async with watching(path) as told:
        path.write_text(text)
        wrong = await told.next()
        path.write_text(GOOD.format(name="mended"))
        right = await told.next()
    assert isinstance(wrong, ConfigError)
    assert said in str(wrong)
    assert isinstance(right, Config)


async def test_a_file_that_is_taken_away_is_no_configuration(path: Path) -> None:
    async with watching(path) as told:
        path.rename(path.with_name("away"))
        gone = await told.next()
        path.with_name("away").rename(path)
        back = await told.next()
    assert isinstance(gone, ConfigError)
    assert "is gone" in str(gone)
    assert isinstance(back, Config)


async def test_a_file_that_is_emptied_is_no_configuration(path: Path) -> None:
    """An editor's first step, or a full disk's last: without it a demo model would answer."""
    text = path.read_text()
    async with watching(path) as told:
        path.write_text("")
        empty = await told.next()
        path.write_text(text)
        back = await told.next()
    assert isinstance(empty, ConfigError) and "is empty; what it said still counts" in str(empty)
    assert isinstance(back, Config)


async def test_a_file_that_was_empty_at_the_start_is_none_at_all(path: Path) -> None:
    path.write_text("")
    dotenv = path.with_name(".env")
    async with watching(path, dotenv) as told:
        dotenv.write_text("SOME=thing\n")
        assert isinstance(await told.next(), Config)


async def test_a_file_that_comes_into_being_counts(path: Path) -> None:
    dotenv = path.with_name(".env")
    path.write_text('[providers.groq]\napi_key = "$GROQ_TEST_KEY"\n[models.x]\n')
    async with watching(path, dotenv) as told:
        dotenv.write_text("GROQ_TEST_KEY=abc\n")
        found = await told.next()
    assert isinstance(found, Config)
    assert found.env["GROQ_TEST_KEY"] == "abc"


async def test_what_a_lost_dotenv_said_still_counts_and_the_other_file_goes_on(path: Path) -> None:
    dotenv, text = path.with_name(".env"), '[providers.groq]\napi_key = "$GROQ_TEST_KEY"\n[models.{name}]\n'
    path.write_text(text.format(name="one"))
    dotenv.write_text("GROQ_TEST_KEY=abc\nCCR_TUI_CONFIG=elsewhere.toml\n")
    async with watching(path, dotenv) as told:
        dotenv.unlink()
        held = await told.next()
        path.write_text(text.format(name="second"))
        changed = await told.next()
        dotenv.write_text("GROQ_TEST_KEY=def\n")
        anew = await told.next()
    assert isinstance(held, Config) and held.env["GROQ_TEST_KEY"] == "abc"
    assert [note for note in held.notes if ".env is gone; what it said (GROQ_TEST_KEY) still counts" in note]
    assert isinstance(changed, Config) and "second" in changed.models
    assert isinstance(anew, Config) and anew.env["GROQ_TEST_KEY"] == "def"


async def test_nothing_is_told_while_nothing_changes(path: Path) -> None:
    async with watching(path) as told:
        await asyncio.sleep(0.1)
    assert len(told.all) == 1, "what it says at the beginning, and no more"


BASE = Config(
    providers={"p": Provider("p", "openai", "http://h/v1", "$KEY")},
    models={"m": Model("m", "p", "m")},
    agents={"default": ("m",)},
)
CHANGES = [
    (BASE, []),
    (replace(BASE, mode="router"), ["mode"]),
    (replace(BASE, agents={"default": ("m", "p/x"), "think": ("m",)}), ["agents.default", "agents.think"]),
    (replace(BASE, models={"n": Model("n", "p", "n")}), ["models.m", "models.n"]),
    (replace(BASE, providers={"p": replace(BASE.providers["p"], api_key="$X")}), ["providers.p"]),
    (replace(BASE, guards=Guards(requests_per_minute=3)), ["guards"]),
    (replace(BASE, env={"X": "1"}), []),
    (replace(BASE, env={"KEY": "1"}), ["$KEY"]),
    (replace(BASE, notes=("said",), origins={"mode": "x"}), []),
]


@pytest.mark.parametrize(
    ("after", "keys"), CHANGES, ids=[" ".join(keys) or str(n) for n, (_, keys) in enumerate(CHANGES)]
)
def test_changes_are_told_by_their_keys(after: Config, keys: list[str]) -> None:
    assert changes(BASE, after) == keys


def test_address_and_database_wait_for_a_restart() -> None:
    config, said = adopt(BASE, replace(BASE, mode="router", port=9, db=Path("other.db")))
    assert (config.mode, config.port, config.db) == ("router", BASE.port, BASE.db)
    assert said == "server.port and store.path changed in the configuration: restart ccr-tui for that."
    assert adopt(BASE, replace(BASE, mode="router"))[1] is None
