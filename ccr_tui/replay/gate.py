"""`--gate`: conditions that a comparison must fulfil, for continuous integration.

Owns their grammar and what each metric means. Must never let what is not known pass. The one surprise: `cost` is a
share of the recorded cost, because a session's dollars differ from day to day; `usd` is the amount, and so is
`cost` beside a sign of dollars.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Literal, cast

from ccr_tui.errors import CcrError
from ccr_tui.pricelist import NANO
from ccr_tui.replay.words import RECORDED, Comparison, Gate, VariantSums, Verdict
from ccr_tui.values import did_you_mean

SIGNS: Mapping[str, Callable[[float, float], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_ONE = re.compile(r"\s*(?:([^\s<>=.]+(?:\.[^\s<>=.]+)*)\.)?([a-z]+)\s*(<=|>=|<|>)\s*(\$?)([0-9.]+)(%?)\s*")

Metric = Callable[[VariantSums, Comparison], float | None]
METRICS: Mapping[str, tuple[Metric, str]] = {
    "cost": (lambda line, whole: _share(line, whole), "its cost as a share of the recorded cost"),
    "usd": (lambda line, whole: None if line.unpriced else _dollars(line.cost), "its cost in US dollars"),
    "high": (lambda line, whole: None if line.unpriced else _dollars(line.high), "its upper bound in US dollars"),
    "baseline": (lambda line, whole: _part(line.cost, whole.baseline_cost), "its cost as a share of the baseline's"),
    "toolmatch": (lambda line, whole: line.tool_agreement, "agreement of its tool calls, 0 to 1"),
    "stopmatch": (lambda line, whole: line.stop_agreement, "agreement of its stop reasons, 0 to 1"),
    "judged": (lambda line, whole: line.judged, "the judge's score, 0 to 1"),
    "errors": (lambda line, whole: float(line.failed), "how many of its requests failed"),
    "ttft": (lambda line, whole: line.ttft_ms, "its median time to the first token, in ms"),
    "length": (lambda line, whole: line.length_ratio, "the length of its texts by the recorded ones'"),
}  # fmt: skip
"""Name to how it is measured, and what it is."""
DOLLARS = ("usd", "high")
UNITS = {
    "cost": " times the recorded cost",
    "baseline": " times the baseline's",
    "ttft": " ms",
    "length": " times the recorded length",
}
"""What stands behind a value, where that is not a mere number."""


def parse(text: str) -> tuple[Gate, ...]:
    """`cost<0.8,toolmatch>0.9`, each for every variant, or VARIANT.cost<0.8. Raises CcrError."""
    return tuple(_gate(each) for each in text.split(",") if each.strip())


def judge(gates: Sequence[Gate], comparison: Comparison) -> tuple[Verdict, ...]:
    """Every condition for every variant that it is about. Raises CcrError for a variant that there is not."""
    return tuple(verdict for gate in gates for verdict in _verdicts(gate, comparison))


def told(verdict: Verdict) -> str:
    """A verdict as a sentence."""
    gate = verdict.gate
    unit = UNITS.get(gate.metric, "")
    value = "not known" if verdict.value is None else f"{'$' * (gate.metric in DOLLARS)}{verdict.value:.4g}{unit}"
    passed = "passed" if verdict.passed else "FAILED"
    return f"gate {gate.metric}{gate.sign}{gate.limit:g} {passed} for {verdict.variant}: {value}"


def _gate(text: str) -> Gate:
    match = _ONE.fullmatch(text)
    if match is None:
        raise CcrError(f"--gate {text.strip()!r}: write METRIC<NUMBER, such as cost<0.8 or NAME.toolmatch>=0.9")
    variant, metric, sign, dollars, number, per_cent = match.groups()
    if metric not in METRICS:
        known = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in METRICS.items())
        raise CcrError(f"--gate: {metric!r} is no metric{did_you_mean(metric, [*METRICS])} ({known})")
    if dollars and metric not in ("cost", *DOLLARS):
        raise CcrError(f"--gate {text.strip()!r}: {metric} is {METRICS[metric][1]}, no dollars")
    metric = "usd" if dollars and metric == "cost" else metric
    try:
        limit = float(number) / (100 if per_cent else 1)
    except ValueError:
        raise CcrError(f"--gate {text.strip()!r}: {number!r} is no number") from None
    return Gate(metric, cast("Literal['<', '<=', '>', '>=']", sign), limit, variant)


def _verdicts(gate: Gate, comparison: Comparison) -> Iterator[Verdict]:
    lines = [line for line in comparison.variants if line.name != RECORDED and gate.variant in (None, line.name)]
    if not lines:
        known = ", ".join(line.name for line in comparison.variants)
        raise CcrError(f"--gate: there is no variant {gate.variant!r} (there are {known})")
    for line in lines:
        value = METRICS[gate.metric][0](line, comparison)
        yield Verdict(gate, line.name, value, value is not None and SIGNS[gate.sign](value, gate.limit))


def _share(line: VariantSums, whole: Comparison) -> float | None:
    """Of the recorded cost, over the steps whose cost both know; unknown if one's cost is not."""
    recorded = whole.variants[0].cost
    if line.saved is None or line.unpriced or whole.variants[0].unpriced or not recorded or line.cost is None:
        return None
    return line.cost / (line.cost + line.saved)


def _part(cost: int | None, of: int | None) -> float | None:
    return cost / of if cost is not None and of else None


def _dollars(cost: int | None) -> float | None:
    return None if cost is None else cost / NANO
