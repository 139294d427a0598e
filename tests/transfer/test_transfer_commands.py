"""`traces import` and `traces export` as somebody calls them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from generated import recorded
from test_spans import Collector, collector
from test_transfer_leaving import hostile
from transcripts import REQUESTS, SESSION, TOTALS, project

from ccr_tui.cli import main
from ccr_tui.store import archive
from ccr_tui.transfer import arriving, leaving

__all__ = ["collector"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Calls the program in this process, in a place of its own."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "XDG_", "CLAUDE_"))]:
        monkeypatch.delenv(name)
    places = {"HOME": "", "CCR_TUI_CONFIG": "config.toml", "CCR_TUI_DB": "ccr.db"}
    for name, place in places.items():
        monkeypatch.setenv(name, str(tmp_path / place))
    monkeypatch.setenv("USER", "grace")
    monkeypatch.chdir(tmp_path)

    def calling(*args: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(["traces", *args])
        said = capsysbinary.readouterr()
        return Ended(int(ended.value.code or 0), said.out.decode(), said.err.decode())

    return calling


@pytest.fixture
def stored(tmp_path: Path, call: Call) -> None:
    archive.take_in(tmp_path / "ccr.db", recorded(1, 3))


def test_last_months_transcripts_are_taken_from_where_they_are(tmp_path: Path, call: Call) -> None:
    project(tmp_path / ".claude")
    told = json.loads(call("import", "--transcripts", "--json").out)
    assert {name: told[name] for name in TOTALS} == TOTALS
    assert (told["new"], told["copies"], told["broken_lines"]) == (REQUESTS, 3, 1)
    again = call("import", "--transcripts")
    assert (again.code, again.out) == (0, "") and "5 unchanged since the last import" in again.err


def test_what_was_left_out_is_said_with_its_reason(tmp_path: Path, call: Call) -> None:
    said = call("import", str(project(tmp_path / "elsewhere"))).err
    assert "7 new requests in 3 sessions" in said
    assert "3 copies of others" in said and "1 messages that Claude Code wrote itself" in said


def test_claude_config_dir_is_honoured(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(project(tmp_path / "mine")))
    assert json.loads(call("import", "--transcripts", "--json").out)["new"] == REQUESTS


WRONG = [
    ((), 2, "name a file"),
    (("--transcripts",), 1, "no transcripts at"),
    (("nowhere.har",), 1, "nowhere.har: No such file"),
    (("--transcripts", "nowhere"), 1, "no transcripts in nowhere"),
]


@pytest.mark.parametrize(("args", "code", "said"), WRONG)
def test_a_wrong_call_of_import_says_why(call: Call, args: tuple[str, ...], code: int, said: str) -> None:
    ended = call("import", *args)
    assert (ended.code, ended.out) == (code, "") and said in ended.err


FORMATS = {
    "jsonl": '{"format":"ccr-tui traces","version":2,"redacted":true}',
    "har": '{"log":{"version":"1.2"',
    "md": "# Requests\n",
    "html": "<!doctype html>",
    "curl": "# 0001-00000 as it came\ncurl -sS -N http://127.0.0.1:3456/v1/messages",
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.usefixtures("stored")
def test_every_format_comes_by_name_and_by_the_files_name(tmp_path: Path, call: Call, format: str) -> None:
    ended = call("export", "--format", format)
    assert ended.code == 0 and ended.out.startswith(FORMATS[format])
    assert "3 traces written" in ended.err and "home director" in ended.err and "--no-redact" in ended.err
    file = "x.sh" if format == "curl" else f"x.{format}"
    assert call("export", "-o", file).out == ""
    assert (tmp_path / file).read_text() == ended.out
    assert (tmp_path / file).stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("stored")
def test_what_is_chosen(call: Call) -> None:
    assert len(call("export", "0001-00001").out.splitlines()) == 2
    assert len(call("export", "0001-00002", "0001-00000").out.splitlines()) == 3
    assert len(call("export", "--session", "session-1", "--filter", "id:0001-00002").out.splitlines()) == 2
    assert "# Session session-1" in call("export", "--session", "session-1", "--format", "md").out
    both = call("export", "0001-00001", "--session", "session-1")
    assert both.code == 2 and "not both" in both.err
    missing = call("export", "nobody")
    assert missing.code == 1 and "no trace" in missing.err


@pytest.mark.usefixtures("stored")
def test_unredacted_it_comes_back_as_it_was(tmp_path: Path, call: Call) -> None:
    ended = call("export", "--no-redact", "-o", "all.jsonl")
    assert "Redacted" not in ended.err
    assert list(archive.read((tmp_path / "all.jsonl").read_bytes().splitlines(keepends=True))) == list(recorded(1, 3))


@pytest.mark.usefixtures("stored")
def test_a_collector_gets_a_session(call: Call, collector: Collector) -> None:
    ended = call("export", "--otlp", collector.url, "--session", "session-1")
    assert ended.code == 0 and "3 traces sent as 6 spans" in ended.err
    assert len(collector.spans()) == 6


@pytest.mark.usefixtures("stored")
def test_without_a_collector_there_is_a_word(call: Call) -> None:
    ended = call("export", "--format", "otlp")
    assert ended.code == 2 and "--otlp URL" in ended.err


def test_an_import_and_an_export_go_round(tmp_path: Path, call: Call) -> None:
    project(tmp_path / ".claude")
    call("import", "--transcripts")
    before = call("ls", "--json").out
    call("export", "--no-redact", "-o", "all.har")
    (tmp_path / "ccr.db").unlink()
    assert f"{REQUESTS} new" in call("import", "all.har").err
    assert sorted(call("ls", "--json").out.splitlines()) == sorted(before.splitlines())
    assert SESSION in before


def browser() -> str:
    """Chromium or its kin; else a skip that says so."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no headless browser is installed (chromium)")
    return found


