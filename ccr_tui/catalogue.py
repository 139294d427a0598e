"""Who serves which model, and which agent speaks with it: providers, models and agents of a `Config`.

Owns the keys of [providers], [models] and [agents], the environment's variables for them, and the rules between them.
Must never stop at the first problem: each goes on one list, and what can be built is built. The one surprise: models
that are named by the environment alone get a provider made for them, called after its host ("deepseek").
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast
from urllib.parse import urlsplit

from ccr_tui import rulebook, values
from ccr_tui.config import Config, Model, Provider, ProviderKind
from ccr_tui.presets import PRESETS, hint
from ccr_tui.records import Price
from ccr_tui.settings import Layers, Section

AGENTS = ("default", "router", "tool", "coder", "think", "background", "long_context", "web_search", "image")
PREFIXES = {"router": "ROUTER_AGENT", "tool": "TOOL_AGENT", "coder": "CODER_AGENT", "think": "THINK_AGENT"}
"""Agents that the environment names: {PREFIX}_MODEL, _API_KEY, _BASE_URL. Early claude-code-router's names."""
VARIABLES = ("OPENAI_MODEL", *(f"{prefix}_MODEL" for prefix in PREFIXES.values()))
KINDS = ("openai", "anthropic", "demo")
WELL_KNOWN = {preset.name: preset.base_url for preset in PRESETS}
"""Where a provider is found that has a name but no base_url."""

DEMO_PROVIDER = Provider("demo", "demo", "http://demo.invalid/v1", family="generic")
DEMO_MODEL = Model("demo", "demo", "demo", context=200_000, max_output=8192)
_COUNT = values.integer(1, 100_000_000)


def demo(config: Config) -> Config:
    """The same configuration with nothing but the built-in demo model to answer."""
    return replace(
        config, providers={**config.providers, "demo": DEMO_PROVIDER}, models={"demo": DEMO_MODEL},
        agents={"default": ("demo",)},
    )  # fmt: skip


class Catalogue:
    """Providers, models and agents, which refer to each other by name."""

    def __init__(self, root: Section, layers: Layers, config: Config) -> None:
        self.root, self.layers, self.config = root, layers, config
        self.problems = layers.problems
        self.providers: dict[str, Provider] = {}
        self.models: dict[str, Model] = {}
        self.agents: dict[str, tuple[str, ...]] = {}

    def build(self, notes: list[str]) -> Config:
        self.providers = {n: p for n, s in self.root.named("providers").items() if (p := _provider(n, s))}
        for name, section in self.root.named("models").items():
            self._model(name, section)
        self._agents(self.root.section("agents"))
        self._environment()
        rules = rulebook.rules(self.root, self.named, {*self.agents, "default"})
        config = replace(self.config, providers=self.providers, rules=rules)
        if not self.models:
            self._explaindemo(notes)
            return demo(config)
        self._default(notes)
        self._hints(notes)
        return replace(config, models=self.models, agents=self.agents)

    def _say(self, problem: str) -> None:
        self.problems.append(problem)

    def _model(self, name: str, section: Section) -> None:
        only = next(iter(self.providers)) if len(self.providers) == 1 else ""
        provider = section.get("provider", values.text, only)
        if provider not in self.providers:
            known = ", ".join(self.providers) or "none"
            wrong = f"names {provider!r}, which is no provider" if provider else "is missing"
            self._say(
                f"{section.path}.provider {wrong} (known: {known}){values.did_you_mean(provider, [*self.providers])}"
            )
        price = section.section("price")
        self.models[name] = Model(
            name,
            provider,
            section.get("id", values.text, name),
            section.get("context", _COUNT, None),
            section.get("max_output", _COUNT, None),
            section.get("family", values.text, None),
            _price(price) if "price" in section else None,
            dict(section.section("quirks").values),
        )
        section.close()

    def _agents(self, section: Section) -> None:
        for agent in AGENTS:
            wanted: tuple[str, ...] = section.get(agent, values.names, tuple[str, ...]())
            found = tuple(model for name in wanted if (model := self.named(name, f"agents.{agent}")))
            if found:
                self.agents[agent] = found
                self.layers.origins[f"agents.{agent}"] = "config.toml"
        section.close()

    def named(self, name: str, where: str) -> str | None:
        """The model that `name` means: one of [models], or "provider/id" or "provider,id" of a known provider."""
        if name in self.models:
            return name
        provider, slash, model = name.partition("," if "," in name else "/")
        if slash and model and provider.strip() in self.providers:
            full = f"{provider.strip()}/{model.strip()}"
            self.models.setdefault(full, Model(full, provider.strip(), model.strip()))
            return full
        given = self.layers.environment()
        if variable := next((v for v in VARIABLES if given.get(v, "").strip() == name), None):
            cure = "give it an entry in [models] first, so that config.toml holds without the variable"
            self._say(f"{where} names {name!r}, which {variable} alone knows: {cure}")
            return None
        known = ", ".join(self.models) or "none"
        hint = values.did_you_mean(name, [*self.models])
        self._say(f"{where} names {name!r}, which is neither a model (known: {known}) nor provider/id{hint}")
        return None

    def _environment(self) -> None:
        self._from_environment("default", "OPENAI")
        for agent, prefix in PREFIXES.items():
            self._from_environment(agent, prefix)

    def _from_environment(self, agent: str, prefix: str) -> None:
        model = self.layers.variable(f"{prefix}_MODEL", values.text)
        url = self._address(prefix)
        if model is None:
            return
        if f"{prefix}_BASE_URL" not in self.layers.environment() and model in self.models:
            name = model
        else:
            provider = self._provider_for(prefix, url)
            name = self._model_for(provider, model, f"{prefix}_MODEL")
        self.agents[agent] = (name,)
        self.layers.origins[f"agents.{agent}"] = self._origin(f"{prefix}_MODEL")

    def _address(self, prefix: str) -> str:
        parse = values.base_url("openai")
        found = self.layers.variable(f"{prefix}_BASE_URL", parse)
        if found is None and prefix != "OPENAI":
            before = len(self.problems)
            found = self.layers.variable("OPENAI_BASE_URL", parse)
            del self.problems[before:]  # said already, for OPENAI_MODEL
        return found or WELL_KNOWN["openai"]

    def _provider_for(self, prefix: str, url: str) -> Provider:
        variables = self.layers.environment()
        key = next((v for v in (f"{prefix}_API_KEY", "OPENAI_API_KEY") if variables.get(v, "").strip()), None)
        wanted = Provider(_host_name(url), "openai", url, f"${key}" if key else None)
        for provider in self.providers.values():
            if replace(provider, name=wanted.name) == wanted:
                return provider
        if wanted.name in self.providers:
            wanted = replace(wanted, name=f"{wanted.name}-{prefix.removesuffix('_AGENT').lower()}")
        self.providers[wanted.name] = wanted
        return wanted

    def _model_for(self, provider: Provider, model: str, variable: str) -> str:
        known = next((m for m in self.models.values() if (m.provider, m.id) == (provider.name, model)), None)
        if known:
            return known.name
        name = f"{provider.name}/{model}" if model in self.models else model
        self.models[name] = Model(name, provider.name, model, variable=variable)
        return name

    def _default(self, notes: list[str]) -> None:
        if "default" in self.agents:
            return
        agent = next((a for a in ("tool", "coder", "think") if a in self.agents), None)
        self.agents["default"] = self.agents[agent] if agent else (next(iter(self.models)),)
        given = self.root.values.get("agents")
        if not (isinstance(given, dict) and "default" in given):  # else what is wrong with it has been said
            notes.append(f"agents.default is not set, so {self.agents['default'][0]} answers by default")

    def _hints(self, notes: list[str]) -> None:
        """A word about names that their provider has retired; they are sent all the same."""
        for model in self.models.values():
            provider = self.providers.get(model.provider)
            if provider and (old := hint(provider.base_url, model.id)):
                notes.append(f"models.{model.name}: {model.id} {old}")

    def _explaindemo(self, notes: list[str]) -> None:
        given = [v for v in ("OPENAI_API_KEY", "OPENAI_BASE_URL") if self.layers.environment().get(v, "").strip()]
        reason = f"{' and '.join(given)} is set, but OPENAI_MODEL is not" if given else "no model is configured"
        notes.append(f"{reason}: the built-in demo model answers")

    def _origin(self, name: str) -> str:
        return f"{'environment' if name in self.layers.env else '.env'} {name}"


