"""A config.json of claude-code-router (v1 and v2) as changes of our config.toml.

Owns what each of its keys becomes here, and a sentence for each that becomes nothing. Must never drop one in silence,
nor resolve a `$VAR`: keys by reference stay references. The one surprise: most of its transformers become nothing on
purpose, because what they mend is known here of each family of models; those are not worth a sentence.

Source of the keys: its README, and the code of its v2.0.0 where the two differ (`transformers.py` has those for them).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from ccr_tui import editing, values
from ccr_tui.editing import Edit
from ccr_tui.errors import ConfigError
from ccr_tui.records import Json
from ccr_tui.slim import dataclass
from ccr_tui.transformers import Made, transform

AGENTS = {
    "default": "default", "background": "background", "think": "think", "longContext": "long_context",
    "webSearch": "web_search", "image": "image",
}  # fmt: skip
"""Its routes, and our agents."""
SILENT = frozenset({"LOG", "LOG_LEVEL", "NON_INTERACTIVE_MODE", "CLAUDE_PATH", "forceUseImageAgent", "CONFIG_VERSION"})
"""What means nothing here, and is not missed: requests are always recorded, and `claude` is found in PATH."""
LEFT = {
    "CUSTOM_ROUTER_PATH": "is JavaScript; write it in Python and name it in routing.custom",
    "REWRITE_SYSTEM_PROMPT": "has no counterpart: the system prompt is passed on as it comes",
    "StatusLine": "has no counterpart: the screen shows what it showed",
    "transformers": "are JavaScript plugins; what they mended may be set under models.NAME.quirks",
    "plugins": "are JavaScript plugins; tokens and speed are recorded anyway",
    "AutoRouter": "has no counterpart; mode = \"router\" lets a small model of yours choose",
}  # fmt: skip
PROXIES = ("PROXY_URL", "HTTPS_PROXY", "https_proxy", "httpsProxy")


@dataclass(slots=True)
class Imported:
    """What came of it."""

    edits: list[Edit] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """A sentence about each thing that was not carried over, or not as it was; begins with its key."""


def parse(text: str) -> Json:
    """The file's value; JSON5, as claude-code-router reads it. Raises ConfigError, which names the line."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _json5(text)
    if not isinstance(found, dict):
        raise ConfigError("The file holds no JSON object, so it is no configuration of claude-code-router.")
    if not {"Providers", "Router", "OPENAI_MODEL"} & found.keys():
        raise ConfigError("The file has neither Providers nor Router, so it is no configuration of claude-code-router.")
    return found


def _json5(text: str) -> Json:
    import json5  # 30 ms, and only for this

    try:
        return json5.loads(text)
    except RecursionError as error:
        raise ConfigError("The file is neither JSON nor JSON5: it is nested too deeply.") from error
    except ValueError as error:
        raise ConfigError(f"The file is neither JSON nor JSON5: {_why(str(error))}.") from error


def _why(told: str) -> str:
    """What the parser says, as a sentence: `<string>:2 Unexpected "}" at column 5`."""
    found = re.fullmatch(r"<string>:(\d+) U(nexpected .*) at column (\d+)", told, re.DOTALL)
    if found is None:
        return "it is empty" if told.startswith("Empty") else told
    return f"u{found[2]} in line {found[1]}, column {found[3]}"


def convert(found: Json) -> Imported:
    """What the configuration becomes here."""
    return _Conversion(found).run()


