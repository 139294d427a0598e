"""Where a repriced variant's figures come from, in sentences.

Owns those sentences and the `Target` that they are about. Must never leave an assumption out. The one surprise: a price
is told as it was on the first and the last answer, because it may change with the hour and the length of a prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from ccr_tui.caching import Rules, Simulator
from ccr_tui.config import Model, Provider
from ccr_tui.proxy.quirks import Facts
from ccr_tui.replay.spoken import ENOUGH
from ccr_tui.replay.tokenizing import Tongue
from ccr_tui.replay.words import StepResult
from ccr_tui.slim import dataclass


@dataclass(slots=True)
class Target:
    """A model that answers in a variant, and all that is needed to price it."""

    provider: Provider
    model: Model
    facts: Facts
    tongue: Tongue
    rules: Rules
    cache: Simulator


def told(targets: Sequence[Target], results: Sequence[StepResult], recorded: Collection[str]) -> Iterator[str]:
    """Each model's tokens, price and cache; then the routing, then what the steps themselves say.

    `recorded` are the bare names of the models that answered then.
    """
    for target in targets:
        mine = [r for r in results if (r.provider, r.model) == (target.provider.name, target.model.id)]
        yield _tokens(target, recorded)
        yield _answers(target, recorded)
        yield _price(target, mine)
        yield _cache(target)
        if (target.facts.thinking != "none" or target.facts.always_thinks) and not any(
            r.usage and r.usage.reasoning for r in mine
        ):
            yield f"{target.model.id} can reason; the recorded answers had no reasoning, so none is counted for it"
    yield "answers are taken to say what the recorded ones said; a rerun finds out what it would have said"
    yield from _routing(results)
    counted = Counter(note for result in results for note in result.notes)
    yield from (f"{note} ({count} steps)" for note, count in counted.items())


def bare(id: str) -> str:
    """A model's name without whoever offers it: the same model counts alike everywhere."""
    return id.rpartition("/")[2].lower()


def _tokens(target: Target, recorded: Collection[str]) -> str:
    name = f"{target.provider.name}/{target.model.id}"
    if bare(target.model.id) not in recorded:
        return f"tokens of {name}: {_counted(target)}"
    others = f"; elsewhere {_counted(target)}" if len(recorded) > 1 else ""
    return f"tokens of {name}: as the recording's provider reported them, where it was this model that answered{others}"


def _counted(target: Target) -> str:
    """How a prompt's tokens become this model's."""
    ratio, fit = target.tongue.ratio, target.tongue.prompt
    if target.tongue.fitted:
        return f"weights fitted to {fit.n} reported counts, {_off(fit.error)} on those held back"
    unsure = f"taken to be up to {fit.error:.0%} off, or as many as were reported then"
    if ratio.n < ENOUGH:
        return f"{ratio.value:.3f} of ours, not learned yet, {unsure}"
    learned = f"{ratio.value:.3f} of ours, learned from {ratio.n} requests"
    if not target.tongue.reaches:
        return f"{learned}, few of them as long as these or with such tools: {unsure}"
    return f"{learned}, {_off(ratio.error)} on average"


def _answers(target: Target, recorded: Collection[str]) -> str:
    name = target.model.id
    if bare(name) not in recorded:
        return f"answers of {name}: {_spoken(target)}"
    others = f"; elsewhere {_spoken(target)}" if len(recorded) > 1 else ""
    return f"answers of {name}: as many tokens as were recorded, where it was this model that answered{others}"


def _spoken(target: Target) -> str:
    """How an answer's tokens become this model's."""
    said = target.tongue.said
    if said is not None:
        return f"{said.value:.2f} of ours, learned from its own answers, {_off(said.fit.error)}"
    known = "as many tokens as were recorded, but for what is known of both tokenizers"
    return f"{known}; the bounds hold what we count in their texts too"


def _off(error: float) -> str:
    return "less than 0.1% off" if error < 0.001 else f"{error:.1%} off"


def _price(target: Target, results: Sequence[StepResult]) -> str:
    sources = list(dict.fromkeys(result.price.source for result in results if result.price))
    if not sources:
        return f"price of {target.model.id}: nobody here knows it; set models.NAME.price in config.toml"
    more = f", and {len(sources) - 2} more by hour and length" if len(sources) > 2 else ""
    return f"price of {target.model.id}: {'; '.join(sources[:2])}{more}"


def _cache(target: Target) -> str:
    rules = target.rules
    if rules.match == "none":
        bound = "the lower bound counts as much as the recording's cache served"
        return f"cache of {target.model.id}: {rules.source}; {bound}"
    promise = "exact" if rules.sure else "best effort: the upper bound counts a fifth of the hits as misses"
    assumed = f"; assumed: {rules.assumed}" if rules.assumed else ""
    return f"cache of {target.model.id}: simulated by {rules.source} ({promise}{assumed})"


def _routing(results: Sequence[StepResult]) -> Iterator[str]:
    sources = Counter(result.route_from for result in results if result.calls > 1 or result.route_from != "recomputed")
    if sources["recorded"]:
        yield f"the router's recorded verdicts hold in {sources['recorded']} steps"
    if sources["assumed"]:
        yield f"the router was never asked in {sources['assumed']} steps: the tool agent is assumed, a question counted"
