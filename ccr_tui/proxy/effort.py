"""How hard the model shall think: many ways to ask, one knob to turn.

Owns the way from `thinking` (enabled with a budget, adaptive, disabled, absent) and `output_config.effort` to the one
field that the family takes. Must never send two that contradict each other: "disabled" wins over any effort. The one
surprise: absent means off (so Claude Code with thinking disabled, and its title requests, leave it out), but a family
whose only knob is an effort is then left at its own default, unless the client named one.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from ccr_tui.proxy.directives import effort_now
from ccr_tui.proxy.notes import Notes
from ccr_tui.proxy.quirks import Facts
from ccr_tui.records import Json
from ccr_tui.slim import dataclass

LADDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Every effort known, least first. An unknown one counts as high."""
OFF = frozenset({"disabled", "between_tools"})
"""Ways of thinking without any: the second only has notes between tool calls come back as thinking blocks."""


@dataclass(frozen=True, slots=True)
class Thought:
    """What was decided."""

    thinking: bool
    """Whether the model will think, as far as is known."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What goes into the body."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the client asked for."""

    on: bool | None
    """None: it said nothing."""
    effort: str | None

    @property
    def level(self) -> str:
        """Anthropic's documented default is high."""
        return self.effort or "high"


def wish(body: Json) -> Wish:
    """Reads it from the body. A budget stands in for an effort where none is named."""
    thinking = body.get("thinking") or {}
    named = effort_now(body)
    kind = thinking.get("type")
    if kind is None:
        return Wish(None, named)
    return Wish(kind not in OFF, named or _of_budget(thinking.get("budget_tokens")))


def decide(body: Json, facts: Facts, notes: Notes, *, tools: bool, forced: bool) -> Thought:
    """`tools`: some are sent. `forced`: a call of one is; families that can't do both don't think then."""
    wanted = wish(body)
    if wanted.on is False and facts.always_thinks:
        notes.add("thinking was to be off, but this model always thinks")
    reason = _forbidden(body, facts, forced)
    if reason and not facts.always_thinks and facts.thinking != "none":
        if wanted.on:
            notes.add(f"thinking was turned off: this model can't think {reason}")
        wanted = Wish(False, None)
    return _KNOBS[facts.thinking](wanted, facts, notes, tools)


def _forbidden(body: Json, facts: Facts, forced: bool) -> str | None:
    if forced and not facts.forced_tool_with_thinking:
        return "while a tool call is forced"
    return "in an answer that is not streamed" if facts.thinking_streamed_only and not body.get("stream") else None


def nearest(effort: str, efforts: tuple[str, ...]) -> str:
    """Of the family's efforts the nearest to what was asked; of two, the greater. "none" only for "none"."""
    place = _place(effort)
    usable = [e for e in efforts if (e == "none") <= (effort == "none")] or list(efforts)
    return min(usable, key=lambda e: (abs(_place(e) - place), -_place(e)))


def _place(effort: str) -> int:
    return LADDER.index(effort) if effort in LADDER else LADDER.index("high")


def _of_budget(budget: Json) -> str | None:
    if not isinstance(budget, int):
        return None
    return "low" if budget <= 4096 else "medium" if budget <= 16384 else "high"


def _no_knob(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    if wanted.on and not facts.always_thinks:
        notes.add("thinking was asked for, but no knob for it is known here; the model does as it does")
    elif wanted.effort and wanted.on is None:
        notes.add("an effort was asked for, but no knob for it is known here")
    return Thought(facts.always_thinks)


def _effort(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    if tools and facts.effort_with_tools != "ok":
        notes.add("reasoning_effort was not sent: this model refuses it beside tools in chat completions")
        return Thought(False, {"reasoning_effort": "none"} if facts.effort_with_tools == "none" else {})
    if wanted.on is False:
        least = "none" if "none" in facts.efforts else facts.efforts[0] if facts.efforts else None
        return Thought(least != "none", {"reasoning_effort": least} if least else {})
    if wanted.on is None and wanted.effort is None:
        return Thought(facts.always_thinks)
    return Thought(True, {"reasoning_effort": nearest(wanted.level, facts.efforts)} if facts.efforts else {})


def _thinking_type(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    on = bool(wanted.on) or facts.always_thinks
    if not on:
        return Thought(False, {"thinking": {"type": "disabled"}})
    fields: dict[str, Any] = {"thinking": dict(facts.thinking_on)}
    if facts.efforts:
        fields["reasoning_effort"] = nearest(wanted.level, facts.efforts)
    return Thought(True, fields)


def _enable_thinking(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    on = bool(wanted.on) or facts.always_thinks
    effort = {"reasoning_effort": nearest(wanted.level, facts.efforts)} if on and facts.efforts else {}
    return Thought(on, effort if facts.always_thinks else {"enable_thinking": on, **effort})


def _reasoning_object(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    if wanted.on is None and wanted.effort is None:
        return Thought(facts.always_thinks)
    if wanted.on is False:
        return Thought(True) if facts.always_thinks else Thought(False, {"reasoning": {"enabled": False}})
    how = {"effort": nearest(wanted.level, facts.efforts)} if facts.efforts else {"enabled": True}
    return Thought(True, {"reasoning": how})


def _template(wanted: Wish, facts: Facts, notes: Notes, tools: bool) -> Thought:
    """Two names for one switch: Qwen's and GLM's templates read the first, DeepSeek's and Granite's the second."""
    on = bool(wanted.on)
    return Thought(on or facts.always_thinks, {"chat_template_kwargs": {"enable_thinking": on, "thinking": on}})


_KNOBS = {
    "none": _no_knob,
    "reasoning_effort": _effort,
    "thinking_type": _thinking_type,
    "enable_thinking": _enable_thinking,
    "reasoning_object": _reasoning_object,
    "chat_template_kwargs": _template,
}
