"""The command line as scripts and people meet it: output, exit codes, and what is imported on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import generated
import pytest
from places import closed_port

from ccr_tui import __version__
from ccr_tui.cli import main
from ccr_tui.commands import common, doctor
from ccr_tui.filtering import moment
from ccr_tui.records import Badge
from ccr_tui.store import archive, badges
from ccr_tui.store.writer import Writer

HOUSE = Path(__file__).parent.parent
KEPT = ("PATH", "SYSTEMROOT", "LANG")
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and scripts are spelled differently on Windows")


@dataclass
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """What was printed, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Ended]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of our own to work in, and no environment but what a test sets."""
    for name in list(os.environ):
        if name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CCR_TUI_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("CCR_TUI_DB", str(tmp_path / "data" / "ccr.db"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(alone: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the program in this process."""

    def calling(*args: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return calling


@pytest.fixture
def recorded(alone: Path) -> Path:
    """A database with a session of three turns, one refused request, and one that tries to steer the terminal."""
    db = alone / "data" / "ccr.db"
    writer = Writer(db, None, None)
    writer.start()
    for trace in generated.recorded(turns=3):
        writer.put(trace)
    said = {"role": "user", "content": "the \x1b]0;zanzibar\x07 \x9b31m‮paradox"}
    nasty = "\x1b]0;owned\x07\x9b31m‮"
    later = generated.STARTED + 3600
    writer.put(generated.failed("ffff-1", body={"messages": [said]}, asked_model=nasty, started_at=later))
    assert writer.close()
    return db


def test_a_version_and_help_for_everything(call: Call) -> None:
    assert call("--version").out == f"ccr-tui {__version__}\n"
    listed = call("--help").out.split("Commands:")[1].split("\n")
    commands = [line.split()[0] for line in listed if line.strip()]
    assert {
        "serve",
        "code",
        "env",
        "config",
        "context",
        "lab",
        "models",
        "agents",
        "mode",
        "replay",
        "route",
        "doctor",
        "sessions",
        "traces",
        "spend",
        "statusline",
    } == set(commands)
    for command in commands:
        assert call(command, "--help").code == 0, command
    assert not [line for line in listed if line.endswith("...")], "a first sentence is too long for 80 columns"


WRONG = [
    ("nope",),
    ("serve", "extra"),
    ("--port", "x", "env"),
    ("env", "--port", "70000"),
    ("--config", "none.toml", "models"),
    ("env", "--shell", "tcsh"),
    ("traces", "ls", "--since", "5x"),
    ("traces", "ls", "--limit", "0"),
    ("agents", "default"),
    ("agents", "nobody=x"),
    ("agents", "default=nosuch"),
    (),
    ("mode", "both"),
    ("route",),
    ("route", "x.json", "--trace", "ab"),
    ("route", "-", "-H", "nonsense"),
    ("--demo", "env"),
]


@pytest.mark.parametrize("args", WRONG, ids=lambda args: " ".join(args) or "the app without a terminal")
def test_a_wrong_call_ends_with_2_and_says_what(call: Call, args: tuple[str, ...]) -> None:
    ended = call(*args)
    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["env", "models", "agents", "mode", "serve", "code", "config show"])
def test_a_broken_configuration_ends_with_1_and_names_every_key(alone: Path, call: Call, command: str) -> None:
    (alone / "config.toml").write_text("[server]\nport = 'x'\nhots = 1\n")
    ended = call(*command.split())
    assert (ended.code, ended.out) == (1, "")
    assert "server.port" in ended.err and "server.hots" in ended.err


def test_a_broken_configuration_does_not_hide_the_traces(alone: Path, recorded: Path, call: Call) -> None:
    (alone / "config.toml").write_text("[server]\nport = 'x'\n")
    assert len(call("traces", "ls", "--json").lines) == 4


def test_the_app_says_that_it_needs_a_terminal(call: Call) -> None:
    ended = call()
    assert (ended.code, "ccr-tui serve" in ended.err) == (2, True)