def test_the_page_opens_in_a_browser_and_nothing_in_it_runs(tmp_path: Path) -> None:
    program = browser()
    bad = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    (tmp_path / "x.html").write_bytes(b"".join(leaving.pieces("html", [hostile(bad)], leaving.Scene(), None)))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--dump-dom"]
    command = [program, *flags, (tmp_path / "x.html").as_uri()]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert "<title>Requests</title>" in done.stdout and "&lt;script&gt;" in done.stdout
    assert done.stdout.count("<script") == done.stdout.count("<img") == 0


def test_a_file_that_is_there_is_overwritten_when_told_so(tmp_path: Path, call: Call, stored: None) -> None:
    (tmp_path / "mine.jsonl").write_text("mine")
    refused = call("export", "-o", "mine.jsonl")
    assert (refused.code, refused.out) == (2, "")
    assert "mine.jsonl is there already; --force overwrites it" in refused.err
    assert (tmp_path / "mine.jsonl").read_text() == "mine"
    assert call("export", "-o", "mine.jsonl", "--force").code == 0
    assert len((tmp_path / "mine.jsonl").read_bytes().splitlines()) == 4


def test_bookmarks_and_notes_travel_in_a_compressed_archive(
    tmp_path: Path, call: Call, stored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = (each.uid for each in recorded(1, 3))
    call("mark", first)
    call("note", second, "ask grace@example.com")
    assert call("export", "-o", "all.jsonl.gz").code == 0
    assert (tmp_path / "all.jsonl.gz").read_bytes().startswith(arriving.GZIP)
    monkeypatch.setenv("CCR_TUI_DB", str(tmp_path / "other.db"))
    assert json.loads(call("import", "all.jsonl.gz", "--json").out)["new"] == 3
    rows = {row["id"]: row for row in map(json.loads, call("ls", "--json").out.splitlines())}
    assert [rows[first]["marked"], rows[second]["marked"]] == [True, False]
    assert rows[second]["note"].startswith("ask ")
    assert "grace@example.com" not in rows[second]["note"], "a note is redacted too"
    call("note", second, "mine")
    assert json.loads(call("import", "all.jsonl.gz", "--json").out)["known"] == 3
    again = [json.loads(line) for line in call("ls", "--json").out.splitlines()]
    assert [row["note"] for row in again if row["id"] == second] == ["mine"], "what was written here stays"


def test_a_compressed_archive_that_was_cut_is_told(tmp_path: Path, call: Call, stored: None) -> None:
    call("export", "--no-redact", "-o", "all.jsonl.gz")
    whole = (tmp_path / "all.jsonl.gz").read_bytes()
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) // 2])
    ended = call("import", "cut.gz")
    assert ended.code != 0
    assert "cut.gz: the compressed file is cut or damaged" in ended.err


def test_a_bad_line_of_an_archive_is_left_out_and_named(tmp_path: Path, call: Call) -> None:
    header, one, two, three = archive.lines(list(recorded(1, 3))[:3])
    (tmp_path / "bent.jsonl").write_bytes(b"".join([header, one, b"nonsense\n", two, b"{}\n" * 3, three]))
    ended = call("import", "bent.jsonl")
    assert (ended.code, ended.out) == (1, "")
    assert "bent.jsonl: 3 new, 0 known already; 1 left out: line 3: this is no trace (" in ended.err
    assert "1 left out: line 5: this is no trace (KeyError" in ended.err and "line 7" not in ended.err
    assert ended.err.rstrip().endswith("1 left out: further lines that are no trace")
    again = call("import", "bent.jsonl", "--json")
    assert (again.code, json.loads(again.out)["known"], sum(json.loads(again.out)["left"].values())) == (1, 3, 4)


def test_a_request_that_is_not_there_is_told_before_anything_is_written(call: Call, stored: None) -> None:
    ended = call("export", "nowhere")
    assert (ended.code, ended.out) == (1, "")
    assert "there is no trace 'nowhere'" in ended.err


@pytest.mark.parametrize("text", ["", " ", '"', "((("])
def test_nothing_to_look_for_is_said(call: Call, stored: None, text: str) -> None:
    ended = call("search", text)
    assert (ended.code, ended.out) == (2, "")
    assert "say what to look for" in ended.err


def test_an_empty_file_is_called_empty(tmp_path: Path, call: Call) -> None:
    (tmp_path / "empty").touch()
    ended = call("import", "empty")
    assert ended.code == 1
    assert "empty: it is empty" in ended.err
