"""One request, from the client's bytes to the trace: the only place that knows the order of the stages.

    parse -> facts -> decide -> translate -> upstream -> translate the stream -> client
                                                    \\-> one Trace, landed once, in `finally`

Owns that order, and the rule that nothing is asked again once the client has been sent content. Must never import the
store or the screen: finished traces leave through the feed. The one surprise: `except Exception` stands here, so that a
bug of ours becomes a recorded 500 instead of a lost request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ccr_tui.config import Config, Model, Provider, credentials
from ccr_tui.errors import BadRequest, ConfigError, ProxyError
from ccr_tui.feed import Feed
from ccr_tui.prices import Book
from ccr_tui.proxy.asked import Asked, about, parse
from ccr_tui.proxy.attempt import ORDERS, Calling, Making, Order
from ccr_tui.proxy.delivery import Client, ClientGone, Delivery
from ccr_tui.proxy.draft import Draft
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.routing import Question, decide, resolve
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.records import Attempt, Json, Origin, Price, Trace, Usage
from ccr_tui.tally import Count
from ccr_tui.tokens import Calibration
from ccr_tui.wire import loads

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """What an exchange stands on, read once when it begins."""

    config: Config
    upstreams: Upstreams
    feed: Feed
    book: Book
    calibration: Calibration
    count: Callable[[Json], Awaitable[Count]]
    """Uncalibrated input tokens of a client's body; counts in a thread."""
    tokens_of: Callable[[str], int]
    """Tokens of a short text."""
    learn: Callable[[str, int, int, float], None]
    """Told of reported usage: calibration key, uncalibrated count, reported input tokens, the family's ratio."""
    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.perf_counter


async def run(raw: bytes, client: Client, context: Context, origin: Origin = "live") -> Trace:
    """Answer one request, and land its trace. Raises ClientGone or CancelledError when the client left."""
    draft = Draft(client, context.clock(), context.ticks, origin)
    delivery = Delivery(client, draft.flight, draft.ms)
    delivery.headers = draft.headers()
    context.feed.take_off(draft.flight)
    try:
        asked = read(draft, raw)
        await answer(draft, delivery, asked, context)
        draft.outcome = "ok"
    except (asyncio.CancelledError, ClientGone):
        raise
    except ProxyError as error:
        await fail(draft, delivery, error)
    except Exception:
        log.exception("a request met a bug of ours")
        sentence = "ccr-tui made a mistake with this request; ccr-tui.log, beside its database, describes it. Please report it."
        await fail(draft, delivery, ProxyError(sentence, should_retry=False))
    finally:
        trace = draft.trace(delivery)
        context.feed.land(trace)
    return trace


def read(draft: Draft, raw: bytes) -> Asked:
    """Parse the body and what is known about it. Raises BadRequest."""
    with draft.span("parse"):
        try:
            draft.body = loads(raw)
        except ValueError as error:
            draft.raw = raw
            raise BadRequest(f"The body is not JSON: {error}", should_retry=False) from error
        parse(draft.body)
        asked = about(draft.body, draft.client.headers)
        draft.is_asked(asked)
    return asked


async def fail(draft: Draft, delivery: Delivery, error: ProxyError) -> None:
    """Record the failure, then tell the client."""
    draft.outcome, draft.failure = "error", error.failure
    await delivery.fail(error, draft.request_id)


async def answer(draft: Draft, delivery: Delivery, asked: Asked, context: Context) -> None:
    """Route, then ask the chosen model and its fallbacks until one answers. Raises ProxyError."""
    delivery.streams = asked.stream
    with draft.span("route"):
        draft.is_decided(decide(Question(asked, draft.client.headers, context.config)))
        delivery.headers = draft.headers()
    counting = asyncio.ensure_future(context.count(draft.body))
    alive = asyncio.ensure_future(delivery.keep_alive(context.config.ping_s, draft.opening)) if asked.stream else None
    try:
        await ask_each(draft, delivery, asked, context, counting)
    finally:
        counting.cancel()
        if alive:
            alive.cancel()
    await delivery.finish()


async def ask_each(
    draft: Draft, delivery: Delivery, asked: Asked, context: Context, counting: asyncio.Future[Count]
) -> None:
    """The chosen model, then its fallbacks. Raises the last one's ProxyError."""
    assert draft.decision is not None
    names = (draft.decision.model, *draft.decision.fallbacks)
    for name in names:
        try:
            return await ask(draft, delivery, asked, context, resolve(context.config, name), counting)
        except ProxyError as error:
            if name == names[-1] or delivery.answering or error.status in (400, 413):
                raise


async def ask(
    draft: Draft, delivery: Delivery, asked: Asked, context: Context, model: Model, counting: asyncio.Future[Count]
) -> None:
    """One upstream call; whatever happens becomes an attempt of the trace. Raises ProxyError."""
    provider = context.config.providers[model.provider]
    draft.flight.model, draft.flight.phase = model.name, "waiting"
    delivery.headers = draft.headers()
    with draft.span("translate"):
        order = make_order(draft, asked, context, model, provider)
    price = await quote(context, model, provider)
    calling = Calling(len(draft.attempts) + 1, order, draft.ms, context.clock(), context.config.keep_streams)
    estimating = asyncio.ensure_future(estimate(draft, context, model, provider, counting))
    try:
        await calling.carry(context.upstreams, delivery, estimating)
    except ProxyError as error:
        calling.failure = error.failure
        raise
    finally:
        estimating.cancel()
        draft.attempts.append(calling.record(lambda usage: settled(price, usage, calling, context)))
        learn(draft.attempts[-1], counting, context, facts_for(provider, model).token_ratio)


async def estimate(
    draft: Draft, context: Context, model: Model, provider: Provider, counting: asyncio.Future[Count]
) -> int:
    """The input tokens as this model is expected to count them."""
    count = await asyncio.shield(counting)
    seed = facts_for(provider, model).token_ratio
    found = context.calibration.estimate(f"{provider.name}/{model.id}", count.total, seed).tokens
    draft.estimate = draft.flight.estimate = found
    return found


def learn(done: Attempt, counting: asyncio.Future[Count], context: Context, ratio: float) -> None:
    """What the provider reports teaches the calibration of its model, where most of the request was text."""
    usage = done.usage
    if usage is None or usage.basis != "reported" or not counting.done() or counting.cancelled():
        return
    count = counting.result()
    if count.teaches:
        context.learn(f"{done.provider}/{done.model}", count.total, usage.prompt, ratio)


def make_order(draft: Draft, asked: Asked, context: Context, model: Model, provider: Provider) -> Order:
    """The translated request. Raises BadRequest, or an error that names the missing key."""
    try:
        key, headers = credentials(provider, context.config)
    except ConfigError as error:
        raise ProxyError(str(error), status=401, type="authentication_error", should_retry=False) from error
    making = Making(
        body=draft.body,
        asked=asked,
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
    return ORDERS[provider.kind](making)


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
    for id in (calling.answered_by, order.model.id):
        model = replace(order.model, id=id or order.model.id, price=None)
        found = context.book.known(model, order.provider, at, usage)
        if isinstance(found, Price):
            return found
    return price