def test_env_prints_pairs_of_reason_and_line(call: Call) -> None:
    lines = call("--port", "4000", "env").out.splitlines()
    assert lines[1] == "export ANTHROPIC_BASE_URL=http://127.0.0.1:4000"
    assert call("env", "--port", "4001", "--shell", "fish").out.splitlines()[1].endswith("'http://127.0.0.1:4001'")
    assert json.loads(call("env", "--shell", "json").out)["ANTHROPIC_API_KEY"] == ""


def test_config_begins_with_a_template_that_is_right(alone: Path, call: Call) -> None:
    assert call("config", "path").out == f"{alone / 'config.toml'}\n"
    assert call("config", "init").code == 0
    assert os.name == "nt" or stat.S_IMODE((alone / "config.toml").stat().st_mode) == 0o600
    assert call("config", "check").code == 0
    assert call("config", "init").code == 1


def test_the_template_is_right_without_its_comment_marks(alone: Path, call: Call) -> None:
    call("config", "init")
    path = alone / "config.toml"
    lines = [
        line.removeprefix("# ") if " = " in line or "# [" in line else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines).replace('"$CCR_TUI_KEY"', '"k"'))
    checked = call("config", "check")
    assert (checked.code, checked.out) == (0, "")
    assert [line["agent"] for line in call("agents", "--json").lines] == ["default"]


def test_config_check_lists_problems_and_ends_with_3(alone: Path, call: Call) -> None:
    (alone / "config.toml").write_text(
        "[providers.p]\nbase_url = 'http://x'\nfamily = 'nobodys'\n[models.m]\n[models.m.quirks]\nimagse = 1\n"
    )
    ended = call("config", "check")
    assert ended.code == 3
    assert "providers.p.family" in ended.out
    report = json.loads(call("config", "check", "--json").out)
    assert report["path"] == str(alone / "config.toml") and len(report["problems"]) >= 1


def test_what_is_wrong_with_the_default_agent_is_told_once(call: Call, alone: Path) -> None:
    (alone / "config.toml").write_text(
        '[providers.deepseek]\n[models.flash]\nprovider = "deepseek"\nid = "x"\n[agents]\ndefault = ["nomodel"]\n'
    )
    report = json.loads(call("config", "check", "--json").out)
    assert [problem for problem in report["problems"] if "agents.default" in problem] == report["problems"]
    assert (len(report["problems"]), report["notes"]) == (1, [])


def test_a_budget_that_does_not_see_a_model_is_told(call: Call, alone: Path) -> None:
    priced = "price = { input = 1, output = 2 }"
    models = f'[models.known]\nprovider = "x"\n{priced}\n[models.odd]\nprovider = "x"\n[agents]\ndefault = "known"\n'
    path = alone / "config.toml"
    path.write_text(f'[providers.x]\nbase_url = "https://x.example"\n{models}')
    assert json.loads(call("config", "check", "--json").out)["notes"] == []
    path.write_text(path.read_text() + "[guards]\nbudget_per_session = 2\n")
    ended = call("config", "check")
    assert ended.code == 0
    assert "guards.budget_per_session never sees what odd costs: nobody knows the price" in ended.err


def test_config_show_hides_every_secret(alone: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "config.toml").write_text(
        "proxy = 'http://me:s3cret1@proxy:1'\n[server]\napi_key = 's3cret2'\n[providers.p]\nbase_url = 'http://x'\n"
        "api_key = 's3cret3'\nheaders = {auth = 's3cret4', team = '$TEAM'}\n[models.m]\nprovider = 'p'\n"
    )
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret5")
    monkeypatch.setenv("OPENAI_MODEL", "x")
    for ended in (call("config", "show"), call("config", "show", "--json"), call("doctor"), call("models", "--json")):
        assert "s3cret" not in ended.out + ended.err
    shown = json.loads(call("config", "show", "--json").out)
    assert shown["providers"]["p"]["headers"] == {"auth": "(hidden)", "team": "$TEAM"}
    assert shown["providers"]["openai"]["api_key"] == "$OPENAI_API_KEY"


