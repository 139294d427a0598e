"""The Models screen, looked at and pressed: a real house, its real file, and nobody at the other end."""

from __future__ import annotations

import os
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from houses import DEMO, QWEN, flat, until
from houses import House as Hollow
from houses import text as text_of
from places import closed_port
from textual.pilot import Pilot

from ccr_tui import prices
from ccr_tui.app import CcrApp
from ccr_tui.commands.common import Source
from ccr_tui.host import House
from ccr_tui.presets import PRESETS
from ccr_tui.screens.desk import count, dollars, number_fields
from ccr_tui.screens.form import Form
from ccr_tui.screens.models import ModelsScreen
from ccr_tui.screens.pick import Pick
from ccr_tui.tokens import Counter

SIZES = [(80, 24), (120, 40)]
SECRET = "sk-this-must-not-be-seen"
FILE = """\
# mine
[providers.deepseek]
api_key = "$DEEPSEEK_API_KEY"  # by reference

[providers.qwen]
base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1"
api_key = "$QWEN_KEY"

[models.flash]
provider = "deepseek"
id = "deepseek-flash"
context = 128000
price = { input = 0.15, output = 0.60, cache_read = 0.003 }  # of today

[models.r1]
provider = "deepseek"
id = "deepseek-reasoner"

[models.odd]
provider = "qwen"
id = "nobody-knows-it"

[agents]
default = ["flash", "r1"]  # both
tool = "odd"
"""

Open = Callable[..., AbstractAsyncContextManager[tuple[House, Pilot[None]]]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, counter: Counter) -> Iterator[Open]:
    """Opens the app with this file and environment, on its Models screen.

    The file's path is short, as people's are: sentences that name it must fit the narrowest screen.
    """
    with TemporaryDirectory(prefix="ccr") as folder:
        yield _opened(Path(folder), monkeypatch, counter)


def _opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counter: Counter) -> Open:

    @asynccontextmanager
    async def open(
        text: str = FILE, size: tuple[int, int] = (120, 40), **env: str
    ) -> AsyncIterator[tuple[House, Pilot[None]]]:
        path = tmp_path / "config.toml"
        path.write_text(text)
        for name in os.environ:
            if name.startswith(("OPENAI_", "CCR_TUI_", "PROXY_URL", "API_TIMEOUT")) or "_AGENT_" in name:
                monkeypatch.delenv(name)
        monkeypatch.delenv("ENABLE_ROUTER", raising=False)
        for name, value in {"DEEPSEEK_API_KEY": SECRET, **env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        source = Source({"config": str(path), "db": str(tmp_path / "ccr.db"), "port": "0"})
        house = House(source.load(), counter, source)
        app = CcrApp(house)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, "● http://")
            await pilot.press("4")
            await until(pilot, "used by", "Agents")
            yield house, pilot
        await house.stop(0)

    return open


def shown(pilot: Pilot[None]) -> str:
    app = pilot.app
    assert isinstance(app, CcrApp)
    return text_of(app)


async def gone(pilot: Pilot[None], words: str) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if words not in shown(pilot):
            return
    raise AssertionError(f"{words!r} stays:\n{shown(pilot)}")


def told(pilot: Pilot[None]) -> str:
    """All that was said in passing."""
    return " ".join(note.message for note in pilot.app._notifications)


async def heard(pilot: Pilot[None], words: str) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if words in told(pilot):
            return
    raise AssertionError(f"{words!r} was not said: {told(pilot)}")


def of(house: House) -> dict[str, Any]:
    """What the file says."""
    assert house.engine.config.path is not None
    return tomllib.loads(house.engine.config.path.read_text())


def text_in(house: House) -> str:
    assert house.engine.config.path is not None
    return house.engine.config.path.read_text()


async def go(pilot: Pilot[None], kind: str, name: str) -> None:
    """Move the cursor to it."""
    screen = pilot.app.screen
    assert isinstance(screen, ModelsScreen)
    roster = screen.agents if kind == "agent" else screen.offers
    roster.focus()
    roster.select((kind, name))
    await until(pilot, f"{kind} {name}")


