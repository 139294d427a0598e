"""The user's own Python file: asked safely, loaded again when it changes, and never able to fail a request."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import asked

from ccr_tui.config import Config, Model, Provider, Routing, UserRule, When
from ccr_tui.proxy.asked import about
from ccr_tui.proxy.custom import STUCK, Own, facts, informed
from ccr_tui.proxy.question import Question, Verdict
from ccr_tui.proxy.routing import decide

POSIX = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows shows no owner")
PATIENT = 60.0
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes route.py, each version with a time of its own."""
    path, versions = tmp_path / "route.py", [0]

    def writing(source: str) -> Path:
        path.write_text(source, encoding="utf-8")
        path.chmod(0o600)
        versions[0] += 1
        os.utime(path, (versions[0], versions[0]))
        return path

    return writing


async def ask(path: Path, own: Own | None = None, **told: Any) -> Verdict:
    return await (own or Own(PATIENT)).ask(path, asked(), told)


def route(said: str, before: str = "") -> str:
    return f"{before}\ndef route(request, facts):\n    {said}\n"


SAID: list[tuple[str, str, Verdict]] = [
    ("a model", route("return 'm'"), Verdict("m")),
    ("with blanks", route("return ' p,x\\n'"), Verdict("p,x")),
    ("of the request", route("return request['model']"), Verdict("claude-opus-5-5")),
    ("of the facts", route("return facts['kind']"), Verdict("main")),
    ("nothing", route("return None"), Verdict(None, "route.py left it open")),
    ("empty", route("return ''"), Verdict(None, "route.py left it open")),
    ("a number", route("return 7"), Verdict(None, "route.py: route gave int, and not a model's name or None")),
    ("an exception", route("return request['x']"), Verdict(None, "route.py line 3: KeyError: 'x'")),
    ("a deeper one", route("return f()", "def f(): return 1 / 0"),
     Verdict(None, "route.py line 1: ZeroDivisionError: division by zero")),
    ("the end", route("raise SystemExit(3)"), Verdict(None, "route.py line 3: SystemExit: 3")),
    ("an interruption", route("raise KeyboardInterrupt"), Verdict(None, "route.py line 3: KeyboardInterrupt")),
    ("a coroutine", "async def route(request, facts): return 'm'",
     Verdict(None, "route.py: route must be a plain def, not async def")),
    ("no such function", "def rout(): pass", Verdict(None, "route.py has no function route(request, facts)")),
    ("no function at all", "route = 3", Verdict(None, "route.py has no function route(request, facts)")),
    ("no Python", "def route(", Verdict(None, "route.py line 1: SyntaxError: '(' was never closed")),
    ("a bad import", "import nowhere_to_be_found",
     Verdict(None, "route.py line 1: ModuleNotFoundError: No module named 'nowhere_to_be_found'")),
    ("a dataclass", route("return D('m').x", "from __future__ import annotations\nfrom dataclasses import dataclass\n"
                          "@dataclass\nclass D:\n    x: str"), Verdict("m")),
]  # fmt: skip


@pytest.mark.parametrize(("source", "verdict"), [s[1:] for s in SAID], ids=[s[0] for s in SAID])
async def test_what_the_file_says_or_what_went_wrong(write: Write, source: str, verdict: Verdict) -> None:
    assert await ask(write(source), kind="main") == verdict


async def test_a_change_of_the_request_stays_in_the_file(write: Write) -> None:
    body = asked()
    await Own(PATIENT).ask(write(route("request['messages'].clear()")), body, {})
    assert body == asked()


async def test_each_version_is_loaded_once(write: Write) -> None:
    own = Own(PATIENT)
    counting = "n = 0\ndef route(request, facts):\n    global n\n    n += 1\n    return str(n)"
    path = write(counting)
    assert [(await ask(path, own)).model for _ in range(3)] == ["1", "2", "3"]
    write(counting.replace("str(n)", "f'new {n}'"))
    assert (await ask(path, own)).model == "new 1"
    write("broken(")
    assert "SyntaxError" in (await ask(path, own)).why
    write(counting)
    assert (await ask(path, own)).model == "1"


