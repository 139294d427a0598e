"""What `y` copies of a request: a curl command, the trace as JSON, or the answer's text.

Owns the four forms; `copied` is pure and runs in a thread. Must never copy a key: where one is needed the command reads
it from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from textual.app import App

from ccr_tui.config import Provider
from ccr_tui.records import Trace
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer
from ccr_tui.screens.conversation import blocks_of, text_of
from ccr_tui.store.queries import TraceRow, trace_json
from ccr_tui.transfer import curl

CHOICES = (
    Answer("c", "curl command that asks this proxy again"),
    Answer("s", "curl commands that ask the providers, as it was sent on"),
    Answer("j", "JSON of the whole trace"),
    Answer("t", "text of the answer"),
)


def copied(
    kind: str, trace: Trace, row: TraceRow, address: str, secret: bool, providers: Mapping[str, Provider] | None = None
) -> str:
    """The text for the clipboard."""
    if kind == "c":
        return curl.received(trace, address, secret)
    if kind == "s":
        return "\n".join(curl.sent(trace, providers or {})) or "# nothing was sent to a provider\n"
    if kind == "j":
        return json.dumps(trace_json(trace, row), ensure_ascii=False, indent=2)
    return answer(trace)


def answer(trace: Trace) -> str:
    """What the answer said, or why there is none."""
    if isinstance(trace.reply, dict):
        blocks = blocks_of(trace.reply.get("content"))
        text = "\n\n".join(text_of(b) for b in blocks if not isinstance(b, dict) or b.get("type") != "thinking")
        if text or trace.failure is None:
            return text
    return trace.failure.message if trace.failure is not None else ""


def to_clipboard(app: App[Any], text: str, what: str) -> None:
    """Hand it to the terminal (OSC 52), and say what was copied."""
    app.copy_to_clipboard(text)
    app.notify(f"{what}: {show.size(len(text))} characters", title="Copied", timeout=3, markup=False)
