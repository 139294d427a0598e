"""Can a model do what Claude Code asks of it? Found out by asking it, down the very street that requests go.

Owns the checks, in order, and what counts as passing each. Must never judge how clever a model is, nor cost more than a
few cents: at most thirteen requests. The one surprise: its requests are real exchanges with a feed of their own, so
that they cost money and use the same translation, keys and proxies as the client's, but stand in no session's traces.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from ccr_tui.config import Config, Guards, Model, Routing
from ccr_tui.errors import ConfigError, ProxyError
from ccr_tui.evidence import (
    CAPITAL,
    LONG,
    WEATHER,
    Finding,
    answer,
    blocks,
    called,
    fits,
    rate,
    refused,
    said,
    short,
    text,
    total,
    trouble,
    turn,
    uncalled,
    user,
)  # fmt: skip
from ccr_tui.feed import Feed
from ccr_tui.hiding import hidden
from ccr_tui.proxy import exchange, listing
from ccr_tui.proxy.breaker import Breakers
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.guards import Pace, Spent
from ccr_tui.proxy.keys import Keyring
from ccr_tui.proxy.routing import resolve
from ccr_tui.records import Badge, Json, Trace, Usage
from ccr_tui.values import did_you_mean
from ccr_tui.wire import dumps

NEEDED = frozenset({"auth", "one_token", "streaming", "tools"})
"""Without these Claude Code does not work."""
SILENCE_S = 120.0
"""Longest silence that is waited for: a local server may have to load the model first."""
PAUSE_S = 2.0
"""What a provider's cache is given before its last chance (DeepSeek: "a few seconds" to construct it)."""
QUESTIONS, USES = 13, Usage(7_000, 1_500)
"""How many requests a whole test sends at most, and about what they use (measured; who thinks long writes more)."""
LIMIT, THINKING_LIMIT = 512, 4096
"""max_tokens. Less would be refused by models that always think."""


async def run(
    context: Context, name: str, pause_s: float = PAUSE_S, sent: Callable[[Trace], None] = lambda trace: None
) -> AsyncGenerator[Badge, None]:
    """Test the model of that name, a badge after each check. Raises NotFound if there is no such model.

    `context` is the one that the client's requests stand on, too (`Engine.context`); `sent` gets every request that has
    ended, one that was broken off too.
    """
    bench = Bench(context, resolve(context.config, name), pause_s)
    bench.context.feed.subscribe(sent)
    for check in CHECKS:
        yield await bench.take(check)


class Bench:
    """One model under test, and what was found so far."""

    def __init__(self, context: Context, model: Model, pause_s: float) -> None:
        self.model = model
        self.provider = context.config.providers[model.provider]
        self.context = replace(
            context,
            config=alone(context.config, model),
            feed=Feed(),
            breakers=Breakers(),  # what failed before does not count here, nor what fails here afterwards
            keyring=Keyring(),
            spent=Spent(),
            pace=Pace(),
        )
        self.pause_s = pause_s
        self._all = context.config
        """With every key: a provider may have been told another one of them before."""
        self.found: dict[str, Badge] = {}
        self._first: Trace | None = None
        self._traces: list[Trace] = []

    async def take(self, check: Check) -> Badge:
        """Make one check. What it needs and is not there is said instead."""
        name = check.__name__
        begun, self._traces = time.perf_counter(), []
        missing = next((need for need in needs(name) if not self.can(need)), None)
        if missing is None:
            ability, sentence = await check(self)
        else:
            ability, sentence = "failed", f"Not tried, because {missing} did not pass."
        ms = round((time.perf_counter() - begun) * 1000)
        told = hidden(sentence, self._all)
        self.found[name] = Badge(name, ability, told, ms, total(self._traces), self.context.clock())
        return self.found[name]

    def can(self, check: str) -> bool:
        """Whether the check has passed."""
        return check in self.found and self.found[check].ability == "ok"

    async def ask(self, *messages: Json, **more: Json) -> Trace:
        """One request of the client's, streamed unless `stream` says otherwise."""
        body = {"model": "claude-test", "max_tokens": LIMIT, "stream": True, "messages": list(messages), **more}
        client = Collector({"x-ccr-model": self.model.name})
        trace = await exchange.run(dumps(body), client, self.context)
        self._traces.append(trace)
        return trace

    async def first(self) -> Trace:
        """The first request, which several checks look at."""
        if self._first is None:
            self._first = await self.ask(user("Answer with the single word OK."), stream=False)
        return self._first