class _Conversion:
    def __init__(self, found: Json) -> None:
        self.found = found
        self.made = Imported()
        self.names: dict[tuple[str, str], str] = {}
        """Provider and id, to our name of the model."""
        self.providers: set[str] = set()

    def run(self) -> Imported:
        self._server()
        self._providers()
        self._early_days()
        self._routes()
        self._rest()
        return self.made

    def _set(self, *keys: str, to: Json) -> None:
        self.made.edits.append((keys, to))

    def _say(self, key: str, what: str) -> None:
        self.made.left.append(f"{key} {what}.")

    def _server(self) -> None:
        host, key = self.found.get("HOST"), self.found.get("APIKEY")
        if isinstance(key, str) and key.strip():
            self._set("server", "api_key", to=key.strip())
        if isinstance(host, str) and host.strip() and not values.is_loopback(host):
            if not key:
                self._say("HOST", f"is {host}, which needs an APIKEY; without one 127.0.0.1 is kept, as it was before")
            else:
                self._set("server", "host", to=host.strip())
        self._number("PORT", self.found.get("PORT"), ("server", "port"), values.integer(0, 65535))
        timeout = self.found.get("API_TIMEOUT_MS")
        self._number("API_TIMEOUT_MS", timeout, ("timeouts", "upstream_s"), values.milliseconds)
        self._proxy()

    def _number(self, key: str, given: Json, to: tuple[str, ...], parse: values.Parser[float]) -> None:
        if given in (None, ""):
            return
        try:
            value = parse(given)
        except ValueError as error:
            self._say(key, str(error))
        else:
            self._set(*to, to=int(value) if value == int(value) else value)

    def _proxy(self) -> None:
        name = next((name for name in PROXIES if self.found.get(name)), None)
        if name is None:
            return
        try:
            self._set("proxy", to=values.proxy(self.found[name]))
        except ValueError as error:
            self._say(name, f"{error}; set PROXY_URL in the environment instead")

    def _providers(self) -> None:
        listed = self.found.get("Providers") or self.found.get("providers") or []
        listed = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        ids = Counter(id for each in listed for id in set(_ids(each)))
        for number, each in enumerate(listed):
            self._provider(f"Providers[{number}]", each, ids)

    def _provider(self, where: str, given: Json, ids: Counter[str]) -> None:
        name, url = _text(given, "name", "NAME"), _text(given, "api_base_url", "baseUrl", "base_url", "HOST")
        if not name or not url:
            return self._say(where, "has no name or no api_base_url")
        made = transform(name, url, given.get("transformer"), _ids(given))
        self.made.left += made.left
        if made.base_url is None:
            return None
        self.providers.add(name)
        key = _text(given, "api_key", "apiKey", "APIKEY")
        if key and "$" in key and values.variable(key) is None:
            self._say(f"{name}.api_key", "mixes text and a variable; it was carried over as it is, and needs your hand")
        kind = {"kind": made.kind} if made.kind != "openai" else {}
        more = {"headers": made.headers or None, "family": made.family}
        self.made.edits += editing.provider(
            name, base_url=made.base_url, **kind, api_key=key or None, **{k: v for k, v in more.items() if v}
        )
        for id in _ids(given):
            self._model(name, id, ids, made)
        if given.get("tokenizer"):
            self._say(f"{name}.tokenizer", "is not needed: counts are calibrated on what the provider reports")
        return None

    def _model(self, provider: str, id: str, ids: Counter[str], made: Made) -> str:
        name = self.names[provider, id] = id if ids[id] < 2 and "," not in id else f"{provider}/{id}"
        self.made.edits += editing.model(name, provider=provider, id=id, **made.models.get(id, {}))
        return name

    def _early_days(self) -> None:
        """Its first versions had one model beside the Providers."""
        id, url, key = (_text(self.found, f"OPENAI_{part}") for part in ("MODEL", "BASE_URL", "API_KEY"))
        if not id:
            return
        name = "openai" if not url else "default"
        self.providers.add(name)
        self.made.edits += editing.provider(name, base_url=url or None, api_key=key or None)
        model = self._model(name, id, Counter({one: 2 for _, one in self.names}), Made(url))
        if not (self.found.get("Router") or {}).get("default"):
            self._set("agents", "default", to=model)

    def _routes(self) -> None:
        router, fallback = self.found.get("Router") or {}, self.found.get("fallback") or {}
        for route, agent in AGENTS.items():
            named = [router.get(route), *_list(fallback.get(route))]
            models = [self._named(f"Router.{route}", each) for each in named if each]
            self.made.edits += editing.agent(agent, list(dict.fromkeys(filter(None, models)))) if any(models) else []
        small = self.found.get("ANTHROPIC_SMALL_FAST_MODEL")
        if small and not router.get("background") and (name := self._named("ANTHROPIC_SMALL_FAST_MODEL", small)):
            self.made.edits += editing.agent("background", [name])
        limit, counted = router.get("longContextThreshold"), values.integer(1, 100_000_000)
        self._number("Router.longContextThreshold", limit, ("routing", "long_context_over"), counted)
        known = {*AGENTS, "longContextThreshold"}
        unknown = [f"Router.{key}" for key in router if key not in known]
        for key in (*unknown, *(f"fallback.{key}" for key in fallback if key not in AGENTS)):
            self._say(key, "is no route that is known here")

    def _named(self, where: str, written: Json) -> str | None:
        """Our name of "provider,model"; of early days' bare names too."""
        if not isinstance(written, str):
            self._say(where, f"is {written!r}, which names no model")
            return None
        provider, comma, id = (part.strip() for part in written.partition(","))
        if not comma:
            return self._bare(where, provider)
        if provider not in self.providers:
            self._say(where, f"names {written}, but there is no provider {provider}")
            return None
        if (provider, id) not in self.names:
            return self._model(provider, id, Counter({one: 2 for _, one in self.names}), Made(None))
        return self.names[provider, id]

    def _bare(self, where: str, id: str) -> str | None:
        found = next((name for (_, known), name in self.names.items() if known == id), None)
        if found is None:
            self._say(where, f"names {id}, which is no model of the Providers")
        return found

    def _rest(self) -> None:
        known = {"HOST", "APIKEY", "PORT", "API_TIMEOUT_MS", "Providers", "providers", "Router", "fallback",
                 "OPENAI_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY", "ANTHROPIC_SMALL_FAST_MODEL",
                 *PROXIES, *SILENT}  # fmt: skip
        for key, value in self.found.items():
            if key not in known and value not in (None, "", [], {}, False):
                self._say(key, LEFT.get(key, "is no key that is known here"))


def _text(given: Json, *keys: str) -> str:
    return next((value.strip() for key in keys if isinstance(value := given.get(key), str) and value.strip()), "")


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _ids(given: Json) -> list[str]:
    return list(dict.fromkeys(_strings(given.get("models"))))


def _strings(value: Json) -> Iterator[str]:
    for each in _list(value):
        if isinstance(each, str) and each.strip():
            yield each.strip()
