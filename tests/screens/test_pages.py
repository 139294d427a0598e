"""The tabs of a trace, as text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from generated import attempt, failed, recorded, reply, trace

from ccr_tui.records import Failure, RouteDecision, TimelineEvent, Trace, Usage
from ccr_tui.screens import failing
from ccr_tui.screens.bodies import received_document, sent_document
from ccr_tui.screens.conversation import conversation_document
from ccr_tui.screens.lines import Document
from ccr_tui.screens.overview import bars_of, overview_document
from ccr_tui.screens.route import route_document
from ccr_tui.screens.stream import stream_document


def text(document: Document, folded: bool = True) -> str:
    """The document as it opens, or with everything unfolded."""
    lines, index = [], 0
    while index < len(document.lines):
        line = document.lines[index]
        hidden = folded and index in document.folded
        lines.append(line.shown(hidden)[0].rstrip())
        index = line.until if hidden else index + 1
    return "\n".join(lines)


TALK = {
    "model": "claude-opus-5-5",
    "system": [{"type": "text", "text": "You are Claude Code."}],
    "tools": [{"name": "Bash", "description": "Runs a command.\nMore."}, {"name": "Read"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>\nBe brief.\n</system-reminder>"},
                {"type": "text", "text": "What is here?"},
            ],
        },
        {"role": "system", "content": "# Environment\nlinux"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look first.", "signature": "x"},
                {"type": "text", "text": "I'll look.\nNow."},
                {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls -la", "timeout": 5}},
                {"type": "tool_use", "id": "t2", "name": "Read", "input": {"file_path": "/x/\x1b[2Jy.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "a\nb\nc\nd\ne"},
                {"type": "tool_result", "tool_use_id": "t2", "content": "no such file", "is_error": True},
                {"type": "tool_result", "tool_use_id": "gone", "content": "an orphan"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA" * 300}},
                {"type": "hologram", "beam": 1},
            ],
        },
    ],
}

TALKED = """\
▸ system prompt · 20 characters
▸ 2 tools · Bash Read

▸ reminder · Be brief. · 9 characters

❯ What is here?

▸ system · # Environment · 19 characters

▸ ✻ thinking · Look first. · 11 characters

● I'll look.
  Now.

● Bash(ls -la) ▸
  ⎿ a
    b
    c
    ▸ 2 more lines

