"""Records the sessions of this folder: a scripted client, the real proxy, and a real small model.

Owns the client: a tool-using agent loop that sends what Claude Code sends (shapes and headers as measured with 2.1.330,
all words our own) over a real socket, and keeps the very bytes that it is sent back. Must never run a tool: its project
exists in this file only, so that a recording holds nothing of the machine. The one surprise: the model is so small that
the tools' schemas leave it a choice among a few sensible arguments, which llama.cpp holds it to.

    python traces/record.py [NAME...]       # all of them without a name; some two minutes each

Beside NAME.jsonl (an archive of traces) it writes NAME.sse, what the client received: a comment with the trace's id
before each answer. What a model says differs from machine to machine; the shape of a session does not.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "real"))
sys.path.insert(0, str(Path(__file__).parent.parent))

import llama

from ccr_tui import host
from ccr_tui.config import Config, Model, Patience, Provider, Routing
from ccr_tui.proxy import sse
from ccr_tui.proxy.anthropic import Fold
from ccr_tui.records import Json, Price
from ccr_tui.store import archive
from ccr_tui.wire import dumps, loads

HERE = Path(__file__).resolve().parent
PROJECT = "/home/dev/project"
PRICE = Price(300_000_000, 1_200_000_000, 30_000_000, since="2026-11-23", source="made up for this recording")
"""The real price of a model on one's own machine is nothing, which would leave nothing to compare."""
LIMIT = 40
"""max_tokens of a text: small models ramble."""
CALL_LIMIT = 120
"""max_tokens of an answer that calls a tool."""

# --- the project that the client pretends to work on ----------------------------------------------------------------

FILES = {
    f"{PROJECT}/parser.py": "def split_line(line):\n    return line.rstrip('\\n').split(',')\n",
    f"{PROJECT}/test_parser.py": "from parser import split_line\n\n\ndef test_quoted():\n"
    "    assert split_line('\"a,b\",c') == ['a,b', 'c']\n",
    f"{PROJECT}/README.md": "# csv tool\n\nPrints a column of a CSV file.\n",
}
BEFORE, AFTER = "return line.rstrip('\\n').split(',')", "return next(csv.reader([line]))"
FAILS = "F\nFAILED test_parser.py::test_quoted - AssertionError\n1 failed"
PASSES = ".\n1 passed"


class Project:
    """The files, and what the tools answer about them."""

    def __init__(self) -> None:
        self.files = dict(FILES)

    def run(self, name: str, given: Json) -> str:
        """A tool's result."""
        path = given.get("file_path", "")
        if name == "Read":
            lines = self.files.get(path, "").splitlines()
            return "\n".join(f"{n:6d}\t{line}" for n, line in enumerate(lines, 1)) or "no such file"
        if name == "Edit":
            self.files[path] = self.files.get(path, "").replace(BEFORE, AFTER)
            return f"The file {path} has been updated."
        if name == "Agent":
            return "The agent has found: the parser splits at every comma, quoted or not."
        if "pytest" in given.get("command", ""):
            return PASSES if AFTER in self.files[f"{PROJECT}/parser.py"] else FAILS
        return "\n".join(Path(path).name for path in self.files)


def tool(name: str, about: str, **fields: Sequence[str]) -> Json:
    """A tool whose arguments are chosen among a few."""
    properties = {field: {"type": "string", "enum": list(values)} for field, values in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(fields), "additionalProperties": False}
    return {"name": name, "description": about, "input_schema": schema}


READ = tool("Read", "Read a file.", file_path=list(FILES))
BASH = tool("Bash", "Run a command.", command=("python -m pytest -q", "ls"))
EDIT = tool(
    "Edit",
    "Replace text in a file.",
    file_path=[f"{PROJECT}/parser.py"],
    old_string=[BEFORE],
    new_string=[AFTER],
)
AGENT = tool(
    "Agent",
    "Let another agent look into something.",
    subagent_type=("Explore", "general-purpose"),
    prompt=("Find out where lines are split.", "Find out which tests fail."),
)
SYSTEM = (
    "You are a coding agent. Look at the code with the tools before you change it, and run the tests afterwards. "
    f"Be brief.\n\nWorking directory: {PROJECT}\n"
)
COMPACT = (
    "CRITICAL: Respond with TEXT ONLY, and call no tool. Sum the conversation up for the one who goes on with it: what "
    "was asked, what was found, which files were changed, and what is left to do. Put it between <summary> and "
    "</summary>."
)


# --- the client ------------------------------------------------------------------------------------------------------


