"""Repricing: exact money, tokens that are recorded where they can be, and every assumption counted."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import generated
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ccr_tui import catalogue
from ccr_tui.config import Config, Model, Provider, Routing
from ccr_tui.errors import CcrError
from ccr_tui.prices import cost
from ccr_tui.records import Attempt, Price, RouteDecision, Trace, Usage
from ccr_tui.replay import fitting, kept, recordings, work
from ccr_tui.replay.sums import left_out
from ccr_tui.replay.variants import Grammar
from ccr_tui.replay.words import RECORDED, Comparison, Recording, Settings, StepResult, Variant
from ccr_tui.replay.work import Bench, Found
from ccr_tui.store import archive
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import Runs

if TYPE_CHECKING:
    from ccr_tui.tokens import Counter

ROUTED = Path(__file__).parent.parent.parent / "traces" / "routed.jsonl"
PRICE = Price(2_000_000_000, 8_000_000_000, 500_000_000, source="test", basis="user")
CONFIG = Config(
    providers={
        "one": Provider("one", "openai", "https://one.example/v1", family="openai"),
        "two": Provider("two", "openai", "https://two.example/v1", family="deepseek"),
    },
    models={
        "first": Model("first", "one", "first-id", price=PRICE),
        "second": Model("second", "two", "second-id", price=replace(PRICE, input=100_000_000)),
        "twin": Model("twin", "two", "maker/First-ID", price=PRICE),
        "free": Model("free", "two", "unpriced-id"),
        "small": Model("small", "two", "small-id", context=3000, price=PRICE),
    },
    agents={"default": ("first",), "router": ("second",), "tool": ("first",), "think": ("second",)},
)


def recorded(turns: int = 6, **changes: Any) -> Iterator[Trace]:
    """A session that `first` answered, some seconds apart."""
    for n, body in enumerate(generated.session(5, turns, tools=4)):
        usage = Usage(1000 + 10 * n, 40 + n, 512 * n)
        answer = generated.attempt(
            usage=usage, price=PRICE, cost=cost(usage, PRICE), cost_basis="user", provider="one", model="first-id",
            started_at=1000.0 + 20 * n, stream=(),
        )  # fmt: skip
        yield generated.trace(
            f"0199-{n:04d}", body, session="s-1", project="/home/ada/engine", started_at=1000.0 + 20 * n,
            attempts=(answer,), **changes,
        )  # fmt: skip


def stored(folder: Path, traces: Iterator[Trace]) -> Reader:
    archive.take_in(folder / "ccr.db", traces)
    return Reader(folder / "ccr.db")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = stored(tmp_path_factory.mktemp("reprice"), recorded())
    yield made
    made.close()


@pytest.fixture(scope="module")
def recording(reader: Reader) -> Recording:
    return recordings.of_session(reader, "s-1")


@pytest.fixture(scope="module")
def bench(recording: Recording, reader: Reader, counter: Counter) -> Bench:
    return Bench(recording, CONFIG, reader, counter)


def repriced(bench: Bench, *written: str, **given: Any) -> Found:
    return bench.reprice(bench.variants(written), Settings(**given), 5000.0)


def line(found: Found, name: str) -> Any:
    return found.comparison.variant(name)


def test_the_search_for_cycles_goes_on_after_a_replay(bench: Bench) -> None:
    repriced(bench, "a=second")
    assert gc.isenabled()
    with pytest.raises(CcrError):
        bench.reprice(bench.variants(["a=second"]), Settings(baseline="nobody"), 0.0)
    assert gc.isenabled()


# --- money -----------------------------------------------------------------------------------------------------------


def test_the_cost_of_a_step_is_that_of_its_tokens_to_the_nano_dollar(bench: Bench) -> None:
    for result in repriced(bench, "a=second").results["a"]:
        assert result.usage and result.price
        assert result.cost == cost(result.usage, result.price)


rates = st.integers(0, 10**11)


prices = st.builds(Price, rates, rates, st.none() | rates, st.none() | rates)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price=prices, router=prices)
def test_given_the_tokens_a_cost_is_exact(bench: Bench, price: Price, router: Price) -> None:
    """In fractions: the answer's classes of tokens and the router's question, each bill rounded once, to the
    nano-dollar; and a sum is the sum of its steps."""
    models = {
        **CONFIG.models,
        "tool": Model("tool", "two", "tool-id", price=price),
        "ask": Model("ask", "two", "ask-id", price=router),
    }
    agents = {"default": ("tool",), "tool": ("tool",), "think": ("tool",), "router": ("ask",)}
    config = replace(CONFIG, models=models, agents=agents)
    alone, routed = Variant("a", "tool", config, model="tool"), Variant("b", "mode:router", config, mode="router")
    found = bench.repricer.run((alone, routed))
    for result in (*found["a"], *found["b"]):
        assert result.usage and result.cost is not None
        assert result.cost - result.router_cost - result.hop_cost == round(exact(result.usage, price))
    assert {result.router_cost for result in found["a"]} == {0}
    if router.input > 10**6:
        assert max(result.router_cost for result in found["b"]) > 0


def exact(usage: Usage, price: Price) -> Fraction:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    nanos = (
        usage.input * price.input + usage.output * price.output + usage.cache_read * read + usage.cache_write * write
    )
    return Fraction(nanos, 1_000_000)


def test_sums_are_those_of_the_steps(bench: Bench) -> None:
    found = repriced(bench, "a=second", "b=first")
    for name in (RECORDED, "a", "b"):
        results = found.results[name]
        total = sum(result.cost or 0 for result in results)
        assert line(found, name).cost == total == line(found, name).series[-1]
        assert line(found, name).output_tokens == sum(r.usage.output for r in results if r.usage)
    assert line(found, "a").saved == line(found, RECORDED).cost - line(found, "a").cost
    assert [result.cost for result in found.results[RECORDED]] == [t.attempts[0].cost for t in recorded()]


def test_the_bounds_hold_the_cost_between_them(bench: Bench) -> None:
    for result in repriced(bench, "a=second").results["a"]:
        assert result.low is not None and result.cost is not None and result.high is not None
        assert result.low < result.cost < result.high


def test_a_price_that_nobody_knows_is_not_zero(bench: Bench) -> None:
    free = line(repriced(bench, "a=free"), "a")
    assert (free.cost, free.unpriced, free.saved, free.series[-1]) == (None, 6, None, None)


def test_a_price_is_that_of_the_hour_of_the_request(tmp_path: Path, counter: Counter) -> None:
    """DeepSeek takes twice as much from 06:00 to 10:00 UTC of a working day."""
    peak = datetime(2026, 11, 18, 7, tzinfo=UTC).timestamp()
    costs = []
    for folder, at in (("peak", peak), ("off", peak + 5 * 3600)):
        moved = (replace(trace, started_at=trace.started_at + at) for trace in recorded(3))
        reader = stored(tmp_path / folder, moved)
        bench = Bench(recordings.of_session(reader, "s-1"), CONFIG, reader, counter)
        costs.append(line(repriced(bench, "a=deepseek-flash"), "a").cost)
        reader.close()
    assert costs[0] == 2 * costs[1]


def test_a_baseline_is_a_model_that_all_are_compared_with(bench: Bench) -> None:
    found = repriced(bench, "a=second", baseline="claude-opus-5-5")
    assert found.comparison.baseline == "claude-opus-5-5"
    assert line(found, "a").saved_baseline == found.comparison.baseline_cost - line(found, "a").cost
    assert [each.name for each in found.comparison.variants] == [RECORDED, "a"]


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_the_model_that_was_recorded_has_its_recorded_tokens(bench: Bench) -> None:
    for result, then in zip(repriced(bench, "a=first").results["a"], recorded(), strict=True):
        usage = then.attempts[0].usage
        assert result.usage and usage
        assert (result.usage.prompt, result.usage.output) == (usage.prompt, usage.output)


def test_the_same_model_elsewhere_counts_alike_with_a_word_about_it(bench: Bench) -> None:
    found = repriced(bench, "a=twin")
    usages = [(r.usage.prompt, r.usage.output) for r in found.results["a"] if r.usage]
    assert usages == [
        (t.attempts[0].usage.prompt, t.attempts[0].usage.output) for t in recorded() if t.attempts[0].usage
    ]
    assert all(r.low is not None and r.cost is not None and r.low < r.cost for r in found.results["a"])
    assert any("as the recording's provider reported them" in note for note in line(found, "a").notes)


def test_an_answer_that_was_cut_at_its_limit_is_cut_there_again(tmp_path: Path, counter: Counter) -> None:
    traces = (
        replace(trace, body={**trace.body, "max_tokens": 77}, attempts=(replace(trace.attempts[0], stop_reason=stop),))
        for trace, stop in zip(recorded(2), ("max_tokens", "end_turn"), strict=True)
    )
    reader = stored(tmp_path, traces)
    results = repriced(Bench(recordings.of_session(reader, "s-1"), CONFIG, reader, counter), "a=second").results["a"]
    reader.close()
    assert results[0].usage and results[1].usage
    assert results[0].usage.output == 77 != results[1].usage.output


def test_a_request_that_does_not_fit_is_a_failure_and_says_so(bench: Bench) -> None:
    results = repriced(bench, "a=small").results["a"]
    assert {result.outcome for result in results} == {"error"}
    assert "do not fit into its window of 3000" in (results[0].error or "")


def test_variants_do_not_warm_each_others_caches(bench: Bench) -> None:
    alone = repriced(bench, "a=second").results["a"]
    beside = repriced(bench, "b=second", "a=second", "c=first").results["a"]
    assert alone == beside


def test_a_sample_is_priced_in_the_session_that_it_is_part_of(bench: Bench) -> None:
    whole = {result.n: result for result in repriced(bench, "a=second").results["a"]}
    some = repriced(bench, "a=second", sample=3).results["a"]
    assert [result.n for result in some] == [1, 3, 5]
    assert all(result == whole[result.n] for result in some)


# --- routing ---------------------------------------------------------------------------------------------------------


def test_agents_that_a_variant_does_not_name_stay_as_they_were_recorded(bench: Bench) -> None:
    same = repriced(bench, "a=think:second").results["a"]
    assert {(r.provider, r.model, r.route_from) for r in same} == {("one", "first-id", "recomputed")}


def test_router_mode_counts_a_question_where_none_was_asked(bench: Bench) -> None:
    results = repriced(bench, "a=mode:router").results["a"]
    turns = [result for result in results if result.route_from == "assumed"]
    assert turns and all(result.router_cost > 0 and result.calls == 2 for result in turns)
    assert all(result.router_cost == 0 for result in results if result.rule == "continued")
    assert {result.agent for result in results} == {"tool"}
    assert any("its verdict assumed" in note for note in line(repriced(bench, "a=mode:router"), "a").notes)


def hopped() -> Iterator[Trace]:
    """Router mode: `second` was asked and thought before `first` answered."""
    for trace in recorded(2):
        asked = Attempt(
            1, "route", "two", "second-id", None, 1000.0, 5, 9, 200, None, Usage(300, 8), PRICE, 664_000, "user"
        )
        thought = replace(asked, n=2, purpose="think", usage=Usage(2000, 500), cost=8_000_000)
        decision = RouteDecision("router", "tool", "first", "router", "think → tool")
        yield replace(trace, decision=decision, attempts=(asked, thought, replace(trace.attempts[0], n=3)))


def test_recorded_verdicts_hold_and_recorded_hops_are_billed_as_they_were(tmp_path: Path, counter: Counter) -> None:
    reader = stored(tmp_path, hopped())
    bench = Bench(recordings.of_session(reader, "s-1"), replace(CONFIG, mode="router"), reader, counter)
    first = repriced(bench, "same=tool:first", "other=think:first").results
    reader.close()
    same, other = first["same"][0], first["other"][0]
    price = replace(PRICE, input=100_000_000)
    assert (same.route_from, same.calls) == ("recorded", 3)
    assert same.hop_cost == cost(Usage(2000, 500), price)
    assert same.router_cost == cost(Usage(300, 8), price)
    assert other.hop_cost != same.hop_cost
    assert other.router_cost == same.router_cost


def test_a_whole_file_is_another_configuration(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(
        '[providers.two]\nbase_url = "https://two.example/v1"\n[models.cheap]\nid = "cheap-id"\n'
        "price = {input = 0.1, output = 0.4}\n[agents]\ndefault = 'cheap'\n"
    )
    results = repriced(bench, f"a=@{file}").results["a"]
    assert {result.model for result in results} == {"cheap-id"}


def test_rules_of_the_user_can_be_turned_off(bench: Bench, recording: Recording) -> None:
    config = replace(CONFIG, routing=Routing(custom=Path("/nowhere/route.py")))
    grammar = Grammar(config, recording, recording.paths(), bench.book)
    on, off = grammar.read(["a=tool:second", "b=rules:off,tool:second"])
    assert (on.config.routing.custom, off.config.routing.custom) == (config.routing.custom, None)


# --- recordings ------------------------------------------------------------------------------------------------------


def test_a_recorded_file_is_repriced_on_a_fresh_clone(tmp_path: Path, counter: Counter) -> None:
    with recordings.opened(str(ROUTED), Reader(tmp_path / "none.db")) as recording:
        config = catalogue.demo(Config())
        bench = Bench(recording, config, Reader(tmp_path / "none.db"), counter)
        found = repriced(bench, "qwen=qwen-max", "mix=tool:qwen-max,think:deepseek-v4-pro")
    assert found.comparison.source == str(ROUTED)
    assert all(each.cost and not each.unpriced for each in found.comparison.variants)
    assert not (tmp_path / "none.db").exists()


def test_requests_that_nobody_answered_are_left_out_and_counted(tmp_path: Path) -> None:
    def some() -> Iterator[Trace]:
        yield from recorded(2)
        yield replace(generated.failed("0199-9"), session="s-1")

    reader = stored(tmp_path, some())
    found = recordings.of_session(reader, "s-1")
    reader.close()
    assert (len(found.steps), found.skipped) == (2, 1)
    assert left_out(found)[-1] == "1 request is left out: it has no body, or was never answered"
    assert left_out(replace(found, skipped=2))[-1].startswith("2 requests are left out: they have no body, or were ")


def test_a_request_alone_is_a_recording_too(reader: Reader) -> None:
    assert [step.uid for step in recordings.of_any(reader, "0199-0003").steps] == ["0199-0003"]
    assert [step.n for step in recordings.of_any(reader, "s-1").steps] == [1, 2, 3, 4, 5, 6]


def test_the_last_session_is_the_one_that_was_active_last(reader: Reader) -> None:
    assert recordings.last(reader) == "s-1"


# --- kept ------------------------------------------------------------------------------------------------------------


def test_a_replay_is_kept_and_comes_back_as_it_was(bench: Bench, tmp_path: Path) -> None:
    variants = bench.variants(["a=second", "b=mode:router"])
    found = bench.reprice(variants, Settings(), time.time())
    work.keep(Runs(tmp_path / "ccr.db"), found, variants, Settings())
    reader = Reader(tmp_path / "ccr.db")
    run = found.comparison.run
    assert kept.comparison(reader, run) == found.comparison
    assert kept.done(reader, run) == {(r.variant, r.step): r for each in found.results.values() for r in each}
    assert reader.run("last").id == reader.run(run[:8]).id == run
    assert reader.run(run).asked["variants"] == ["a=second", "b=mode:router"]
    reader.close()


def test_json_comes_back_for_every_field() -> None:
    result = StepResult("u", 3, "v", "reprice", usage=Usage(1, 2, 3, 4, 5, "mixed", 1), price=PRICE, notes=("a", "b"))
    assert kept.from_json(StepResult, kept.to_json(result)) == result
    with_more = {**kept.to_json(result), "of_a_later_version": 1}
    assert kept.from_json(StepResult, with_more) == result
    assert isinstance(kept.shown(result)["usage"], dict)
    empty = Comparison("r", "reprice", "s", "t", "database", 1.0, ())
    assert kept.from_json(Comparison, kept.to_json(empty)) == empty


# --- tokenizers ------------------------------------------------------------------------------------------------------


def short(count: int) -> Iterator[Trace]:
    """Requests of a few words that `second` has counted in a way of its own, several sessions of them."""
    for n in range(count):
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": f"Say the {n}. word of {n * 7} others. " * (n % 5 + 1)}],
        }
        usage = Usage(40 + 20 * (n % 5), 5)
        answer = generated.attempt(
            usage=usage, price=PRICE, cost=cost(usage, PRICE), provider="two", model="second-id", stream=()
        )
        yield generated.trace(f"short-{n:03}", body, session=f"short-{n % 4}", started_at=100.0 + n, attempts=(answer,))


def test_weights_that_were_fitted_to_short_prompts_say_nothing_of_long_ones(tmp_path: Path, counter: Counter) -> None:
    reader = stored(tmp_path, iter([*short(40), *recorded()]))
    found = repriced(Bench(recordings.of_session(reader, "s-1"), CONFIG, reader, counter), "a=second")
    (tokens,) = [note for note in line(found, "a").notes if note.startswith("tokens of two/second-id")]
    assert "not learned yet" in tokens
    told = line(found, "a")
    assert told.low < told.cost < told.high
    reader.close()


def middling(count: int) -> Iterator[Trace]:
    """Requests of some hundred words without tools, which `second` counts as three quarters of what `first` does."""
    for n in range(count):
        words = " ".join(f"word {n * 31 + at}" for at in range(200))
        body = {"model": "m", "messages": [{"role": "user", "content": words}]}
        usage = Usage(600, 5)
        answer = generated.attempt(
            usage=usage, price=PRICE, cost=cost(usage, PRICE), provider="two", model="second-id", stream=()
        )
        yield generated.trace(f"mid-{n:03}", body, session="mid", started_at=100.0 + n, attempts=(answer,))


def test_a_ratio_learned_from_other_prompts_has_bounds_that_hold_what_was_reported(
    tmp_path: Path, counter: Counter
) -> None:
    """`second` has answered one of the session's requests too: one long one says nothing of the others."""
    session = list(recorded())
    other = replace(session[2].attempts[0], provider="two", model="second-id")
    session[2] = replace(session[2], attempts=(other,))
    reader = stored(tmp_path, iter([*middling(40), *session]))
    found = repriced(Bench(recordings.of_session(reader, "s-1"), CONFIG, reader, counter), "a=second")
    told = line(found, "a")
    (tokens,) = [note for note in told.notes if note.startswith("tokens of two/second-id")]
    assert (
        "where it was this model that answered; elsewhere " in tokens and "or as many as were reported then" in tokens
    )
    price = replace(PRICE, input=100_000_000)
    truth = sum(cost(trace.attempts[0].usage, price) for trace in session)
    assert told.low <= truth <= told.high
    reader.close()


