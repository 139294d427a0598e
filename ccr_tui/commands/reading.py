"""One recorded request, read out to a person.

Owns the text of `traces show`. Must never send recorded control characters to the terminal. The one surprise: it shows
the end of the conversation only (what was new), because the whole of it was shown with the requests before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ccr_tui.commands.common import cells, local, safe, safe_block, seconds, tokens
from ccr_tui.origin import origin
from ccr_tui.records import Attempt, Json, Trace

if TYPE_CHECKING:
    from ccr_tui.store.rows import TraceRow

LONG = 4000
"""Characters of one block that are shown; --json has all of it."""


def read_out(trace: Trace, row: TraceRow) -> None:
    """Print the request, what was decided and done, and the answer."""
    for name, value in _facts(trace, row):
        if value:
            click.echo(f"{name:>10}  {safe(value)}")
    for attempt in trace.attempts:
        _attempt(attempt)
    _said(_newest(trace))
    _said(trace.reply)
    if trace.failure:
        _title("error")
        click.echo(safe_block(trace.failure.message))


def _facts(trace: Trace, row: TraceRow) -> Iterator[tuple[str, str]]:
    from ccr_tui.prices import show
    from ccr_tui.screens import failing

    yield "trace", row.id
    yield "time", f"{local(row.started_at)}, took {seconds(row.duration_ms)}" + _first(row.ttft_ms)
    yield "session", " ".join(filter(None, (row.session, row.agent_id and f"subagent {row.agent_id}")))
    yield "project", row.project or ""
    yield "asked", f"{row.asked_model} ({trace.kind}{', streamed' if trace.streamed else ''})"
    yield "answered", f"{row.model or 'nobody'}, provider {row.provider or 'none'}"
    if trace.decision:
        yield "route", f"{trace.decision.agent}, {trace.decision.mode} mode, rule {row.rule}: {trace.decision.reason}"
    yield "outcome", f"{row.outcome} {failing.status(trace)}" + (f", {row.stop_reason}" if row.stop_reason else "")
    prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
    told = row.cached_share is not None or row.usage_basis is None
    cached = f"{tokens(row.cache_read_tokens)} of it cached" if told else "nobody told how much of it was cached"
    yield (
        "tokens",
        (
            f"{tokens(prompt)} in ({cached}), {tokens(row.output_tokens)} out "
            f"({row.usage_basis or 'not known'}); estimated in: {tokens(row.estimated_input_tokens) or 'not'}"
        ),
    )
    about = "~" if row.is_about else ""
    price = trace.answer.price if trace.answer else None
    source = origin(row.cost_basis, *((price.source, price.since) if price else ()))
    yield "cost", "– (no tokens were counted)" if row.is_unbilled else f"{about}{show(row.cost)} ({source})"
    if row.router_cost != 0:
        yield "router", show(row.router_cost)
    if not row.is_unbilled:
        yield "cache", f"saved {show(row.cache_saved)}, lost {show(row.cache_lost)} to another model than before"


def _first(ttft_ms: int | None) -> str:
    return "" if ttft_ms is None else f", first token after {seconds(ttft_ms)}"


def _attempt(attempt: Attempt) -> None:
    status = attempt.status or "no answer"
    click.echo(
        f"{f'step {attempt.n}':>10}  {attempt.purpose}: {safe(attempt.provider)}/{safe(attempt.model)}, {status}, "
        f"{seconds(attempt.duration_ms)}"
    )
    for note in [*attempt.notes, *([attempt.failure.message] if attempt.failure else [])]:
        click.echo(f"{'':>10}  - {safe(note)}")


def _newest(trace: Trace) -> Json:
    messages = trace.body.get("messages") if isinstance(trace.body, dict) else None
    return messages[-1] if isinstance(messages, list) and messages else None


def _said(message: Json) -> None:
    if not isinstance(message, dict):
        return
    _title(str(message.get("role")))
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        text = _text(block)
        click.echo(safe_block(text[:LONG]) + (f"\n… {len(text) - LONG} more characters" if len(text) > LONG else ""))


def _text(block: Json) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return json.dumps(block)
    for key in ("text", "thinking"):
        if isinstance(block.get(key), str):
            return f"({key}) {block[key]}" if key == "thinking" else str(block[key])
    return json.dumps(block, ensure_ascii=False)


def _title(name: str) -> None:
    shown = safe(name)
    click.echo(f"\n── {shown} " + "─" * max(0, 60 - cells(shown)))
