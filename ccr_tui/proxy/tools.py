"""Tools, their names and which of them must be called.

Owns the `tools` and `tool_choice` of a chat request, and the names and ids that tools and calls have upstream. Must
never offer the model a tool that nobody can run: what only Anthropic's servers have is taken out, with a note in the
trace and a sentence to the model. The one surprise: a tool that has come before is not made anew, so nothing that is
made of it may depend on the rest of the request.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import field
from hashlib import blake2b
from typing import Any

from ccr_tui.proxy.asked import server_tool
from ccr_tui.proxy.clientside import clientside
from ccr_tui.proxy.content import Reader, compact
from ccr_tui.proxy.notes import Notes, named
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.schemas import is_strict, parameters
from ccr_tui.records import Json
from ccr_tui.seen import Part, Parts
from ccr_tui.slim import dataclass
from ccr_tui.wire import dumps

_TOOLSET = re.compile(r"(?:computer|browser)_toolset_\d{8}")
"""Sets of tools that the client runs."""
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")  # OpenAI: "Expected a string with maximum length 40"
_NINE = re.compile(r"[a-zA-Z0-9]{9}")


def digest(text: str, size: int = 16) -> str:
    """A short name for a text that is the same in every run."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).hexdigest()


class Names:
    """Tool names as the upstream takes them: legal ones stay, others get a legal form with a hash of the whole name."""

    def __init__(self, limit: int, reserved: frozenset[str] = frozenset()) -> None:
        self._limit = max(limit, 16)
        self._reserved = reserved
        self._short: dict[str, str] = {}
        self._state: tuple[Json, ...] | None = None
        self.restore: dict[str, str] = {}
        """The names that were changed, back to their originals."""

    def of(self, name: str) -> str:
        found = self._short.get(name)
        if found is None:
            found = self._short[name] = name if self._legal(name) else self._made(name)
            self._state = None
        return found

    def state(self) -> tuple[Json, ...]:
        """What decides how further names come out."""
        if self._state is None:
            self._state = tuple(self._short.items()), self._reserved
        return self._state

    def go_on_from(self, names: Names) -> None:
        """Have all the names that those have by now."""
        self._reserved, self._state = names._reserved, names.state()
        self._short, self.restore = dict(names._short), dict(names.restore)

    def _legal(self, name: str) -> bool:
        return 0 < len(name) <= self._limit and not _ILLEGAL.search(name)

    def _made(self, name: str) -> str:
        stem = _ILLEGAL.sub("_", name)[: self._limit - 9]
        made, salt = f"{stem}_{digest(name, 4)}", 0
        while made in self._reserved or made in self.restore:
            salt += 1
            made = f"{stem}_{digest(f'{name}#{salt}', 4)}"
        self.restore[made] = name
        return made


class Ids:
    """Ids of tool calls, legal upstream and never twice the same, however often the client repeats one."""

    def __init__(self, facts: Facts) -> None:
        self._legal = _NINE if facts.tool_ids == "nine" else _LEGAL_ID
        self._size = 9 if facts.tool_ids == "nine" else 24
        self._prefix = "" if facts.tool_ids == "nine" else "call_"
        self._seen: set[str] = set()
        self.given: list[str] = []
        """Those that were made by `fresh`, in order."""

    def take(self, ids: Collection[str]) -> None:
        """These were given in an earlier turn."""
        self._seen.update(ids)

    def fresh(self, original: str) -> str:
        made = original if self._legal.fullmatch(original) else self._made(original)
        salt = 1
        while made in self._seen:
            salt += 1
            made = self._made(f"{original}#{salt}")
        self._seen.add(made)
        self.given.append(made)
        return made

    def _made(self, text: str) -> str:
        return self._prefix + digest(text)[: self._size]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What the tools of a request become."""

    tools: list[dict[str, Any]]
    choice: Json = None
    """"auto", "required", "none" or OpenAI's object; None says nothing, which means auto."""
    sentences: tuple[str, ...] = ()
    """What the model must be told in the system message."""

    @property
    def forced(self) -> bool:
        return self.choice not in (None, "auto", "none")


