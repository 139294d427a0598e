"""What the prompt cache saved and what a switch of models lost: the definitions, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import generated
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import economy
from ccr_tui.economy import Before, Economy
from ccr_tui.prices import cost
from ccr_tui.records import Price, Usage

DEEPSEEK = Price(150_000_000, 600_000_000, cache_read=3_000_000)
CLAUDE = Price(5_000_000_000, 25_000_000_000, cache_read=500_000_000, cache_write=6_250_000_000)
PLAIN = Price(1_000_000_000, 2_000_000_000)
OTHER, SAME = ("deepseek", "flash"), ("dashscope", "qwen-max")

SAVED = [
    ("reads below the price of input", Usage(100, 10, 1_000_000), DEEPSEEK, 147_000_000),
    ("nothing cached", Usage(100, 10), DEEPSEEK, 0),
    ("nothing cached, price unknown", Usage(100, 10), None, 0),
    ("price unknown", Usage(100, 10, 5), None, None),
    ("cached tokens billed as input", Usage(0, 10, 1_000_000), PLAIN, 0),
    ("a write costs more than it saves", Usage(0, 0, 0, 1_000_000), CLAUDE, -1_250_000_000),
    ("writes and reads", Usage(0, 0, 1_000_000, 1_000_000), CLAUDE, 4_500_000_000 - 1_250_000_000),
]


@pytest.mark.parametrize(("usage", "price", "expected"), [case[1:] for case in SAVED], ids=[case[0] for case in SAVED])
def test_saved(usage: Usage, price: Price | None, expected: int | None) -> None:
    assert economy.saved(usage, price) == expected


def before(**changes: Any) -> Before:
    return replace(Before(OTHER, 50_000, 0.9, 0.5), **changes)


LOST = [
    # name, usage, price, before, purpose, lost, switched tokens
    ("no request before", Usage(40_000, 10), DEEPSEEK, None, "answer", 0, 0),
    ("the same model", Usage(40_000, 10), DEEPSEEK, before(model=SAME), "answer", 0, 0),
    ("another model, nothing cached", Usage(40_000, 10), DEEPSEEK, before(), "answer", 36_000 * 147, 36_000),
    ("at most what was sent before", Usage(40_000, 10), DEEPSEEK, before(prompt=2000), "answer", 2000 * 147, 2000),
    ("too short for a cache", Usage(40_000, 10), DEEPSEEK, before(prompt=255), "answer", 0, 0),
    ("just long enough", Usage(40_000, 10), None, before(prompt=256), "answer", None, 256),
    ("what it has cached", Usage(30_000, 10, 10_000), DEEPSEEK, before(), "answer", 26_000 * 147, 26_000),
    ("all cached after all", Usage(1_000, 10, 39_000), DEEPSEEK, before(), "answer", 0, 0),
    ("nothing in common", Usage(40_000, 10), DEEPSEEK, before(share=0.0), "answer", 0, 0),
    ("price unknown", Usage(40_000, 10), None, before(), "answer", None, 36_000),
    ("price unknown, nothing lost", Usage(40_000, 10), None, before(model=SAME), "answer", 0, 0),
    ("tokens estimated", Usage(40_000, 10, basis="estimated"), DEEPSEEK, before(), "answer", None, 0),
    ("estimated, no switch", Usage(40_000, 10, basis="estimated"), DEEPSEEK, None, "answer", 0, 0),
    ("written anew", Usage(0, 10, 0, 40_000), CLAUDE, before(), "answer", 36_000 * 5750, 36_000),
    ("a hop, by what was said", Usage(20_000, 10), DEEPSEEK, before(model=SAME), "think", 10_000 * 147, 0),
    ("a hop's own cache", Usage(10_000, 10, 10_000), DEEPSEEK, before(), "code", 0, 0),
    ("a question to the router", Usage(900, 10), DEEPSEEK, before(), "route", 0, 0),
]


KEPT = [
    # name, provider, model, family, usage, common beginning, tokens that count
    ("nobody knows of a cache", "script", "alpha", "generic", Usage(40_000, 10), 36_000, 0),
    ("but it was read from", "script", "alpha", "generic", Usage(30_000, 10, 10_000), 36_000, 26_000),
    ("known by its facts", "mine", "m", "deepseek", Usage(40_000, 10), 100, 100),
    ("too short for it", "deepseek", "m", "", Usage(40_000, 10), 63, 0),
    ("just long enough for Claude", "anthropic", "claude-opus-4-5", "", Usage(40_000, 10), 4096, 4096),
    ("too short for Claude", "anthropic", "claude-opus-4-5", "", Usage(40_000, 10), 4095, 0),
]


@pytest.mark.parametrize(
    ("provider", "model", "family", "usage", "both", "counts"), [case[1:] for case in KEPT], ids=[c[0] for c in KEPT]
)
def test_only_what_the_answering_models_cache_would_have_kept_is_lost(
    provider: str, model: str, family: str, usage: Usage, both: int, counts: int
) -> None:
    sent = {"system": "", "messages": []} if model.startswith("claude") else {"messages": []}
    attempt = generated.attempt(provider=provider, model=model, family=family, usage=usage, price=DEEPSEEK, sent=sent)
    found = economy.of(attempt, True, before(share=1.0, prompt=both))
    assert (found.switched, found.lost) == (counts, counts * 147)


@pytest.mark.parametrize(
    ("usage", "price", "last", "purpose", "lost", "switched"), [case[1:] for case in LOST], ids=[c[0] for c in LOST]
)
def test_lost(
    usage: Usage, price: Price | None, last: Before | None, purpose: Any, lost: int | None, switched: int
) -> None:
    attempt = generated.attempt(provider=SAME[0], model=SAME[1], usage=usage, price=price, purpose=purpose)
    found = economy.of(attempt, purpose == "answer", last)
    assert (found.lost, found.switched) == (lost, switched)


def test_an_attempt_that_used_nothing_has_no_economy() -> None:
    assert economy.of(generated.attempt(usage=None), True, before()) == Economy(None, None, 0)


@given(generated.usages(), generated.prices(), st.integers(0, 10**10))
def test_what_was_lost_is_the_difference_of_two_bills(usage: Usage, price: Price, cold: int) -> None:
    warm = economy.cached(usage, cold)
    assert warm.prompt == usage.prompt and warm.output == usage.output
    assert min(warm.input, warm.cache_write) >= 0
    assert economy.lost(usage, price, cold) == (cost(usage, price) - cost(warm, price) if cold else 0)


@given(generated.usages(), generated.prices())
def test_what_was_saved_and_what_was_paid_make_the_bill_without_a_cache(usage: Usage, price: Price) -> None:
    saved = economy.saved(usage, price)
    assert saved is not None
    assert cost(usage, price) + saved == cost(economy.uncached(usage), price)


@pytest.mark.parametrize(
    ("parts", "expected"), [([], None), ([None], None), ([1, None], None), ([0], 0), ([1, 2], 3)], ids=str
)
def test_a_sum_with_an_unknown_part_is_unknown(parts: list[int | None], expected: int | None) -> None:
    assert economy.total(parts) == expected