def test_agents_are_set_in_the_file(alone: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "config.toml").write_text("# mine\n[providers.p]\nbase_url = 'http://x'\n[models.a]\n[models.b]\n")
    assert call("agents", "default=b", "coder=a,p/c").code == 0
    after = (alone / "config.toml").read_text()
    assert after.startswith("# mine\n") and 'default = "b"' in after and 'coder = ["a", "p/c"]' in after
    agents = {line["agent"]: (line["model"], line["fallbacks"]) for line in call("agents", "--json").lines}
    assert agents == {"default": ("b", []), "coder": ("a", ["p/c"])}
    refused = call("agents", "default=typo")
    assert refused.code == 2 and "'typo'" in refused.err
    assert (alone / "config.toml").read_text() == after
    monkeypatch.setenv("OPENAI_MODEL", "a")
    assert "environment OPENAI_MODEL wins" in call("agents", "default=b").err


def test_models_are_listed_with_what_is_known(alone: Path, call: Call) -> None:
    (alone / "config.toml").write_text(
        "[providers.p]\nbase_url = 'https://p.example'\n"
        "[models.a]\nprice = {input = 0.15, output = 2, cache_read = 0.0028}\n[models.b]\nid = 'nobody-knows-this'\n"
    )
    a, b = call("models", "--json").lines
    money = [a["price"][part] for part in ("input_usd", "output_usd", "cache_read_usd", "cache_write_usd", "basis")]
    assert money == ["0.15", "2", "0.0028", None, "user"]
    assert (a["agents"], b["id"], b["price"], b["context"]) == (["default"], "nobody-knows-this", None, None)
    assert "?" in call("models").out.splitlines()[2]
    assert (a["checks"], b["checks"]) == (None, None)
    badges.save(
        alone / "data" / "ccr.db", "p", "a", [Badge("tools", "no", "It wrote a text instead.", 900, None, 1.7e9)]
    )
    (check,) = call("models", "--json").lines[0]["checks"]
    assert (check["name"], check["ok"], check["needed"], check["at"][:4]) == ("tools", False, True, "2023")
    (alone / "data" / "ccr.db").write_bytes(b"no database at all, but as long as one" * 9)
    assert call("models", "--json").lines[0]["checks"] is None


