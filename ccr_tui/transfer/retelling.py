"""A call that was read from a transcript as a trace: its request rebuilt as far as it is known.

Owns how a conversation is put together again from lines, and what the trace of such a call says of itself. Must never
invent: what a transcript does not hold (the system prompt, the tools, the parameters, when the first token came) is
left out, and the attempt's notes say that the request is reconstructed. The one surprise: messages are shared between
the bodies of a session, so that a session of a thousand turns costs what was said, not its square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from ccr_tui.prices import cost
from ccr_tui.records import Attempt, CostBasis, Json, Kind, Price, Trace, Usage
from ccr_tui.seen import Part
from ccr_tui.transfer.transcript import Call, Key, Line, Story, blocks_of, is_side
from ccr_tui.wire import dumps

RECONSTRUCTED = (
    "reconstructed from Claude Code's transcript: the messages only; the system prompt, the tools and the parameters "
    "are not in it, and the times are those at which lines were written"
)
FAST = "fast mode was on, whose price is not known"
PREFIX = "cc-"
"""How the ids of traces begin that come from transcripts."""

TOLD = 16
"""Conversations that are remembered whole: the latest, some subagents' among them."""

Quote = Callable[[str, str, float, Usage], Price | None]
"""Provider, model, time, usage to the price; None where nobody knows it."""


@dataclass(slots=True)
class Teller:
    """Retells the calls of one story, each with the whole conversation before it."""

    story: Story
    quote: Quote
    session: str = ""
    """Of lines that name none: the file's."""
    app_version: str = ""
    _told: dict[Key, list[Part]] = field(default_factory=dict)
    _walked: dict[Key, tuple[Call | None, list[Line]]] = field(default_factory=dict)
    _heard: dict[Key, tuple[Part, ...]] = field(default_factory=dict)
    _said: dict[Key, Part] = field(default_factory=dict)

    def trace(self, call: Call) -> Trace:
        """The call as a trace."""
        line, messages = call.said.given, self.messages(call)
        reply = self.reply(call)
        started = self._started(call)
        attempt = self._attempt(call, reply, started)
        agent = _agent(self.story, call)
        return Trace(
            uid=uid_of(call.key),
            origin="imported",
            kind=_kind(line, agent),
            session=str(line.get("sessionId") or self.session) or None,
            project=str(line["cwd"]) if line.get("cwd") else None,
            agent_id=agent,
            asked_model=attempt.model,
            streamed=True,
            body={"model": attempt.model, "messages": messages},
            raw=None,
            headers={},
            decision=None,
            attempts=(attempt,),
            reply=reply,
            timeline=(),
            outcome="ok",
            status=200,
            failure=None,
            estimate=None,
            started_at=started,
            ttft_ms=None,
            duration_ms=attempt.duration_ms,
            app_version=self.app_version,
        )

    def messages(self, call: Call) -> list[Part]:
        """What the model was sent, oldest first. Costs what was added, where the call before it was told just now."""
        chain, known = self._chain(call)
        messages = list(known)
        for earlier, later in zip((None, *chain), chain, strict=False):
            if earlier is not None:
                messages.append(self._message(earlier))
            messages += self._news(later)
        self._told[call.key] = messages
        while len(self._told) > TOLD:
            del self._told[next(iter(self._told))]
        return messages

    def _chain(self, call: Call) -> tuple[list[Call], list[Part]]:
        """The calls of the conversation up to this one, from the first whose messages are not known; and what is known.

        What is known ends with the answer before the first of them.
        """
        chain: list[Call] = []
        seen: set[Key] = set()
        at: Call | None = call
        while at is not None and at.key not in seen:
            known = self._told.get(at.key) if chain else None
            if known is not None:
                return chain[::-1], [*known, self._message(at)]
            seen.add(at.key)
            chain.append(at)
            at, _ = self._walk(at)
        return chain[::-1], []

    def _news(self, call: Call) -> tuple[Part, ...]:
        """What was said to the model since its answer before."""
        known = self._heard.get(call.key)
        if known is None:
            earlier, lines = self._walk(call)
            blocks = [*(self._results(earlier, call) if earlier else ()), *_blocks(lines, earlier)]
            known = (_part({"role": "user", "content": _content(lines, blocks)}),) if blocks else ()
            self._heard[call.key] = known
        return known

    def _walk(self, call: Call) -> tuple[Call | None, list[Line]]:
        """Up the chain of parents to the answer before; the user's lines on the way, oldest first."""
        known = self._walked.get(call.key)
        if known is None:
            known = self._walked[call.key] = _walk(self.story, call)
        return known

    def _results(self, earlier: Call, call: Call) -> list[Json]:
        """What the tools of the answer before gave back, wherever the lines hang.

        In the order of the lines, which is that in which the tools were done, and in which the client sends them (seen
        with 2.1.330 and a first tool that takes a second longer than the one beside it).
        """
        used = set(_tools(earlier))
        lines = {line.uuid: line for one in used if (line := self.story.results.get(one)) is not None}
        return [
            block
            for line in sorted(lines.values(), key=lambda line: line.end)
            if line.at <= call.first.at
            for block in blocks_of(line.message.get("content"))
            if block.get("tool_use_id") in used
        ]

    def _message(self, call: Call) -> Part:
        known = self._said.get(call.key)
        if known is None:
            known = self._said[call.key] = _part({"role": "assistant", "content": _spoken(call)})
        return known

    def reply(self, call: Call) -> dict[str, Any]:
        """The message that the client got, its blocks together again."""
        known = {key: value for key, value in call.last.message.items() if key not in ("content", "usage")}
        return {**known, "content": _spoken(call), "usage": call.said.message["usage"]}

    def _started(self, call: Call) -> float:
        """When what it answers was written down: the prompt, or the last of the tools' results."""
        earlier, lines = self._walk(call)
        times = [line.at for line in lines if line.kind == "user"]
        if earlier is not None:
            times += [line.at for used in _tools(earlier) if (line := self.story.results.get(used)) is not None]
        return max((at for at in times if at <= call.first.at), default=call.first.at)

    def _attempt(self, call: Call, reply: Json, started: float) -> Attempt:
        line, model = call.said.given, str(call.said.message.get("model") or "")
        provider = provider_of(model)
        fast = (call.said.message["usage"] or {}).get("speed") == "fast"
        price = None if fast else self.quote(provider, model, started, call.usage)
        money, basis = _cost(line, call.usage, price)
        stop = reply.get("stop_reason")
        return Attempt(
            n=1,
            purpose="answer",
            provider=provider,
            model=model,
            sent=None,
            started_at=started,
            ttft_ms=None,
            duration_ms=max(0, round((call.last.at - started) * 1000)),
            status=200,
            stop_reason=str(stop) if stop else None,
            usage=call.usage,
            price=price,
            cost=money,
            cost_basis=basis,
            notes=(RECONSTRUCTED, FAST) if fast else (RECONSTRUCTED,),
            answered_by=model or None,
        )


