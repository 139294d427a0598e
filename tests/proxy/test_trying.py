"""What a failure is worth, and in which order models and keys are asked.

A play is a table of what each model answers, in turn; the trial is driven with a clock of its own, so nothing waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.assembly import load
from ccr_tui.config import Config, Model, Patience, Provider
from ccr_tui.errors import (
    BadRequest,
    ConfigError,
    ProxyError,
    UpstreamBroken,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.complaints import error_of
from ccr_tui.proxy.keys import Keyring
from ccr_tui.proxy.trying import Trial, again_s, is_final, is_providers_fault, seconds, too_long, worthiest

P = Patience(waits_s=(0.5, 1.0, 2.0), retry_after_s=5.0, breaker_failures=3)


def refused(status: int, should_retry: bool | None = None, retry_after: str | None = None) -> UpstreamRefused:
    return UpstreamRefused(f"p answered {status}", status=status, should_retry=should_retry, retry_after=retry_after)


BUSY, DOWN, LIMITED = refused(503), refused(500), refused(429)
WRONG, BADKEY, QUOTA = refused(400, False), refused(401, False), refused(429, False)
GONE, SILENT, CUT = UpstreamUnreachable("refuses"), UpstreamTimeout("silent"), UpstreamBroken("cut")
LONG = refused(400, False)
LONG.message = "prompt is too long: 9000 tokens > 8000 maximum"
OURS = BadRequest("messages.0: wrong", should_retry=False)
FLAGGED = error_of(403, {}, {"error": {"message": "Your input was flagged"}}, "p")
RETIRED = error_of(400, {}, {"error": {"message": "Model Not Exist"}}, "p")
BLIND = error_of(400, {}, {"error": {"message": "This model does not support image input"}}, "p")
BARE = error_of(400, {}, {"error": {"message": "registry.ollama.ai/library/gemma3 does not support tools"}}, "p")


# ---------------------------------------------------------------- what a failure is worth


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        pytest.param(BUSY, [0.5, 1.0, 2.0, None], id="busy"),
        pytest.param(DOWN, [0.5, 1.0, 2.0, None], id="500"),
        pytest.param(refused(529), [0.5, 1.0, 2.0, None], id="overloaded"),
        pytest.param(CUT, [0.5, 1.0, 2.0, None], id="cut before content"),
        pytest.param(LIMITED, [0.5, 1.0, 2.0, None], id="limited"),
        pytest.param(refused(429, retry_after="3"), [3.0, 3.0, 3.0, None], id="limited, told when"),
        pytest.param(refused(503, retry_after="0"), [0.0, 0.0, 0.0, None], id="at once"),
        pytest.param(refused(429, retry_after="6"), [None], id="too late"),
        pytest.param(refused(503, retry_after="soon"), [0.5], id="nonsense"),
        pytest.param(QUOTA, [None], id="quota"),
        pytest.param(BADKEY, [None], id="bad key"),
        pytest.param(WRONG, [None], id="wrong"),
        pytest.param(refused(504), [None], id="its gateway waited in vain"),
        pytest.param(SILENT, [None], id="silent"),
        pytest.param(GONE, [None], id="refuses connections"),
        pytest.param(refused(503, should_retry=False), [None], id="told not to"),
    ],
)
def test_when_the_same_model_is_asked_again(error: ProxyError, waits: list[float | None]) -> None:
    assert [again_s(error, tries, P, 0) for tries in range(1, len(waits) + 1)] == waits


def test_a_retry_after_may_be_a_date() -> None:
    assert seconds(formatdate(1_000_010, usegmt=True), 1_000_000) == 10
    assert seconds(formatdate(999_000, usegmt=True), 1_000_000) == 0


@given(st.text(max_size=40))
def test_any_retry_after_is_a_wait_or_nothing(text: str) -> None:
    found = seconds(text, 1_000_000)
    assert found is None or 0 <= found < float("inf")


@given(
    st.sampled_from([BUSY, LIMITED, CUT, GONE, QUOTA]),
    st.integers(1, 9),
    st.one_of(st.none(), st.floats(0, 100)),
    st.data(),
)
def test_no_wait_is_longer_than_what_is_set(error: ProxyError, tries: int, after: float | None, data: Any) -> None:
    waits = tuple(data.draw(st.lists(st.floats(0, 10), max_size=5)))
    patience = Patience(waits_s=waits, retry_after_s=data.draw(st.floats(0, 10)))
    said = ProxyError("x", status=error.status, should_retry=error.should_retry, retry_after=after and str(after))
    found = again_s(said, tries, patience, 0)
    assert found is None or (tries <= len(waits) and found <= max(patience.retry_after_s, *waits))


@pytest.mark.parametrize(
    ("error", "fault", "final", "long"),
    [
        pytest.param(BUSY, True, False, False, id="busy"),
        pytest.param(GONE, True, False, False, id="unreachable"),
        pytest.param(SILENT, True, False, False, id="silent"),
        pytest.param(CUT, True, False, False, id="cut"),
        pytest.param(LIMITED, False, False, False, id="limited"),
        pytest.param(BADKEY, False, False, False, id="key"),
        pytest.param(refused(404, False), False, False, False, id="no such model there"),
        pytest.param(WRONG, False, True, False, id="wrong"),
        pytest.param(refused(413, False), False, True, False, id="too large"),
        pytest.param(refused(422, False), False, True, False, id="unprocessable"),
        pytest.param(FLAGGED, False, False, False, id="moderated"),
        pytest.param(RETIRED, False, False, False, id="retired"),
        pytest.param(BLIND, False, False, False, id="blind"),
        pytest.param(BARE, False, False, False, id="without tools"),
        pytest.param(OURS, False, True, False, id="ours"),
        pytest.param(LONG, False, True, True, id="too long"),
    ],
)
def test_whose_fault_it_is(error: ProxyError, fault: bool, final: bool, long: bool) -> None:
    assert (is_providers_fault(error), is_final(error), too_long(error)) == (fault, final, long)


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        pytest.param([BUSY], BUSY, id="one"),
        pytest.param([BUSY, DOWN], DOWN, id="the last"),
        pytest.param([BUSY, BADKEY], BUSY, id="one that time cures before one that it can't"),
        pytest.param([BADKEY, QUOTA], BADKEY, id="the first choice's, where time cures none"),
    ],
)
def test_what_the_client_is_told(errors: list[ProxyError], told: ProxyError) -> None:
    assert worthiest(errors) is told


# ---------------------------------------------------------------- what may be set


@pytest.mark.parametrize(
    ("written", "patience"),
    [
        pytest.param("", Patience(), id="nothing"),
        pytest.param("retries = 0", Patience(waits_s=()), id="no retries"),
        pytest.param("retries = 5", Patience(waits_s=(0.5, 1, 2, 4, 8)), id="more, each twice as long"),
        pytest.param("retry_after_s = 20", Patience(retry_after_s=20), id="Retry-After"),
        pytest.param(
            "breaker_failures = 2\nbreaker_window_s = 10\nbreaker_rest_s = 3",
            Patience(breaker_failures=2, breaker_window_s=10, breaker_rest_s=3),
            id="breaker",
        ),
    ],
)
def test_patience_is_set_in_the_file(written: str, patience: Patience, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"[patience]\n{written}\n")
    env = {"CCR_TUI_CONFIG": str(tmp_path / "config.toml"), "CCR_TUI_DB": str(tmp_path / "ccr.db")}
    assert load({}, env, tmp_path).patience == patience


def test_patience_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[patience]\nretries = 99\nbreaker_rest_s = 0\nretrys = 1\n")
    with pytest.raises(ConfigError) as caught:
        load({}, {"CCR_TUI_CONFIG": str(tmp_path / "config.toml")}, tmp_path)
    for key in ("patience.retries", "patience.breaker_rest_s", "patience.retrys"):
        assert key in str(caught.value)


# ---------------------------------------------------------------- the order of the tries


def config(**more: Any) -> Config:
    providers = {name: Provider(name, "openai", f"http://{name}.test/v1", api_key=f"sk-{name}") for name in "abc"}
    providers["k"] = Provider("k", "openai", "http://k.test/v1", "sk-1", api_keys=("sk-2", "sk-3"))
    windows = {"a": 8000, "b": 4000, "c": None, "k": None}
    models = {name: Model(name, name, "m", context=windows[name]) for name in windows}
    models["a2"] = Model("a2", "a", "m2", context=100_000)
    return Config(**{"providers": providers, "models": models, "patience": P, **more})


@dataclass
class Play:
    """What every model answers, in turn; None is an answer, and what is not listed answers."""

    script: dict[str, list[ProxyError | None]]
    config: Config = field(default_factory=config)
    breakers: Breakers = field(default_factory=Breakers)
    keyring: Keyring = field(default_factory=Keyring)
    now: float = 0.0
    content: bool = False
    asked: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)

    async def ask(self, model: Model, key: str | None, why: str) -> None:
        self.asked.append(model.name if model.provider != "k" else f"{model.name}:{key}")
        self.whys.append(why)
        answer = self.script[model.name].pop(0) if self.script.get(model.name) else None
        if answer:
            raise answer

    async def sleep(self, wait: float) -> None:
        self.slept.append(wait)
        self.now += wait

    async def run(self, *names: str, session: str | None = None) -> ProxyError | None:
        trial = Trial(
            config=self.config,
            breakers=self.breakers,
            keyring=self.keyring,
            ask=self.ask,
            has_content=lambda: self.content,
            remark=lambda name, why: self.remarks.append(f"{name}: {why}"),
            session=session,
            clock=lambda: self.now,
            ticks=lambda: self.now,
            sleep=self.sleep,
        )
        try:
            await trial.run(names)
        except ProxyError as error:
            return error
        return None


@pytest.mark.parametrize(
    ("script", "asked", "slept", "told"),
    [
        pytest.param({}, ["a"], [], None, id="answered"),
        pytest.param({"a": [BUSY, None]}, ["a", "a"], [0.5], None, id="again"),
        pytest.param({"a": [CUT, LIMITED, None]}, ["a", "a", "a"], [0.5, 1.0], None, id="and again"),
        pytest.param({"a": [BUSY] * 9}, ["a", "a", "a", "b"], [0.5, 1.0], None, id="until the breaker opens"),
        pytest.param({"a": [LIMITED] * 9}, ["a", "a", "a", "a", "b"], [0.5, 1.0, 2.0], None, id="until it is enough"),
        pytest.param({"a": [GONE]}, ["a", "b"], [], None, id="gone: the next at once"),
        pytest.param({"a": [SILENT]}, ["a", "b"], [], None, id="silent: the next"),
        pytest.param({"a": [BADKEY], "b": [QUOTA]}, ["a", "b", "c"], [], None, id="key, quota: the next"),
        pytest.param({"a": [WRONG]}, ["a"], [], WRONG, id="wrong: nobody"),
        pytest.param({"a": [OURS]}, ["a"], [], OURS, id="ours: nobody"),
        pytest.param({"a": [GONE], "b": [GONE], "c": [BADKEY]}, ["a", "b", "c"], [], GONE, id="all fail"),
        pytest.param({"a": [LONG]}, ["a", "c"], [], None, id="too long: not the smaller one"),
        pytest.param({"a": [LONG], "c": [LONG]}, ["a", "c"], [], LONG, id="too long for all"),
    ],
)
async def test_models_in_order(
    script: dict[str, list[ProxyError | None]], asked: list[str], slept: list[float], told: ProxyError | None
) -> None:
    play = Play({name: [*answers] for name, answers in script.items()})
    assert await play.run("a", "b", "c") is told
    assert (play.asked, play.slept) == (asked, slept)


async def test_nothing_is_asked_again_once_there_is_content() -> None:
    play = Play({"a": [CUT]}, content=True)
    assert await play.run("a", "b") is CUT
    assert (play.asked, play.breakers.health(0)["a"]["failures"]) == (["a"], 1)


async def test_what_is_too_long_goes_to_the_long_context_agent() -> None:
    play = Play({"a": [LONG]}, config(agents={"long_context": ("b", "a2")}))
    assert await play.run("a") is None
    assert play.asked == ["a", "a2"]
    assert play.remarks == ["window: a takes 8000 tokens: a2 is asked instead"]


async def test_every_further_try_says_why() -> None:
    play = Play({"a": [BUSY, LIMITED, GONE]})
    await play.run("a", "b")
    assert play.whys == ["", "Try 2, after 0.5 s.", "Try 3, after 1 s.", "Asked because a failed."]


async def test_an_open_breaker_sends_requests_on_and_one_tries_it_later() -> None:
    play = Play({"a": [GONE] * 4})
    for _ in range(4):
        await play.run("a", "b")
    assert play.asked == ["a", "b", "a", "b", "a", "b", "b"]
    assert play.remarks == ["breaker_open: a was passed over: a failed 3 times in a row and is tried again in 30 s"]
    play.now += 30
    await play.run("a", "b")
    await play.run("a", "b")
    assert play.asked[7:] == ["a", "b", "b"]
    play.now += 30
    await play.run("a", "b")
    await play.run("a", "b")
    assert play.asked[10:] == ["a", "a"], "it answers again"


async def test_a_provider_without_an_alternative_is_asked_though_its_breaker_is_open() -> None:
    play = Play({"a": [BUSY] * 4, "a2": [DOWN]})
    assert await play.run("a") is BUSY
    assert await play.run("a", "a2") is DOWN
    assert (play.asked, play.slept) == (["a", "a", "a", "a", "a2"], [0.5, 1.0]), "and waited for no more"
    assert await play.run("a") is None
    assert play.breakers.health(play.now) == {}


async def test_where_all_are_down_the_first_choice_is_asked() -> None:
    play = Play({"a": [GONE] * 3, "b": [GONE] * 3})
    for _ in range(3):
        await play.run("a", "b")
    play.asked.clear()
    assert await play.run("a", "b") is None
    assert play.asked == ["a"]


async def test_a_bad_key_rests_and_the_next_is_asked_at_once() -> None:
    play = Play({"k": [BADKEY, None, None, None]})
    for _ in range(3):
        assert await play.run("k") is None
    assert play.asked == ["k:sk-1", "k:sk-2", "k:sk-3", "k:sk-2"]
    assert play.whys[1] == "Asked again with another key: key 1 of 3 met a 401."
    assert play.slept == []


async def test_where_all_keys_are_bad_each_is_asked_once_and_the_client_is_told() -> None:
    play = Play({"k": [BADKEY, QUOTA, BADKEY]})
    assert await play.run("k") is BADKEY
    assert sorted(play.asked) == ["k:sk-1", "k:sk-2", "k:sk-3"]


async def test_a_key_at_its_limit_rests_as_long_as_the_provider_says() -> None:
    play = Play({"k": [refused(429, retry_after="20")]})
    await play.run("k", session="s")
    first, second = play.asked
    assert first != second
    await play.run("k", session="s")
    play.now += 20
    await play.run("k", session="s")
    assert play.asked[2:] == [second, first]


async def test_a_missing_key_names_its_variable_and_the_next_model_is_asked() -> None:
    lacking = config()
    providers = {**lacking.providers, "a": Provider("a", "openai", "http://a.test/v1", api_key="$NOT_SET")}
    play = Play({"b": [BADKEY]}, config(providers=providers))
    told = await play.run("a", "b")
    assert told and "NOT_SET" in told.message and told.should_retry is False
    assert play.asked == ["b"]


ANSWERS = st.sampled_from([None, BUSY, DOWN, LIMITED, WRONG, BADKEY, QUOTA, GONE, SILENT, CUT, LONG, OURS])


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "k"]), st.lists(ANSWERS, max_size=8)), st.permutations("abck"))
async def test_a_trial_ends_and_asks_no_model_more_often_than_it_may(
    script: dict[str, list[ProxyError | None]], names: list[str]
) -> None:
    play = Play({name: [*answers] for name, answers in script.items()})
    told = await play.run(*names)
    tries = len(P.waits_s) + 1
    assert all(play.asked.count(name) <= tries for name in "abc")
    assert sum(one.startswith("k") for one in play.asked) <= tries + 2
    assert sum(play.slept) <= len(names) * sum(P.waits_s)
    assert told is not None or play.asked
