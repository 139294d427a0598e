"""How commands refuse and how they end: what is wrong is told in a sentence, and nothing happens unasked."""

# ruff: noqa: F811
from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from test_cli import Call, alone, call  # noqa: F401 - fixtures

from ccr_tui.commands import common
from ccr_tui.store import archive, phrases
from ccr_tui.store.queries import Reader

HOUSE = Path(__file__).parent.parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="there are no such devices on Windows")
KINDS = ("main", "subagent", "title", "compaction")


@pytest.fixture
def db(alone: Path) -> Path:
    """One request of each of four kinds, all answered by the default agent."""
    path = alone / "data" / "ccr.db"
    path.parent.mkdir(exist_ok=True)
    traces = generated.recorded(turns=len(KINDS))
    archive.take_in(path, [replace(one, kind=kind) for one, kind in zip(traces, KINDS, strict=True)])  # type: ignore[arg-type]
    return path


# -- nothing goes unasked


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_nothing_is_removed_where_nobody_can_be_asked(db: Path, call: Call, more: list[str]) -> None:
    ended = call("traces", "prune", "--older-than", "2100-01-01", *more)
    assert (ended.code, ended.out) == (2, "") and "add --yes" in ended.err
    assert Reader(db).count() == len(KINDS)
    assert call("traces", "prune", "--older-than", "2100-01-01", "--dry-run", *more).code == 0
    assert Reader(db).count() == len(KINDS)
    assert call("traces", "prune", "--older-than", "2100-01-01", "--yes", *more).code == 0
    assert Reader(db).count() == 0


# -- what is not there is said to be not there


MISSING = ["verify", "verify --json", "export", "export -o all.jsonl", "export --db x.db"]


@pytest.mark.parametrize("command", MISSING)
def test_a_database_that_is_not_there_is_no_success(alone: Path, call: Call, command: str) -> None:
    ended = call("traces", *command.split())
    assert (ended.code, ended.out) == (1, "") and "There is no database at " in ended.err
    assert list(alone.iterdir()) == []


@pytest.mark.parametrize("more", [[], ["-o", "f.jsonl"], ["-o", "f.html"], ["--format", "har"]], ids=" ".join)
def test_an_export_of_nothing_writes_nothing(db: Path, alone: Path, call: Call, more: list[str]) -> None:
    ended = call("traces", "export", "--session", "zzzz", *more)
    assert (ended.code, ended.out) == (1, "") and "Nothing matches" in ended.err
    assert not list(alone.glob("f.*"))


def test_the_end_of_a_name_must_be_known(db: Path, alone: Path, call: Call) -> None:
    ended = call("traces", "export", "-o", "x.xyz")
    assert ended.code == 2 and ".jsonl" in ended.err and ".html" in ended.err and "--format" in ended.err
    assert not (alone / "x.xyz").exists()
    assert call("traces", "export", "-o", "x.xyz", "--format", "md").code == 0
    assert call("traces", "export", "-o", "x.har.gz").code == 0


# -- one language


@pytest.mark.parametrize("when", ["yesterday", "today", "90s", "2h", "00:00", "2026-11-22", "2026-11-22T14:30Z"])
def test_since_takes_what_a_filter_takes(db: Path, call: Call, when: str) -> None:
    by_option = call("traces", "ls", "--json", "--since", when)
    by_filter = call("traces", "ls", "--json", "--filter", f"since:{when}")
    assert (by_option.code, by_option.out) == (0, by_filter.out)


@pytest.mark.parametrize(
    ("agent", "count"),
    [("main", 1), ("sub", 1), ("subagent", 1), ("title", 1), ("compact", 1), ("main,title", 2), ("de*", 4), ("x", 0)],
)
def test_an_agent_is_the_same_for_an_option_and_a_filter(db: Path, call: Call, agent: str, count: int) -> None:
    found = call("traces", "ls", "--json", "--agent", agent)
    assert found.out == call("traces", "ls", "--json", "--filter", f"agent:{agent}").out
    assert [line["agent"] for line in found.lines] == ["default"] * count


