"""What is odd about a family of models, as facts with defaults.

Owns `Facts` and how they are found for a model. A family is a module beside this one with `FACTS`, `HOSTS` (host name
suffixes, with a port where that is the mark), `MODELS` (patterns of model ids) and, where its members differ, `MEMBERS`
(pattern and what differs). Must never hold code that acts: the translator reads the facts, and there is no
`if provider ==` anywhere. The one surprise: a model's own `quirks` table in config.toml overrides any of these by name,
so that a user is never stuck with a fact that has changed.

Who wins: `family` of the model, `family` of the provider, the host, the model's id, the provider's name, generic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, fields, replace
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from ccr_tui.config import Model, Provider
from ccr_tui.errors import ConfigError
from ccr_tui.proxy.unknown import Guess, key_of, toml
from ccr_tui.slim import dataclass

FAMILIES = (
    "openrouter", "groq", "siliconflow", "cerebras", "fireworks", "together", "nvidia", "mistral", "ollama", "lmstudio",
    "deepseek", "qwen", "moonshot", "zhipu", "minimax", "gemini", "xai", "openai", "llama_cpp", "vllm", "generic",
)  # fmt: skip
"""In the order in which they are asked. Hosts that serve everybody's models come first."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model takes and gives. The defaults are OpenAI's documented chat completions."""

    family: str = "generic"
    context: int | None = None
    """Window in tokens, input and output together; None where it is not known."""
    max_output: int | None = None
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    mid_system: Literal["system", "user"] = "user"
    """How a system message in the middle of the conversation is sent; "user" wraps it in <system-reminder>."""
    alternate: bool = False
    """Whether user and assistant must strictly take turns (neighbours are then merged)."""
    images: bool = True
    documents: Literal["file", "text"] = "text"
    """PDFs as a `file` part, or replaced by a sentence (text documents are always inlined)."""
    sampling: bool = True
    """Whether temperature and top_p are taken."""
    max_unstreamed: int | None = None
    """Tokens that an answer may have which is not streamed; None: as many as others."""
    least: Mapping[str, float] = field(default_factory=dict)
    """The least of temperature, or top_p, that is taken: it is sent where less was asked for."""
    top_k: bool = False
    max_stops: int | None = None
    tool_description_limit: int | None = None
    """Characters; None: no limit known."""
    tool_name_limit: int = 64
    schema_drop: frozenset[str] = frozenset()
    """JSON Schema keywords that the family refuses."""
    tool_choice_named: Literal["object", "required"] = "object"
    """How one named tool is forced: OpenAI's object, or "required" with only that tool sent."""
    forced_tool_with_thinking: bool = True
    """False: forcing a tool while thinking answers 400, so thinking is turned off for that request."""
    strict_tools: bool = False
    """Whether a function takes `strict`: some refuse keys that they do not know."""
    parallel_tool_calls: bool | None = None
    """Sent when the client does not forbid parallel calls; None: nothing is sent."""
    json_schema: bool = True
    """False: only json_object, so the schema goes into the prompt."""
    thinking: Literal[
        "none", "reasoning_effort", "thinking_type", "enable_thinking", "reasoning_object", "chat_template_kwargs"
    ] = "none"
    """The knob for reasoning."""
    efforts: tuple[str, ...] = ("low", "medium", "high")
    """Values that the effort knob takes, least first."""
    reasoning_back: Literal["reasoning_content", "reasoning"] | None = None
    """The field in which the model's earlier reasoning is sent back; None: it is dropped."""
    reasoning_required: bool = False
    """True: an assistant message with tool calls must carry that field, even empty, while thinking."""
    reasoning_always: bool = False
    """True: every assistant message must, as soon as one of them has called a tool."""
    think_tags: bool = False
    """Whether inline <think>...</think> at the start of the text is reasoning (any leading one is, when True)."""
    include_usage: bool = True
    """Whether stream_options.include_usage is taken."""
    prompt_cache_key: bool = False
    token_ratio: float = 1.0
    """True tokens per o200k token, the seed of the calibration (facts measured in tokens.py)."""
    thinking_on: Mapping[str, Any] = field(default_factory=lambda: {"type": "enabled"})
    """What the `thinking` object says when thinking is wanted (knob "thinking_type")."""
    always_thinks: bool = False
    """True: thinking can't be turned off, and asking for it answers 400."""
    thinking_streamed_only: bool = False
    """True: thinking answers 400 in a request that is not streamed, so it is turned off for that one."""
    tool_choice_forced: bool = True
    """False: only "auto" is taken, so forcing becomes a sentence in the system message."""
    tool_choice_none: bool = True
    """False: "none" is refused or has no effect, so no tools are sent instead."""
    parallel_off: bool = True
    """Whether parallel_tool_calls: false is taken."""
    tool_ids: Literal["any", "nine"] = "any"
    """"nine": exactly nine letters and digits."""
    user_after_tool: bool = True
    """False: a user message may not follow a tool message, so a short assistant message is put between them."""
    json_with_thinking: bool = True
    """False: response_format answers 400 while thinking, so only the prompt asks for JSON then."""
    json_with_tools: bool = True
    """False: response_format answers 400 beside tools, or keeps them from being called, so only the prompt asks."""
    reasoning_beside_text: bool = True
    """False: a message with text and tool calls may not carry earlier reasoning too."""
    string_enums: bool = False
    """True: an enumeration in a tool's schema may hold texts alone, none of them empty, and there is no `const`."""
    effort_with_tools: Literal["ok", "none", "omit"] = "ok"
    """What becomes of reasoning_effort when tools are sent: kept, set to "none", or left out."""
    tool_call_extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the first tool call of an assistant message must carry in the history, where its own are lost."""
    reasoning_details: bool = False
    """Whether an assistant message takes back the `reasoning_details` that came with its answer."""
    reasoning_detail: Mapping[str, Any] = field(default_factory=dict)
    """What goes around earlier reasoning where it is sent back as the one entry of `reasoning_details`."""
    cumulative: bool = False
    """Whether each piece of a stream may repeat what was said before it."""
    call_detail: Mapping[str, Any] = field(default_factory=dict)
    """The detail that an assistant message with tool calls must carry, where its own are lost."""
    plain_schemas: bool = False
    """True: a tool's schema may have no type beside anyOf, no list of items, nothing beside $ref."""
    list_items: Mapping[str, Any] | None = None
    """What is said of the items of a list where its schema says nothing, which is refused; None: nothing is added."""
    max_tools: int | None = None
    """Tools that a request may offer; None: as many as there are."""
    prefill: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a last message that is the assistant's, which is refused without them."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that every request to this family carries."""


