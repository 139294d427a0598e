"""One model is asked one thing: how a call is made, priced, counted and recorded.

Owns what every call has in common, whether it answers the client, consults the router or lets another agent work, the
patience with its provider included. Must never decide who is asked. The one surprise: whatever happens, also when the
client leaves in the middle, the call becomes an attempt of the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from ccr_tui.config import Model, Provider, credentials, keys
from ccr_tui.errors import ConfigError, ProxyError
from ccr_tui.proxy.asked import Asked
from ccr_tui.proxy.attempt import ORDERS, Calling, Making, Order
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.delivery import Delivery
from ccr_tui.proxy.draft import Draft
from ccr_tui.proxy.guards import BYTES_A_TOKEN, check_window
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.routing import resolve, usual
from ccr_tui.proxy.trying import Ask, Trial
from ccr_tui.records import Attempt, Json, Price, Purpose, Usage
from ccr_tui.slim import dataclass
from ccr_tui.tally import Count
from ccr_tui.tokens import CHARS_PER_TOKEN

P = ParamSpec("P")
T = TypeVar("T")
COUNT_S = 1.0
"""How long an answer waits for the count of its request."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The request that calls are made for."""

    draft: Draft
    delivery: Delivery
    asked: Asked
    context: Context
    counting: asyncio.Future[Count]
    """Uncalibrated input tokens of the client's body, being counted."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked."""

    purpose: Purpose
    body: Json
    """In the client's format; translated for whoever is asked."""
    stream: bool
    sink: Callable[[list[Json]], Awaitable[None]]
    """Gets the events of the answer."""


async def ask(asking: Asking, model: Model, job: Job, key: str | None = None, why: str = "") -> Attempt:
    """One upstream call, with the provider's next key unless one is given; `why` stands in the attempt's notes.

    Raises ProxyError; the attempt is in the draft all the same.
    """
    draft, context = asking.draft, asking.context
    provider = context.config.providers[model.provider]
    draft.flight.model, draft.flight.phase = model.name, "waiting"
    draft.flight.extra.pop("retry", None)
    if job.purpose == "answer":
        asking.delivery.headers = draft.headers()
    with draft.span("translate"):
        order = await aside(draft.is_large, ORDERS[provider.kind], making_of(asking, job, model, provider, key))
    counting = asking.counting if job.purpose == "answer" else asyncio.ensure_future(context.count(job.body))
    await check_size(asking, order, counting)
    price = await quote(context, model, provider)
    calling = Calling(
        len(draft.attempts) + 1, job.purpose, order, draft.ms, context.clock(), context.config.keep_streams
    )
    calling.notes += [why] if why else []
    if job.purpose == "answer":
        calling.told = asking.delivery.headers
    guess = len(order.call.content) // CHARS_PER_TOKEN
    estimating = estimated(asking, job, model, provider, counting, guess)
    try:
        await calling.carry(context.upstreams, job.sink, estimating)
    except ProxyError as error:
        calling.failure = error.failure
        calling.notes += getattr(error, "__notes__", ())
        raise
    finally:
        estimating.cancel()
        draft.attempts.append(calling.record(lambda usage: settled(price, usage, calling, context)))
        learn(draft.attempts[-1], counting, context, facts_for(provider, model).token_ratio)
    return draft.attempts[-1]


def trial_of(asking: Asking, once: Ask, has_content: Callable[[], bool], **more: Any) -> Trial:
    """The tries of one job: `once` asks a model; `more` are fields of `Trial`."""
    context = asking.context

    def pausing(error: ProxyError, wait: float, number: int, of: int) -> None:
        flight = asking.draft.flight
        flight.phase = "retrying"
        flight.extra["retry"] = {"status": error.status, "at": context.clock() + wait, "try": number, "of": of}

    return Trial(
        config=context.config,
        breakers=context.breakers,
        keyring=context.keyring,
        ask=once,
        has_content=has_content,
        remark=asking.draft.remark,
        session=asking.asked.session,
        clock=context.clock,
        ticks=context.ticks,
        sleep=context.sleep,
        pausing=pausing,
        **more,
    )


async def check_size(asking: Asking, order: Order, counting: asyncio.Future[Count]) -> None:
    """Raises BadRequest where the request surely is too long for the model; most are short enough not to be counted."""
    if order.window is None or len(order.call.content) <= BYTES_A_TOKEN * order.window:
        return
    count = await asyncio.shield(counting)
    model, provider = order.model, order.provider
    seed = facts_for(provider, model).token_ratio
    found = asking.context.calibration.estimate(f"{provider.name}/{model.id}", count.total, seed)
    asking.draft.estimate = asking.draft.flight.estimate = found.tokens
    check_window(found, order.window, model.name, asking.draft.body)