def _walk(story: Story, call: Call) -> tuple[Call | None, list[Line]]:
    lines: list[Line] = []
    at, seen = call.first.parent, {call.first.uuid}
    while at is not None and at not in seen and (line := story.lines.get(at)) is not None:
        seen.add(at)
        earlier = story.calls.get(line.key) if line.kind == "assistant" else None
        if earlier is not None and earlier is not call:
            return earlier, lines[::-1]
        lines.append(line)
        at = line.parent
    return None, lines[::-1]


def uid_of(key: Key) -> str:
    """The same answer has the same id, whenever and wherever it is read."""
    return PREFIX + blake2b("\n".join(key).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def provider_of(model: str) -> str:
    """Who sells a model of that name, as far as the name alone tells: a transcript does not say who was asked."""
    return "anthropic" if model.startswith("claude-") else ""


def _cost(line: dict[str, Any], usage: Usage, price: Price | None) -> tuple[int | None, CostBasis]:
    """Older clients wrote down what they took a request to cost; that counts, as it does for ccusage."""
    said = line.get("costUSD")
    if isinstance(said, int | float) and not isinstance(said, bool) and said >= 0:
        return round(said * 1e9), "reported"
    return (None, "unknown") if price is None else (cost(usage, price), price.basis)


def _kind(line: dict[str, Any], agent: str | None) -> Kind:
    if agent is not None and "compact" in agent:
        return "compaction"
    return "subagent" if agent is not None else "main"


def _agent(story: Story, call: Call) -> str | None:
    """The subagent's id; older clients named none, so the line that its talk began with has to do."""
    line = call.said.given
    if line.get("agentId"):
        return str(line["agentId"])
    if not is_side(line):
        return None
    root, seen = call.first, set[str]()
    while root.parent in story.lines and root.parent not in seen:
        seen.add(root.parent)
        root = story.lines[root.parent]
    return root.uuid[:17]


def _tools(call: Call) -> list[str]:
    return [str(block.get("id")) for block in _spoken(call) if block.get("type") == "tool_use"]


def _spoken(call: Call) -> list[dict[str, Any]]:
    """All blocks of an answer. A line that was written twice says nothing twice."""
    lines = {line.uuid: line for line in call.lines}.values()
    return [block for line in lines for block in blocks_of(line.message.get("content"))]


def _blocks(lines: list[Line], earlier: Call | None) -> list[Json]:
    """What the user's lines say beside the results of tools, which are collected apart."""
    done = set(_tools(earlier)) if earlier else set()
    return [
        block
        for line in lines
        for block in blocks_of(_words(line))
        if not (block.get("type") == "tool_result" and block.get("tool_use_id") in done)
    ]


def _words(line: Line) -> Json:
    if line.kind == "user" and not line.given.get("isVisibleInTranscriptOnly"):
        return line.message.get("content")
    note = line.given.get("attachment")
    if isinstance(note, dict) and note.get("type") == "queued_command":
        return note.get("prompt")
    return None


def _content(lines: list[Line], blocks: list[Json]) -> Json:
    """A prompt that was a plain string stays one."""
    spoken = [said for line in lines if (said := _words(line))]
    return spoken[0] if len(spoken) == len(blocks) == 1 and isinstance(spoken[0], str) else blocks


def _part(message: dict[str, Any]) -> Part:
    return Part(message, dumps(message))
