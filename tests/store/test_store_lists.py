"""What lists ask: filters in their language, any order from any key, who said what, turns, bookmarks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import generated
import pytest

from ccr_tui.errors import StoreError
from ccr_tui.filtering import parse
from ccr_tui.records import Price, Trace, Usage
from ccr_tui.screens import show
from ccr_tui.store import archive, marks, mentions, phrases, schema
from ccr_tui.store.queries import Filter, Order, Reader
from ccr_tui.store.verify import verify

Keep = Callable[[Iterable[Trace]], None]
T = generated.STARTED


def user(*texts: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}


def answer(**changes: Any) -> Any:
    return generated.attempt(**changes)


SOME = [
    generated.trace("a", user("Fix the parser"), started_at=T, session="one"),
    generated.trace("b", user("Naïve 中文"), started_at=T + 100, session="two", project="/x/web", duration_ms=40_000),
    generated.trace("c", started_at=T + 200, agent_id="sub1", kind="subagent", session="one"),
    generated.failed("d", started_at=T + 300, session="one"),
    generated.trace(
        "e",
        user("Mend it"),
        started_at=T + 400,
        session=None,
        project=None,
        attempts=(answer(model="deepseek-flash", provider="deepseek", cost=None, cost_basis="unknown", price=None),),
    ),
    generated.trace("f", attempts=(), decision=None, outcome="cancelled", reply=None, session=None, started_at=T + 500),
    generated.trace("g", started_at=T + 600, session="one", attempts=(answer(usage=Usage(9000, 10), cost=90_000_000),)),
]


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("some") / "ccr.db"
    archive.take_in(path, SOME)
    reader = Reader(path)
    marks.mark(path, reader.row("b").n, True)
    marks.note(path, reader.row("d").n, "flaky provider")
    yield reader
    reader.close()


def ids(rows: Iterable[Any]) -> str:
    return " ".join(row.id for row in rows)


FILTERS = [
    ("error", "d"),
    ("!error", "g f e c b a"),
    ("ok session:one", "g c a"),
    ("session:*", "g d c b a"),
    ("!session:*", "f e"),
    ("agent:subagent", "c"),
    ("kind:sub", "c"),
    ("subagent:*", "c"),
    ("subagent:sub1", "c"),
    ("model:deepseek*", "e"),
    ("model:QWEN-MAX,deepseek-flash error", "d"),
    ("!model:qwen*", "f"),
    ("provider:deepseek", "e"),
    ("asked:*opus*", "g f e d c b a"),
    ("asked:opus-5-5", "g f e d c b a"),
    ("asked:claude-opus-5-5", "g f e d c b a"),
    ("asked:opus-5", ""),
    ("model:max", ""),
    ("!asked:opus-5-5", ""),
    ("project:web", "b"),
    ("project:*w*", "b"),
    ("project:%", ""),
    ("cost>0.05", "g"),
    ("!cost>0.05", "f e d c b a"),
    ("cost<=0.00432", "c b a"),
    ("unpriced", "e"),
    ("cached<50%", "g"),
    ("cached=90", "e c b a"),
    ("tokens>10k", "e c b a"),
    ("in<10k", "g f d"),
    ("out:10", "g"),
    ("dur>30s", "b"),
    ("ttft>2s", ""),
    ("tries:0", "f"),
    ("status:4*", "d"),
    ("status:429,500", "d"),
    ("status>=400", "d"),
    ("mode:normal stop:end_turn rule:default", "g e c b a"),
    ("origin:live id:a", "a"),
    ("since:2026-09-21T14:20:00Z", "g f e"),
    ("until:2026-09-21T14:15:00Z", "a"),
    ("text:parser", "a"),
    ('text:"the parser"', "a"),
    ('text:"parser the"', ""),
    ("text:中文", "b"),
    ("!text:parser", "g f e d c b"),
    ("parser", "a"),
    ("!parser", "g f e d c b"),
    ("deepseek", "e"),
    ("slow down", "d"),
    ("'; DROP TABLE trace", ""),
    ("marked", "b"),
    ("!marked ok", "g e c a"),
    ("noted", "d"),
    ("note:flaky", "d"),
    ("note:FLAKY,nothing", "d"),
]


@pytest.mark.parametrize("text", ["cached<50%", "cached=0", "cached>=0"])
def test_what_a_cache_served_of_a_guess_is_no_share(keep: Keep, reader: Reader, text: str) -> None:
    keep([generated.trace("h", attempts=(answer(usage=Usage(250, 25, basis="estimated")),))])
    assert [row.cached_share for row in reader.rows()] == [None]
    assert reader.rows(Filter(terms=parse(text, T + 1000))) == []


@pytest.mark.parametrize(("text", "expected"), FILTERS, ids=[case[0] for case in FILTERS])
def test_a_filter_finds_what_it_says(some: Reader, text: str, expected: str) -> None:
    filter = Filter(terms=parse(text, T + 1000))
    listed = some.listed(filter)
    assert ids(some.page(listed, None, 100)) == expected
    assert some.counted(listed) == len(expected.split())
    assert [trace.uid for trace in some.traces(filter)] == sorted(expected.split())


def many(count: int) -> Iterator[Trace]:
    """Requests with many equal values, which end in another order than they are stored in."""
    chance = random.Random(4)
    for i in range(count):
        usage = Usage(chance.choice([0, 100, 100, 5000]), 50, chance.choice([0, 0, 400]))
        cost = chance.choice([None, 0, 0, 7, 900])
        one = answer(usage=usage, cost=cost, cost_basis="unknown" if cost is None else "list")
        at = T + (i if i % 10 else -i)
        yield generated.trace(f"{i:04d}", attempts=(one,), started_at=at, duration_ms=chance.choice([10, 10, 90_000]))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    path = tmp_path_factory.mktemp("crowd") / "ccr.db"
    archive.take_in(path, many(150))
    reader = Reader(path)
    yield reader
    reader.close()


ORDERS = [Order(name, turned) for name in ("time", "cost", "tokens", "duration", "cached") for turned in (False, True)]


@pytest.mark.parametrize("order", ORDERS, ids=[f"{o.name}{' turned' * o.turned}" for o in ORDERS])
@pytest.mark.parametrize("text", ["", "cost>0", "dur>1s"], ids=["all", "dear ones", "slow ones"])
def test_pages_of_any_order_join_without_gap_or_overlap(crowd: Reader, order: Order, text: str) -> None:
    listed = crowd.listed(Filter(terms=parse(text, T)), order)
    whole = crowd.page(listed, None, 1000)
    keys = [order.key(row) for row in whole]
    assert keys == sorted(keys, reverse=not order.turned)
    assert len(whole) == crowd.counted(listed)
    pages = [crowd.page(listed, None, 7)]
    while pages[-1]:
        pages.append(crowd.page(listed, order.key(pages[-1][-1]), 7))
    assert ids(row for page in pages for row in page) == ids(whole)
    assert ids(crowd.page(listed, None, 5, forward=False)) == ids(whole[-5:])
    assert ids(crowd.page(listed, keys[20], 5, forward=False)) == ids(whole[15:20])
    assert crowd.key_after(listed, None, 31) == keys[30]
    assert crowd.key_after(listed, keys[10], 9) == keys[19]
    assert crowd.key_after(listed, None, 10_000) is None


def test_a_list_stays_as_it_was_when_it_was_asked_for(path: Path, keep: Keep, reader: Reader) -> None:
    keep([generated.trace("a"), generated.trace("b", started_at=T + 1)])
    listed = reader.listed()
    keep([generated.trace("c", started_at=T + 2)])
    assert ids(reader.page(listed, None, 10)) == "b a"
    assert ids(reader.newer(None, listed.most, 10)) == "c"
    assert ids(reader.page(reader.listed(), None, 10)) == "c b a"


def test_a_question_that_nobody_waits_for_ends(some: Reader) -> None:
    with pytest.raises(StoreError, match="interrupted"):
        for _ in range(10_000):
            some.counted(some.listed(Filter(terms=parse("text:a", T))), stop=lambda: True)
    assert some.counted(some.listed()) == 7, "the connection goes on"


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("model", {"qwen-max", "deepseek-flash"}),
        ("provider", {"dashscope", "deepseek"}),
        ("project", {"engine", "web"}),
        ("session", {"one", "two"}),
        ("agent", {"default"}),
        ("rule", {"default"}),
        ("note", {"flaky provider"}),
        ("id", set()),
        ("cost", set()),
    ],
)
def test_values_that_occur_are_offered(some: Reader, key: str, values: set[str]) -> None:
    assert values <= set(some.names(key))


def test_every_session_that_said_it_is_found(keep: Keep, reader: Reader) -> None:
    again = "Run the zanzibar tests"
    keep(
        [
            generated.trace("a1", user(again), session="A", started_at=T),
            generated.trace("a2", user(again, "and more"), session="A", started_at=T + 1),
            generated.trace("b1", user("hello", again), session="B", started_at=T + 2),
            generated.trace("b2", user("hello", again, "on"), session="B", started_at=T + 3),
            generated.trace("c1", user("nothing of it"), session="C", started_at=T + 4),
            generated.trace("d1", user(again), session="D", started_at=T + 5),
            generated.trace("x1", user(again), session=None, started_at=T + 6),
        ]
    )
    assert ids(reader.search("zanzibar")) == "x1 d1 b1 a1"
    assert {row.snippet for row in reader.search("zanzibar")} == {again}
    assert ids(reader.search("zanzibar", limit=2)) == "x1 d1"
    listed = reader.listed(Filter(terms=parse("text:zanzibar", T)))
    assert ids(reader.page(listed, None, 10)) == "x1 d1 b1 a1"
    assert reader.search("zanzibar more") == [], "words of two messages are no hit"


def test_repeated_texts_are_noted_in_a_database_that_was_made_before(path: Path, keep: Keep, reader: Reader) -> None:
    keep(
        generated.trace(f"{s}{i}", user("same", *"xyz"[:i]), session=s, started_at=T + i)
        for i in range(3)
        for s in "AB"
    )
    noted = "SELECT chunk, session_id, trace FROM again ORDER BY 1, 2"
    db = schema.writable(path)
    before = db.execute(noted).fetchall()
    assert before, "session B said again what A had said"
    db.execute("DELETE FROM again")
    mentions.fill(db)
    assert db.execute(noted).fetchall() == before
    db.close()


TALK = [("First thing", 2), ("Second thing", 3), ("Second thing", 1)]


def conversation() -> Iterator[Trace]:
    """Three prompts, two of them the same words; subagents, one of which ends after the next prompt; a title."""
    messages: list[dict[str, Any]] = []
    at = 0
    for prompt, requests in TALK:
        messages.append({"role": "user", "content": prompt})
        for step in range(requests):
            body = {"model": "m", "messages": list(messages)}
            yield generated.trace(f"m{at:02d}", body, started_at=T + at * 10, session="S")
            call = {"type": "tool_use", "id": f"t{at}", "name": "Bash", "input": {"n": at}}
            result = {"type": "tool_result", "tool_use_id": f"t{at}", "content": f"{step}"}
            messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
            at += 1
    sub = {"session": "S", "agent_id": "agent-1", "kind": "subagent"}
    yield generated.trace("s1", user("Look into it"), started_at=T + 15, **sub)
    yield generated.trace("s2", user("Look into it", "x"), started_at=T + 35, **sub)
    titled = replace(generated.trace("t1", started_at=T + 1, session="S"), kind="title")
    text = [{"type": "text", "text": '{"title": "Two things"}'}]
    yield replace(titled, reply={"role": "assistant", "content": text})
    yield generated.failed("m99", started_at=T + 56, session="S", body={"model": "m", "messages": messages})


def test_a_session_is_told_by_what_was_typed(keep: Keep, reader: Reader) -> None:
    keep(conversation())
    (row,) = reader.sessions()
    turns = reader.turns_of("S")
    assert (row.title, row.subagents) == ("Two things", 1)
    assert [turn.prompt for turn in turns] == ["First thing", "Second thing", "Second thing"]
    assert [ids(turn.rows) for turn in turns] == ["m00 t1 m01", "m02 m03 m04", "m05 m99"]
    assert [(b.prompt, ids(b.rows)) for turn in turns for b in turn.branches] == [("Look into it", "s1 s2")]
    assert [step.started_at for step in turns[0].steps] == sorted(step.started_at for step in turns[0].steps)
    assert turns[0].ended_at == T + 35 + 1.85, "with the subagent that it set off"
    for name in ("requests", "failed", "cost", "input_tokens", "cache_read_tokens", "output_tokens", "answer_input"):
        assert sum(getattr(turn, name) for turn in turns) == getattr(row, name), name
    claude = Price(5_000_000_000, 25_000_000_000, 500_000_000, 6_250_000_000)
    assert sum(turn.at(claude) for turn in turns) == row.at(claude)
    told = turns[0].as_json(claude)
    assert (told["requests"], len(told["requests_list"]), len(told["subagents"][0]["requests_list"])) == (5, 3, 2)


def test_a_session_without_prompts_is_one_turn(keep: Keep, reader: Reader) -> None:
    keep([generated.trace("a", {"model": "m"}, session="S"), replace(generated.trace("b", session="S"), body=None)])
    (turn,) = reader.turns_of("S")
    assert (turn.prompt, turn.requests) == (None, 2)
    assert reader.turns_of("nobody") == []


def test_sessions_are_outlined_by_project_the_latest_first(some: Reader) -> None:
    outlined = [(project.path, len(project.sessions)) for project in some.outline()]
    assert outlined == [("/home/ada/engine", 1), ("/x/web", 1)]
    assert [project.path for project in some.outline("naïve")] == ["/x/web"]
    assert some.outline("%") == []
    rows = some.session_rows([number for project in some.outline() for number in project.sessions])
    assert {row.id: row.title for row in rows.values()} == {"one": "Fix the parser", "two": "Naïve 中文"}
    changed, newest = some.sessions_after(some.row("f").n)
    assert (len(changed), newest) == (1, some.last_n())


def test_a_session_that_began_earlier_names_it_anew(keep: Keep, reader: Reader) -> None:
    late = generated.trace("late", user("Second"), session="S", started_at=T + 50)
    keep([late, generated.trace("early", user("First"), session="S", started_at=T)])
    assert reader.sessions()[0].title == "First"


def test_bookmarks_and_notes(path: Path, keep: Keep, reader: Reader) -> None:
    keep([generated.trace("a")])
    n = reader.row("a").n
    assert (reader.row("a").marked, reader.row("a").note) == (0, None)
    marks.note(path, n, " look \ud800 ")
    marks.mark(path, n, True)
    assert (reader.row("a").marked, reader.row("a").note) == (1, "look ?")
    assert reader.row("a").as_json()["marked"] is True
    marks.mark(path, n, False)
    marks.note(path, n, "  ")
    db = schema.writable(path)
    assert db.execute("SELECT count(*) FROM mark").fetchone() == (0,)
    db.close()
    assert verify(path) == []


def test_filters_are_remembered_and_named(path: Path, reader: Reader) -> None:
    for text in ("error", "cost>1", "error"):
        phrases.use(path, text)
    phrases.save(path, "cost>1", "dear")
    phrases.save(path, "cost>2", "dear")
    assert [(p.text, p.name) for p in reader.phrases()] == [("cost>2", "dear"), ("cost>1", None), ("error", None)]
    phrases.drop(path, "dear")
    for i in range(phrases.KEPT + 20):
        phrases.use(path, f"cost>{i}")
    assert len(reader.phrases()) == phrases.KEPT
    assert all(p.name is None for p in reader.phrases())
    times = [p.text for p in reader.phrases()]
    assert all(a != b for a, b in pairwise(times))


SHORT = [
    ("claude-opus-5-5-20260801", "opus-5-5"),
    ("claude-sonnet-4-5[1m]", "sonnet-4-5"),
    ("openai/gpt-5.2", "gpt-5.2"),
    ("gpt-4o-2024-08-06", "gpt-4o"),
    ("qwen-max-latest", "qwen-max"),
]


@pytest.mark.parametrize(("name", "short"), SHORT, ids=[case[0] for case in SHORT])
def test_a_model_is_found_by_the_name_that_lists_show(tmp_path: Path, name: str, short: str) -> None:
    path = tmp_path / "ccr.db"
    archive.take_in(path, [generated.trace("a", asked_model=name, attempts=(answer(model=name),))])
    reader = Reader(path)
    assert show.model(name) == short
    for text in (f"asked:{short}", f"model:{short}", f"asked:{name}", f"model:{name}"):
        assert ids(reader.rows(Filter(terms=parse(text, T)))) == "a", text
    assert ids(reader.rows(Filter(terms=parse(f"asked:{short[:-1]}", T)))) == ""
    reader.close()


def test_scripts_can_tell_what_nobody_billed_from_a_price_that_nobody_knows(some: Reader) -> None:
    told = {row.id: (row.as_json()["cost_usd"], row.as_json()["unbilled"]) for row in some.rows()}
    assert (told["d"], told["e"]) == ((None, True), (None, False))
    assert told["a"][0] is not None and not told["a"][1]
