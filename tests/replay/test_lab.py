"""The router lab: what is asked, what is measured, and what routing would have saved."""

from __future__ import annotations

import csv
import json
import time
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from html.parser import HTMLParser
from io import StringIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated import Habits, Simulated, answered, event, recording, small, standing, told, variants

from ccr_tui.errors import CcrError
from ccr_tui.prices import Book
from ccr_tui.records import Price, RouteDecision, Trace, Usage
from ccr_tui.replay import instant, lab, labexport, labkept, labsums
from ccr_tui.replay.lab import Bench, Candidate, Turn
from ccr_tui.replay.labkept import Found, KeptTurn
from ccr_tui.replay.labsums import Money, Said
from ccr_tui.replay.worst import Worst
from ccr_tui.store import labels
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path

    from ccr_tui.tokens import Counter

PRICE = Price(1_000_000_000, 4_000_000_000)
OFFERED = ("tool", "coder", "think")


class Router(Simulated):
    """Says what it is told to say, one after the other."""

    def __init__(self, counter: Counter, *answers: str) -> None:
        super().__init__(1, counter, {"router": PRICE}, Habits())
        self.answers = list(answers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(request.content))
        text = self.answers[(len(self.asked) - 1) % len(self.answers)]
        data = event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]})
        usage = event({"choices": [], "usage": told(Usage(input=100, output=10))})
        self.bill += 140_000
        return answered(data + usage + b"data: [DONE]\n\n", kind="text/event-stream")


def turn(n: int, label: str | None) -> Turn:
    return Turn(f"step-{n}", n, small(n), label, "person" if label else "")


def tried(counter: Counter, router: Router, *turns: Turn, prompt: str | None = None, **more: Any) -> Any:
    (variant,) = variants({"router": PRICE})
    stand = Bench(turns, OFFERED, counter, partial(standing, router, counter), **more)
    asked = instant.run(lab._ask_all(stand, [Candidate("mine", variant, prompt)]))
    return labsums.report("mine", "router", turns, OFFERED, asked.said["mine"]), asked.notes


TOOL, THINK, CODER = '{"use": "tool"}', '{"use": "think"}', '{"use": "coder"}'


def test_a_router_is_measured_against_the_labels(counter: Counter) -> None:
    router = Router(counter, THINK, TOOL, "no idea", THINK)
    found, _ = tried(counter, router, turn(1, "think"), turn(2, "think"), turn(3, "tool"), turn(4, None))
    assert (found.turns, found.labelled, found.right, found.accuracy) == (4, 3, 2, pytest.approx(2 / 3))
    assert found.confusion == {
        "think": {"tool": 1, "coder": 0, "think": 1, "invalid": 0},
        "tool": {"tool": 0, "coder": 0, "think": 0, "invalid": 1},
    }
    assert (found.invalid, found.asked, found.flips) == (1, 4, None)
    assert (found.input_tokens, found.output_tokens, found.cost) == (400, 40, router.bill)
    assert found.says == {"think": 2, "tool": 1, "invalid": 1}


def test_an_answer_that_cannot_be_used_counts_as_the_tool_agent(counter: Counter) -> None:
    """That is what live requests make of it; it is counted as invalid beside."""
    found, _ = tried(counter, Router(counter, "?"), turn(1, "tool"))
    assert (found.right, found.invalid) == (1, 1)