def estimated(
    asking: Asking, job: Job, model: Model, provider: Provider, counting: asyncio.Future[Count], guess: int
) -> asyncio.Future[int]:
    """The input tokens as this model is expected to count them; the guess where counting would keep people waiting.

    A first 62 MB of text takes 15 s to count, everything that Claude Code sends some milliseconds; most of it is
    counted by now.
    """

    def known() -> int:
        seed, total = facts_for(provider, model).token_ratio, counting.result().total
        found = asking.context.calibration.estimate(f"{provider.name}/{model.id}", total, seed).tokens
        if job.purpose == "answer":
            asking.draft.estimate = asking.draft.flight.estimate = found
        return found

    async def soon() -> int:
        await asking.context.ready.wait()
        await asyncio.wait({counting}, timeout=COUNT_S)
        return known() if counting.done() else guess

    if not counting.done():
        return asyncio.ensure_future(soon())
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    found.set_result(known())
    return found


async def usual_estimate(asking: Asking) -> int:
    """The input tokens as the model that usually answers is expected to count them. Raises NotFound without one."""
    count, config = await asyncio.shield(asking.counting), asking.context.config
    model = resolve(config, usual(config))
    provider = config.providers[model.provider]
    seed = facts_for(provider, model).token_ratio
    return asking.context.calibration.estimate(f"{provider.name}/{model.id}", count.total, seed).tokens


def learn(done: Attempt, counting: asyncio.Future[Count], context: Context, ratio: float) -> None:
    """What the provider reports teaches the calibration of its model, where most of the request was text."""
    usage = done.usage
    if usage is None or usage.basis != "reported" or not counting.done() or counting.cancelled():
        return
    count = counting.result()
    if count.teaches:
        context.learn(f"{done.provider}/{done.model}", count.total, usage.prompt, ratio)


async def aside(is_large: bool, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """What the work gives; what is large is worked on in a thread, because 60 MB take seconds.

    JSON is read and written without letting others run even there (0.3 s for 60 MB): that cannot be had shorter.
    """
    return await asyncio.to_thread(work, *args, **named) if is_large else work(*args, **named)


def making_of(asking: Asking, job: Job, model: Model, provider: Provider, key: str | None) -> Making:
    """What the request is translated from. Raises an error that names the missing key."""
    draft, context = asking.draft, asking.context
    try:
        _, headers = credentials(provider, context.config)
        key = key or next_key(asking, provider)
    except ConfigError as error:
        raise ProxyError(str(error), status=401, type="authentication_error", should_retry=False) from error
    return Making(
        body=job.body,
        asked=asking.asked if asking.asked.stream == job.stream else replace(asking.asked, stream=job.stream),
        headers=draft.client.headers,
        query=draft.client.query,
        message_id=draft.message_id,
        model=model,
        provider=provider,
        config=context.config,
        key=key,
        extra=headers,
        tokens_of=context.tokens_of,
    )


def next_key(asking: Asking, provider: Provider) -> str | None:
    """The provider's key whose turn it is; None where it has none. Raises ConfigError."""
    context = asking.context
    picked = context.keyring.pick(
        provider.name, keys(provider, context.config.env), asking.asked.session, context.ticks()
    )
    return picked.text if picked else None


async def quote(context: Context, model: Model, provider: Provider) -> Price | None:
    """The price of now; the first look into the large table happens in a thread."""
    at = context.clock()
    known = context.book.known(model, provider, at)
    if isinstance(known, Price) or known is None:
        return known
    return await asyncio.to_thread(context.book.quote, model, provider, at)


def settled(price: Price | None, usage: Usage, calling: Calling, context: Context) -> Price | None:
    """The price of the tokens used, as of the request's start, of the model that really answered.

    DeepSeek answers retired names with their successors, and what is billed is the successor; Qwen's price depends on
    the length of the request. What the user set stands.
    """
    if price and price.basis == "user":
        return price
    order, at = calling.order, calling.started_at
    for id in (calling.answered_by or order.model.id, order.model.id):
        is_it = id == order.model.id and order.model.price is None
        model = order.model if is_it else replace(order.model, id=id, price=None)
        found = context.book.known(model, order.provider, at, usage)
        if isinstance(found, Price):
            return found
    return price
