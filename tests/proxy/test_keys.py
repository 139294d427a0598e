"""Which key is used next: in turn, by session, and never one that rests while another is awake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.errors import ProxyError, UpstreamRefused
from ccr_tui.proxy.keys import BAD_S, EMPTY_S, LIMITED_S, Keyring, rest_s

KEYS = ("sk-first", "sk-second", "sk-third")


def places(ring: Keyring, session: str | None, times: int, now: float = 0.0) -> list[int]:
    picked = [ring.pick("p", KEYS, session, now) for _ in range(times)]
    return [key.place for key in picked if key]


def test_without_a_session_they_take_turns() -> None:
    assert places(Keyring(), None, 7) == [1, 2, 3, 1, 2, 3, 1]


def test_a_session_stays_with_its_key() -> None:
    assert len(set(places(Keyring(), "s-1", 5))) == 1


def test_sessions_are_spread_over_the_keys() -> None:
    ring = Keyring()
    assert {places(ring, f"s-{n}", 1)[0] for n in range(30)} == {1, 2, 3}


def test_a_session_comes_back_to_its_key_after_the_rest() -> None:
    ring = Keyring()
    mine = ring.pick("p", KEYS, "s", 0)
    assert mine
    ring.rest("p", mine, 0, 10)
    elsewhere = places(ring, "s", 1, 9)
    assert elsewhere != [mine.place]
    assert places(ring, "s", 1, 10) == [mine.place]


def test_providers_do_not_share_rests() -> None:
    ring = Keyring()
    key = ring.pick("p", KEYS[:1], None, 0)
    assert key
    ring.rest("p", key, 0, 10)
    assert (ring.awake("p", KEYS, 0), ring.awake("q", KEYS, 0)) == (2, 3)


def test_no_key_is_no_key() -> None:
    assert Keyring().pick("p", (), None, 0) is None


def test_a_key_is_never_shown() -> None:
    ring = Keyring()
    key = ring.pick("p", KEYS, None, 0)
    assert key
    ring.rest("p", key, 0, 10)
    assert "sk-" not in f"{ring!r} {key!r} {key.label}"
    assert key.label == "key 1 of 3"


@pytest.mark.parametrize(
    ("error", "after", "rest"),
    [
        pytest.param(UpstreamRefused("bad", status=401, should_retry=False), None, BAD_S, id="refused"),
        pytest.param(UpstreamRefused("bad", status=403, should_retry=False), None, BAD_S, id="forbidden"),
        pytest.param(UpstreamRefused("empty", status=402, should_retry=False), None, EMPTY_S, id="unpaid"),
        pytest.param(UpstreamRefused("empty", status=429, should_retry=False), None, EMPTY_S, id="quota"),
        pytest.param(UpstreamRefused("busy", status=429), None, LIMITED_S, id="limited"),
        pytest.param(UpstreamRefused("busy", status=429), 7.0, 7.0, id="limited for a time"),
        pytest.param(UpstreamRefused("broken", status=500), 7.0, None, id="not about the key"),
        pytest.param(UpstreamRefused("wrong", status=400), None, None, id="about the request"),
    ],
)
def test_how_long_a_key_rests(error: ProxyError, after: float | None, rest: float | None) -> None:
    assert rest_s(error, after) == rest


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.sampled_from([None, "a", "b", "c"]), st.one_of(st.none(), st.floats(0, 60)))
    ),
    st.integers(1, 4),
)
def test_none_that_rests_is_picked_while_another_is_awake(
    events: list[tuple[float, str | None, float | None]], many: int
) -> None:
    ring, keys, ends, now = Keyring(), [f"k{n}" for n in range(many)], dict[str, float](), 0.0
    for pause, session, rest in events:
        now += pause
        awake = {key for key in keys if ends.get(key, 0.0) <= now}
        key = ring.pick("p", keys, session, now)
        assert key and keys[key.place - 1] == key.text
        assert ring.awake("p", keys, now) == len(awake)
        assert key.text in awake if awake else ends[key.text] == min(ends.values())
        if rest is not None:
            ring.rest("p", key, now, rest)
            ends[key.text] = now + rest