def test_asking_again_shows_flips(counter: Counter) -> None:
    router = Router(counter, THINK, TOOL, CODER, TOOL)
    found, _ = tried(counter, router, turn(1, "think"), turn(2, "tool"), repeat=2)
    assert found.flips == 0.5
    assert (found.asked, found.right) == (4, 2)
    assert (found.cost, found.paid) == (router.bill // 2, router.bill)


def test_the_question_is_the_one_that_live_requests_ask(counter: Counter) -> None:
    router = Router(counter, TOOL)
    tried(counter, router, turn(1, "tool"))
    (sent,) = router.asked
    assert sent["messages"][1]["content"].startswith("The request:\nStep 1. Look at the parser.")
    assert '- "think": to reason deeply first' in sent["messages"][0]["content"]


def test_a_prompt_of_ones_own_takes_the_place_of_ours(counter: Counter) -> None:
    router = Router(counter, TOOL)
    tried(counter, router, turn(1, "tool"), prompt="Who?\n{agents}\nSay JSON.")
    system = router.asked[0]["messages"][0]["content"]
    assert system.startswith('Who?\n- "tool": to read')
    assert "You dispatch work" not in system


def test_a_budget_ends_it(counter: Counter) -> None:
    router = Router(counter, TOOL)
    found, notes = tried(counter, router, *(turn(n, "tool") for n in range(50)), cap=10_000_000)
    assert router.bill <= 10_000_000 and 0 < found.turns < 50
    assert notes[0].startswith("It ended early")
    assert "would at worst have passed the budget of $0.01" in notes[0] and "cancelled" not in notes[0]


def test_the_worst_case_of_all_questions_is_budget_enough(counter: Counter) -> None:
    turns = [turn(n, "tool") for n in range(2)]
    (variant,) = variants({"router": PRICE})
    model = variant.config.models[variant.model or ""]
    worst = Worst(Book(), counter, time.time)
    asked = [lab.question_for(Candidate("mine", variant), each, OFFERED, counter) for each in turns]
    most = [lab.at_worst(worst, body, model, variant.config.providers[model.provider]) for body in asked]
    found, notes = tried(counter, Router(counter, TOOL), *turns, cap=sum(each or 0 for each in most), concurrency=2)
    assert (found.turns, notes) == (2, ())


def test_a_router_without_an_answer_tells_why(counter: Counter) -> None:
    class Dead(Router):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return answered(b'{"error":{"message":"wrong key"}}', 401)

    found, _ = tried(counter, Dead(counter, TOOL), turn(1, "think"))
    assert "wrong key" in found.error and found.invalid == 1


def test_a_router_that_is_known_by_its_price_alone_cannot_be_asked(counter: Counter) -> None:
    (variant,) = variants({"router": PRICE})
    stand = Bench((turn(1, None),), OFFERED, counter, partial(standing, Router(counter, TOOL), counter))
    with pytest.raises(CcrError, match="can't be asked"):
        instant.run(lab._ask_all(stand, [Candidate("x", replace(variant, priced_only=("router",)))]))


# --- turns and labels ------------------------------------------------------------------------------------------------


def routed(n: int, verdict: str, **more: Any) -> Trace:
    considered = (("default", "passed"), ("router", verdict))
    decision = RouteDecision("router", "tool", "m", "router", "…", considered=considered)
    return replace(small(n), decision=decision, **more)


def test_turns_are_those_about_which_a_router_would_be_asked() -> None:
    going_on = small(3)
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]}
    going_on = replace(going_on, body={**going_on.body, "messages": [*going_on.body["messages"], result]})
    traces = [
        routed(1, "think: llm_classifier: {}"), routed(2, "tool: router_timeout_fallback"), going_on,
        replace(small(4), kind="compaction"), small(5),
    ]  # fmt: skip
    found = lab.turns_of(recording(traces), {"step-5": "coder"})
    assert [(each.n, each.label, each.by) for each in found] == [
        (1, "think", "recorded"), (2, None, ""), (5, "coder", "person"),
    ]  # fmt: skip


def test_labels_are_kept_and_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "ccr.db"
    assert labels.load(path) == {}
    labels.save(path, "one", "think")
    labels.save(path, "two", "tool")
    labels.save(path, "one", "coder")
    labels.save(path, "two", None)
    assert labels.load(path) == {"one": "coder"}


# --- beside the trivial ones -----------------------------------------------------------------------------------------


