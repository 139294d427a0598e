"""A terminal, a browser and a shell are not steered by what was recorded: every text of every field tries to."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import generated
import pytest

from ccr_tui.cli import main
from ccr_tui.records import Trace
from ccr_tui.replay.export import harmless
from ccr_tui.store import archive
from ccr_tui.store.writer import Writer

NASTY = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u2066\u200b\u2060\U000e0041[/red][@click=app.quit]x[/]\r\x08\x7f\u200e"
    "<script>alert(1)</script>`$(id)'\";\ud800"
)
STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ud800-\udfff\U000e0041]"
)
"""What a terminal obeys, what turns text around or can't be seen; line ends and tabs are ours."""
JSON_STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def nasty(value: Any, hint: Any = str) -> Any:
    """The value with every free text in it turned against whoever shows it; words that we choose stay."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value))
        return replace(value, **{f.name: nasty(getattr(value, f.name), hints[f.name]) for f in fields(value)})
    if get_origin(hint) is Literal or any(get_origin(each) is Literal for each in get_args(hint)):
        return value
    if isinstance(value, str):
        return value + NASTY
    if isinstance(value, tuple):
        return tuple(nasty(each) for each in value)
    if isinstance(value, list):
        return [nasty(each) for each in value]
    if isinstance(value, dict):
        kept = ("type", "role", "stop_reason", "media_type", "id", "tool_use_id")
        return {key: each if key in kept else nasty(each) for key, each in value.items()}
    return value


def hostile(trace: Trace) -> Trace:
    made = nasty(trace)
    return replace(made, uid=trace.uid, app_version="0", timeline=trace.timeline, spans=trace.spans)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a database and an archive of hostile requests."""
    folder = tmp_path_factory.mktemp("hostile")
    traces = [hostile(trace) for trace in (*generated.recorded(turns=4), generated.failed("ffff-1"))]
    writer = Writer(folder / "data" / "ccr.db", None, None)
    writer.start()
    for trace in traces:
        writer.put(trace)
    assert writer.close()
    (folder / "archive.jsonl").write_bytes(b"".join(archive.lines(traces[:4])))
    return folder


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Calls the program in this process; gives all that it prints."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CCR_TUI_CONFIG", str(folder / "config.toml"))
    monkeypatch.setenv("CCR_TUI_DB", str(folder / "data" / "ccr.db"))
    monkeypatch.chdir(folder)

    def calling(*args: str) -> str:
        with pytest.raises(SystemExit):
            main(list(args))
        said = capfd.readouterr()
        return said.out + said.err

    return calling


CALLS = [
    ["traces", "ls"], ["traces", "ls", "--filter", "error"], ["traces", "search", "owned"], ["traces", "verify"],
    ["traces", "show", "ID"], ["traces", "show", "ID", "--tokens"], ["traces", "show", "ID", "--cache"],
    ["traces", "show", "ID", "--stream"], ["traces", "show", "ID", "--diff", "sent"], ["traces", "show", "ffff-1"],
    ["traces", "show", "ID", "--diff", "before"], ["context", "SESSION"], ["sessions"], ["sessions", "show", "SESSION"],
    *(["spend", "--by", by] for by in ("model", "provider", "agent", "project", "session")), ["spend", "--summary"],
    ["traces", "ls", "--filter", NASTY.replace("\x00", "")], ["traces", "show", "nobody\x1b[2J"],
    ["traces", "export", "-o", "out.md"], ["traces", "import", "archive.jsonl"], ["models"], ["traces", "prune"],
    ["replay", "archive.jsonl", "--variant", "all=qwen-max"], ["doctor"],
    ["replay", "archive.jsonl", "--kind", "rehearse"], ["--host", NASTY.replace("\x00", ""), "doctor"],
]  # fmt: skip


def filled(call: Callable[..., str], args: list[str]) -> list[str]:
    found = json.loads(call("traces", "ls", "--json").splitlines()[-1])
    names = {"ID": found["id"], "SESSION": found["session"]}
    return [names.get(arg, arg) for arg in args]


@pytest.mark.parametrize("args", CALLS, ids=lambda args: " ".join(args)[:40].encode("ascii", "replace").decode())
def test_nothing_that_is_printed_steers_a_terminal(call: Callable[..., str], args: list[str]) -> None:
    said = call(*filled(call, args))
    assert "Traceback" not in said
    assert said and [hex(ord(each)) for each in STEERS.findall(said)] == []


JSONS = [
    ["traces", "ls"], ["traces", "show", "ID"], ["traces", "show", "ID", "--tokens"], ["sessions"],
    ["spend", "--by", "model"],
    ["sessions", "show", "SESSION"], ["context", "SESSION"], ["traces", "search", "owned"],
]  # fmt: skip


@pytest.mark.parametrize("args", JSONS, ids=" ".join)
def test_json_stays_json_and_steers_nothing(call: Callable[..., str], args: list[str]) -> None:
    said = call(*filled(call, args), "--json")
    values = [json.loads(line) for line in said.splitlines()]
    assert "\\x1b]0;owned" in repr(values) or args[0] == "context", "and what it says is what was recorded"
    assert [hex(ord(each)) for each in JSON_STEERS.findall(said)] == []


def test_a_curl_of_a_hostile_request_runs_nothing(call: Callable[..., str], folder: Path) -> None:
    call("traces", "export", "--no-redact", "-o", "out.sh")
    script = (folder / "out.sh").read_bytes()
    (folder / "curl").write_text('#!/bin/sh\nprintf "%s" "$#" > /dev/null\n')
    (folder / "curl").chmod(0o755)
    (folder / "id").write_text("#!/bin/sh\ntouch RAN\n")
    (folder / "id").chmod(0o755)
    env = {"PATH": f"{folder}:/usr/bin:/bin"}
    done = subprocess.run(["sh"], input=script, cwd=folder, env=env, capture_output=True, check=False)
    assert done.stderr == b""
    assert not (folder / "RAN").exists()


def test_a_page_of_hostile_requests_runs_nothing(call: Callable[..., str], folder: Path) -> None:
    call("traces", "export", "--no-redact", "-o", "out.html")
    page = (folder / "out.html").read_text("utf-8", "replace")
    assert "alert(1)" in page and "<script>alert" not in page


@pytest.mark.parametrize("form", ["md", "csv", "html"])
def test_a_replay_that_is_written_down_steers_nothing(call: Callable[..., str], folder: Path, form: str) -> None:
    call("replay", "archive.jsonl", "--variant", "all=qwen-max", "--export", f"replay.{form}")
    said = (folder / f"replay.{form}").read_text()
    assert "owned" in said
    assert [hex(ord(each)) for each in STEERS.findall(said)] == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1+1", " =1+1", "\r\n=1+1"])
def test_a_spreadsheet_takes_no_text_for_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
