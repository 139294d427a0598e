"""What comes again is the same object, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from weakref import ref

import generated
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccr_tui import chunks, wire
from ccr_tui.config import Model, Provider
from ccr_tui.memory import PART, TALKS, Memory
from ccr_tui.proxy import quirks
from ccr_tui.proxy.refusal import parse
from ccr_tui.proxy.request import translate
from ccr_tui.records import Json
from ccr_tui.seen import ENDS, History, Part, Parts, once, written
from ccr_tui.tokens import Counter


def message(**more: Any) -> Json:
    return {"role": "user", "content": [{"type": "text", "text": "hello", **more}]}


@given(generated.bodies())
@settings(max_examples=60, deadline=None)
def test_a_body_in_parts_has_the_same_json(body: Json) -> None:
    raw = wire.dumps(body)
    memory = Memory()
    for _ in range(2):
        read = memory.read(raw)
        assert json.dumps(read) == json.dumps(wire.loads(raw))
        assert wire.dumps(read) == raw
        if isinstance(read, dict):
            assert json.dumps(wire.loads(written(read))) == json.dumps(read)


@given(generated.sessions())
@settings(max_examples=8, deadline=None)
def test_what_a_turn_repeats_is_recognised_and_makes_no_difference(counter: Counter, bodies: list[Json]) -> None:
    memory, before = Memory(), list[Json]()
    for body in bodies:
        read = memory.read(wire.dumps(body))
        again = read["messages"][: len(before)]
        assert all(new is old for new, old in zip(again, before, strict=False) if new == old)
        assert counter.request(read) == counter.request(body)
        assert chunks.split(read) == chunks.split(body)
        before = read["messages"]


TOOL = {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}}
ODD = {**TOOL, "name": "mcp__a.b/c"}
SERVED = {"type": "web_search_20250305", "name": "web_search"}
SYSTEM = [{"type": "text", "text": "Working directory: /a"}, {"type": "text", "text": "Be kind."}]


def asking(tools: list[Json], *said: Json) -> Json:
    called = {"type": "tool_use", "id": "toolu_1", "name": "mcp__x.y", "input": {}}
    past = [message(), {"role": "assistant", "content": [called]}]
    answer = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "yes"}]}
    return {"model": "m", "max_tokens": 9, "system": SYSTEM, "tools": tools, "messages": [*past, answer, *said]}


def test_the_tools_and_the_system_blocks_of_a_turn_are_the_lists_of_the_turn_before() -> None:
    memory = Memory()
    first, second = (memory.read(wire.dumps(asking([TOOL, ODD], *said))) for said in ((), (message(),)))
    other = memory.read(wire.dumps(asking([ODD, TOOL])))
    assert first["tools"] is second["tools"] and first["system"] is second["system"] is other["system"]
    assert other["tools"] is not first["tools"] and other["tools"] == [ODD, TOOL]


TOOLS, BLOCKS = wire.dumps([TOOL, ODD]), wire.dumps(SYSTEM)
NESTED = {"type": "tool_use", "id": "toolu_9", "name": "Read", "input": {"tools": [TOOL, ODD], "system": SYSTEM}}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"tools":%b,"messages":[],"system":%b}' % (TOOLS, BLOCKS), id="another order"),
        pytest.param(b'{"tools":%b,"system":%b}' % (TOOLS, BLOCKS), id="without messages"),
        pytest.param(b'{"system":%b,"tools":%b,"messages":[]}' % (TOOLS, BLOCKS), id="each other's"),
        pytest.param(b'{"tools":%b,"tools":[],"messages":[]}' % TOOLS, id="given twice, the last one counts"),
        pytest.param(b'{"messages":[],"tools":[],"tools":%b}' % TOOLS, id="given twice, the first one does not count"),
        pytest.param(b'{"metadata":{"tools":%b},"tools":[1],"messages":[]}' % TOOLS, id="nested before"),
        pytest.param(b'{"metadata":{"tools":%b},"messages":[]}' % TOOLS, id="nested only"),
        pytest.param(b'{"tools":[{"system":%b}],"system":%b,"messages":[]}' % (BLOCKS, BLOCKS), id="one in the other"),
        pytest.param(b'{"messages":[],"tools":%b,"x":"\\"tools\\":[1]"}' % TOOLS, id="its key in a text"),
        pytest.param(b'{"messages":[],"x":"\\"tools\\":%b"}' % TOOLS.replace(b'"', b'\\"'), id="in a text"),
        pytest.param(b'[{"tools":%b,"messages":[]}]' % TOOLS, id="no object"),
        pytest.param(wire.dumps(asking([TOOL, ODD], {"role": "assistant", "content": [NESTED]})), id="in a call"),
        pytest.param(wire.dumps({"messages": [], **asking([TOOL, ODD], message())}), id="known messages too"),
    ],
)
def test_a_known_list_is_only_taken_for_what_stands_in_its_place(raw: bytes) -> None:
    memory = Memory()
    for said in ((), (message(),), (message(), message())):
        memory.read(wire.dumps(asking([TOOL, ODD], *said)))
    for _ in range(2):
        assert json.dumps(memory.read(raw)) == json.dumps(wire.loads(raw))


@pytest.mark.parametrize("end", [b"", b"]", b"x}", b'"y":1}', b",}", b'"}'])
def test_what_is_no_json_behind_a_known_list_is_refused(end: bytes) -> None:
    memory = Memory()
    memory.read(wire.dumps(asking([TOOL, ODD])))
    with pytest.raises(ValueError):
        memory.read(b'{"messages":[],"tools":%b%b' % (TOOLS, end))


@pytest.mark.parametrize(
    "tools",
    [pytest.param(tools, id=" ".join(tool["name"] for tool in tools))
     for tools in ([TOOL], [TOOL, ODD], [ODD, TOOL], [TOOL, SERVED], [ODD, {**ODD, "name": "mcp__a.b.c"}])],
)  # fmt: skip
def test_tools_that_come_again_are_to_a_model_what_they_were(tools: list[Json]) -> None:
    facts, memory = quirks.facts_for(Provider("p", "openai", "http://a/v1"), Model("m", "p", "m")), Memory()
    for said in ((), (message(),), (message(), message(name="again"))):
        body = asking(tools, *said)
        read = memory.read(wire.dumps(body))
        parse(read)
        assert translate(read, "m", facts) == translate(body, "m", facts)
        assert written(translate(read, "m", facts).body) == wire.dumps(translate(body, "m", facts).body)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda parts: parts.append({}), id="append"),
        pytest.param(lambda parts: parts.__setitem__(0, {}), id="set"),
        pytest.param(lambda parts: parts.__iadd__([{}]), id="add"),
        pytest.param(lambda parts: parts.pop(), id="pop"),
    ],
)
def test_a_list_that_comes_again_cannot_be_changed(change: Callable[[Any], None]) -> None:
    parts = Memory().read(wire.dumps(asking([TOOL])))["tools"]
    with pytest.raises(TypeError, match="shared"):
        change(parts)
    assert parts == [TOOL]


def test_what_is_worked_out_once_is_worked_out_anew_where_it_failed() -> None:
    asked: list[Any] = []

    def work(value: Any) -> int:
        asked.append(value)
        if len(asked) == 1:
            raise ValueError
        return len(asked)

    parts = Parts([])
    with pytest.raises(ValueError):
        once(parts, work)
    assert [once(parts, work), once(parts, work), once([], work), once([], work)] == [2, 2, 3, 4]


def compact(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def spaced(body: Json) -> bytes:
    return json.dumps(body).encode()


FORMS = [
    compact,
    spaced,
    lambda body: json.dumps(body, separators=(",", ":")).encode(),
    lambda body: json.dumps(body, ensure_ascii=False).encode(),
    lambda body: json.dumps(body, indent=1).encode(),
]
NAMES = ["compact", "spaced", "compact and escaped", "spaced and not escaped", "indented"]


def outcome(read: Callable[[bytes], Json], raw: bytes) -> str:
    """What comes of reading: the value to its last digit, or that it is refused."""
    try:
        return json.dumps(read(raw))
    except ValueError as error:
        return f"refused: {error}"


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
@given(
    bodies=generated.sessions(), at=st.floats(0, 1), odd=st.sampled_from([b"", b",", b"]", b'"', b"\\", b"1", b"\xff"])
)
@settings(max_examples=8, deadline=None)
def test_a_turn_is_read_as_if_nothing_had_come_before(
    form: Callable[[Json], bytes], bodies: list[Json], at: float, odd: bytes
) -> None:
    memory = Memory()
    for body in (*bodies, *bodies[::-1]):
        raw = form(body)
        assert outcome(memory.read, raw) == outcome(wire.loads, raw)
        place = int(at * len(raw))
        for broken in (raw[:place], raw[:place] + odd + raw[place + 1 :]):
            assert outcome(memory.read, broken) == outcome(wire.loads, broken)


TALK = [message(n=n) for n in range(6)]
CUNNING = [
    pytest.param(compact({"messages": TALK})[:-1] + b',"messages":[1]}', id="messages twice, the last counts"),
    *(
        pytest.param(compact({"messages": TALK})[:-1] + b',"messages":%b}' % other, id=f"then {other.decode()}")
        for other in (b"5", b"null", b"{}", b'"x"', b"[]", b"true")
    ),
    pytest.param(compact({"messages": TALK})[:-1] + b"," + compact({"messages": TALK})[1:], id="the same twice"),
    pytest.param(compact({"tools": [{"messages": TALK}], "messages": [1]}), id="in a tool"),
    pytest.param(compact({"system": json.dumps({"messages": TALK}), "messages": TALK[:2]}), id="in a text"),
    pytest.param(b"[" + compact({"messages": TALK}) + b"]", id="in a list"),
    pytest.param(compact({"messages": TALK})[:-2] + b",]}", id="a comma too many"),
    pytest.param(compact({"messages": TALK})[:-2] + b"}", id="no end"),
    pytest.param(compact({"messages": TALK}) + b"x", id="something behind"),
    pytest.param(b"\xef\xbb\xbf" + compact({"messages": TALK}), id="a byte order mark"),
]


@pytest.mark.parametrize("raw", CUNNING)
def test_a_beginning_is_cut_out_only_where_it_is_one(raw: bytes) -> None:
    memory = Memory()
    for before in (TALK, [*TALK, message(n=7)]):
        memory.read(compact({"messages": before}))
        assert outcome(memory.read, raw) == outcome(wire.loads, raw)


def test_what_is_known_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, parsed = Memory(), list[int]()
    monkeypatch.setattr("ccr_tui.memory.parsed", lambda raw: parsed.append(len(raw)) or wire.loads(raw))
    long = [message(n=n, text="wörd " * 500) for n in range(40)]
    for form in FORMS[:4]:
        for count in (30, 31, 40):
            memory.read(form({"model": "m", "messages": long[:count], "tools": []}))
    assert parsed[0] > 70_000
    assert all(size < 50_000 for size in parsed[1:])


@pytest.mark.parametrize("form", FORMS[:4], ids=NAMES[:4])
@pytest.mark.parametrize("order", [("system", "tools", "messages"), ("messages", "system", "tools")], ids="-".join)
def test_known_tools_and_system_blocks_are_not_parsed(
    monkeypatch: pytest.MonkeyPatch, form: Callable[[Json], bytes], order: tuple[str, ...]
) -> None:
    memory, parsed = Memory(), list[int]()
    monkeypatch.setattr("ccr_tui.memory.parsed", lambda raw: parsed.append(len(raw)) or wire.loads(raw))
    tools = [{**TOOL, "name": f"Tool{n}", "description": "wörd " * 500} for n in range(20)]
    for n in range(3):
        whole = {"system": [{"type": "text", "text": "wörd " * 5000}], "tools": tools, "messages": [message(n=n)]}
        body = {key: whole[key] for key in order}
        assert json.dumps(memory.read(form(body))) == json.dumps(body)
    assert parsed[0] > 70_000
    assert all(size < 1_000 for size in parsed[1:])


PAIRS = [
    pytest.param(message(n=1), message(n=1.0), id="1 and 1.0"),
    pytest.param(message(n=1), message(n=True), id="1 and true"),
    pytest.param(message(n=0.0), message(n=-0.0), id="0.0 and -0.0"),
    pytest.param({"role": "user", "content": "a"}, {"content": "a", "role": "user"}, id="order of keys"),
    pytest.param(message(), message(cache_control={"type": "ephemeral"}), id="a mark"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_what_python_takes_for_equal_is_not_the_same(one: Json, other: Json) -> None:
    memory = Memory()
    first, second = memory.part(one), memory.part(other)
    assert first is not second
    assert json.dumps(second) == json.dumps(other)


def test_a_part_that_was_refused_is_refused_again() -> None:
    raw = wire.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text"}]}]})
    memory = Memory()
    for _ in range(2):
        with pytest.raises(Exception, match=r"messages\.0\.content\.0\.text\.text: Field required"):
            parse(memory.read(raw))


def test_one_value_in_two_places_is_judged_and_counted_for_each(counter: Counter) -> None:
    tool = {"name": "t", "input_schema": {}, "role": "user", "content": "x"}
    read = Memory().read(wire.dumps({"model": "m", "max_tokens": 1, "messages": [tool], "tools": [tool]}))
    assert read["messages"][0] is read["tools"][0]
    parse(read)
    alone = {**read, "messages": [dict(tool)], "tools": [dict(tool)]}
    assert counter.request(read) == counter.request(alone)


def test_only_what_is_new_has_to_be_counted(counter: Counter) -> None:
    memory, long = Memory(), "word " * 1000
    first = {"system": [{"type": "text", "text": long}], "messages": [message(), message(text=long)]}
    read = memory.read(wire.dumps(first))
    assert counter.news(read) > 10_000
    counter.request(read)
    assert counter.news(memory.read(wire.dumps(first))) == 0
    assert counter.news(memory.read(wire.dumps({**first, "messages": [*first["messages"], message(n=2)]}))) < 100


def test_memory_is_bounded() -> None:
    memory = Memory(limit=20 * PART)
    kept = [ref(memory.part(message(n=n))) for n in range(100)]
    assert [n for n, each in enumerate(kept) if each() is not None] == list(range(82, 100)), "a short one counts too"
    assert memory.part(message(n=99)) is kept[99]()


@pytest.mark.parametrize("value", [None, 1, "text", [1], {"text": "\ud800", "n": 10**30}], ids=str)
def test_odd_values_stay_as_they_are(value: Json) -> None:
    part = Memory().part(value)
    assert part == value
    assert isinstance(part, Part) == isinstance(value, dict)
    assert wire.loads(written({"messages": [part]})) == {"messages": [value]}


@st.composite
def talks(draw: st.DrawFn) -> list[tuple[list[int], bool]]:
    """Turns of a few conversations side by side: each goes on, is rewound, or has an earlier message altered."""
    said: dict[int, list[int]] = {0: [], 1: []}
    turns = []
    for n in range(draw(st.integers(1, 25))):
        who = draw(st.sampled_from([0, 1]))
        talk = said[who][: draw(st.integers(0, len(said[who])))] if draw(st.booleans()) else said[who]
        said[who] = [*talk, *range(100 * n, 100 * n + draw(st.integers(0, 5)))]
        turns.append((said[who], draw(st.booleans())))
    return turns


def letters(before: str, message: Json) -> str:
    return f"{before}.{message['n']}"


@given(talks())
@settings(max_examples=200, deadline=None)
def test_what_is_worked_out_along_the_turns_is_what_a_fresh_look_gives(
    turns: list[tuple[list[int], bool]],
) -> None:
    parts: dict[int, Part] = {}
    alive, looked_at = [], []

    def noted(before: str, message: Json) -> str:
        looked_at.append(message)
        return letters(before, message)

    for numbers, is_asked in turns:
        for n in numbers:
            parts.setdefault(n, Part({"n": n}, b"%d" % n))
        history = History(parts[n] for n in numbers)
        alive.append(history)
        if is_asked:
            fresh = [".".join(["", *map(str, numbers[: end + 1])]) for end in range(len(numbers))]
            assert history.along("letters", "", letters) == fresh
            unseen = history.news("last")
            looked_at.clear()
            assert history.latest("last", "", noted) == (fresh or [""])[-1]
            assert unseen == list(history)[len(history) - len(unseen) :] == looked_at
            assert history.news("last") == []


def test_a_turn_costs_what_it_added() -> None:
    parts = [Part({"n": n}, b"%d" % n) for n in range(1000)]
    looked_at: dict[str, list[int]] = {"along": [], "latest": []}
    for end in range(2, 1000, 2):
        history = History(parts[:end])
        for name, numbers in looked_at.items():
            getattr(history, name)(name, 0, lambda _, message, numbers=numbers: numbers.append(message["n"]))
    assert looked_at == {name: list(range(998)) for name in looked_at}
    assert sum(History in part.found for part in parts) <= 2 * ENDS


def test_what_is_remembered_of_a_conversation_goes_with_it_though_its_last_message_stays() -> None:
    """A message like "hi" outlives every conversation that ends with it: 1.3 MB stayed for each request of 300 KB."""
    memory = Memory()
    facts = quirks.facts_for(Provider("p", "openai", "http://127.0.0.1:1/v1"), Model("m", "p", "m"))
    held = []
    for n in range(3 * TALKS):
        long = [{"role": role, "content": f"{n} {k}"} for k in range(10) for role in ("user", "assistant")]
        body = {"model": "m", "max_tokens": 1, "messages": [*long, {"role": "user", "content": f"last {n}"}]}
        read = memory.read(wire.dumps(body))
        sent = translate(read, "m", facts).body["messages"]
        held.append((ref(read["messages"]), ref(sent[5])))
    del read, sent
    assert sum(history() is not None for history, _ in held) == TALKS
    assert sum(message() is not None for _, message in held) == TALKS
