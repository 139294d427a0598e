"""A Messages API request as a chat completions request.

Owns the whole body that goes upstream. Must never change the body it was given, send one of Anthropic's own fields, or
make two requests of one session differ where the client's do not: no clock, no chance, no order of its own. The one
surprise: what a parameter becomes depends on others (a forced tool on thinking, thinking on tools, JSON on both), so
the order in `translate` matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ccr_tui.compacted import since
from ccr_tui.errors import BadRequest
from ccr_tui.proxy.asked import BILLING, output_schema, session_of, texts_of
from ccr_tui.proxy.content import Reader, compact
from ccr_tui.proxy.directives import over, tools_now
from ccr_tui.proxy.effort import Thought, decide
from ccr_tui.proxy.messages import Conversation, Message
from ccr_tui.proxy.notes import Notes, named
from ccr_tui.proxy.passing import pass_through
from ccr_tui.proxy.quirks import Facts
from ccr_tui.proxy.schemas import form, is_strict
from ccr_tui.proxy.tools import Names, Toolbox, Workbench, digest
from ccr_tui.records import Json
from ccr_tui.seen import once
from ccr_tui.slim import dataclass

__all__ = ["Translation", "pass_through", "translate"]

_HANDLED = frozenset(
    {
        "model", "messages", "system", "tools", "tool_choice", "max_tokens", "stop_sequences", "temperature", "top_p",
        "top_k", "stream", "thinking", "output_config", "output_format", "metadata",
    }
)  # fmt: skip
ONE_BY_ONE = "Call one tool at a time: never more than one in the same answer."
_SILENT = frozenset({"betas", "cache_control", "service_tier", "inference_geo", "diagnostics"})
"""Left out without a word: without them the answer is the same."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What goes upstream, and what the reply's translator must know of it."""

    body: dict[str, Any]
    notes: tuple[str, ...]
    names: Mapping[str, str]
    """Tool names that were changed: what the upstream says, to what the client knows."""
    stops: tuple[str, ...]
    thinking: bool
    watched: tuple[str, ...] = ()
    """Stop sequences that the provider does not take."""
    mute: bool = False
    """Whether nothing of the answer is wanted: the request warms the provider's prompt cache."""
    is_json: bool = False
    """Whether the answer must be JSON."""


def translate(body: Json, model_id: str, facts: Facts, max_output: int | None = None) -> Translation:
    """The chat request for a body that `parse` accepted. Raises BadRequest if nothing is left to be answered."""
    try:
        return _Translator(body, facts, max_output or facts.max_output).run(model_id)
    except RecursionError:
        raise BadRequest("the request is nested too deeply", should_retry=False) from None


