"""A conversation as Claude Code shows it.

Owns the reading order: prompts behind a chevron, answers behind a dot, tool calls with their results below them,
folded. Pure; runs in a thread. The one surprise: a tool's result stands in a later message than its call, so results
are looked up by id first, and what no call asked for is shown where it stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby

from ccr_tui.records import Attempt, Json, Trace
from ccr_tui.screens import failing, show
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.levels import USUAL, Category, Level, Levels
from ccr_tui.screens.lines import Document
from ccr_tui.screens.stored import Lines
from ccr_tui.signed import Speaker, speaker

PEEK = 3
"""Lines of a tool's result that are seen while it is folded."""
LONGEST = 100_000
"""Characters of one text that are shown."""
AGENTS = {"think": "think", "code": "coder"}
"""The agents that work aside, by the purposes of their calls."""


def conversation_document(trace: Trace, levels: Levels = USUAL) -> Document:
    """The conversation of the request, then the reply that it got; each category at its level."""
    page = _Page(levels)
    body = trace.body if isinstance(trace.body, dict) else {}
    if not body:
        page.document.say("The body could not be read as a JSON object; the Received tab has it as it came.", "warn")
    page.preamble(body)
    messages = [m for m in _items(body.get("messages")) if isinstance(m, dict)]
    reply = trace.reply if isinstance(trace.reply, dict) else None
    page.results = _results(messages)
    page.asked = _calls([*messages, *([reply] if reply else [])])
    for message in messages:
        page.message(message)
    page.ending(trace, reply)
    return Document(page.document.lines, frozenset(page.folded), page.at)


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def blocks_of(content: Json) -> list[Json]:
    """Content as blocks, whether it is a text, a list, or something that we never saw."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else [] if content is None else [content]


def _results(messages: Iterable[Json]) -> dict[str, Json]:
    return {
        str(block.get("tool_use_id")): block
        for message in messages
        for block in blocks_of(message.get("content"))
        if isinstance(block, dict) and str(block.get("type", "")).endswith("tool_result")
    }


def _calls(messages: Iterable[Json]) -> set[str]:
    return {
        str(block.get("id"))
        for message in messages
        for block in blocks_of(message.get("content"))
        if isinstance(block, dict) and str(block.get("type", "")).endswith("tool_use")
    }


def text_of(block: Json) -> str:
    """What a block of content says: its text, or in brackets what it is."""
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return json.dumps(block, ensure_ascii=False, default=str)
    kind = block.get("type")
    if kind in ("text", "thinking") and isinstance(block.get(kind), str):
        return str(block[kind])
    if kind in ("image", "document"):
        return _media(block, str(kind))
    if kind == "tool_reference":
        return f"[tool {block.get('tool_name')} loaded]"
    if kind == "redacted_thinking":
        return "[redacted thinking]"
    return json.dumps(block, ensure_ascii=False, default=str)


def _media(block: Json, kind: str) -> str:
    source = block.get("source") if isinstance(block.get("source"), dict) else {}
    if source.get("type") == "url":
        return f"[{kind} {source.get('url')}]"
    data = source.get("data")
    return f"[{kind} {source.get('media_type', '')} {show.size(len(data) * 3 // 4 if isinstance(data, str) else 0)}B]"


class _Page:
    """The document as it grows."""

    def __init__(self, levels: Levels) -> None:
        self.document = Document()
        self.levels = levels
        self.folded: set[int] = set()
        self.results: dict[str, Json] = {}
        self.asked: set[str] = set()
        self.models: list[tuple[str, str]] = []
        """Who worked aside for the reply, and is not heard to the end: agents with their models, in order."""
        self.at = 0

    @property
    def lines(self) -> Lines:
        return self.document.lines

    def gap(self) -> None:
        if self.lines and self.lines.text(len(self.lines) - 1):
            self.document.put("")

    def section(self, category: Category, title: str, text: str, ink: str = "muted") -> None:
        """A heading that folds its text away."""
        if self.levels[category] == "hidden":
            return
        if self.document.lines and category != "system":
            self.gap()
        head = self.document.put(("▾ ", "faint"), (title, ink))
        self.say(text, "  ", "muted")
        self.fold(head, title, ink, self.levels[category])

    def fold(self, head: int, title: str, ink: str, level: Level) -> None:
        line = self.lines[head]
        line.until = len(self.lines)
        line.closed, line.closed_spans = f"▸ {title}", ((0, 2, "faint"), (2, 2 + len(title), ink))
        if level != "full":
            self.folded.add(head)

    def spoken(self, category: Category, text: str, ink: str, first: str, first_ink: str) -> None:
        """What the person or the model said; as a summary its first line, which unfolds."""
        level = self.levels[category]
        if level == "hidden":
            return
        self.gap()
        head = self.say(text, "  ", ink, first, first_ink)
        if category == "prompts":
            self.at = head
        if level == "summary" and len(self.lines) > head + 1:
            line = self.lines[head]
            line.until, line.closed, line.closed_spans = len(self.lines), f"{line.text}  ▸", line.spans
            self.folded.add(head)

    def say(self, text: str, indent: str, ink: str, first: str | None = None, first_ink: str = "") -> int:
        """Text, each line indented, the first one behind a mark; gives its first line."""
        start = len(self.lines)
        more = len(text) - LONGEST
        for number, line in enumerate(show.harmless_lines(text[:LONGEST].strip("\n"))):
            lead = first if number == 0 and first is not None else indent
            self.document.put((lead, first_ink) if first_ink else lead, (line, ink), hang=len(indent))
        if more > 0:
            self.document.put(indent, (f"… {show.size(more)} more characters", "muted"))
        return start

    def preamble(self, body: Json) -> None:
        system = "\n\n".join(text_of(block) for block in blocks_of(body.get("system")))
        if system:
            self.section("system", f"system prompt · {show.size(len(system))} characters", system)
        tools = [t for t in _items(body.get("tools")) if isinstance(t, dict)]
        if tools:
            names = show.harmless(" ".join(str(t.get("name", "?")) for t in tools))
            self.section(
                "system",
                f"{len(tools)} tool{'s' * (len(tools) > 1)} · {names}",
                "\n".join(f"{t.get('name', '?')}  {_first_line(t.get('description'))}" for t in tools),
            )

    def message(self, message: Json) -> None:
        role, blocks = message.get("role"), blocks_of(message.get("content"))
        if role == "system":
            text = "\n".join(text_of(block) for block in blocks)
            if self.levels["system"] != "hidden":
                self.gap()
            self.section("system", f"system · {_first_line(text) or 'empty'} · {show.size(len(text))} characters", text)
        self.blocks(blocks if role != "system" else (), self.person if role == "user" else self.model)

    def blocks(self, blocks: Iterable[Json], put: Callable[[Json], None]) -> None:
        """One after the other; work that was done aside is told with its agent."""
        for block in blocks:
            said = speaker(block)
            if said is None:
                put(block)
            else:
                self.aside(block, said)

    def aside(self, block: Json, said: Speaker) -> None:
        """What another agent thought or found before the one that speaks."""
        if self.models and said.agent and said.agent != self.models[0][0]:
            self.models = self.models[1:]
        model = next((model for agent, model in self.models[:1] if agent == said.agent), "")
        who = f"{show.harmless(said.agent)} agent".strip() + (f" · {show.model(model)}" if model else "")
        text, what = text_of(block), "its result" if said.part == "result" else "its thinking"
        title = f"✻ {who} · {what} · {_first_line(text)} · {show.size(len(text))} characters"
        self.section("thinking", title, text, AGENT_INKS.get(said.agent, "thinking"))

    def person(self, block: Json) -> None:
        if isinstance(block, dict) and str(block.get("type", "")).endswith("tool_result"):
            if str(block.get("tool_use_id")) not in self.asked and self.levels["tools"] != "hidden":
                self.gap()
                self.result(block)
            return
        text = text_of(block)
        if text.lstrip().startswith("<system-reminder>"):
            inner = text.replace("<system-reminder>", "").replace("</system-reminder>", "").strip()
            title = f"reminder · {_first_line(inner)} · {show.size(len(inner))} characters"
            self.section("reminders", title, inner)
        else:
            self.spoken("prompts", text, "strong", "❯ ", "title")

    def model(self, block: Json) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if isinstance(block, dict) and isinstance(kind, str) and kind.endswith("tool_use"):
            if self.levels["tools"] != "hidden":
                self.gap()
                self.call(block)
        elif kind in ("thinking", "redacted_thinking"):
            text = text_of(block) or "[nothing of it can be read here]"
            title = f"✻ thinking · {_first_line(text)} · {show.size(len(text))} characters"
            self.section("thinking", title, text, "thinking")
        else:
            self.spoken("answers", text_of(block), "", "● ", "")

    def call(self, block: Json) -> None:
        name = show.harmless(str(block.get("name", "?")))
        given = block.get("input")
        head = self.document.put(("● ", "good"), (name, "strong"), (f"({_main_argument(given)})", "muted"), hang=2)
        arguments = json.dumps(given, ensure_ascii=False, indent=2, default=str)
        self.say(arguments, "    ", "key")
        self.lines[head].until = len(self.lines)
        text = self.lines[head].text
        self.lines[head].closed = f"{text} ▸"
        self.lines[head].closed_spans = (*self.lines[head].spans, (len(text), len(text) + 2, "faint"))
        if self.levels["tools"] != "full":
            self.folded.add(head)
        if (result := self.results.get(str(block.get("id")))) is not None:
            self.result(result)

    def result(self, block: Json) -> None:
        text = "\n".join(text_of(inner) for inner in blocks_of(block.get("content"))) or "(no output)"
        failed = block.get("is_error") is True
        ink = "bad" if failed else "muted"
        said = show.harmless_lines(text[:LONGEST].strip("\n"))
        mark = "✗ " if failed else ""
        for number, line in enumerate(said[:PEEK]):
            self.document.put(("  ⎿ " if number == 0 else "    ", "faint"), (mark * (number == 0) + line, ink), hang=4)
        if len(said) <= PEEK and len(text) <= LONGEST:
            return
        head = self.document.put("    ", (f"▾ {len(said) - PEEK} more lines", "faint"))
        self.say("\n".join(said[PEEK:]) + text[LONGEST:], "    ", ink)
        opener = self.lines[head]
        opener.until, opener.closed = len(self.lines), opener.text.replace("▾", "▸", 1)
        if self.levels["tools"] != "full":
            self.folded.add(head)

    def ending(self, trace: Trace, reply: Json) -> None:
        self.gap()
        self.document.put(("── the reply to this request " + "─" * 30, "faint"))
        self.models = _workers(trace.attempts)
        self.blocks(blocks_of(reply.get("content")) if reply else (), self.model)
        self.gap()
        if trace.failure is not None:
            words = failing.sentence(trace.status, trace.failure.message)
            self.say(words, "  ", "bad", "✗ ", "bad")
        elif trace.outcome == "cancelled":
            self.document.put(("⊘ the client hung up", "warn"))
        elif reply:
            self.document.put((f"  stop: {show.harmless(str(reply.get('stop_reason')))}", "faint"))


def _workers(attempts: Iterable[Attempt]) -> list[tuple[str, str]]:
    """The agents that worked aside, in order, each with the model that was asked last."""
    found: list[tuple[str, str]] = []
    for asked, calls in groupby(attempts, key=lambda attempt: attempt.purpose):
        if asked in AGENTS:
            found.append((AGENTS[asked], list(calls)[-1].model))
    return found


def _first_line(text: Json) -> str:
    """The beginning of a text, for the line that folds it."""
    line = show.harmless(text.strip().split("\n", 1)[0]) if isinstance(text, str) else ""
    return line if len(line) <= 70 else line[:70].rpartition(" ")[0] + "…"


def _main_argument(given: Json) -> str:
    """The argument that says most, as Claude Code shows it."""
    if not isinstance(given, dict) or not given:
        return ""
    preferred = ("command", "file_path", "path", "pattern", "url", "query", "description", "prompt")
    key = next((k for k in preferred if isinstance(given.get(k), str)), None)
    value = given[key] if key else next(iter(given.values()))
    text = show.harmless(" ".join(str(value)[:200].split()))
    return text[:90] + "…" * (len(text) > 90)