# -- what is seen


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_who_serves_what_at_which_price_is_said_without_a_keystroke(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size=size) as (_, pilot):
        screen = shown(pilot)
        for words in ("Models · 3 at 2 providers", "$DEEPSEEK_API_KEY", "✗ $QWEN_KEY not set", "Agents · NORMAL"):
            assert words in screen, words
        assert "  0.15   0.60  " in screen or "128k   384k   0.15   0.60  0.003" in screen
        assert "default      flash +1" in screen
        assert "router       – not set" in screen
        assert "used by    default" in screen
        assert "your own price, config.toml" in flat(screen)
        assert "not tested yet" in screen
        assert all(len(line) <= size[0] for line in screen.split("\n"))
        assert SECRET not in screen


TOLD = [
    ("model", "r1", "! deepseek-reasoner was retired on 2026-07-24"),
    ("model", "odd", "price ? nobody lists one, so costs are unknown"),
    ("model", "odd", "providers.qwen.api_key is $QWEN_KEY, but QWEN_KEY is not set"),
    ("provider", "deepseek", "address https://api.deepseek.com/v1 · openai · DeepSeek"),
    ("provider", "qwen", "models odd"),
    ("agent", "default", "then r1"),
    ("agent", "image", "model not set · ⏎ chooses one"),
]


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_the_page_tells_all_about_what_is_chosen(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size=size) as (_, pilot):
        for kind, name, words in TOLD:
            await go(pilot, kind, name)
            await until(pilot, words)


async def test_a_model_that_a_budget_never_sees_is_told(opened: Open) -> None:
    async with opened(FILE + "\n[guards]\nbudget_per_day = 2.5\n") as (_, pilot):
        await go(pilot, "model", "odd")
        await until(pilot, "! guards.budget_per_day is set, but never sees what this model costs")
        await go(pilot, "model", "flash")
        await gone(pilot, "never sees")


async def test_a_name_can_not_steer_the_terminal(opened: Open) -> None:
    nasty = '[models."\\u001b[2Jx"]\nprovider = "deepseek"\nid = "\\u001b]0;t\\u0007[@click=quit]"\n'
    async with opened(FILE.replace("[agents]", f"{nasty}\n[agents]")) as (_, pilot):
        await go(pilot, "model", "flash")
        await pilot.press("j", "j")
        await until(pilot, "␛[2Jx", "␛]0;t␇[@click=quit]")
        assert "\x1b" not in shown(pilot)


async def test_every_key_of_the_footer_does_something(opened: Open) -> None:
    async with opened(size=(80, 24)) as (_, pilot):
        assert "⏎ choose  t test  m mode  a add" in shown(pilot).split("\n")[-1]
        for key in ("enter", "a", "e", "x", "tab", "question_mark", "ctrl+p", "j", "m"):
            await go(pilot, "model", "flash")
            before, said = shown(pilot), told(pilot)
            await pilot.press(key)
            for _ in range(50):
                await pilot.pause(0.02)
                if shown(pilot) != before or told(pilot) != said:
                    break
            else:
                raise AssertionError(f"{key} does nothing")
            if len(pilot.app.screen_stack) > 1:
                await pilot.press("escape")
                await pilot.pause()
        await pilot.press("1")
        await until(pilot, "Requests · 0")
        await pilot.press("4")
        await until(pilot, "Agents · NORMAL")


async def test_help_and_palette_know_the_screen(opened: Open) -> None:
    async with opened(size=(120, 120)) as (_, pilot):
        names = {command.title for command in pilot.app.get_system_commands(pilot.app.screen)}
        assert {"Add a provider or a model", "Normal mode or Router mode", "What happens now"} <= names
        await pilot.press("question_mark")
        await until(pilot, "Test the connection: what can this model do?")


# -- agents


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_an_agent_is_given_a_model_and_the_file_keeps_its_comments(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size=size) as (house, pilot):
        before = text_in(house)
        await go(pilot, "agent", "coder")
        await pilot.press("enter")
        await until(pilot, "coder speaks with", "deepseek · 128k · $0.15 / $0.60")
        await pilot.press("down", "enter")
        await until(pilot, "coder        r1")
        assert of(house)["agents"]["coder"] == "r1"
        assert house.engine.config.agents["coder"] == ("r1",)
        assert {"# mine", "# by reference", "# of today", "# both"} <= {
            "# " + line.partition("# ")[2] for line in text_in(house).split("\n")
        }
        path = house.engine.config.path
        assert path is not None
        assert path.with_name("config.toml.bak").read_text() == before


