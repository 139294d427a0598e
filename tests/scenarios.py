"""What the scripted upstream can answer, by name.

Owns the scripts: a scenario is a function from what was asked to the steps of a conversation, each a `Stream` of chat
completion chunks (dictionaries), raw bytes and faults, or a `Plain` response. Must never do I/O. The one surprise: a
request that is not streamed gets the very same steps, added up by `whole` into one completion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Json = Any
Script = Callable[["Ask"], "list[Stream | Plain]"]
SCENARIOS: dict[str, Script] = {}


@dataclass(frozen=True)
class Wait:
    """Nothing is sent for so long."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection is closed (FIN) though the body is not over."""


@dataclass(frozen=True)
class Reset:
    """The connection is reset (RST)."""


@dataclass(frozen=True)
class Stall:
    """Silence, until the client leaves."""


Event = dict[str, Any] | bytes | Wait | Cut | Reset | Stall


@dataclass(frozen=True)
class Plain:
    """A response that is no stream. Status 0 closes the connection before any header."""

    status: int
    body: Json = ""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Stream:
    """A streamed answer: what is sent, in order, and in which dress."""

    events: list[Event]
    head_wait: float = 0
    content_type: str = "text/event-stream; charset=utf-8"
    newline: bytes = b"\n"
    prefix: bytes = b""
    piece: int | None = None
    """Bytes a write; None writes an event at once."""
    gzip: bool = False
    model: str | None = None
    """The model that answers; None is the one that was asked."""
    always_sse: bool = False
    """Even where no stream was asked for."""

    def encode(self, event: Event, model: str) -> bytes:
        """One event on the wire: bytes as they are, a chunk as an SSE event."""
        if isinstance(event, bytes):
            return event
        assert isinstance(event, dict)
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000}
        chunk |= {"model": self.model or model, **event}
        text = json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
        return self.prefix + b"data: " + text.encode() + self.newline * 2

    def cut_up(self, data: bytes) -> Iterable[bytes]:
        """The writes that carry `data`."""
        size = self.piece or max(1, len(data))
        return (data[at : at + size] for at in range(0, len(data), size))


@dataclass(frozen=True)
class Ask:
    """What a scenario may look at."""

    body: Json
    arg: str
    step: int
    count: Callable[[], int]
    """How often this scenario was asked with this argument, this time included."""

    def number(self, default: float) -> float:
        """The argument as a number."""
        return float(self.arg) if re.fullmatch(r"[\d.]+", self.arg) else default

    def failing(self) -> bool:
        """Whether a fault meant for the first ARG times should still happen; no ARG means always."""
        return not self.arg or self.count() <= int(self.arg)

    @property
    def folder(self) -> str:
        """The working directory that Claude Code names in its prompt."""
        text = json.dumps(self.body["messages"])
        found = re.search(r"[Ww]orking directory: ([^\s\\\"]+)", text)
        return found[1].rstrip(".") if found else "."

    def tool(self, *names: str) -> str:
        """The first of these tools that the client offers."""
        offered = {tool["function"]["name"] for tool in self.body.get("tools") or ()}
        return next((name for name in names if name in offered), names[0])


# ---------------------------------------------------------------- pieces of a stream


def delta(finish: str | None = None, index: int = 0, **fields: Json) -> dict[str, Any]:
    """One chunk."""
    return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}