class _Translator:
    def __init__(self, body: Json, facts: Facts, max_output: int | None) -> None:
        self._body = body
        self._facts = facts
        self._max_output = max_output
        self._notes = Notes()
        self._watched: tuple[str, ...] = ()
        self._offered = tools_now(body)
        self._names = Names(facts.tool_name_limit, once(self._offered, _names_of))

    def run(self, model_id: str) -> Translation:
        self._refuse()
        wanted = self._body.get("tool_choice") or {}
        bench = Workbench(self._facts, self._names, self._notes)
        toolbox = bench.toolbox(self._offered, wanted, may_force=self._may_force())
        thought = self._thought(toolbox)
        stops = self._stops()
        form, asked_for = self._form(thought, toolbox)
        parallel, one_by_one = self._parallel(bool(toolbox.tools))
        sent: dict[str, Any] = {
            "model": model_id,
            "messages": self._messages((*toolbox.sentences, *one_by_one, *asked_for), thought, model_id),
            **self._tools(toolbox),
            **parallel,
            **self._limit(),
            **self._sampling(),
            **({"stop": list(stops)} if stops else {}),
            **thought.fields,
            **form,
            **self._delivery(),
            **self._facts.extra,
        }
        self._left_out()
        mute, names = self._body.get("max_tokens") == 0, dict(self._names.restore)
        is_json = output_schema(self._body) is not None
        return Translation(sent, self._notes.all(), names, stops, thought.thinking, self._watched, mute, is_json)

    def _refuse(self) -> None:
        """What would be answered with something else than the client can take for an answer. Raises BadRequest."""
        thread = self._body.get("thread")
        if isinstance(thread, dict) and thread.get("type") == "continue":
            sentence = "thread: only Anthropic's servers hold conversations; send all messages with each request"
            raise BadRequest(sentence, should_retry=False)
        if self._body.get("compaction"):
            sentence = "compaction: only Anthropic's servers summarize a conversation; ask for a summary in a message"
            raise BadRequest(sentence, should_retry=False)

    def _may_force(self) -> bool:
        return self._facts.forced_tool_with_thinking or not self._facts.always_thinks

    def _thought(self, toolbox: Toolbox) -> Thought:
        return decide(self._body, self._facts, self._notes, tools=bool(toolbox.tools), forced=toolbox.forced)

    def _messages(self, sentences: tuple[str, ...], thought: Thought, model_id: str) -> list[Message]:
        first, shown = self._opening(self._shown())
        conversation = Conversation(self._facts, self._names, self._notes, thinking=thought.thinking, model_id=model_id)
        said = conversation.translate(shown)
        if not said:
            raise BadRequest("messages: at least one message must have content", should_retry=False)
        if self._facts.prefill and said[-1]["role"] == "assistant":
            said = [*said[:-1], {**said[-1], **self._facts.prefill}]
        system = "\n\n".join((*self._system(), *first, *sentences))
        return [{"role": "system", "content": system}, *said] if system else said

    def _opening(self, messages: list[Json]) -> tuple[list[str], list[Json]]:
        """What system messages say before anybody else does, which belongs to the system prompt; and the rest."""
        at = next((n for n, message in enumerate(messages) if message["role"] != "system"), 0)
        if not at:
            return [], messages
        read = Reader(self._facts, self._notes)
        pieces = [piece for message in messages[:at] for piece in read.pieces(message.get("content"))]
        return [piece for piece in pieces if isinstance(piece, str)], messages[at:]

    def _shown(self) -> list[Json]:
        """The messages since the conversation was compacted, without reminders whose turn is over."""
        messages: list[Json] = since(self._body["messages"])
        if messages is not self._body["messages"]:
            self._notes.add("what stands before a compaction's summary was left out, as Anthropic's own API does")
        ended = set(over(messages))
        if not ended:
            return messages
        self._notes.add("a reminder for one turn was left out: that turn is over", len(ended))
        return [message for n, message in enumerate(messages) if n not in ended]

    def _system(self) -> list[str]:
        """The client's system texts but for its billing line, which would spoil the provider's prefix cache."""
        kept, sound = [], Reader(self._facts, self._notes).sound
        for text in texts_of(self._body.get("system")):
            if text.startswith(BILLING):
                self._notes.add("the client's billing line was left out: it would spoil the provider's prompt cache")
                text = text.partition("\n")[2].lstrip("\n")
            if text:
                kept.append(sound(text))
        return kept

    def _tools(self, toolbox: Toolbox) -> dict[str, Any]:
        if not toolbox.tools:
            return {}
        choice = {} if toolbox.choice is None else {"tool_choice": toolbox.choice}
        return {"tools": toolbox.tools, **choice}

    def _parallel(self, has_tools: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Whether calls may come side by side, and what the prompt must say where that can't be forbidden."""
        if not has_tools:
            return {}, ()
        if (self._body.get("tool_choice") or {}).get("disable_parallel_tool_use") is True:
            if self._facts.parallel_off:
                return {"parallel_tool_calls": False}, ()
            self._notes.add("parallel tool calls can't be forbidden here, so the system message asks for one at a time")
            return {}, (ONE_BY_ONE,)
        allowed = self._facts.parallel_tool_calls
        return {} if allowed is None else {"parallel_tool_calls": allowed}, ()

    def _limit(self) -> dict[str, Any]:
        asked = self._body.get("max_tokens")
        if not isinstance(asked, int):
            return {}
        if asked == 0:
            self._notes.add("max_tokens 0 only warms the prompt cache: one token was asked for, and is not passed on")
            asked = 1
        if self._max_output is not None and asked > self._max_output:
            self._notes.add(f"max_tokens was lowered from {asked} to {self._max_output}, this model's limit")
            asked = self._max_output
        whole = self._facts.max_unstreamed
        if whole is not None and asked > whole and not self._body.get("stream"):
            self._notes.add(
                f"max_tokens was lowered from {asked} to {whole}, the most for an answer that is not streamed"
            )
            asked = whole
        return {self._facts.max_tokens_key: asked}

    def _sampling(self) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for key, taken in (
            ("temperature", self._facts.sampling),
            ("top_p", self._facts.sampling),
            ("top_k", self._facts.top_k),
        ):
            value = self._body.get(key)
            if value is None:
                continue
            if not taken:
                self._notes.add(f"{key} was left out: this model does not take it")
                continue
            sent[key] = max(value, self._facts.least.get(key, value))
            if sent[key] != value:
                self._notes.add(f"{key} was raised from {value} to {sent[key]}, the least that this provider takes")
        return sent

    def _stops(self) -> tuple[str, ...]:
        asked = self._body.get("stop_sequences") or []
        stops = [stop for stop in asked if stop.strip()]
        if len(stops) < len(asked):
            self._notes.add("a stop sequence of white space alone was left out")
        limit = self._facts.max_stops
        if limit is not None and len(stops) > limit:
            self._notes.add(
                f"{len(stops) - limit} of {len(stops)} stop sequences were not sent, but are watched for in the "
                f"answer: the provider takes {limit}"
            )
            self._watched, stops = tuple(stops[limit:]), stops[:limit]
        return tuple(stops)

    def _form(self, thought: Thought, toolbox: Toolbox) -> tuple[dict[str, Any], tuple[str, ...]]:
        """response_format, and what the prompt must say where that is not enough."""
        schema = output_schema(self._body)
        if schema is None:
            if kind := ((self._body.get("output_config") or {}).get("format") or {}).get("type"):
                self._notes.add(
                    f"an answer of the form {named(kind)} was asked for; chat completions have no such thing"
                )
            return {}, ()
        taken = self._facts.json_with_thinking or not thought.thinking
        taken = taken and (self._facts.json_with_tools or not toolbox.tools)
        if self._facts.json_schema and taken:
            clean = form(schema, self._facts.schema_drop)
            strict = {"strict": True} if is_strict(clean) else {}
            named_schema = {"name": "answer", "schema": clean, **strict}
            return {"response_format": {"type": "json_schema", "json_schema": named_schema}}, ()
        self._notes.add("the JSON schema of the answer went into the system message: it can't be enforced here")
        sentence = f"Answer with one JSON value and nothing else. It must fit this JSON schema: {compact(schema)}"
        return {"response_format": {"type": "json_object"}} if taken else {}, (sentence,)

    def _delivery(self) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        if self._body.get("stream") is True:
            sent["stream"] = True
            if self._facts.include_usage:
                sent["stream_options"] = {"include_usage": True}
        session = session_of(self._body)
        if session and self._facts.prompt_cache_key:
            sent["prompt_cache_key"] = digest(session)
        return sent

    def _left_out(self) -> None:
        if (self._body.get("output_config") or {}).get("task_budget"):
            self._notes.add("task_budget was left out: chat completions have no such thing")
        for key, value in self._body.items():
            if key in _HANDLED or key in _SILENT or value in (None, [], {}):
                continue
            if key == "safeguards":
                self._notes.add("the client asked for Anthropic's own safety checks; there are none behind this proxy")
            elif key != "context_management" or not _only_thinking_cleared(value):
                self._notes.add(f"{named(key)} was left out: chat completions have no such thing")


def _names_of(tools: list[Json]) -> frozenset[str]:
    return frozenset([name for tool in tools if isinstance(name := tool.get("name"), str)])


def _only_thinking_cleared(management: Json) -> bool:
    """Which reasoning is kept in the history: chat providers have their own rules for that."""
    edits = management.get("edits") if isinstance(management, dict) else None
    return isinstance(edits, list) and all(
        isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking") for edit in edits
    )
