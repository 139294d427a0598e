"""`traces prune` and `sessions pin`, as they are typed, and what [store] says of keeping."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui import assembly, keeping, sizes
from ccr_tui.config import Config
from ccr_tui.errors import ConfigError
from ccr_tui.keeping import Keeping
from ccr_tui.store import archive
from ccr_tui.store.prune import Wish, kept, size
from ccr_tui.store.queries import Reader
from ccr_tui.store.verify import verify

HOUSE = Path(__file__).parent.parent
NOW = time.time()
DAY = 86_400.0


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """One session of 60 days ago, and one of today."""
    path = tmp_path / "ccr.db"
    for seed, (session, at) in enumerate({"old-session": NOW - 60 * DAY, "new-session": NOW - 7200}.items()):
        traces = generated.recorded(seed=seed, turns=6)
        archive.take_in(
            path,
            [replace(one, uid=f"{session}-{n}", session=session, started_at=at + n) for n, one in enumerate(traces)],
        )
    return path


def ccr(db: Path, *args: str, config: str = "") -> subprocess.CompletedProcess[str]:
    file = db.with_name("config.toml")
    file.write_text(config)
    env = {"PATH": os.environ["PATH"], "HOME": str(db.parent), "PYTHONPATH": str(HOUSE), "CCR_TUI_DB": str(db)}
    command = [sys.executable, "-m", "ccr_tui", "--config", str(file), *args]
    return subprocess.run(command, env=env, cwd=db.parent, capture_output=True, text=True, timeout=60, check=False)


def told(ended: subprocess.CompletedProcess[str]) -> Any:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_what_would_go_is_said_before_and_what_went_after(db: Path) -> None:
    dry = told(ccr(db, "traces", "prune", "--older-than", "30d", "--dry-run", "--json"))
    assert (dry["requests"], dry["sessions"], dry["spared"], dry["dry_run"]) == (6, 1, 0, True)
    ended = ccr(db, "traces", "prune", "--older-than", "30d", "--yes")
    assert "6 requests of 1 session, from " in ended.stderr and "stay in the spending" in ended.stderr
    assert "6 requests removed; " in ended.stderr and " given back: " in ended.stderr
    assert re.search(r"The \$[\d,]+\.?\d{0,4} that", ended.stderr), "money for people"
    assert verify(db) == []
    assert told(ccr(db, "traces", "prune", "--older-than", "30d", "--json"))["removed"] == 0


def test_what_would_go_is_the_result_of_asking_for_it(db: Path) -> None:
    ended = ccr(db, "traces", "prune", "--older-than", "30d", "--dry-run")
    assert ended.stderr == "" and "6 requests of 1 session, from " in ended.stdout
    assert "Everything is kept." in ccr(db, "traces", "prune", "--dry-run").stdout


def test_everything_is_kept_unless_something_is_said(db: Path) -> None:
    ended = ccr(db, "traces", "prune")
    assert ended.returncode == 0
    assert " on the disk" in ended.stderr and "Everything is kept. --older-than 30d" in ended.stderr
    assert "6 requests removed" in ccr(db, "traces", "prune", "--yes", config="[store]\nkeep_days = 30\n").stderr


def test_what_is_too_fresh_to_go_for_the_size_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ccr.db"
    archive.take_in(path, [generated.trace("now", started_at=time.time())])
    ended = ccr(path, "traces", "prune", "--larger-than", "1KB", "--dry-run")
    assert "Nothing is to go." in ended.stdout and "requests of the last hour stay" in ended.stdout
    archive.take_in(path, [generated.trace("old", started_at=time.time() - 90_000)])
    ended = ccr(path, "traces", "prune", "--larger-than", "1KB", "--dry-run")
    assert "1 request of" in ended.stdout and "more than was asked for: requests of the last hour stay" in ended.stdout


def test_a_pinned_session_stays(db: Path) -> None:
    assert told(ccr(db, "sessions", "pin", "old", "--json"))["pinned"] is True
    ended = ccr(db, "traces", "prune", "--older-than", "30d", "--yes")
    assert "6 requests stay: pinned, with a bookmark or with a note." in ended.stderr
    refused = ccr(db, "traces", "prune", "--session", "old")
    assert refused.returncode == 1 and "is pinned; `ccr-tui sessions unpin old` lets it go" in refused.stderr
    assert told(ccr(db, "sessions", "unpin", "old", "--json"))["pinned"] is False
    assert told(ccr(db, "traces", "prune", "--session", "old", "--yes", "--json"))["removed"] == 6


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--older-than", "soon"], "is no age"),
        (["--older-than", "6m"], "minutes or seconds"),
        (["--larger-than", "many"], "is no size"),
        (["--session", "", "--yes"], "stands for no session"),
    ],
    ids=["age", "minutes that may be months", "size", "a variable that is not set"],
)
def test_what_makes_no_sense_is_a_wrong_call(db: Path, args: list[str], says: str) -> None:
    ended = ccr(db, "traces", "prune", *args)
    assert ended.returncode == 2 and says in ended.stderr


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("", Wish()),
        ("[store]\nkeep_days = 30\n", Wish(before=NOW - 30 * DAY)),
        ("[store]\nkeep_gb = 1.5\n", Wish(larger_than=1_500_000_000)),
        ("[store]\nkeep_gb = '2'\nkeep_days = 0.5\n", Wish(before=NOW - DAY / 2, larger_than=2_000_000_000)),
    ],
    ids=["nothing", "days", "gigabytes", "both"],
)
def test_what_the_configuration_keeps(tmp_path: Path, text: str, wish: Wish) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert kept(assembly.load({"config": str(file)}, {}, tmp_path), NOW) == wish


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keep_days = 0", "store.keep_days must be more than 0 days"),
        ("keep_gb = 'much'", "store.keep_gb must be a number of gigabytes"),
    ],
    ids=["days", "gigabytes"],
)
def test_what_cannot_be_kept_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[store]\n{text}\n")
    with pytest.raises(ConfigError, match=says):
        assembly.load({"config": str(file)}, {}, tmp_path)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456, "123 kB"), (2_500_000_000, "2.5 GB"), (-4096, "-4.1 kB")],
)
def test_sizes_are_short(count: int, words: str) -> None:
    assert sizes.show(count) == words


# -- while the program runs


def keeper(db: Path, said: list[str], **limits: Any) -> Keeping:
    return Keeping(db, lambda: Config(**limits), said.append)


def test_what_is_too_old_goes_by_itself(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    keeper(db, said).work()
    assert (said, Reader(db).count()) == ([], 12)
    keeper(db, said, keep_days=30.0).work()
    assert said[0].startswith("6 old requests removed, ") and Reader(db).count() == 6
    assert verify(db) == []


def test_a_clock_that_jumped_does_not_take_everything(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "FEW", 0)
    monkeypatch.setattr(time, "time", lambda: NOW + 4000 * DAY)
    said: list[str] = []
    made = keeper(db, said, keep_days=30.0)
    made.work()
    made.work()
    assert Reader(db).count() == 12
    (sentence,) = said
    assert "would remove 12 of 12 requests at once. That is left to you: ccr-tui traces prune" in sentence


async def test_it_looks_now_and_then_and_ends_when_told(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "FIRST_S", 0.01)
    monkeypatch.setattr(keeping, "EVERY_S", 0.01)
    said = asyncio.Event()
    loop = asyncio.get_running_loop()
    made = Keeping(db, lambda: Config(keep_days=30.0), lambda _: loop.call_soon_threadsafe(said.set))
    made.start()
    await asyncio.wait_for(said.wait(), 20)
    await made.stop()
    assert Reader(db).count() == 6


def test_one_file_has_one_size_and_its_log_is_told_apart(db: Path) -> None:
    with closing(sqlite3.connect(db)) as held:
        held.execute("PRAGMA wal_autocheckpoint = 0")
        held.executemany("INSERT INTO project (path) VALUES (?)", [(f"/{n}{'x' * 1000}",) for n in range(200)])
        held.commit()
        taken = size(db)
        words = f"{taken.told}; {taken.beside}"
        assert taken.log > 100_000 and sizes.show(taken.log) in taken.beside
        assert words in ccr(db, "traces", "prune", "--dry-run").stdout
        assert words in ccr(db, "doctor", "--json").stdout