def test_trivial_routers_stand_beside() -> None:
    turns = [turn(1, "tool"), turn(2, "tool"), turn(3, "think"), turn(4, "coder"), turn(5, None)]
    assert [(each.name, each.accuracy) for each in labsums.trivial(turns, OFFERED)] == [
        ("always tool", 0.5), ("always think", 0.25), ("random, same mix", 0.5**2 + 2 * 0.25**2),
    ]  # fmt: skip


def test_the_net_saving_counts_everything(counter: Counter) -> None:
    turns = [turn(1, "think"), turn(2, "tool")]
    found, _ = tried(counter, Router(counter, THINK, TOOL), *turns)
    money = Money({"step-1": {"tool": 0, "think": 500}, "step-2": {"tool": 0, "think": 700}}, 10_000, 1_000_000)
    (report,), trivials = labsums.with_money([found], labsums.trivial(turns, ("tool", "think")), money)
    assert report.net_saving == 1_000_000 - 10_000 - 500 - (report.cost or 0)
    assert [(each.name, each.hops_cost, each.net_saving) for each in trivials] == [
        ("always tool", 0, 990_000), ("always think", 1200, 988_800), ("random, same mix", 600, 989_400),
    ]  # fmt: skip


def test_what_is_not_known_is_not_saved(counter: Counter) -> None:
    found, _ = tried(counter, Router(counter, THINK), turn(1, "think"))
    money = Money({"step-1": {"tool": 0, "think": None}}, 10_000, 1_000_000)
    (report,), _ = labsums.with_money([found], [], money)
    assert report.hops_cost is None and report.net_saving is None


# --- kept ------------------------------------------------------------------------------------------------------------


@given(cut=st.integers(0, 5), repeat=st.integers(1, 2))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_lab_that_goes_on_asks_and_pays_for_nothing_twice(counter: Counter, cut: int, repeat: int) -> None:
    turns, told = [turn(n, "tool") for n in range(3)], dict[tuple[str, str], Said]()
    first, second = Router(counter, TOOL, THINK), Router(counter, TOOL, THINK)

    def keep(router: str, question: str, n: int, said: Said) -> None:
        told[router, question] = said

    tried(counter, first, *turns, repeat=repeat, keep=keep, cancelled=lambda: len(told) >= cut)
    assert len(first.asked) == len(told) == min(cut, 3 * repeat)
    found, _ = tried(counter, second, *turns, repeat=repeat, keep=keep, done=dict(told), cap=10**9)
    assert len(first.asked) + len(second.asked) == found.asked == 3 * repeat
    assert found.paid == first.bill + second.bill


def test_what_was_under_way_at_a_kill_counts_against_the_cap(counter: Counter) -> None:
    router = Router(counter, TOOL)
    found, notes = tried(counter, router, turn(1, "tool"), cap=6_000_000, held={("mine", "step-1"): 5_999_999})
    assert (router.asked, found.asked) == ([], 0)
    assert "under way when the run was cut off" in notes[0]


def test_a_router_that_never_answers_is_given_up(counter: Counter) -> None:
    class Dead(Router):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.asked.append({})
            return answered(b'{"error":{"message":"wrong key"}}', 401)

    router = Dead(counter, TOOL)
    _, notes = tried(counter, router, *(turn(n, "tool") for n in range(9)))
    assert len(router.asked) == lab.FUTILE
    assert "given up after 3 failures" in notes[0] and "wrong key" in notes[0]


