"""What an export holds: the same requests when it comes back, no key, nothing that acts on the page it is shown on."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from generated import attempt, failed, recorded, trace, traces
from har_schema import SCHEMA
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui.config import Config, Provider
from ccr_tui.errors import CcrError
from ccr_tui.records import Trace
from ccr_tui.store import archive
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.transfer import leaving
from ccr_tui.transfer.har import read
from ccr_tui.transfer.leaving import FORMATS, Chosen, Format, Scene
from ccr_tui.transfer.markdown import plain
from ccr_tui.transfer.progress import Cancelled
from ccr_tui.transfer.redaction import Redactor, redactor
from ccr_tui.wire import loads

CANARY = "sk-ant-" + "api03-CanaryCanaryCanary0123456789"
PLAIN = "canary in plain words"
PROVIDER = Provider("dashscope", "openai", "https://dashscope.example/v1", api_key=CANARY)
CONFIG = Config(providers={"dashscope": PROVIDER}, api_key=PLAIN)
VALID = jsonschema.Draft202012Validator(SCHEMA)
SCENE = leaving.scene(CONFIG, "Requests", ("received", "sent"))


def export(format: Format, given: Iterable[Trace], redactor: Redactor | None = None, scene: Scene = SCENE) -> bytes:
    return b"".join(leaving.pieces(format, given, scene, redactor))


def bare(one: Trace) -> Trace:
    """Without the raw streams, which only an archive that is not redacted holds."""
    return replace(one, attempts=tuple(replace(each, stream=()) for each in one.attempts))


# -- what comes back


@given(st.lists(traces(), max_size=3))
@settings(max_examples=12)
def test_an_archive_comes_back_as_it_was(given_: list[Trace]) -> None:
    lines = export("jsonl", given_).splitlines(keepends=True)
    assert list(archive.read(lines)) == given_


@given(st.lists(traces(), max_size=3))
@settings(max_examples=12)
def test_a_redacted_archive_comes_back_redacted(given_: list[Trace]) -> None:
    lines = export("jsonl", given_, Redactor()).splitlines(keepends=True)
    assert loads(lines[0])["redacted"] is True
    assert list(archive.read(lines)) == [Redactor().trace(one) for one in given_]


@given(st.lists(traces(), max_size=3, unique_by=lambda one: one.uid))
@settings(max_examples=12)
def test_a_har_of_ours_comes_back_without_its_streams(given_: list[Trace]) -> None:
    har = loads(export("har", given_))
    assert [one for one in read(har) if isinstance(one, Trace)] == [bare(one) for one in given_ if is_request(one)]


def is_request(one: Trace) -> bool:
    """Whether it has a body that a HAR's reader takes for a request for a message."""
    return isinstance(one.body, dict | list | str | int | float)


@given(st.lists(traces(), max_size=2))
@settings(max_examples=12)
def test_any_har_is_one_by_the_schema(given_: list[Trace]) -> None:
    VALID.validate(loads(export("har", given_)))


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_requests_give_the_same_bytes(format: Format) -> None:
    some = list(recorded(1, 3))
    assert export(format, some, Redactor(("ada",))) == export(format, some, Redactor(("ada",)))


# -- what is in it


def test_a_har_holds_both_sides() -> None:
    har = loads(export("har", [trace("t1", attempts=(attempt(sent={"model": "qwen-max", "messages": []}),))]))
    VALID.validate(har)
    came, went = har["log"]["entries"]
    assert came["request"]["url"] == "http://127.0.0.1:3456/v1/messages"
    assert json.loads(came["request"]["postData"]["text"])["model"] == "claude-opus-5-5"
    assert "event: message_start" in came["response"]["content"]["text"]
    assert (came["time"], came["timings"]) == (1850, {"send": 0, "wait": 430, "receive": 1420})
    assert went["request"]["url"] == "https://dashscope.example/v1/chat/completions"
    assert "data:" in went["response"]["content"]["text"]


def test_a_failure_is_in_the_har_as_the_client_was_told_it() -> None:
    came = loads(export("har", [failed()]))["log"]["entries"][0]
    assert (came["response"]["status"], came["response"]["statusText"]) == (429, "Too Many Requests")
    assert json.loads(came["response"]["content"]["text"])["error"]["type"] == "rate_limit_error"


def test_a_session_is_told_once() -> None:
    some = list(recorded(1, 4))
    shown = export("md", some).decode()
    for one in some:
        said = one.reply["content"][0]
        words = said.get("text") or said.get("thinking") or plain(f"{said['name']} {said['id']}")
        assert shown.count(words) == 1
    assert shown.count("Find out why the") == 1
    assert "3 earlier messages stand above" in shown


def test_a_redacted_export_says_what_was() -> None:
    one = trace(body={"messages": [{"role": "user", "content": f"{CANARY} of ada@example.org"}]})
    shown = export("md", [one], Redactor()).decode()
    assert "Redacted: 1 e-mail address, " in shown and "1 key" in shown
    assert "Not redacted." in export("md", [one]).decode()


# -- what is not in it


def hostile(text: str) -> Trace:
    """With the text wherever a text can be."""
    said: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": text}, {"type": text, "x": text}]}
    result = {"type": "tool_result", "tool_use_id": text, "content": text, "is_error": True}
    use = {"type": "tool_use", "id": text, "name": text, "input": {text: text}}
    one = failed(
        body={
            "model": text,
            "system": text,
            "tools": [{"name": text}],
            "messages": [said, {"role": text, "content": [result, use, {"type": "thinking", "thinking": text}]}],
        },
        reply={"content": [use, {"type": "image", "source": {"type": text, "media_type": text}}]},
        project=text,
        session=text,
        agent_id=text,
        asked_model=text,
        headers={"user-agent": text},
    )
    step = replace(one.attempts[0], notes=(text,), provider=text, model=text, sent={"m": text})
    failure = one.failure and replace(one.failure, message=text)
    decision = one.decision and replace(one.decision, reason=text, considered=((text, text),))
    return replace(one, attempts=(step,), failure=failure, decision=decision)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("secret", [CANARY, PLAIN], ids=["by its shape", "because it is configured"])
