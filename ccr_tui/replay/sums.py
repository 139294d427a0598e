"""What the results of all steps amount to, beside the recording.

Owns the sums of a variant and the comparison. Must never add what is not known as 0 without counting it: `unpriced`
says how many steps lack a cost. The one surprise: what was saved is counted over the steps that both sides know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from statistics import mean, median

from ccr_tui.replay.words import RECORDED, Comparison, CostFrom, Kind, Recording, StepResult, Variant, VariantSums

Results = Mapping[str, Sequence[StepResult]]


def compare(
    run: str,
    kind: Kind,
    recording: Recording,
    at: float,
    recorded: Sequence[StepResult],
    variants: Sequence[Variant],
    results: Results,
    notes: Mapping[str, tuple[str, ...]],
    baseline: tuple[str, Sequence[StepResult]] | None = None,
) -> Comparison:
    """Every variant beside the recording. `at` is when it was done; `baseline` a model and what it would have cost."""
    known = {result.step: result for result in recorded}
    based = {result.step: result for result in baseline[1]} if baseline else None
    first = sums(RECORDED, recorded, known, based, len(recording.steps), cost_from="recorded")
    lines = [first] + [
        replace(
            sums(v.name, results.get(v.name, ()), known, based, len(recording.steps)),
            written=v.written, notes=notes.get(v.name, ()),
        )
        for v in variants
    ]  # fmt: skip
    if kind == "rerun":
        lines = [first, *(replace(line, notes=(*line.notes, *warmed(line, first))) for line in lines[1:])]
    lines = [replace(line, notes=(*line.notes, *guesses(line))) for line in lines]
    done = all(len(results.get(variant.name, ())) >= len(recording.steps) for variant in variants)
    return Comparison(
        run=run,
        kind=kind,
        session=recording.session,
        title=recording.title,
        source=recording.source,
        started_at=at,
        variants=tuple(flagged(lines)),
        baseline=baseline[0] if baseline else None,
        baseline_cost=total(baseline[1]) if baseline else None,
        finished=done,
        spent=0 if kind == "reprice" else sum(r.cost or 0 for each in results.values() for r in each),
        notes=left_out(recording),
    )


WARMER = 0.05
"""By how much more of what is sent a cache may serve than in the recording before that is told."""


def warmed(line: VariantSums, recorded: VariantSums) -> tuple[str, ...]:
    """Whether a part of what was saved may be the recording's own doing: it has filled the cache."""
    if not line.prompt_tokens or not recorded.prompt_tokens:
        return ()
    now, then = (each.cache_read_tokens / each.prompt_tokens for each in (line, recorded))
    if now < then + WARMER:
        return ()
    return (
        f"{now:.0%} of what was sent came from a cache, in the recording {then:.0%}: the provider may still have had "
        "what the recording, or a variant before this one, sent; a session of its own would cost more",
    )


def left_out(recording: Recording) -> tuple[str, ...]:
    """What should be known of the recording."""
    if not recording.skipped:
        return recording.notes
    count = recording.skipped
    words = "1 request is left out: it has" if count == 1 else f"{count} requests are left out: they have"
    return (*recording.notes, f"{words} no body, or {'was' if count == 1 else 'were'} never answered")


def sums(
    name: str,
    results: Sequence[StepResult],
    recorded: Mapping[str, StepResult],
    baseline: Mapping[str, StepResult] | None,
    steps: int,
    cost_from: CostFrom | None = None,
) -> VariantSums:
    """One variant's line; not yet compared with the others."""
    used = [result.usage for result in results if result.usage]
    matched = [result.tool_agreement for result in results if result.tool_agreement is not None]
    stopped = [result.stop_agrees for result in results if result.stop_agrees is not None]
    judged = [result.judged for result in results if result.judged is not None]
    waits = [result.ttft_ms for result in results if result.ttft_ms is not None]
    took = [result.duration_ms for result in results if result.duration_ms is not None]
    models = Counter(result.model for result in results if result.model)
    own = name == RECORDED
    answered = [result for result in results if result.kind != "rerun" or result.outcome != "error"]
    return VariantSums(
        name=name,
        cost_from=cost_from or (results[0].cost_from if results else "repriced"),
        models=tuple(model for model, _ in models.most_common()),
        requests=len(results),
        failed=sum(result.outcome == "error" for result in results),
        unpriced=sum(result.cost is None for result in results),
        input_tokens=sum(usage.input for usage in used),
        cache_read_tokens=sum(usage.cache_read for usage in used),
        cache_write_tokens=sum(usage.cache_write for usage in used),
        output_tokens=sum(usage.output for usage in used),
        reasoning_tokens=sum(usage.reasoning for usage in used),
        cost=total(results) if answered or total(results) else None,
        low=_total([result.low for result in results]),
        high=_total([result.high for result in results]),
        router_cost=sum(result.router_cost for result in results),
        hop_cost=sum(result.hop_cost for result in results),
        saved=0 if own else _less(recorded, answered),
        saved_baseline=_less(baseline, answered) if baseline is not None else None,
        ttft_ms=round(median(waits)) if waits else None,
        duration_ms=sum(took) if took else None,
        tool_agreement=1.0 if own else mean(matched) if matched else None,
        stop_agreement=1.0 if own else mean(stopped) if stopped else None,
        length_ratio=1.0 if own else _length(results, recorded),
        judged=mean(judged) if judged else None,
        parts_at=None if own else parts_at(results, recorded),
        series=series(results, steps),
        guessed=sum(is_guessed(result) for result in results),
    )


