"""How long a recorded answer is in another model's tokens: never further from the recording than the bounds say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import generated
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import demo
from ccr_tui.caching import rules_for
from ccr_tui.config import Config, Model, Provider
from ccr_tui.prices import cost
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.replay import recordings, spoken
from ccr_tui.replay.fitting import SIZE, Sample
from ccr_tui.replay.words import Settings, StepResult
from ccr_tui.replay.work import Bench
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader
from ccr_tui.wire import dumps

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

PRICE = Price(300_000_000, 1_200_000_000, 30_000_000, source="made up", basis="user")
MODELS = ("recorded", "unknown", "wild", "steady")
CONFIG = Config(
    providers={"p": Provider("p", "openai", "https://one.example/v1"), "demo": Provider("demo", "demo", demo.BASE_URL)},
    models={name: Model(name, "p", f"{name}-id", price=PRICE) for name in MODELS}
    | {"demo": Model("demo", "demo", "demo-large", price=PRICE)},
    agents={"default": ("recorded",)},
)
WORDS = "Commas inside quotes stay in their field, so the parser reads every line with a reader of its own. "


def trace(n: int, session: str, model: str, words: str, usage: Usage, turns: int) -> Trace:
    """One request of a session that grows, with its answer."""
    body = list(generated.session(5, turns, tools=2))[-1]
    answer = generated.attempt(
        usage=usage, price=PRICE, cost=cost(usage, PRICE), cost_basis="user", provider="p", model=f"{model}-id",
        started_at=1000.0 + 20 * n, stream=(),
    )  # fmt: skip
    reply = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": words}]}
    return generated.trace(
        f"{session}-{n:04d}", body, session=session, started_at=1000.0 + 20 * n, attempts=(answer,), reply=reply
    )


def lessons(model: str, counts: Sequence[int]) -> Iterator[Trace]:
    """What a model has answered before, and how many tokens it said that was."""
    for n, count in enumerate(counts):
        usage = Usage(900 + 30 * n, count)
        yield trace(n, f"lesson-{model}", model, WORDS * (1 + n % 3), usage, 1 + n % 4)


def session(outputs: Sequence[int] = (49, 40, 45)) -> Iterator[Trace]:
    """The recording: what its model reported is more than we count in its answers."""
    for n, output in enumerate(outputs):
        yield trace(n, "s-1", "recorded", WORDS, Usage(400 + 10 * n, output), n + 1)


@pytest.fixture
def bench(tmp_path: Path, counter: Counter) -> Iterator[Bench]:
    texts = counter.text(WORDS)
    wild = [1, 90, 2, 400, 3, 80, 1, 600, 2, 70, 1, 500, 3, 90]
    steady = [round(texts * (1 + n % 3) * 1.1) for n in range(14)]
    archive.take_in(tmp_path / "ccr.db", [*lessons("wild", wild), *lessons("steady", steady), *session()])
    reader = Reader(tmp_path / "ccr.db")
    yield Bench(recordings.of_session(reader, "s-1"), CONFIG, reader, counter)
    reader.close()


def repriced(bench: Bench, model: str) -> tuple[list[StepResult], str]:
    found = bench.reprice(bench.variants([f"a={model}"]), Settings(), 2000.0)
    return list(found.results["a"]), " ".join(found.comparison.variant("a").notes)


def priced(usage: Usage) -> int:
    return cost(usage, PRICE)


def test_the_same_model_says_what_it_said(bench: Bench) -> None:
    results, _ = repriced(bench, "recorded")
    assert [(r.usage.output, r.low, r.cost, r.high) for r in results if r.usage] == [
        (usage.output, *[priced(usage)] * 3) for t in session() if (usage := t.attempts[0].usage)
    ]


@pytest.mark.parametrize("model", ["unknown", "wild"])
def test_a_model_whose_answers_teach_nothing_is_taken_to_say_as_much_as_was_recorded(bench: Bench, model: str) -> None:
    results, notes = repriced(bench, model)
    assert [r.usage.output for r in results if r.usage] == [49, 40, 45]
    assert "as many tokens as were recorded" in notes


def test_a_model_whose_counts_follow_its_texts_is_taken_at_its_word(bench: Bench, counter: Counter) -> None:
    results, notes = repriced(bench, "steady")
    expected = counter.text(WORDS) * 1.1
    assert all(r.usage and abs(r.usage.output / expected - 1) < 0.1 for r in results)
    assert "learned from its own answers" in notes


def test_bounds_hold_what_the_recording_itself_shows(bench: Bench) -> None:
    """Another provider counted these very requests and answers so: nothing says that this one does not."""
    for result, then in zip(repriced(bench, "unknown")[0], session(), strict=True):
        usage = then.attempts[0].usage
        assert usage and result.usage and result.low is not None and result.high is not None
        theirs = priced(usage)
        ours = priced(replace(result.usage, output=usage.output))
        assert result.low <= min(theirs, ours) and max(theirs, ours) <= result.high


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.3, 3.0)), min_size=3, max_size=30), st.integers(1, 900))
def test_no_count_is_further_from_ours_than_one_that_was_seen(seen: list[tuple[int, float]], ours: int) -> None:
    """Whatever was fitted: an answer is no ninth of what the model has ever made of its own words."""
    samples = [Sample(features(n), max(1, round(n * ratio))) for n, ratio in seen]
    learned = spoken.learned(samples, None)
    ratios = [sample.tokens / sample.features[0] for sample in samples]
    if learned is not None:
        told = learned.tokens(features(ours))
        assert min(ratios) * ours - 1 <= told <= max(ratios) * ours + 1


def features(tokens: int) -> tuple[float, ...]:
    """Of a text that makes so many tokens of ours."""
    return (tokens, 0, tokens * 4, *([0] * (SIZE - 3)))


def test_the_demo_counts_what_it_says() -> None:
    """A third more text is a third more tokens: characters by four, as it counts what it is sent."""
    body = {"model": "demo-large", "messages": [{"role": "user", "content": "[demo scene parser]"}]}
    deltas, reason = demo.script(body)
    used = demo.used(body, dumps(body), deltas)
    message = demo.completion(deltas, reason, used, "demo-large")["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls", ())]
    said = len(message["content"]) + sum(len(call["name"]) + len(call["arguments"]) for call in calls)
    thought = sum(len(delta.get("reasoning_content", "")) for delta in deltas)
    assert abs(used["completion_tokens"] - (said + thought) / 4) <= 1


def test_the_demo_model_has_the_cache_that_it_reports() -> None:
    rules = rules_for("generic", "demo-large", "demo")
    assert (rules.match, rules.block) == ("blocks", 64)


def test_nothing_is_called_best_where_no_answer_was_compared(bench: Bench) -> None:
    found = bench.reprice(bench.variants(["a=unknown", "b=steady"]), Settings(), 2000.0).comparison
    assert not any(line.pareto for line in found.variants)
    cheapest = min(line.cost for line in found.variants if line.cost is not None)
    assert {line.name for line in found.variants if line.cheapest} == {
        line.name for line in found.variants if line.cost == cheapest
    }
