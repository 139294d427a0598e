"""The commands that steer: `mode` with a word, `route`, and what `config` shows of rules."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui.cli import main
from ccr_tui.store.queries import Reader
from ccr_tui.store.writer import Writer

TWO = """\
# mine
[providers.p]
base_url = "http://p.example"
[models.a]
[models.b]
[agents]
default = "a" # cheap
"""
BODY = {"model": "claude-opus-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "please deploy"}]}


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of our own with a configuration of two models."""
    for name in ("ENABLE_ROUTER", "OPENAI_MODEL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CCR_TUI_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("CCR_TUI_DB", str(tmp_path / "ccr.db"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(TWO)
    (tmp_path / "body.json").write_text(json.dumps(BODY))
    return tmp_path


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Any:
    def calling(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(args))
        assert isinstance(ended.value.code, int)
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return calling


def test_the_mode_is_set_in_the_file(alone: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = alone / "config.toml"
    code, out, err = call("mode", "router")
    assert (code, out) == (1, "") and "Router mode needs agents.router and agents.tool" in err
    assert "ccr-tui agents router=MODEL tool=MODEL (models: a, b)" in err
    assert path.read_text() == TWO
    assert call("agents", "router=b", "tool=a")[0] == 0
    assert call("mode", "router")[:2] == (0, "router\n")
    assert path.read_text().startswith('# mine\nmode = "router"\n') and "# cheap" in path.read_text()
    assert call("mode")[1] == "router\n"
    assert json.loads(call("mode", "normal", "--json")[1]) == {"mode": "normal", "origin": "config.toml"}
    assert path.read_text().count("mode =") == 1
    monkeypatch.setenv("ENABLE_ROUTER", "true")
    code, out, err = call("mode", "normal")
    assert (code, out) == (0, "router\n") and "environment ENABLE_ROUTER wins over it" in err


def test_the_mode_of_a_file_that_does_not_load_is_not_changed(alone: Path, call: Any) -> None:
    (alone / "config.toml").write_text(TWO + "[server]\nport = 'x'\n")
    assert call("mode", "normal")[0] == 1
    assert (alone / "config.toml").read_text() == TWO + "[server]\nport = 'x'\n"


def test_a_route_is_told_and_explained(alone: Path, call: Any) -> None:
    code, out, err = call("route", "body.json")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "a  (p/a)",
        "agent default, normal mode, rule default: No other rule took the request, so the default agent answers.",
    ]
    explained = call("route", "body.json", "--explain")[1].splitlines()[3:]
    assert [line.split()[0] for line in explained[:4]] == ["pinned", "explicit", "tagged", "ruled"]
    assert explained[-1].startswith("→  default")


def test_a_route_as_json(alone: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "[[rules]]\nname = 'x'\nmodel = ['b', 'a']\nwhen.text = 'deploy'\nwhen.tokens_over = 3\n"
    (alone / "config.toml").write_text(TWO + rule)
    shown = json.loads(call("route", "body.json", "--json")[1])
    assert {key: shown[key] for key in ("mode", "agent", "model", "provider", "id", "fallbacks", "rule", "kind")} == {
        "mode": "normal", "agent": "ruled", "model": "b", "provider": "p", "id": "b", "fallbacks": ["a"],
        "rule": "ruled", "kind": "other",
    }  # fmt: skip
    assert shown["reason"].endswith("It is 'x'.") and shown["considered"][-1] == ["ruled", shown["reason"]]
    assert 3 < shown["estimated_input_tokens"] < 30
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(BODY).encode())))
    assert json.loads(call("route", "-", "--json")[1]) == shown


def test_headers_and_tags_count(alone: Path, call: Any) -> None:
    pinned = json.loads(call("route", "body.json", "-H", "X-CCR-Model: b", "--json")[1])
    assert (pinned["rule"], pinned["model"], pinned["notes"]) == ("pinned", "b", [])
    tag = {"role": "user", "content": "<CCR-SUBAGENT-MODEL>p,b</CCR-SUBAGENT-MODEL>go"}
    (alone / "body.json").write_text(json.dumps({**BODY, "messages": [tag]}))
    tagged = json.loads(call("route", "body.json", "--json")[1])
    assert (tagged["rule"], tagged["model"]) == ("tagged", "b")
    assert tagged["notes"] == ["the <CCR-SUBAGENT-MODEL> tag is removed before the request is sent"]


def test_a_route_of_router_mode_says_that_the_router_would_be_asked(alone: Path, call: Any) -> None:
    (alone / "config.toml").write_text("mode = 'router'\n" + TWO + "router = 'b'\ntool = 'a'\ncoder = 'b'\n")
    code, out, err = call("route", "body.json")
    assert (code, out.splitlines()[0]) == (0, "b  (p/b)")
    assert "agent router, router mode, rule router" in out
    assert "the router is asked only with --ask; it chooses among tool, coder" in err


