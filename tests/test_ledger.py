"""`ccr-tui spend` and `sessions`: marks, decimals in line, other models, and everything in one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import generated
import pytest
from click.testing import CliRunner

from ccr_tui.cli import root
from ccr_tui.commands.ledger import _more_or_less
from ccr_tui.commands.money import column, in_line, money
from ccr_tui.origin import origin
from ccr_tui.prices import LOCAL
from ccr_tui.records import Price, Usage
from ccr_tui.store import archive
from ccr_tui.store.paid import Paid, keep
from ccr_tui.store.verify import verify

LIST = Price(1_000_000_000, 2_000_000_000, 100_000_000, since="2026-11-01", source="ccr-tui table")
CONFIG = """
[providers.deepseek]
api_key = "none"

[models.mine]
provider = "deepseek"
id = "mine"
price = { input = 10, output = 50, cache_read = 1 }

[spend]
baseline = "mine"

[guards]
budget_per_day = 5.0
"""
MONEY = [
    ((None, False, False), "?"),
    ((None, True, True), "?"),
    ((1_200_000_000, True, True), "~$1.20+"),
    ((4_000_000, False, False), "$0.0040"),
    ((0, False, False), "$0.00"),
]


@pytest.mark.parametrize(("amount", "text"), MONEY, ids=[case[1] for case in MONEY])
def test_marks(amount: Any, text: str) -> None:
    assert money(*amount) == text


def test_points_are_in_line() -> None:
    texts = in_line(["$1.20", "", "?", "~$0.0043", "$123", "<$0.00001"])
    width = max(map(len, texts))
    placed = [text.rjust(width) for text in texts if text]
    assert {text.index(".") for text in placed if "." in text} == {4}
    assert [len(text.rstrip()) for text in placed if "." not in text] == [4, 4], "the point would follow"
    assert texts[1] == "" and column([]) == []


Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command against a small database."""
    known = generated.attempt(usage=Usage(1_000, 100, 9_000), price=LIST, cost=2_100_000, cost_basis="list")
    guessed = generated.attempt(
        model="slow", usage=Usage(1_000, 100, basis="estimated"), price=LIST, cost=1_200_000, cost_basis="list"
    )
    odd = generated.attempt(model="odd", usage=Usage(10, 1), price=None, cost=None, cost_basis="unknown")
    days = [(known, "a"), (known, "b"), (guessed, "c"), (odd, "d")]
    archive.take_in(
        tmp_path / "ccr.db",
        [
            generated.trace(uid, attempts=(attempt,), session=uid, started_at=generated.STARTED + n * 86400)
            for n, (attempt, uid) in enumerate(days)
        ],
    )
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> Any:
        done = CliRunner().invoke(root, [*args, "--config", "config.toml", "--db", "ccr.db"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    return run


def test_a_span_says_when_it_begins(call: Call) -> None:
    done = call("spend", "--since", "2026-09-22")
    assert "since 2026-09-22 00:00" in done.stderr and "since" not in done.stdout
    assert "requests since 2026-09-22 00:00" in call("spend", "--summary", "--since", "2026-09-22").stdout
    assert "since" not in call("spend").stderr


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_stands_in_no_session_is_told_beside_the_sessions(
    call: Call, tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert "no session" not in call("sessions", *more).stderr
    archive.take_in(tmp_path / "ccr.db", [generated.trace(uid, session=None) for uid in "xy"])
    done = call("sessions", *more)
    assert "2 more requests are in no session: $0.0086" in done.stderr
    assert len([line for line in done.stdout.splitlines() if line]) == (4 if more else 5), "and no line of the list"


def test_the_columns_of_spending(call: Call) -> None:
    lines = call("spend", "--by", "model").stdout.splitlines()
    assert lines[0].split("  ")[-1].strip() == "at mine"
    cells = {line.split()[0]: line for line in lines[1:]}
    assert "~$0.0012" in cells["slow"] and "~1.0k" in cells["slow"]
    assert "?" in cells["odd"] and "$0.00" not in cells["odd"].replace("$0.00015", "")
    assert cells["qwen-max"].index("$0.0042") + 2 == cells["slow"].index("$0.0012") + 2, "points are in line"
    assert "cache saved" in lines[0] and "$0.016" in cells["qwen-max"]


def test_sessions_and_requests_mark_what_is_estimated(call: Call) -> None:
    for command in (("sessions",), ("traces", "ls")):
        lines = call(*command).stdout.splitlines()
        marked = [line for line in lines if "~$" in line]
        assert len(marked) == 1 and "~1.0k" in marked[0]


def test_a_session_without_a_price_is_compared_with_nothing(call: Call) -> None:
    rows = {row["id"]: row for row in map(json.loads, call("sessions", "--json").stdout.splitlines())}
    assert rows["d"]["against_baseline"] == {"spent_usd": None, "comparable_usd": None, "share": None}
    known = rows["a"]["against_baseline"]
    assert (known["spent_usd"], known["comparable_usd"]) == ("0.0021", rows["a"]["baseline_usd"])


def test_other_models_in_json(call: Call) -> None:
    rows = [
        json.loads(line) for line in call("spend", "--by", "week", "--what-if", "mine", "--json").stdout.splitlines()
    ]
    assert [row["baseline_usd"] for row in rows] == [row["what_if_usd"]["mine"] for row in rows]
    assert sum(row["requests"] for row in rows) == 4 and rows[0]["week"].startswith("2026-W")


def test_everything_in_one(call: Call) -> None:
    told = json.loads(call("spend", "--summary", "--json").stdout)
    assert (told["cost_usd"], told["unpriced"], told["estimated_cost_usd"]) == ("0.0054", 1, "0.0012")
    assert told["billed"][0] == {
        "basis": "list",
        "source": "ccr-tui table",
        "since": "2026-11-01",
        "cost_usd": "0.0054",
        "tokens": 21_300,
        "unpriced": 0,
    }
    assert told["billed"][1]["cost_usd"] is None
    assert told["budgets"] == [{"of": "day", "session": None, "limit_usd": "5", "spent_usd": "0"}]
    (mine,) = told["one_model_for_all"]
    assert mine["model"] == "mine" and mine["price"]["source"] == "config.toml"
    assert "? nobody knows a price" in call("spend", "--summary").stdout


def test_a_share_stands_in_json_with_both_its_terms(call: Call) -> None:
    (mine,) = json.loads(call("spend", "--summary", "--json").stdout)["one_model_for_all"]
    paid, comparable = float(mine["spent_usd"]), float(mine["comparable_usd"])
    assert mine["share"] == pytest.approx((paid - comparable) / comparable, abs=1e-6)
    assert comparable < float(mine["cost_usd"]), "the call without a price is in the one, and not in the other"
    rows = [json.loads(line) for line in call("spend", "--by", "model", "--json").stdout.splitlines()]
    told = {row["model"]: row["against_baseline"] for row in rows}
    assert told["odd"] == {"spent_usd": None, "comparable_usd": None, "share": None}
    assert sum(float(each["comparable_usd"] or 0) for each in told.values()) == pytest.approx(comparable)


@pytest.mark.parametrize(
    ("share", "words"),
    [(-93, "93% less"), (0, "as much"), (12, "12% more"), (999, "999% more"), (834129, "8,342 times as much")],
)
def test_a_share_is_told_in_words(share: int, words: str) -> None:
    assert _more_or_less(share) == words


def test_a_share_follows_from_the_two_amounts_that_are_told(call: Call) -> None:
    lines = call("spend", "--summary").stdout.splitlines()
    spent, at = (next(line for line in lines if word in line) for word in ("spent ", "at mine"))
    paid, other = (float(re.findall(r"\$([\d.]+)", line)[0]) for line in (spent, at))
    assert f", {round(100 * (other - paid) / other)}% less was spent" in at and "1 unpriced call in neither" in at


def test_the_source_of_a_price_is_told_once() -> None:
    told = origin("list", "list price in genai-prices 9, as of 2026-11-03", "2026-11-03")
    assert told == "list price in genai-prices 9, as of 2026-11-03"
    told = origin("list", "list price of DeepSeek, read 2026-11-22; what this host takes is not known", "2026-04-24")
    assert told == "list price of DeepSeek, read 2026-11-22, since 2026-04-24; what this host takes is not known"
    assert origin("list", "ccr-tui table", "2026-11-01") == "list price, ccr-tui table, 2026-11-01"
    assert origin("user", "config.toml") == "your own price, config.toml"
    assert origin("user", "made up for the demo") == "made up for the demo"
    assert origin("list", LOCAL.source) == LOCAL.source


def test_kinds_of_requests_and_what_nobody_billed(call: Call) -> None:
    failed = generated.attempt(model="down", usage=None, cost=None, cost_basis="unknown", price=None)
    more = [
        generated.trace("t", kind="title", session=None),
        generated.trace("f", attempts=(failed,), outcome="error", kind="title", session=None),
        generated.trace("n", attempts=(), outcome="error", session=None),
    ]
    archive.take_in(Path("ccr.db"), more)
    rows = {row["kind"]: row for row in map(json.loads, call("spend", "--by", "kind", "--json").stdout.splitlines())}
    assert set(rows) == {"main", "title"} and rows["title"]["requests"] == 2
    lines = {line.split()[0]: line for line in call("spend", "--by", "model").stdout.splitlines()}
    assert lines["down"].count("–") == 2 and "$" not in lines["down"]
    assert "(none)" in lines, "a request that asked no model is not called by the one that it was for"


def test_a_request_tells_what_the_cache_saved_and_what_is_not_known(call: Call) -> None:
    assert "saved $0.0081, lost $0.00" in call("traces", "show", "a").stdout
    shown = call("traces", "show", "c").stdout
    assert "~$0.0012 (list price, ccr-tui table, 2026-11-01)" in shown and "saved ?, lost $0.00" in shown
    told = json.loads(call("traces", "show", "a", "--json").stdout)
    assert (told["cache_saved_usd"], told["cache_lost_usd"], told["router_cost_usd"]) == ("0.0081", "0", "0")


def test_what_replays_have_cost_has_a_line_of_its_own_and_is_in_no_other(call: Call) -> None:
    before = call("spend", "--json").stdout
    assert "replays" not in call("spend").stderr
    assert json.loads(call("spend", "--summary", "--json").stdout)["replays"]["requests"] == 0
    paid = generated.attempt(usage=Usage(1_000, 100), price=LIST, cost=1_200_000, cost_basis="list")
    unknown = generated.attempt(usage=Usage(10, 1), price=None, cost=None, cost_basis="unknown")
    sent = [("r1", paid), ("r2", unknown)]
    archive.take_in(
        Path("ccr.db"),
        [generated.trace(uid, attempts=(one,), session=None, origin="replay", run="run-1") for uid, one in sent],
    )
    told = "replays: $0.0012+ for 2 requests, not in the above"
    assert told in call("spend").stderr and told in call("spend", "--json").stderr
    assert call("spend", "--json").stdout == before
    summary = json.loads(call("spend", "--summary", "--json").stdout)
    assert summary["replays"] == {"requests": 2, "cost_usd": "0.0012", "unpriced": 1}
    assert "replays  $0.0012+ for 2 requests, not in the above" in call("spend", "--summary").stdout
    later = call("spend", "--summary", "--json", "--since", "2030-01-01").stdout
    assert json.loads(later)["replays"]["requests"] == 0


def test_what_tests_of_models_have_cost_has_a_line_of_its_own_and_is_in_no_other(call: Call) -> None:
    before = call("spend", "--json").stdout
    assert "tests" not in call("spend").stderr
    assert json.loads(call("spend", "--summary", "--json").stdout)["tests"]["requests"] == 0
    told = Paid()
    priced = generated.attempt(usage=Usage(1_000, 100), price=LIST, cost=1_200_000, cost_basis="list")
    unknown = generated.attempt(usage=Usage(10, 1), price=None, cost=None, cost_basis="unknown")
    nowhere = generated.attempt(usage=None, price=None, cost=None, cost_basis="unknown", status=None)
    told.take(generated.trace("t", attempts=(unknown, nowhere)))
    assert told.as_json() == {"requests": 1, "cost_usd": None, "unpriced": 1}, "who was not reached bills nothing"
    keep(Path("ccr.db"), "test", "p/m", told)
    assert "tests: ? for 1 request, not in the above" in call("spend").stderr
    told = Paid()
    told.add([priced])
    keep(Path("ccr.db"), "route", "p/m", told)
    assert "tests: $0.0012+ for 2 requests, not in the above" in call("spend").stderr
    assert call("spend", "--json").stdout == before
    summary = json.loads(call("spend", "--summary", "--json").stdout)
    assert summary["tests"] == {"requests": 2, "cost_usd": "0.0012", "unpriced": 1}
    assert summary["replays"]["requests"] == 0
    assert "tests  $0.0012+ for 2 requests, not in the above" in call("spend", "--summary").stdout
    assert json.loads(call("spend", "--summary", "--json", "--since", "2030-01-01").stdout)["tests"]["requests"] == 0
    assert verify(Path("ccr.db")) == []


def test_without_a_choice_the_baseline_is_what_the_client_asks_for_as_on_the_screens(call: Call) -> None:
    Path("config.toml").write_text("")
    asked = generated.trace("x").asked_model
    assert asked.startswith("claude-")
    for line in call("spend", "--json").stdout.splitlines():
        assert (json.loads(line)["baseline"], json.loads(line)["baseline_usd"] is not None) == (asked, True)
    assert json.loads(call("spend", "--summary", "--json").stdout)["one_model_for_all"][0]["model"] == asked
    (one, *_) = (json.loads(line) for line in call("sessions", "--json").stdout.splitlines())
    shown = json.loads(call("sessions", "show", one["id"], "--json").stdout)
    assert one["baseline"] == shown["baseline"] == asked
    assert one["baseline_usd"] == shown["turns"][0]["baseline_usd"]
    assert call("sessions").stdout.splitlines()[0].endswith(f"at {asked}")
    assert call("sessions", "--baseline", "claude-opus-4-5").stdout.splitlines()[0].endswith("at claude-opus-4-5")


def test_what_the_picture_shows_is_in_the_summary(call: Call) -> None:
    told = json.loads(call("spend", "--summary", "--by", "model", "--json").stdout)
    course = told["course"]
    assert len(course["edges"]) == len(course["cost_usd"]) + 1
    sums: dict[str, float] = {}
    for part in course["cost_usd"]:
        for name, cost in part.items():
            sums[name] = sums.get(name, 0.0) + float(cost)
    rows = [json.loads(line) for line in call("spend", "--by", "model", "--json").stdout.splitlines()]
    assert sums == pytest.approx({row["model"]: float(row["cost_usd"] or 0) for row in rows})