async def test_fallbacks_are_marked_in_their_order(opened: Open) -> None:
    async with opened() as (house, pilot):
        await go(pilot, "agent", "default")
        await pilot.press("enter")
        await until(pilot, "1  flash", "2  r1")
        await pilot.press("space", "down", "down", "space", "enter")
        await until(pilot, "default      r1 +1")
        assert of(house)["agents"]["default"] == ["r1", "odd"]


async def test_another_model_keeps_the_fallbacks_and_typing_narrows(opened: Open) -> None:
    async with opened() as (house, pilot):
        await go(pilot, "agent", "default")
        await pilot.press("enter")
        await until(pilot, "default speaks with")
        await pilot.press(*"odd")
        await until(pilot, "odd  qwen")
        await pilot.press("enter")
        await until(pilot, "default      odd +1")
        assert of(house)["agents"]["default"] == ["odd", "r1"]


async def test_an_agent_is_freed_but_the_default_one_is_not(opened: Open) -> None:
    async with opened() as (house, pilot):
        await go(pilot, "agent", "tool")
        await pilot.press("x")
        await until(pilot, "tool         – not set")
        assert "tool" not in of(house)["agents"]
        await go(pilot, "agent", "default")
        await pilot.press("x")
        await heard(pilot, "The default agent needs a model")
        assert of(house)["agents"]["default"] == ["flash", "r1"]


async def test_a_variable_that_wins_is_named_and_a_choice_holds_in_memory(opened: Open) -> None:
    async with opened(TOOL_AGENT_MODEL="flash") as (house, pilot):
        before = text_in(house)
        await go(pilot, "agent", "tool")
        await until(pilot, "environment TOOL_AGENT_MODEL, which wins over config.toml", "unset TOOL_AGENT_MODEL")
        assert "env" in next(line for line in shown(pilot).split("\n") if "│ tool " in line)
        await pilot.press("enter")
        await until(pilot, "tool speaks with")
        await pilot.press("down", "enter")
        await heard(pilot, "environment TOOL_AGENT_MODEL wins over config.toml, so this holds until ccr-tui ends.")
        await until(pilot, "you, here, until ccr-tui ends")
        assert house.engine.config.agents["tool"] == ("r1",)
        assert text_in(house) == before
        await go(pilot, "agent", "image")
        await pilot.press("enter")
        await until(pilot, "image speaks with")
        await pilot.press("enter")
        await until(pilot, "image        flash")
        assert house.engine.config.agents["tool"] == ("r1",), "the file was read anew, and it holds"


# -- providers and models


async def fill(pilot: Pilot[None], **values: str) -> None:
    """Put these into the lines of the form that is open, and go to the last of them."""
    form = pilot.app.screen
    assert isinstance(form, Form)
    for key, value in values.items():
        form.inputs[key].focus()
        form.inputs[key].value = value
        await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_a_provider_of_the_list_is_added_with_its_first_model(opened: Open, size: tuple[int, int]) -> None:
    async with opened(size=size) as (house, pilot):
        await pilot.press("a")
        await until(pilot, "a model at deepseek")
        await pilot.press("p")
        await until(pilot, "Add a provider")
        await pilot.press(*"groq", "enter")
        await until(pilot, "Add Groq", "$GROQ_API_KEY", "https://api.groq.com/openai/v1")
        await pilot.press("ctrl+s")
        await until(pilot, "Add a model at groq", "GROQ_API_KEY is not set", "openai/gpt-oss-120b")
        assert of(house)["providers"]["groq"] == {
            "base_url": "https://api.groq.com/openai/v1",
            "api_key": "$GROQ_API_KEY",
        }
        await pilot.press("enter")
        await until(pilot, "Add openai/gpt-oss-120b", "gpt-oss-120b")
        await pilot.press(*"96k", "ctrl+s")
        await until(pilot, "model gpt-oss-120b")
        assert of(house)["models"]["gpt-oss-120b"] == {
            "provider": "groq",
            "id": "openai/gpt-oss-120b",
            "context": 96000,
        }


