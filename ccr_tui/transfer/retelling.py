"""A call that was read from a transcript as a trace: its request rebuilt as far as it is known.

Owns how a conversation is put together again from lines, and what the trace of such a call says of itself. Must never
invent: what a transcript does not hold (when the first token came; of older clients the system prompt, the tools and
the parameters, see requested.py) is left out, and the attempt's notes say how much of the request is known. The one
surprise: an answer has its id from what the API called it, so that it is the same trace from whichever file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from hashlib import blake2b
from typing import Any

from ccr_tui.prices import cost
from ccr_tui.records import Attempt, CostBasis, Json, Kind, Price, Trace, Usage
from ccr_tui.slim import dataclass
from ccr_tui.transfer.requested import params_of
from ccr_tui.transfer.talk import Talk, part_of, spoken, tools_of
from ccr_tui.transfer.transcript import Call, Key, Story, is_side, moment

RECONSTRUCTED = (
    "reconstructed from Claude Code's transcript: the messages only; the system prompt, the tools and the parameters "
    "are not in it, and the times are those at which lines were written"
)
WHOLE = "the whole request, as Claude Code wrote it down beside its answer; its digest is the one it wrote"
PIECED = (
    "the system prompt, the tools and the parameters as Claude Code wrote them down; its messages are put together "
    "from the transcript and may differ: the digest that it wrote is another, or a part was not written"
)
FAST = "fast mode was on, whose price is not known"
PREFIX = "cc-"
"""How the ids of traces begin that come from transcripts."""

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
    _talk: Talk = field(init=False)
    _learned: bool = False

    def __post_init__(self) -> None:
        self._talk = Talk(self.story)

    def trace(self, call: Call) -> Trace:
        """The call as a trace."""
        line, reply = call.said.given, self.reply(call)
        started = self._started(call)
        body, note = self._asked(call)
        attempt = self._attempt(call, reply, started, note)
        agent = _agent(self.story, call)
        return Trace(
            uid=uid_of(call.key),
            origin="imported",
            kind=_kind(line, agent),
            session=str(line.get("sessionId") or self.session) or None,
            project=str(line["cwd"]) if line.get("cwd") else None,
            agent_id=agent,
            asked_model=str(body["model"]),
            streamed=True,
            body=body,
            raw=None,
            headers=self._headers(call),
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

    def _asked(self, call: Call) -> tuple[dict[str, Any], str]:
        """The request's body, and how much of it is known."""
        requested, name = self.story.requested, call.said.given.get("requestRef")
        model = str(call.said.message.get("model") or "")
        if requested.line(name) is None:
            return {"model": model, "messages": self._talk.messages(call)}, RECONSTRUCTED
        self._learn()
        whole = requested.whole(name)
        if whole is not None:
            return whole.body, WHOLE if whole.checked else PIECED
        return {"model": model, "messages": self._talk.messages(call), **requested.frame(name)}, PIECED

    def _learn(self) -> None:
        """Tell, once, what is known from other lines: answers, prompts, the results of tools."""
        if self._learned:
            return
        self._learned = True
        for call in self.story.calls.values():
            self.story.requested.learn((self._talk.message(call), *self._talk.news(call)))
        for line in self.story.lines.values():
            if line.kind == "user" and "role" in line.message:
                self.story.requested.learn((part_of(line.message),))

    def _headers(self, call: Call) -> dict[str, str]:
        line = self.story.requested.line(call.said.given.get("requestRef"))
        betas = params_of(line).get("betas") if line else None
        return {"anthropic-beta": ",".join(map(str, betas))} if isinstance(betas, list) else {}

    def reply(self, call: Call) -> dict[str, Any]:
        """The message that the client got, its blocks together again."""
        known = {key: value for key, value in call.last.message.items() if key not in ("content", "usage")}
        return {**known, "content": spoken(call), "usage": call.said.message["usage"]}

    def _started(self, call: Call) -> float:
        """When it was sent; where that is not written, when what it answers was: the prompt, or the last result."""
        asked = self.story.requested.line(call.said.given.get("requestRef"))
        sent = moment(asked.get("timestamp")) if asked else None
        if sent is not None:
            return sent
        earlier, lines = self._talk.walk(call)
        times = [line.at for line in lines if line.kind == "user"]
        if earlier is not None:
            times += [line.at for used in tools_of(earlier) if (line := self.story.results.get(used)) is not None]
        return max((at for at in times if at <= call.first.at), default=call.first.at)

    def _attempt(self, call: Call, reply: Json, started: float, note: str) -> Attempt:
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
            notes=(note, FAST) if fast else (note,),
            answered_by=model or None,
        )


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