@pytest.mark.parametrize("half", ["", "def route(request, facts):\n    return 'ha", "route = None\n"], ids=repr)
async def test_a_file_that_is_being_written_is_not_asked_before_it_stands_still(
    write: Write, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor empties it first: what it was before counts for that moment."""
    monkeypatch.setattr("ccr_tui.proxy.custom.SETTLE_S", 3600.0)
    own = Own(PATIENT)
    path = write(route("return 'm'"))
    assert (await ask(path, own)).model == "m"
    path.write_text(half)
    assert (await ask(path, own)).model == "m"
    write(half)  # and so it stays
    assert (await ask(path, own)).model is None
    write(route("return 'own'"))
    assert (await ask(path, own)).model == "own"


async def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    assert (await ask(tmp_path / "none.py")).why == "none.py could not be read: No such file or directory"
    assert "none.py" not in (await ask(tmp_path)).why


@POSIX
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666], ids=oct)
async def test_a_file_that_others_may_write_is_not_run(write: Write, tmp_path: Path, mode: int) -> None:
    path = write(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + route("return 'm'"))
    path.chmod(mode)
    verdict = await ask(path)
    assert verdict.model is None and "chmod go-w" in verdict.why
    assert not (tmp_path / "ran").exists()


@POSIX
async def test_a_file_of_somebody_else_is_not_run(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(route("return 'm'"))
    own = os.getuid()
    if own == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: own + 1)
    verdict = await ask(path)
    assert verdict == Verdict(None, f"route.py belongs to somebody else (user {own or 12345}), so it is not run")


@POSIX
async def test_a_file_where_anybody_may_put_another_is_not_run(write: Write, tmp_path: Path) -> None:
    path, own = write(route("return 'm'")), tmp_path / "own"
    own.mkdir(0o700)
    (own / "route.py").symlink_to(path)
    assert (await ask(own / "route.py")).model == "m", "a link of one's own is followed"
    tmp_path.chmod(0o777)
    for each in (path, own / "route.py"):
        assert "anybody can write into" in (await ask(each)).why
    tmp_path.chmod(0o1777)
    assert (await ask(path)).model == "m"
    if os.getuid() == 0:
        os.lchown(own / "route.py", 12345, -1)
        assert "a link of somebody else (user 12345)" in (await ask(own / "route.py")).why


async def test_a_file_that_does_not_answer_holds_nobody_up(write: Write) -> None:
    """Its calls are left behind, and after a few none is begun until one returns."""
    gate = threading.Event()
    path, own = write(route("facts['gate'].wait()\n    return 'late'")), Own(0.01)
    for _ in range(STUCK):
        assert (await ask(path, own, gate=gate)).why == "route.py did not answer within 0.01 s"
    assert "4 of its calls have not returned" in (await ask(path, own, gate=gate)).why
    left = [thread for thread in threading.enumerate() if thread.name == "ccr-tui custom route"]
    gate.set()
    for thread in left:
        thread.join()
    patient = Own(PATIENT)
    assert (await ask(path, patient, gate=gate)).model == "late"


# --- beside the rules --------------------------------------------------------------------------------------------


def config(path: Path | None, **more: Any) -> Config:
    names = ("m", "own", "long")
    return Config(
        providers={"p": Provider("p", "openai", "http://127.0.0.1:9/v1")},
        models={name: Model(name, "p", name) for name in names},
        agents={"default": ("m",)},
        routing=Routing(custom=path),
        **more,
    )


def question(config: Config, **more: Any) -> Question:
    body = asked(**more)
    return Question(about(body, {}), {"x-app": "cli", "authorization": "secret"}, config, body)


async def many() -> int:
    return 1234


async def never() -> int:
    raise AssertionError("nothing needs to be counted")


async def test_the_file_is_asked_with_what_is_known(write: Write) -> None:
    path = write(route("return 'own' if facts['tokens'] == 1234 and facts['agents'] == {'default': ['m']} else None"))
    asks = await informed(question(config(path)), Own(PATIENT), many)
    assert (asks.estimate, decide(asks).rule, decide(asks).model) == (1234, "custom", "own")
    told = facts(asks)
    assert (told["headers"], told["model"], told["mode"]) == ({"x-app": "cli"}, "claude-opus-5-5", "normal")


async def test_what_went_wrong_is_in_the_trace_and_the_next_rules_decide(write: Write) -> None:
    asks = await informed(question(config(write(route("raise ValueError('so')")))), Own(PATIENT), many)
    decided = decide(asks)
    assert decided.rule == "default"
    assert dict(decided.considered)["custom"] == "route.py line 3: ValueError: so"


RULE = UserRule("mine", When(asked=("claude-*",)), ("own",))


@pytest.mark.parametrize(
    ("more", "rules", "rule", "estimate"),
    [({"model": "own"}, (), "explicit", None), ({}, (RULE,), "ruled", 1234)],
    ids=["a model was asked for", "a rule of the user's own takes it"],
)
async def test_the_file_is_not_asked_where_an_earlier_rule_decides(
    write: Write, tmp_path: Path, more: Any, rules: Any, rule: str, estimate: int | None
) -> None:
    path = write(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + route("return 'm'"))
    asks = await informed(question(config(path, rules=rules), **more), Own(PATIENT), many)
    assert (decide(asks).rule, asks.estimate, asks.custom) == (rule, estimate, None)
    assert not (tmp_path / "ran").exists()


async def test_nothing_is_counted_that_no_rule_needs() -> None:
    asks = await informed(question(config(None)), Own(PATIENT), never)
    assert asks.estimate is None
    wanting = replace(config(None), agents={"default": ("m",), "long_context": ("long",)})
    assert (await informed(question(wanting), Own(PATIENT), many)).estimate == 1234