@dataclass(slots=True)
class Workbench:
    """Builds the toolbox for one model."""

    facts: Facts
    names: Names
    notes: Notes
    sentences: list[str] = field(default_factory=list)

    def toolbox(self, offered: list[Json], wanted: Json, *, may_force: bool) -> Toolbox:
        """Of the tools and the tool_choice. `may_force` False: the model is thinking and can't be forced to call a
        tool, nor stopped from thinking."""
        tools = self._known_to_all(offered)
        if self.facts.max_tools is not None and len(tools) > self.facts.max_tools:
            tools = self._as_many(tools, self.facts.max_tools, wanted)
        if not tools:
            if wanted.get("type") in ("any", "tool"):
                self.notes.add("no tool call can be forced: no tools were sent")
            return Toolbox([], None, tuple(self.sentences))
        if wanted.get("type") == "none":
            return self._none(tools)
        choice: Json = "auto" if wanted.get("type") == "auto" else None
        if wanted.get("type") in ("any", "tool"):
            tools, choice = self._forced(tools, wanted, may_force)
        return Toolbox(tools, choice, tuple(self.sentences))

    def _known_to_all(self, offered: list[Json]) -> list[dict[str, Any]]:
        """What the tools are for this model. Those that have come before, and gave no reason for a word, are not
        looked at again, and have the names of then."""
        if not isinstance(offered, Parts):
            return [self._known(tool) for tool in self._callable(offered)]
        tools: list[dict[str, Any]]
        facts, names, tools = offered.found.get((Workbench, id(self.facts)), (None, None, []))
        if facts is self.facts:
            self.names.go_on_from(names)
            return tools
        before = self.notes.counts()
        tools = [self._known(tool) for tool in self._callable(offered)]
        parts = [tool for tool in tools if isinstance(tool, Part)]
        if self.notes.counts() == before and not self.sentences and len(parts) == len(tools):
            tools, names = Parts(parts), Names(self.facts.tool_name_limit)
            names.go_on_from(self.names)
            offered.found[Workbench, id(self.facts)] = (self.facts, names, tools)
        return tools

    def _as_many(self, tools: list[dict[str, Any]], most: int, wanted: Json) -> list[dict[str, Any]]:
        """What the provider takes of them: the one that must be called, then the client's own, then others, in their
        order. With one more it would refuse every request."""
        called = self.names.of(wanted["name"]) if wanted.get("type") == "tool" else None
        names = [tool["function"]["name"] for tool in tools]
        order = sorted(range(len(tools)), key=lambda n: (names[n] != called, names[n].startswith("mcp__"), n))
        self.notes.add(f"{len(tools) - most} of {len(tools)} tools were left out: the provider takes {most}")
        return [tools[n] for n in sorted(order[:most])]

    def _callable(self, tools: list[Json]) -> list[Json]:
        served = [tool for tool in tools if server_tool(tool)]
        if served:
            self._say_missing(served)
        for tool in tools:
            if _placeholder(tool):
                self.notes.add(f"the tool {named(tool['name'])} is a placeholder and was left out")
        return [clientside(tool) or tool for tool in tools if not server_tool(tool) and not _placeholder(tool)]

    def _say_missing(self, served: list[Json]) -> None:
        for tool in served:
            why = "models know" if _TOOLSET.fullmatch(tool["type"]) else "servers have"
            self.notes.add(f"the tool {named(tool['type'])} was left out: only Anthropic's {why} it")
        names = ", ".join(str(tool.get("name") or tool["type"]) for tool in served)
        self.sentences.append(
            f"These tools are not available in this conversation and can't be called: {names}. "
            "If the task needs one of them, say so plainly instead of making up what it would have returned."
        )

    def _known(self, tool: Json) -> dict[str, Any]:
        """What the tool is for this model. A tool that has come before, and gave no reason for a note, is not made
        anew."""
        if not isinstance(tool, Part):
            return self._function(tool)
        made: dict[str, Any]
        facts, name, made = tool.found.get((Workbench, id(self.facts)), (None, "", {}))
        if facts is self.facts and name == self.names.of(tool["name"]):
            return made
        before = self.notes.counts()
        made = self._function(tool)
        if self.notes.counts() == before:
            made = Part(made, dumps(made))
            tool.found[Workbench, id(self.facts)] = (self.facts, made["function"]["name"], made)
        return made

    def _function(self, tool: Json) -> dict[str, Any]:
        function: dict[str, Any] = {"name": self.names.of(tool["name"])}
        description = _described(tool)
        if description:
            function["description"] = self._cut(Reader(self.facts, self.notes).sound(description), tool["name"])
        function["parameters"] = parameters(tool["input_schema"], self.facts)
        callers = tool.get("allowed_callers")
        if isinstance(callers, list) and callers and "direct" not in callers:
            self.notes.add(f"the tool {named(tool['name'])} was for code execution only; here it is called directly")
        return {"type": "function", "function": function | self._strict(tool, function["parameters"])}

    def _strict(self, tool: Json, schema: Json) -> dict[str, Any]:
        if tool.get("strict") is not True:
            return {}
        if self.facts.strict_tools and is_strict(schema):
            return {"strict": True}
        self.notes.add("strict tool schemas were asked for; the provider's own strictness applies")
        return {}

    def _cut(self, description: str, name: str) -> str:
        limit = self.facts.tool_description_limit
        if limit is None or len(description) <= limit:
            return description
        self.notes.add(f"the description of the tool {named(name)} was cut to {limit} characters")
        return description[: max(limit - 1, 0)] + "…"

    def _none(self, tools: list[dict[str, Any]]) -> Toolbox:
        if self.facts.tool_choice_none:
            return Toolbox(tools, "none", tuple(self.sentences))
        self.notes.add('tool_choice "none" became no tools at all: this provider would not obey it')
        return Toolbox([], None, tuple(self.sentences))

    def _forced(self, tools: list[dict[str, Any]], wanted: Json, may_force: bool) -> tuple[list[dict[str, Any]], Json]:
        name = self.names.of(wanted["name"]) if wanted["type"] == "tool" else None
        only = [tool for tool in tools if tool["function"]["name"] == name]
        if name is not None and not only:
            self.notes.add(
                f"the tool {named(wanted['name'])} can't be forced: it is not among the tools that were sent"
            )
            return tools, None
        if not may_force or not self.facts.tool_choice_forced:
            self.notes.add("a tool call can't be forced here, so the model was asked for it in the system message")
            self.sentences.append(
                f"Answer by calling {f'the tool {name}' if name else 'one of the tools'}, not with text."
            )
            return tools, None
        if name is None:
            return tools, "required"
        if self.facts.tool_choice_named == "required":
            self.notes.add("one named tool was forced by sending only that one")
            return only, "required"
        return tools, {"type": "function", "function": {"name": name}}


def _described(tool: Json) -> str:
    """Its description; examples of its input, which chat completions have no field for, stand at the end."""
    said = tool.get("description")
    examples = tool.get("input_examples")
    told = [compact(each) for each in examples if isinstance(each, dict)] if isinstance(examples, list) else []
    parts = [said] if isinstance(said, str) and said else []
    return "\n\n".join([*parts, *(["\n".join(["Examples of its input:", *told])] if told else [])])


def _placeholder(tool: Json) -> bool:
    """A deferred tool that stands for others and must never be called. One that merely takes no input is kept."""
    if tool.get("defer_loading") is not True or (tool.get("input_schema") or {}).get("properties"):
        return False
    text = f"{tool.get('name')} {tool.get('description')}".lower()
    return "placeholder" in text or "never be called" in text or "do not call" in text
