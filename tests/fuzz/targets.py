"""What is fuzzed: from any bytes to an assertion.

Owns the four ways in: `sse`, `chat`, `messages` and `request`. Must never need atheris: the kept corpus is replayed
through the same functions by the ordinary tests. The one surprise: the first two bytes are no input but choices (how
the rest is cut into pieces, which family is asked), so that a fuzzer can turn them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from asking import ALL, chat_faults, facts, unknown_fields
from streams import merged, play

from ccr_tui import chunks, wire
from ccr_tui.errors import BadRequest
from ccr_tui.memory import Memory
from ccr_tui.proxy import sse as events
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.proxy.asked import about, kept_headers, parse
from ccr_tui.proxy.reply import ChatReply, MessagesReply
from ccr_tui.proxy.request import pass_through, translate
from ccr_tui.proxy.tag import without_tag
from ccr_tui.records import Usage
from ccr_tui.seen import written

FACTS = [facts(name) for name in ALL]


def cut(size: int, data: bytes) -> Iterator[bytes]:
    """Pieces of one size; 0 leaves it whole."""
    return (data[at : at + size] for at in range(0, len(data), size)) if size else iter([data])


def sse(data: bytes) -> None:
    """However a stream is cut, it has the same events; what is written is read again."""
    size, rest = data[0], data[2:]
    whole, bitten = events.Decoder(limit=1 << 16), events.Decoder(limit=1 << 16)
    found = whole.feed(rest) + whole.close()
    assert [event for piece in cut(size, rest) for event in bitten.feed(piece)] + bitten.close() == found
    assert (whole.comments, whole.stray) == (bitten.comments, bitten.stray)
    for event in found:
        sent = events.encode("x", {"said": event.data, "by": event.event})
        assert sent.count(b"\n") == 3 and not sent.count(b"\r")
        (again,) = events.Decoder().feed(sent)
        assert events.loads(again.data) == {"said": event.data, "by": event.event}


def chat(data: bytes) -> None:
    """Any bytes of a chat completions server become a message by the grammar, or an error; never both."""
    size, choices, rest = data[0], data[1], data[2:]
    options: dict[str, Any] = {
        "think_tags": bool(choices & 1),
        "opens_thinking": bool(choices & 2),
        "tools": ["Read", "Bash"] if choices & 4 else [],
        "stops": ["END", "\n\n"] if choices & 8 else [],
        "names": {"Read": "mcp__read"} if choices & 16 else {},
    }
    whole, bitten = play(rest, **options), play(*cut(size, rest), **options)
    assert merged(whole.events) == merged(bitten.events)
    assert _kind(whole.reply) == _kind(bitten.reply)
    _billable(whole.reply)
    _sent(whole.events)
    if whole.reply.finished:
        _sound(whole.message)


def messages(data: bytes) -> None:
    """Any bytes of an Anthropic server pass or are an error."""
    size, rest = data[0], data[2:]
    whole, bitten = (MessagesReply(estimate=11, provider="Acme") for _ in range(2))
    out = whole.feed(rest) + whole.close()
    assert [event for piece in cut(size, rest) for event in bitten.feed(piece)] + bitten.close() == out
    assert whole.finished == (whole.error is None)
    _billable(whole)
    _sent(out)
    fold = Fold()
    for event in out:
        fold.feed(event)
    assert fold.message is None or isinstance(fold.message["content"], list)


def request(data: bytes) -> None:
    """Any body is refused in words, or becomes a request that OpenAI's own types accept; it is stored as it came."""
    facts, rest = FACTS[data[1] % len(FACTS)], data[2:]
    memory = Memory()
    try:
        body = memory.read(rest)
        parse(body)
    except (ValueError, BadRequest):
        return
    assert body == wire.loads(rest), "what was read is what the bytes say"
    assert memory.read(rest) == body, "and the second time too"
    parse(body, counting=True)
    headers = {"user-agent": "x", "x-claude-code-session-id": "a", "anthropic-beta": "b"}
    about(body, kept_headers(headers))
    path = chunks.split(body)
    assert chunks.join(path.chunks, path.manifest) == body
    worked = without_tag(body)
    try:
        made = translate(worked, "m", facts).body
    except BadRequest:  # such as a conversation in which nobody says anything
        return
    assert wire.loads(written(made)) == wire.loads(wire.dumps(made))
    assert unknown_fields(made) == set()
    faults = chat_faults(_at_openai(wire.loads(wire.dumps(made)), facts.max_stops))
    assert [fault for fault in faults if "image URL" not in fault] == []  # a picture passes as it came
    passed, _ = pass_through(worked, "m")
    assert wire.loads(written(passed))["model"] == "m"


def _at_openai(made: dict[str, Any], most: int | None) -> dict[str, Any]:
    """The request as OpenAI would have to take it, which knows no more than four stops; other families know more."""
    assert most is None or len(made.get("stop", ())) <= most
    return {**made, "stop": made["stop"][:4]} if "stop" in made else made


def _kind(reply: ChatReply) -> tuple[Any, ...]:
    return reply.finished, reply.stop_reason, reply.usage, reply.error and reply.error.failure.status


def _billable(reply: ChatReply | MessagesReply) -> None:
    usage: Usage = reply.settled()
    counts = (usage.input, usage.output, usage.cache_read, usage.cache_write, usage.reasoning)
    assert all(isinstance(count, int) and 0 <= count < 1 << 53 for count in counts), usage
    assert reply.reported_cost is None or 0 <= reply.reported_cost < 1 << 63
    assert reply.error is None or (reply.error.failure.message and reply.error.failure.status >= 400)


def _sent(out: list[Any]) -> None:
    for event in out:
        sent = events.encode(event["type"], event).partition(b"data: ")[2]
        assert wire.loads(sent) == wire.loads(wire.dumps(event))  # infinity is null from here on


def _sound(message: Any) -> None:
    tools = [block for block in message["content"] if block["type"] == "tool_use"]
    assert message["stop_reason"] != "tool_use" or tools
    assert all(isinstance(block["input"], dict) for block in tools)


TARGETS: dict[str, Callable[[bytes], None]] = {"sse": sse, "chat": chat, "messages": messages, "request": request}


def run(name: str, data: bytes) -> None:
    """One input; what is too short for the choices is none."""
    if len(data) > 2:
        TARGETS[name](data)