@dataclass
class Client:
    """One conversation with the proxy, as the real client leads it."""

    http: aiohttp.ClientSession
    address: str
    session: str
    received: list[tuple[str, bytes]]
    """Trace id and the bytes of each answer, in the order in which they ended."""
    project: Project
    tools: Sequence[Json] = (READ, BASH, EDIT)
    agent: str | None = None
    """A subagent's id."""
    agent_type: str = ""
    messages: list[Json] = field(default_factory=list)
    prompts: int = 0

    async def say(self, text: str) -> None:
        """What the person types."""
        self.prompts += 1
        self.messages.append({"role": "user", "content": [{"type": "text", "text": text}]})

    async def turn(self, *uses: str | None) -> Json:
        """One request for each of `uses`, the tool that is to be called (None: none); the tools' results go back."""
        reply: Json = {}
        for use in uses:
            choice = {"type": "tool", "name": use} if use else {"type": "none"}
            reply = await self.ask(tool_choice=choice)
            self.messages.append({"role": "assistant", "content": reply["content"]})
            results = [await self.result(block) for block in reply["content"] if block["type"] == "tool_use"]
            if results:
                self.messages.append({"role": "user", "content": results})
        return reply

    async def result(self, block: Json) -> Json:
        """A tool's result; an agent is really let loose."""
        said = self.project.run(block["name"], block["input"])
        if block["name"] == "Agent":
            said = await self.subagent(block["input"])
        return {"type": "tool_result", "tool_use_id": block["id"], "content": said}

    async def subagent(self, given: Json) -> str:
        """Another conversation within the session."""
        one = Client(
            self.http, self.address, self.session, self.received, self.project, (READ, BASH),
            f"a{uuid.uuid5(uuid.NAMESPACE_URL, self.session + given['prompt']).hex[:16]}", given["subagent_type"],
        )  # fmt: skip
        await one.say(given["prompt"])
        reply = await one.turn("Bash" if "tests" in given["prompt"] else "Read", None)
        return "".join(block.get("text", "") for block in reply["content"])

    async def compact(self) -> None:
        """Let the conversation be summed up, and go on from the summary."""
        self.messages.append({"role": "user", "content": COMPACT})
        more = {"x-claude-code-request-class": "compaction", "x-claude-code-compaction": "manual"}
        reply = await self.ask({"type": "none"}, more)
        said = "".join(block.get("text", "") for block in reply["content"])
        self.messages[:] = []
        await self.say(f"This session is continued from another. Its summary:\n{said}\n\nGo on.")

    async def title(self) -> None:
        """The side question for a title, answered whole."""
        schema = {"type": "object", "properties": {"title": {"type": "string", "maxLength": 20}}, "required": ["title"]}
        form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
        more = {"x-claude-code-request-class": "auxiliary"}
        await self.ask({"type": "none"}, more, tools=[], stream=False, **form)

    async def ask(self, tool_choice: Json, more: dict[str, str] | None = None, **body: Json) -> Json:
        """One request; the message that answers it."""
        limit = LIMIT if tool_choice["type"] == "none" else CALL_LIMIT
        asked = {**self.body(), "tool_choice": tool_choice, "max_tokens": limit, **body}
        async with self.http.post(
            f"{self.address}/v1/messages?beta=true", data=dumps(asked), headers=self.headers() | (more or {})
        ) as answer:
            data = await answer.read()
            self.received.append((answer.headers["x-ccr-trace"], data))
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {data.decode()}")
        if not asked["stream"]:
            return loads(data)
        fold, decoder = Fold(), sse.Decoder()
        for event in (*decoder.feed(data), *decoder.close()):
            fold.feed(loads(event.data))
        return fold.message

    def headers(self) -> dict[str, str]:
        """As Claude Code sends them with CLAUDE_CODE_GATEWAY_HINT_HEADERS=1, under our own name."""
        prompt = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.session}{self.prompts}")
        mine = {
            "content-type": "application/json",
            "user-agent": "ccr-tui-recording/1",
            "anthropic-version": "2023-06-01",
            "x-app": "cli",
            "x-claude-code-session-id": self.session,
            "x-claude-code-prompt-id": str(prompt),
            "x-claude-code-request-class": "subagent" if self.agent else "main",
        }
        if self.agent:
            mine |= {"x-claude-code-agent-id": self.agent, "x-claude-code-agent-type": self.agent_type}
        return mine

    def body(self) -> Json:
        """The whole conversation, marked for the cache where the client marks it."""
        mark = {"cache_control": {"type": "ephemeral"}}
        last = self.messages[-1]
        blocks = [{"type": "text", "text": last["content"]}] if isinstance(last["content"], str) else last["content"]
        marked = {**last, "content": [*blocks[:-1], {**blocks[-1], **mark}]}
        billing = "x-anthropic-billing-header: cc_version=0.0.0.000; cc_entrypoint=cli;"
        user = {"device_id": "0" * 64, "account_uuid": "", "session_id": self.session}
        return {
            "model": "claude-opus-5-5",
            "messages": [*self.messages[:-1], marked],
            "system": [{"type": "text", "text": billing}, {"type": "text", "text": SYSTEM, **mark}],
            "tools": list(self.tools),
            "metadata": {"user_id": json.dumps(user, separators=(",", ":"))},
            "max_tokens": LIMIT,
            "temperature": 0,
            "stream": True,
        }


