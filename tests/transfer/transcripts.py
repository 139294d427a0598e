"""Transcripts as Claude Code writes them (shapes seen with 2.1.197), made by rule: no line of anybody's is in here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

START = datetime(2026, 10, 5, 9, 0, tzinfo=UTC).timestamp()
SESSION = "72d37f7f-0000-4000-8000-000000000001"
FORK = "25b499d7-0000-4000-8000-000000000002"
CWD = "/home/ada/engine"
AGENT = "a5b8559ded1febe36"


def usage(
    input: int = 3, output: int = 20, read: int = 0, written: int = 0, hour: int = 0, **more: Any
) -> dict[str, Any]:
    """As the API reports it; `hour` of what is written is kept for an hour."""
    return {
        "input_tokens": input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": output,
        "cache_creation": {"ephemeral_1h_input_tokens": hour, "ephemeral_5m_input_tokens": written - hour},
        "service_tier": "standard",
        **more,
    }


@dataclass
class Writer:
    """Writes lines one after the other, each a second later, each hanging on the one before unless told otherwise."""

    session: str = SESSION
    agent: str | None = None
    at: float = START
    prefix: str = "l"
    lines: list[dict[str, Any]] = field(default_factory=list)

    def line(self, kind: str, parent: str | None = "", **more: Any) -> str:
        """Any line; gives its uuid."""
        uuid = f"{self.prefix}{len(self.lines):04d}"
        last = next((one["uuid"] for one in reversed(self.lines) if "uuid" in one), None)
        self.at += 1
        made = {"parentUuid": last if parent == "" else parent, "isSidechain": self.agent is not None}
        if self.agent:
            made["agentId"] = self.agent
        made |= {"type": kind, "uuid": uuid, "timestamp": stamp(self.at), "cwd": CWD, "sessionId": self.session}
        self.lines.append(made | {"version": "2.1.197", "gitBranch": "main"} | more)
        return uuid

    def user(self, content: Any, **more: Any) -> str:
        """Something the model is told."""
        return self.line("user", message={"role": "user", "content": content}, **more)

    def result(self, tool: str, text: str, parent: str | None = "") -> str:
        """What a tool gave back."""
        block = {"tool_use_id": tool, "type": "tool_result", "content": text}
        return self.user([block], parent=parent, toolUseResult={"stdout": text, "stderr": ""})

    def answer(self, id: str, *blocks: dict[str, Any], usage: dict[str, Any], **more: Any) -> list[str]:
        """An answer: a line a block."""
        stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        return [self.block(id, block, usage, stop, **more) for block in blocks]

    def block(
        self, id: str, block: dict[str, Any], usage: dict[str, Any], stop: str | None = "end_turn", **more: Any
    ) -> str:
        """One line of an answer."""
        message = {"id": id, "type": "message", "role": "assistant", "model": more.pop("model", "claude-opus-4-8")}
        message |= {"content": [block], "stop_reason": stop, "stop_sequence": None, "usage": usage}
        return self.line("assistant", message=message, requestId=more.pop("request", f"req_of_{id}"), **more)

    def write(self, path: Path) -> Path:
        """The file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in self.lines))
        return path


def stamp(at: float) -> str:
    """A time as the client writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(words: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words}


def tool(id: str, name: str = "Bash", **input: Any) -> dict[str, Any]:
    """A block that calls a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def parallel() -> Writer:
    """A prompt, three tools at once whose results hang on different lines, the end: as the client really writes it."""
    writer = Writer()
    writer.lines += [
        {
            "type": "queue-operation",
            "operation": "enqueue",
            "timestamp": stamp(START),
            "sessionId": SESSION,
            "content": "go",
        }
    ]
    writer.user("go")
    writer.line("attachment", attachment={"type": "skill_listing", "content": "many"})
    first = writer.block("msg_1", text("Three."), usage(3, 40, 0, 900, 300), "tool_use")
    second = writer.block("msg_1", tool("t1", command="one"), usage(3, 40, 0, 900, 300), "tool_use", parent=first)
    third = writer.block("msg_1", tool("t2", command="two"), usage(3, 40, 0, 900, 300), "tool_use", parent=second)
    writer.result("t1", "1", parent=second)
    two = writer.result("t2", "2", parent=third)
    last = writer.block("msg_1", tool("t3", command="three"), usage(3, 40, 0, 900, 300), "tool_use", parent=two)
    writer.result("t3", "3", parent=last)
    writer.answer("msg_2", text("Done."), usage=usage(5, 7, 900, 60))
    writer.lines.append({"type": "last-prompt", "lastPrompt": "go", "sessionId": SESSION})
    return writer


def subagent() -> Writer:
    """Of the same session."""
    writer = Writer(agent=AGENT, prefix="s", at=START + 3)
    writer.user("look it up")
    writer.answer("msg_s1", text("Looking."), tool("s1"), usage=usage(11, 16, 5_000, 400), model="claude-haiku-4-5")
    writer.result("s1", "found")
    writer.answer("msg_s2", text("42"), usage=usage(12, 4, 5_400, 100), model="claude-haiku-4-5")
    return writer


def project(folder: Path) -> Path:
    """A folder like ~/.claude: a session with parallel tools and a subagent, a fork that repeats it, what else occurs.

    The figures that count are in TOTALS.
    """
    place = folder / "projects" / "-home-ada-engine"
    main = parallel()
    main.write(place / f"{SESSION}.jsonl")
    subagent().write(place / SESSION / "subagents" / f"agent-{AGENT}.jsonl")
    fork = Writer(FORK, prefix="f", at=START + 100)
    fork.lines = [{"type": "queue-operation", "operation": "enqueue", "timestamp": stamp(fork.at), "sessionId": FORK}]
    fork.lines += [line | {"sessionId": FORK} for line in main.lines]
    fork.user("and now?")
    fork.answer("msg_3", text("Now this."), usage=usage(7, 9, 960, 0))
    fork.write(place / f"{FORK}.jsonl")
    btw = Writer(agent="b7", prefix="b", at=START + 200)
    btw.answer("msg_2", text("Done."), usage=usage(5, 7, 900, 60), request="req_another")
    btw.answer("msg_b1", text("By the way."), usage=usage(1, 2, 970, 0))
    btw.write(place / SESSION / "subagents" / "agent-b7.jsonl")
    old = Writer("0ld00000-0000-4000-8000-000000000003", prefix="o", at=START - 9_000)
    old.user("hello")
    old.block("msg_o1", text("Hel"), usage(9, 1, 100, 50), None, model="claude-sonnet-4-20250514")
    old.block("msg_o1", text("lo."), usage(9, 30, 100, 50), None, model="claude-sonnet-4-20250514")
    old.user("fail")
    old.block("oops", text("API Error: 500"), usage(0, 0), model="<synthetic>", isApiErrorMessage=True)
    path = old.write(place / "0ld00000-0000-4000-8000-000000000003.jsonl")
    with path.open("a") as file:
        file.write('{"type":"assistant","broken\n\n')
    return folder


TOTALS = {
    "input_tokens": 3 + 5 + 11 + 12 + 7 + 1 + 9,
    "cache_read_tokens": 900 + 5_000 + 5_400 + 960 + 970 + 100,
    "cache_write_tokens": 900 + 60 + 400 + 100 + 50,
    "output_tokens": 40 + 7 + 16 + 4 + 9 + 2 + 30,
}
REQUESTS = 7