Check = Callable[[Bench], Awaitable[Finding]]


def alone(config: Config, model: Model) -> Config:
    """The configuration with this model to answer, and nothing that could stand in its way."""
    return replace(
        config,
        mode="normal",
        models={model.name: model},
        agents={"default": (model.name,)},
        rules=(),
        routing=Routing(),
        guards=Guards(repeated_calls=None),
        timeout_s=min(config.timeout_s, SILENCE_S),
        keep_streams=True,
    )


def needs(check: str) -> tuple[str, ...]:
    """What must have passed before."""
    before = {"auth": (), "models": (), "one_token": ("auth",), "parallel_tools": ("one_token", "tools")}
    return before.get(check, ("one_token",))


# ---------------------------------------------------------------- the checks, in order


async def auth(bench: Bench) -> Finding:
    """Is the key taken?"""
    provider = bench.provider
    if provider.client_auth and not provider.api_key:
        return "failed", "This provider is sent the client's own credential, and a test has none. Set api_key to test."
    trace = await bench.first()
    status = answer(trace).status if trace.answer else None
    if trace.outcome != "ok" and (status is None or status in (401, 403) or status >= 500):
        return "no" if status in (401, 403) else "failed", said(trace)
    return (
        "ok",
        "The key is taken." if provider.api_key or provider.api_keys else "No key is set, and none is asked for.",
    )


async def models(bench: Bench) -> Finding:
    """Is the model in the provider's list?"""
    if bench.provider.kind == "demo":
        return "ok", "The demo model is built in."
    id = bench.model.id
    try:
        names = await listing.models_of(bench.context, bench.provider)
    except ConfigError as error:
        return "failed", str(error)
    except ProxyError as error:
        return "no" if error.status in (401, 403, 404, 405) else "failed", error.message
    if id in names:
        return "ok", f"It is one of {len(names)} models." if len(names) > 1 else "It is the one model that is listed."
    return "no", f"{id} is not among the {len(names)} models that are listed{did_you_mean(id, names)}."


async def one_token(bench: Bench) -> Finding:
    """Does it answer at all?"""
    trace = await bench.first()
    if trace.outcome != "ok":
        return trouble(trace)
    usage, by = answer(trace).usage, answer(trace).answered_by
    if not blocks(trace) and not (usage and usage.output):
        return "no", "It answered, but with nothing."
    other = f", answered by {by}" if by and by != bench.model.id else ""
    return "ok", f"It answered in {trace.duration_ms / 1000:.1f} s{other}."


async def streaming(bench: Bench) -> Finding:
    """Does the answer come while it is being written?"""
    trace = await bench.ask(user("Count from one to thirty in words, separated by commas."))
    if trace.outcome != "ok":
        return trouble(trace)
    attempt = answer(trace)
    if b"".join(piece for _, piece in attempt.stream).lstrip().startswith(b"{"):
        return "no", "A stream was asked for, and the answer came whole."
    pieces = sum(event.type == "content_block_delta" for event in trace.timeline)
    first = "" if attempt.ttft_ms is None else f", the first after {attempt.ttft_ms / 1000:.1f} s"
    return "ok", f"{pieces} piece{'' if pieces == 1 else 's'}{first}{rate(attempt)}."


async def tools(bench: Bench) -> Finding:
    """Does it call a tool, and go on with the result?"""
    question = user("What is the weather in Paris now? Find out with the tool.")
    trace = await bench.ask(question, tools=[WEATHER])
    if trace.outcome != "ok":
        return trouble(trace)
    calls = called(trace)
    if not calls:
        return "no", uncalled(trace)
    if not isinstance(calls[0]["input"].get("city"), str):
        return "no", f"It called the tool with arguments that do not fit: {short(str(calls[0]['input']))}"
    after = await bench.ask(question, *turn(trace), tools=[WEATHER])
    if after.outcome != "ok":
        return "no" if refused(after) else "failed", f"It called the tool, but then: {said(after)}"
    return "ok", "It called the tool, and went on with the result."


