"""Which model answers, by which rule, and why the others passed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from asking import asked, assistant, call, law, picture, result, text, tool, user
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.config import Config, Model, Provider, Routing, UserRule, When
from ccr_tui.errors import NotFound
from ccr_tui.proxy.asked import about
from ccr_tui.proxy.matching import CONDITIONS, mismatch
from ccr_tui.proxy.question import Choice, Question, Verdict, find, resolve
from ccr_tui.proxy.routing import FIRST, RULES, counts, decide, settled
from ccr_tui.proxy.turn import goes_on, words
from ccr_tui.records import RouteDecision

AGENTS = ("default", "router", "tool", "coder", "think", "background", "long_context", "web_search", "image")
TITLE_FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
CLI = {"user-agent": "claude-cli/2.1.330 (external, cli)"}
TAG = "<CCR-SUBAGENT-MODEL>p,tagged</CCR-SUBAGENT-MODEL>"
LOOP = (user("go"), assistant(call("c1")), user(result("c1", "done")))
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
ADAPTIVE = {"thinking": {"type": "adaptive"}}


def config(mode: Any = "normal", agents: tuple[str, ...] = AGENTS, **more: Any) -> Config:
    """Each agent has a model called <agent>-m and, after it, one called spare; others are named by the rules."""
    names = [*(f"{agent}-m" for agent in AGENTS), "spare", "own", "said", "tagged"]
    models = {name: Model(name, "p", name) for name in names}
    return Config(
        mode=mode,
        providers={"p": Provider("p", "openai", "http://127.0.0.1:9/v1")},
        models=models,
        agents={agent: (f"{agent}-m", "spare") for agent in agents},
        **more,
    )


def route(body: Any, config: Config, headers: dict[str, str] | None = None, **known: Any) -> RouteDecision:
    return decide(question(body, config, headers, **known))


def question(body: Any, config: Config, headers: dict[str, str] | None = None, **known: Any) -> Question:
    heads = headers or {}
    return Question(about(body, heads), heads, config, body, **known)


DEFAULT, IMAGE, BACKGROUND, THINK, LONG_CONTEXT, WEB_SEARCH, ROUTER = (
    (rule, rule, f"{rule}-m")
    for rule in ("default", "image", "background", "think", "long_context", "web_search", "router")
)
CONTINUED, UNROUTED = ("continued", "tool", "tool-m"), ("unrouted", "tool", "tool-m")
HIGH, MAX, MEDIUM = ({**ADAPTIVE, "output_config": {"effort": effort}} for effort in ("high", "max", "medium"))
TAGGED = ("tagged", "tagged", "tagged")
SUBAGENT = {"headers": {**CLI, "x-claude-code-agent-id": "a"}}
PIN = {"headers": {"x-ccr-model": "said"}}
SYSTEM = {"role": "system", "content": "x"}
COMPACT = "CRITICAL: Respond with TEXT ONLY."
TITLE = {"output_config": {"format": TITLE_FORMAT}}
STEPPED_IN = "[Request interrupted by user for tool use]"
UNKNOWN = "which is neither a model nor an agent of ours"
MINE = (UserRule("mine", When(asked=("claude-*",)), ("own", "spare")),)
MAIN = {"tools": [tool(name) for name in "ABCD"]}
DECIDED: list[tuple[str, RouteDecision, tuple[str, str, str]]] = [
    (name, route(body, config(*given), **more), expected)
    for name, body, given, more, expected in [
        ("pinned", asked(model="claude-ccr-own"), (), PIN, ("pinned", "pinned", "said")),
        ("pinned by id", asked(), (), {"headers": {"x-ccr-model": "p/own"}}, ("pinned", "pinned", "own")),
        ("alias", asked(model="claude-ccr-own"), (), {}, ("explicit", "explicit", "own")),
        ("alias with a window", asked(model="claude-ccr-own[1m]"), (), {}, ("explicit", "explicit", "own")),
        ("name", asked(model="own"), (), {}, ("explicit", "explicit", "own")),
        ("name with a window", asked(model="own[1m]"), (), {}, ("explicit", "explicit", "own")),
        ("provider,model", asked(model="p,own"), (), {}, ("explicit", "explicit", "own")),
        ("provider,any model", asked(model="p,new"), (), {}, ("explicit", "explicit", "p,new")),
        ("tag in the system text", asked(system=f"You are. {TAG}"), (), {}, TAGGED),
        ("tag in a system block", asked(system=[text("x"), text(TAG)]), (), {}, TAGGED),
        ("tag in the first message", asked(user("a", f"b {TAG} c")), ("router",), {}, TAGGED),
        ("tag in a first string", asked(f"{TAG} go"), (), {}, TAGGED),
        ("tag with blanks", asked(TAG.replace("p,tagged", " p,tagged\n")), (), {}, TAGGED),
        ("tag of another model", asked(TAG.replace("tagged", "x")), (), {}, ("tagged", "tagged", "p,x")),
        ("tag that is unknown", asked(TAG.replace("p,", "q,")), (), {}, DEFAULT),
        ("tag in a reminder", asked(f"<system-reminder>\nuse {TAG}\n</system-reminder>hi"), (), {}, DEFAULT),
        ("tag in a later message", asked("a", assistant("b"), TAG), (), {}, DEFAULT),
        ("tag in a result", asked(user(result("c", TAG))), (), {}, DEFAULT),
        ("long", asked(), (), {"estimate": 60_001}, LONG_CONTEXT),
        ("not long", asked(), (), {"estimate": 60_000}, DEFAULT),
        ("not counted", asked(), (), {}, DEFAULT),
        ("web search", asked(tools=[SEARCH]), (), {}, WEB_SEARCH),
        ("web search, none set", asked(tools=[SEARCH]), ("normal", ("default",)), {}, DEFAULT),
        ("picture", asked(user("look", picture())), (), {}, IMAGE),
        ("picture in a result", asked("a", assistant(call("c")), user(result("c", picture()))), ("router",), {}, IMAGE),
        ("old picture", asked(user(picture()), assistant("a cat"), "thanks"), (), {}, DEFAULT),
        ("haiku", asked(model="claude-haiku-4-5"), ("router",), {}, BACKGROUND),
        ("title", asked(**TITLE), ("router",), {}, BACKGROUND),
        ("side question", asked(), ("router",), {"headers": {**CLI, "x-app": "cli-bg"}}, BACKGROUND),
        ("thinking", asked(**MAIN, **THINKING), (), {}, THINK),
        ("adaptive, high", asked(**MAIN, **HIGH), (), {}, THINK),
        ("adaptive, max", asked(**MAIN, **MAX), (), {}, THINK),
        ("adaptive, medium", asked(**MAIN, **MEDIUM), (), {}, DEFAULT),
        ("adaptive, not said", asked(**MAIN, **ADAPTIVE), (), {}, DEFAULT),
        ("thinking disabled", asked(**MAIN, thinking={"type": "disabled"}), (), {}, DEFAULT),
        ("thinking in Router mode", asked(**MAIN, **THINKING), ("router",), {}, ROUTER),
        ("a tool's result", asked(*LOOP, **MAIN), ("router",), {}, CONTINUED),
        ("a tool's result, Normal mode", asked(*LOOP, **MAIN), (), {}, DEFAULT),
        ("a subagent's result", asked(*LOOP, **MAIN), ("router",), SUBAGENT, CONTINUED),
        ("result and reminder", asked(*LOOP[:2], user(result("c1"), "Loaded."), **MAIN), ("router",), {}, CONTINUED),
        ("result, then a system message", asked(*LOOP, SYSTEM, **MAIN), ("router",), {}, CONTINUED),
        ("Escape", asked(*LOOP[:2], user(result("c1"), STEPPED_IN, "no"), **MAIN), ("router",), {}, ROUTER),
        ("a user's turn", asked("go", **MAIN), ("router",), {}, ROUTER),
        ("the next turn", asked(*LOOP, assistant("so"), "and now", **MAIN), ("router",), {}, ROUTER),
        ("a subagent's turn", asked("go", **MAIN), ("router",), SUBAGENT, ROUTER),
        ("another client", asked("go"), ("router",), {"headers": {}}, ROUTER),
        ("compaction", asked("a", assistant("b"), COMPACT, **MAIN), ("router",), {}, UNROUTED),
        ("a probe", asked("quota", max_tokens=1), ("router",), {"headers": {}}, UNROUTED),
        ("a beginning to go on from", asked("go", assistant("{"), **MAIN), ("router",), {}, UNROUTED),
        ("no background agent", asked(), ("router", ("router", "tool")), {"headers": CLI}, UNROUTED),
        ("nobody to ask", asked("go", **MAIN), ("router", ("tool", "default")), {}, UNROUTED),
        ("nobody with tools", asked(*LOOP, **MAIN), ("router", ("router", "default")), {}, DEFAULT),
        ("nothing special", asked(**MAIN), (), {}, DEFAULT),
    ]
]  # fmt: skip


@pytest.mark.parametrize(("decided", "expected"), [d[1:] for d in DECIDED], ids=[d[0] for d in DECIDED])
def test_a_rule_takes_what_it_is_for(decided: RouteDecision, expected: tuple[str, str, str]) -> None:
    assert (decided.rule, decided.agent, decided.model) == expected
    assert decided.considered[-1] == (decided.rule, decided.reason)
    assert [rule for rule, _ in decided.considered] == [rule.__name__ for rule in RULES[: len(decided.considered)]]


EVERYTHING = asked(
    *LOOP[:2],
    user(result("c1", picture())),
    model="p,own",
    system=TAG,
    tools=[SEARCH, tool()],
    **THINKING,
)
ORDERS = {
    "normal": ["pinned", "explicit", "tagged", "ruled", "custom", "long_context", "web_search", "image", "background",
               "think", "default"],
    "router": ["pinned", "explicit", "tagged", "ruled", "custom", "long_context", "web_search", "image", "background",
               "continued", "unrouted", "default"],
}  # fmt: skip


@pytest.mark.parametrize("mode", ORDERS)
def test_the_rules_stand_in_their_order(mode: str) -> None:
    """What every rule would take goes to the first; without that one to the second, and so on."""
    everything = replace(
        question(EVERYTHING, config(mode, rules=(UserRule("any", When(tools=("*",)), ("own",)),))),
        headers={"x-ccr-model": "said"},
        estimate=10**6,
        custom=Verdict("said"),
    )
    rest, winners = list(RULES), []
    while rest:
        winners.append(decide(everything, tuple(rest)).rule)
        rest = [rule for rule in rest if rule.__name__ != winners[-1]]
        if winners[-1] == "image":  # a haiku can't be asked for by a name of ours
            everything = replace(everything, asked=replace(everything.asked, model="claude-haiku-4-5"))
        if winners[-1] == "default":
            break
    assert winners == ORDERS[mode]


def test_every_reason_is_a_sentence() -> None:
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    for rule in RULES:
        said = " ".join((rule.__doc__ or "").split())
        assert said.endswith(".") and len(said) < 120, rule.__name__


PASSED = [
    ("tagged", asked(TAG.replace("p,", "q,")), {}, "the tag names 'q,tagged', which is no model of ours"),
    ("ruled", asked(), {}, "no [[rules]] are set"),
    ("custom", asked(), {}, "no routing.custom is set"),
    ("custom", asked(), {"custom": Verdict(None, "x.py left it open")}, "x.py left it open"),
    ("custom", asked(), {"custom": Verdict("nobody")}, f"it named 'nobody', {UNKNOWN}"),
    ("custom", asked(), {"custom": Verdict("router")}, f"it named 'router', {UNKNOWN}"),
    ("long_context", asked(), {}, "the tokens were not counted"),
    ("long_context", asked(), {"estimate": 7}, "about 7 tokens, not over 60000"),
    ("web_search", asked(), {}, "no web_search tool"),
    ("image", asked(), {}, "no picture in the newest turn"),
    ("background", asked(**MAIN), {}, "no haiku-class model asked for, and main is no side task"),
    ("think", asked(**MAIN), {}, "no thinking asked for"),
    ("think", asked(**MAIN, **ADAPTIVE), {}, "adaptive thinking with effort not said"),
    ("continued", asked(**MAIN), {}, "the mode is normal"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "body", "known", "why"), PASSED, ids=[f"{p[0]}-{n}" for n, p in enumerate(PASSED)])
def test_a_rule_that_passes_says_why(rule: str, body: Any, known: dict[str, Any], why: str) -> None:
    assert dict(route(body, config(), **known).considered)[rule] == why


ROUTER_PASSED = [
    (asked("go", **TITLE), "the router is not asked about a title request"),
    (asked("go", max_tokens=1, **MAIN), "a probe of one token"),
    (asked("go", max_tokens=0, **MAIN), "it only warms the prompt cache"),
    (asked("go", assistant("x"), **MAIN), "no user's turn begins"),
    (asked("go", **MAIN), "no router agent is set"),
]


@pytest.mark.parametrize(("body", "why"), ROUTER_PASSED, ids=[why for _, why in ROUTER_PASSED])
def test_why_the_router_is_not_asked(body: Any, why: str) -> None:
    assert dict(route(body, config("router", ("tool", "default"))).considered)["router"] == why


def test_a_body_that_was_not_looked_at_is_never_the_routers() -> None:
    unseen = replace(question(asked("go", **MAIN), config("router")), body=None)
    assert decide(unseen).rule == "unrouted"


@pytest.mark.parametrize("asked_model", ["claude-ccr-nobody", "q,own", "p,"])
def test_a_name_that_was_asked_for_and_is_not_ours_is_refused(asked_model: str) -> None:
    with pytest.raises(NotFound, match="Known: background-m"):
        route(asked(model=asked_model), config())


def test_nobody_at_all_is_refused() -> None:
    with pytest.raises(NotFound, match="OPENAI_MODEL"):
        route(asked(), config(agents=()))


def test_a_name_is_resolved_as_it_is_found() -> None:
    ours = config()
    assert find(ours, "p,own[1m]") == "own"
    assert (resolve(ours, "p,new/one").id, resolve(ours, "own").id) == ("new/one", "own")


def test_the_agents_fallbacks_go_along() -> None:
    assert route(asked(), config()).fallbacks == ("spare",)
    assert route(asked(model="p,own"), config()).fallbacks == ()
    assert route(asked(), config(rules=MINE)).fallbacks == ("spare",)
    by_agent = (UserRule("x", When(asked=("*",)), agent="background"),)
    assert route(asked(), config(rules=by_agent)).fallbacks == ("spare",)


# --- windows -----------------------------------------------------------------------------------------------------

WINDOWS = [
    ("the threshold counts in a large window", 200_000, None, 1000, 60_001, True),
    ("and holds nothing below it", 200_000, None, 1000, 60_000, False),
    ("a small window counts before the threshold", 32_000, None, 1000, 31_001, True),
    ("with room for the answer", 32_000, None, 1000, 31_000, False),
    ("but never more than a quarter", 32_000, None, 128_000, 24_000, False),
    ("or rather just that", 32_000, None, 128_000, 24_001, True),
    ("a larger agent is no worse when it is too small", 32_000, 64_000, 1000, 80_000, True),
    ("a smaller agent is of no use", 128_000, 64_000, 1000, 80_000, False),
]


@pytest.mark.parametrize(
    ("usual", "own", "most", "tokens", "long"), [w[1:] for w in WINDOWS], ids=[w[0] for w in WINDOWS]
)
@pytest.mark.parametrize("mode", ["normal", "router"])
def test_long_is_what_the_usual_model_can_not_take(
    mode: str, usual: int, own: int | None, most: int, tokens: int, long: bool
) -> None:
    ours = config(mode)
    speaks = "tool-m" if mode == "router" else "default-m"
    models = {**ours.models, speaks: replace(ours.models[speaks], context=usual)}
    models["long_context-m"] = replace(models["long_context-m"], context=own)
    decided = route(asked(max_tokens=most), replace(ours, models=models), estimate=tokens)
    assert (decided.rule == "long_context") is long


def test_the_threshold_is_the_users() -> None:
    ours = config(routing=Routing(long_context_over=10))
    decided = route(asked(), ours, estimate=11)
    assert (decided.rule, decided.reason.split(". ")[1]) == ("long_context", "About 11 tokens, over 10.")


def test_the_think_agent_of_router_mode_is_not_normal_modes() -> None:
    ours = config(origins={"agents.think": "environment THINK_AGENT_MODEL"})
    decided = route(asked(**MAIN, **THINKING), ours)
    assert decided.rule == "default"
    assert dict(decided.considered)["think"] == "environment THINK_AGENT_MODEL sets the think agent of Router mode"


# --- rules of the user's own -------------------------------------------------------------------------------------

HERE = {"system": "Working directory: /home/me/private/x"}
EXPLORE = {**CLI, "x-claude-code-agent-id": "a1", "x-claude-code-agent-type": "Explore"}
CONDITION: list[tuple[str, When, Any, dict[str, Any], str | None]] = [
    ("project", When(project=("/home/me/private/x",)), asked(**HERE), {}, None),
    ("project above", When(project=("/home/me/private",)), asked(**HERE), {}, None),
    ("project glob", When(project=("/srv", "/home/*/private*")), asked(**HERE), {}, None),
    ("project like it", When(project=("/home/me/priv",)), asked(**HERE), {},
     "project is /home/me/private/x, not /home/me/priv"),
    ("no project", When(project=("/a", "/b")), asked(), {}, "project is not known, not /a or /b"),
    ("root project", When(project=("/",)), asked(**HERE), {}, None),
    ("asked", When(asked=("*opus*",)), asked(), {}, None),
    ("asked another", When(asked=("*haiku*",)), asked(), {}, "'claude-opus-5-5' is asked for, not *haiku*"),
    ("kind", When(kind=("title", "main")), asked(**MAIN), {}, None),
    ("another kind", When(kind=("title",)), asked(**MAIN), {}, "kind is main, not title"),
    ("a subagent", When(subagent=True), asked(**MAIN), {"headers": EXPLORE}, None),
    ("not a subagent", When(subagent=False), asked(**MAIN), {"headers": EXPLORE}, "a subagent asks"),
    ("no subagent", When(subagent=True), asked(**MAIN), {}, "no subagent asks"),
    ("agent type", When(agent_type=("Expl*",)), asked(**MAIN), {"headers": EXPLORE}, None),
    ("no agent type", When(agent_type=("Plan",)), asked(**MAIN), {}, "agent type is not known, not Plan"),
    ("tokens", When(tokens_over=9), asked(), {"estimate": 10}, None),
    ("not so many tokens", When(tokens_over=9), asked(), {"estimate": 9}, "about 9 tokens, not over 9"),
    ("tokens not counted", When(tokens_over=9), asked(), {}, "tokens were not counted, not over 9"),
    ("tools", When(tools=("mcp__*", "A")), asked(**MAIN), {}, None),
    ("other tools", When(tools=("mcp__*",)), asked(**MAIN), {}, "no tool mcp__* is offered"),
    ("no tools", When(tools=("mcp__*",)), asked(), {}, "no tool mcp__* is offered"),
    ("text", When(text=re.compile("(?i)DEPLOY")), asked("please deploy it"), {}, None),
    ("other text", When(text=re.compile("deploy")), asked("hi"), {}, "the person's text has no 'deploy'"),
    ("text of a reminder", When(text=re.compile("deploy")),
     asked(user("<system-reminder>never deploy</system-reminder>", "hi")), {}, "the person's text has no 'deploy'"),
    ("text that began the loop", When(text=re.compile("^go$")), asked(*LOOP), {}, None),
    ("text before", When(text=re.compile("go")), asked(*LOOP, assistant("so"), "hi"), {},
     "the person's text has no 'go'"),
    ("all must hold", When(asked=("*opus*",), kind=("title",)), asked(**MAIN), {}, "kind is main, not title"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "body", "known", "why"), [c[1:] for c in CONDITION], ids=[c[0] for c in CONDITION])
def test_a_condition_holds_or_says_what_is_missing(
    when: When, body: Any, known: dict[str, Any], why: str | None
) -> None:
    assert mismatch(when, question(body, config(), **known)) == why


def test_each_key_of_when_has_its_condition() -> None:
    assert sorted(condition.__name__ for condition in CONDITIONS) == sorted(f"_{name}" for name in When.__slots__)


def test_the_first_of_the_users_rules_wins_and_each_says_why() -> None:
    rules = (UserRule("a", When(kind=("title",)), ("own",)), *MINE, UserRule("z", When(asked=("*",)), agent="image"))
    won = route(asked(**MAIN), config(rules=rules))
    assert (won.rule, won.agent, won.model, won.reason.endswith("It is 'mine'.")) == ("ruled", "ruled", "own", True)
    passed = route(asked(model="gpt", **MAIN), config(rules=rules[:2]))
    assert dict(passed.considered)["ruled"] == (
        "'a': kind is main, not title; 'mine': 'gpt' is asked for, not claude-*"
    )
    assert route(asked(model="gpt"), config(rules=rules)).agent == "image"


def test_the_users_file_names_a_model_or_an_agent() -> None:
    for said, expected in [("own", ("custom", "own")), ("p,x", ("custom", "p,x")), ("image", ("image", "image-m"))]:
        decided = route(asked(), config(), custom=Verdict(said))
        assert (decided.rule, (decided.agent, decided.model)) == ("custom", expected)


def test_tokens_are_counted_only_where_a_rule_needs_them() -> None:
    plain = config(agents=("default",))
    assert not counts(plain)
    assert counts(config(agents=("default", "long_context")))
    assert counts(replace(plain, rules=(UserRule("x", When(tokens_over=1), ("own",)),)))
    assert not settled(question(asked(), plain)) and settled(question(asked(model="own"), plain))


# --- laws --------------------------------------------------------------------------------------------------------

_BODIES = st.builds(
    lambda messages, more: asked(*messages, **more),
    st.sampled_from([("go",), LOOP, (user(picture()),), (TAG,), ("go", assistant("x"))]),
    st.sampled_from([{}, MAIN, THINKING, {"tools": [SEARCH]}, {"model": "claude-haiku-4-5"}, {"max_tokens": 1}]),
)
_CONFIGS = st.builds(
    lambda mode, agents, rules: config(mode, ("default", *agents), rules=rules),
    st.sampled_from(["normal", "router"]),
    st.sets(st.sampled_from(AGENTS[1:])).map(tuple),
    st.sampled_from([(), MINE]),
)


@law
@given(body=_BODIES, ours=_CONFIGS, estimate=st.none() | st.integers(0, 200_000))
def test_the_first_rule_that_chooses_wins_and_those_before_say_why(
    body: Any, ours: Config, estimate: int | None
) -> None:
    asks = question(body, ours, estimate=estimate)
    decided = decide(asks)
    answers = [rule(asks) for rule in RULES[: len(decided.considered)]]
    assert isinstance(answers[-1], Choice) and answers[-1].model == decided.model
    assert answers[:-1] == [why for _, why in decided.considered[:-1]]
    assert all(why and isinstance(why, str) for _, why in decided.considered)
    assert decided.model in ours.models and decided.mode == ours.mode


@law
@given(body=_BODIES, ours=_CONFIGS, turns=st.integers(1, 5))
def test_in_a_tool_loop_nobody_asks_the_router(body: Any, ours: Config, turns: int) -> None:
    for n in range(turns):
        body = {**body, "messages": [*body["messages"], assistant(call(f"c{n}")), user(result(f"c{n}", "ok"))]}
        assert decide(question(body, ours)).rule != "router"
        assert goes_on(body)


@law
@given(said=st.text(st.characters(exclude_characters="<["), min_size=1).filter(str.strip), turns=st.integers(0, 4))
def test_the_persons_words_stay_the_same_through_a_tool_loop(said: str, turns: int) -> None:
    messages = [user("<system-reminder>x</system-reminder>"), user(said)]
    before = words(asked(*messages))
    for n in range(turns):
        messages += [assistant(call(f"c{n}")), user(result(f"c{n}"), "Tool loaded.")]
    assert words(asked(*messages)) == before
    assert before == said.strip()


def test_the_rules_that_need_nothing_come_first() -> None:
    assert RULES[: len(FIRST)] == FIRST
