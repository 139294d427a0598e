"""What `y` copies of a request: a curl command, the trace as JSON, or the answer's text.

Owns the three forms; `copied` is pure and runs in a thread.
"""

from __future__ import annotations

import json
from typing import Any

from textual.app import App

from ccr_tui.records import Json, Trace
from ccr_tui.screens import show
from ccr_tui.screens.ask import Answer
from ccr_tui.screens.conversation import blocks_of, text_of
from ccr_tui.store.queries import TraceRow, trace_json

CHOICES = (
    Answer("c", "curl command that asks this proxy again"),
    Answer("j", "JSON of the whole trace"),
    Answer("t", "text of the answer"),
)


def copied(kind: str, trace: Trace, row: TraceRow, address: str, secret: bool) -> str:
    """The text for the clipboard."""
    if kind == "c":
        return curl(trace.body, address, secret)
    if kind == "j":
        return json.dumps(trace_json(trace, row), ensure_ascii=False, indent=2)
    return answer(trace)


def curl(body: Json, address: str, secret: bool) -> str:
    """A command for a POSIX shell; where a key is needed it is read from the environment, never written out."""
    token = '"authorization: Bearer $CCR_TUI_API_KEY"' if secret else "'authorization: Bearer ccr-tui'"
    return (
        f"curl -sS -N {address}/v1/messages -H 'content-type: application/json' "
        f"-H 'anthropic-version: 2023-06-01' -H {token} --data-binary @- <<'JSON'\n"
        f"{json.dumps(body)}\nJSON\n"
    )


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
