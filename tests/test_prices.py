"""Prices: what is billed is exact, where it comes from is known, and what is not known is not 0."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui import pricelist, prices
from ccr_tui.config import Model, Provider
from ccr_tui.prices import MISSING, Book, cost, parse_usd_per_million, show, usd
from ccr_tui.records import Price, Usage

DEEPSEEK = "https://api.deepseek.com"
SINGAPORE = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
BEIJING = "https://dashscope.aliyuncs.com/compatible-mode/v1"
LOOPBACK = "http://127.0.0.1:9999/v1"
NOW = "2026-11-22T12:00"

TOKENS = st.integers(0, 10_000_000)
RATES = st.integers(0, 200_000_000_000)
USAGES = st.builds(Usage, input=TOKENS, output=TOKENS, cache_read=TOKENS, cache_write=TOKENS)
PRICES = st.builds(Price, RATES, RATES, st.none() | RATES, st.none() | RATES)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def model(model_id: str, **more: Any) -> Model:
    return Model(name="m", provider="p", id=model_id, **more)


def provider(url: str, name: str = "p", kind: Any = "openai", **more: Any) -> Provider:
    return Provider(name=name, kind=kind, base_url=url, **more)


def known(model_id: str, url: str, at: str = NOW, usage: Usage | None = None) -> Any:
    return Book().known(model(model_id), provider(url), moment(at), usage)


def dollars(price: Price) -> tuple[str | None, ...]:
    return tuple(map(usd, (price.input, price.output, price.cache_read)))


# -- money ------------------------------------------------------------------------------------------------------------


def exact(usage: Usage, price: Price) -> Fraction:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    pairs = [
        (usage.input, price.input),
        (usage.output, price.output),
        (usage.cache_read, read),
        (usage.cache_write, write),
    ]
    return sum((Fraction(tokens * rate, 1_000_000) for tokens, rate in pairs), Fraction())


@given(USAGES, PRICES)
def test_a_cost_is_rounded_once_half_to_even(usage: Usage, price: Price) -> None:
    found = cost(usage, price)
    assert type(found) is int and found == round(exact(usage, price))


@given(USAGES, USAGES, PRICES)
def test_cost_is_linear_but_for_the_rounding(one: Usage, other: Usage, price: Price) -> None:
    both = Usage(
        one.input + other.input,
        one.output + other.output,
        one.cache_read + other.cache_read,
        one.cache_write + other.cache_write,
    )
    assert abs(cost(both, price) - cost(one, price) - cost(other, price)) <= 1


@given(USAGES, PRICES, st.sampled_from(["input", "output", "cache_read", "cache_write"]), st.integers(0, 1000))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, part: str, more: int) -> None:
    assert cost(replace(usage, **{part: getattr(usage, part) + more}), price) >= cost(usage, price)


def test_reasoning_is_part_of_the_output() -> None:
    price = Price(1_000_000, 2_000_000)
    assert cost(Usage(output=10, reasoning=9), price) == cost(Usage(output=10), price) == 20


@given(st.integers(-(10**18), 10**18))
def test_dollars_are_exact_both_ways(nanos: int) -> None:
    text = usd(nanos)
    assert text is not None and Decimal(text) * 10**9 == nanos
    assert "e" not in text.lower() and not ("." in text and text.endswith(("0", ".")))
    if 0 <= nanos <= 10**15:
        assert parse_usd_per_million(text) == nanos


def test_an_unknown_cost_is_not_a_number() -> None:
    assert (usd(None), show(None), usd(0), show(0)) == (None, "?", "0", "$0.00")


SHOWN = {
    123_456_000_000: "$123",
    1_234_567_000_000: "$1,235",
    1_499_000_000: "$1.50",
    400_000_000: "$0.40",
    12_300_000: "$0.012",
    4_000_000: "$0.0040",
    40_000_000: "$0.040",
    99_600_000: "$0.10",
    100_000: "$0.00010",
    996_000_000: "$1.00",
    4_249_000: "$0.0042",
    999_900_000: "$1.00",
    10_000: "$0.000010",
    9_999: "<$0.00001",
    -1_500_000_000: "-$1.50",
}


@pytest.mark.parametrize(("nanos", "text"), SHOWN.items(), ids=str)
def test_money_is_shown_with_the_digits_that_matter(nanos: int, text: str) -> None:
    assert show(nanos) == text


WRITTEN = {"0.15": 150_000_000, "$3": 3_000_000_000, " $ 0.003625 ": 3_625_000, "1e-3": 1_000_000, "0": 0}


@pytest.mark.parametrize(("text", "nanos"), WRITTEN.items(), ids=str)
def test_a_price_is_read_as_people_write_it(text: str, nanos: int) -> None:
    assert parse_usd_per_million(text) == nanos


def test_a_float_price_is_what_it_looks_like() -> None:
    assert parse_usd_per_million(0.1) == 100_000_000 and parse_usd_per_million(0.003625) == 3_625_000


@pytest.mark.parametrize("text", ["", "free", "-1", "nan", "inf", "1,5", True, "1e9", "$", "0x10"], ids=str)
def test_what_is_no_price_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="no amount of dollars"):
        parse_usd_per_million(text)


# -- the project's list -----------------------------------------------------------------------------------------------

LISTED = {
    "flash off-peak": ("deepseek-flash", DEEPSEEK, NOW, ("0.15", "0.6", "0.003")),
    "flash under Anthropic's protocol": ("deepseek-flash", f"{DEEPSEEK}/anthropic", NOW, ("0.15", "0.6", "0.003")),
    "flash under its old name": ("deepseek-v4-flash", DEEPSEEK, NOW, ("0.15", "0.6", "0.003")),
    "flash in August": ("deepseek-v4-flash", DEEPSEEK, "2026-08-20T12:00", ("0.22", "0.66", "0.007")),
    "flash before": ("deepseek-v4-flash", DEEPSEEK, "2026-08-16T15:59", ("0.14", "0.28", "0.0028")),
    "pro": ("deepseek-v4-pro", DEEPSEEK, NOW, ("0.66", "1.98", "0.022")),
    "pro before": ("deepseek-v4-pro", DEEPSEEK, "2026-08-01T02:00", ("0.435", "0.87", "0.003625")),
    "Claude Code's window mark": ("deepseek-v4-pro[1m]", DEEPSEEK, NOW, ("0.66", "1.98", "0.022")),
    "retired chat, last known": ("deepseek-chat", DEEPSEEK, NOW, ("0.14", "0.28", "0.0028")),
    "retired reasoner in 2025": ("deepseek-reasoner", DEEPSEEK, "2025-10-10T02:00", ("0.28", "0.42", "0.028")),
    "R1": ("deepseek-r1", DEEPSEEK, NOW, ("0.55", "2.19", "0.14")),
    "V3": ("deepseek-v3", DEEPSEEK, NOW, ("0.27", "1.1", "0.07")),
    "qwen-max": ("qwen-max", SINGAPORE, NOW, ("1.6", "6.4", "0.32")),
    "qwen-max by date": ("qwen-max-2025-01-25", SINGAPORE, NOW, ("1.6", "6.4", "0.32")),
    "qwen-max in Beijing": ("qwen-max-2025-01-25", BEIJING, NOW, ("0.345", "1.377", "0.072")),
    "qwen-turbo-latest": ("qwen-turbo-latest", SINGAPORE, NOW, ("0.05", "0.2", "0.01")),
    "qwen3-coder-plus": ("qwen3-coder-plus", SINGAPORE, NOW, ("1", "5", "0.2")),
    "qwen3.8-max": ("Qwen3.8-Max", SINGAPORE, NOW, ("2", "6", "0.25")),
    "qwen2.5-coder in Beijing": ("qwen2.5-coder-32b-instruct", BEIJING, NOW, ("0.287", "0.861", None)),
    "a workspace's own host": (
        "qwen3.7-max",
        "https://ws-1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1",
        NOW,
        ("2.5", "7.5", "0.5"),
    ),
}


@pytest.mark.parametrize(("model_id", "url", "at", "expected"), LISTED.values(), ids=LISTED)
def test_a_listed_price(model_id: str, url: str, at: str, expected: tuple[str, str, str | None]) -> None:
    price = known(model_id, url, at)
    assert isinstance(price, Price) and dollars(price) == expected
    assert price.basis == "list" and price.since and "read 2026-11-22" in price.source


# One moment, and whether DeepSeek takes double. 2026-11-22 is a Sunday.
PEAK = {
    "Monday 01:00": ("2026-11-23T01:00", True),
    "Monday 00:59:59": ("2026-11-23T00:59:59", False),
    "Monday 03:59:59": ("2026-11-23T03:59:59", True),
    "Monday 04:00": ("2026-11-23T04:00", False),
    "Monday 06:00": ("2026-11-23T06:00", True),
    "Monday 10:00": ("2026-11-23T10:00", False),
    "Friday 09:59": ("2026-11-27T09:59", True),
    "Saturday 02:00": ("2026-11-28T02:00", False),
    "Sunday 07:00": ("2026-11-22T07:00", False),
    "national day, a Thursday": ("2026-10-01T02:00", False),
    "mid-autumn, a Friday": ("2026-09-25T07:00", False),
    "a Saturday that China works": ("2026-10-10T02:00", False),
    "the Thursday after the holiday": ("2026-10-08T02:00", True),
    "new year 2027, a Friday": ("2027-01-01T02:00", False),
}


@pytest.mark.parametrize(("at", "peak"), PEAK.values(), ids=PEAK)
def test_deepseek_takes_double_in_beijings_working_hours(at: str, peak: bool) -> None:
    expected = ("0.3", "1.2", "0.006") if peak else ("0.15", "0.6", "0.003")
    price = known("deepseek-flash", DEEPSEEK, at)
    assert dollars(price) == expected and ("peak hours" in price.source) == peak


def test_the_first_weekend_was_still_billed_by_the_hour() -> None:
    assert dollars(known("deepseek-v4-pro", DEEPSEEK, "2026-08-22T02:00"))[0] == "1.32"
    assert dollars(known("deepseek-v4-pro", DEEPSEEK, "2026-08-23T02:00"))[0] == "0.66"
    assert dollars(known("deepseek-v4-pro", DEEPSEEK, "2026-08-14T02:00"))[0] == "0.435"


STEPS = {
    "short": (Usage(input=32_000), ("1", "5", "0.2")),
    "cached part counts": (Usage(input=1, cache_read=32_000), ("1.8", "9", "0.36")),
    "middle": (Usage(input=100_000, output=900_000), ("1.8", "9", "0.36")),
    "long": (Usage(input=128_001), ("3", "15", "0.6")),
    "longest": (Usage(cache_write=500_000), ("6", "60", "1.2")),
}


@pytest.mark.parametrize(("usage", "expected"), STEPS.values(), ids=STEPS)
def test_a_long_prompt_is_billed_at_its_step(usage: Usage, expected: tuple[str, str, str]) -> None:
    assert dollars(known("qwen3-coder-plus", SINGAPORE, usage=usage)) == expected


def test_thinking_costs_more_where_it_does() -> None:
    assert dollars(known("qwen-plus", SINGAPORE, usage=Usage(output=9)))[1] == "1.2"
    assert dollars(known("qwen-plus", SINGAPORE, usage=Usage(output=9, reasoning=5)))[1] == "4"
    assert dollars(known("qwen-max", SINGAPORE, usage=Usage(output=9, reasoning=5)))[1] == "6.4"


def table() -> Any:
    return tomllib.loads((files("ccr_tui") / "prices.toml").read_text("utf-8"), parse_float=Decimal)


@pytest.mark.parametrize("entry", table()["prices"], ids=lambda entry: (entry.get("models") or entry.get("open"))[0])
def test_every_entry_is_sound(entry: Any) -> None:
    assert {"seller", "input", "output", "read", "source"} <= entry.keys() and entry["seller"] in table()["sellers"]
    assert isinstance(entry["read"], date) and len(entry["source"]) > 20
    steps = [entry, *entry.get("above", [])]
    assert [step.get("tokens", 0) for step in steps] == sorted({step.get("tokens", 0) for step in steps})
    for step in steps:
        assert 0 < step["input"] < step["output"] < 100
        assert step.get("cache_read", 0) < step["input"] <= step.get("cache_write", step["input"])
        assert step.get("thinking", 99) > step["output"]
        assert entry.keys() & {"cache_read", "cache_write", "thinking"} == step.keys() & {
            "cache_read",
            "cache_write",
            "thinking",
        }


def test_no_model_has_two_prices_at_once() -> None:
    listed = pricelist.shipped()
    assert sum(len(models) for models in listed.offers.values()) > 40
    for models in listed.offers.values():
        for name, offers in models.items():
            assert len({offer.since for offer in offers}) == len(offers), name
            assert name == name.lower()


# -- the order of the sources -----------------------------------------------------------------------------------------

OWN = Price(1, 2, basis="user")


def test_the_users_price_comes_first() -> None:
    book, at = Book({"m": OWN}), moment(NOW)
    for url in (DEEPSEEK, LOOPBACK, "https://openrouter.ai/api/v1"):
        price = book.known(model("deepseek-flash"), provider(url), at)
        assert isinstance(price, Price) and (price.input, price.basis, price.source) == (1, "user", "config.toml")
    priced = Book().known(model("x", price=Price(0, 0, source="mine")), provider(LOOPBACK), at)
    assert isinstance(priced, Price) and (priced.input, priced.source) == (0, "mine")


FREE: dict[str, tuple[Model, Provider, str]] = {
    "the demo model": (model("demo"), provider("http://demo.invalid/v1", kind="demo"), "demo"),
    "ollama by name": (model("qwen3:8b"), provider("http://localhost:11434/v1", name="ollama"), "bills"),
    "llama.cpp by family": (model("any"), provider("http://192.168.1.5:8080", family="llama_cpp"), "bills"),
    "vllm by the model's family": (model("deepseek-v3", family="vllm"), provider(LOOPBACK), "bills"),
    "IPv6": (model("any"), provider("http://[::1]:1234/v1", name="LM Studio"), "bills"),
    "known from the environment alone": (model("qwen2.5-coder-3b"), provider(LOOPBACK, name="127.0.0.1:9999"), "bills"),
    "a second one from there": (model("x.gguf"), provider("http://localhost:1/v1", name="localhost:1-think"), "bills"),
}


@pytest.mark.parametrize(("which", "where", "why"), FREE.values(), ids=FREE)
def test_what_nobody_bills_costs_nothing_and_says_why(which: Model, where: Provider, why: str) -> None:
    price = Book().known(which, where, moment(NOW))
    assert isinstance(price, Price) and (price.input, price.output) == (0, 0) and why in price.source


UNKNOWN: dict[str, tuple[Model, Provider]] = {
    "a gateway on this machine": (model("mystery"), provider(LOOPBACK)),
    "public weights on this machine": (model("deepseek-v3"), provider(LOOPBACK)),
    "ollama's cloud from the environment": (
        model("gpt-oss:120b-cloud"),
        provider("http://localhost:11434/v1", name="localhost:11434"),
    ),
    "another machine from the environment": (model("x"), provider("http://192.168.1.5:1/v1", name="192.168.1.5:1")),
    "ollama's cloud": (model("gpt-oss:120b-cloud"), provider("http://localhost:11434/v1", name="ollama")),
    "gpt-oss on this machine": (model("gpt-oss-20b"), provider(LOOPBACK)),
    "a coding plan": (model("qwen3-coder-plus"), provider("https://coding-intl.dashscope.aliyuncs.com/v1")),
    "a new qwen": (model("qwen9-max"), provider(SINGAPORE)),
    "a new deepseek": (model("deepseek-v9"), provider(DEEPSEEK)),
    "a new gateway": (model("mystery"), provider("https://gateway.example/v1")),
    "public weights elsewhere": (model("deepseek-v3"), provider("https://gateway.example/v1")),
    "qwen's names at DeepSeek": (model("qwen-max"), provider(DEEPSEEK)),
    "no url": (model("mystery"), provider("")),
}


@pytest.mark.parametrize(("which", "where"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_price_is_none_and_never_nothing(which: Model, where: Provider) -> None:
    book = Book()
    assert book.known(which, where, moment(NOW)) in (None, MISSING)
    assert book.quote(which, where, moment(NOW)) is None
    assert book.known(which, where, moment(NOW)) is None


@pytest.mark.parametrize("url", [LOOPBACK, "http://litellm:4000/v1", "https://gateway.example/v1"])
@pytest.mark.parametrize("model_id", ["deepseek-flash", "deepseek/deepseek-flash", "qwen-max-2025-01-25", "gpt-4o"])
def test_a_gateway_shows_the_makers_price_and_says_so(model_id: str, url: str) -> None:
    for name in ("p", url.split("/")[2]):
        price = Book().quote(model(model_id), provider(url, name=name), moment(NOW))
        assert price is not None and price.input > 0 and "not known" in price.source


ELSEWHERE = {
    "openrouter": ("qwen/qwen3-coder", "https://openrouter.ai/api/v1"),
    "anthropic": ("claude-sonnet-4-5", "https://api.anthropic.com"),
    "openai": ("gpt-4o", "https://api.openai.com/v1"),
}


@pytest.mark.parametrize(("model_id", "url"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_genai_prices_bills_as_it_does_itself(model_id: str, url: str) -> None:
    at = datetime.fromisoformat(NOW).replace(tzinfo=UTC)
    usage = Usage(input=700, output=100, cache_read=250, cache_write=50)
    price = Book().quote(model(model_id), provider(url), at.timestamp(), usage)
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1000, cache_read_tokens=250, cache_write_tokens=50, output_tokens=100),
        model_ref=model_id,
        provider_api_url=url,
        genai_request_timestamp=at,
    )
    assert price is not None and "genai-prices" in price.source and "not known" not in price.source
    assert cost(usage, price) == round(theirs.total_price * 10**9)


@pytest.mark.parametrize(("model_id", "url"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_list_price_has_a_date(model_id: str, url: str) -> None:
    price = Book().quote(model(model_id), provider(url), moment(NOW))
    assert price is not None and date.fromisoformat(price.since) <= date.fromisoformat(NOW[:10])
    assert re.search(r"genai-prices \d[.\d]+, as of 20\d\d-\d\d-\d\d", price.source)


def test_a_price_that_began_on_a_day_says_which() -> None:
    """genai-prices' own entries of two prices: the second holds from its day on."""
    from genai_prices.data_snapshot import get_snapshot

    at = datetime.fromisoformat(NOW).replace(tzinfo=UTC)
    everything = (each for maker in get_snapshot().providers for each in maker.models)
    some = [each for each in everything if isinstance(each.prices, list) and prices._since(each, at)]
    assert some
    for each in some:
        start = prices._since(each, at)
        before = datetime.fromisoformat(start).replace(tzinfo=UTC) - timedelta(seconds=1)
        assert start <= NOW[:10] and prices._since(each, before) < start


