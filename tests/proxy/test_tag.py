"""The tag that names a subagent's model: found where it stands, gone before the request is sent."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from asking import asked, assistant, conversations, law, picture, result, text, user
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.proxy.tag import tag_of, without_tag
from ccr_tui.proxy.turn import words

TAG = "<CCR-SUBAGENT-MODEL>p,m</CCR-SUBAGENT-MODEL>"
REMINDER = f"<system-reminder>\nBegin with {TAG}.\n</system-reminder>"

CLEANED: list[tuple[str, Any, Any]] = [
    ("a system text", asked(system=f"You are.\n{TAG}\nDo it."), asked(system="You are.\nDo it.")),
    ("a system block", asked(system=[text(f"a {TAG} b"), text("c")]), asked(system=[text("a  b"), text("c")])),
    ("a block of its own", asked(system=[text(TAG), text("c")]), asked(system=[text("c")])),
    ("the first message", asked(f"{TAG}go"), asked("go")),
    ("the first message's blocks", asked(user("x", f"go {TAG}", picture())), asked(user("x", "go ", picture()))),
    ("what comes before an answer", asked("a", user(f"{TAG} b")), asked("a", user(" b"))),
    ("more than one", asked(f"{TAG}a{TAG}", system=TAG + "x"), asked("a", system="x")),
    ("beside a reminder", asked(user(REMINDER, f"{TAG} go")), asked(user(REMINDER, " go"))),
    ("behind a reminder that never ends", asked(f"<system-reminder>{TAG} go"), asked("<system-reminder> go")),
    ("after one in the same text", asked(f"{REMINDER}{TAG} go"), asked(f"{REMINDER} go")),
]


@pytest.mark.parametrize(("body", "cleaned"), [c[1:] for c in CLEANED], ids=[c[0] for c in CLEANED])
def test_the_tag_goes_and_the_rest_stays(body: Any, cleaned: Any) -> None:
    before = copy.deepcopy(body)
    assert tag_of(body) == "p,m"
    assert without_tag(body) == cleaned
    assert body == before
    assert without_tag(cleaned) is cleaned


KEPT = [
    ("in a reminder", asked(user(REMINDER, "go"))),
    ("in a later message", asked("a", assistant("b"), TAG)),
    ("in what the assistant said", asked("a", assistant(TAG))),
    ("in a tool's result", asked(user(result("c", TAG)))),
    ("not closed", asked("<CCR-SUBAGENT-MODEL>p,m")),
    ("empty", asked("<CCR-SUBAGENT-MODEL> </CCR-SUBAGENT-MODEL>")),
    ("no tag at all", asked("p,m", system=[])),
]


@pytest.mark.parametrize("body", [k[1] for k in KEPT], ids=[k[0] for k in KEPT])
def test_what_is_no_tag_is_left_alone(body: Any) -> None:
    assert tag_of(body) is None
    assert without_tag(body) is body


ONLY = [asked(TAG), asked(user(TAG)), asked(system=TAG), asked(system=[text(TAG)])]


@pytest.mark.parametrize("body", ONLY, ids=["text", "block", "system", "system block"])
def test_nothing_is_left_empty(body: Any) -> None:
    assert tag_of(body) == "p,m"
    assert without_tag(body) == body


@law
@given(conversations(), st.sampled_from([TAG, f"x {TAG}", REMINDER]))
def test_what_was_cleaned_stays_the_same_in_later_turns(conversation: Any, opening: str) -> None:
    first, exchanges, _ = conversation
    messages = [user(opening, "go"), *first]
    before = without_tag(asked(*messages))["messages"]
    for said, back in exchanges:
        messages = [*messages, *said, *back]
        after = without_tag(asked(*messages))["messages"]
        if said:
            assert after[: len(before)] == before
        before = after


@law
@given(st.lists(st.sampled_from([TAG, REMINDER, "a", "\n", "<", "</CCR-SUBAGENT-MODEL>"]), max_size=6))
def test_cleaning_twice_is_cleaning_once(pieces: list[str]) -> None:
    once = without_tag(asked("".join(pieces) or "x", system="".join(reversed(pieces))))
    assert without_tag(once) == once


def test_reminders_that_never_end_take_no_time_that_grows_with_the_square() -> None:
    body = asked(user("<system-reminder> and so on " * 20_000 + TAG))
    started = time.thread_time()
    assert tag_of(body) == "p,m"
    assert words(body).endswith(TAG)
    assert time.thread_time() - started < 2, "over a minute if each is followed to the end of the text"