def guesses(line: VariantSums) -> tuple[str, ...]:
    """Whose tokens nobody reported."""
    if not line.guessed:
        return ()
    return (
        f"tokens of {line.guessed} of {line.requests} requests are estimated (~), and with them what they cost: no "
        "provider reported any, nor what a cache served of them",
    )


def is_guessed(result: StepResult) -> bool:
    """Whether a provider was asked, then or now, and reported no tokens."""
    asked = result.cost_from in ("recorded", "rerun")
    return asked and result.usage is not None and result.usage.basis == "estimated"


def total(results: Sequence[StepResult]) -> int | None:
    """The sum of the known costs; None if none is known."""
    return _total([result.cost for result in results])


def series(results: Sequence[StepResult], steps: int) -> tuple[int | None, ...]:
    """The cost so far after each step of the recording; a step without a cost adds nothing."""
    if total(results) is None:
        return (None,) * steps
    costs = [0] * steps
    for result in results:
        costs[result.n - 1] = result.cost or 0
    return tuple(accumulate(costs))


def parts_at(results: Sequence[StepResult], recorded: Mapping[str, StepResult]) -> int | None:
    """The first step that is not as it was recorded: other tool calls, another end; another model if none was asked."""
    for result in results:
        then = recorded.get(result.step)
        if then is None or _differs(result, then):
            return result.n
    return None


def flagged(lines: Sequence[VariantSums]) -> list[VariantSums]:
    """The lines, with those marked that no other beats in both cost and agreement. Where no answer was compared with
    the recorded one nothing is known of quality, so that only the cheapest is marked, as that."""
    if any(agreement(line) is not None for line in lines if line.name != RECORDED):
        worth = {line.name: agreement(line) or 0.0 for line in lines}
        best = [line.cost is not None and not line.is_unanswered and not _beaten(line, lines, worth) for line in lines]
        return [replace(line, pareto=one, cheapest=False) for line, one in zip(lines, best, strict=True)]
    most = max((line.requests for line in lines), default=0)
    whole = [line for line in lines if not line.unpriced and line.requests == most and not _fails(line)]
    least = min((line.cost for line in whole if line.cost is not None), default=None) if len(whole) > 1 else None
    return [
        replace(line, pareto=False, cheapest=least is not None and line.cost == least and line in whole)
        for line in lines
    ]


def _fails(line: VariantSums) -> bool:
    """Whether it costs less because somebody was asked and did not answer."""
    return line.is_unanswered or (line.cost_from == "rerun" and line.failed > 0)


def agreement(line: VariantSums) -> float | None:
    """How much a variant's answers are worth beside the recorded ones: what a judge says, else its tool calls."""
    return line.judged if line.judged is not None else line.tool_agreement


def _beaten(line: VariantSums, lines: Sequence[VariantSums], worth: Mapping[str, float]) -> bool:
    mine = (line.cost or 0, -worth[line.name])
    others = [(each.cost, -worth[each.name]) for each in lines if each is not line and each.cost is not None]
    return any(cost <= mine[0] and rest <= mine[1] and (cost, rest) != mine for cost, rest in others)


def _differs(result: StepResult, then: StepResult) -> bool:
    moved = (result.provider, result.model) != (then.provider, then.model)
    if (
        moved and result.trace is None
    ) or result.outcome != then.outcome:  # what was answered anew is told by its deeds
        return True
    return result.stop_agrees is False or (result.tool_agreement is not None and result.tool_agreement < 1)


def _total(costs: Sequence[int | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _less(others: Mapping[str, StepResult], results: Sequence[StepResult]) -> int | None:
    """How much less these cost than the others, over the steps whose cost both know."""
    pairs = [
        (other.cost, result.cost)
        for result in results
        if (other := others.get(result.step)) and other.cost is not None and result.cost is not None
    ]
    return sum((theirs or 0) - (mine or 0) for theirs, mine in pairs) if pairs else None


def _length(results: Sequence[StepResult], recorded: Mapping[str, StepResult]) -> float | None:
    pairs = [
        (result.chars, then.chars)
        for result in results
        if (then := recorded.get(result.step)) and result.chars is not None and then.chars is not None
    ]
    whole = sum(theirs or 0 for _, theirs in pairs)
    return sum(mine or 0 for mine, _ in pairs) / whole if whole else None
