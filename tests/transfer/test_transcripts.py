"""Claude Code's transcripts: every answer once, to the token, with the request that led to it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import ccusage
import pytest
from downloads import Unavailable
from generated import trace
from transcripts import (
    AGENT,
    CWD,
    FORK,
    REQUESTS,
    SESSION,
    START,
    TOTALS,
    Writer,
    parallel,
    project,
    subagent,
    text,
    tool,
    usage,
)

from ccr_tui.config import Config
from ccr_tui.errors import CcrError
from ccr_tui.records import Price, Usage
from ccr_tui.store import archive
from ccr_tui.store.queries import Filter, Reader
from ccr_tui.store.verify import verify
from ccr_tui.transfer import claude_code
from ccr_tui.transfer.billing import quotes
from ccr_tui.transfer.claude_code import Summary
from ccr_tui.transfer.progress import Cancelled

LATER = START + 100_000
PRICE = Price(5_000_000_000, 25_000_000_000, 500_000_000, 6_250_000_000, cache_write_1h=10_000_000_000)


def quote(provider: str, model: str, at: float, usage: Usage) -> Price | None:
    return PRICE if provider == "anthropic" else None


def take(db: Path, *places: Path, now: float = LATER) -> Summary:
    return claude_code.take_in(db, places, quote, now)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "ccr.db"


def rows(db: Path, **wanted: Any) -> list[Any]:
    return sorted(Reader(db).rows(Filter(**wanted)), key=lambda row: row.started_at)


def test_every_answer_counts_once_to_the_token(db: Path, tmp_path: Path) -> None:
    summary = take(db, project(tmp_path))
    assert (summary.new, summary.copies, summary.made_up, summary.broken) == (REQUESTS, 3, 1, 1)
    total = Reader(db).total()
    assert {name: getattr(total, name) for name in TOTALS} == TOTALS
    assert (total.requests, total.unpriced, total.cost) == (REQUESTS, 0, summary.cost)
    assert verify(db) == []


def test_again_nothing_is_new(db: Path, tmp_path: Path) -> None:
    folder = project(tmp_path)
    take(db, folder)
    second = take(db, folder)
    assert (second.files, second.unchanged, second.new) == (0, 5, 0)
    assert Reader(db).count() == REQUESTS


def test_only_what_came_since_is_new(db: Path, tmp_path: Path) -> None:
    writer, path = parallel(), tmp_path / f"{SESSION}.jsonl"
    take(db, writer.write(path))
    writer.user("more")
    writer.answer("msg_9", text("More."), usage=usage(1, 2, 970))
    summary = take(db, writer.write(path))
    assert (summary.files, summary.new, summary.known) == (1, 1, 2)


def test_a_request_is_rebuilt_with_the_results_of_all_its_tools(db: Path, tmp_path: Path) -> None:
    take(db, parallel().write(tmp_path / f"{SESSION}.jsonl"))
    first, second = (Reader(db).trace(row.id) for row in rows(db))
    assert first.body == {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "go"}]}
    said = {
        "role": "assistant",
        "content": [text("Three."), tool("t1", command="one"), tool("t2", command="two"), tool("t3", command="three")],
    }
    results = [{"tool_use_id": f"t{n}", "type": "tool_result", "content": str(n)} for n in (1, 2, 3)]
    assert second.body["messages"] == [{"role": "user", "content": "go"}, said, {"role": "user", "content": results}]
    assert first.reply["content"] == said["content"]
    assert first.reply["usage"]["output_tokens"] == 40
    assert "reconstructed" in second.attempts[0].notes[0]
    assert (first.origin, first.session, first.project, first.kind) == ("imported", SESSION, CWD, "main")
    assert (first.started_at, first.duration_ms) == (START + 1, 7000)
    assert second.started_at == START + 9  # when the last tool had ended


def test_an_hour_of_cache_costs_more_than_five_minutes(db: Path, tmp_path: Path) -> None:
    take(db, parallel().write(tmp_path / "x.jsonl"))
    first = Reader(db).trace(rows(db)[0].id).attempts[0]
    assert first.usage == Usage(3, 40, 0, 900, cache_write_1h=300)
    assert first.cost == 3 * 5_000 + 40 * 25_000 + 600 * 6_250 + 300 * 10_000
    assert first.price == PRICE


def test_subagents_belong_to_the_session(db: Path, tmp_path: Path) -> None:
    take(db, project(tmp_path))
    row = Reader(db).session(SESSION)
    assert (row.requests, row.subagents) == (5, 2)
    assert {each.kind for each in rows(db, session=SESSION) if each.agent_id == AGENT} == {"subagent"}
    fork = rows(db, session=FORK)
    assert [each.output_tokens for each in fork] == [9]
    forked = Reader(db).trace(fork[0].id).body["messages"]
    assert [message["role"] for message in forked] == ["user", "assistant", "user", "assistant", "user"]


def test_an_older_sidechain_without_an_agent_is_one_subagent(db: Path, tmp_path: Path) -> None:
    writer = Writer()
    writer.user("go")
    writer.answer("msg_1", tool("t1", "Task"), usage=usage())
    writer.user("look", parent=None, isSidechain=True)
    writer.answer("msg_s", tool("t2"), usage=usage(), isSidechain=True)
    writer.result("t2", "x")
    writer.lines[-1]["isSidechain"] = True
    writer.answer("msg_t", text("found"), usage=usage(), isSidechain=True)
    take(db, writer.write(tmp_path / f"{SESSION}.jsonl"))
    assert [(row.kind, row.agent_id) for row in rows(db)] == [
        ("main", None),
        ("subagent", "l0002"),
        ("subagent", "l0002"),
    ]


PROXIED = {
    "by the message's id": {"id": "msg_feed0001"},
    "by the request's id": {"id": "msg_other", "request": "req_feed0001"},
    "by the stored reply's id": {"id": "msg_upstream"},
    "by its tools": {"id": "msg_third"},
}


@pytest.mark.parametrize("how", PROXIED.values(), ids=list(PROXIED))
def test_what_went_through_the_proxy_is_not_counted_again(db: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    live = trace("feed0001", session=SESSION)
    reply = {"id": "msg_upstream", "role": "assistant", "content": [tool("toolu_1")]}
    archive.take_in(db, [replace(live, reply=reply)])
    writer = Writer()
    writer.user("go")
    writer.block(
        how["id"], tool("toolu_1"), usage(), "tool_use", **({"request": how["request"]} if "request" in how else {})
    )
    writer.result("toolu_1", "done")
    writer.answer("msg_not_proxied", text("bye"), usage=usage())
    path = writer.write(tmp_path / "x.jsonl")
    first = take(db, path)
    assert (first.proxied, first.new) == (1, 1)
    path.touch()
    again = take(db, path)
    assert (again.proxied, again.new, again.known) == (0, 0, 2)


def test_what_is_still_being_written_waits(db: Path, tmp_path: Path) -> None:
    writer, path = Writer(), tmp_path / "x.jsonl"
    writer.user("go")
    writer.block("msg_1", text("Hal"), usage(3, 1), None)
    now = writer.at + 5
    assert take(db, writer.write(path), now=now).unsettled == 1
    assert take(db, path, now=now).unsettled == 1
    writer.block("msg_1", text("f."), usage(3, 30), "end_turn")
    assert take(db, writer.write(path), now=now).new == 1
    assert rows(db)[0].output_tokens == 30


def test_it_is_taken_unfinished_when_it_is_old(db: Path, tmp_path: Path) -> None:
    writer, path = Writer(), tmp_path / "x.jsonl"
    writer.user("go")
    writer.block("msg_1", text("Hal"), usage(3, 1), None)
    assert take(db, writer.write(path), now=writer.at + 5).new == 0
    assert take(db, path, now=writer.at + 90).new == 1


def test_a_model_nobody_knows_has_no_cost(db: Path, tmp_path: Path) -> None:
    writer = Writer()
    writer.answer("msg_1", text("x"), usage=usage(), model="house-model")
    writer.answer("msg_2", text("x"), usage=usage(speed="fast"))
    writer.answer("msg_3", text("x"), usage=usage(), costUSD=0.25)
    summary = take(db, writer.write(tmp_path / "x.jsonl"))
    assert [(row.cost, row.cost_basis) for row in rows(db)] == [
        (None, "unknown"),
        (None, "unknown"),
        (250_000_000, "reported"),
    ]
    assert summary.unpriced == {"house-model": 1, "claude-opus-4-8": 1}


def test_cancelling_keeps_what_was_taken(db: Path, tmp_path: Path) -> None:
    def report(done: int, total: int) -> None:
        if done > total * 0.8:
            raise Cancelled

    folder = project(tmp_path)
    with pytest.raises(Cancelled):
        claude_code.take_in(db, [folder], quote, LATER, report)
    assert 0 < Reader(db).count() < REQUESTS
    assert verify(db) == []
    take(db, folder)
    assert Reader(db).count() == REQUESTS


def test_transcripts_are_only_read(db: Path, tmp_path: Path) -> None:
    folder = project(tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.jsonl")}
    for path in before:
        path.chmod(0o400)
    take(db, folder)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.jsonl")} == before


def test_loops_and_lost_parents_end_nowhere(db: Path, tmp_path: Path) -> None:
    writer = Writer()
    writer.user("a", parent="l0002")
    writer.answer("msg_1", text("x"), usage=usage())
    writer.user("b")
    writer.answer("msg_2", text("y"), usage=usage(), parent="nowhere")
    assert take(db, writer.write(tmp_path / "x.jsonl")).new == 2


def test_an_answer_of_thirty_digits_takes_no_other_along(db: Path, tmp_path: Path) -> None:
    writer = Writer()
    for n, tokens in enumerate((10**30, 5)):
        writer.user(f"prompt {n}")
        writer.answer(f"msg_{n}", text("x"), usage={**usage(), "input_tokens": tokens})
    summary = take(db, writer.write(tmp_path / "x.jsonl"))
    assert (summary.new, summary.broken) == (1, 1)


def test_nothing_to_read_is_said(db: Path, tmp_path: Path) -> None:
    with pytest.raises(CcrError, match="no transcripts"):
        take(db, tmp_path)


def test_where_transcripts_are(tmp_path: Path) -> None:
    assert claude_code.folders({}, tmp_path) == [tmp_path / ".config/claude/projects", tmp_path / ".claude/projects"]
    given = {"CLAUDE_CONFIG_DIR": f"{tmp_path}/a, {tmp_path}/b/projects"}
    assert claude_code.folders(given, tmp_path) == [tmp_path / "a/projects", tmp_path / "b/projects"]


def test_a_session_costs_what_was_said_not_its_square(db: Path, tmp_path: Path) -> None:
    writer = Writer()
    for turn in range(60):
        writer.user(f"prompt {turn} " + "x" * 2_000)
        writer.answer(f"msg_{turn}", text(f"answer {turn} " + "y" * 2_000), usage=usage())
    path = writer.write(tmp_path / "x.jsonl")
    assert take(db, path).new == 60
    assert db.stat().st_size < 3 * path.stat().st_size
    assert len(Reader(db).trace(rows(db)[-1].id).body["messages"]) == 119


@pytest.fixture
def program(pytestconfig: pytest.Config) -> Path:
    """ccusage, fetched where these tests are asked for by name."""
    if "ccusage" not in pytestconfig.getoption("-m"):
        if (found := ccusage.installed()) is None:
            pytest.skip("ccusage is not installed (make test-claude fetches it; or npm install -g ccusage)")
        return found
    try:
        return ccusage.install()
    except Unavailable as why:
        pytest.skip(f"ccusage: {why}")


@pytest.mark.ccusage
def test_ccusage_counts_the_same_to_the_token(db: Path, tmp_path: Path, program: Path) -> None:
    folder = project(tmp_path)
    claude_code.take_in(db, [folder], quotes(Config()), LATER)
    told, total = ccusage.totals(program, folder), Reader(db).total()
    assert (told["inputTokens"], told["outputTokens"]) == (total.input_tokens, total.output_tokens)
    assert told["cacheReadTokens"] == total.cache_read_tokens
    assert told["cacheCreationTokens"] == total.cache_write_tokens
    assert told["totalCost"] == pytest.approx(total.cost / 1e9, abs=1e-9)


MODELS = (
    "claude-opus-4-8", "claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001",
    "claude-sonnet-4-20250514", "claude-opus-4-1-20250805", "claude-3-5-haiku-20241022", "claude-sonnet-4-6",
    "claude-opus-5-5",
)  # fmt: skip
COUNTED = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
THEIRS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens")


def month(folder: Path) -> Path:
    """Sessions over weeks, of many models, with caches of both lengths, and answers that stand on several lines."""
    chance, n = random.Random(7), 0
    for session in range(18):
        id = f"72d37f7f-0000-4000-8000-0000000{session:05d}"
        writer = Writer(session=id, at=START + session * 1.7 * 86_400, prefix=f"s{session}l")
        for _ in range(12):
            n += 1
            written = chance.randrange(20_000)
            used = usage(chance.randrange(1, 9_000), chance.randrange(1, 3_000), chance.randrange(150_000), written,
                         chance.choice([0, 0, written, written // 2]))  # fmt: skip
            writer.user(f"prompt {n}")
            blocks = [text("x")] * chance.choice([1, 1, 2])
            writer.answer(f"msg_{n}", *blocks, usage=used, model=MODELS[n % len(MODELS)])
        writer.write(folder / "projects" / f"-home-ada-{session % 3}" / f"{id}.jsonl")
    return folder


@pytest.mark.ccusage
def test_ccusage_counts_the_same_of_each_day_and_model_and_costs_differ_by_prices_alone(
    db: Path, tmp_path: Path, program: Path
) -> None:
    folder = month(tmp_path / "claude")
    claude_code.take_in(db, [folder / "projects"], quotes(Config()), LATER + 60 * 86_400)
    told, reader = ccusage.report(program, folder), Reader(db)
    days = {day["period"]: [day[name] for name in THEIRS] for day in told["daily"]}
    assert days == {row.key: [getattr(row, name) for name in COUNTED] for row in reader.spend("day")}
    theirs: dict[str, list[float]] = {}
    for each in (model for day in told["daily"] for model in day["modelBreakdowns"]):
        sums = theirs.setdefault(each["modelName"], [0.0] * 5)
        sums[:] = [a + b for a, b in zip(sums, [*(each[name] for name in THEIRS), each["cost"]], strict=True)]
    rows = {row.key: row for row in reader.spend("model")}
    assert {name: sums[:4] for name, sums in theirs.items()} == {
        name: [getattr(row, count) for count in COUNTED] for name, row in rows.items() if name
    }
    unpriced = set(told["totals"].get("unpricedModels", []))
    known = {name: sums[4] for name, sums in theirs.items() if name not in unpriced}
    assert len(known) >= 7 and unpriced <= {"claude-opus-5-5"}
    assert known == {name: pytest.approx(rows[name].cost / 1e9, abs=1e-9) for name in known}
    only_ours = sum(rows[name].cost for name in unpriced) / 1e9
    assert reader.total().cost / 1e9 - told["totals"]["totalCost"] == pytest.approx(only_ours, abs=1e-8)
    reader.close()


def test_the_subagent_alone_is_read_from_its_file(db: Path, tmp_path: Path) -> None:
    path = subagent().write(tmp_path / SESSION / "subagents" / "agent-x.jsonl")
    for line in (lines := [json.loads(line) for line in path.read_text().splitlines()]):
        del line["sessionId"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    take(db, path)
    assert {row.session for row in rows(db)} == {SESSION}