Members = tuple[tuple[str, Mapping[str, Any]], ...]
"""A pattern of model ids, and the facts that differ for them; later ones are laid over earlier ones."""

_HINTS = get_type_hints(Facts)


def facts_for(provider: Provider, model: Model) -> Facts:
    """Everything known about a model at a provider, with the user's own numbers and `quirks` on top.

    Raises ConfigError, which names the key, for a family or a quirk that does not exist or has the wrong kind of value.
    """
    made = _made.get(id(model))
    if made is None or made[:2] != (model, provider):
        made = _made[id(model)] = (model, provider, _facts(provider, model))
        while len(_made) > 256:
            del _made[next(iter(_made))]
    return made[2]


_made: dict[int, tuple[Model, Provider, Facts]] = {}
"""Facts by the identity of their model: asked for several times in each request."""


def _facts(provider: Provider, model: Model) -> Facts:
    facts = _known(_family(provider, model), model.id)
    own = {key: value for key in ("context", "max_output") if (value := getattr(model, key)) is not None}
    return replace(facts, **{**own, **_overrides(model)}) if own or model.quirks else facts


@lru_cache(maxsize=256)
def _known(family: str, model_id: str) -> Facts:
    module = import_module(f"{__name__}.{family}")
    facts: Facts = module.FACTS
    for pattern, differs in getattr(module, "MEMBERS", ()):
        if re.search(pattern, model_id, re.IGNORECASE):
            facts = replace(facts, **differs)
    return facts


def _family(provider: Provider, model: Model) -> str:
    return _found(provider, model)[0]


