"""The words of a replay: a recording, its variants, what came of each step, and how they compare.

Owns the vocabulary that all of `replay` shares, frozen. Must never do I/O or price anything. The one surprise: the
recorded run itself is a variant too, called "recorded", so that every table has it as its first line.

Units are those of records.py: money in nano-USD, None where it is not known; times in seconds since the epoch,
durations in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from ccr_tui.config import Config
from ccr_tui.records import CostBasis, Json, Mode, Price, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.store.paths import Paths
from ccr_tui.store.rows import TraceRow

Kind = Literal["reprice", "rerun", "rehearse"]
"""No call at all; a real call for each step; the recorded upstream bytes served back."""
Stopped = Literal["budget", "cancelled", "failures"]
"""Why a replay ended before its end: its cap, a person, or a model that does nothing but fail."""
CostFrom = Literal["recorded", "repriced", "rerun", "rehearsed"]
"""Where a step's cost comes from, as it is shown beside it."""
RouteFrom = Literal["recorded", "recomputed", "assumed", "asked"]
"""Why this model: as the recording has it, by the rules run again, because the router was never asked there (the tool
agent is assumed), or because it was asked again."""
RECORDED = "recorded"
"""The name of the variant that is the recording itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One recorded request, to be replayed."""

    n: int
    """Its place in the recording, from 1."""
    row: TraceRow

    @property
    def uid(self) -> str:
        """The recorded trace's uid."""
        return self.row.id


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded session, subagents included, oldest request first."""

    session: str
    """Its id, or the file's name."""
    title: str
    """For people: the project or the file, and when."""
    source: str
    """"database", or the file's path."""
    steps: tuple[Step, ...]
    load: Callable[[str], Trace] = field(repr=False, compare=False)
    """The whole trace of a step by its uid. Raises StoreError. Any thread may call it."""
    paths: Callable[[], Paths] = field(repr=False, compare=False)
    """What all steps sent, as paths of chunks. Raises StoreError."""
    notes: tuple[str, ...] = ()
    """What should be known before a number is believed: imported transcripts, requests without a body."""
    newest: int = 0
    """The highest number of its traces, where it is a session of the database, which may go on."""
    skipped: int = 0
    """Requests of the session that are left out: no body, or never answered."""

    @property
    def started_at(self) -> float:
        """When its first request came; 0 without any."""
        return self.steps[0].row.started_at if self.steps else 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """What is to be different."""

    name: str
    written: str
    """As it was given, without the name: "qwen-max", "tool:qwen-max,think:deepseek-reasoner", "@file.toml"."""
    config: Config
    """Complete: providers, models, agents, rules and mode as this variant has them."""
    model: str | None = None
    """One model (its name in `config.models`) answers everything; the routing is not asked."""
    mode: Mode | None = None
    """None: each step keeps the mode it was recorded in."""
    ask_router: bool = False
    """Whether the router is asked again; otherwise its recorded verdicts hold."""
    priced_only: tuple[str, ...] = ()
    """Models that are known by a price alone: they can be repriced, and not be asked."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that an answer called."""

    name: str
    input: Json


@dataclass(frozen=True, slots=True)
class Routed:
    """Who answers a step in a variant."""

    model: str
    """Its name in the variant's config."""
    agent: str
    rule: str
    mode: Mode
    source: RouteFrom
    questions: int = 0
    """How often the router is asked."""
    hops: tuple[str, ...] = ()
    """Agents that work before the one who answers: "think", "coder"."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one step in one variant."""

    step: str
    """Uid of the recorded trace."""
    n: int
    """Its place in the recording, from 1."""
    variant: str
    kind: Kind
    provider: str = ""
    model: str = ""
    """The provider's id of the model that answered."""
    agent: str = ""
    rule: str = ""
    route_from: RouteFrom = "recorded"
    usage: Usage | None = None
    """Of the answer alone."""
    cost: int | None = None
    """All of it: the answer, the router's questions, the hops. None: some price is not known."""
    cost_from: CostFrom = "repriced"
    cost_basis: CostBasis = "unknown"
    low: int | None = None
    """The cost with every estimate at the lower end of its error band; equal to `cost` where nothing is estimated."""
    high: int | None = None
    price: Price | None = None
    """What the answer was billed at."""
    router_cost: int = 0
    """The part of `cost` that asking the router took."""
    hop_cost: int = 0
    """The part of `cost` that agents took who worked before the answer."""
    calls: int = 1
    """Calls to providers: the answer, questions to the router, hops."""
    ttft_ms: int | None = None
    duration_ms: int | None = None
    stop_reason: str | None = None
    tools: tuple[ToolCall, ...] = ()
    chars: int | None = None
    """Characters of text in the answer; None where there is no answer to look at."""
    tool_agreement: float | None = None
    """0 to 1: how far its tool calls are those of the recording; None where there is nothing to compare."""
    stop_agrees: bool | None = None
    judged: float | None = None
    """A judge's score, 0 (the recording is better) to 1; None: not judged."""
    outcome: Literal["ok", "error", "cancelled"] = "ok"
    error: str | None = None
    """One sentence."""
    trace: str | None = None
    """Uid of the new trace; None for a reprice."""
    notes: tuple[str, ...] = ()
    """Provenance: what of this was assumed or estimated, a sentence each."""
    judge_cost: int = 0
    """What scoring it took, nano-USD; not part of `cost`."""
    judge_asked: int = 0
    """Questions to the judge."""
    judge_usable: int = 0
    """Of those, how many were answered with a verdict that can be read."""
    judge_unpriced: int = 0
    """Of those, how many cost what is not known."""
    lost: int = 0
    """What may have been billed, beyond `cost`, for answers that never came; nano-USD. It counts against a cap."""


