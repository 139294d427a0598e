"""What `--demo` plays: recorded sessions, with subagents, a compaction and router hops, and where they are found."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from ccr_tui import host, player, stage
from ccr_tui.config import Config
from ccr_tui.records import Trace
from ccr_tui.replay import instant
from ccr_tui.replay.rehearse import shape
from ccr_tui.tokens import Counter

HOUSE = Path(__file__).parent.parent.parent
NAMES = ["coding.jsonl", "delegated.jsonl", "routed.jsonl"]


def played(counter: Counter, tmp_path: Path) -> tuple[list[Trace], list[Trace]]:
    """What was recorded, and what landed when it was played twice, in no time."""
    then, now = [trace for traces in stage.recorded() for trace in traces], list[Trace]()
    config = player.config(replace(Config(), port=0), tmp_path / "ccr.db")

    async def go() -> None:
        house = host.House(config, counter)
        house.engine.feed.subscribe(now.append)
        for traces in stage.recorded() * 2:
            await stage.play(traces, lambda: house.engine.context, counter)
        await house.engine.stop(0)

    instant.run(go())
    return then, now


def test_recorded_sessions_are_played_as_they_were(counter: Counter, tmp_path: Path) -> None:
    then, now = played(counter, tmp_path)
    assert len(now) == 2 * len(then)
    assert {trace.outcome for trace in now} == {"ok"}
    assert {trace.origin for trace in now} == {"live"}
    replies = {str(trace.reply.get("content")) for trace in then}
    assert {str(trace.reply.get("content")) for trace in now} == replies
    assert sorted([str([shape(e) for e in trace.timeline]) for trace in then] * 2) == sorted(
        str([shape(event) for event in trace.timeline]) for trace in now
    )


def test_a_recorded_request_says_why_its_model_was_chosen(counter: Counter, tmp_path: Path) -> None:
    then, now = played(counter, tmp_path)
    assert sorted(str(trace.decision) for trace in then * 2) == sorted(str(trace.decision) for trace in now)
    assert {trace.decision.rule for trace in now if trace.decision} == {"default", "router", "continued"}
    assert "config.toml, takes this request" not in str([trace.decision for trace in now])


def test_what_answers_in_the_demo_is_on_models(counter: Counter, tmp_path: Path) -> None:
    _, now = played(counter, tmp_path)
    config = player.config(Config(), tmp_path / "ccr.db")
    asked = {(a.provider, a.model, a.price) for trace in now for a in trace.attempts}
    assert asked <= {(model.provider, model.id, model.price) for model in config.models.values()}
    assert {trace.decision.model for trace in now if trace.decision} <= set(config.models)
    assert {model.provider for model in config.models.values()} == set(config.providers)


def test_a_stranger_sees_subagents_a_compaction_and_hops(counter: Counter, tmp_path: Path) -> None:
    then, now = played(counter, tmp_path)
    assert len({trace.session for trace in now}) == 2 * len({trace.session for trace in then}) == 6
    assert len({trace.agent_id for trace in now if trace.agent_id}) == 2
    assert "compaction" in {trace.kind for trace in now}
    assert {"route", "think", "code", "answer"} <= {attempt.purpose for trace in now for attempt in trace.attempts}
    assert all(attempt.cost is not None for trace in now for attempt in trace.attempts)


def test_an_installed_package_has_the_recordings() -> None:
    """They stand outside of the package in a checkout, and within it in a wheel."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert sorted(included) == [f"traces/{name}" for name in NAMES]
    assert all((HOUSE / source).is_file() for source in included)
    assert {HOUSE / "ccr_tui" / "traces" / name for name in NAMES} == {HOUSE / inside for inside in included.values()}
    assert stage.PLACES[0] == HOUSE / "ccr_tui" / "traces"


def test_without_recordings_the_demo_goes_on_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"format": "something else"}\n')
    monkeypatch.setattr(stage, "PLACES", (tmp_path / "nowhere", tmp_path))
    assert [file.name for file in stage.files()] == ["broken.jsonl"]
    assert stage.recorded() == []
