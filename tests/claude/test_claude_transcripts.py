"""The real client's transcripts: joined with what went through the proxy, else counted as ccusage counts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ccusage
import pytest
from client import Play, Result, Served
from downloads import Unavailable

from ccr_tui.transfer.retelling import WHOLE

pytestmark = [pytest.mark.claude, pytest.mark.asyncio(loop_scope="session")]

SCENARIOS = {"tools": 4, "parallel": 2, "parallel:1": 2, "agent": 4}
"""Answers of the model in each."""


def take(served: Served, home: Path, *flags: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        served.call(*flags, "traces", "import", "--transcripts", str(home / ".claude"), "--json")
    )
    return told


def home_of(result: Result) -> Path:
    return result.folder.parent


@pytest.mark.parametrize(("scenario", "answers"), SCENARIOS.items(), ids=list(SCENARIOS))
async def test_what_went_through_the_proxy_is_counted_once(
    play: Play, served: Served, scenario: str, answers: int
) -> None:
    result = await play(scenario)
    before = served.rows("--session", result.session)
    told = take(served, home_of(result))
    assert (told["new"], told["proxied"], told["broken_lines"]) == (0, answers, 0)
    assert served.rows("--session", result.session) == before
    served.call("traces", "verify")


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_transcript_alone_tells_the_same_requests(
    play: Play, served: Served, scenario: str, tmp_path: Path
) -> None:
    result = await play(scenario)
    other = Served(served.address, served.env | {"CCR_TUI_DB": str(tmp_path / "other.db")}, served.folder)
    told = take(other, home_of(result))
    live = [one for one in served.traces(result.session) if one["response"]]
    taken = {one["response"]["id"]: one for one in other.traces(result.session)}
    assert told["new"] == len(taken) == SCENARIOS[scenario]
    assert {one["response"]["id"] for one in live} == set(taken)
    for one in live:
        copy = taken[one["response"]["id"]]
        assert tools(copy["response"]["content"]) == tools(one["response"]["content"])
        assert results(copy["request"]) == results(one["request"])
        assert copy["steps"][0]["notes"] == [WHOLE]
        assert copy["request"] == {
            key: value for key, value in one["request"].items() if key not in ("stream", "metadata")
        }
        assert (copy["agent_id"], copy["project"]) == (one["agent_id"], one["project"])
        assert abs(copy["duration_ms"] - one["duration_ms"]) < 5_000


async def test_ccusage_counts_the_same_to_the_token(play: Play, served: Served, tmp_path: Path) -> None:
    try:
        program = ccusage.install()
    except Unavailable as why:
        pytest.skip(f"ccusage: {why}")
    for scenario in SCENARIOS:
        result = await play(scenario)
    other = Served(served.address, served.env | {"CCR_TUI_DB": str(tmp_path / "other.db")}, served.folder)
    ours, theirs = take(other, home_of(result)), ccusage.totals(program, home_of(result) / ".claude")
    assert ours["new"] == sum(SCENARIOS.values())
    assert (ours["input_tokens"], ours["output_tokens"]) == (theirs["inputTokens"], theirs["outputTokens"])
    assert (ours["cache_read_tokens"], ours["cache_write_tokens"]) == (
        theirs["cacheReadTokens"],
        theirs["cacheCreationTokens"],
    )


def tools(content: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(block["id"], block["input"]) for block in content if block["type"] == "tool_use"]


def results(body: dict[str, Any]) -> list[str]:
    """Whose results a request brings, in order."""
    blocks = [
        block for message in body["messages"] if isinstance(message["content"], list) for block in message["content"]
    ]
    return [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
