"""How an answer ended: a provider's finish reason into a stop reason.

Owns the words for it. Must never say tool_use where there is no tool block: Claude Code gives up on such an answer. The
one surprise: the opposite is common: Ollama, Gemini and others finish with "stop" although they called tools.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccr_tui.records import Json

_LENGTH = {"length", "max_tokens", "model_length", "max_output_tokens", "token_limit"}
_WINDOW = {"model_context_window_exceeded", "context_length_exceeded", "context_window_exceeded"}
_FILTERED = {
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "safety",
    "refusal",
    "sensitive",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
}
_TOOLS = {"tool_calls", "tool_use", "tool_call", "function_call"}
_STOP = {"stop", "end_turn", "eos", "eos_token", "complete", "stop_sequence", "end", "done", "normal", "finish"}
_FAILED = {
    "error": "it says: error",
    "network_error": "it says: network_error",  # Zhipu
    "insufficient_system_resource": "it ran out of resources",  # DeepSeek
    "abort": "it was aborted",  # vLLM, SGLang
    "aborted": "it was aborted",
    "cancelled": "it was cancelled",
    "malformed_function_call": "its tool call was malformed",  # Gemini
    "unexpected_tool_call": "it called a tool that it does not have",  # Gemini
}


class Finish:
    """What is known about the end of one answer."""

    def __init__(self, stops: tuple[str, ...] = ()) -> None:
        self.reason: str | None = None
        self.failure = ""
        """Why the upstream gave up, if it did."""
        self.refused = False
        """Whether the model's own `refusal` text came."""
        self.notes: list[str] = []
        self._stops = stops
        self._matched: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the answer ran into a limit, so that its last call may be half a call."""
        return self.reason in _LENGTH or self.reason in _WINDOW

    def see(self, choice: Mapping[str, Json]) -> None:
        """Take a choice that has a finish reason. The first that says more than "stop" counts."""
        reason = _word(str(choice["finish_reason"]))
        if reason == "null":  # DashScope's own API writes it so while it goes on, and gateways copy that
            return
        if self.reason is None or self.reason in _STOP:
            self.reason = reason
        self.failure = self.failure or _FAILED.get(reason, "")
        for key in ("stop_reason", "matched_stop", "stop_sequence"):  # vLLM, SGLang, others
            if isinstance(choice.get(key), str) and choice[key] in self._stops:
                self._matched = choice[key]
        if choice.get("native_finish_reason") == "stop_sequence" and len(self._stops) == 1:  # OpenRouter
            self._matched = self._stops[0]

    def cut_off(self) -> None:
        """The answer had no more tokens, whatever the provider calls that."""
        self.notes.append(f"The answer ended within a call, with all its tokens used: {self.reason!r} is not its end.")
        self.reason = "length"

    def stop_at(self, sequence: str) -> None:
        """The answer was ended here, at a stop sequence."""
        self.reason, self._matched = "stop", sequence

    def verdict(self, called: bool) -> tuple[str, str | None]:
        """(stop_reason, stop_sequence); `called` says whether a tool block went out."""
        reason = self.reason or "stop"
        if reason in _LENGTH:
            return "max_tokens", None
        if reason in _WINDOW:
            return "model_context_window_exceeded", None
        if reason in _FILTERED:
            return "refusal", None
        if reason not in _STOP and reason not in _TOOLS:
            self.notes.append(f"The unknown finish reason {reason[:80]!r} was taken for a normal end.")
        if called:
            return "tool_use", None
        if reason in _TOOLS:
            self.notes.append("The answer says that it calls tools, but there is no call in it.")
        if self.refused:
            return "refusal", None
        return ("stop_sequence", self._matched) if self._matched is not None else ("end_turn", None)


def _word(reason: str) -> str:
    """As it is looked up. Gemini writes "content_filter: SAFETY", gateways of the AI SDK "content-filter"."""
    before, _, reason = reason.lower().replace("-", "_").rpartition(":")
    return "content_filter" if before.strip() == "content_filter" else reason.strip()