@contextmanager
def provider(says: str) -> Iterator[str]:
    """A provider that always says the same; its base URL."""
    choice = {"index": 0, "message": {"role": "assistant", "content": says}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
    told = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Not on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


ROUTED = "mode = 'router'\n" + TWO + "router = 'b'\ntool = 'a'\ncoder = 'b'\n"
ASKED = {
    "the tool agent": ('{"use": "tool"}', "agent tool, as the router said", "tool (llm_classifier)"),
    "another first": (
        '{"use": "coder"}',
        "agent tool, once coder (b) has worked, as the router said",
        "coder → tool (llm_classifier)",
    ),
    "nonsense": ("I don't know.", "agent tool, as the router gave no verdict", "tool (parse_failure_fallback)"),
}


@pytest.mark.parametrize(("says", "way", "reason"), ASKED.values(), ids=ASKED)
def test_a_router_that_was_asked_says_who_answers(alone: Path, call: Any, says: str, way: str, reason: str) -> None:
    with provider(says) as url:
        (alone / "config.toml").write_text(ROUTED.replace("http://p.example", url))
        _, out, err = call("route", "--explain", "--ask", "body.json")
        assert Reader(alone / "ccr.db").paid().requests == 1, "it is paid for"
        shown = json.loads(call("route", "--ask", "body.json", "--json")[1])
    assert out.splitlines()[0] == f"a  (p/a): {way}"
    assert "only with --ask" not in err
    assert (shown["model"], shown["provider"], shown["id"], shown["agent"]) == ("a", "p", "a", "tool")
    assert (shown["rule"], shown["reason"], shown["router"]["model"]) == ("router", reason, "b")


def test_the_users_file_is_run(alone: Path, call: Any) -> None:
    own = alone / "own.py"
    own.write_text("def route(request, facts):\n    return 'b' if facts['tokens'] > 3 else None\n")
    own.chmod(0o600)
    (alone / "config.toml").write_text(TWO + "[routing]\ncustom = 'own.py'\n")
    assert json.loads(call("route", "body.json", "--json")[1])["rule"] == "custom"


def test_a_recorded_request_has_a_route(alone: Path, call: Any) -> None:
    writer = Writer(alone / "ccr.db")
    writer.start()
    writer.put(generated.trace(body=next(generated.session())))
    writer.close()
    id = json.loads(call("traces", "ls", "--json")[1])["id"]
    code, out, _ = call("route", "--trace", id[:8], "--json")
    assert (code, json.loads(out)["kind"]) == (0, "main")
    assert call("route", "--trace", "nothing")[0] == 1


BROKEN = [
    ("none.json", "none.json: No such file or directory"),
    ("text.json", "text.json is not JSON"),
    ("list.json", "Input should be"),
    ("empty.json", "model: Field required"),
    ("unknown.json", "No model 'p,' is configured"),
]


@pytest.mark.parametrize(("file", "said"), BROKEN, ids=[file for file, _ in BROKEN])
def test_what_has_no_route_ends_with_1_and_says_why(alone: Path, call: Any, file: str, said: str) -> None:
    contents = {
        "text.json": "hi",
        "list.json": "[]",
        "empty.json": "{}",
        "unknown.json": json.dumps({**BODY, "model": "p,"}),
    }
    if file in contents:
        (alone / file).write_text(contents[file])
    code, out, err = call("route", file)
    assert (code, out) == (1, "") and said in err and "Traceback" not in err


def test_config_shows_what_steers(alone: Path, call: Any) -> None:
    (alone / "config.toml").write_text(
        TWO + "[guards]\nbudget_per_day = 2.5\n[[rules]]\nmodel = 'b'\nwhen.text = 'x'\nwhen.subagent = true\n"
        "[providers.q]\nbase_url = 'http://q'\napi_keys = ['s3cret', '$NAME']\n[models.c]\nprovider = 'q'\n"
    )
    text = (alone / "config.toml").read_text()
    (alone / "config.toml").write_text(
        text.replace("[models.a]", "[models.a]\nprovider = 'p'").replace("[models.b]", "[models.b]\nprovider = 'p'")
    )
    code, out, err = call("config", "show", "--json")
    assert code == 0, err
    shown = json.loads(out)
    assert shown["rules"] == [{"name": "#1", "model": ["b"], "agent": None, "when": {"subagent": True, "text": "x"}}]
    assert (shown["guards"]["budget_per_day"], shown["routing"]["max_hops"]) == ("2.5", 3)
    assert shown["providers"]["q"]["api_keys"] == ["(hidden)", "$NAME"]
    assert call("config", "show")[0] == 0