def _provider(name: str, section: Section) -> Provider | None:
    anthropic = name == "anthropic" or "api.anthropic.com" in str(section.values.get("base_url"))
    kind = section.get("kind", values.one_of(*KINDS), "anthropic" if anthropic else "openai")
    url = section.get("base_url", values.base_url(kind), WELL_KNOWN.get(name, "") if kind != "demo" else "")
    if kind == "demo":
        url = DEMO_PROVIDER.base_url
    elif not url and "base_url" not in section:
        section.problems.append(f"{section.path}.base_url is missing")
    provider = Provider(
        name,
        cast(ProviderKind, kind),
        url,
        section.get("api_key", values.optional_text, None) or None,
        section.get("headers", values.header_map, {}),
        section.get("proxy", values.proxy, None),
        section.get("timeout_s", values.seconds, None),
        section.get("client_auth", values.switch, False),
        section.get("family", values.text, None),
        section.get("api_keys", values.words, ()),
    )
    if provider.client_auth and kind != "anthropic":
        section.problems.append(
            f"{section.path}.client_auth is for the kind anthropic only: the client has no other key"
        )
    section.close()
    return provider


def _price(section: Section) -> Price | None:
    before = len(section.problems)
    price = Price(
        section.get("input", values.money, 0),
        section.get("output", values.money, 0),
        section.get("cache_read", values.money, None),
        section.get("cache_write", values.money, None),
        section.get("since", _day, ""),
        "config.toml",
        "user",
    )
    for part in ("input", "output"):
        if part not in section:
            section.problems.append(f"{section.path}.{part} is missing (US dollars per million tokens)")
    section.close()
    return None if len(section.problems) > before else price


def _day(value: object) -> str:
    return str(value)


def _host_name(url: str) -> str:
    """A short name for who answers there: deepseek for api.deepseek.com, 127.0.0.1:8080 for itself."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    labels = [label for label in host.split(".")[:-1] if label not in ("api", "com")]
    if values.is_loopback(host) or not labels or host.replace(".", "").isdigit() or ":" in host:
        return parts.netloc
    return labels[0]