async def test_the_list_of_providers_opens_at_its_top_and_says_how_many_there_are(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("a", "p")
        every = len(PRESETS) + 1
        screen = await until(pilot, f"Add a provider · {every}", PRESETS[0].title)
        assert "another one" not in screen
        pick = pilot.app.screen
        assert isinstance(pick, Pick) and pick.roster.cursor == 0
        await pilot.press(*"zzz")
        await until(pilot, f"Add a provider · 0 of {every}", "nothing here is called “zzz”; esc empties the line")
        await pilot.press("escape")
        assert "nothing here" not in await until(pilot, f"Add a provider · {every}", PRESETS[0].title)


async def test_a_provider_of_ones_own_needs_a_name_an_address_and_only_the_name_of_its_key(opened: Open) -> None:
    async with opened() as (house, pilot):
        await pilot.press("a", "p")
        await until(pilot, "Add a provider")
        await pilot.press(*"another", "enter")
        await until(pilot, "Add a provider", "base URL")
        await fill(pilot, name="deepseek")
        await until(pilot, "name is taken: there is a deepseek already")
        await fill(pilot, name="mine", base_url="example.org")
        await until(pilot, "base URL must be an http:// or https:// URL")
        await fill(pilot, base_url="https://example.org", api_key=SECRET)
        await until(pilot, "key must be $NAME, the variable that holds the key", "•" * len(SECRET))
        assert SECRET not in shown(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, "key must be $NAME")
        await fill(pilot, api_key="$MINE")
        await pilot.press("ctrl+s")
        await until(pilot, "Add a model at mine")
        assert of(house)["providers"]["mine"] == {"base_url": "https://example.org/v1", "api_key": "$MINE"}


async def test_what_was_refused_is_told_until_its_line_is_changed(opened: Open) -> None:
    async with opened() as (_, pilot):
        await pilot.press("a", "p")
        await until(pilot, "Add a provider")
        await pilot.press(*"another", "enter")
        await until(pilot, "Add a provider", "base URL")
        await pilot.press(*"mine", "enter", "enter", "enter", "enter")
        await until(pilot, "base URL must not be empty")
        await pilot.pause()
        assert "base URL must not be empty" in shown(pilot), "the hint of the line does not cover it"
        await pilot.press("up")
        await until(pilot, "What it is called here")
        await pilot.press("down")
        await until(pilot, "base URL must not be empty")
        await fill(pilot, base_url="https://example.org")
        await until(pilot, "With or without /v1 at its end")


async def test_a_models_numbers_are_edited_and_what_is_wrong_is_said_where_it_stands(opened: Open) -> None:
    async with opened() as (house, pilot):
        before = text_in(house)
        await pilot.press("e")
        await until(pilot, "Change flash", "384k as known")
        await fill(pilot, max_output="lots")
        await pilot.press("ctrl+s")
        await until(pilot, "longest answer must be a number of tokens")
        await fill(pilot, max_output="8k", output="")
        await pilot.press("ctrl+s")
        await until(pilot, "Not saved: a price needs both in and out; out is missing")
        assert text_in(house) == before
        await fill(pilot, output="0.7")
        await pilot.press("ctrl+s")
        await until(pilot, "$0.15 in · $0.70 out")
        assert of(house)["models"]["flash"] == {
            "provider": "deepseek",
            "id": "deepseek-flash",
            "context": 128000,
            "max_output": 8000,
            "price": {"input": 0.15, "output": 0.7, "cache_read": 0.003},
        }


async def test_a_key_that_stands_in_the_file_is_not_shown_and_stays(opened: Open) -> None:
    async with opened(FILE.replace("$DEEPSEEK_API_KEY", SECRET)) as (house, pilot):
        await go(pilot, "provider", "deepseek")
        await until(pilot, "key in config.toml", "a reference such as $DEEPSEEK_API_KEY keeps the key out of the file")
        await pilot.press("e")
        await until(pilot, "•••• in config.toml")
        assert SECRET not in shown(pilot)
        await pilot.press("ctrl+s")
        await gone(pilot, "Change deepseek")
        assert of(house)["providers"]["deepseek"]["api_key"] == SECRET
        await pilot.press("e")
        await until(pilot, "•••• in config.toml")
        await fill(pilot, api_key="$DEEPSEEK_API_KEY")
        await pilot.press("ctrl+s")
        await until(pilot, "key        $DEEPSEEK_API_KEY")
        assert SECRET not in text_in(house)


MANY = f"""\
# mine
[providers.deepseek]
base_url = "https://api.deepseek.com"  # as they say
api_key = "$DEEPSEEK_API_KEY"
api_keys = ["$SECOND"]

[providers.deepseek.headers]
X-Title = "me"  # for their page
X-Token = "{SECRET}"

[models.flash]
provider = "deepseek"
id = "deepseek-flash"
price = {{ input = 0.15, output = 0.6, cache_write = 0.2 }}

[models.flash.quirks]
images = false  # seen
"""


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_a_provider_gets_keys_headers_and_a_proxy_and_the_file_its_comments(
    opened: Open, size: tuple[int, int]
) -> None:
    async with opened(MANY, size, SECOND="sk-2", THIRD="sk-3") as (house, pilot):
        await go(pilot, "provider", "deepseek")
        await pilot.press("e")
        await until(pilot, "Change deepseek", "$SECOND", "X-Title: me; X-Token: ••••", "as the environment says")
        assert SECRET not in shown(pilot)
        await fill(pilot, api_keys="$SECOND, sk-plain")
        await pilot.press("ctrl+s")
        await until(pilot, "more keys must be $NAME, $NAME")
        await fill(pilot, api_keys="$SECOND, $THIRD", headers="X-Token: ••••; X-Team: parsers", proxy="ftp://x")
        await pilot.press("ctrl+s")
        await until(pilot, "proxy must be an http://, https:// or socks5:// URL")
        await fill(pilot, proxy="socks5://127.0.0.1:1080")
        await pilot.press("ctrl+s")
        await gone(pilot, "Change deepseek")
        assert of(house)["providers"]["deepseek"] == {
            "base_url": "https://api.deepseek.com",
            "api_key": "$DEEPSEEK_API_KEY",
            "api_keys": ["$SECOND", "$THIRD"],
            "headers": {"X-Token": SECRET, "X-Team": "parsers"},
            "proxy": "socks5://127.0.0.1:1080",
        }
        assert all(comment in text_in(house) for comment in ("# mine", "# as they say", "# seen"))
        assert house.engine.config.providers["deepseek"].api_keys == ("$SECOND", "$THIRD")


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_a_models_quirks_are_edited_and_one_that_does_not_exist_is_named(
    opened: Open, size: tuple[int, int]
) -> None:
    async with opened(MANY, size) as (house, pilot):
        before = text_in(house)
        await go(pilot, "model", "flash")
        await pilot.press("e")
        await until(pilot, "Change flash", "images = false")
        await pilot.press("ctrl+s")
        await gone(pilot, "Change flash")
        assert text_in(house) == before, "what nobody changed is not written"
        await pilot.press("e")
        await until(pilot, "Change flash")
        await fill(pilot, quirks="images = false, think_tag = true")
        await pilot.press("ctrl+s")
        await until(pilot, "models.flash.quirks.think_tag: no such quirk")
        assert text_in(house) == before
        await fill(pilot, quirks="images = false, think_tags = true", context="128k")
        await pilot.press("ctrl+s")
        await gone(pilot, "Change flash")
        flash = of(house)["models"]["flash"]
        assert (flash["quirks"], flash["context"]) == ({"images": False, "think_tags": True}, 128000)
        assert flash["price"] == {"input": 0.15, "output": 0.6, "cache_write": 0.2}
        assert "# seen" in text_in(house)


async def test_removing_asks_and_agents_lose_what_is_gone(opened: Open) -> None:
    async with opened() as (house, pilot):
        await go(pilot, "model", "r1")
        await pilot.press("x")
        await until(pilot, "Remove r1?", "remove it and take it from default")
        await pilot.press("n")
        await gone(pilot, "Remove r1?")
        assert "r1" in of(house)["models"]
        await go(pilot, "provider", "deepseek")
        await pilot.press("x")
        await until(pilot, "Remove deepseek?", "remove it with flash, r1 and take it from default")
        await pilot.press("y")
        await until(pilot, "1 at 1 provider")
        assert list(of(house)["models"]) == ["odd"]
        assert of(house)["agents"] == {"tool": "odd"}
        assert "# mine" in text_in(house)


async def test_what_the_environment_names_is_not_removed_but_told(opened: Open) -> None:
    async with opened(OPENAI_MODEL="seen", OPENAI_API_KEY=SECRET) as (house, pilot):
        await go(pilot, "model", "seen")
        await until(pilot, "the environment; e writes it into config.toml")
        await pilot.press("x")
        await heard(pilot, "seen comes from OPENAI_MODEL: unset that, and start ccr-tui again.")
        await pilot.press("e")
        await until(pilot, "Change seen")
        await fill(pilot, context="32k")
        await pilot.press("ctrl+s")
        await until(pilot, "config.toml [models.seen]", "32k tokens")
        assert of(house)["providers"]["openai"]["api_key"] == "$OPENAI_API_KEY"
        assert SECRET not in text_in(house)


async def test_a_file_that_went_wrong_is_told_with_its_line_and_the_old_one_stays(opened: Open) -> None:
    async with opened(size=(80, 24)) as (house, pilot):
        config = house.engine.config
        assert config.path is not None
        config.path.write_text(FILE + 'mode = "router\n')
        await heard(pilot, "is not valid TOML")
        pilot.app.clear_notifications()
        await until(pilot, "The configuration has a problem", "is not valid TOML", "line 26")
        assert house.engine.config is config
        await pilot.press("e")
        await until(pilot, "Change flash")
        await pilot.press("ctrl+s")
        await until(pilot, "Not saved:", "nothing was changed")
        await pilot.press("escape")
        config.path.write_text(FILE)
        await gone(pilot, "The configuration has a problem")


# -- the mode


async def test_router_mode_without_its_agents_is_refused_with_what_is_missing(opened: Open) -> None:
    async with opened() as (house, pilot):
        await pilot.press("m")
        await heard(pilot, "It needs a router agent (a small model that chooses). Choose it under Models, key 4.")
        assert house.engine.config.mode == "normal"


@pytest.mark.parametrize("key", ["1", "4"], ids=["live", "models"])
async def test_the_mode_is_flipped_in_the_file_and_the_header_says_it(opened: Open, key: str) -> None:
    async with opened(FILE + 'router = "r1"\n', size=(80, 24)) as (house, pilot):
        await pilot.press(key, "m")
        await until(pilot, " ROUTER  tool odd")
        await heard(pilot, "The router is asked who works from the next request on")
        assert of(house)["mode"] == "router"
        assert house.engine.health()["mode"] == "router"
        await pilot.press("m")
        await until(pilot, " NORMAL  flash")
        assert of(house)["mode"] == "normal"


async def test_a_mode_that_the_environment_sets_is_flipped_in_memory_and_says_so(opened: Open) -> None:
    async with opened(FILE + 'router = "r1"\n', ENABLE_ROUTER="true") as (house, pilot):
        before = text_in(house)
        assert "Agents · ROUTER (env)" in shown(pilot)
        await pilot.press("m")
        await until(pilot, "Agents · NORMAL (held here)")
        await heard(pilot, "until ccr-tui ends: environment ENABLE_ROUTER wins over config.toml.")
        assert text_in(house) == before
        assert house.engine.config.mode == "normal"


# -- tests of a model


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x40"])
async def test_a_test_is_watched_and_stays_as_badges(opened: Open, size: tuple[int, int]) -> None:
    nobody = f'base_url = "http://127.0.0.1:{closed_port()}/v1"\n'
    quick = FILE.replace("[providers.deepseek]\n", f"[providers.deepseek]\n{nobody}") + "[patience]\nretries = 0\n"
    async with opened(quick, size) as (house, pilot):
        await pilot.press("t")
        await until(pilot, "Test of flash · 0 ok · lacks key, answers, streaming, tools", "t again · esc closes")
        await pilot.press("enter")
        glance = "? key ? listed ? answers ? streaming ? tools ? parallel tools"
        await until(pilot, "✗ 0/10", "lacks what Claude Code needs · 0 of 10 · just now", glance)
        while "? system midway    Not tried" not in shown(pilot):
            await until(pilot, "space reads on")
            await pilot.press("space")
        await until(pilot, "? system midway", "Not tried, because one_token did not pass.")
        badges = house.reader.badges()[("deepseek", "deepseek-flash")]
        assert [badge.ability for badge in badges] == ["failed"] * 10


async def test_a_test_that_is_left_in_the_middle_ends(tmp_path: Path) -> None:
    house = Hollow(tmp_path / "ccr.db", QWEN)
    app = CcrApp(house)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "● http://")
        await pilot.press("4")
        await until(pilot, "model qwen-max")
        await pilot.press("t")
        await until(pilot, "1 ok · 1 of 10 checks made", "qwen-max is fine.", "esc breaks it off")
        await pilot.press("escape")
        await gone(pilot, "Test of qwen-max")
        await pilot.pause(0.1)
        assert house.ended
    await house.stop()