● Read(/x/␛[2Jy.py) ▸
  ⎿ ✗ no such file

  ⎿ an orphan

❯ [image image/png 900B]

❯ {"type": "hologram", "beam": 1}

── the reply to this request ──────────────────────────────

● Answer 0.

  stop: end_turn"""


def test_a_conversation_reads_as_claude_code_shows_it() -> None:
    assert text(conversation_document(trace(body=TALK, reply=reply(TALK)))) == TALKED


def test_a_conversation_opens_at_the_last_thing_that_a_person_said() -> None:
    document = conversation_document(trace(body=TALK, reply=reply(TALK)))
    assert document.lines[document.at].text.startswith('❯ {"type": "hologram"')


def asides(*said: tuple[str, str]) -> list[Any]:
    return [{"type": "thinking", "thinking": text, "signature": f"ccr-tui.v1.{mark}"} for mark, text in said]


def test_thinking_that_says_nothing_is_told_as_that() -> None:
    """As Anthropic sends it where it is omitted, and we where only the provider can read it."""
    silent = {"type": "thinking", "thinking": "", "signature": "AbC="}
    record = trace(
        body={"messages": [{"role": "user", "content": "q"}]}, reply={"content": [silent], "stop_reason": "end_turn"}
    )
    assert "✻ thinking · [nothing of it can be read here]" in text(conversation_document(record))


def test_work_done_aside_is_told_with_its_agent_and_its_model() -> None:
    old = asides(("aside", "hm"), ("result.coder", "def f(): ..."))
    new = asides(
        ("aside.think", "Let me see."), ("result.think", "A heap."), ("result.coder", "code"), ("result.think", "Yes.")
    )
    record = trace(
        body={"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": old}]},
        reply={"content": [*new, {"type": "text", "text": "done"}], "stop_reason": "end_turn"},
        attempts=tuple(
            attempt(n, purpose=purpose, model=model)
            for n, (purpose, model) in enumerate(
                [("route", "r"), ("think", "r1"), ("think", "r2"), ("route", "r"), ("code", "q3"), ("think", "r3"),
                 ("answer", "t")], 1
            )
        ),
    )  # fmt: skip
    shown = text(conversation_document(record)).split("\n")
    assert [line for line in shown if "✻" in line] == [
        "▸ ✻ agent · its thinking · hm · 2 characters",
        "▸ ✻ coder agent · its result · def f(): ... · 12 characters",
        "▸ ✻ think agent · r2 · its thinking · Let me see. · 11 characters",
        "▸ ✻ think agent · r2 · its result · A heap. · 7 characters",
        "▸ ✻ coder agent · q3 · its result · code · 4 characters",
        "▸ ✻ think agent · r3 · its result · Yes. · 4 characters",
    ]


def test_nothing_of_a_conversation_is_lost_when_all_is_unfolded() -> None:
    whole = text(conversation_document(trace(body=TALK)), folded=False)
    for words in ("You are Claude Code.", "Runs a command.", "linux", '"timeout": 5', "    e", "Be brief."):
        assert words in whole


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (failed(), "✗ 429 dashscope says: slow down; try again in 20 s."),
        (trace(outcome="cancelled", reply=None), "⊘ the client hung up"),
        (replace(trace(), body=None, raw=b"{", reply=None), "could not be read"),
        (replace(trace(), body=[1, 2]), "could not be read"),
        (replace(trace(), body={"messages": [3, {"role": "user"}, {"content": 7}], "system": 5, "tools": {}}), "7"),
    ],
    ids=["failed", "cancelled", "not JSON", "a list", "nonsense"],
)
def test_a_conversation_says_what_is_wrong(record: Trace, words: str) -> None:
    assert words in text(conversation_document(record))


OVERVIEW = """\
asked for  claude-opus-5-5
answered   qwen-max at dashscope
outcome    ✓ ok · 200 · end_turn · streamed
when       {when} · 1.9 s · first token after 0.43 s
route      normal · default · default
from       main · project /home/ada/engine · session 5d1f0a52-0000-4000-8000-000000000001

Time  1.9 s
parse                    2 ms ▏
route                    1 ms ▏
until headers           80 ms ██
until first token      0.34 s  ████████▎
stream                  1.4 s          ███████████████████████████████

Tokens
                      estimate     reported
input                    10.1k        10.0k   the estimate was 1.0 % too high
  from cache                           9.0k   90%
output                                  200
  reasoning                              50   25%
the estimate is of all that the client sent; Tokens tells what was left out of it

Cost  $0.0043
                        tokens  per million         cost
input                     1.0k        $1.60      $0.0016
cache read                9.0k        $0.16      $0.0014
output                     200        $6.40      $0.0013
total                                            $0.0043   your own price, config.toml, 2026-11-22

Cache
saved                   $0.013   less than the same tokens cost without a cache
lost                         …"""


def test_the_overview_has_the_waterfall_the_tokens_and_the_cost() -> None:
    shown = text(overview_document(trace(), 71))
    when = next(line for line in shown.split("\n") if line.startswith("when"))
    assert shown == OVERVIEW.replace("{when}", when.split(" · ")[0].removeprefix("when").strip())


def test_the_overview_says_the_error_in_its_sentence() -> None:
    shown = text(overview_document(failed(), 80))
    assert "✗ dashscope says: slow down; try again in 20 s." in shown
    assert "Error  429 rate_limit_error" in shown
    useless = replace(failed(), failure=Failure(401, "authentication_error", "Set the key.", False))
    assert "retrying is useless, and the client was told so" in text(overview_document(useless, 80))


def test_an_unknown_price_is_a_question_mark_and_names_its_cure() -> None:
    record = trace(attempts=(attempt(price=None, cost=None, cost_basis="unknown"),))
    shown = text(overview_document(record, 80))
    assert "Cost  ?" in shown
    assert "[models.NAME] price in config.toml" in shown


ROUTED = trace(
    decision=RouteDecision(
        "router",
        "think",
        "deepseek",
        "consulted",
        "it is a plan",
        ("qwen",),
        (("image", "none"), ("consulted", "it is a plan")),
    ),
    attempts=(
        attempt(
            1,
            purpose="route",
            model="qwen-3b",
            sent={"messages": [{"role": "user", "content": "Which \x1b agent?"}]},
            cost=10_000,
            duration_ms=300,
            ttft_ms=100,
        ),
        attempt(2, failure=Failure(503, "api_error", "Overloaded."), status=503, usage=None, cost=None, stream=()),
        attempt(3, model="deepseek-v4-pro", provider="deepseek", notes=("top_k was dropped",)),
    ),
)


def test_the_route_has_every_rule_and_every_hop() -> None:
    shown = text(route_document(ROUTED))
    assert "· image      none" in shown
    assert "✓ consulted  it is a plan" in shown
    assert "✓ 1 route    qwen-3b at dashscope · 200 · 0.30 s · 10.0k in · 200 out · $0.000010" in shown
    assert "question  Which ␛ agent?" in shown
    assert "✗ 2 answer   qwen-max at dashscope · 503" in shown
    assert "Overloaded." in shown


BY_PART = """\
Tokens of the answer  those of the others stand at Cost
                      estimate     reported
input                    10.1k        10.0k   the estimate was 1.0 % too high
  from cache                           9.0k   90%
output                                  200
  reasoning                              50   25%

Cost  $0.0043
part      calls      in  cached     out       time       cost   share
router        1   10.0k    9.0k     200     0.30 s  $0.000010     <1%
answer        2   10.0k    9.0k     200      3.6 s    $0.0043     99%
all           3   20.0k   18.0k     400      3.9 s    $0.0043        """


def test_each_part_of_a_routed_turn_has_its_tokens_and_its_cost() -> None:
    shown = text(overview_document(ROUTED, 80))
    for line in BY_PART.split("\n"):
        assert line.rstrip() in [found.rstrip() for found in shown.split("\n")], line


def test_what_nobody_is_known_to_bill_is_a_dash() -> None:
    shown = text(overview_document(failed(), 80))
    assert "Cost  –" in shown
    assert "?" not in shown.partition("Cost")[2]


@pytest.mark.parametrize(
    ("status", "why", "tries", "words"),
    [
        (429, "qwen answered 429: slow down", 1, "qwen answered 429: slow down"),
        (429, "slow down", 1, "429 slow down"),
        (429, "qwen answered 4291: slow down", 3, "3 tries: 429 qwen answered 4291: slow down"),
        (0, "gone", 1, "gone"),
    ],
)
def test_a_failure_says_its_status_once(status: int, why: str, tries: int, words: str) -> None:
    assert failing.sentence(status, why, tries) == words


QUESTION = {
    "messages": [
        {"role": "system", "content": "You dispatch work."},
        {"role": "user", "content": "The request:\nfix \x1b it\n\n3 messages so far."},
    ]
}


def dispatched(*steps: tuple[str, str], calls: str) -> Trace:
    """A turn of Router mode: its steps as the decision has them, and its calls by their purposes."""
    rules = (("pinned", "no header"), ("router", "a turn begins"))
    made = [
        attempt(n, purpose=purpose, model=purpose, sent=QUESTION if purpose == "route" else {}, cost=n * 1_000_000)
        for n, purpose in enumerate(calls.split(), 1)
    ]
    return trace(
        decision=RouteDecision("router", "tool", "qwen", "router", "how it came", (), (*rules, *steps)),
        attempts=tuple(made),
    )


CONSULTED = dispatched(
    ("router", 'think: llm_classifier: {"use": "thinker"}'),
    ("think", "44 characters"),
    ("router", "tool: parse_failure_fallback: I would\nrather not."),
    calls="route think route route answer",
)


def test_each_consultation_has_its_question_its_answer_and_what_it_was_taken_for() -> None:
    shown = text(route_document(CONSULTED))
    assert "Router  asked 3 times · 5.4 s · $0.0080" in shown
    order = [
        "✓ 1 asked    route",
        "question  fix ␛ it",
        'answered  {"use": "thinker"}',
        "means     think · as the router said (llm_classifier)",
        "✓ 2 think    think",
        "gave      44 characters for the next",
        "✓ 3 asked",
        "✓ 4 asked",
        "answered  I would",
        "rather not.",
        "means     tool · no agent can be read from it, so the tool agent goes on (parse_failure_fallback)",
        "✓ 5 answer",
        "· pinned  no header",
        "✓ router  a turn begins",
    ]
    places = [shown.index(words) for words in order]
    assert places == sorted(places)
    assert shown.count("a turn begins") == 1


@pytest.mark.parametrize(
    ("told", "calls", "shown"),
    [
        ('tool: router_cache: {"use": "tool"}', "answer", "· not asked   tool · it was asked the very same before"),
        ("tool: router_timeout_fallback", "route answer", "answered  nothing"),
        ("tool: router_error_fallback: cast said 400", "route answer", "it could not be asked"),
        ("tool: max_hops_reached", "answer", "it was asked routing.max_hops times"),
        ("tool: a_new_cause", "answer", "tool · a_new_cause"),
    ],
    ids=["remembered", "late", "refused", "enough", "unknown"],
)
def test_a_router_without_a_verdict_says_why(told: str, calls: str, shown: str) -> None:
    assert shown in text(route_document(dispatched(("router", told), calls=calls)))


def test_an_agent_that_gave_nothing_is_said() -> None:
    steps = (("router", "think: llm_classifier: think"), ("think", "think_failed_fallback: K is not set."))
    assert "it gave nothing, so the tool agent goes on: K is not set." in text(
        route_document(dispatched(*steps, calls="route answer"))
    )
    assert "it gave nothing, so the tool agent goes on" in text(
        route_document(dispatched(*steps, calls="route think answer"))
    )


def test_why_an_agent_failed_stands_with_its_calls_and_who_was_passed_over_with_the_rules() -> None:
    steps = (
        ("router", "think: llm_classifier: think"),
        ("breaker_open", "r1 was passed over: deepseek failed 5 times in a row"),
        ("think", "think_failed_fallback: deepseek answered 503"),
    )
    shown = text(route_document(dispatched(*steps, calls="route think think answer")))
    assert "✓ 3 think" in shown
    assert "gave      it gave nothing" in shown
    assert shown.index("a turn begins") < shown.index("breaker_open") < shown.index("passed over")
    assert "asked 1 time " in shown


def test_a_wide_terminal_shows_what_the_router_was_asked() -> None:
    narrow, wide = route_document(CONSULTED), route_document(CONSULTED, 200)
    first = min(narrow.folded)
    assert narrow.folded - wide.folded == {first} and "question" in narrow.lines[first].text
    assert "because    " in text(wide) and "as the router said (llm_classifier)" in text(wide)


def test_the_routers_question_is_folded_below_its_first_line() -> None:
    page = route_document(CONSULTED)
    heads = [page.lines[at] for at in sorted(page.folded)]
    assert [head.closed.strip() for head in heads] == ["question  fix ␛ it  ▸"] * 2
    assert "You dispatch work." not in text(page)
    assert "You dispatch work." in text(replace(page, folded=frozenset()))


def test_the_overview_says_what_each_part_of_the_work_cost() -> None:
    lines = text(overview_document(CONSULTED, 100)).split("\n")
    parts = [line.split() for line in lines if line.startswith(("router  ", "think  ", "answer  "))]
    assert parts == [
        ["router", "3", "30.0k", "27.0k", "600", "5.4", "s", "$0.0080", "53%"],
        ["think", "1", "10.0k", "9.0k", "200", "1.8", "s", "$0.0020", "13%"],
        ["answer", "1", "10.0k", "9.0k", "200", "1.8", "s", "$0.0050", "33%"],
    ]
    assert any("route      router · tool · router · how it came" in line for line in lines)


def test_a_route_that_was_never_decided_says_why() -> None:
    assert "the request was refused before" in text(route_document(failed(decision=None)))


def test_the_waterfall_of_several_attempts_has_each_with_its_parts() -> None:
    names = [name for name, _, _, _ in bars_of(ROUTED)]
    assert names[:2] == ["parse", "route"]
    assert [name for name in names if name[0].isdigit()] == [
        "1 route qwen-3b",
        "2 answer qwen-max",
        "3 answer deepseek-v4-pro",
    ]
    assert names.count("  wait") == 3


def test_what_was_waited_before_another_try_is_a_pause() -> None:
    first = attempt(1, failure=Failure(429, "rate_limit_error", "Slow."), usage=None, cost=None, cost_basis="unknown")
    ended = first.started_at + first.duration_ms / 1000
    again = attempt(2, started_at=ended + 2)
    record = trace(started_at=first.started_at, attempts=(first, again), duration_ms=9000)
    assert ("pause", first.duration_ms, first.duration_ms + 2000, "muted") in bars_of(record)
    shown = text(overview_document(record, 120))
    assert "1 answer qwen-max  ended before any token was counted" in shown


def test_what_failed_was_sent_to_a_model_that_did_not_answer() -> None:
    refused = attempt(failure=Failure(400, "invalid_request_error", "No."), usage=None, cost=None, cost_basis="unknown")
    shown = text(overview_document(failed(attempts=(refused,)), 80))
    assert "sent to    qwen-max at dashscope" in shown
    assert "streamed" not in shown


def test_what_was_sent_several_times_folds_by_attempt_and_the_answer_is_open() -> None:
    shown = text(sent_document(ROUTED))
    assert "▸ 1 route · qwen-3b at dashscope" in shown
    assert "▾ 3 answer · deepseek-v4-pro at deepseek" in shown
    assert "  · top_k was dropped" in shown
    assert shown.count('"stream": true') == 1


def test_folds_of_what_was_sent_stay_inside_it_behind_notes() -> None:
    document = sent_document(
        trace(attempts=(attempt(notes=("one", "two"), sent=list(recorded(1, 3))[-1].attempts[0].sent),))
    )
    assert [line.text for line in document.lines[:3]] == ["· one", "· two", "{"]
    assert document.lines[2].until == len(document.lines)
    assert all(document.lines[i].until > i for i in document.folded)


def test_a_body_that_is_no_json_is_shown_as_it_came() -> None:
    shown = text(received_document(replace(trace(), body=None, raw=b'{"model": \x1b[2J \xff')))
    assert shown == 'not JSON; as it came:\n{"model": ␛[2J �'


TIMELINE = (
    TimelineEvent(430, "message_start"),
    TimelineEvent(440, "content_block_start", 0),
    TimelineEvent(441, "content_block_delta", 0, 4),
    TimelineEvent(2500, "content_block_delta", 0, 3),
    TimelineEvent(2501, "content_block_delta", 1, 12),
    TimelineEvent(2510, "message_stop"),
)


def test_the_stream_finds_the_text_of_each_event_again() -> None:
    content = [{"type": "text", "text": "Hel\nlo!"}, {"type": "tool_use", "name": "Read", "input": {"a": "bcd"}}]
    shown = text(stream_document(trace(timeline=TIMELINE, reply=reply({"model": "x"}, content=content))))
    rows = shown.split("\n")
    assert rows[-7:] == [
        "   0.43 s  message_start",
        "   0.44 s  content_block_start   1 text",
        "   0.44 s  content_block_delta   1 text                    4  Hel⏎",
        "           ⏸ 2.1 s of silence",
        "   2.50 s  content_block_delta   1 text                    3  lo!",
        '   2.50 s  content_block_delta   2 Read                   12  {"a": "bcd"}',
        "   2.51 s  message_stop",
    ]


def test_the_stream_shows_no_text_that_it_can_not_know() -> None:
    content = [{"type": "text", "text": "x"}, {"type": "tool_use", "name": "Read", "input": {"a": "something else"}}]
    assert "something" not in text(
        stream_document(trace(timeline=TIMELINE, reply=reply({"model": "x"}, content=content)))
    )
    assert "no events were sent" in text(stream_document(trace(timeline=())))


def test_figures_of_the_routers_part_stand_apart() -> None:
    used = {"usage": Usage(999_900, 123_400, cache_read=999_900, basis="estimated"), "duration_ms": 723_000}
    route = attempt(1, purpose="route", cost=12_000, cost_basis="list", **used)
    answer = attempt(2, cost=1_234_567, cost_basis="list", **used)
    page = overview_document(trace("a", attempts=(route, answer)), 80)
    said = text(page).split("\n")
    line = next(line for line in said if line.startswith("router "))
    assert "12 m 03 s " in line and " ~$0.000012 " in line, line
    assert len(line) <= 76
