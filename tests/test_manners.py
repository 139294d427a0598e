"""How commands refuse and how they end: what is wrong is told in a sentence, and nothing happens unasked."""

# ruff: noqa: F811
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from test_cli import Call, alone, call  # noqa: F401 - fixtures

from ccr_tui.store import archive
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
