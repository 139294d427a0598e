"""One line for Claude Code, from the JSON that it really sends; and nothing at all where something is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import generated
import pytest
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import statusline, windows
from ccr_tui.records import Price, RouteDecision, Usage
from ccr_tui.screens import show
from ccr_tui.store import archive

LIST = Price(1_000_000_000, 2_000_000_000, 100_000_000, since="2026-11-01", source="a table")
TOOL = RouteDecision("router", "tool", "mine", "router", "it calls tools")
OLD = {
    "hook_event_name": "Status",
    "session_id": "s-1",
    "transcript_path": "/home/ada/.claude/projects/-home-ada-engine/s-1.jsonl",
    "cwd": "/home/ada/engine",
    "model": {"id": "claude-opus-4-1", "display_name": "Opus"},
    "workspace": {"current_dir": "/home/ada/engine", "project_dir": "/home/ada/engine"},
    "version": "1.0.96",
    "output_style": {"name": "default"},
    "cost": {"total_cost_usd": 0.1355282, "total_duration_ms": 67065, "total_api_duration_ms": 53178},
    "exceeds_200k_tokens": False,
}
"""As 1.0.x sent it."""
NEW = OLD | {
    "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
    "version": "2.1.330",
    "effort": {"level": "high"},
    "context_window": {
        "total_input_tokens": 48_000,
        "total_output_tokens": 300,
        "context_window_size": 1_000_000,
        "used_percentage": 4.8,
        "remaining_percentage": 95.2,
        "current_usage": {"input_tokens": 8500, "output_tokens": 1200, "cache_read_input_tokens": 2000},
    },
    "prompt_cache": {"hit_rate": 0.9},
}
"""As 2.x sends it."""
FRESH = NEW | {"context_window": {"context_window_size": 1_000_000, "used_percentage": None, "current_usage": None}}
CONFIG = '[models.mine]\nprovider = "x"\nid = "qwen-max"\ncontext = 64000\n'

Line = Callable[..., str]


def call(**changes: Any) -> Any:
    own: dict[str, Any] = {"usage": Usage(2_000, 400, 30_000), "price": LIST, "cost": 500_000_000, "cost_basis": "list"}
    return generated.attempt(**(own | changes))


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """The line for some JSON, with these attempts recorded in session s-1, each a request."""
    monkeypatch.chdir(tmp_path)

    def make(told: Any, *attempts: Any, config: str = "", session: str = "s-1", **changes: Any) -> str:
        traces = [
            generated.trace(f"t-{n}", attempts=(attempt,), session=session, decision=TOOL, **changes)
            for n, attempt in enumerate(attempts or (call(),))
        ]
        archive.take_in(tmp_path / "ccr.db", traces)
        (tmp_path / "config.toml").write_text(config)
        flags = {"db": "ccr.db", "config": "config.toml"}
        given = told if isinstance(told, bytes) else json.dumps(told).encode()
        return statusline.line(given, flags, {"NO_COLOR": "1"})

    return make


PLAIN = "ROUTER tool  qwen-max  32.4k tokens  $0.50  94% cached"
ODD = {"session_id": "s-1", "context_window": [], "model": None}
SAID = [
    ("of 1.0.x", OLD, {}, PLAIN),
    ("of 2.x", NEW, {}, "ROUTER tool  qwen-max  5% context  $0.50  94% cached"),
    ("before the first answer is counted", FRESH, {}, PLAIN),
    ("with a known window", NEW, {"config": CONFIG}, "ROUTER tool  qwen-max  51% of 64k  $0.50  94% cached"),
    ("only a transcript", {"transcript_path": "/x/s-1.jsonl"}, {}, PLAIN),
    ("strange values", ODD, {}, PLAIN),
]  # fmt: skip


@pytest.mark.parametrize(("told", "given", "words"), [case[1:] for case in SAID], ids=[case[0] for case in SAID])
def test_what_is_said(line: Line, told: Any, given: dict[str, Any], words: str) -> None:
    assert line(told, **given) == words


@given(st.integers(0, 3 * 10**12) | st.integers(0, 3 * 10**7))
def test_money_is_rounded_as_on_the_screens(nanos: int) -> None:
    assert statusline.money(nanos) == show.money(nanos)


@given(st.integers(0, 10**7))
def test_tokens_are_rounded_as_on_the_screens(count: int) -> None:
    assert statusline.tokens(count) == show.tokens(count)


COSTS = [
    ("estimated", [call(usage=Usage(10, 5, basis="estimated"))], "~$0.50"),
    ("some unknown", [call(), call(price=None, cost=None, cost_basis="unknown")], "$0.50+"),
    ("all unknown", [call(price=None, cost=None, cost_basis="unknown")], "?"),
    ("small", [call(cost=4_320_000)], "$0.0043"),
    ("several", [call(cost=1_230_000_000), call()], "$1.73"),
]


@pytest.mark.parametrize(("attempts", "cost"), [case[1:] for case in COSTS], ids=[case[0] for case in COSTS])
def test_money_is_marked(line: Line, attempts: list[Any], cost: str) -> None:
    assert cost in line(OLD, *attempts).split("  ")


NOTHING: list[tuple[str, Any]] = [
    ("no JSON", b"no"),
    ("nothing", b""),
    ("a list", []),
    ("no session", {}),
    ("another session", {"session_id": "unknown"}),
    ("a session that is none", {"session_id": 5}),
    ("broken text", b'{"session_id": "\xff"}'),
    ("too deep", b"[" * 100_000),
    ("a lone surrogate", b'{"session_id": "\\ud800"}'),
]


@pytest.mark.parametrize("told", [case[1] for case in NOTHING], ids=[case[0] for case in NOTHING])
def test_nothing_is_said_where_nothing_is_known(line: Line, told: Any) -> None:
    assert line(told) == ""


def test_a_request_of_another_kind_says_nothing_of_the_conversation(line: Line) -> None:
    assert line(OLD, kind="title") == ""


def test_recorded_text_does_not_steer_the_terminal(line: Line) -> None:
    assert "\x1b" not in line(OLD, call(model="evil\x1b[2J"))


BROKEN = [
    ("no database", lambda path: None),
    ("a directory", lambda path: path.mkdir()),
    ("no database of ours", lambda path: path.write_bytes(b"no database " * 500)),
    ("an empty file", lambda path: path.write_bytes(b"")),
]


@pytest.mark.parametrize("make", [case[1] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_database_that_cannot_be_read_is_no_matter(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "ccr.db")
    flags = {"db": str(tmp_path / "ccr.db"), "config": str(tmp_path / "none.toml")}
    assert statusline.line(json.dumps(NEW).encode(), flags, {}) == ""


def test_where_the_database_is(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, .env, and config.toml, beside which a relative path stands."""
    assert line(OLD)
    told, bare = json.dumps(OLD).encode(), {"NO_COLOR": "1", "CCR_TUI_CONFIG": str(tmp_path / "config.toml")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert statusline.line(told, {}, bare | {"CCR_TUI_DB": str(tmp_path / "ccr.db")})
    (tmp_path / "config.toml").write_text('[store]\npath = "ccr.db"\n')
    assert statusline.line(told, {}, bare)
    (tmp_path / "config.toml").write_text("broken")
    (elsewhere / ".env").write_text("CCR_TUI_DB=../ccr.db\n")
    assert statusline.line(told, {}, bare)


PROGRAM = """
import resource, sys
from ccr_tui.__main__ import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    heavy = {"click", "dataclasses", "typing", "textual", "orjson", "ccr_tui.config"} & set(sys.modules)
    print(used.ru_utime + used.ru_stime, *sorted(heavy - {"typing"}), file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no resource module on Windows")
def test_the_program_is_quick_and_colours_its_line(line: Line, tmp_path: Path) -> None:
    """0.15 s of CPU on a quiet machine; what it would take is known by what it imports."""
    assert line(OLD)
    root = Path(__file__).parent.parent
    env = {**os.environ, "CCR_TUI_DB": str(tmp_path / "ccr.db"), "PYTHONPATH": str(root)}
    env |= {"CCR_TUI_CONFIG": str(tmp_path / "config.toml")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "statusline"], input=json.dumps(NEW).encode(), env=env, capture_output=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert b"\x1b[1mqwen-max\x1b[0m" in done.stdout and done.stdout.count(b"\n") == 1
    seconds, *heavy = done.stderr.split()
    assert heavy == []
    assert float(seconds) < 0.5, "with room for a busy machine"


def test_every_way_to_call_it_ends_well(tmp_path: Path) -> None:
    for args in (
        ["statusline"],
        ["statusline", "--db", str(tmp_path / "x")],
        ["--db", str(tmp_path / "x"), "statusline"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ccr_tui", *args], input=b"{}", capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_window_of_a_maker_s_own_model_is_known_without_a_table() -> None:
    assert statusline._window({}, "claude-sonnet-4-5") == 200_000
    named = {"models": {"big": {"id": "claude-opus-5-5"}, "mine": {"id": "claude-opus-5-5", "context": 50_000}}}
    assert [statusline._window(named, name) for name in ("big", "mine", "other")] == [1_000_000, 50_000, 0]


@pytest.mark.parametrize(
    "model", [m for p in get_snapshot().providers if p.id == "anthropic" for m in p.models], ids=lambda model: model.id
)
def test_windows_are_those_of_genai_prices(model: Any) -> None:
    found = windows.window(model.id)
    assert (found[0] if found else None) == model.context_window