def test_a_cache_of_which_nothing_is_known_may_serve_what_the_recordings_did(
    recording: Recording, reader: Reader, counter: Counter
) -> None:
    config = replace(
        CONFIG,
        providers={**CONFIG.providers, "three": Provider("three", "openai", "http://somewhere.example/v1")},
        models={**CONFIG.models, "third": Model("third", "three", "third-id", price=PRICE)},
    )
    told = line(repriced(Bench(recording, config, reader, counter), "a=third"), "a")
    assert told.cache_read_tokens == 0, "none is counted on"
    served = sum(512 * n for n in range(6)) / sum(1000 + 10 * n + 512 * n for n in range(6))
    assert told.low < told.cost * (1 - served / 2) < told.cost < told.high
    assert [note for note in told.notes if "the lower bound counts as much as the recording's cache served" in note]


texts = st.text(st.sampled_from("ab cdé中 0189\n{}.,"), min_size=50, max_size=2000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(texts, min_size=24, max_size=40), st.integers(1, 9), st.integers(0, 3))
def test_a_tokenizer_that_counts_bytes_and_digits_is_found_out(
    counter: Counter, said: list[str], every: int, digit: int
) -> None:
    """Fitted to most of the texts, it is known for the others, however it differs from ours."""

    def theirs(body: Any) -> int:
        data = body["messages"][0]["content"].encode()
        return len(data) // every + digit * sum(chr(byte).isdigit() for byte in data) + 5

    bodies = [{"messages": [{"role": "user", "content": text}]} for text in said]
    samples = [fitting.Sample(fitting.features(b, counter), theirs(b)) for b in bodies]
    start = fitting.plain(1.0, 0.0, 0)
    found = fitting.fit(samples[:-4], start.weights)
    assert found is None or fitting.missed(found.weights, samples[-4:]) < 0.05
