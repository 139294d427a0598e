"""A lab in the database: what was asked, what was told, and what it amounts to with today's labels.

Owns how a lab is written down as a run, and read again. Must never keep a measure: it keeps turns, answers and prices,
and measures them when it is read. The one surprise: so a label that is changed changes what every earlier lab found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ccr_tui.prices import usd
from ccr_tui.proxy.consult import said
from ccr_tui.records import Json
from ccr_tui.replay import labsums
from ccr_tui.replay.lab import Asked, Candidate, Turn
from ccr_tui.replay.labsums import Money, Report, Said, Trivial
from ccr_tui.replay.words import Stopped
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import iso
from ccr_tui.store.runs import RunRow

KIND = "lab"
MONEY = frozenset({"cost", "paid", "hops_cost", "answers_cost", "baseline_cost", "net_saving"})


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A turn without its request."""

    uid: str
    n: int
    label: str | None
    """Who should work: as a person says, else as the router said then; None: nobody knows."""
    by: str
    """"person", "recorded" or "": whose word the label is."""
    said: str
    """What was asked for."""
    recorded: str | None = None
    """Whom the router named then."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a lab has found."""

    turns: Sequence[KeptTurn]
    offered: Sequence[str]
    reports: Sequence[Report]
    trivials: Sequence[Trivial]
    baseline: str | None
    notes: Sequence[str]
    run: str
    """Its id in the database; its questions are kept as traces under it."""
    session: str = ""
    title: str = ""
    started_at: float = 0.0
    finished: bool = True
    """False: it was cut off; what was told is not asked again when it goes on."""
    spent: int = 0
    repeat: int = 1
    stopped: Stopped | None = None
    """Why it was cut off, where that is known."""


def kept_turn(turn: Turn, recorded: str | None) -> KeptTurn:
    """A turn without its request."""
    return KeptTurn(turn.uid, turn.n, turn.label, turn.by, said(turn.trace.body), recorded)


def relabelled(turns: Sequence[KeptTurn], labels: Mapping[str, str]) -> list[KeptTurn]:
    """The same with a person's labels of today."""
    return [labelled(turn, labels.get(turn.uid)) for turn in turns]


def labelled(turn: KeptTurn, label: str | None) -> KeptTurn:
    """With this label of a person's; None leaves what was recorded."""
    if label is not None:
        return replace(turn, label=label, by="person")
    return replace(turn, label=turn.recorded, by="recorded" if turn.recorded else "")


def asked_for(candidates: Sequence[Candidate], repeat: int, cap: int | None, baseline: str | None) -> Json:
    """What was asked for, so that it can go on."""
    return {
        "variants": [f"{each.name}={each.variant.written}" for each in candidates],
        "prompts": {each.name: each.prompt for each in candidates if each.prompt is not None},
        "repeat": repeat,
        "max_cost": cap,
        "baseline": baseline,
    }


def material(
    turns: Sequence[KeptTurn], offered: Sequence[str], candidates: Sequence[Candidate], money: Money, asked: Asked
) -> Json:
    """Everything from which a lab is measured, but for the answers, which are the run's steps."""
    return {
        "turns": [asdict(turn) for turn in turns],
        "offered": list(offered),
        "routers": {each.name: each.variant.config.models[each.variant.model or ""].id for each in candidates},
        "money": asdict(money),
        "notes": list(asked.notes),
        "stopped": asked.stopped,
    }


def answers(reader: Reader, run: str) -> dict[tuple[str, str], Said]:
    """What routers have told so far, by router and question. Raises StoreError."""
    steps = reader.run_steps(run)
    return {(step.variant, step.step): Said(**step.data) for step in steps if step.data is not None}


def spent(reader: Reader, run: str) -> int:
    """What a lab may have been billed so far, for answers that nobody received too: so much of a cap is gone."""
    steps = reader.run_steps(run)
    told = [Said(**step.data) for step in steps if step.data is not None]
    return sum((said.cost or 0) + said.lost for said in told) + sum(s.held or 0 for s in steps if s.data is None)


def read(reader: Reader, row: RunRow, labels: Mapping[str, str]) -> Found | None:
    """A lab that was kept, measured with these labels; None where it was cut off before its turns were known."""
    if row.found is None:
        return None
    found = row.found
    turns = relabelled([KeptTurn(**each) for each in found["turns"]], labels)
    told: dict[str, dict[str, list[Said]]] = {name: {} for name in found["routers"]}
    for (router, question), one in sorted(answers(reader, row.id).items(), key=lambda pair: nth(pair[0][1])):
        told.setdefault(router, {}).setdefault(question.partition("#")[0], []).append(one)
    measured = measure(turns, found["offered"], found["routers"], told, Money(**found["money"]))
    given = row.asked or {}
    return Found(
        turns, found["offered"], *measured, given.get("baseline"), found["notes"], row.id, row.session, row.title,
        row.started_at, row.finished, row.spent, given.get("repeat", 1), found.get("stopped"),
    )  # fmt: skip


def nth(question: str) -> int:
    """Which of the questions about one turn it is."""
    return int(question.partition("#")[2] or 1)


def measure(
    turns: Sequence[KeptTurn],
    offered: Sequence[str],
    routers: Mapping[str, str],
    told: Mapping[str, Mapping[str, Sequence[Said]]],
    money: Money,
) -> tuple[list[Report], list[Trivial]]:
    """How routers, by name with their model, did beside the trivial ones."""
    reports = [labsums.report(name, model, turns, offered, told.get(name, {})) for name, model in routers.items()]
    return labsums.with_money(reports, labsums.trivial(turns, offered), money)


def shown(found: Found) -> dict[str, Any]:
    """For --json."""
    return {
        "run": found.run,
        "session": found.session,
        "title": found.title,
        "started_at": iso(found.started_at) if found.started_at else None,
        "finished": found.finished,
        "stopped": found.stopped,
        "spent_usd": usd(found.spent),
        "repeat": found.repeat,
        "turns": [shown_turn(turn) for turn in found.turns],
        "offered": list(found.offered),
        "baseline": found.baseline,
        "routers": [
            in_dollars(asdict(each) | {"accuracy": each.accuracy, "net_saving": each.net_saving})
            for each in found.reports
        ],
        "trivial": [in_dollars(asdict(each)) for each in found.trivials],
        "notes": list(found.notes),
    }


def shown_turn(turn: KeptTurn) -> dict[str, Any]:
    """One turn for --json."""
    return {"id": turn.uid, "step": turn.n, "recorded": turn.recorded, "label": turn.label, "by": turn.by,
            "said": turn.said}  # fmt: skip


def in_dollars(given: Mapping[str, Any]) -> dict[str, Any]:
    """Money as decimal dollars."""
    return {
        f"{key}_usd" if key in MONEY else key: usd(value) if key in MONEY else value for key, value in given.items()
    }
