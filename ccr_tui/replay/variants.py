"""Variants as they are written: NAME=MODEL, NAME=tool:MODEL,think:MODEL, NAME=mode:router, NAME=@config.toml.

Owns that grammar and the configuration that each variant stands for. Must never ask a model. The one surprise: what a
variant does not name stays as it was *recorded* and not as it is configured today, so that only what is named differs;
a whole file (@) is taken as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ccr_tui import assembly
from ccr_tui.catalogue import AGENTS
from ccr_tui.config import Config
from ccr_tui.errors import CcrError, ConfigError
from ccr_tui.prices import Book
from ccr_tui.records import Mode
from ccr_tui.replay import naming
from ccr_tui.replay.words import RECORDED, Recording, Variant
from ccr_tui.store.paths import Call, Paths
from ccr_tui.values import did_you_mean

HOPS = {"think": "think", "code": "coder", "route": "router"}
"""The agent behind a call's purpose."""
KEYS = (*AGENTS, "mode", "rules")
_PART = re.compile(r"\s*(\w+)\s*:(.*)", re.DOTALL)
_NAME = re.compile(r"[^\s=,]+")
_ENV = re.compile(
    r"ENABLE_ROUTER|CCR_TUI_(HOST|PORT|CONFIG|DB)|(OPENAI|(ROUTER|TOOL|CODER|THINK)_AGENT)_(MODEL|BASE_URL)"
)
"""Variables that would win over a file that is given as a variant."""


class Grammar:
    """Reads variants for one recording. `config` is today's."""

    def __init__(self, config: Config, recording: Recording, paths: Paths, book: Book) -> None:
        self._config, self._book, self._recording, self._calls = config, book, recording, paths.calls
        self._families: dict[tuple[str, str], str | None] = {}
        self._at = recording.started_at
        self._recorded = recorded_agents(recording, paths)
        self._prices = {_who(call): call.price for calls in paths.calls.values() for call in calls if call.price}

    def read(self, written: Sequence[str], *, ask_router: bool = False) -> tuple[Variant, ...]:
        """All variants. Raises CcrError, which says which one is wrong, and what is known."""
        found = [self.one(each, ask_router=ask_router) for each in written]
        for name, count in Counter(variant.name for variant in found).items():
            if count > 1:
                raise CcrError(f"Two variants are called {name!r}: give them names, NAME=…")
        return tuple(found)

    def one(self, written: str, *, ask_router: bool = False, option: str = "--variant") -> Variant:
        """One variant; without NAME= it is called as it is written. `option` is what a person wrote it after."""
        name, sign, spec = written.partition("=")
        name, spec = (name.strip(), spec.strip()) if sign else (written.strip().lstrip("@"), written.strip())
        if not spec or not _NAME.fullmatch(name):
            raise CcrError(
                f"{option} {written!r}: write NAME=MODEL, NAME=AGENT:MODEL,…, NAME=mode:router or NAME=@FILE"
                if option == "--variant"
                else f"{option} {written!r}: write NAME=MODEL"
            )
        if name == RECORDED:
            raise CcrError(f"{option} {written!r}: {RECORDED!r} is the recording itself; choose another name")
        where = f"{option} {name}"
        made = self._file(name, spec, where) if spec.startswith("@") else self._parts(name, spec, where)
        return replace(made, ask_router=ask_router)

    def baseline(self, name: str) -> Variant:
        """A model that everything is compared with."""
        config, model = naming.named(self._config, self._book, name, self._at, f"--baseline {name}")
        return Variant(f"baseline {name}", name, config, model=model)

    def _parts(self, name: str, spec: str, where: str) -> Variant:
        parts = _split(spec, where)
        if "" in parts:
            config, model = naming.named(self._config, self._book, parts[""], self._at, where)
            return Variant(name, spec, config, model=model, priced_only=self._priced_only((model,)))
        config = self._as_recorded()
        mode = _mode(parts.pop("mode", None), where)
        if (rules := parts.pop("rules", None)) is not None:
            config = _without_rules(config, rules, where)
        changed = []
        for agent, wanted in parts.items():
            config, model = naming.named(config, self._book, wanted, self._at, f"{where}, {agent}")
            config = replace(config, agents={**config.agents, agent: (model,)})
            changed.append(model)
        _check_router(config, mode, where)
        return Variant(name, spec, config, mode=mode, priced_only=self._priced_only(changed))

    def _as_recorded(self) -> Config:
        """Today's configuration, with the agents that the recording shows as they were then."""
        config = self._config
        for agent, (provider, id) in self._recorded.items():
            price = self._prices.get((provider, id))
            family = None if naming.configured(config, f"{provider}/{id}") else self._family(provider, id)
            config, model = naming.recorded(config, provider, id, price, family)
            config = replace(config, agents={**config.agents, agent: (model,)})
        return config

    def _family(self, provider: str, id: str) -> str | None:
        """What the recording calls the family of a model; none where it does not."""
        if (provider, id) not in self._families:
            steps = (s for s in self._recording.steps if (provider, id) in map(_who, self._calls.get(s.row.n, ())))
            first = next(steps, None)
            attempts = self._recording.load(first.uid).attempts if first else ()
            found = (a.family for a in attempts if (a.provider, a.model) == (provider, id))
            self._families[provider, id] = next(found, None) or None
        return self._families[provider, id]

    def _file(self, name: str, spec: str, where: str) -> Variant:
        path = Path(spec[1:].strip()).expanduser()
        env = {key: value for key, value in self._config.env.items() if not _ENV.fullmatch(key)}
        try:
            config = assembly.load({"config": str(path.absolute())}, env, path.absolute().parent)
        except ConfigError as error:
            raise CcrError("\n".join(f"{where}: {problem}" for problem in error.problems)) from error
        return Variant(name, spec, config, mode=config.mode)

    def _priced_only(self, models: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in dict.fromkeys(models) if not naming.configured(self._config, name))


