"""What a recording would have cost with other models or another routing. Nobody is asked anything.

Owns the conversion of a recorded request into another model's tokens, cache and money. Must never hide an assumption:
what is not recorded stands in the notes. The one surprise: the answers are taken to be the recorded ones (spoken.py),
because nobody knows what another model would have said; a rerun finds out. As long as a variant has not parted from the
recording, its tokens and its cache are those that were reported.

Given the tokens, a cost is exact: `prices.cost` at the price of the moment when the request was recorded. `low` and
`high` are what the tokenizer's error, and a cache that does not promise its hits, may make of it; where nothing was
learned of a tokenizer, they hold what the recording's provider counted as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from time import monotonic
from typing import Literal, cast

from ccr_tui.caching import Cached, Rules, Simulator, rules_for
from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import Book, cost
from ccr_tui.proxy.question import resolve
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.records import CostBasis, Outcome, Price, Usage
from ccr_tui.replay.aside import Aside
from ccr_tui.replay.prompts import Prompts
from ccr_tui.replay.provenance import Target, bare, told
from ccr_tui.replay.routes import NOBODY, Routes
from ccr_tui.replay.spoken import UNKNOWN_ERROR, Length, around, length
from ccr_tui.replay.tokenizing import Ratios
from ccr_tui.replay.words import RECORDED, Progress, Recording, Routed, Step, StepResult, Tell, Variant
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Call
from ccr_tui.store.queries import Reader
from ccr_tui.tokens import Counter

Kin = Literal["same", "elsewhere"] | None
ELSEWHERE = 0.02
"""What another provider's template may make of the same model's tokens."""
MISSES = 0.2
"""The share of simulated hits that the upper bound takes away from a cache that promises none."""
OFTEN = 64
"""Steps between two words on how far it is."""


@dataclass(slots=True)
class Lane:
    """One variant on its way through the recording: its caches are as warm as it has made them."""

    variant: Variant
    targets: dict[str, Target] = field(default_factory=dict)
    results: list[StepResult] = field(default_factory=list)
    parted: bool = False
    """Whether another model has answered a step than did then: from there on its caches are its own."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Bounds of what was sent and of what was said, as shares of what is expected."""

    sent: tuple[float, float] = (1.0, 1.0)
    said: tuple[float, float] = (1.0, 1.0)


EXACT = Spread()


