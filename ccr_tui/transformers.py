"""What claude-code-router's transformers mean here: a limit, a quirk, a family, or nothing.

Owns that table. Must never guess what an unknown one does: it is named instead. The one surprise: a transformer of a
provider holds for all its models, and one of a model comes on top, so that the later one wins where both set the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from ccr_tui.records import Json
from ccr_tui.slim import dataclass


@dataclass(slots=True)
class Made:
    """A provider, as its transformers leave it."""

    base_url: str | None
    """None: it can't be reached from here."""
    kind: str = "openai"
    family: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of [models.NAME], by the provider's id."""
    left: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Use:
    """One transformer in its place."""

    where: str
    options: Mapping[str, Any]
    made: Made
    models: list[str]
    """The ids that it is for."""

    def set(self, key: str, value: Any) -> None:
        """A field of the models."""
        for id in self.models:
            self.made.models.setdefault(id, {})[key] = value

    def quirk(self, key: str, value: Any) -> None:
        """A fact of the models."""
        for id in self.models:
            quirks = self.made.models.setdefault(id, {}).setdefault("quirks", {})
            quirks[key] = {**quirks.get(key, {}), **value} if isinstance(value, dict) else value

    def say(self, what: str) -> None:
        """What was not carried over."""
        self.made.left.append(f"{self.where} {what}.")


def transform(name: str, url: str, given: Json, ids: list[str]) -> Made:
    """The provider of that name, with what its `transformer` says."""
    made = Made(url)
    given = given if isinstance(given, dict) else {}
    for where, models, (use, options) in _uses(name, given, ids):
        known = KNOWN.get(use.lower())
        at = Use(f"{where}: {use}", options, made, models)
        known(at) if known else at.say("is a transformer that is not known here")
    return made


def _uses(name: str, given: Json, ids: list[str]) -> Iterator[tuple[str, list[str], tuple[str, Mapping[str, Any]]]]:
    for entry in _entries(given):
        yield f"{name}.transformer", ids, entry
    for id in [key for key in given if key != "use"]:
        for entry in _entries(given[id]):
            yield f"{name}.transformer[{id}]", [id], entry


def _entries(given: Json) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = given.get("use") if isinstance(given, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        use, options = (entry[0], entry[1]) if isinstance(entry, list) and len(entry) > 1 else (entry, {})
        use = use[0] if isinstance(use, list) and use else use
        if isinstance(use, str):
            yield use, options if isinstance(options, dict) else {}


# ---------------------------------------------------------------- what each one means


def nothing(use: Use) -> None:
    """Done here without being asked: repaired arguments, usage in streams, no cache marks, reasoning read."""


def limit(use: Use) -> None:
    """maxtoken, maxcompletiontokens: the most that is asked for."""
    found = next((use.options[k] for k in ("max_tokens", "max_completion_tokens") if k in use.options), None)
    if isinstance(found, int) and found > 0:
        use.set("max_output", found)


def renamed_limit(use: Use) -> None:
    """maxcompletiontokens: and under another name."""
    limit(use)
    use.quirk("max_tokens_key", "max_completion_tokens")


def reasoning(use: Use) -> None:
    """reasoning: on by itself wherever the family has a knob; `enable: false` turns it off."""
    if use.options.get("enable") is False:
        use.quirk("thinking", "none")


def extra(use: Use) -> None:
    """sampling, customparams: fields that every request carries."""
    fields = {key: value for key, value in use.options.items() if value is not None}
    if fields:
        use.quirk("extra", fields)


def openrouter(use: Use) -> None:
    """openrouter: its headers for attribution, and which of its providers may serve."""
    _family("openrouter", "openrouter.ai")(use)
    named = {"referer": "HTTP-Referer", "title": "X-Title"}
    for key, value in use.options.items():
        if key in named and isinstance(value, str) and value:
            use.made.headers[named[key]] = value
        elif key == "providerOrder" and value:
            use.quirk("extra", {"provider": {"order": value}})
        elif key not in named and key != "providerOrder":
            use.quirk("extra", {key: value})


def anthropic(use: Use) -> None:
    """Anthropic: the provider speaks the Messages API."""
    use.made.kind = "anthropic"


def responses(use: Use) -> None:
    """openai-response: chat completions are spoken here."""
    url = use.made.base_url or ""
    use.made.base_url = url.rstrip("/").removesuffix("/responses")
    use.say("spoke OpenAI's Responses API; chat completions are used instead")


def gemini(use: Use) -> None:
    """gemini: Google has an OpenAI-compatible address too."""
    parts = urlsplit(use.made.base_url or "")
    if parts.hostname == "generativelanguage.googleapis.com" and "/openai" not in parts.path:
        use.made.base_url = f"{parts.scheme}://{parts.netloc}/v1beta/openai"
        use.say("spoke Gemini's own API; its OpenAI-compatible address is used instead")


def no_way(use: Use) -> None:
    """vertex-gemini, vertex-claude: they need Google's own sign-in."""
    use.made.base_url = None
    use.say("needs Google Cloud's own sign-in, which is not spoken here, so this provider was left out")


def tool_use(use: Use) -> None:
    """tooluse: it forced a tool in every answer."""
    use.say("forced a tool in every answer; models that call no tools of their own accord are better replaced")


def force_reasoning(use: Use) -> None:
    """forcereasoning: it asked for thoughts in the prompt."""
    use.say('asked for thoughts in the prompt; mode = "router" with a think agent is the way here')


def _family(name: str, host: str) -> Callable[[Use], None]:
    def set_family(use: Use) -> None:
        found = urlsplit(use.made.base_url or "").hostname or ""
        if found != host and not found.endswith("." + host):
            use.made.family = name

    return set_family


KNOWN: dict[str, Callable[[Use], None]] = {
    "openai": nothing, "deepseek": nothing, "enhancetool": nothing, "cleancache": nothing, "streamoptions": nothing,
    "cerebras": nothing, "vercel": _family("openrouter", "openrouter.ai"), "groq": _family("groq", "api.groq.com"),
    "openrouter": openrouter, "anthropic": anthropic, "openai-response": responses, "openai-responses": responses,
    "gemini": gemini, "vertex-gemini": no_way, "vertex-claude": no_way, "tooluse": tool_use, "reasoning": reasoning,
    "forcereasoning": force_reasoning, "maxtoken": limit, "maxcompletiontokens": renamed_limit, "sampling": extra,
    "customparams": extra,
}  # fmt: skip
"""By its name in lower case."""
