"""Who would have answered: the real routing, run again on recorded requests.

Owns the way from a recorded request and a variant to a `Routed`. Must never ask a model. The one surprise: the router
is a model, so what it would say of a turn can't be worked out. Its recorded verdict holds; where it was never asked (a
session recorded in Normal mode), the tool agent is assumed and the question is counted all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, TypeVar, cast

from ccr_tui.errors import NotFound
from ccr_tui.proxy.asked import Asked, about
from ccr_tui.proxy.custom import Own, informed
from ccr_tui.proxy.question import Question, find, resolve
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.router import is_dispatched
from ccr_tui.proxy.routing import decide, usual
from ccr_tui.records import Json, Mode, RouteDecision
from ccr_tui.replay.variants import HOPS
from ccr_tui.replay.words import Routed, Step, Variant
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Call, Paths
from ccr_tui.tokens import Calibration

T = TypeVar("T")
ONE = "one model for all"
"""The rule that is shown where a variant has but one model."""
NOBODY = "not found"
"""The rule that is shown where the client named a model that a variant does not have."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A recorded request, as the rules look at it."""

    step: Step
    body: Json
    asked: Asked
    headers: Mapping[str, str]
    raw: int
    calls: tuple[Call, ...]


class Routes:
    """Decides each step for each variant; a step's body is put together once for all variants."""

    def __init__(self, paths: Paths, raws: Mapping[int, int], calibration: Calibration) -> None:
        self._paths, self._raws, self._calibration = paths, raws, calibration
        self._own = Own()

    def all(self, steps: Sequence[Step], variants: Sequence[Variant]) -> Iterator[tuple[Step, dict[str, Routed]]]:
        """Each step with who answers it, by the variant's name. Raises StoreError; ConfigError for bad quirks."""
        routed = [variant for variant in variants if variant.model is None]
        waits = any(variant.config.routing.custom for variant in routed)
        with asyncio.Runner() if waits else nullcontext(AtOnce()) as runner:
            for step in steps:
                found = {each.name: alone(each, step) for each in variants if each.model is not None}
                if routed:
                    found |= runner.run(self._decide_all(routed, self._turn(step)))
                yield step, found

    async def _decide_all(self, variants: Sequence[Variant], turn: Turn) -> dict[str, Routed]:
        return {variant.name: await self._decide(variant, turn) for variant in variants}

    def _turn(self, step: Step) -> Turn:
        n = step.row.n
        body, headers = self._paths.body(n), self._paths.headers(n)
        return Turn(step, body, about(body, headers), headers, self._raws[n], self._paths.calls.get(n, ()))

    async def _decide(self, variant: Variant, turn: Turn) -> Routed:
        mode = cast(Mode, variant.mode or turn.step.row.mode or variant.config.mode)
        config = variant.config if variant.config.mode == mode else replace(variant.config, mode=mode)
        question = Question(turn.asked, turn.headers, config, turn.body)

        async def count() -> int:
            model = resolve(config, usual(config))
            provider = config.providers[model.provider]
            seed = facts_for(provider, model).token_ratio
            return self._calibration.estimate(f"{provider.name}/{model.id}", turn.raw, seed).tokens

        try:
            question = await informed(question, self._own, count)
            return dispatched(question, decide(question), turn)
        except NotFound:  # the client named a model that this configuration does not have
            return Routed(turn.step.row.model or "", turn.step.row.agent or "", NOBODY, mode, "recomputed")


class AtOnce:
    """Runs what waits for nothing, which is all routing but the user's own file, without a loop: that takes 0.2 ms."""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What it returns."""
        try:
            waited = work.send(None)
        except StopIteration as done:
            return cast(T, done.value)
        raise RuntimeError(f"routing waits for {waited!r}")


def alone(variant: Variant, step: Step) -> Routed:
    """The variant's one model answers."""
    return Routed(variant.model or "", step.row.agent or "default", ONE, "normal", "recomputed")


def dispatched(question: Question, decision: RouteDecision, turn: Turn) -> Routed:
    """The decision of the rules, with what the router made of it where it was to be asked."""
    config, mode = question.config, decision.mode
    if not is_dispatched(decision):
        return Routed(find(config, decision.model), decision.agent, decision.rule, mode, "recomputed")
    speaks = config.agents.get("tool", (decision.model,))[0]
    if decision.agent != "router":
        return Routed(speaks, "tool", decision.rule, mode, "recomputed", 0, (decision.agent,))
    asked = [call for call in turn.calls if call.purpose in HOPS and call.usage is not None]
    if turn.step.row.mode != "router":
        return Routed(speaks, "tool", decision.rule, mode, "assumed", 1)
    hops = tuple(HOPS[call.purpose] for call in asked if call.purpose != "route")
    questions = sum(call.purpose == "route" for call in asked)
    there = tuple(each for each in hops if each in config.agents)
    return Routed(speaks, "tool", decision.rule, mode, "recorded", questions, there)