@dataclass(frozen=True, slots=True)
class VariantSums:
    """One line of the comparison."""

    name: str
    written: str = ""
    cost_from: CostFrom = "repriced"
    models: tuple[str, ...] = ()
    """Who answered, the busiest first."""
    requests: int = 0
    failed: int = 0
    unpriced: int = 0
    """Steps whose cost is not known."""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None
    """The sum of what is known; None if nothing is."""
    low: int | None = None
    high: int | None = None
    router_cost: int = 0
    hop_cost: int = 0
    saved: int | None = None
    """Recorded cost less this one's, over the steps that both have; negative: it costs more."""
    saved_baseline: int | None = None
    """The baseline's cost less this one's."""
    ttft_ms: int | None = None
    """Median."""
    duration_ms: int | None = None
    """Sum."""
    tool_agreement: float | None = None
    """Mean over the steps in which either side called a tool, 0 to 1."""
    stop_agreement: float | None = None
    length_ratio: float | None = None
    """Characters of all its texts by those of the recording's."""
    judged: float | None = None
    parts_at: int | None = None
    """The first step (its n) where tool calls, stop reason or, where nobody was asked, the model are not the
    recording's; None: nowhere."""
    series: tuple[int | None, ...] = ()
    """Cumulative cost after each step of the recording."""
    pareto: bool = False
    """No other variant is both cheaper and in better agreement; only where answers were compared."""
    cheapest: bool = False
    """No other variant costs less; only where no answers were compared."""
    notes: tuple[str, ...] = ()
    guessed: int = 0
    """Of what was recorded or asked anew, steps whose tokens nobody reported."""

    @property
    def about(self) -> str:
        """A tilde where some of the tokens, and what was paid for them, are estimated."""
        return "~" if self.guessed else ""

    @property
    def cached_share(self) -> float | None:
        """The part of what was sent that a cache served; None where nobody told of any."""
        told = self.prompt_tokens and (self.guessed < self.requests - self.failed or self.cache_read_tokens)
        return self.cache_read_tokens / self.prompt_tokens if told else None

    @property
    def is_unanswered(self) -> bool:
        """Whether all of its requests failed, so that there is nothing to compare."""
        return bool(self.requests) and self.failed == self.requests

    @property
    def prompt_tokens(self) -> int:
        """Everything sent, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a replay found, as it is shown, printed and exported."""

    run: str
    """Uid of the run in the database."""
    kind: Kind
    session: str
    title: str
    source: str
    started_at: float
    variants: tuple[VariantSums, ...]
    """The recording first, called "recorded"; then the others as they were given."""
    baseline: str | None = None
    """The model that costs are also compared with."""
    baseline_cost: int | None = None
    finished: bool = True
    """False: cancelled, or the budget ended it; `--resume` goes on."""
    spent: int = 0
    """What the replay itself was billed: answers, router, judge."""
    judge_cost: int = 0
    """The part of `spent` that a judge took."""
    judge_asked: int = 0
    """Questions to the judge."""
    judge_usable: int = 0
    """Of those, how many were answered with a verdict that can be read."""
    notes: tuple[str, ...] = ()
    stopped: Stopped | None = None
    """Why it is not finished, where that is known."""

    def variant(self, name: str) -> VariantSums:
        """The line of that name. Raises KeyError."""
        found = next((each for each in self.variants if each.name == name), None)
        if found is None:
            raise KeyError(name)
        return found


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is, as a bar and as a sentence."""

    done: int
    total: int
    spent: int = 0
    """Nano-USD so far."""
    variant: str = ""
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a replay may do."""

    kind: Kind = "reprice"
    max_cost: int | None = None
    """Nano-USD that may be billed at most; None: no cap."""
    concurrency: int = 1
    sample: int | Literal["turns"] | None = None
    """At most so many steps, evenly chosen; or those that begin a user's turn; None: all."""
    ask_router: bool = False
    judge: str | None = None
    """Name of the model that scores pairs."""
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of `--gate`."""

    metric: str
    """"cost" (a share of the recorded cost), "usd", "toolmatch", "stopmatch", "errors", "judged", "ttft"."""
    sign: Literal["<", "<=", ">", ">="]
    limit: float
    variant: str | None = None
    """None: every variant must pass."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate found."""

    gate: Gate
    variant: str
    value: float | None
    """None: it can't be told, and then the gate has failed."""
    passed: bool


Keep = Callable[[StepResult], None]
"""Takes a result as soon as it is there: the run's store. What was kept is not done again by a resumed run."""
Done = Mapping[tuple[str, str], StepResult]
"""What an earlier part of the run has done already, by (variant, step uid)."""
Tell = Callable[[Progress], None]