def test_mode_is_shown(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("mode").out == "normal\n"
    monkeypatch.setenv("ENABLE_ROUTER", "true")
    assert call("mode").out == "router\n"


EMPTY = ["traces ls", "traces ls --json", "traces search x --json", "sessions", "sessions --json", "spend --json"]


@pytest.mark.parametrize("command", EMPTY)
def test_before_the_first_request_there_is_nothing_and_nothing_is_made(alone: Path, call: Call, command: str) -> None:
    ended = call(*command.split())
    assert (ended.code, ended.out) == (0, "")
    assert "nothing was recorded" in ended.err
    assert not (alone / "data").exists()


FIRST_GROUP = {
    "id",
    "session",
    "project",
    "agent_id",
    "origin",
    "started_at",
    "duration_ms",
    "ttft_ms",
    "outcome",
    "status",
    "error",
    "asked_model",
    "mode",
    "agent",
    "rule",
    "model",
    "provider",
    "stop_reason",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_basis",
    "estimated_input_tokens",
    "cost_usd",
    "cost_basis",
    "router_cost_usd",
    "attempts",
}
STEP = {
    "n",
    "purpose",
    "provider",
    "model",
    "status",
    "started_at",
    "ttft_ms",
    "duration_ms",
    "sent",
    "response",
    "usage",
    "cost_usd",
    "error",
    "notes",
}


def test_ls_gives_the_fields_that_scripts_rely_on(recorded: Path, call: Call) -> None:
    rows = call("traces", "ls", "--json").lines
    assert len(rows) == 4
    assert all(row.keys() >= FIRST_GROUP for row in rows)
    assert rows[0]["outcome"] == "error" and rows[0]["cost_usd"] is None
    assert rows[1]["cost_usd"] == "0.00432"


LS = [
    (("--limit", "2"), 2),
    (("--session", "session-0"), 3),
    (("--session", "nobody"), 0),
    (("--outcome", "error"), 1),
    (("--outcome", "cancelled"), 0),
    (("--agent", "default"), 4),
    (("--model", "qwen-max"), 4),
    (("--since", "2000-01-01"), 4),
    (("--since", "2100-01-01"), 0),
    (("--outcome", "ok", "--limit", "1"), 1),
]


@pytest.mark.parametrize(("options", "count"), LS, ids=[" ".join(options) for options, _ in LS])
def test_ls_narrows_down(recorded: Path, call: Call, options: tuple[str, ...], count: int) -> None:
    assert len(call("traces", "ls", "--json", *options).lines) == count


def test_ls_for_people_says_when_it_stops(alone: Path, call: Call) -> None:
    writer = Writer(alone / "data" / "ccr.db", None, None)
    writer.start()
    for n in range(250):
        writer.put(generated.trace(f"{n:05d}", {"messages": []}, estimate=1))
    assert writer.close()
    listed = call("traces", "ls")
    assert len(listed.out.splitlines()) == 51
    assert "the newest 50 of 250" in listed.err
    assert len(call("traces", "ls", "--json").lines) == 250, "more than a page"
    assert len(call("traces", "ls", "--limit", "210").out.splitlines()) == 211


@pytest.mark.parametrize(
    "command", ["traces ls", "traces show ffff", "traces search zanzibar", "spend --by model", "sessions"]
)
def test_recorded_text_cannot_steer_the_terminal(recorded: Path, call: Call, command: str) -> None:
    for options in ([], ["--json"]):
        printed = call(*command.split(), *options).out
        assert printed
        assert all(letter == "\n" or letter.isprintable() for letter in printed), printed


def test_show_gives_everything(recorded: Path, call: Call) -> None:
    [row] = call("traces", "ls", "--json", "--limit", "1", "--outcome", "ok").lines
    shown = json.loads(call("traces", "show", row["id"], "--json").out)
    assert {name: shown[name] for name in FIRST_GROUP} == {name: row[name] for name in FIRST_GROUP}
    original = next(trace for trace in generated.recorded(turns=3) if trace.uid == row["id"])
    assert (shown["request"], shown["response"]) == (original.body, original.reply)
    assert {"mode", "agent", "model", "rule", "reason", "considered"} <= shown["decision"].keys()
    assert [step.keys() >= STEP for step in shown["steps"]] == [True]
    assert row["id"] in call("traces", "show", row["id"]).out


def test_show_wants_one_trace(recorded: Path, call: Call) -> None:
    assert call("traces", "show", "zzz").code == 1
    several = call("traces", "show", "0000-")
    assert several.code == 1 and several.out == ""


def test_a_search_finds_what_was_said(recorded: Path, call: Call) -> None:
    [row] = call("traces", "search", "zanzibar", "--json").lines
    assert row["id"] == "ffff-1" and "paradox" in row["snippet"]
    assert call("traces", "search", "thiswasneversaid", "--json").lines == []
    assert call("traces", "search", "zanzibar").err == "1 found\n"
    assert call("traces", "search", "zanzibar", "--limit", "1").err == "the first 1; there may be more (--limit)\n"
    nothing = call("traces", "search", "thiswasneversaid").err
    assert nothing == "nothing found; each word must occur as a whole, of the last one its beginning is enough\n"
    assert call("traces", "search", "zanz").err == "1 found\n"
    assert call("traces", "search", "anzibar").err == nothing
    assert "as a whole" in " ".join(call("traces", "search", "--help").out.split())


def test_an_archive_goes_out_and_comes_in_again(alone: Path, recorded: Path, call: Call) -> None:
    archive = alone / "a.jsonl"
    assert call("traces", "export", "--no-redact", "-o", str(archive)).code == 0
    assert os.name == "nt" or stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert "4 new, 0 known" in call("--db", "other.db", "traces", "import", str(archive)).err
    assert "0 new, 4 known" in call("--db", "other.db", "traces", "import", str(archive)).err
    here, there = call("traces", "ls", "--json").lines, call("--db", "other.db", "traces", "ls", "--json").lines
    assert here == there
    assert call("traces", "export", "--no-redact").out == archive.read_text()
    assert len(call("traces", "export", "--outcome", "error").lines) == 2


BAD_ARCHIVES = [
    ("", "empty"),
    ("{}\n", "other"),
    ('{"format":"ccr-tui traces","version":99}\n', "future"),
    ("\x00", "bytes"),
]


@pytest.mark.parametrize("content", [content for content, _ in BAD_ARCHIVES], ids=[name for _, name in BAD_ARCHIVES])
def test_a_file_that_is_no_archive_is_refused(alone: Path, call: Call, content: str) -> None:
    (alone / "a.jsonl").write_text(content)
    ended = call("traces", "import", "a.jsonl")
    assert (ended.code, ended.out) == (1, "") and "a.jsonl" in ended.err


def test_verify_ends_with_0_or_3(alone: Path, recorded: Path, call: Call) -> None:
    assert json.loads(call("traces", "verify", "--json").out)["problems"] == []
    data = bytearray(recorded.read_bytes())
    recorded.write_bytes(data[: len(data) // 2])
    damaged = call("traces", "verify")
    assert damaged.code in (1, 3) and (damaged.out or damaged.err)


def test_sessions_and_spend_add_up(recorded: Path, call: Call) -> None:
    sessions = {row["id"]: row for row in call("sessions", "--json").lines}
    assert sessions["session-0"]["requests"] == 3
    assert sessions["session-0"]["cost_usd"] == "0.01296"
    for by in ("hour", "day", "model", "agent", "session", "project", "provider"):
        rows = call("spend", "--by", by, "--json").lines
        assert sum(row["requests"] for row in rows) == 4, by
        assert by in rows[0]
        assert call("spend", "--by", by).code == 0
    assert "$0.013" in call("spend").out


def test_a_baseline_is_somebodys_price(recorded: Path, call: Call) -> None:
    rows = call("spend", "--by", "model", "--baseline", "claude-opus-4-5", "--json").lines
    assert float(rows[0]["baseline_usd"]) > float(rows[0]["cost_usd"])
    unknown = call("spend", "--baseline", "nobody-knows-this")
    assert unknown.code == 2 and "nobody-knows-this" in unknown.err


MOMENTS = [
    ("2026-11-22", datetime(2026, 11, 22).timestamp()),
    ("2026-11-22T14:30Z", 1_795_357_800.0),
    ("2026-11-22T14:30:00+02:00", 1_795_350_600.0),
]


@pytest.mark.parametrize(("text", "meant"), MOMENTS, ids=[text for text, _ in MOMENTS])
def test_a_moment_is_a_date_or_a_time(text: str, meant: float) -> None:
    assert moment(text, 0) == meant


def test_a_moment_may_lie_back_by_so_much() -> None:
    now = datetime.now().timestamp()
    for text, ago in (("90m", 5400), ("2h", 7200), ("3d", 259_200), ("1w", 604_800), ("0.5h", 1800)):
        assert moment(text, now) == now - ago


CELLS = [("abc", 3), ("你好", 4), ("é", 1), ("e\u0301", 1), ("", 0)]


@pytest.mark.parametrize(("text", "width"), CELLS)
def test_columns_are_counted_as_the_terminal_does(text: str, width: int) -> None:
    assert common.cells(text) == width
    assert common.cells(common.safe(text * 40, 11)) <= 11


def test_what_a_subagent_took_is_told_as_a_part_of_what_was_typed(alone: Path, call: Call) -> None:
    sub = {"session": "S", "agent_id": "a1b2c3d4e5", "kind": "subagent"}
    work = {"model": "m", "messages": [{"role": "user", "content": "Look into it"}]}
    typed = {"model": "m", "messages": [{"role": "user", "content": "First thing"}]}
    one = generated.trace("m", typed, session="S")
    two = generated.trace("s", work, **sub, started_at=one.started_at + 1)
    archive.take_in(alone / "data" / "ccr.db", [one, two])
    _, typed_line, sub_line = call("sessions", "show", "S").out.split("\n\n")[1].splitlines()
    assert "> First thing" in typed_line and "of it, subagent a1b2c3d4: Look into it" in sub_line
    assert "of it" in call("sessions", "show", "--help").out


def test_doctor_finds_nothing_and_ends_with_0(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCR_TUI_PORT", "0")
    report = json.loads(call("doctor", "--json").out)
    names = {"config", "keys", "port", "database", "models", "answers", "loop"}
    assert {check["name"] for check in report["checks"]} == names
    assert all(check["ok"] for check in report["checks"] if check["name"] != "loop")


def test_doctor_names_what_is_wrong_and_ends_with_3(alone: Path, call: Call) -> None:
    (alone / "data").write_text("not a directory")
    (alone / "config.toml").write_text(
        "mode = 'x'\n[providers.p]\nbase_url = 'http://x'\napi_key = '$NOT_SET_HERE'\n[models.m]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        ended = call("--port", str(other.getsockname()[1]), "doctor", "--json")
    wrong = {check["name"]: check["message"] for check in json.loads(ended.out)["checks"] if not check["ok"]}
    assert ended.code == 3
    assert wrong.keys() - {"loop"} == {"config", "keys", "port", "database"}
    assert "NOT_SET_HERE" in wrong["keys"] and "is taken by" in wrong["port"]


class Health(BaseHTTPRequestHandler):
    """Answers as a ccr-tui with these files."""

    files: Mapping[str, str] = {}

    def do_GET(self) -> None:
        told = {"status": "ok", "mode": "normal", "version": "9", "models": {}, "in_flight": 0, "pid": 42, **self.files}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


OTHERS = [
    ("ours", {"database": "data/ccr.db", "config": "config.toml"}, True, "ccr-tui 9 listens"),
    ("tells nothing, being older", {}, True, "ccr-tui 9 listens"),
    ("another database", {"database": "b.db"}, False, "another ccr-tui 9 (pid 42): its database is ~/b.db."),
    (
        "another configuration",
        {"config": "c.toml"},
        False,
        "another ccr-tui 9 (pid 42): its configuration is ~/c.toml.",
    ),
]


def examined(call: Call, told: dict[str, str], name: str) -> Any:
    """What doctor says in one of its checks, where somebody listens whose /health tells this."""
    handler = type("Told", (Health,), {"files": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        ended = call("--port", str(server.server_address[1]), "doctor", "--json")
        server.shutdown()
        thread.join()
    (check,) = (check for check in json.loads(ended.out)["checks"] if check["name"] == name)
    return check


@pytest.mark.parametrize(("files", "ok", "says"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_doctor_knows_a_strangers_ccr_tui_from_ours(
    alone: Path, call: Call, files: dict[str, str], ok: bool, says: str
) -> None:
    port = examined(call, {name: str(alone / path) for name, path in files.items()}, "port")
    assert (port["ok"], says in port["message"]) == (ok, True), port["message"]


def test_doctor_says_what_keeps_the_running_one_from_writing(alone: Path, call: Call) -> None:
    archive_of(alone / "data" / "ccr.db")
    database = examined(call, {"trouble": "its disk is full"}, "database")
    assert (database["ok"], database["message"]) == (False, "ccr-tui 9, which runs, can't write: its disk is full")


def test_doctor_says_that_the_disk_is_nearly_full(alone: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_of(alone / "data" / "ccr.db")
    monkeypatch.setattr(doctor, "LITTLE", 1 << 60)
    assert "MB are free on its disk. Free some space there." in call("--port", "0", "doctor").out


def archive_of(db: Path) -> None:
    """A database with one request."""
    writer = Writer(db)
    writer.start()
    writer.put(generated.trace("one"))
    assert writer.close()


def test_doctor_says_what_was_not_asked_and_who_fails(alone: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCR_TUI_PORT", "0")
    models = "".join(f"[models.{name}]\nprovider = '{name}'\n" for name in ("up", "down"))
    (alone / "config.toml").write_text(
        "[providers.up]\nbase_url = 'http://x'\n[providers.down]\nbase_url = 'http://y'\n" + models
    )
    told = call("doctor")
    assert "--   models    2 models, not asked now; `ccr-tui doctor --model up` asks one" in told.out
    assert "--   answers   nothing was asked yet" in told.out and "all is well" not in told.err
    writer = Writer(alone / "data" / "ccr.db")
    writer.start()
    ended = [("down", generated.failed), ("up", generated.failed), ("down", generated.failed), ("up", generated.trace)]
    for n, (provider, made) in enumerate(ended):
        one = made(f"f{n}", started_at=time.time() - 60 + n)
        writer.put(replace(one, attempts=(replace(one.attempts[0], provider=provider),)))
    assert writer.close()
    checks = {check["name"]: check for check in json.loads(call("doctor", "--json").out)["checks"]}
    assert checks["answers"]["message"].startswith(
        "3 of the last 4 requests failed\ndown: the last request failed with"
    )
    assert (checks["answers"]["ok"], checks["models"]["ok"], checks["models"]["noted"]) == (False, True, True)


def imported_by(*args: str) -> set[str]:
    """The packages that one call loads, in a fresh interpreter."""
    script = (
        "import atexit, sys; from ccr_tui.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nmain(sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", script, *args], capture_output=True, text=True, check=True, timeout=60)
    return {name.split(".")[0] for name in done.stderr.split()}


HEAVY = {
    "textual",
    "rich",
    "aiohttp",
    "httpx",
    "sqlite3",
    "sqlite_utils",
    "tiktoken",
    "tomlkit",
    "genai_prices",
    "asyncio",
}


@pytest.mark.parametrize("args", [("--version",), ("env",), ("config", "path"), ("mode",)], ids=" ".join)
def test_a_quick_command_imports_nothing_heavy(
    alone: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    assert imported_by(*args) & HEAVY == set()


@pytest.mark.parametrize(
    "written",
    ["", 'port = "none"', '[models.a]\nprovider = "nobody"\nid = "a"', "[server]\nport = 0"],
    ids=["nothing", "no port", "no provider", "no port yet"],
)
def test_the_short_way_to_env_says_what_the_long_one_says(
    alone: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    (alone / "config.toml").write_text(written)
    monkeypatch.setenv("CCR_TUI_CONFIG", str(alone / "config.toml"))
    ways = (["env"], ["env", "--shell", "sh"])
    short, long = (
        subprocess.run([sys.executable, "-m", "ccr_tui", *way], capture_output=True, text=True, check=False)
        for way in ways
    )
    assert (short.returncode, short.stdout, short.stderr) == (long.returncode, long.stdout, long.stderr)
    assert bool(short.stdout) == (written == "")


def test_env_loads_no_command_line(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HOUSE))
    script = "import sys; from ccr_tui.__main__ import main; main(); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script, "env"], capture_output=True, text=True, check=True)
    assert {"click", "sqlite3", "asyncio", "ccr_tui.commands"} & set(done.stderr.split()) == set()


@POSIX
@pytest.mark.parametrize("args", [["env"], ["config", "check"], ["traces", "ls"]], ids=" ".join)
def test_in_a_directory_that_was_removed_it_says_so(alone: Path, args: list[str]) -> None:
    (alone / "gone").mkdir()
    command = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", sys.executable, "-P", "-m", "ccr_tui", *args]
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    done = subprocess.run(command, env=env, cwd=alone / "gone", capture_output=True, text=True, check=False)
    told = "ccr-tui: the directory in which you are was removed; change into another one\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_a_running_program_goes_on_where_its_directory_was_removed(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone / "gone").mkdir()
    monkeypatch.chdir(alone / "gone")
    source = common.Source({"config": str(alone / "config.toml")})
    (alone / "gone").rmdir()
    (alone / "config.toml").write_text("[server]\nport = 7\n")
    assert source.load().port == 7
    assert source.problems(alone / "config.toml") == []
    monkeypatch.chdir(alone)


@pytest.fixture
def serving(alone: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A proxy in a process of its own, and its address."""
    child = subprocess.Popen(
        [sys.executable, "-m", "ccr_tui", "serve", "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background ignores it
    )
    assert child.stderr is not None
    with child:
        address = next(line.split()[-1] for line in child.stderr if line.startswith("listening on "))
        yield child, address
        child.kill()


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_with_0_when_it_is_told_to(serving: tuple[subprocess.Popen[str], str], number: int) -> None:
    child, address = serving
    assert address.startswith("http://127.0.0.1:")
    child.send_signal(number)
    assert child.wait(timeout=20) == 0


@POSIX
def test_code_runs_claude_code_beside_the_proxy_that_listens(
    serving: tuple[subprocess.Popen[str], str], alone: Path
) -> None:
    _, address = serving
    done = run_code(alone, address.rsplit(":", 1)[1], "-p", "hi there", "--", "--help")
    assert done.stdout.splitlines() == [address, "ccr-tui", "<-p> <hi there> <--> <--help>", "ok"]
    assert done.returncode == 7


@POSIX
def test_code_starts_a_proxy_and_ends_it(alone: Path) -> None:
    port = str(closed_port())
    done = run_code(alone, port, "--model", "x", "--help")
    assert done.stdout.splitlines() == [f"http://127.0.0.1:{port}", "ccr-tui", "<--model> <x> <--help>", "ok"]
    assert done.returncode == 7
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


@POSIX
def test_code_runs_nothing_of_the_repository_in_which_it_is_called(alone: Path) -> None:
    for name in ("ccr_tui/__init__", "ccr_tui/__main__", "click", "asyncio", "sitecustomize"):
        (alone / name).parent.mkdir(exist_ok=True)
        (alone / f"{name}.py").write_text("open('RAN', 'w')")
    done = run_code(alone, "0")
    assert (done.stdout.splitlines()[-1:], done.returncode) == (["ok"], 7), done.stderr
    assert not (alone / "RAN").exists()


@POSIX
def test_code_leaves_another_program_alone(alone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run_code(alone, str(other.getsockname()[1]))
    assert done.returncode == 1 and "is taken by " in done.stderr and " code\n" in done.stderr


def test_code_says_where_claude_code_comes_from(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = call("code")
    assert ended.code == 1 and "npm install -g @anthropic-ai/claude-code" in ended.err


CLAUDE = """#!{python}
import json, os, sys, urllib.request
print(os.environ["ANTHROPIC_BASE_URL"])
print(os.environ["ANTHROPIC_AUTH_TOKEN"])
print(*(f"<{{word}}>" for word in sys.argv[1:]))
with urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/health", timeout=10) as health:
    print(json.load(health)["status"])
sys.exit(7)
"""


def run_code(folder: Path, port: str, *args: str) -> subprocess.CompletedProcess[str]:
    """`ccr-tui code ARGS` with a stand-in for Claude Code that says what it was given."""
    program = folder / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(CLAUDE.format(python=sys.executable))
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(HOUSE)}
    command = [sys.executable, "-P", "-m", "ccr_tui", "--port", port, "code", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
