"""The answer of an Anthropic upstream: its events pass as they are, and are watched.

Owns what is learned from them: usage, how they ended, whether they broke off. Must never change what they say. The one
surprise: there are two additions. A tool's input that stands in its content_block_start is said again as a delta,
because Claude Code reads it nowhere else; and a forgotten message_stop is supplied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from ccr_tui import wire
from ccr_tui.errors import UpstreamBroken
from ccr_tui.proxy.anthropic import FIELDS, events_of
from ccr_tui.proxy.incoming import Incoming, quarter
from ccr_tui.proxy.openai import count_of
from ccr_tui.proxy.sse import Event, loads
from ccr_tui.records import Json, Usage
from ccr_tui.wire import dumps

_LONG = re.compile(r"[0-9]{19}")


def exactly(text: str | bytes) -> Json:
    """JSON as its value; an integer of over 64 bits is none that is rounded. In a delta that is text anyway. Raises
    ValueError."""
    data = text if isinstance(text, str) else text.decode("utf-8", "replace")
    if not data.startswith('{"type":"content_block_delta"') and _LONG.search(data):
        with suppress(ValueError):  # what only the other one reads
            return wire.loads(text)
    return loads(text)


class MessagesReply(Incoming):
    """The Messages API, streamed or whole, passed on."""

    _read = staticmethod(exactly)

    def __init__(
        self,
        message_id: str = "",
        model: str = "",
        *,
        estimate: int = 0,
        count: Callable[[str], int] = quarter,
        provider: str = "The provider",
        model_id: str = "",
    ) -> None:
        super().__init__(provider, model_id, count, estimate)
        self.message_id = message_id
        self.model = model
        self.started = False
        """Whether any content block has begun."""
        self.begun = False
        """Whether message_start is out."""
        self.tool_blocks_out = 0
        """Tool blocks that have begun; the client may be running them."""
        self._counts: dict[str, Json] = {}
        self._inputs: dict[int, Json] = {}
        self._blocks: set[int] = set()
        """Those that have begun."""
        self._changed = False
        """Whether the last thing that came is a change of the message, which is its end unless more content follows."""

    @property
    def answered(self) -> bool:
        """Whether the upstream has said how it ended."""
        return self.stop_reason is not None

    def begin(self) -> list[Json]:
        """Nothing: the upstream's own message_start must come first."""
        return []

    def _event(self, event: Event, out: list[Json]) -> None:
        for value in self._parsed(event.data, event.event):
            if self.error is not None or self.finished:
                return
            if not isinstance(value, dict):
                self.notes.append("An event that is no object was dropped.")
                continue
            kind = value.get("type")
            if not isinstance(kind, str):
                kind = event.event or ("error" if "error" in value else "unknown")
                value = {**value, "type": kind}
            if kind == "error":
                self._fail(self._refusal(value))
            elif not _NAME.fullmatch(kind):
                self.notes.append("An event whose type is no name was dropped.")
            elif not _well_formed(kind, value) or not self._is_in_place(kind, value):
                self._fail(UpstreamBroken(f"{self.provider} sent a malformed {kind} event. Try again."))
            else:
                self._watch(kind, value, out)

    def _is_in_place(self, kind: str, event: Json) -> bool:
        """Whether what it belongs to has begun: clients fail on a piece of a block that they never saw begin."""
        if kind in ("content_block_delta", "content_block_stop"):
            return event["index"] in self._blocks
        return kind != "message_stop" or self.begun

    def _whole(self, body: Json, out: list[Json]) -> None:
        if not isinstance(body, dict) or body.get("error"):
            self._fail(self._refusal(body))
        elif not isinstance(body.get("content"), list):
            self._fail(self._no_answer("JSON that is no message of the Messages API"))
        elif not all(isinstance(block, dict) for block in body["content"]) or not all(
            _well_formed(event["type"], event) for event in events_of(body)
        ):
            self._fail(UpstreamBroken(f"{self.provider} sent a malformed message. Try again."))
        else:
            for event in events_of(body):
                self._watch(event["type"], event, out)

    def _at_end(self, out: list[Json]) -> None:
        if not self._changed:
            self._fail(self._cut())
            return
        self.notes.append("The upstream sent no message_stop; it was supplied.")
        self._watch("message_stop", {"type": "message_stop"}, out)

    def _watch(self, kind: str, event: Json, out: list[Json]) -> None:
        watcher = getattr(self, f"_on_{kind}", None) if kind in _WATCHED else None
        if watcher is not None:
            watcher(event, out)
        out.append(event)

    def _on_message_start(self, event: Json, out: list[Json]) -> None:
        self.begun = True
        message = event["message"]
        self.message_id = str(message.get("id") or self.message_id)
        self.answered_by = str(message["model"]) if message.get("model") else None
        self._learn(message.get("usage"))

    def _on_content_block_start(self, event: Json, out: list[Json]) -> None:
        self.started, self._changed = True, False
        block = event["content_block"]
        self._blocks.add(event["index"])
        if block["type"] == "tool_use":
            self.tool_blocks_out += 1
            if block.get("input"):
                self._inputs[event["index"]] = block["input"]

    def _on_content_block_delta(self, event: Json, out: list[Json]) -> None:
        delta = event["delta"]
        said = delta.get(FIELDS.get(delta["type"], ""))
        if isinstance(said, str):
            self._said.append(said)
        self._inputs.pop(event["index"], None)

    def _on_content_block_stop(self, event: Json, out: list[Json]) -> None:
        given = self._inputs.pop(event["index"], None)
        if given is not None:
            delta = {"type": "input_json_delta", "partial_json": dumps(given).decode()}
            out.append({"type": "content_block_delta", "index": event["index"], "delta": delta})

    def _on_message_delta(self, event: Json, out: list[Json]) -> None:
        delta, self._changed = event["delta"], True
        if delta.get("stop_reason"):
            self.stop_reason = str(delta["stop_reason"])
        self.stop_sequence = delta.get("stop_sequence") or self.stop_sequence
        self._learn(event.get("usage"))

    def _on_message_stop(self, event: Json, out: list[Json]) -> None:
        if self._changed and self.stop_reason is None:
            self.stop_reason = "end_turn"
        self.usage = self.settled()
        self.finished = True

    def _learn(self, usage: Json) -> None:
        if not isinstance(usage, dict):
            return
        self._counts.update({key: value for key, value in usage.items() if value is not None})
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        given, said, read, written = (count_of(self._counts.get(name)) or 0 for name in names)
        if any(name in self._counts for name in names):
            kinds = self._counts.get("cache_creation")
            longer = count_of(kinds.get("ephemeral_1h_input_tokens")) if isinstance(kinds, dict) else None
            self.usage = Usage(given, said, read, written, cache_write_1h=min(longer or 0, written))


_WATCHED = frozenset(name.removeprefix("_on_") for name in vars(MessagesReply) if name.startswith("_on_"))

_NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
"""An event's type stands on a line of its own when it is passed on: one with a line end in it would be two lines."""

_OF_BLOCKS = frozenset({"content_block_start", "content_block_delta", "content_block_stop"})
_HOLDS = {
    "message_start": "message",
    "content_block_start": "content_block",
    "content_block_delta": "delta",
    "message_delta": "delta",
}


def _well_formed(kind: str, event: Json) -> bool:
    """Whether an event of a known kind has what everybody who reads it will look for."""
    held = event.get(_HOLDS.get(kind, ""), {})
    if not isinstance(held, dict) or (kind in _HOLDS and _HOLDS[kind] not in event):
        return False
    if kind not in _OF_BLOCKS:
        return isinstance(event.get("usage") or held.get("usage") or {}, dict)
    if not isinstance(event.get("index"), int):
        return False
    if kind == "content_block_stop":
        return True
    field = FIELDS.get(held.get("type", "")) if isinstance(held.get("type"), str) else ""
    return field != "" and (field in (None, "citation") or isinstance(held.get(field), str))