def test_a_kept_lab_is_measured_with_the_labels_of_today(tmp_path: Path, counter: Counter) -> None:
    path = tmp_path / "ccr.db"
    turns = [KeptTurn(f"step-{n}", n, None, "", "Do it.", "tool" if n == 1 else None) for n in (1, 2)]
    (variant,) = variants({"router": PRICE})
    candidates = [Candidate("mine", variant)]
    runs, asked = Runs(path), labkept.asked_for(candidates, 2, None, None)
    runs.begin("run-1", 5.0, labkept.KIND, "s", "title", "database", asked)
    told = {"step-1": ("think", "think"), "step-2": ("tool", "think")}
    for uid, agents in told.items():
        for nth, agent in enumerate(agents):
            said = asdict(Said(agent, 100, 50, 5, 1000))
            runs.keep("run-1", [("mine", uid if not nth else f"{uid}#{nth + 1}", 1, 1000, said)])
    money = Money({"step-1": {"tool": 0, "think": 7}, "step-2": {"tool": 0}}, 10, None)
    asked_all = lab.Asked({}, ("a note",), True, 4000)
    runs.end("run-1", finished=True, spent=4000, found=labkept.material(turns, OFFERED, candidates, money, asked_all))
    with closing(Reader(path)) as reader:
        row = reader.run("last", labs=True)
        plain, by_hand = (labkept.read(reader, row, given) for given in ({}, {"step-1": "think", "step-2": "think"}))
        assert plain and by_hand
        assert [(r.labelled, r.right, r.flips, r.paid, r.hops_cost) for r in plain.reports] == [(1, 0, 0.5, 4000, 7)]
        assert [(r.labelled, r.right) for r in by_hand.reports] == [(2, 1)]
        assert [turn.by for turn in by_hand.turns] == ["person", "person"]
        shown = labkept.shown(by_hand)
        assert (shown["spent_usd"], shown["routers"][0]["accuracy"]) == ("0.000004", 0.5)
        assert reader.runs() == []


# --- for other people ------------------------------------------------------------------------------------------------

NASTY = "=<script>alert(1)</script>|"


def exported() -> Found:
    """A lab whose every word would be markup if it could."""
    turns = [KeptTurn(f"u{n}", n, label, "person", f"{NASTY} {n}", "tool") for n, label in ((1, "think"), (2, "tool"))]
    told = {NASTY: {"u1": [Said("think", 100, 50, 5, 1000)], "u2": [Said(None, 100, 50, 5, 1000)]}}
    money = Money({"u1": {"tool": 0, "think": 700_000}, "u2": {"tool": 0}}, 10, 9_000_000)
    measured = labkept.measure(turns, OFFERED, {NASTY: "an-id"}, told, money)
    return Found(turns, OFFERED, *measured, "opus", (NASTY,), "run-1", "s", NASTY, 5.0, False, 2000, stopped="budget")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)


def test_a_lab_as_html_is_one_page_in_which_recorded_text_is_text() -> None:
    page = labexport.html(exported())
    found = Tags()
    found.feed(page)
    assert set(found.tags) <= {"html", "meta", "title", "style", "h1", "h2", "p", "table", "tr", "th", "td", "ul", "li"}
    assert found.tags.count("table") == 3 and "://" not in page and "not finished" in page


def test_a_lab_as_markdown_has_the_routers_the_confusion_and_the_turns() -> None:
    found = labexport.markdown(exported())
    assert "<script" not in found
    blocks = [block.split("\n") for block in found.split("\n\n") if block.startswith("|")]
    assert [len(block) - 2 for block in blocks] == [4, 2, 2]
    for block in blocks:
        assert len({line.replace("\\|", "").count("|") for line in block}) == 1
    assert "| 2 of 2 100% | 1 of 2 |" in blocks[0][2]
    assert [line.split(" | ")[-1] for line in blocks[2][2:]] == ["think |", "invalid |"]


def test_a_lab_as_csv_is_exact_and_no_formula() -> None:
    rows = list(csv.DictReader(StringIO(labexport.as_csv(exported()))))
    assert [row["router"] for row in rows][:2] == [f"'{NASTY}", "always tool"]
    assert (rows[0]["cost_usd"], rows[0]["right"], rows[0]["hops_cost_usd"]) == ("0.000002", "2", "0.0007")
    assert rows[0]["net_saving_usd"] == "0.00829799" and len(rows) == 4