# -- the demo, and small parsers


async def test_the_demo_saves_nothing_and_says_so(tmp_path: Path) -> None:
    house = Hollow(tmp_path / "ccr.db", DEMO)
    app = CcrApp(house, demo=True)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, "● http://")
        await pilot.press("4")
        await until(pilot, "model demo", "built in")
        for key in ("a", "e", "x"):
            await pilot.press(key)
            await heard(pilot, "This is the demo, and nothing is saved.")
            pilot.app.clear_notifications()
    await house.stop()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("", None), ("131072", 131072), ("131_072", 131072), ("128k", 128000), ("1M", 1_000_000), ("1.5m", 1_500_000)],
)
def test_a_number_of_tokens_is_written_as_people_do(written: str, meant: int | None) -> None:
    assert count(written) == meant


@pytest.mark.parametrize("written", ["0", "-1", "many", "1e6", "128kk", "900M"])
def test_what_is_no_number_of_tokens_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="such as 131072, 128k or 1M"):
        count(written)


@pytest.mark.parametrize(("written", "meant"), [("", None), ("0.15", 0.15), ("3", 3), ("$2.50", 2.5), ("0", 0)])
def test_dollars_are_written_as_people_do(written: str, meant: float | None) -> None:
    assert dollars(written) == meant
    assert isinstance(dollars(written), type(meant))


