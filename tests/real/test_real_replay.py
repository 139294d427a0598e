"""A recorded session is sent again to two real servers side by side, through the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from person import HOUSE, Person

pytestmark = [pytest.mark.real, pytest.mark.asyncio(loop_scope="session")]
CODING = HOUSE / "traces" / "coding.jsonl"


async def test_two_real_servers_are_compared_side_by_side(servers: Any, tmp_path: Path) -> None:
    person = Person(tmp_path, tools=f"{servers.tools}/v1", other=f"{servers.route}/v1")
    found = await person.data(
        "replay", str(CODING), "--kind", "rerun", "--variant", "a=tools", "--variant", "b=other", "--yes",
        "--concurrency", "2", "--sample", "3", "--max-cost", "0.05", within_s=300,
    )  # fmt: skip
    recorded, a, b = found["variants"]
    assert found["finished"] and (a["requests"], b["requests"]) == (3, 3)
    assert (a["failed"], b["failed"]) == (0, 0)
    assert all(line["models"] == [f"id-of-{name}"] for line, name in ((a, "tools"), (b, "other")))
    assert 0 < float(found["spent_usd"]) <= 0.05
    assert a["input_tokens"] + a["cache_read_tokens"] > recorded["input_tokens"] / 2
    assert a["tool_agreement"] is not None and a["stop_agreement"] is not None
    shown = await person.data("replay", "show", "last", "--steps")
    steps = [step for step in shown["steps"] if step["kind"] == "rerun"]
    assert len(steps) == 6
    assert all(step["usage"]["basis"] == "reported" for step in steps)


async def test_what_was_rerun_can_be_rehearsed(servers: Any, tmp_path: Path) -> None:
    """A replay's traces are traces: they are exported, and their bytes come out the same."""
    person = Person(tmp_path, tools=f"{servers.tools}/v1")
    given = ("replay", str(CODING), "--kind", "rerun", "--variant", "a=tools", "--yes", "--sample", "2")
    assert (await person.data(*given, within_s=300))["finished"]
    code, out, err = await person.calls("traces", "export", "--no-redact")
    assert code == 0, err
    again = tmp_path / "again.jsonl"
    again.write_text(out)
    code, _, err = await person.calls("replay", str(again), "--kind", "rehearse")
    assert code == 0 and "every request came out as it was recorded" in err