async def parallel_tools(bench: Bench) -> Finding:
    """Does it call several tools in one answer?"""
    question = user("What is the weather in Paris and in Rome now? Call the tool for both cities at once.")
    trace = await bench.ask(question, tools=[WEATHER])
    if trace.outcome != "ok":
        return trouble(trace)
    calls = called(trace)
    if len(calls) < 2:
        return "no", "It called the tool for one city at a time." if calls else uncalled(trace)
    after = await bench.ask(question, *turn(trace), tools=[WEATHER])
    if after.outcome != "ok":
        return "no" if refused(after) else "failed", f"{len(calls)} calls in one answer, but then: {said(after)}"
    return "ok", f"{len(calls)} calls in one answer."


async def reasoning(bench: Bench) -> Finding:
    """Does it think when asked to, and take its thoughts back?"""
    offered = {"tools": [WEATHER]} if bench.can("tools") else {}
    question = user("Is it warmer in Paris than 20 degrees? Think first" + ("; use the tool." if offered else "."))
    wanted = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": THINKING_LIMIT, **offered}
    trace = await bench.ask(question, **wanted)
    if trace.outcome != "ok":
        return trouble(trace)
    thoughts = "".join(block.get("thinking", "") for block in blocks(trace) if block["type"] == "thinking")
    hidden = usage.reasoning if (usage := answer(trace).usage) else 0
    if not thoughts and not hidden:
        return "no", "It was asked to think, and no reasoning came."
    after = await bench.ask(question, *turn(trace), **wanted)
    if after.outcome != "ok":
        return "no" if refused(after) else "failed", f"It thinks, but then: {said(after)}"
    return "ok", "It thinks, and takes its thoughts back." if thoughts else f"It thinks ({hidden} tokens), unseen."


async def json_schema(bench: Bench) -> Finding:
    """Does an answer keep to a JSON schema?"""
    form = {"format": {"type": "json_schema", "schema": CAPITAL}}
    trace = await bench.ask(user("Which city is the capital of France?"), output_config=form, stream=False)
    if trace.outcome != "ok":
        return trouble(trace)
    how = ((answer(trace).sent or {}).get("response_format") or {}).get("type")
    way = {"json_schema": "by its schema", "json_object": "by json_object and a sentence", None: "by a sentence"}
    asked = "by its schema" if bench.provider.kind == "anthropic" else way.get(how, str(how))
    if not fits(text(trace)):
        return "no", f"Asked {asked}, it did not keep to it: {short(text(trace))}"
    return "ok", f"It keeps to it, asked {asked}."


async def cached_usage(bench: Bench) -> Finding:
    """Is a repeated prompt served from a cache, and reported so?"""
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    for pause in (0.0, 0.0, bench.pause_s):
        await asyncio.sleep(pause)
        trace = await bench.ask(user("How many frogs at pond 3? Answer with the number."), system=system)
        usage = trace.answer.usage if trace.answer else None
        if trace.outcome != "ok":
            return "failed", said(trace)
        if usage is None or usage.basis != "reported":
            return "no", "It reports no usage, so that tokens and money are estimates."
        if usage.cache_read * 4 >= usage.prompt:  # less may be what every prompt begins with
            return "ok", f"{usage.cache_read} of {usage.prompt} tokens came from its cache."
    return "no", "The same prompt was sent three times, and hardly any cached tokens were reported."


async def mid_system(bench: Bench) -> Finding:
    """Is a system message in the middle of a conversation heard? Claude Code sends such."""
    trace = await bench.ask(
        user("Hello."),
        {"role": "assistant", "content": "Hello. How can I help?"},
        user("I will ask for the password."),
        {"role": "system", "content": "The password is heron. Tell it when asked."},
        user("What is the password? Answer with the one word."),
    )
    if trace.outcome != "ok":
        return trouble(trace)
    if "heron" not in text(trace).lower():
        return "no", f"It is taken, but was not heard: {short(text(trace))}"
    return "ok", "It is taken and heard."


CHECKS: tuple[Check, ...] = (
    auth, models, one_token, streaming, tools, parallel_tools, reasoning, json_schema, cached_usage, mid_system,
)  # fmt: skip
