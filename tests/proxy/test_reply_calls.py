"""Tool calls, in all the ways that upstreams stream them: none is merged, lost or run by halves."""

from __future__ import annotations

from typing import Any

import pytest
from streams import Played, call, calls, chunk, play, sse, usage

from ccr_tui.proxy.anthropic import UNPARSED
from ccr_tui.proxy.reply import ChatReply

STOP = chunk("stop")
TOOLS = chunk("tool_calls")
READ = call(0, "call_a", "Read", '{"path": "a"}')
BASH = call(1, "call_b", "Bash", '{"command": "ls"}')
BOTH = [("Read", {"path": "a"}), ("Bash", {"command": "ls"})]


def arguments(index: Any, piece: str) -> Any:
    return calls(call(index, None, None, piece))


CASES: dict[str, tuple[bytes, list[Any], str]] = {
    "two calls": (sse(calls(READ), calls(BASH), TOOLS), BOTH, "tool_use"),
    "two calls in one delta": (sse(calls(READ, BASH), TOOLS), BOTH, "tool_use"),
    "interleaved calls": (
        sse(
            calls(call(0, "a", "Read", "")),
            calls(call(1, "b", "Bash", "")),
            arguments(1, '{"comm'),
            arguments(0, '{"path'),
            arguments(1, 'and": "ls"}'),
            arguments(0, '": "a"}'),
            TOOLS,
        ),
        BOTH,
        "tool_use",
    ),
    "text and a call in one delta": (
        sse(chunk(content="Hi", tool_calls=[READ]), TOOLS),
        [("text", "Hi"), BOTH[0]],
        "tool_use",
    ),
    "text between calls": (
        sse(calls(READ), chunk(content="Hi"), calls(BASH), TOOLS),
        [BOTH[0], ("text", "Hi"), BOTH[1]],
        "tool_use",
    ),
    "text within a call": (
        sse(
            calls(call(0, "a", "Read", '{"path')),
            chunk(content="H"),
            arguments(0, '": "a"}'),
            chunk(content="i"),
            TOOLS,
        ),
        [BOTH[0], ("text", "Hi")],
        "tool_use",
    ),
    "no index": (
        sse(
            calls(
                call(None, "a", "Read", '{"path'),
            ),
            calls(call(None, None, None, '": "a"}')),
            calls(call(None, "b", "Bash", '{"command": "ls"}')),
            TOOLS,
        ),
        BOTH,
        "tool_use",
    ),
    "the index comes later": (
        sse(calls(call(None, "a", "Read", "")), arguments(0, '{"path'), arguments(0, '": "a"}'), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "the index changes": (
        sse(calls(call(1, "a", "Read", "")), arguments(0, '{"path": "a"}'), calls({**BASH, "index": 2}), TOOLS),
        BOTH,
        "tool_use",
    ),
    "the index counts pieces": (
        sse(calls(call(0, "a", "Read", "")), arguments(1, '{"path'), arguments(2, '": "a"}'), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "a new index, the id of before": (
        sse(calls(call(0, "a", "Read", "")), calls(call(1, "a", None, '{"path": "a"}')), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "the second call's name is late": (
        sse(calls(READ), arguments(1, '{"command"'), calls(call(1, "b", "Bash", ': "ls"}')), TOOLS),
        BOTH,
        "tool_use",
    ),
    "no index, only ids": (
        sse(
            calls(call(None, "a", "Read", "")),
            calls(call(None, "b", "Bash", "")),
            calls(call(None, "a", None, '{"path": "a"}'), call(None, "b", None, '{"command": "ls"}')),
            TOOLS,
        ),
        BOTH,
        "tool_use",
    ),
    "index as a string": (
        sse(
            calls(call("0", "a", "Read", "")),
            calls(call("1", "b", "Bash", "")),
            arguments("0", '{"path": "a"}'),
            arguments(1, '{"command": "ls"}'),
            TOOLS,
        ),
        BOTH,
        "tool_use",
    ),
    "every index 0, new ids": (sse(calls(READ), calls({**BASH, "index": 0}), TOOLS), BOTH, "tool_use"),
    "every index 0, no ids": (
        sse(calls(call(0, "", "Read", '{"path": "a"}')), calls(call(0, "", "Bash", '{"command": "ls"}')), TOOLS),
        BOTH,
        "tool_use",
    ),
    "every index 0, one delta": (
        sse(calls(call(0, None, "Read", '{"path": "a"}'), call(0, None, "Bash", '{"command": "ls"}')), TOOLS),
        BOTH,
        "tool_use",
    ),
    "index from one": (sse(calls({**READ, "index": 1}), calls({**BASH, "index": 2}), TOOLS), BOTH, "tool_use"),
    "the same tool twice": (
        sse(calls(call(0, "", "Read", '{"path": "a"}')), calls(call(0, "", "Read", '{"path": "b"}')), TOOLS),
        [BOTH[0], ("Read", {"path": "b"})],
        "tool_use",
    ),
    "late id": (
        sse(calls(call(0, None, "Read", '{"pa')), calls(call(0, "call_a", None, 'th": "a"}')), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "late name": (
        sse(calls(call(0, "call_a", None, '{"path')), calls(call(0, None, "Read", '": "a"}')), TOOLS),
        [BOTH[0]],
        "tool_use",
    ),
    "name in pieces": (
        sse(calls(call(0, "a", "Re", "")), calls(call(0, None, "ad", "")), arguments(0, '{"path": "a"}'), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "name repeated": (
        sse(
            calls(call(0, "a", "Read", "")),
            calls(call(0, "a", "Read", '{"path')),
            calls(call(0, "a", "Read", '": "a"}')),
            TOOLS,
        ),
        BOTH[:1],
        "tool_use",
    ),
    "arguments as an object": (sse(calls(call(0, "a", "Read", {"path": "a"})), TOOLS), BOTH[:1], "tool_use"),
    "arguments null": (
        sse(calls({"index": 0, "id": "a", "function": {"name": "Now", "arguments": None}}), TOOLS),
        [("Now", {})],
        "tool_use",
    ),
    "arguments empty": (
        sse(calls(call(0, "a", "Now", "")), calls(call(1, "b", "Now", "{}")), TOOLS),
        [("Now", {}), ("Now", {})],
        "tool_use",
    ),
    "a character of the arguments in halves": (
        sse(calls(call(0, "a", "Read", '{"path": "a\ud83d')), calls(call(0, arguments='\ude00"}')), TOOLS),
        [("Read", {"path": "a😀"})],
        "tool_use",
    ),
    "half a character of the arguments": (
        sse(calls(call(0, "a", "Read", '{"path": "a"}\ud83d')), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "arguments broken": (sse(calls(call(0, "a", "Read", "{'path': 'a',}")), TOOLS), BOTH[:1], "tool_use"),
    "arguments cut": (
        sse(calls(call(0, "a", "Read", '{"path": "a')), chunk("length")),
        [("Read", {UNPARSED: {"raw": '{"path": "a', "len": 11}})],
        "max_tokens",
    ),
    "calls as one object": (sse(chunk(tool_calls=READ), TOOLS), BOTH[:1], "tool_use"),
    "flat calls": (
        sse(chunk(tool_calls=[{"index": 0, "id": "a", "name": "Read", "arguments": '{"path": "a"}'}]), TOOLS),
        BOTH[:1],
        "tool_use",
    ),
    "no name at all": (sse(calls(call(0, "a", None, '{"path": "a"}')), TOOLS), [], "end_turn"),
    "calls that are none": (
        sse(chunk(tool_calls=[None, 1, "x", {}, {"function": None}]), chunk(content="Hi"), STOP),
        [("text", "Hi")],
        "end_turn",
    ),
}


@pytest.mark.parametrize(("data", "blocks", "stop"), CASES.values(), ids=CASES)
def test_every_call_arrives_whole_and_apart(data: bytes, blocks: list[Any], stop: str) -> None:
    played = play(data)
    assert (played.blocks, played.message["stop_reason"]) == (blocks, stop)
    assert played.reply.error is None


SPENT: dict[str, tuple[str, int | None, str]] = {
    "cut in a text": ('{"path": "a', 7, "max_tokens"),
    "cut before a bracket": ('{"path": "a"', 7, "max_tokens"),
    "cut after a comma": ('{"path": "a",', 6, "max_tokens"),
    "whole to the last token": ('{"path": "a"}', 7, "tool_use"),
    "tokens were left": ('{"path": "a"', 8, "tool_use"),
    "nobody knows how many": ('{"path": "a"', None, "tool_use"),
}


@pytest.mark.parametrize(("arguments", "most", "stop"), SPENT.values(), ids=SPENT)
@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_half_a_call_with_all_tokens_used_is_no_finished_one(
    arguments: str, most: int | None, stop: str, reason: str
) -> None:
    """vLLM says "tool_calls" of a call that max_tokens has cut (its #53269); nothing of it may be completed."""
    played = play(sse(calls(call(0, "a", "Read", arguments)), chunk(reason), usage()), most=most)
    assert played.reply.stop_reason == stop
    assert (played.blocks == BOTH[:1]) is (stop == "tool_use")


def test_half_a_call_without_a_report_of_tokens_is_mended() -> None:
    played = play(sse(calls(call(0, "a", "Read", '{"path": "a"')), TOOLS), most=7)
    assert (played.blocks, played.reply.stop_reason) == (BOTH[:1], "tool_use")


def test_no_piece_of_arguments_ends_in_half_a_character() -> None:
    """The official client for Python fails on one."""
    played = play(sse(calls(call(0, "a", "Read", '{"path": "\ud83d')), calls(call(0, arguments='\ude00"}')), TOOLS))
    pieces = [event["delta"]["partial_json"] for event in played.events if event["type"] == "content_block_delta"]
    assert "".join(pieces).encode() == '{"path": "😀"}'.encode()
    assert all(piece.encode() for piece in pieces)


def test_arguments_stream_as_they_come() -> None:
    reply = ChatReply("msg_1", "m")
    reply.feed(sse(calls(call(0, "a", "Write", "")), done=False))
    pieces = ['{"con', 'tent": "one ', "two", ' three"', "}"]
    sent = [reply.feed(sse(arguments(0, piece), done=False)) for piece in pieces]
    assert [events[-1]["delta"]["partial_json"] for events in sent if events] == [
        '{"con',
        'tent": "one ',
        "two",
        " three",
        '"}',
    ]


def test_a_call_ends_when_the_next_one_begins() -> None:
    reply = ChatReply("msg_1", "m")
    reply.feed(sse(calls(READ), done=False))
    events = reply.feed(sse(calls(BASH), done=False))
    assert [event["type"] for event in events] == ["content_block_stop", "content_block_start", "content_block_delta"]
    assert reply.tool_blocks_out == 2


# -- ids and names ---------------------------------------------------------------------------------------------------


def ids(played: Played) -> list[str]:
    return [block["id"] for block in played.message["content"]]


def test_legal_ids_are_kept() -> None:
    assert ids(play(sse(calls(READ, BASH), TOOLS))) == ["call_a", "call_b"]


def test_a_late_id_is_kept() -> None:
    late = sse(calls(call(0, None, "Read", '{"pa')), calls(call(0, "call_a", None, 'th": 1}')), TOOLS)
    assert ids(play(late)) == ["call_a"]


@pytest.mark.parametrize("bad", ["", "functions.Read:0", "id with space", "x" * 200, "ü"])
def test_illegal_ids_are_replaced_by_the_same_ones_each_time(bad: str) -> None:
    data = sse(calls(call(0, bad, "Read", "{}")), calls(call(1, bad, "Bash", "{}")), TOOLS)
    first, second = ids(play(data)), ids(play(data))
    assert first == second and len(set(first)) == 2
    assert all(each.startswith("toolu_") for each in first)


def test_an_id_is_never_used_twice() -> None:
    twice = sse(calls(call(0, "same", "Read", "{}")), calls(call(1, "same", "Bash", "{}")), TOOLS)
    assert len(set(ids(play(twice)))) == 2
    assert ids(play(sse(calls(READ), TOOLS), taken=["call_a"])) != ["call_a"]


def test_shortened_names_are_restored_and_cases_mended() -> None:
    data = sse(calls(call(0, "a", "mcp_x", "{}")), calls(call(1, "b", "bash", "{}")), TOOLS)
    played = play(data, names={"mcp_x": "mcp__long__x"}, tools=["mcp_x", "Bash"])
    assert [block["name"] for block in played.message["content"]] == ["mcp__long__x", "Bash"]
    assert played.reply.notes == ["The tool bash was called; Bash was meant."]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("functions.Read", "Read"),
        ("default_api:read", "Read"),
        ("functions.Read:0", "Read"),
        (" Read\n", "Read"),
        ("Gone:0", "Gone:0"),
        ("functions.Gone", "functions.Gone"),
        ("tools.own", "tools.own"),
    ],
)
def test_a_name_in_a_space_of_names_is_the_tools(said: str, name: str) -> None:
    played = play(sse(calls(call(0, "a", said, "{}")), TOOLS), tools=["Read", "own", "tools.own"])
    assert played.message["content"][0]["name"] == name


def test_known_names_tell_pieces_from_calls() -> None:
    data = sse(calls(call(0, None, "Now", "")), calls(call(0, None, "Here", "")), TOOLS)
    assert play(data, tools=["Now", "Here"]).blocks == [("Now", {}), ("Here", {})]
    longer = sse(
        calls(call(0, "a", "Re", "")), calls(call(0, "a", "Read", "")), calls(call(0, "a", "Read", "{}")), TOOLS
    )
    assert play(longer, tools=["Read"]).blocks == [("Read", {})]
