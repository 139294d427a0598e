"""An upstream's answer, pushed in as bytes, coming out as events of the Messages API.

Owns the two translators: `ChatReply` for chat completions, `MessagesReply` (passthrough.py) for Anthropic's own API.
Must never do I/O, read a clock or roll dice, and must never report a truncated answer as a success. The one surprise:
nothing is raised; a failure is kept in `.error`, which the exchange looks at after each feed, because the same piece of
bytes may hold good events before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ccr_tui.errors import UpstreamBroken
from ccr_tui.proxy.anthropic import usage_json
from ccr_tui.proxy.blocks import Blocks, Call, Run
from ccr_tui.proxy.finish import Finish
from ccr_tui.proxy.incoming import Incoming, quarter
from ccr_tui.proxy.openai import (
    Grown,
    as_chunks,
    is_sealed,
    parts,
    reasoning_of,
    reported_cost,
    usage_json_of,
    usage_of,
)
from ccr_tui.proxy.passthrough import MessagesReply
from ccr_tui.proxy.sealing import Sealing
from ccr_tui.proxy.sse import Event
from ccr_tui.proxy.stopping import Stops
from ccr_tui.proxy.think import ThinkTags
from ccr_tui.proxy.toolcalls import Calls
from ccr_tui.records import Json, Usage

__all__ = ["ChatReply", "MessagesReply"]


SPOKEN = frozenset({"role", "content", "reasoning_content"})
"""The keys of a delta that does nothing but say something."""


class ChatReply(Incoming):
    """Chat completions, streamed or whole, into one message.

    `names` gives a tool's own name for a shortened one, `stops` are the client's stop sequences, `watched` those that
    the provider was not sent, so that the answer is ended here; `tools` the names that were sent upstream, `taken` the
    tool ids that the conversation has used. `opens_thinking` is for templates that put the opening `<think>` into the
    prompt. `mute` drops what is said: no token was asked for. `seals`: what only the provider can read goes through the
    client and back. `cumulative`: a piece of a stream may repeat what was said before it. `most`: the tokens that the
    answer may have.
    """

    def __init__(
        self,
        message_id: str,
        model: str,
        *,
        estimate: int = 0,
        names: Mapping[str, str] | None = None,
        stops: Iterable[str] = (),
        watched: Sequence[str] = (),
        think_tags: bool = False,
        opens_thinking: bool = False,
        count: Callable[[str], int] = quarter,
        tools: Collection[str] = (),
        taken: Iterable[str] = (),
        provider: str = "The provider",
        model_id: str = "",
        mute: bool = False,
        seals: bool = False,
        cumulative: bool = False,
        most: int | None = None,
    ) -> None:
        super().__init__(provider, model_id, count, estimate)
        self.message_id = message_id
        self.model = model
        self._most = most
        self._sealing = Sealing(model_id) if seals else None
        sign = {"sign": self._sealing.signature} if self._sealing else {}
        self._blocks = Blocks(message_id, names or {}, tools, taken, **sign)
        self._tags = ThinkTags(think_tags, opens_thinking)
        self._calls = Calls(frozenset(tools))
        self._finish = Finish(tuple(stops))
        self._stops = Stops(watched) if watched else None
        self._grown = {"thinking": Grown(), "text": Grown()} if cumulative else None
        self._called = 0
        self._gap = ""
        self._mute = mute
        self._done = False
        self._any = False
        self._ignored: dict[str, None] = {}

    @property
    def started(self) -> bool:
        """Whether any content block has begun."""
        return self._blocks.started > 0

    @property
    def begun(self) -> bool:
        """Whether message_start is out."""
        return self._blocks.state != "start"

    @property
    def tool_blocks_out(self) -> int:
        """Tool blocks that have begun; the client may be running them."""
        return self._blocks.tools_started

    @property
    def answered(self) -> bool:
        """Whether the upstream has said how it ended; only usage and [DONE] can follow."""
        return self._finish.reason is not None

    def begin(self) -> list[Json]:
        """message_start, if it is not out yet: it waits for the first content, so that a failure before that can
        still be an HTTP status. Whoever wants to send a ping first calls this."""
        out: list[Json] = []
        self._begin(out)
        return out

    # -- what comes in -----------------------------------------------------------------------------------------------

    def _event(self, event: Event, out: list[Json]) -> None:
        if event.data.strip() == "[DONE]":
            self._done = True
            if self._any:
                self._end(out)
            return
        for chunk in self._parsed(event.data, event.event):
            if self.error is None and not self.finished:
                self._chunk(chunk, out, event.event == "error")

    def _whole(self, body: Json, out: list[Json]) -> None:
        if self._stops and isinstance(body, dict):
            self._usage(body)
        for chunk in as_chunks(body):
            if self.error is None and not self.finished:
                self._chunk(chunk, out, False)
        if self.error is None and not self._any:
            self._fail(self._no_answer("JSON without a choice"))
        if self.error is None and not self.finished:
            self._end(out)

    def _at_end(self, out: list[Json]) -> None:
        if self.answered:
            self._end(out)
        elif self._done:
            self._fail(UpstreamBroken(f"{self.provider} ended its answer before it had begun. Try again."))
        else:
            self._fail(self._cut())

    def _chunk(self, chunk: Json, out: list[Json], failed: bool) -> None:
        if isinstance(chunk, list):
            for each in chunk:
                self._chunk(each, out, failed)
            return
        if not isinstance(chunk, dict):
            self._ignore("a chunk that is no object")
            return
        choices = chunk.get("choices")
        choice = self._first_choice(choices) if choices else None
        if choice is not None:
            self._choice(choice, out)
        if "usage" in chunk or "x_groq" in chunk or (choice is not None and "usage" in choice):
            self._usage(chunk)
        if not self.answered_by and isinstance(chunk.get("model"), str):
            self.answered_by = chunk["model"]
        if failed or chunk.get("error") or (choices is None and _is_error(chunk)):
            self._fail(self._refusal(chunk))
        elif choice is not None and choice.get("error"):  # OpenRouter's, in an answer that is not streamed
            self._fail(self._refusal(choice))
        elif self._finish.failure:
            self._fail(UpstreamBroken(f"{self.provider} broke its answer off ({self._finish.failure}). Try again."))

    def _first_choice(self, choices: Json) -> Mapping[str, Json] | None:
        """The one choice that we asked for; a second one would be mixed into the first."""
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict):
                if choice.get("index") in (0, None, "0"):
                    return choice
                self._ignore("a second choice")
        return None

    def _choice(self, choice: Mapping[str, Json], out: list[Json]) -> None:
        self._any = True
        if self._mute:
            choice = {"delta": {}, "finish_reason": choice.get("finish_reason") and "length"}
        delta = choice.get("delta")
        if not delta and ("delta" not in choice or not (self._said or self._calls.said or self._blocks.last)):
            delta = choice.get("message")  # beside a delta it says once more what was streamed
        if isinstance(delta, dict):
            self._delta(delta, out)
        elif choice.get("text"):  # the old completions' shape, which some servers mix up
            self._content(choice["text"], out)
        if choice.get("finish_reason") and not self.finished:
            self._finish.see(choice)

    def _delta(self, delta: Mapping[str, Json], out: list[Json]) -> None:
        if delta.keys() <= SPOKEN and not delta.get("reasoning_content") and not self._grown:
            if delta.get("content"):  # nearly every chunk of a stream takes this short way
                self._content(delta["content"], out)
            return
        if self._sealing and delta.get("reasoning_details"):
            self._sealing.add(delta["reasoning_details"])
        thought, content = reasoning_of(delta), delta.get("content")
        if self._grown:
            thought = self._grown["thinking"].fresh(thought)
            content = self._grown["text"].fresh(content) if isinstance(content, str) else content
        if thought:
            self._release_tags(out)
            self._say("thinking", thought, out)
        elif not self._sealing and delta.get("reasoning_details") and is_sealed(delta["reasoning_details"]):
            self._ignore("encrypted reasoning")
        if content:
            self._content(content, out)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._refuse(refusal, out)
        calls = delta.get("tool_calls") or delta.get("function_call")
        if calls:
            self._tool_calls(calls, out)
        for key in ("images", "audio", "annotations"):
            if delta.get(key):
                self._beside(key, delta, out)

    def _beside(self, key: str, delta: Mapping[str, Json], out: list[Json]) -> None:
        """What a message has no block for; of speech its words are text, where they do not stand there anyway."""
        self._ignore(key)
        said = delta[key].get("transcript") if isinstance(delta[key], dict) else None
        if said and isinstance(said, str) and not delta.get("content"):
            self._text(said, out)

    # -- what it means -----------------------------------------------------------------------------------------------

    def _content(self, content: Json, out: list[Json]) -> None:
        if isinstance(content, str):
            self._text(content, out)
            return
        for kind, text in parts(content):
            if kind == "refusal" and text:
                self._refuse(text, out)
            elif kind == "thinking" and text:
                self._say("thinking", text, out)
            elif kind == "text":
                self._text(text, out)
            elif text == "":
                self._ignore(f"content of type {kind}")

    def _text(self, text: str, out: list[Json]) -> None:
        if self._tags.plain:
            self._speak(text, out)
            return
        for kind, piece in self._tags.feed(text):
            if kind == "thinking":
                self._say("thinking", piece, out)
            else:
                self._speak(piece, out)

    def _refuse(self, text: str, out: list[Json]) -> None:
        self._finish.refused = True
        self._speak(text, out)

    def _speak(self, text: str, out: list[Json]) -> None:
        """Text. White space that begins a block waits for real text: templates leave some before a call, and
        Anthropic refuses a history with blank text in it."""
        if self._stops:
            text = self._watch(text, self._stops, out)
        if text:
            self._utter(text, out)

    def _watch(self, text: str, stops: Stops, out: list[Json]) -> str:
        """What may be said of a text; nothing once a stop sequence has come, which ends the answer."""
        if self.finished or stops.met is not None:
            return ""
        said = stops.feed(text)
        if stops.met is None:
            return said
        if said:
            self._utter(said, out)
        self._finish.stop_at(stops.met)
        self._end(out)
        return ""

    def _utter(self, text: str, out: list[Json]) -> None:
        if self._blocks.last_kind != "text" and text.isspace():
            self._gap += text
            return
        if self._gap:
            text, self._gap = self._gap + text, ""
        self._say("text", text, out)

    def _say(self, kind: str, text: str, out: list[Json]) -> None:
        if self.finished:
            return
        self._any = True
        self._said.append(text)
        if self._blocks.state == "start":
            self._begin(out)
        self._blocks.say("text" if kind == "text" else "thinking", text, out)

    def _tool_calls(self, calls: Json, out: list[Json]) -> None:
        self._any = True
        self._release_tags(out)
        if self.finished:
            return
        self._gap = ""
        new = self._calls.take(calls)
        if self._blocks.state == "start":
            self._begin(out)
        if self._sealing and new:
            self._seal(self._sealing, calls, len(new))
        for call in new:
            self._blocks.add(call)
        self._blocks.advance(out)

    def _seal(self, sealing: Sealing, calls: Json, new: int) -> None:
        """What belongs to calls that begin now stands before them, in the thinking that is open or a block for it."""
        if isinstance(calls, list) and len(calls) == new:
            for n, entry in enumerate(calls):
                sealing.add_call(self._called + n, entry)
        self._called += new
        if sealing.pending and self._blocks.last_kind != "thinking":
            self._blocks.add(Run("thinking", carries=True))

    def _release_tags(self, out: list[Json]) -> None:
        """Text that looked like the beginning of a tag is text after all, now that something else follows."""
        if not self._tags.plain:
            for kind, piece in self._tags.release():
                if kind == "thinking":
                    self._say("thinking", piece, out)
                else:
                    self._speak(piece, out)
        if self._stops and not self.finished and (rest := self._stops.release()):
            self._utter(rest, out)

    def _uttered(self) -> str:
        return "".join(self._said + self._calls.said)

    def _usage(self, chunk: Json) -> None:
        usage = usage_of(chunk)
        if usage is not None:
            self.usage = usage
        cost = reported_cost(usage_json_of(chunk))
        if cost is not None:
            self.reported_cost = cost

    # -- how it ends -------------------------------------------------------------------------------------------------

    def _begin(self, out: list[Json]) -> None:
        if self._blocks.state != "start":
            return
        message = {
            "id": self.message_id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_json(Usage(input=self.estimate)),
        }
        self._blocks.emit({"type": "message_start", "message": message}, out)

    def _end(self, out: list[Json]) -> None:
        self._begin(out)
        self._release_tags(out)
        if self.finished:  # by a stop sequence in what was released
            return
        if self._gap and self._blocks.last_kind != "tool" and not self.tool_blocks_out:
            self._say("text", self._gap, out)
        if self._sealing and self._sealing.pending and self._blocks.last_kind != "thinking":
            if self._called:  # late, but the calls need it in the next turn
                self._blocks.add(Run("thinking", carries=True))
            else:
                self._ignore("encrypted reasoning")
        if self._is_spent():
            self._finish.cut_off()
        self._blocks.finish(out, cut=self._finish.cut)
        self.stop_reason, self.stop_sequence = self._finish.verdict(self.tool_blocks_out > 0)
        self.usage = self.settled()
        delta = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        self._blocks.emit({"type": "message_delta", "delta": delta, "usage": usage_json(self.usage)}, out)
        self._blocks.emit({"type": "message_stop"}, out)
        self.finished = True
        self._note()

    def _is_spent(self) -> bool:
        """Whether the last call is but half of one because the answer had no more tokens, though it is called complete
        (vLLM, its #53269)."""
        last, usage = self._blocks.last, self.usage
        if self._most is None or usage is None or usage.output < self._most or self._finish.cut:
            return False
        return isinstance(last, Call) and last.said and not last.arguments.done

    def _note(self) -> None:
        if self._tags.orphans:
            self.notes.append("A closing </think> had no opening one: what stood before it was shown as text.")
        if self._stops and self._stops.met is not None:
            self.notes.append("The answer was ended at a stop sequence that the provider had not been sent.")
        if self._ignored:
            self.notes.append(f"Ignored in the answer: {', '.join(self._ignored)}.")
        self.notes += self._finish.notes + self._blocks.notes

    def _ignore(self, what: str) -> None:
        self._ignored[what] = None


def _is_error(chunk: Mapping[str, Json]) -> bool:
    """Whether something without choices is an error that does not call itself one: vLLM's old form, MiniMax's,
    DashScope's, FastAPI's."""
    base = chunk.get("base_resp")
    if isinstance(base, dict):
        return base.get("status_code") not in (0, None)
    said = chunk.get("message") or chunk.get("detail") or chunk.get("msg")
    return chunk.get("object") == "error" or bool(said and ("code" in chunk or "detail" in chunk or "status" in chunk))
