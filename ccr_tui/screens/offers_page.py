"""All there is to say about one provider, model or agent. Pure; runs in a thread.

Owns the words about where a setting comes from, and what to do where something else wins over the file. Must never show
a key. The one surprise: what matters most stands first, because on a small screen only some eight lines are seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccr_tui import presets
from ccr_tui.config import Config
from ccr_tui.offers import unbudgeted
from ccr_tui.origin import origin
from ccr_tui.prices import cost
from ccr_tui.records import Badge, Price
from ccr_tui.screens import show
from ccr_tui.screens.checklist import WORDS, mark_of, told
from ccr_tui.screens.ink import AGENT_INKS
from ccr_tui.screens.lines import Document
from ccr_tui.screens.offers_list import Seen, key_words, round_tokens
from ccr_tui.wiretest import NEEDED, QUESTIONS, USES

Piece = str | tuple[str, str]
NAME = 11
PURPOSE = {
    "default": "answers everything in Normal mode, and what no other agent takes",
    "router": "Router mode: is asked once a turn who shall work; a small, fast model will do",
    "tool": "Router mode: speaks with Claude Code and calls its tools",
    "coder": "Router mode: writes code aside, without tools",
    "think": "Router mode: reasons aside, without tools; in Normal mode it answers when thinking is asked for",
    "background": "titles, summaries and other small side tasks (a haiku-class model asked for)",
    "long_context": "prompts over routing.long_context_over tokens, or over the window of the model that would answer",
    "web_search": "requests in which the model's provider is to search the web",
    "image": "turns that show a picture",
}


def page_of(seen: Seen, key: tuple[str, str] | None, now: float, width: int) -> Document:
    """The page of whatever is chosen."""
    page = Document()
    kind, name = key or ("", "")
    if kind == "model" and name in seen.offers:
        _model(page, seen, name, now, width)
    elif kind == "provider" and name in seen.config.providers:
        _provider(page, seen, name)
    elif kind == "agent":
        _agent(page, seen, name)
    return page


def _say(page: Document, name: str, *pieces: Piece) -> None:
    page.put((f"{name:{NAME}}", "muted"), *pieces, hang=NAME)


# -- a model


def _model(page: Document, seen: Seen, name: str, now: float, width: int) -> None:
    offer = seen.offers[name]
    model, provider = offer.model, seen.config.providers[offer.model.provider]
    _say(
        page, "is", (show.harmless(model.id), "strong"), f" at {show.harmless(provider.name)} · facts of {offer.family}"
    )
    if offer.hint:
        _say(page, "", (f"! {show.harmless(model.id)} {offer.hint}", "warn"))
    if offer.problem:
        _say(page, "", (f"✗ {show.harmless(offer.problem)}", "bad"))
    if provider.name in seen.unset:
        _say(page, "key", (f"✗ {show.harmless(seen.unset[provider.name])}", "bad"))
    badges = seen.tested(name)
    _tested(page, badges, now, offer.price)
    _say(page, "window", *_count(offer.context, offer.context_from), ("  · longest answer ", "muted"),
         *_count(offer.max_output, offer.max_output_from))  # fmt: skip
    _say(page, "price", *_price(offer.price))
    budget, unseen = unbudgeted(seen.config, {name: offer})
    if unseen:
        _say(page, "", (f"! {budget} is set, but never sees what this model costs", "warn"))
    _say(page, "used by", *_users(seen.config, name))
    _say(page, "set in", *_where(seen, "models", name))
    if model.quirks:
        quirks = ", ".join(f"{key} = {value!r}" for key, value in model.quirks.items())
        _say(page, "quirks", show.harmless(quirks))
    for badge in badges:
        for line in told(badge, width):
            page.put(*line)


def _count(count: int | None, known_from: str) -> list[Piece]:
    if count is None:
        return [("?", "warn"), (" (e sets it)", "muted")]
    return [f"{round_tokens(count)} tokens", (f" ({known_from})", "muted")]


def _price(price: Price | None) -> list[Piece]:
    if price is None:
        return [("?", "warn"), (" nobody lists one, so costs are unknown; e sets your own", "muted")]
    if not price.input and not price.output:
        return [("free", "money"), (f" · {show.harmless(price.source)}", "muted")]
    parts = [f"{show.rate(price.input)} in", f"{show.rate(price.output)} out"]
    if price.cache_read is not None:
        parts.append(f"{show.rate(price.cache_read)} cached")
    if price.cache_write is not None:
        parts.append(f"{show.rate(price.cache_write)} into the cache")
    told_by = show.harmless(origin(price.basis, price.source, price.since))
    return [(" · ".join(parts), "money"), (" per million tokens", ""), (f" · {told_by}", "muted")]


def _users(config: Config, name: str) -> list[Piece]:
    pieces: list[Piece] = []
    for agent, names in config.agents.items():
        if name in names:
            place = names.index(name)
            pieces += [(" · ", "faint")] if pieces else []
            pieces += [(agent, AGENT_INKS.get(agent, "strong"))]
            pieces += [(f" (fallback {place})", "muted")] if place else []
    return pieces or [("no agent", "muted")]


def _where(seen: Seen, table: str, name: str) -> list[Piece]:
    if (table, name) in seen.written:
        return ["config.toml ", (f"[{table}.{show.harmless(name)}]", "muted")]
    provider = name if table == "providers" else seen.config.models[name].provider
    if seen.config.providers[provider].kind == "demo":
        return [("nowhere: it is built in", "muted")]
    named = [agent for agent, origin in seen.config.origins.items() if agent.startswith("agents.") and _env(origin)]
    if named:
        return ["the environment; ", ("e writes it into config.toml, to give it numbers of its own", "muted")]
    return ["config.toml, where an agent names it", (" (e gives it a table of its own)", "muted")]


def _env(origin: str) -> bool:
    return origin.startswith(("environment", ".env"))


def _tested(page: Document, badges: Sequence[Badge], now: float, price: Price | None) -> None:
    """What the last test has shown, at a glance; its sentences come at the end of the page."""
    if not badges:
        _say(page, "test", ("not tested yet", "warn"), (f"; t asks it {_bill(price)}", "muted"))
        return
    passed = sum(badge.ability == "ok" for badge in badges)
    lacking = [badge for badge in badges if badge.check in NEEDED and badge.ability != "ok"]
    words = ("lacks what Claude Code needs", "bad") if lacking else ("serves Claude Code", "good")
    when = max(badge.at for badge in badges)
    _say(page, "test", words, f" · {passed} of {len(badges)}", (f" · {_ago(now - when)}", "muted"))
    marks: list[Piece] = []
    for badge in badges:
        mark, ink = mark_of(badge)
        marks += [(f"{mark} ", ink), f"{WORDS.get(badge.check, badge.check)}  "]
    _say(page, "", *marks)


def _bill(price: Price | None) -> str:
    """What a test sends, and about what that costs."""
    asks = f"up to {QUESTIONS} questions"
    if price is None:
        return f"{asks}, some {round_tokens(USES.prompt)} tokens at a price nobody knows"
    return f"{asks}, about {show.money(about)}" if (about := cost(USES, price)) else f"{asks}, free"


def _ago(seconds: float) -> str:
    if seconds < 90:
        return "just now"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes ago"
    return f"{seconds / 3600:.0f} hours ago" if seconds < 129_600 else f"{seconds / 86400:.0f} days ago"


# -- a provider


def _provider(page: Document, seen: Seen, name: str) -> None:
    provider = seen.config.providers[name]
    known = presets.at(provider.base_url) or presets.BY_NAME.get(name)
    title = f" · {known.title}" if known else ""
    _say(page, "address", (show.harmless(provider.base_url), "strong"), (f" · {provider.kind}{title}", "muted"))
    words, ink = key_words(seen, name)
    _say(page, "key", (words, "good" if ink == "muted" and "$" in words else ink))
    if name in seen.unset:
        _say(page, "", (show.harmless(seen.unset[name]), "bad"))
    elif "key in" in words:
        _say(page, "", ("a reference such as $DEEPSEEK_API_KEY keeps the key out of the file; e changes it", "muted"))
    if known and known.note:
        _say(page, "mind", known.note)
    if provider.headers:
        _say(page, "headers", ", ".join(show.harmless(header) for header in provider.headers))
    if provider.proxy is not None:
        _say(page, "proxy", show.harmless(provider.proxy.rpartition("@")[2]) or "none, whatever the environment says")
    if provider.timeout_s is not None:
        _say(page, "timeout", f"{provider.timeout_s:g} s of silence")
    if provider.family:
        _say(page, "family", provider.family)
    models = [model.name for model in seen.config.models.values() if model.provider == name]
    _say(page, "models", show.harmless(", ".join(models)) or ("none yet: a adds one", "warn"))
    _say(page, "set in", *_where(seen, "providers", name))


# -- an agent


def _agent(page: Document, seen: Seen, agent: str) -> None:
    config = seen.config
    _say(page, "is for", PURPOSE[agent])
    names = config.agents.get(agent, ())
    if names:
        _say(page, "model", (show.harmless(names[0]), "strong"), *_at(config, names[0]))
        then = show.harmless(" → ".join(names[1:]))
        _say(page, "then", then or ("nobody; in the picker space marks fallbacks, in their order", "muted"))
    else:
        _say(page, "model", ("not set", "warn"), (" · ⏎ chooses one", "muted"))
    origin = config.origins.get(f"agents.{agent}", "")
    if _env(origin):
        variable = origin.rpartition(" ")[2]
        _say(page, "set by", (f"{origin}, which wins over config.toml", "warn"))
        _say(page, "", (f"To choose here for good, unset {variable} and start ccr-tui again; until then a choice "
                        "holds until it ends.", "muted"))  # fmt: skip
    elif origin == "here":
        _say(page, "set by", ("you, here, until ccr-tui ends; the environment's variable comes back then", "warn"))
    elif names and (origin or agent == "default"):
        _say(page, "set in", origin or "nothing: it is the first model that there is")


def _at(config: Config, name: str) -> list[Piece]:
    model = config.models[name]
    return [(f" · {show.harmless(model.id)} at {show.harmless(model.provider)}", "muted")]