def test_the_table_names_who_worked_as_the_app_does(db: Path, call: Call) -> None:
    head, *rows = call("traces", "ls").out.splitlines()
    at = head.index("agent")
    assert [row[at:].split()[0] for row in rows] == ["compact", "title", "sub", "main"]


# -- where output can't go


def ended_into(alone: Path, stdout: int, *args: str) -> tuple[int, str]:
    """Exit code and stderr of a call whose output goes there."""
    env = {**os.environ, "PYTHONPATH": str(HOUSE)}
    command = [sys.executable, "-m", "ccr_tui", *args]
    done = subprocess.run(command, env=env, cwd=alone, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stderr


PRINTING = ["traces ls", "traces ls --json", "traces export", "--help", "env"]


@POSIX
@pytest.mark.parametrize("command", PRINTING)
def test_a_reader_that_has_enough_is_no_failure_of_ours(db: Path, call: Call, alone: Path, command: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        code, err = ended_into(alone, writing, *command.split())
    finally:
        os.close(writing)
    assert (code, "Error" in err, "Traceback" in err) == (141, False, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", PRINTING)
def test_a_full_disk_is_one_sentence(db: Path, call: Call, alone: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        code, err = ended_into(alone, full.fileno(), *command.split())
    assert (code, err.splitlines()[-1]) == (1, "ccr-tui: the output could not be written: No space left on device")
    assert "Traceback" not in err


LONG = [("0123456789ab", "a long name of a session " * 2, "1.5k", "ok"), ("1123456789ab", "short", "2k", "error")]


@pytest.mark.parametrize(
    ("columns", "widest"), [("60", 60), ("40", 40), ("20", 20), ("500", 69), ("", 69), ("x", 69), ("0", 69)]
)
def test_tables_are_as_wide_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, widest: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    common.table(("id", "name", "in", "outcome"), LONG, right="in")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= widest
    assert all(row[0] in line for row, line in zip(LONG, lines[1:], strict=True)), "an id is there to be copied"
    if widest >= 40:
        assert lines[1].endswith("ok") and lines[2].endswith("error")


def test_what_matters_least_goes_first(db: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "86")
    head, *rows = call("traces", "ls").out.splitlines()
    assert "project" not in head and "cost" in head and head.endswith("outcome")
    assert all(len(row) <= 86 and row.endswith("ok") for row in rows)


@pytest.mark.parametrize("columns", ["60", "72"])
@pytest.mark.parametrize(
    ("command", "heads"),
    [
        (("traces", "ls"), ("id", "time", "answered", "cost", "outcome")),
        (("sessions",), ("session", "title", "last", "cost")),
        (("spend", "--by", "model"), ("model", "cost")),
        (("models",), ("model", "provider", "in $/M", "out $/M")),
    ],
    ids=["ls", "sessions", "spend", "models"],
)
def test_on_a_narrow_terminal_no_column_is_cut(
    db: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    command: tuple[str, ...],
    heads: tuple[str, ...],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    head, *rows = call(*command).out.splitlines()
    assert not [name for name in heads if name not in head] and "…" not in head
    assert rows and all(len(row) <= int(columns) and not row.endswith("…") for row in rows)


def test_half_a_date_is_no_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [("0123456789ab", "2026-11-22 14:30", "a long name of a session", "12")]
    common.table(("id", "time", "name", "cost"), rows, right="cost", spare=("agent", "cost"))
    assert capsys.readouterr().out.splitlines()[1] == "0123456789ab  2026-11-22 14:30  a long …"


# -- wrong calls, and what they are told

CODING = str(HOUSE / "traces" / "coding.jsonl")
MODEL = ("--variant", "a=deepseek-flash")
WRONG_REPLAYS = {
    "gate without a name": ((*MODEL, "--gate", "foo<0.8"), "foo"),
    "gate without a number": ((*MODEL, "--gate", "cost"), "METRIC<NUMBER"),
    "gate of nobody": ((*MODEL, "--gate", "b.cost<0.8"), "no variant 'b'"),
    "two of one name": ((*MODEL, *MODEL), "Two variants are called 'a'"),
    "nobody": (("--variant", "nosuch"), "nosuch"),
    "baseline": ((*MODEL, "--baseline", "nosuch"), "nosuch"),
    "option": (("--nosuch",), "ccr-tui replay [OPTIONS]"),
}


@pytest.mark.parametrize(("args", "says"), WRONG_REPLAYS.values(), ids=WRONG_REPLAYS)
def test_a_wrong_replay_is_a_wrong_call(call: Call, args: tuple[str, ...], says: str) -> None:
    ended = call("replay", CODING, *args)
    assert (ended.code, ended.out) == (2, "") and says in ended.err
    assert "replay run" not in ended.err


def test_a_replay_is_called_as_it_is_typed(call: Call) -> None:
    assert call("replay", "run", "--help").out.startswith("Usage: ccr-tui replay [OPTIONS] SESSION|last|FILE")


@pytest.mark.parametrize("router", ["nosuch", "a=nosuch"])
def test_a_router_that_nobody_knows_is_a_wrong_call(call: Call, router: str) -> None:
    ended = call("lab", str(HOUSE / "traces" / "routed.jsonl"), "--router", router)
    assert (ended.code, ended.out) == (2, "") and "nosuch" in ended.err


WRONG = ["spend --baseline nosuch", "spend --what-if nosuch", "sessions show session-0 --baseline nosuch"]


@pytest.mark.parametrize("command", WRONG)
def test_a_model_without_a_price_is_a_wrong_call(db: Path, call: Call, command: str) -> None:
    ended = call(*command.split())
    assert (ended.code, ended.out) == (2, "") and "nosuch" in ended.err and "config.toml" in ended.err


# -- the configuration


def test_an_agent_is_freed_by_nothing(alone: Path, call: Call) -> None:
    file = alone / "config.toml"
    file.write_text("[providers.p]\nbase_url = 'http://x'\n[models.a]\n[agents]\ndefault = 'a'\nbackground = 'a'\n")
    freed = call("agents", "background=", "--json")
    assert freed.code == 0 and '"background"' not in freed.out and "background: nobody's now" in freed.err
    assert "background" not in file.read_text()
    assert call("agents", "background=").code == 0, "once more does no harm"
    refused = call("agents", "default=")
    assert refused.code == 2 and "default" in refused.err and "default = 'a'" in file.read_text()
    call("agents", "router=a", "tool=a")
    assert call("mode", "router").code == 0
    kept = call("agents", "router=")
    assert kept.code == 1 and "router" in kept.err and 'router = "a"' in file.read_text()


@pytest.mark.parametrize(("key", "literal"), [("sk-0123456789", True), ("$P_KEY", False), ("${P_KEY}", False)])
def test_a_key_that_is_carried_over_is_told(alone: Path, call: Call, key: str, literal: bool) -> None:
    given = alone / "ccr.json"
    provider = {"name": "p", "api_base_url": "https://p.example/v1", "api_key": key, "models": ["m"]}
    given.write_text(json.dumps({"Providers": [provider], "Router": {"default": "p,m"}}))
    told = call("config", "import", str(given))
    assert told.code == 0 and ("providers.p.api_key" in told.err) is literal
    assert ('api_key = "$P_API_KEY"' in told.err) is literal and key not in told.err.replace("$P_API_KEY", "")
    again = json.loads(call("config", "import", str(given), "--json").out)
    assert again["literal"] == (["providers.p.api_key"] if literal else [])


def test_filters_that_were_saved_and_typed_are_listed(db: Path, call: Call) -> None:
    assert "no filter was typed yet" in call("traces", "filters").err
    phrases.use(db, "error since:2h")
    phrases.save(db, "cost>1", "dear")
    told = [json.loads(line) for line in call("traces", "filters", "--json").out.splitlines()]
    assert told == [{"name": "dear", "filter": "cost>1"}, {"name": None, "filter": "error since:2h"}]
    assert "dear" in call("traces", "filters").out
