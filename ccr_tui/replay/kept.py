"""A replay as JSON, and back: for the database, for --json, and for whoever goes on from there.

Owns that mapping and how a run is kept. Must never lose a field: what words.py gains travels by itself if it is plain.
The one surprise: what has its default is not written, because a session of 2,000 steps has as many results in each
variant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any
from uuid import uuid4

from ccr_tui.prices import usd
from ccr_tui.records import Json, Price, Usage
from ccr_tui.replay.sums import flagged
from ccr_tui.replay.words import Comparison, Done, Kind, Recording, Settings, StepResult, ToolCall, VariantSums
from ccr_tui.store.queries import Reader
from ccr_tui.store.rows import iso
from ccr_tui.store.runs import RunRow, Runs

MONEY = frozenset(
    {
        "cost",
        "low",
        "high",
        "router_cost",
        "hop_cost",
        "saved",
        "saved_baseline",
        "baseline_cost",
        "spent",
        "judge_cost",
        "lost",
    }
)
_READ: Mapping[str, Callable[[Any], Any]] = {
    "usage": lambda given: given and Usage(**given),
    "price": lambda given: given and Price(**given),
    "tools": lambda given: tuple(ToolCall(**each) for each in given),
    "notes": tuple,
    "models": tuple,
    "series": tuple,
    "variants": lambda given: tuple(from_json(VariantSums, each) for each in given),
}


def new_run() -> str:
    """An id for a new replay."""
    return uuid4().hex


def to_json(record: Any) -> dict[str, Any]:
    """A record of words.py; fields that have their default are left out."""
    return {
        field.name: _plain(value)
        for field in fields(record)
        if (value := getattr(record, field.name)) is not field.default or field.default is MISSING
    }


def from_json(kind: type[Any], given: Json) -> Any:
    """The record again. Fields of a later version are left out."""
    known = {field.name for field in fields(kind)}
    return kind(**{key: _READ.get(key, _same)(value) for key, value in given.items() if key in known})


def read(given: Json) -> Comparison:
    """What a run has found; which of its lines are best is told as today."""
    found: Comparison = from_json(Comparison, given)
    return replace(found, variants=tuple(flagged(found.variants)))


def keep(runs: Runs, run: str, results: Sequence[StepResult]) -> None:
    """Keep these results. Raises StoreError."""
    runs.keep(run, ((r.variant, r.step, r.n, r.cost, to_json(r)) for r in results))


def begin(runs: Runs, run: str, at: float, kind: Kind, recording: Recording, asked: Json) -> None:
    """A run begins. Raises StoreError."""
    runs.begin(run, at, kind, recording.session, recording.title, recording.source, asked)


def end(runs: Runs, comparison: Comparison) -> None:
    """A run is over, or was cut off. Raises StoreError."""
    runs.end(comparison.run, finished=comparison.finished, spent=comparison.spent, found=to_json(comparison))


def settings_of(row: RunRow, max_cost: int | None, concurrency: int) -> Settings:
    """What a run that goes on was asked for (which steps, which judge), under a cap and a concurrency of today."""
    before: Settings = from_json(Settings, row.asked["settings"])
    return replace(before, max_cost=max_cost, concurrency=concurrency)


def done(reader: Reader, run: str, variants: Sequence[str] | None = None) -> Done:
    """What a run has done so far, or some variants of it. Raises StoreError."""
    return {
        (step.variant, step.step): from_json(StepResult, step.data)
        for step in reader.run_steps(run, variants)
        if step.state == "done" and step.data is not None
    }


def comparison(reader: Reader, run: str) -> Comparison | None:
    """What a run found; None where it was cut off before it could be told."""
    found = reader.run(run).found
    return None if found is None else read(found)


def shown(record: Any) -> dict[str, Any]:
    """For --json: every field, money in dollars as a decimal string, times in ISO 8601."""
    return {
        _name(field.name): _shown(field.name, getattr(record, field.name))
        for field in fields(record)
        if field.name != "price"
    }


def _name(name: str) -> str:
    return f"{name}_usd" if name in MONEY or name == "series" else name


def _shown(name: str, value: Any) -> Any:
    if name in MONEY:
        return usd(value)
    if name == "series":
        return [usd(each) for each in value]
    if name == "started_at":
        return iso(value)
    if hasattr(value, "__dataclass_fields__"):
        return shown(value)
    return [_shown("", each) for each in value] if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return to_json(value)
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _same(value: Any) -> Any:
    return value
