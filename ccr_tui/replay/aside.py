"""What a routed turn costs beside its answer: the router's questions, and the agents that work before it.

Owns those sums for a reprice. Must never leave such a call out because it was not recorded: then it is estimated, and a
note says so. The one surprise: a question to the router is built by the very code that would ask it, so that its length
is known to the token even where it was never asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import cost
from ccr_tui.proxy.consult import USES, question
from ccr_tui.proxy.question import resolve
from ccr_tui.records import Price, Usage
from ccr_tui.replay.prompts import Prompts
from ccr_tui.replay.tokenizing import Ratios
from ccr_tui.replay.words import Routed, Step
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Call, Paths
from ccr_tui.tokens import Counter

VERDICT_TOKENS = 10
"""What {"use": "tool"} takes (consult.py's own measure)."""
HOP_TOKENS = 800
"""An agent's work where none was recorded."""
TASK_TOKENS = 70
"""What an agent without tools is told beside the conversation (hop.py's TASKS)."""
SPREAD = 0.5
"""By how much an estimated output may be more."""
PURPOSES = {"think": "think", "coder": "code"}
Quote = Callable[[Model, Provider, float, Usage], Price | None]


@dataclass(frozen=True, slots=True)
class Beside:
    """Costs are nano-USD; None: a price is not known."""

    router: int | None = 0
    hops: int | None = 0
    high: int | None = 0
    """Both at the upper end of what is estimated."""
    calls: int = 0
    carried: int = 0
    """Tokens of ours that the agents' results add to the answer's prompt."""
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> int | None:
        """Both together."""
        return None if self.router is None or self.hops is None else self.router + self.hops


NOTHING = Beside()


class Aside:
    """Counts the calls beside the answer."""

    def __init__(self, paths: Paths, prompts: Prompts, counter: Counter, ratios: Ratios) -> None:
        self._paths, self._prompts, self._counter, self._ratios = paths, prompts, counter, ratios
        self._asked: dict[int, int] = {}
        recorded = [c.usage.output for calls in paths.calls.values() for c in calls if c.purpose in ("think", "code")
                    and c.usage]  # fmt: skip
        self._usual = sum(recorded) // len(recorded) if recorded else HOP_TOKENS

    def of(self, step: Step, routed: Routed, config: Config, quote: Quote) -> Beside:
        """What a step costs beside its answer."""
        if not routed.questions and not routed.hops:
            return NOTHING
        calls = self._paths.calls.get(step.row.n, ())
        asked = [self._question(step, config, call) for call in _taken(calls, "route", routed.questions)]
        worked = list(self._hops(step, routed, config, calls))
        found = [_billed(config, name, usage, step.row.started_at, quote) for name, usage, _ in (*asked, *worked)]
        sums = found[: len(asked)], found[len(asked) :]
        guessed = [cost for cost, (_, _, sure) in zip(found, (*asked, *worked), strict=True) if not sure and cost]
        total = _sum(found)
        return Beside(
            router=_sum(sums[0]),
            hops=_sum(sums[1]),
            high=None if total is None else total + round(sum(guessed) * SPREAD),
            calls=len(found),
            carried=sum(self._ours(config, name, usage.output) for name, usage, _ in worked),
            notes=tuple(_notes(asked, worked)),
        )

    def _question(self, step: Step, config: Config, call: Call | None) -> tuple[str, Usage, bool]:
        """The router's name, what a question takes, and whether that was recorded."""
        name = config.agents["router"][0]
        if call is not None and call.usage is not None:
            return name, *self._converted(config, name, call, call.usage)
        if step.row.n not in self._asked:
            offered = [use for use in USES if config.agents.get(use)]
            body = question(self._paths.body(step.row.n), offered, (), self._counter.text)
            self._asked[step.row.n] = self._counter.request(body).total
        factor = self._factor(config, name)
        return name, Usage(round(self._asked[step.row.n] * factor), VERDICT_TOKENS, basis="estimated"), False

    def _hops(
        self, step: Step, routed: Routed, config: Config, calls: tuple[Call, ...]
    ) -> Iterator[tuple[str, Usage, bool]]:
        left = [call for call in calls if call.purpose in PURPOSES.values() and call.usage]
        for agent in routed.hops:
            name = config.agents[agent][0]
            call = next((each for each in left if each.purpose == PURPOSES[agent]), None)
            if call is not None and call.usage is not None:
                left.remove(call)
                yield name, *self._converted(config, name, call, call.usage)
                continue
            factor = self._factor(config, name)
            prompt = self._prompts.raw(step.row.n) - self._prompts.tools(step.row.n) + TASK_TOKENS
            yield name, Usage(round(prompt * factor), round(self._usual * factor), basis="estimated"), False

    def _converted(self, config: Config, name: str, call: Call, usage: Usage) -> tuple[Usage, bool]:
        """A recorded call in another model's tokens; the very same where it is the same model."""
        model = resolve(config, name)
        if (model.provider, model.id) == (call.provider, call.model):
            return usage, True
        factor = self._factor(config, name) / self._ratios.ratio(call.provider, call.model).value
        said = self._ratios.factor(self._ratios.of(config.providers[model.provider], model), call.provider, call.model)
        made = Usage(round(usage.prompt * factor), round(usage.output * said), basis="estimated")
        return made, True

    def _factor(self, config: Config, name: str) -> float:
        model = resolve(config, name)
        return self._ratios.of(config.providers[model.provider], model).ratio.value

    def _ours(self, config: Config, name: str, tokens: int) -> int:
        return round(tokens / self._factor(config, name))


def _taken(calls: tuple[Call, ...], purpose: str, count: int) -> list[Call | None]:
    """So many recorded calls of a purpose; None for each that there is not."""
    found = [call for call in calls if call.purpose == purpose and call.usage][:count]
    return [*found, *([None] * (count - len(found)))]


def _billed(config: Config, name: str, usage: Usage, at: float, quote: Quote) -> int | None:
    model = resolve(config, name)
    price = quote(model, config.providers[model.provider], at, usage)
    return None if price is None else cost(usage, price)


def _sum(costs: list[int | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _notes(asked: list[tuple[str, Usage, bool]], worked: list[tuple[str, Usage, bool]]) -> Iterator[str]:
    if not all(sure for _, _, sure in asked):
        yield "the router was not asked then: its question is counted, its verdict assumed"
    if not all(sure for _, _, sure in worked):
        yield "no agent worked aside then: its answer's length is assumed"