class Repricer:
    """Prices a recording anew. Blocks for seconds where it is large: run it in a thread."""

    def __init__(
        self,
        recording: Recording,
        counter: Counter,
        book: Book,
        store: Reader,
    ) -> None:
        """Reads the recording and counts it. `store` is what live traffic is kept in. Raises StoreError."""
        self.recording, self._book = recording, book
        self.paths = recording.paths()
        self.prompts = Prompts(self.paths, counter)
        self.raws = {step.row.n: self.prompts.raw(step.row.n) for step in recording.steps}
        self.ratios = Ratios(store, counter, self.prompts, recording.steps)
        self._aside = Aside(self.paths, self.prompts, counter, self.ratios)
        self._answers = {n: next((c for c in calls if c.answers), None) for n, calls in self.paths.calls.items()}

    def run(
        self, variants: Sequence[Variant], tell: Tell | None = None, cancelled: Callable[[], bool] = lambda: False
    ) -> dict[str, list[StepResult]]:
        """Every step in every variant, by the variant's name; what was done so far if it was cancelled.

        Raises StoreError for a damaged database, ConfigError for a wrong quirk.
        """
        lanes = {variant.name: Lane(variant) for variant in variants}
        routes = Routes(self.paths, self.raws, self.ratios.calibration)
        steps, began = self.recording.steps, monotonic()
        for step, routed in routes.all(steps, variants):
            for name, found in routed.items():
                lanes[name].results.append(self._step(lanes[name], step, found))
            if step.n % OFTEN == 0:
                if cancelled():
                    break
                if tell:
                    tell(Progress(step.n, len(steps), eta_s=(monotonic() - began) / step.n * (len(steps) - step.n)))
        return {name: lane.results for name, lane in lanes.items()}

    def recorded(self) -> list[StepResult]:
        """The recording itself, as the variant that all others are compared with."""
        return [self._as_it_was(step) for step in self.recording.steps]

    def notes(self, variant: Variant, results: Sequence[StepResult]) -> tuple[str, ...]:
        """Where a variant's figures come from: each model's tokens, cache and price, and what was assumed."""
        recorded = {bare(call.model) for call in self._answers.values() if call}
        return tuple(told(self._answering(variant, results), results, recorded))

    def _as_it_was(self, step: Step) -> StepResult:
        row, call = step.row, self._answers.get(step.row.n)
        calls = self.paths.calls.get(row.n, ())
        return StepResult(
            step.uid, step.n, RECORDED, "reprice", row.provider or "", row.model or "", row.agent or "", row.rule or "",
            usage=call.usage if call else None, cost=row.cost, cost_from="recorded", low=row.cost, high=row.cost,
            cost_basis=cast(CostBasis, row.cost_basis), router_cost=row.router_cost or 0,
            hop_cost=sum(c.cost or 0 for c in calls if c.purpose in ("think", "code")),
            calls=sum(c.usage is not None for c in calls), ttft_ms=row.ttft_ms, duration_ms=row.duration_ms,
            stop_reason=row.stop_reason, outcome=cast(Outcome, row.outcome), error=row.error,
        )  # fmt: skip

    def _answering(self, variant: Variant, results: Sequence[StepResult]) -> list[Target]:
        """The models that answered, in the order of their first answer."""
        names = dict.fromkeys((result.provider, result.model) for result in results)
        models = {(model.provider, model.id): model for model in variant.config.models.values()}
        return [self._target_of(variant.config, models[name]) for name in names if name in models]

    def _step(self, lane: Lane, step: Step, routed: Routed) -> StepResult:
        variant, row = lane.variant, step.row
        if routed.rule == NOBODY:
            return StepResult(
                step.uid, step.n, variant.name, "reprice", model=routed.model, agent=routed.agent, rule=routed.rule,
                cost=0, low=0, high=0, outcome="error",
                error=f"{row.asked_model!r} is no model of this configuration",
            )  # fmt: skip
        target = self._target(lane, routed.model)
        aside = self._aside.of(step, routed, variant.config, self._quote)
        usage, spread = self._usage(lane, target, step, aside.carried)
        price = self._quote(target.model, target.provider, row.started_at, usage)
        found = None if price is None else cost(usage, price)
        low, high = (None, None) if price is None or found is None else _band(usage, price, found, spread, target.rules)
        if low is not None and price is not None and target.rules.match == "none" and usage.basis != "reported":
            low = min(low, _served(usage, price, spread, self._share(step)))
        misfit = _misfit(usage, target)
        return StepResult(
            step=step.uid,
            n=step.n,
            variant=variant.name,
            kind="reprice",
            provider=target.provider.name,
            model=target.model.id,
            agent=routed.agent,
            rule=routed.rule,
            route_from=routed.source,
            usage=usage,
            price=price,
            cost=_sum(found, aside.cost),
            low=_sum(low, aside.cost),
            high=_sum(high, aside.high),
            cost_basis=price.basis if price else "unknown",
            router_cost=aside.router or 0,
            hop_cost=aside.hops or 0,
            calls=1 + aside.calls,
            stop_reason=row.stop_reason,
            outcome="error" if misfit else "ok",
            error=misfit,
            notes=aside.notes,
        )

    def _usage(self, lane: Lane, target: Target, step: Step, carried: int) -> tuple[Usage, Spread]:
        """The answer's tokens in another model's terms, and how far off they may be."""
        call = self._answers.get(step.row.n)
        kin = kinship(call, target)
        lane.parted = lane.parted or kin != "same" or carried > 0
        total, sent = self._sent(target, step, kin, carried)
        counted = target.tongue.prompt.tokens(self.prompts.features(step.row.n))
        cached = self._cached(target, step, total / counted, total)
        if not lane.parted and call and call.usage and call.usage.basis != "estimated":
            return call.usage, EXACT
        said, reasoning = self._said(step, call, target, kin)
        written = cached.write + cached.write_long
        spread = Spread(sent, _shares(said.tokens, said.low, said.high))
        return Usage(
            input=total - cached.read - written,
            output=said.tokens,
            cache_read=cached.read,
            cache_write=written,
            reasoning=reasoning,
            basis="mixed" if spread == EXACT else "estimated",
            cache_write_1h=cached.write_long,
        ), spread

    def _sent(self, target: Target, step: Step, kin: Kin, carried: int) -> tuple[int, tuple[float, float]]:
        """Tokens of the prompt, and their bounds as shares of them."""
        row, call, fit = step.row, self._answers.get(step.row.n), target.tongue.prompt
        reported = call.usage if call and call.usage and call.usage.basis != "estimated" else None
        if kin and reported and not carried:
            error = 0.0 if kin == "same" else ELSEWHERE
            return reported.prompt, (1 - error, 1 + error)
        total = round(fit.tokens(self.prompts.features(row.n)) + carried * target.tongue.ratio.value)
        if reported and row.origin == "imported":  # its body may lack the system prompt and the tools
            theirs = self.ratios.ratio(row.provider or "", row.model or "")
            total = max(total, round(reported.prompt / theirs.value * target.tongue.ratio.value))
        others = () if reported is None or target.tongue.known else (reported.prompt,)
        return total, _shares(total, *around(total, fit.error, *others))

    def _share(self, step: Step) -> float:
        """The part of the prompt that a cache served in the recording."""
        call = self._answers.get(step.row.n)
        used = call.usage if call else None
        return used.cache_read / used.prompt if used and used.prompt else 0.0

    def _cached(self, target: Target, step: Step, scale: float, total: int) -> Cached:
        whole = target.rules.match == "marks"
        features = (self.prompts.whole if whole else self.prompts.chat).features
        fit = target.tongue.prompt
        prompt = self.prompts.prompt(step.row, whole=whole)
        return target.cache.take(prompt, lambda node: fit.tokens(features[node]) * scale, total)

    def _said(self, step: Step, call: Call | None, target: Target, kin: Kin) -> tuple[Length, int]:
        """The recorded answer in the target's tokens, and its reasoning, only if the target reasons."""
        usage, n = call.usage if call else None, step.row.n
        if call is None or usage is None:
            return Length(0, 0, 0), 0
        if kin:
            return Length(usage.output, usage.output, usage.output), usage.reasoning
        factor = self.ratios.factor(target.tongue, call.provider, call.model)
        thinks = target.facts.thinking != "none" or target.facts.always_thinks
        reasoning = round(usage.reasoning * factor) if thinks else 0
        limit = self.prompts.limit(n) if step.row.stop_reason == "max_tokens" else None
        if limit is not None:  # it said as much as it was let
            most = min(limit, target.facts.max_output or limit)
            return Length(most, most, most), min(reasoning, limit)
        reply = self.prompts.said(n, reasoning=usage.reasoning > 0)
        told = length(usage, reply, target.tongue.said, target.tongue.ratio.value, factor)
        low, high = around(reasoning, UNKNOWN_ERROR) if reasoning else (0, 0)
        return Length(told.tokens + reasoning, told.low + low, told.high + high), reasoning

    def _target(self, lane: Lane, name: str) -> Target:
        known = lane.targets.get(name)
        if known is None:
            known = lane.targets[name] = self._target_of(lane.variant.config, resolve(lane.variant.config, name))
        return known

    def _target_of(self, config: Config, model: Model) -> Target:
        provider = config.providers[model.provider]
        facts = facts_for(provider, model)
        rules = rules_for(facts.family, model.id, provider.kind)
        tree = (self.prompts.whole if rules.match == "marks" else self.prompts.chat).tree
        return Target(provider, model, facts, self.ratios.of(provider, model), rules, Simulator(tree, rules))

    def _quote(self, model: Model, provider: Provider, at: float, usage: Usage) -> Price | None:
        known = self._book.known(model, provider, at, usage)
        return known if isinstance(known, Price) or known is None else self._book.quote(model, provider, at, usage)


