"""What a person may choose on the way to a replay: sessions, variants, baselines, budgets, earlier runs.

Owns the choices and the names that variants get, and how an export is written. Pure but for `sessions` and `runs`,
which read the store, and `exported`, which writes a file: they belong into a thread. The one surprise: whatever is
typed in these lists may be taken as it stands, so that all that the command line takes as --variant is taken here too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from ccr_tui import ownfiles, pricelist, prices
from ccr_tui.catalogue import AGENTS
from ccr_tui.config import Config
from ccr_tui.presets import PRESETS
from ccr_tui.pricelist import NANO
from ccr_tui.replay import naming
from ccr_tui.replay.words import RECORDED, Comparison, VariantSums
from ccr_tui.screens import show
from ccr_tui.screens.pick import Choice
from ccr_tui.slim import dataclass
from ccr_tui.store.queries import Reader
from ccr_tui.store.runs import RunRow

SUGGESTED = 3
KNOWN = ("deepseek-flash", "qwen3.8-flash", "claude-sonnet-5-5")
"""What is suggested where little is configured."""
AGENT = "agent:"
"""Begins the value of a choice that leads to another list."""
NO_CAP = "no cap"
FORMS = {"m": "md", "c": "csv", "h": "html"}
"""Of an export, by the key that chooses it."""
CENT = NANO // 100
CAPS = (1, 2, 4)
"""Budgets that are offered, as multiples of the upper bound of the bill."""


def exported(path: Path, text: str) -> tuple[str, bool]:
    """Write an export: what came of it in words, and whether that failed. Blocks."""
    try:
        ownfiles.write(path, [text.encode("utf-8", "backslashreplace")])
    except OSError as error:
        return f"{path}: {error.strerror or error}", True
    return f"Written to {path}", False


def sessions(reader: Reader, now: float) -> list[Choice]:
    """The sessions that were last active. May raise StoreError."""
    found = []
    for row in reader.sessions(200):
        name = show.harmless(row.title or row.project or row.id)
        note = f"{show.when(row.ended_at, now, 16).strip()} · {row.requests} requests · {show.money(row.spent)}"
        found.append(Choice(row.id, show.fit(name, 60).rstrip(), note))
    return found


def runs(reader: Reader, now: float) -> list[Choice]:
    """Replays that were kept. May raise StoreError."""
    found = []
    for row in reader.runs(200):
        written = ", ".join(row.asked.get("variants", ())) if row.asked else ""
        state = "" if row.finished else " · cut off"
        note = f"{row.kind}{state} · {show.when(row.started_at, now, 16).strip()} · {written}"
        found.append(Choice(row.id, show.fit(show.harmless(row.title), 44).rstrip(), note))
    return found


def variants(config: Config, agents: Sequence[str]) -> list[Choice]:
    """What can be tried on a recording with these agents."""
    found = [Choice(name, name, "configured: one model for all") for name in config.models]
    found += [Choice(f"{AGENT}{agent}", f"{agent}: …", "another model for this agent") for agent in ordered(agents)]
    found += [
        Choice("mode:router", "mode:router", "the router dispatches each turn"),
        Choice("mode:normal", "mode:normal", "one model answers, whatever the router would say"),
        Choice("rules:off", "rules:off", "without rules of your own"),
    ]
    known = {choice.value for choice in found}
    return found + [Choice(id, id, f"{seller}: its price is known") for id, seller in priced() if id not in known]


def suggested(config: Config, recorded: Sequence[str]) -> list[str]:
    """Variants to begin with: configured models that did not answer then, else some whose prices are known."""
    others = {name for agent, names in config.agents.items() if agent != "router" for name in names}
    routers = set(config.agents.get("router", ())) - others
    own = [
        name
        for name, model in config.models.items()
        if model.id not in recorded and name != "demo" and name not in routers
    ]
    names = dict.fromkeys([*own[:SUGGESTED], *(id for id in KNOWN if id not in recorded)])
    return [f"{re.sub(r'[=,]+', '+', name)}={name}" for name in list(names)[:SUGGESTED]]


def ordered(agents: Sequence[str]) -> list[str]:
    """All agents, those of the recording first."""
    return [*agents, *(agent for agent in AGENTS if agent not in agents)]


def models(config: Config) -> list[Choice]:
    """Models for an agent."""
    found = [Choice(name, name, "configured") for name in config.models]
    return found + [
        Choice(id, id, f"{seller}: its price is known") for id, seller in priced() if id not in config.models
    ]


def priced() -> list[tuple[str, str]]:
    """Models whose price the project's tables and presets know, and who sells them."""
    found = {id: preset.title for preset in PRESETS for id in preset.models}
    sellers = pricelist.shipped()
    for key, offers in sellers.offers.items():
        title = next((seller.name for seller in sellers.sellers if seller.key == key), key)
        found.update({id: title for id, entries in offers.items() if entries and not entries[-1].retired})
    return sorted(found.items(), key=lambda pair: (pair[1], pair[0]))


def written(spec: str, taken: Sequence[str]) -> str:
    """A variant with a name of its own, as the command line takes it."""
    name, sign, _ = spec.partition("=")
    if sign and re.fullmatch(r"[^\s=,]+", name.strip()):
        return spec
    base = re.sub(r"[\s=,]+", "+", spec.lstrip("@").strip()).strip("+") or "variant"
    names = {each.partition("=")[0] for each in taken} | {RECORDED}
    free = next(name for n in range(1, 1000) if (name := base if n == 1 else f"{base}-{n}") not in names)
    return f"{free}={spec.strip()}"