@pytest.mark.parametrize("written", ["-1", "free", "nan", "1e9"])
def test_what_is_no_price_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="must be US dollars per million tokens"):
        dollars(written)


DIALOGS = {
    "a question": ("a", ("esc leave it", "⏎ choose")),
    "a list": ("a p", ("esc leave it", "⏎ choose")),
    "a form": ("e", ("esc leave it", "^s save")),
}
"""The keys that open a dialog, and those that its footer tells."""


@pytest.mark.parametrize("case", DIALOGS)
async def test_the_footer_has_the_keys_of_the_dialog_alone(opened: Open, case: str) -> None:
    keys, words = DIALOGS[case]
    async with opened() as (_, pilot):
        before = shown(pilot).split("\n")[-1]
        for key in keys.split():
            await pilot.press(key)
            await pilot.pause()
        end = (await until(pilot, words[0])).split("\n")[-1]
        assert all(word in end for word in words), end
        assert not any(word in end for word in ("t test", "x remove", "2 sessions", "q quit", "space mark")), end
        for _ in keys.split():
            await pilot.press("escape")
        await gone(pilot, words[0])
        assert shown(pilot).split("\n")[-1][:40] == before[:40]


@pytest.mark.parametrize(
    ("url", "asked"),
    [("http://127.0.0.1:4720", True), ("http://box.lan/v1", True), ("https://gateway.example/v1", False)],
    ids=["this machine", "its network", "elsewhere"],
)
def test_an_address_of_ones_own_is_asked_whose_server_it_is(url: str, asked: bool) -> None:
    """Nobody lists a price there, and only the person knows whether anybody bills."""
    fields = {field.key: field for field in number_fields(None, None, prices.is_near(url))}
    assert ("your own server" in fields["input"].hint) is asked
