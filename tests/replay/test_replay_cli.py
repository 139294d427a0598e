"""`ccr-tui replay` and `ccr-tui lab` as a person calls them: against two scripted servers, killed, and gone on with."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from person import HOUSE, Person
from scenarios import Plain, Stall, Stream, broken, say
from scripted_openai import Request, ScriptedOpenAI

from ccr_tui.store import archive
from ccr_tui.store.queries import Filter, Reader

CODING, ROUTED = HOUSE / "traces" / "coding.jsonl", HOUSE / "traces" / "routed.jsonl"
STEPS = 9
pytestmark = pytest.mark.asyncio(loop_scope="session")


class Stalling(ScriptedOpenAI):
    """Answers, but falls silent in the middle of the answer number `at` until it is released."""

    def __init__(self, at: int = 0) -> None:
        super().__init__(rules=False)
        self.at = at

    def _choose(self, request: Request) -> Stream | Plain:
        found = super()._choose(request)
        if len(self.requests) == self.at and not self.release.is_set():
            return broken(say("Some words"), fault=Stall())
        return found


@asynccontextmanager
async def two() -> AsyncIterator[tuple[ScriptedOpenAI, ScriptedOpenAI]]:
    async with ScriptedOpenAI(rules=False) as one, ScriptedOpenAI(rules=False) as other:
        yield one, other


async def test_a_fresh_clone_rehearses_and_reprices_without_a_key(tmp_path: Path) -> None:
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    code, _, err = await person.calls("replay", str(ROUTED), "--kind", "rehearse")
    assert (code, "every request came out as it was recorded" in err) == (0, True)
    found = await person.data("replay", str(CODING), "--variant", "cheap=deepseek-flash")
    assert [line["name"] for line in found["variants"]] == ["recorded", "cheap"]
    assert found["spent_usd"] == "0"


async def test_a_model_that_is_kept_keeps_its_cache_though_it_is_not_configured_here(tmp_path: Path) -> None:
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    recorded, again = (await person.data("replay", str(ROUTED), "--variant", "routed=mode:router"))["variants"]
    assert again["models"] == recorded["models"]
    assert again["cache_read_tokens"] > recorded["cache_read_tokens"] / 2  # this template moves words that it has said


async def test_what_cannot_be_asked_is_told_and_leaves_no_run(tmp_path: Path) -> None:
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    code, _, err = await person.calls("replay", str(CODING), "--kind", "rerun", "--variant", "a=qwen-max", "--yes")
    assert (code, "repriced but not asked" in err, "for real" in err) == (1, True, False)
    code, out, _ = await person.calls("replay", "runs", "--json")
    assert (code, out) == (0, "")


async def test_a_changed_recording_is_told_with_exit_code_3(tmp_path: Path) -> None:
    traces = list(archive.read(CODING.read_bytes().splitlines(keepends=True)))
    lines = list(archive.lines(traces))
    lines[2] = lines[2].replace(b'"size":[', b'"size":[7,').replace(b'"ms":[', b'"ms":[0,')
    given = json.loads(lines[1])
    given["reply"]["content"][0]["text"] += "!"
    broken_file = tmp_path / "changed.jsonl"
    broken_file.write_bytes(b"".join([lines[0], json.dumps(given).encode() + b"\n", *lines[3:]]))
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    code, _, err = await person.calls("replay", str(broken_file), "--kind", "rehearse")
    assert (
        code,
        "1 of 8 requests came out otherwise" in err and "step 1: the reply differs at content.0.text" in err,
    ) == (3, True)


async def test_two_variants_are_rerun_side_by_side(tmp_path: Path) -> None:
    async with two() as (one, other):
        person = Person(tmp_path, one=one.base_url, other=other.base_url)
        found = await person.data(
            "replay", str(CODING), "--kind", "rerun", "--variant", "a=one", "--variant", "b=other", "--yes",
            "--concurrency", "2", "--max-cost", "1",
        )  # fmt: skip
        assert (len(one.requests), len(other.requests)) == (STEPS, STEPS)
        recorded, a, b = found["variants"]
        assert (a["requests"], a["failed"], a["models"]) == (STEPS, 0, ["id-of-one"])
        assert b["input_tokens"] + b["cache_read_tokens"] == 100 * STEPS  # as the scripted server reports
        assert float(found["spent_usd"]) == pytest.approx(float(a["cost_usd"]) + float(b["cost_usd"]))
        assert recorded["cost_from"] == "recorded" and a["cost_from"] == "rerun"
        shown = await person.data("replay", "show", "last", "--steps")
        rerun = [step for step in shown["steps"] if step["kind"] == "rerun"]
        assert len(rerun) == 2 * STEPS
        assert all(step["trace"] and step["tool_agreement"] in (None, 0.0) for step in rerun)
        assert (await person.calls("spend"))[1:] == (
            "", "replays: $0.0049 for 18 requests, not in the above (`ccr-tui replay runs`, `ccr-tui lab runs`)\n",
        )  # fmt: skip
        reader = Reader(person.db)
        rows = reader.rows(Filter(), limit=100)
        assert {row.origin for row in rows} == {"replay"} and len(rows) == 2 * STEPS
        reader.close()


async def test_a_judge_whose_verdicts_cannot_be_used_is_told_with_his_bill(tmp_path: Path) -> None:
    async with two() as (one, other):
        person = Person(tmp_path, one=one.base_url, other=other.base_url)
        rerun = ("replay", str(CODING), "--kind", "rerun", "--variant", "a=one", "--yes", "--sample", "2")
        code, _, err = await person.calls(*rerun, "--judge", "other")
        assert code == 0 and len(other.requests) == 4, err
        assert "other is asked about every answer, twice: that is in none of these sums" in err
        assert "note: judge other: 0 of 4 verdicts usable, $0.0" in err and "no --judge was asked" not in err
        shown = await person.data("replay", "show", "last")
        assert (shown["judge_asked"], shown["judge_usable"]) == (4, 0)
        assert f"${float(shown['judge_cost_usd']):.4f}"[:6] in shown["notes"][-1]


async def test_without_a_yes_nothing_is_sent(tmp_path: Path) -> None:
    async with two() as (one, _):
        person = Person(tmp_path, one=one.base_url)
        code, _, err = await person.calls("replay", str(CODING), "--kind", "rerun", "--variant", "a=one")
        assert code == 2 and "add --yes" in err and "a: 9 requests, about $" in err
        assert one.requests == []


async def test_a_budget_ends_a_rerun_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    async with two() as (one, _):
        person = Person(tmp_path, one=one.base_url)
        rerun = ("replay", str(CODING), "--kind", "rerun", "--variant", "a=one", "--yes")
        code, out, err = await person.calls(*rerun, "--max-cost", "0.008", "--json")
        found, sent = json.loads(out), len(one.requests)
        assert (code, found["finished"], found["stopped"]) == (1, False, "budget") and "--resume" in err
        assert 0 < sent < STEPS and float(found["spent_usd"]) <= 0.008
        again = ("replay", str(CODING), "--resume", found["run"])
        code, _, err = await person.calls(*again)
        assert code == 2 and f"a: {STEPS - sent} requests, about $" in err, "what is left, and not what is paid"
        found = await person.data(*again, "--yes", "--max-cost", "1")
        assert (found["finished"], found["stopped"]) == (True, None) and len(one.requests) == STEPS
        code, _, err = await person.calls(*again)
        assert code == 0 and "nothing to pay" in err and "about $" not in err and len(one.requests) == STEPS
        bodies = [json.dumps(request.body) for request in one.requests]
        assert len(set(bodies)) == STEPS


async def test_a_cap_that_lets_nothing_out_is_a_failure_and_no_run(tmp_path: Path) -> None:
    async with two() as (one, _):
        person = Person(tmp_path, one=one.base_url)
        rerun = ("replay", str(CODING), "--kind", "rerun", "--variant", "a=one", "--yes")
        code, out, err = await person.calls(*rerun, "--max-cost", "0.000001")
        assert (code, out, one.requests) == (1, "", [])
        assert "--max-cost 0.000001 is too small" in err and "Nothing was sent" in err and "--resume" not in err
        needed = err.split("--max-cost ")[-1].split()[0]
        assert (await person.calls("replay", "runs", "--json"))[1] == ""
        found = await person.data(*rerun, "--max-cost", needed, "--sample", "1")
        assert found["finished"] and len(one.requests) == 1
        found, sent = json.loads((await person.calls(*rerun, "--max-cost", "0.008", "--json"))[1]), len(one.requests)
        code, out, err = await person.calls("replay", str(CODING), "--resume", found["run"], "--yes")
        assert (code, out, len(one.requests)) == (1, "", sent) and "is too small" in err
        assert len((await person.calls("replay", "runs", "--json"))[1].splitlines()) == 2


async def test_a_killed_rerun_goes_on_and_pays_for_no_answer_twice(tmp_path: Path) -> None:
    async with Stalling(at=4) as upstream:
        person = Person(tmp_path, one=upstream.base_url)
        child = await person.starts("replay", str(CODING), "--kind", "rerun", "--variant", "a=one", "--yes")
        await upstream.came(4, within_s=30)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        assert child.stdout is not None and child.stderr is not None
        await asyncio.gather(child.stdout.read(), child.stderr.read())
        upstream.release.set()
        code, out, _ = await person.calls("replay", "runs")
        assert code == 0 and "cut off" in out
        run = out.splitlines()[1].split()[0]
        found = await person.data("replay", str(CODING), "--resume", run, "--yes")
        assert found["finished"] and found["variants"][1]["requests"] == STEPS
        assert any("was under way when the run was cut off" in note for note in found["notes"])
        bodies = [json.dumps(request.body) for request in upstream.requests]
        assert len(bodies) == STEPS + 1
        assert bodies[3] == bodies[4]  # the one that was under way, whose answer nobody has
        assert len(set(bodies)) == STEPS
        assert (await person.calls("traces", "verify"))[0] == 0


async def test_the_lab_asks_routers_about_the_turns(tmp_path: Path) -> None:
    async with ScriptedOpenAI(rules=False, roles={"id-of-one": "text"}) as upstream:
        person = Person(tmp_path, one=upstream.base_url)
        code, out, _ = await person.calls("lab", str(ROUTED))
        assert code == 0 and [line.split()[2] for line in out.splitlines()[1:4]] == ["think", "coder", "tool"]
        uid = out.splitlines()[1].split()[1]
        assert (await person.calls("lab", "label", uid, "tool"))[0] == 0
        found = await person.data("lab", str(ROUTED), "--router", "mine=one", "--yes", "--baseline", "one")
        (router,) = found["routers"]
        assert (router["turns"], router["labelled"], router["invalid"], router["right"]) == (3, 3, 3, 2)
        assert [each["name"] for each in found["trivial"]] == ["always tool", "always think", "random, same mix"]
        assert len(upstream.requests) == 3
        assert router["net_saving_usd"] is not None
        code, _, err = await person.calls("lab", "show", "last", "--export", "lab.md")
        assert code == 0 and "written to lab.md" in err and "| mine |" in (tmp_path / "lab.md").read_text()
        assert (await person.calls("lab", "show", "last", "--export", "lab.pdf"))[0] == 2
        for wrong, told in (
            ("mine=onne", "--router mine: 'onne' is neither"),
            ("a b", "--router 'a b=a b': write NAME"),
        ):
            code, _, err = await person.calls("lab", str(ROUTED), "--router", wrong, "--yes")
            assert code == 2 and told in err and "--variant" not in err


async def test_a_killed_lab_goes_on_and_pays_for_no_answer_twice(tmp_path: Path) -> None:
    async with Stalling(at=2) as upstream:
        person = Person(tmp_path, one=upstream.base_url)
        child = await person.starts("lab", str(ROUTED), "--router", "mine=one", "--yes", "--max-cost", "5")
        await upstream.came(2, within_s=30)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        assert child.stdout is not None and child.stderr is not None
        await asyncio.gather(child.stdout.read(), child.stderr.read())
        upstream.release.set()
        code, out, _ = await person.calls("lab", "runs")
        assert code == 0 and "cut off" in out
        run = out.splitlines()[1].split()[0]
        found = await person.data("lab", str(ROUTED), "--resume", run, "--yes")
        assert (found["finished"], found["routers"][0]["asked"]) == (True, 3)
        code, _, err = await person.calls("lab", str(ROUTED), "--resume", run)
        assert code == 0 and "nothing to pay" in err and "for real" not in err
        assert any("under way when the run was cut off" in note for note in found["notes"])
        bodies = [json.dumps(request.body) for request in upstream.requests]
        assert len(bodies) == 4 and bodies[1] == bodies[2] and len(set(bodies)) == 3
        assert (await person.data("lab", "show", "last"))["routers"] == found["routers"]
        code, out, _ = await person.calls("lab", "runs", "--json")
        assert code == 0 and json.loads(out)["lab"]["finished"]
        assert (await person.calls("replay", "runs"))[1].count("\n") <= 1
        assert (await person.calls("traces", "verify"))[0] == 0


async def test_lists_without_a_line_say_so_on_stderr_and_empty_columns_are_left_out(tmp_path: Path) -> None:
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    with CODING.open("rb") as lines:
        archive.take_in(person.db, archive.read(lines))
    for call in ("replay", "lab"):
        code, out, err = await person.calls(call, "runs")
        assert (code, out) == (0, "") and f"no {call} is kept yet: ccr-tui {call} last" in err
    heads = (await person.calls("lab", "last"))[1].split("\n")[0].split()
    assert heads == ["step", "id", "said"]


async def test_what_a_run_keeps_beside_its_requests_makes_no_file_a_damaged_one(tmp_path: Path) -> None:
    """Its steps are written by another connection, between the requests that the store's thread writes."""
    person = Person(tmp_path, only="http://127.0.0.1:9/v1")
    with person.config.open("a") as config:
        config.write('\n[providers.demo]\nkind = "demo"\n[models.slow]\nprovider = "demo"\nid = "demo-large"\n')
    given = ("replay", str(CODING), "--kind", "rerun", "--variant", "a=slow", "--variant", "b=slow", "--yes")
    assert (await person.data(*given, "--concurrency", "2", "--sample", "3"))["finished"]
    shown = await person.data("replay", "show", "last", "--steps")
    assert len([step for step in shown["steps"] if step["kind"] == "rerun"]) == 6
    assert not list(tmp_path.glob("*damaged*"))