def say(text: str, pieces: int = 4, name: str = "content") -> list[Event]:
    """Text, or reasoning under its field's name."""
    size = max(1, -(-len(text) // pieces))
    return [delta(**{name: text[at : at + size]}) for at in range(0, len(text), size)]


def call(name: str, arguments: Json, id: str = "call_1", index: int = 0, pieces: int = 3) -> list[Event]:
    """A tool call: its head, then its arguments (a string is sent as it stands)."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    size = max(1, -(-len(text) // pieces))
    head = delta(
        tool_calls=[{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}]
    )
    return [head, *(more(text[at : at + size], index) for at in range(0, len(text), size))]


def more(text: str, index: int = 0) -> dict[str, Any]:
    """A further piece of a call's arguments."""
    return delta(tool_calls=[{"index": index, "function": {"arguments": text}}])


def bash(command: str, **where: Any) -> list[Event]:
    return call("Bash", {"command": command, "description": "run it"}, **where)


def usage(prompt: int = 100, output: int = 20, **more_fields: Json) -> dict[str, Any]:
    """The chunk that carries usage alone; dropped by the server where it was not asked for."""
    numbers = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    return {"choices": [], "usage": {**numbers, **more_fields}}


DONE = b"data: [DONE]\n\n"
ROLE = delta(role="assistant", content="")
SIMPLE = usage(prompt_tokens_details={"cached_tokens": 40})


def answer(*parts: list[Event], finish: str | None = None, tokens: Event | None = SIMPLE, **dress: Any) -> Stream:
    """A complete answer of these parts, as OpenAI would end it."""
    events = [event for part in parts for event in part]
    called = any(isinstance(event, dict) and "tool_calls" in str(event) for event in events)
    end = delta(finish=finish or ("tool_calls" if called else "stop"))
    return Stream([ROLE, *events, end, *([tokens] if tokens else []), DONE], **dress)


def broken(*parts: list[Event], fault: Event) -> Stream:
    """An answer that does not come to its end. The pause lets what was sent be read before the connection breaks."""
    pause = [Wait(0.05)] if isinstance(fault, Cut | Reset) else []
    return Stream([ROLE, *(event for part in parts for event in part), *pause, fault])


END = answer(say("All done."))


def whole(events: list[Event], model: str) -> dict[str, Any]:
    """The same as one completion, for a request that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    finish, tokens = None, None
    for event in events:
        if not isinstance(event, dict):
            continue
        if "error" in event:
            return event
        tokens = event.get("usage") or tokens
        for choice in event.get("choices", ()):
            if choice["index"] == 0:
                finish = choice["finish_reason"] or finish
                _add(message, calls, choice["delta"])
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": tokens}


def _add(message: dict[str, Any], calls: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    for name, value in piece.items():
        if name == "tool_calls":
            for part in value or ():
                _add_call(calls, part)
        elif isinstance(value, str) and name != "role":
            message[name] = (message.get(name) or "") + value
        elif isinstance(value, list):
            message[name] = [*(message.get(name) or ()), *value]
        elif name == "function_call":
            earlier = message.get(name) or {"arguments": ""}
            message[name] = {**earlier, **value, "arguments": earlier["arguments"] + value["arguments"]}


def _add_call(calls: dict[int, dict[str, Any]], part: dict[str, Any]) -> None:
    function = part.get("function") or {}
    kept = calls.setdefault(part.get("index", len(calls)), {"type": "function", "function": {"arguments": ""}})
    kept.update({"id": part["id"]} if part.get("id") else {})
    kept["function"]["name"] = function.get("name") or kept["function"].get("name")
    arguments = function.get("arguments") or ""
    kept["function"]["arguments"] = (
        kept["function"]["arguments"] + arguments if isinstance(arguments, str) else arguments
    )


# ---------------------------------------------------------------- what can be asked for


def scenario(script: Script) -> Script:
    """Puts it under its name."""
    SCENARIOS[script.__name__.strip("_")] = script
    return script


def same(**steps: list[Stream | Plain]) -> None:
    """Scenarios that look at nothing."""
    for name, fixed in steps.items():
        SCENARIOS[name] = lambda ask, fixed=fixed: fixed  # type: ignore[misc]


HARD = "caf\u00e9 \U0001f600 \u4e2d\u6587 a\u2028b\u0085c end"

same(
    text=[END],
    nomark=[answer(say("ok", 1))],
    reasoning_content=[answer(say("Let me think.", name="reasoning_content"), say("Thought."))],
    reasoning=[answer(say("Let me think.", name="reasoning"), say("Thought."))],
    reasoning_details=[
        answer(
            [delta(reasoning_details=[{"type": "reasoning.text", "text": part}]) for part in ("Let me ", "think.")],
            say("Thought."),
        )
    ],
    thinktags=[answer([delta(content=part) for part in ("<th", "ink>Let me ", "think.</thi", "nk>\n\nThought.")])],
    reasononly=[answer(say("Let me think.", name="reasoning_content"))],
    # tool calls, as providers send them
    onetool=[answer(say("Running."), bash("echo one")), END],
    parallel2=[answer(bash("echo one"), bash("echo two", id="call_2", index=1)), END],
    interleaved=[
        answer(
            [call("Bash", "", id="call_a")[0], call("Bash", "", id="call_b", index=1)[0]],
            [more('{"command": ', 0), more('{"command": ', 1), more('"echo a"}', 0), more('"echo b"}', 1)],
        ),
        END,
    ],
    onedelta=[
        answer(
            [
                delta(
                    tool_calls=[
                        {
                            "index": at,
                            "id": f"call_{at}",
                            "type": "function",
                            "function": {"name": "Bash", "arguments": json.dumps({"command": f"echo {at}"})},
                        }
                        for at in range(2)
                    ]
                )
            ]
        ),
        END,
    ],
    noindex=[
        answer(
            [
                delta(
                    tool_calls=[
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "Bash", "arguments": '{"command": "echo 1"}'},
                        }
                    ]
                ),
                delta(
                    tool_calls=[
                        {
                            "id": "c2",
                            "type": "function",
                            "function": {"name": "Bash", "arguments": '{"command": "echo 2"}'},
                        }
                    ]
                ),
            ]
        ),
        END,
    ],
    texttool=[answer(say("Before."), bash("echo t"), say("After.")), END],
    stoptool=[answer(bash("echo stop"), finish="stop"), END],
    toolnotool=[answer(say("No tool here."), finish="tool_calls")],
    dupid=[answer(bash("echo 1", id="same"), bash("echo 2", id="same", index=1)), END],
    noid=[answer(bash("echo noid", id="")), END],
    badid=[answer(bash("echo badid", id="functions.Bash:0")), END],
    badjson=[answer(call("Bash", '{"command": "echo bad"')), END],
    notjson=[answer(call("Bash", "this is no JSON at all")), END],
    emptyargs=[answer(call("Bash", "")), END],
    arrayargs=[answer(call("Bash", "[1,2]")), END],
    objectargs=[
        answer(
            [
                delta(
                    tool_calls=[
                        {
                            "index": 0,
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "Bash", "arguments": {"command": "x"}},
                        }
                    ]
                )
            ]
        ),
        END,
    ],
    legacycall=[
        answer(
            [
                delta(function_call={"name": "Bash", "arguments": ""}),
                delta(function_call={"arguments": '{"command": "x"}'}),
            ],
            finish="function_call",
        ),
        END,
    ],
    # the end of an answer
    length=[answer(say("cut off at"), finish="length")],
    lengthtool=[answer(call("Bash", '{"command": "echo ha'), finish="length"), END],
    filtered=[answer(say("I was"), finish="content_filter")],
    refusal=[answer(say("I can't help with that.", name="refusal"))],
    oddfinish=[answer(say("odd"), finish="eos")],
    nofinish=[Stream([ROLE, *say("no finish reason"), DONE])],
    nodone=[Stream([ROLE, *say("no DONE"), delta(finish="stop"), SIMPLE])],
    finishtext=[Stream([ROLE, delta(content="with text", finish="stop"), DONE])],
    empty=[answer()],
    emptytext=[answer([delta(content="")])],
    spaces=[answer(say("\n\n", 1))],
    # the form of the stream
    utf8=[answer(say(HARD), piece=1)],
    crlf=[answer(say("line ends"), newline=b"\r\n", piece=7)],
    bom=[Stream([b"\xef\xbb\xbf", *answer(say("after a mark")).events])],
    comments=[Stream([b": waiting\n\n"] * 3 + list(END.events))],
    named=[answer(say("named"), prefix=b"event: message\nid: 7\nretry: 10\n")],
    nospace=[Stream([b'data:{"choices":[{"index":0,"delta":{"content":"no space"}}]}\n\n', *END.events[-3:]])],
    oneshot=[answer(say("all in one write"), gzip=False, piece=1 << 20)],
    gzipped=[answer(say("compressed"), gzip=True)],
    azure=[Stream([{"choices": [], "prompt_filter_results": []}, *END.events])],
    twochoices=[answer(say("first"), [delta(index=1, content="second")])],
    nullcontent=[
        answer([delta(role="assistant", content=None, tool_calls=None, reasoning_content=None)], say("nulls"))
    ],
    othermodel=[answer(say("hi"), model="vendor/other-2026")],
    sseforplain=[answer(say("a stream, though none was asked for"), always_sse=True)],
    octets=[answer(say("octets"), content_type="application/octet-stream")],
    # what is wrong in the middle
    badsse=[Stream([ROLE, *say("before"), b"data: {not json\n\n", *END.events[-3:]])],
    deadend=[broken(say("Clean end, too early. "), fault=b"")],
    deadendtool=[broken(say("Clean end."), call("Bash", '{"command": "echo ha')[:2], fault=b""), END],
    cut0=[broken(fault=Cut())],
    stall0=[broken(fault=Stall())],
    stall=[broken(say("Then silence. " * 3), fault=Stall())],
    stalltool=[broken(bash("echo s")[:2], fault=Stall()), END],
    stallhead=[Stream(list(END.events), head_wait=3600)],
    # responses that are no answer
    closed=[Plain(0)],
    empty200=[Plain(200, "", content_type="text/event-stream")],
    emptyjson=[Plain(200, "{}")],
    html200=[Plain(200, "<html><body>Sign in to the hotel's network</body></html>", content_type="text/html")],
    html=[
        Plain(
            502, "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>", content_type="text/html"
        )
    ],
    error200=[
        Plain(
            200, {"error": {"message": "quota is used up", "type": "insufficient_quota", "code": "insufficient_quota"}}
        )
    ],
    jsonforstream=[Plain(200, whole(END.events, "scripted-model"))],
    badjson200=[Plain(200, '{"choices": [{"mess')],
    textfault=[Plain(500, "upstream exploded", content_type="text/plain")],
)


@scenario
def echo(ask: Ask) -> list[Stream | Plain]:
    """ARG, word for word."""
    return [answer(say(ask.arg or "echo"))]


@scenario
def long(ask: Ask) -> list[Stream | Plain]:
    """ARG words, one a chunk, 20 ms apart."""
    words = [event for n in range(int(ask.number(50))) for event in (delta(content=f"word{n} "), Wait(0.02))]
    return [answer(words)]


@scenario
def held(ask: Ask) -> list[Stream | Plain]:
    """ARG words; all but the first come when the upstream's `release` is set."""
    first, *others = [delta(content=f"word{n} ") for n in range(int(ask.number(50)))]
    return [answer([first, Wait(60), *others])]


@scenario
def endless(ask: Ask) -> list[Stream | Plain]:
    """Words until the client leaves."""
    return [answer([event for _ in range(100_000) for event in (delta(content="word "), Wait(0.01))])]


@scenario
def chunks(ask: Ask) -> list[Stream | Plain]:
    """ARG equal chunks in a burst."""
    return [answer([delta(content="again ") for _ in range(int(ask.number(200)))])]


@scenario
def slowfirst(ask: Ask) -> list[Stream | Plain]:
    """Headers at once, the first chunk after ARG seconds."""
    return [Stream([Wait(ask.number(1)), *END.events])]


@scenario
def slowhead(ask: Ask) -> list[Stream | Plain]:
    """Headers after ARG seconds."""
    return [Stream(list(END.events), head_wait=ask.number(1))]


@scenario
def tools(ask: Ask) -> list[Stream | Plain]:
    """Claude Code writes a file, lists it, reads it, and ends."""
    path = f"{ask.folder}/hello.txt"
    return [
        answer(say("Writing."), call("Write", {"file_path": path, "content": "hello from the script\n"}, id="call_w")),
        answer(say("Listing."), bash("cat hello.txt; ls", id="call_l")),
        answer(say("Reading."), call("Read", {"file_path": path}, id="call_r")),
        END,
    ]


@scenario
def parallel(ask: Ask) -> list[Stream | Plain]:
    """Three tools at once, their arguments interleaved; with ARG the first takes that many seconds more."""
    wait = ask.number(0)
    one = call("Bash", {"command": f"sleep {wait}; echo one", "description": "1"}, id="call_1", index=0)
    two = call("Bash", {"command": "echo two", "description": "2"}, id="call_2", index=1)
    three = call("Write", {"file_path": f"{ask.folder}/three.txt", "content": "3\n"}, id="call_3", index=2)
    mixed = [event for trio in zip(one, two, three, strict=True) for event in trio]
    return [answer(say("Three at once."), mixed), END]


@scenario
def think(ask: Ask) -> list[Stream | Plain]:
    """Reasoning, text and a tool; then reasoning and text."""
    return [
        answer(say("Let me think about it.", name="reasoning_content"), say("Thought."), bash("echo thought")),
        answer(say("Again.", name="reasoning_content"), say("Done thinking.")),
    ]


@scenario
def agent(ask: Ask) -> list[Stream | Plain]:
    """A subagent in the foreground, which plays `sub`."""
    task = {
        "description": "sub task",
        "prompt": "Do the sub task. [[ccr:sub]]",
        "subagent_type": "general-purpose",
        "run_in_background": False,
    }
    return [answer(call(ask.tool("Agent", "Task"), task, id="call_agent")), END]


@scenario
def sub(ask: Ask) -> list[Stream | Plain]:
    """What a subagent does."""
    return [answer(say("Sub working."), bash("echo sub")), answer(say("Sub result 42."))]


@scenario
def loop(ask: Ask) -> list[Stream | Plain]:
    """ARG turns of the same tool."""
    return [*[answer(bash(f"echo {n}", id=f"call_{n}")) for n in range(int(ask.number(5)))], END]


@scenario
def journal(ask: Ask) -> list[Stream | Plain]:
    """ARG turns, each of which writes one more line into journal.txt."""
    lines = range(1, int(ask.number(10)) + 1)
    return [*[answer(bash(f"echo line {n} >> journal.txt", id=f"call_{n}")) for n in lines], END]


HOPS = re.compile(r"\[\[hops:([a-z,]*)\]\]")
"""In a prompt: the agents that the scripted router sends to work before the tool agent."""


@scenario
def route(ask: Ask) -> list[Stream | Plain]:
    """A router: the agents that the request names, one after the other, then the tool agent."""
    text = json.dumps(ask.body["messages"]).partition("What happened before")[0]
    named = HOPS.search(text)
    hops = named[1].split(",") if named else []
    worked = text.count("agent has already worked on this")
    return [answer(say(json.dumps({"use": [*hops, "tool"][min(worked, len(hops))]})))]


@scenario
def reasoner(ask: Ask) -> list[Stream | Plain]:
    """A model that reasons and knows no tools, as picky as DeepSeek R1 was."""
    roles = [message["role"] for message in ask.body["messages"] if message["role"] != "system"]
    trouble = {
        "does not support Function Calling": "tools" in ask.body or "tool" in roles,
        "does not support successive user or assistant messages in messages": any(map(str.__eq__, roles, roles[1:])),
        "the last message must be the user's": roles[-1:] != ["user"],
        "reasoning_content is not taken": "reasoning_content" in json.dumps(ask.body["messages"]),
    }
    if wrong := [words for words, holds in trouble.items() if holds]:
        return [Plain(400, {"error": {"message": f"scripted reasoner: {wrong[0]}", "type": "invalid_request_error"}})]
    return [
        answer(say("What is asked for? A file. ", name="reasoning_content"), say("The plan: write it, then read it."))
    ]


@scenario
def coder(ask: Ask) -> list[Stream | Plain]:
    """A model that answers with code."""
    return [answer(say("```sh\necho hello > hello.txt\n```"))]


@scenario
def tokens(ask: Ask) -> list[Stream | Plain]:
    """Usage as ARG reports it: openai, deepseek, openrouter, text, early, finish, none, null, each, zero."""
    hit = usage(prompt_cache_hit_tokens=64, prompt_cache_miss_tokens=36)
    cost = usage(prompt_tokens_details={"cached_tokens": 30, "cache_write_tokens": 10}, cost=0.00125)
    detail = usage(prompt_tokens_details={"cached_tokens": 40}, completion_tokens_details={"reasoning_tokens": 12})
    number_text = usage()
    number_text["usage"] = {name: str(value) for name, value in number_text["usage"].items()}
    own = {
        "openai": answer(say("ok"), tokens=detail),
        "deepseek": answer(say("ok"), tokens=hit),
        "openrouter": answer(say("ok"), tokens=cost),
        "text": answer(say("ok"), tokens=number_text),
        "none": answer(say("ok"), tokens=None),
        "null": answer([{**delta(content="ok"), "usage": None}], tokens=None),
        "early": answer([{**delta(content="ok"), "usage": SIMPLE["usage"]}], tokens=None),
        "each": answer(
            [{**delta(content=word), "usage": usage(100, n)["usage"]} for n, word in enumerate("ok!", 1)], tokens=None
        ),
        "finish": Stream([ROLE, *say("ok"), {**delta(finish="stop"), "usage": SIMPLE["usage"]}, DONE]),
        "zero": answer(say("ok"), tokens=usage(0, 0)),
    }
    return [own[ask.arg]]


@scenario
def big(ask: Ask) -> list[Stream | Plain]:
    """A text of ARG characters."""
    return [answer(say("x" * int(ask.number(100_000)), 50))]


@scenario
def http(ask: Ask) -> list[Stream | Plain]:
    """ARG is STATUS, or STATUS,TIMES,RETRY_AFTER: an error in OpenAI's shape; TIMES 0 is always."""
    status, times, after, *_ = [*ask.arg.split(","), "", ""]
    if times not in ("", "0") and ask.count() > int(times):
        return [END]
    known = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
    error = {"message": f"scripted {status}", "type": "scripted", "param": None, "code": known.get(int(status))}
    return [Plain(int(status), {"error": error}, {"retry-after": after} if after else {})]


@scenario
def quota(ask: Ask) -> list[Stream | Plain]:
    """A 429 that no waiting cures."""
    error = {"message": "You exceeded your current quota, please check your plan.", "type": "insufficient_quota"}
    return [Plain(429, {"error": {**error, "code": "insufficient_quota"}})]


OVERFLOWS = {
    "openai": (
        400,
        {
            "message": "This model's maximum context length is 131072 tokens. However, your messages resulted in "
            "140000 tokens. Please reduce the length of the messages.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
    ),
    "llama": (
        400,
        {
            "code": 400,
            "message": "request (6021 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 6021,
            "n_ctx": 4096,
        },
    ),
}


@scenario
def overflow(ask: Ask) -> list[Stream | Plain]:
    """The context is too long, in the words of ARG; `output` is content with a shorter answer."""
    if ask.arg != "output":
        status, error = OVERFLOWS[ask.arg or "openai"]
        return [Plain(status, {"error": error})]
    limit = ask.body.get("max_tokens") or ask.body.get("max_completion_tokens") or 0
    if 108_000 + limit <= 131_072:
        return [END]
    said = (
        f"This model's maximum context length is 131072 tokens. However, you requested {108_000 + limit} tokens "
        f"(108000 in the messages, {limit} in the completion). Please reduce the length of the messages or completion."
    )
    return [Plain(400, {"error": {"message": said, "type": "invalid_request_error"}})]


@scenario
def errorsse(ask: Ask) -> list[Stream | Plain]:
    """An error object as the first event of a 200 stream."""
    return [Stream([{"error": {"message": "The engine is overloaded", "type": "overloaded", "code": 503}}])]


def fault(name: str, *parts: list[Event], event: Event) -> None:
    """A scenario that breaks the first ARG times (always, with no ARG), and then ends well."""

    def script(ask: Ask) -> list[Stream | Plain]:
        return [broken(*parts, fault=event) if ask.failing() else END, END]

    SCENARIOS[name] = script


ERROR = {"error": {"message": "The engine is overloaded", "type": "server_error", "code": 503}}
WORDS = say("Partial text before it breaks. " * 3)

fault("miderr", WORDS, event=ERROR)
fault("firsterr", event=ERROR)
fault("miderrtool", say("Partial."), bash("echo once >> ran.txt"), event=ERROR)
fault("cut", WORDS, event=Cut())
fault("cuttool", say("Partial."), bash("echo once >> ran.txt"), event=Cut())
fault("cutinside", say("Partial."), bash("echo once >> ran.txt")[:2], event=Cut())
fault("rst", WORDS, event=Reset())
fault("flaky", event=b"data: {broken\n\n")


@scenario
def refused(ask: Ask) -> list[Stream | Plain]:
    """Closed before any header the first ARG times, as a stale pooled connection is."""
    return [Plain(0) if ask.failing() else END]
