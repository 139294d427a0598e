"""One request, from the client's bytes to the trace: the only place that knows the order of the stages.

    parse -> facts -> decide -> translate -> upstream -> translate the stream -> client
                                                    \\-> noted, before the client has all of it
                                                    \\-> one Trace, landed once, in `finally`

Owns that order, and the rule that nothing is asked again once the client has been sent content. Must never import the
store or the screen: finished traces leave through the feed. The one surprise: `except Exception` stands here, so that a
bug of ours becomes a recorded 500 instead of a lost request.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from functools import partial

from ccr_tui.config import Model
from ccr_tui.errors import BadRequest, ProxyError
from ccr_tui.memory import MEMORY, Memory
from ccr_tui.proxy.asked import Asked, about, parse
from ccr_tui.proxy.asking import Asking, Job, aside, ask, trial_of, usual_estimate
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.custom import informed
from ccr_tui.proxy.delivery import Client, ClientGone, Delivery, heard
from ccr_tui.proxy.draft import Draft
from ccr_tui.proxy.guards import check_budgets, check_calls, check_pace
from ccr_tui.proxy.router import dispatch, is_dispatched
from ccr_tui.proxy.routing import Question, decide
from ccr_tui.proxy.tag import without_tag
from ccr_tui.proxy.trying import keeps_status
from ccr_tui.records import Origin, RouteDecision, Trace
from ccr_tui.wire import TooMany, check_many

log = logging.getLogger(__name__)
STOPPED = "ccr-tui was stopped, so this answer is incomplete. Ask again when it runs."
BUG = "ccr-tui made a mistake with this request; ccr-tui.log, beside its database, describes it. Please report it."


async def run(raw: bytes, client: Client, context: Context, origin: Origin = "live", uid: str | None = None) -> Trace:
    """Answer one request, and land its trace. Raises ClientGone or CancelledError when the client left.

    `uid` is the trace's, and all ids that the client sees come from it; None: a new one.
    """
    draft = Draft(client, context.clock(), context.ticks, origin, uid)
    delivery = Delivery(client, draft.flight, draft.ms)
    delivery.headers = draft.headers()
    context.feed.take_off(draft.flight)
    try:
        asked = await read(draft, raw, context)
        await answer(draft, delivery, asked, context)
        context.feed.end(whole := draft.trace(delivery, is_whole=True))
        await delivery.finish()
        draft.whole = whole
    except asyncio.CancelledError:
        if not context.stopping.is_set():
            raise
        await fail(draft, delivery, ProxyError(STOPPED, status=503))
    except ClientGone:
        raise
    except ProxyError as error:
        await fail(draft, delivery, error)
    except Exception:
        log.exception("a request met a bug of ours")
        await fail(draft, delivery, ProxyError(BUG, should_retry=False))
    finally:
        trace = draft.whole or draft.trace(delivery)
        context.feed.land(trace)
    return trace


async def read(draft: Draft, raw: bytes, context: Context) -> Asked:
    """Parse the body and what is known about it. Raises BadRequest."""
    draft.is_large = len(raw) > MEMORY
    memory = Memory() if draft.is_large else context.memory  # which is for one thread, and would not keep this body
    with draft.span("parse"):
        try:
            if draft.is_large:
                await aside(True, check_many, raw)
            draft.body = await aside(draft.is_large, memory.read, raw)
        except ValueError as error:
            draft.raw = raw
            why = "cannot be taken" if isinstance(error, TooMany) else "is not JSON"
            raise BadRequest(f"The body {why}: {error}", should_retry=False) from error
        await aside(draft.is_large, parse, draft.body)
        asked = about(draft.body, draft.client.headers)
        draft.is_asked(asked)
        context.feed.begin(draft.flight)
    return asked


async def fail(draft: Draft, delivery: Delivery, error: ProxyError) -> None:
    """Record the failure, then tell the client."""
    draft.outcome, draft.failure = "error", error.failure
    await delivery.fail(error, draft.request_id)


async def answer(draft: Draft, delivery: Delivery, asked: Asked, context: Context) -> None:
    """Route, then ask the chosen model and its fallbacks until one answers. Raises ProxyError."""
    delivery.streams = asked.stream
    counting = asyncio.ensure_future(context.count(draft.body))
    if asked.stream:
        delivery.keep_alive(context.config.ping_s, draft.opening)
    asking = Asking(draft, delivery, asked, context, counting)
    try:
        with draft.span("route"):
            decision = await route(asking)
        guard(draft, asked, context)
        lacking = await dispatch(asking) if is_dispatched(decision) else ""
        await ask_each(asking, lacking)
    finally:
        delivery.let_be()
        counting.cancel()
        counting.add_done_callback(heard)


async def route(asking: Asking) -> RouteDecision:
    """What the rules decide. Raises NotFound."""
    draft, context = asking.draft, asking.context
    question = Question(asking.asked, draft.client.headers, context.config, draft.body)
    draft.is_decided(decision := decide(await informed(question, context.own, partial(usual_estimate, asking))))
    draft.work = without_tag(draft.body)
    asking.delivery.headers = draft.headers()
    return decision


async def ask_each(asking: Asking, lacking: str) -> None:
    """The chosen model and its fallbacks, with patience, until one answers; `lacking` is noted. Raises ProxyError."""
    draft, delivery, context = asking.draft, asking.delivery, asking.context
    assert draft.decision is not None
    job = Job("answer", draft.work, asking.asked.stream, delivery.send)
    in_time = keeps_status(context.ticks, context.ticks() - draft.ms() / 1000 + context.config.ping_s)

    async def once(model: Model, key: str | None, why: str) -> None:
        await ask(asking, model, job, key, why)

    def fits(wait: float) -> bool:
        return not asking.asked.stream or delivery.status != 0 or in_time(wait)

    trial = trial_of(asking, once, lambda: delivery.answering, fits=fits, why=lacking)
    await trial.run((draft.decision.model, *draft.decision.fallbacks))


def guard(draft: Draft, asked: Asked, context: Context) -> None:
    """Raises ProxyError where a client runs away. A replay has its own limits."""
    guards, day = context.config.guards, date.fromtimestamp(context.clock())
    if draft.origin == "live":
        check_pace(asked.session, context.ticks(), guards, context.pace)
        check_budgets(asked.session, day, guards, context.spent)
        check_calls(draft.body, guards)
