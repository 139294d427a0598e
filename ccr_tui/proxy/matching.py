"""Whether the conditions of a user's own rule hold for a request.

Owns what each key of `when` means. Must never do I/O: `~` was expanded when the file was read. The one surprise: text
is searched in what the person typed last, which stays the same while tools run, so that a rule about it does not change
the model in the middle of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from ccr_tui.config import When
from ccr_tui.proxy.question import Question
from ccr_tui.proxy.turn import words

Condition = Callable[[When, Question], str | None]
"""Why the condition does not hold; None if it does, or is not set."""


def mismatch(when: When, question: Question) -> str | None:
    """Why the rule passes: its first condition that does not hold. None: all of them do."""
    return next((why for condition in CONDITIONS if (why := condition(when, question))), None)


def _project(when: When, question: Question) -> str | None:
    here = question.asked.project
    if not when.project or (here is not None and any(_within(here.rstrip("/"), glob) for glob in when.project)):
        return None
    return f"project is {here or 'not known'}, not {_either(when.project)}"


def _within(here: str, glob: str) -> bool:
    """The directory itself, or one below it."""
    return fnmatchcase(here, glob) or fnmatchcase(here, f"{glob.rstrip('/')}/*")


def _asked(when: When, question: Question) -> str | None:
    if not when.asked or _any(question.asked.model, when.asked):
        return None
    return f"{question.asked.model!r} is asked for, not {_either(when.asked)}"


def _kind(when: When, question: Question) -> str | None:
    if not when.kind or question.asked.kind in when.kind:
        return None
    return f"kind is {question.asked.kind}, not {_either(when.kind)}"


def _subagent(when: When, question: Question) -> str | None:
    is_one = question.asked.kind == "subagent" or question.asked.agent_id is not None
    if when.subagent is None or when.subagent == is_one:
        return None
    return "a subagent asks" if is_one else "no subagent asks"


def _agent_type(when: When, question: Question) -> str | None:
    kind = question.asked.agent_type
    if not when.agent_type or (kind is not None and _any(kind, when.agent_type)):
        return None
    return f"agent type is {kind or 'not known'}, not {_either(when.agent_type)}"


def _tokens_over(when: When, question: Question) -> str | None:
    if when.tokens_over is None or (question.estimate is not None and question.estimate > when.tokens_over):
        return None
    counted = "tokens were not counted" if question.estimate is None else f"about {question.estimate} tokens"
    return f"{counted}, not over {when.tokens_over}"


def _tools(when: When, question: Question) -> str | None:
    if not when.tools:
        return None
    offered = (question.body or {}).get("tools") or []
    names = [tool["name"] for tool in offered if isinstance(tool.get("name"), str)]
    return None if any(_any(name, when.tools) for name in names) else f"no tool {_either(when.tools)} is offered"


def _text(when: When, question: Question) -> str | None:
    if when.text is None or (question.body and when.text.search(words(question.body))):
        return None
    return f"the person's text has no {when.text.pattern!r}"


CONDITIONS: tuple[Condition, ...] = (_project, _asked, _kind, _subagent, _agent_type, _tokens_over, _tools, _text)
"""One for each field of `When`, the cheap ones first."""


def _any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _either(globs: Iterable[str]) -> str:
    return " or ".join(globs)