# --- the sessions ----------------------------------------------------------------------------------------------------


async def coding(client: Client) -> None:
    """A bug is found and mended with tools."""
    await client.say("Quoted commas break the CSV parser. Please mend it.")
    await client.title()
    await client.turn("Read", "Bash", "Edit", "Bash", None)
    await client.say("Is it slower than before?")
    await client.turn(None)
    await client.say("Then add a line about quotes to the README.")
    await client.turn("Read", None)


async def routed(client: Client) -> None:
    """The same in Router mode: somebody thinks first, somebody writes code first, and the tool agent does the work."""
    await client.say("Why do quoted commas break the CSV parser?")
    await client.turn("Read", None)
    await client.say("Write a function that splits a line of CSV.")
    await client.turn("Edit", "Bash", None)
    await client.say("Run the tests.")
    await client.turn("Bash", None)


async def delegated(client: Client) -> None:
    """Two subagents look around side by side, then the conversation is compacted and goes on."""
    client.tools = (READ, BASH, EDIT, AGENT)
    await client.say("Find out with two agents why the tests fail, then mend the parser.")
    await both_agents(client)
    await client.turn("Edit", "Bash", None)
    await client.compact()
    await client.turn("Bash", None)


async def both_agents(client: Client) -> None:
    """An answer that calls two agents at once: so small a model calls one, and is asked again meanwhile."""
    reply = await client.ask({"type": "tool", "name": "Agent"})
    client.messages.append({"role": "assistant", "content": reply["content"]})
    calls = [block for block in reply["content"] if block["type"] == "tool_use"]
    prompts = AGENT["input_schema"]["properties"]["prompt"]["enum"]
    other = {"subagent_type": "Explore", "prompt": next(one for one in prompts if one not in dumps(calls).decode())}
    answers = await asyncio.gather(*(client.result(block) for block in calls), client.subagent(other))
    note = {"type": "text", "text": f"The other agent says: {answers[-1]}"}
    client.messages.append({"role": "user", "content": [*answers[:-1], note]})


SESSIONS: dict[str, Callable[[Client], Awaitable[None]]] = {
    "coding": coding,
    "routed": routed,
    "delegated": delegated,
}
"""File by session."""


@asynccontextmanager
async def house(name: str, folder: Path) -> AsyncIterator[host.House]:
    """The proxy before real servers; in Router mode one of them thinks, and one chooses."""
    with ExitStack() as stack:
        templates = {"small": str(HERE / "agent")}
        if name == "routed":
            templates |= {"thinker": str(HERE / "thinker"), "chooser": str(HERE / "router")}
        where = {
            model: stack.enter_context(llama.server(template, context=4096, slots=2))
            for model, template in templates.items()
        }
        agents = {"default": ("small",)}
        if name == "routed":
            agents = {"router": ("chooser",), "tool": ("small",), "coder": ("small",), "think": ("thinker",)}
        config = Config(
            mode="router" if name == "routed" else "normal",
            port=0,
            providers={
                model: Provider(model, "openai", f"{url}/v1", family="llama_cpp") for model, url in where.items()
            },
            models={model: Model(model, model, "smollm2-135m", price=PRICE) for model in where},
            agents=agents,
            ping_s=600.0,
            routing=Routing(deadline_s=120.0),
            patience=Patience(waits_s=()),
            db=folder / "ccr.db",
        )
        async with host.open(config) as opened:
            yield opened


async def record(name: str) -> None:
    """One session, from its first request to its two files."""
    received: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with house(name, Path(folder)) as opened, aiohttp.ClientSession() as http:
            session = str(uuid.uuid5(uuid.NAMESPACE_URL, f"ccr-tui/traces/{name}"))
            await SESSIONS[name](Client(http, opened.engine.address, session, received, Project()))
            await opened.flush()
            lines = list(archive.lines(opened.reader.traces()))
    (HERE / f"{name}.jsonl").write_bytes(b"".join(lines))
    (HERE / f"{name}.sse").write_bytes(b"".join(b": trace %b\n\n%b\n" % (uid.encode(), data) for uid, data in received))
    sys.stderr.write(f"{name}: {len(received)} requests, {sum(map(len, lines)) // 1024} KB\n")


def main() -> None:
    for name in sys.argv[1:] or SESSIONS:
        asyncio.run(record(name))


if __name__ == "__main__":
    main()