def extended(variant: str, agent: str, model: str) -> str | None:
    """The variant with one more agent; None where it is no variant of agents."""
    name, _, spec = variant.partition("=")
    kept = [part for part in re.split(r",(?=\w+:)", spec) if not part.startswith(f"{agent}:")]
    if spec.startswith("@") or not all(re.match(rf"({'|'.join(AGENTS)}|mode|rules):", part) for part in kept):
        return None
    return f"{name}={','.join([*kept, f'{agent}:{model}'])}"


def sendable(config: Config, variants: Sequence[str]) -> list[str]:
    """Those whose models are all configured, so that they can be asked and not priced alone."""
    return [variant for variant in variants if all(naming.configured(config, name) for name in named(variant))]


def named(variant: str) -> list[str]:
    """The models that a variant names; what a file names is not looked at."""
    spec = variant.partition("=")[2]
    parts = re.split(r",(?=\w+:)", spec)
    if spec.startswith("@") or (any(re.match(r"(mode|rules):", part) for part in parts[:1]) and len(parts) == 1):
        return []
    keyed = [re.fullmatch(rf"({'|'.join(AGENTS)}|mode|rules):(.*)", part) for part in parts]
    return [match[2] for match in keyed if match and match[1] in AGENTS] if all(keyed) else [spec]


@dataclass(frozen=True, slots=True)
class Cut:
    """A rerun that was cut off, and goes on where all that it asked for is still asked for."""

    run: str
    variants: frozenset[str]
    """Their names."""
    cap: int | None = None

    def goes_on(self, names: Sequence[str]) -> bool:
        """Whether these variants have its own among them."""
        return self.variants <= {*names}


def cut_of(row: RunRow) -> Cut | None:
    """None for what is no rerun, or over."""
    if row.kind != "rerun" or row.finished or not row.asked:
        return None
    names = frozenset(each.partition("=")[0] for each in row.asked["variants"])
    return Cut(row.id, names, row.asked["settings"].get("max_cost"))


def caps_again(lines: Sequence[VariantSums], room: int, spent: int, before: int | None) -> list[Choice]:
    """Budgets for the rest of a rerun, what was spent included; first the one of before."""
    worst = sum(line.high or 0 for line in lines) + room
    found = []
    if before is not None:
        usd = str(prices.usd(before))
        found.append(Choice(usd, f"never more than ${usd}", f"as before; {show.money(spent)} of it is gone"))
    if worst:
        found.append(_cap(spent + worst, "what is gone, the upper bound of the rest, and room for the last request"))
    return [*found, Choice(NO_CAP, NO_CAP, "whatever it costs")]


def rest(lines: Sequence[VariantSums], spent: int) -> str:
    """What the rest of a rerun is expected to cost, as a sentence."""
    names = [line.name for line in lines if line.requests]
    if not names:
        return "nothing; every answer is kept."
    return f"{', '.join(names)}: {bill(lines, names)}. {show.money(spent)} is spent already."


def caps(comparison: Comparison, names: Sequence[str], room: int = 0) -> list[Choice]:
    """Budgets for sending these variants for real; `room` is what the last request may cost at worst."""
    lines = [line for line in comparison.variants if line.name in names]
    if any(line.cost is None for line in lines):
        return [Choice(NO_CAP, NO_CAP, "whatever it costs")]
    worst = sum(line.high or 0 for line in lines) + room
    if not worst:
        return [_cap(CENT, "nothing is known to be billed"), Choice(NO_CAP, NO_CAP, "whatever it costs")]
    last = ", and room for the last request" if room else ""
    notes = {1: f"the upper bound of the bill{last}"}
    found = [_cap(worst * times, notes.get(times, f"{times} times that")) for times in CAPS]
    return [*found, Choice(NO_CAP, NO_CAP, "whatever it costs")]


def lab_caps(most: int | None, spent: int = 0, before: int | None = None) -> list[Choice]:
    """Budgets for asking routers, which cost so much at worst; None: that is not known. Of one that goes on: what it
    may have spent, and its cap of before, which comes first."""
    found = []
    if before is not None:
        usd = prices.usd(before)
        found.append(Choice(str(usd), f"never more than ${usd}", f"as before; {show.money(spent)} of it is gone"))
    if most is None:
        return [*found, Choice(NO_CAP, NO_CAP, "whatever it costs")]
    gone = ", with what is gone" if spent else ""
    return [*found, _cap(spent + most or CENT, f"what it costs at worst{gone}"), Choice(NO_CAP, NO_CAP)]


def _cap(nanos: int, note: str) -> Choice:
    """At least so much: rounded up to cents, below a dollar to two digits that matter."""
    step = CENT if nanos >= NANO else 10 ** max(0, len(str(nanos)) - 2)
    whole, _, rest = str(prices.usd(-(-nanos // step) * step)).partition(".")
    usd = f"{whole}.{rest.ljust(2, '0')}"
    return Choice(usd, f"never more than ${usd}", note)


def bill(variants: Sequence[VariantSums], names: Sequence[str]) -> str:
    """What sending these variants is expected to cost, as a sentence."""
    lines = [line for line in variants if line.name in names]
    known = [line for line in lines if line.cost is not None]
    total, low, high = (sum(getattr(line, part) or 0 for line in known) for part in ("cost", "low", "high"))
    requests = sum(line.requests for line in lines)
    free = [line.name for line in lines if line.cost is None]
    unknown = f"; the price of {', '.join(free)} is not known, so no cap can be kept: d takes it out" if free else ""
    sends = f"{requests} request{'s' * (requests != 1)}"
    return f"{sends}, about {show.money(total)} ({show.money(low)} to {show.money(high)}){unknown}"


def file_name(kind: str, session: str, form: str) -> str:
    """Where an export is written to."""
    name = re.sub(r"[^\w.-]+", "-", session)[:24].strip("-") or "session"
    return f"ccr-tui-{kind}-{name}-{time.strftime('%Y%m%d-%H%M%S')}.{form}"