def kinship(call: Call | None, target: Target) -> Kin:
    """Whether the recorded model is the very same one, or the same one at another provider, which counts alike."""
    if call is None or bare(call.model) != bare(target.model.id):
        return None
    return "same" if (call.provider, call.model) == (target.provider.name, target.model.id) else "elsewhere"


def _band(usage: Usage, price: Price, known: int, spread: Spread, rules: Rules) -> tuple[int, int]:
    """The cost with every estimate at its lower and at its upper end."""
    if spread == EXACT and (rules.sure or usage.basis == "reported" or not usage.cache_read):
        return known, known
    said = cost(Usage(output=usage.output), price)
    sent = worst = cost(replace(usage, output=0), price)
    if usage.cache_read and not rules.sure:
        missed = round(usage.cache_read * MISSES)
        worst = cost(replace(usage, output=0, cache_read=usage.cache_read - missed, input=usage.input + missed), price)
    low = round(sent * spread.sent[0] + said * spread.said[0])
    return min(low, known), max(round(max(sent, worst) * spread.sent[1] + said * spread.said[1]), known)


def _served(usage: Usage, price: Price, spread: Spread, share: float) -> int:
    """The least that it costs if a cache of which nothing is known serves as much as the recording's did."""
    read = round(usage.input * share)
    sent = cost(replace(usage, output=0, input=usage.input - read, cache_read=usage.cache_read + read), price)
    return round(sent * spread.sent[0] + cost(Usage(output=usage.output), price) * spread.said[0])


def _shares(told: int, low: int, high: int) -> tuple[float, float]:
    return (low / told, high / told) if told else (1.0, 1.0)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _misfit(usage: Usage, target: Target) -> str | None:
    window = target.facts.context
    if window is None or usage.prompt <= window:
        return None
    return f"{usage.prompt} tokens do not fit into its window of {window}"