def test_genai_prices_steps_are_taken() -> None:
    book, where = Book(), provider("https://generativelanguage.googleapis.com/v1beta/openai")
    short = book.quote(model("gemini-2.5-pro"), where, moment(NOW), Usage(input=1000))
    long = book.quote(model("gemini-2.5-pro"), where, moment(NOW), Usage(input=1000, cache_read=300_000))
    assert short and long and long.input == 2 * short.input


@pytest.mark.parametrize("model_id", ["deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro"])
@pytest.mark.parametrize("at", ["2026-11-23T02:00", "2026-11-23T12:00"], ids=["peak", "off-peak"])
def test_genai_prices_agrees_on_a_working_day(model_id: str, at: str) -> None:
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=10**6, output_tokens=10**6),
        model_ref=model_id,
        provider_id="deepseek",
        genai_request_timestamp=datetime.fromisoformat(at).replace(tzinfo=UTC),
    )
    price = known(model_id, DEEPSEEK, at)
    assert price.input + price.output == theirs.total_price * 10**9


def test_the_loop_never_imports_genai_prices() -> None:
    script = (
        "import sys; from ccr_tui.prices import Book; from ccr_tui.config import Model, Provider; book = Book()\n"
        "for url in ('https://api.deepseek.com', 'https://openrouter.ai/api/v1', 'http://127.0.0.1:1/v1'):\n"
        "    book.known(Model('m', 'p', 'deepseek-flash'), Provider('p', 'openai', url), 0.0)\n"
        "book.quote(Model('m', 'p', 'mystery'), Provider('p', 'openai', 'http://127.0.0.1:1/v1'), 0.0)\n"
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_what_was_asked_once_is_known_at_once() -> None:
    book, which, where = Book(), model("gpt-4o"), provider("https://api.openai.com/v1")
    assert book.known(which, where, moment(NOW)) is MISSING
    quotes: list[Price | None] = []
    threads = [threading.Thread(target=lambda: quotes.append(book.quote(which, where, moment(NOW)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(quotes) == {book.known(which, where, moment(NOW))} and None not in quotes