def test_no_key_leaves(format: Format, secret: str) -> None:
    out = export(format, [hostile(f"key {secret} end")], redactor(CONFIG, {"OTHER_API_KEY": "whatever it is"}))
    assert secret.encode() not in out


@pytest.mark.parametrize("format", FORMATS)
def test_a_configured_key_is_never_written_even_unredacted(format: Format) -> None:
    out = export(format, recorded(1, 2))
    assert CANARY.encode() not in out and PLAIN.encode() not in out


BAD = [
    "<script>alert(1)</script>",
    "</pre></details><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "]]><!-- -->",
    "\x00\x1b]0;owned\x07\u202eevil",
    "\ud800",
]


class Seen(HTMLParser):
    """Which tags and attributes a page has."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def page_of(text: str) -> Seen:
    seen = Seen()
    seen.feed(export("html", [hostile(text)]).decode())
    seen.close()
    return seen


HARMLESS = page_of("harmless")


@pytest.mark.parametrize("text", BAD)
def test_what_was_said_is_text_on_the_page(text: str) -> None:
    seen = page_of(text)
    assert (seen.tags, seen.attributes) == (HARMLESS.tags, HARMLESS.attributes)
    assert seen.tags.isdisjoint({"script", "img", "svg", "iframe", "link", "object", "embed"})
    shown = export("html", [hostile(text)]).decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", shown)


@given(st.text())
@settings(max_examples=60)
def test_html_escapes_everything(text: str) -> None:
    seen = page_of(text)
    assert (seen.tags, seen.attributes) == (HARMLESS.tags, HARMLESS.attributes)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    shown = export("html", recorded(1, 3)).decode()
    assert 'Content-Security-Policy" content="default-src &#x27;none&#x27;' in shown
    assert not re.search(r"(src|href)\s*=", re.sub(r"<pre>.*?</pre>", "", shown, flags=re.S))
    assert "@import" not in shown and "url(" not in re.sub(r"<pre>.*?</pre>", "", shown, flags=re.S)


@pytest.mark.parametrize("text", ["```\n# not a heading\n", "````", "a | b\n|---|", "<b>x</b>", "](x)", "# head"])
def test_what_was_said_ends_no_fence_in_markdown(text: str) -> None:
    shown = export("md", [hostile(text)]).decode()
    outside = re.sub(r"^(`{3,})\w+\n.*?\n\1$", "", shown, flags=re.S | re.M)
    heads = [line for line in outside.splitlines() if line.startswith("#")]
    assert all(line.startswith(("# Requests", "## 2026", "### ")) for line in heads)
    assert "<b>" not in outside


# -- curl


def test_curl_of_both_sides_reads_its_keys_from_the_environment() -> None:
    shown = export("curl", [trace(body={"model": "m", "messages": [{"role": "user", "content": "it's $HOME `x`"}]})])
    came, went = re.findall(r"^curl.*\n.*\nJSON$", shown.decode(), re.M)
    assert '"authorization: Bearer $CCR_TUI_API_KEY"' in came and "http://127.0.0.1:3456/v1/messages" in came
    assert '"authorization: Bearer $DASHSCOPE_API_KEY"' in went and "https://dashscope.example/v1/chat" in went
    assert shlex.split(came.splitlines()[0])[:3] == ["curl", "-sS", "-N"]


def test_a_shell_passes_the_body_on_as_it_is(tmp_path: Path) -> None:
    content = 'it\'s $HOME `id` \\n \\\\ "q" $(x)\nJSON\n é \U0001f600'
    one = trace(body={"model": "m", "messages": [{"role": "user", "content": content}]})
    (tmp_path / "curl").write_text("#!/bin/sh\ncat\n")
    (tmp_path / "curl").chmod(0o700)
    script = export("curl", [one], scene=leaving.scene(CONFIG, "x"))
    done = subprocess.run(
        ["/bin/sh"], input=script, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["messages"][0]["content"] == content


# -- which, and where


@pytest.fixture
def store(tmp_path: Path) -> Reader:
    archive.take_in(tmp_path / "ccr.db", [*recorded(1, 3), trace("alone", session=None)])
    return Reader(tmp_path / "ccr.db")


CHOICES = [(Chosen(), 4), (Chosen(("alone",)), 1), (Chosen(filter=Filter(session="session-1")), 3)]


@pytest.mark.parametrize(("chosen", "count"), CHOICES, ids=["all", "one", "a session"])
def test_what_is_chosen_is_exported(store: Reader, chosen: Chosen, count: int) -> None:
    assert chosen.count(store) == len(list(chosen.traces(store))) == count


def test_a_file_is_whole_or_not_there(store: Reader, tmp_path: Path) -> None:
    def report(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled

    target = tmp_path / "out.jsonl"
    target.write_text("as it was")
    broken = leaving.told(Chosen().traces(store), 4, report)
    with pytest.raises(Cancelled):
        leaving.write(leaving.pieces("jsonl", broken, SCENE, None), str(target))
    assert target.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.jsonl"]
    size = leaving.write(leaving.pieces("jsonl", Chosen().traces(store), SCENE, None), str(target))
    assert target.stat().st_size == size and target.stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CcrError, match="No such file or directory"):
        leaving.write([b"x"], str(tmp_path / "nowhere" / "x.md"))