def _found(provider: Provider, model: Model) -> tuple[str, str]:
    """The family, and a clause that tells how it was found."""
    named = model.family or provider.family
    if named:
        key = f"models.{model.name}.family" if model.family else f"providers.{provider.name}.family"
        return _named(named, key), f'{key} is "{named}"'
    if family := _by_host(provider.base_url):
        return family, f"the address of {provider.name} is one of the family {family}"
    if family := _by_id(model.id):
        return family, f'the model\'s id "{model.id}" looks like the family {family}'
    if provider.name in FAMILIES and provider.name not in ("openai", "generic"):
        return provider.name, f"{provider.name} is called like the family {provider.name}"
    return "generic", "most models take it"


def guess_of(provider: Provider, model: Model) -> Guess:
    """Whose facts a model is taken to have, and why. Raises ConfigError."""
    family, cause = _found(provider, model)
    extra = frozenset(facts_for(provider, model).extra)
    return Guess(model.name, family, cause, frozenset(model.quirks), extra, model.variable, *_tables(provider, model))


def _tables(provider: Provider, model: Model) -> tuple[str, str]:
    """How config.toml would describe what the environment has set up."""
    key = f" and api_key = {toml(provider.api_key)}" if (provider.api_key or "").startswith("$") else ""
    said = f"[providers.{key_of(provider.name)}] with base_url = {toml(provider.base_url)}{key}"
    return said, f"provider = {toml(provider.name)}, id = {toml(model.id)}"


def _named(name: str, key: str) -> str:
    if name in FAMILIES:
        return name
    raise ConfigError(f"{key}: no family is called {name!r}; there are {', '.join(sorted(FAMILIES))}")


@lru_cache(maxsize=256)
def _by_host(url: str) -> str | None:
    host = urlsplit(url).netloc.rpartition("@")[2].lower()
    for family, marks in _table("HOSTS"):
        if any(_at(host, mark) for mark in marks):
            return family
    return None


def _at(host: str, mark: str) -> bool:
    """Whether the host is the mark's or below it; a mark like ":11434" is a port on any host."""
    if mark.startswith(":"):
        return host.endswith(mark)
    name = host.partition(":")[0]
    return name == mark or name.endswith("." + mark)


@lru_cache(maxsize=256)
def _by_id(model_id: str) -> str | None:
    name = model_id.rpartition("/")[2]
    for family, patterns in _table("MODELS"):
        if any(re.match(pattern, name, re.IGNORECASE) for pattern in patterns):
            return family
    return None


@cache
def _table(name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((family, getattr(import_module(f"{__name__}.{family}"), name)) for family in FAMILIES)


def _overrides(model: Model) -> dict[str, Any]:
    known = {f.name for f in fields(Facts)}
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in model.quirks.items():
        key = f"models.{model.name}.quirks.{name}"
        if name not in known:
            problems.append(f"{key}: no such quirk; there are {', '.join(sorted(known))}")
        elif (fit := _fit(value, _HINTS[name])) is _WRONG:
            problems.append(f"{key}: {value!r} does not fit; it takes {_kind(_HINTS[name])}")
        else:
            found[name] = fit
    if problems:
        raise ConfigError(*problems)
    return found


_WRONG = object()


def _fit(value: Any, hint: Any) -> Any:
    """The value as the fact wants it (TOML has only lists), or _WRONG."""
    origin = get_origin(hint)
    if origin is Literal:
        return value if value in get_args(hint) else _WRONG
    if origin is Union or origin is type(int | None):
        fits = (_fit(value, option) for option in get_args(hint) if option is not type(None))
        return None if value == "" else next((fit for fit in fits if fit is not _WRONG), _WRONG)
    if origin in (tuple, frozenset):
        good = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        return origin(value) if good else _WRONG
    return _plain(value, hint)


def _plain(value: Any, hint: Any) -> Any:
    if hint is float:
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _WRONG
    if hint in (bool, int, str):
        return value if type(value) is hint else _WRONG
    return value if isinstance(value, dict) else _WRONG


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(repr(option) for option in get_args(hint))
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    if get_origin(hint) in (tuple, frozenset):
        return "a list of texts"
    options = [option for option in get_args(hint) if option is not type(None)]
    return names.get(hint) or (" or ".join(map(_kind, options)) if len(options) < len(get_args(hint)) else "a table")