def recorded_agents(recording: Recording, paths: Paths) -> Mapping[str, tuple[str, str]]:
    """Which model (provider, id) spoke as which agent, the busiest if there were several."""
    seen: dict[str, Counter[tuple[str, str]]] = {}
    for step in recording.steps:
        row = step.row
        if row.agent and row.provider and row.model:
            seen.setdefault(row.agent, Counter())[row.provider, row.model] += 1
        for call in paths.calls.get(row.n, ()):
            if agent := HOPS.get(call.purpose):
                seen.setdefault(agent, Counter())[_who(call)] += 1
    return {agent: counts.most_common(1)[0][0] for agent, counts in seen.items() if agent in AGENTS}


def _who(call: Call) -> tuple[str, str]:
    return call.provider, call.model


def _split(spec: str, where: str) -> dict[str, str]:
    """Key to value; a model alone stands under the empty key. A comma before no key belongs to "provider,id"."""
    found: dict[str, str] = {}
    key = ""
    for piece in spec.split(","):
        match = _PART.fullmatch(piece)
        if match and match[1] in KEYS:
            key = match[1]
            if key in found:
                raise CcrError(f"{where}: {key} is named twice")
            found[key] = match[2].strip()
        elif found:
            found[key] += f",{piece}"
        else:
            found[key] = piece
    empty = [key for key, value in found.items() if not value.strip()]
    if empty:
        raise CcrError(f"{where}: nothing is given for {empty[0]}")
    if "" in found and len(found) > 1:
        raise CcrError(f"{where}: {found['']!r} is no AGENT:MODEL; agents: {', '.join(AGENTS)}")
    if "" in found and (match := _PART.fullmatch(found[""])) and (near := did_you_mean(match[1], KEYS)):
        raise CcrError(f"{where}: no agent is called {match[1]!r}{near}")
    return found


def _mode(given: str | None, where: str) -> Mode | None:
    if given not in (None, "normal", "router"):
        raise CcrError(f"{where}: mode is normal or router, not {given!r}")
    return cast("Mode | None", given)


def _without_rules(config: Config, given: str, where: str) -> Config:
    if given not in ("off", "none"):
        raise CcrError(f"{where}: rules can be turned off (rules:off); others come with a file (@config.toml)")
    return replace(config, rules=(), routing=replace(config.routing, custom=None))


def _check_router(config: Config, mode: Mode | None, where: str) -> None:
    missing = [agent for agent in ("router", "tool") if not config.agents.get(agent)]
    if mode == "router" and missing:
        wanted = ",".join(f"{agent}:MODEL" for agent in missing)
        raise CcrError(f"{where}: Router mode needs {' and '.join(missing)}; add {wanted} to the variant")
