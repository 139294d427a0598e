"""Fields of ours that a provider does not know: how it says so, why they were sent, and what leaves them out.

Owns the wordings and the cure. Must never name a field that was not sent, nor advise what does not leave it out. The
one surprise: the culprit is mostly a guess of ours, since a model's id at one's own address looks like a family whose
fields only that family's own servers take.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from ccr_tui.records import Json
from ccr_tui.wire import dumps

_PATH = r"[\"'`]?(?P<path>[A-Za-z_][\w.\[\]-]*)"
_WORDINGS = (
    rf"unrecognized request arguments? supplied: {_PATH}",  # OpenAI
    rf"(?:unknown|unsupported|unrecognized|unexpected) (?:parameter|field|argument|property|key)(?:s|\(s\))?:? {_PATH}",
    rf"{_PATH}[\"'`]?: extra (?:inputs|fields) (?:are )?not permitted",  # pydantic, Mistral
    rf"extra inputs are not permitted, field: {_PATH}",  # Fireworks
    r"[\"']loc[\"']: [(\[](?P<loc>[^)\]]+)[)\]], [\"']msg[\"']: [\"']extra (?:inputs|fields)",  # vLLM, in a string
    rf"propert(?:y|ies) {_PATH}[\"'`]? (?:is|are) (?:unsupported|not supported|not allowed)",  # Groq
    rf"unknown name {_PATH}",  # Google
    rf"additional properties are not allowed \({_PATH}",
    rf"unexpected keyword argument {_PATH}",
    rf"does not support (?:the )?parameters?:? \[?{_PATH}",  # LiteLLM, xAI
    rf"argument not supported (?:on|by|for) this model: {_PATH}",
)

_QUIRKS = {
    **dict.fromkeys(
        ("thinking", "enable_thinking", "thinking_budget", "chat_template_kwargs", "reasoning", "reasoning_effort"),
        'thinking = "none"',
    ),
    "stream_options": "include_usage = false",
    "parallel_tool_calls": "parallel_off = false",
    "prompt_cache_key": "prompt_cache_key = false",
    "temperature": "sampling = false",
    "top_p": "sampling = false",
    "top_k": "top_k = false",
    "max_tokens": 'max_tokens_key = "max_completion_tokens"',
    "max_completion_tokens": 'max_tokens_key = "max_tokens"',
    "tool_choice": "tool_choice_forced = false",
    "response_format": "json_schema = false",
    "strict": "strict_tools = false",
    "reasoning_content": "",
}
"""What leaves a field out; empty: only another family does."""


class Guess(NamedTuple):
    """Whose facts a body was written by, and how they were found."""

    model: str
    """As it is called in the configuration."""
    family: str
    cause: str
    """A clause: why that family."""
    own: frozenset[str] = frozenset()
    """Names of the quirks that the configuration sets itself."""
    extra: frozenset[str] = frozenset()
    """Fields that every request of the family carries."""
    variable: str = ""
    """The environment variable that names the model; "": config.toml has a table of it."""
    provider: str = ""
    """How config.toml would describe its provider: a table's name and what stands in it."""
    table: str = ""
    """What would stand in the model's table."""


def refused_field(words: str, sent: Json) -> str | None:
    """The field that the words refuse, if it is one of those sent."""
    for wording in _patterns():
        match = wording.search(words)
        if match:
            found = _sent(match.group(1), sent)
            if found:
                return found
    return None


def cure(words: str, sent: Json, guess: Guess) -> str:
    """Why the refused field was sent, and what to set; empty where the words refuse none of ours."""
    field = refused_field(words, sent)
    if field is None or (field not in _QUIRKS and field not in guess.extra):
        return ""
    quirk = _QUIRKS.get(field, "extra = {}")
    key = f"models.{key_of(guess.model)}"
    if quirk.partition(" ")[0] in guess.own:
        name = quirk.partition(" ")[0]
        return f'ccr-tui sent "{field}" because of {key}.quirks.{name} in config.toml: set {quirk} there.'
    ways = [f'{key}.family = "generic"'] if guess.family != "generic" else []
    ways += [f"{quirk} under [{key}.quirks]"] if quirk else []
    what = f"{_where(guess, key)} set {', or '.join(ways)}." if ways else ""
    return f'ccr-tui sent "{field}" because {guess.cause}. {what}'.strip()


def _where(guess: Guess, key: str) -> str:
    """What comes from the environment can be set only once config.toml describes it; the variables may stay."""
    if not guess.variable:
        return "In config.toml"
    return (
        f"The model comes from {guess.variable}: in config.toml (`ccr-tui config path`) describe it too, "
        f"{guess.provider}, [{key}] with {guess.table}, and there"
    )


@cache
def _patterns() -> list[re.Pattern[str]]:
    return [re.compile(wording, re.IGNORECASE) for wording in _WORDINGS]


def _sent(path: str, sent: Json) -> str | None:
    """The field that a path leads to: the first part that is a parameter, else the last that stands anywhere."""
    parts = [_bare(part) for part in re.findall(r"[A-Za-z_][\w-]*", path)]
    top = {_bare(key): key for key in sent if key not in ("messages", "tools")} if isinstance(sent, dict) else {}
    first = next((top[part] for part in parts if part in top), None)
    if first is not None or not parts:
        return first
    deep = _keys(sent)
    return next((deep[part] for part in reversed(parts) if part in deep), None)


def _keys(value: Json) -> dict[str, str]:
    """All keys of a body at any depth, by how they are compared."""
    found, left = dict[str, str](), [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found.update((_bare(key), key) for key in each)
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
    return found


def _bare(name: str) -> str:
    """Some servers write our reasoning_effort as reasoningEffort."""
    return name.replace("_", "").lower()


def key_of(name: str) -> str:
    """A name as TOML writes it."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else toml(name)


def toml(text: str | None) -> str:
    """A text as TOML writes it."""
    return dumps(text or "").decode()
