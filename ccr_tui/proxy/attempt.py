"""One call to one upstream model: what is sent, what comes back, and the record of it.

Owns the difference between the kinds of provider, as data: how a request is made, how an answer is read. Must never
decide which model is asked, or whether to ask again. The one surprise: an answer that comes as one JSON document,
whether it was asked for or not, is turned into a stream first, so that there is one way of reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TypeAlias

from ccr_tui import __version__
from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import ProxyError, UpstreamBroken
from ccr_tui.prices import cost
from ccr_tui.proxy import anthropic, openai, quirks, request
from ccr_tui.proxy.asked import Asked
from ccr_tui.proxy.delivery import Delivery
from ccr_tui.proxy.reply import ChatReply, MessagesReply
from ccr_tui.proxy.upstream import Call, Response, Upstreams, pieces, whole
from ccr_tui.records import Attempt, CostBasis, Failure, Json, Price, Usage
from ccr_tui.wire import dumps, loads

DRAIN_S = 0.25
"""How long the end of a finished stream is awaited, so that its connection can be used again."""

Reply: TypeAlias = ChatReply | MessagesReply


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent to an upstream, and how its answer is to be read."""

    model: Model
    provider: Provider
    sent: Json
    notes: tuple[str, ...]
    call: Call
    reply: Callable[[int], Reply]
    """Makes the reader of the answer, given the estimate of the input tokens."""
    as_stream: Callable[[Json], bytes]
    """A whole JSON answer as the same kind's stream."""


@dataclass(frozen=True, slots=True)
class Making:
    """What an order is made from."""

    body: Json
    asked: Asked
    headers: Mapping[str, str]
    query: str
    message_id: str
    model: Model
    provider: Provider
    config: Config
    key: str | None
    extra: Mapping[str, str]
    """The provider's own headers from the config, resolved."""
    tokens_of: Callable[[str], int]


def chat_order(making: Making) -> Order:
    """For an OpenAI-compatible provider: the body is translated."""
    model, provider = making.model, making.provider
    facts = quirks.facts_for(provider, model)
    made = request.translate(making.body, model.id, facts, model.max_output)

    def reply(estimate: int) -> Reply:
        return ChatReply(
            message_id=making.message_id,
            model=making.asked.model,
            estimate=estimate,
            names=made.names,
            stops=made.stops,
            think_tags=facts.think_tags,
            count=making.tokens_of,
        )

    headers = base_headers(making) | ({"authorization": f"Bearer {making.key}"} if making.key else {})
    call = order_call(making, "/chat/completions", headers, dumps(made.body))
    return Order(model, provider, made.body, made.notes, call, reply, openai.as_stream)


def messages_order(making: Making) -> Order:
    """For a provider that speaks Anthropic's own format: the body passes but for the model's name."""
    body, notes = request.pass_through(making.body, making.model.id)

    def reply(estimate: int) -> Reply:
        return MessagesReply(
            message_id=making.message_id, model=making.asked.model, estimate=estimate, count=making.tokens_of
        )

    path = "/v1/messages" + (f"?{making.query}" if making.query else "")
    headers = base_headers(making) | passed_headers(making)
    call = order_call(making, path, headers, dumps(body))
    return Order(making.model, making.provider, body, notes, call, reply, anthropic.as_stream)


ORDERS: Mapping[str, Callable[[Making], Order]] = {
    "openai": chat_order,
    "demo": chat_order,
    "anthropic": messages_order,
}


def order_call(making: Making, path: str, headers: Mapping[str, str], content: bytes) -> Call:
    """The HTTP request, with the deadlines and the proxy of its provider."""
    provider, config = making.provider, making.config
    return Call(
        provider=provider.name,
        url=provider.base_url + path,
        headers={**headers, **{name.lower(): value for name, value in making.extra.items()}},
        content=content,
        connect_s=config.connect_timeout_s,
        silence_s=provider.timeout_s or config.timeout_s,
        proxy=provider.proxy if provider.proxy is not None else config.proxy,
    )


def base_headers(making: Making) -> dict[str, str]:
    """What every provider gets."""
    return {
        "content-type": "application/json",
        "accept": "text/event-stream" if making.asked.stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": f"ccr-tui/{__version__}",
    }


def passed_headers(making: Making) -> dict[str, str]:
    """The client's own headers that an Anthropic provider needs; its credential only where the provider is set so."""
    given, names = making.headers, ["anthropic-version", "anthropic-beta"]
    if making.provider.client_auth:
        names += ["authorization", "x-api-key"]
    passed = {"anthropic-version": "2023-06-01"} | {name: given[name] for name in names if name in given}
    return passed | ({"x-api-key": making.key} if making.key else {})


class Calling:
    """One call under way, and then its record. Times are milliseconds of the exchange's clock."""

    def __init__(self, n: int, order: Order, now: Callable[[], int], started_at: float, keep: bool) -> None:
        self.n, self.order, self.started_at = n, order, started_at
        self.begun = now()
        self.connected: int | None = None
        self.status: int | None = None
        self.first: int | None = None
        self.reply: Reply | None = None
        self.failure: Failure | None = None
        self.notes = list(order.notes)
        self._now, self._keep = now, keep
        self._stream: list[tuple[int, bytes]] = []

    async def carry(self, upstreams: Upstreams, delivery: Delivery, estimate: Awaitable[int]) -> None:
        """Send, read, deliver. Raises ProxyError; what went out before stays delivered."""
        async with upstreams.send(self.order.call) as response:
            self._connect(response)
            if response.status_code != 200:
                raise await self._refusal(response)
            self.reply = reply = self.order.reply(await estimate)
            async with aclosing(self._stream_of(response)) as stream:
                async for data in stream:
                    await self._deliver(reply.feed(data), delivery)
                    if reply.finished:
                        break
                await self._deliver(reply.close(), delivery)
                await drained(stream)

    def _connect(self, response: Response) -> None:
        self.status, self.connected = response.status_code, self._now()
        if response.extensions.get("resent"):
            self.notes.append("The pooled connection was dead; the request was sent once more on a new one.")

    async def _refusal(self, response: Response) -> ProxyError:
        body = await whole(response, self.order.call)
        self._keep_piece(body)
        return openai.error_of(response.status_code, response.headers, body, self.order.provider.name, self.order.sent)

    async def _deliver(self, events: list[Json], delivery: Delivery) -> None:
        reply = self.reply
        assert reply is not None
        if self.first is None and reply.started:
            self.first = self._now()
        await delivery.send(events)
        if reply.error:
            raise reply.error

    async def _stream_of(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The answer as a stream of events, whatever its content type says."""
        if "event-stream" in response.headers.get("content-type", ""):
            async for piece in pieces(response, self.order.call):
                self._keep_piece(piece)
                yield piece
            return
        body = await whole(response, self.order.call)
        self._keep_piece(body)
        yield self._as_stream(body, response)

    def _as_stream(self, body: bytes, response: Response) -> bytes:
        text = body.lstrip()
        if text.startswith((b"data:", b"event:", b":")):
            return body
        try:
            return self.order.as_stream(loads(body))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            kind = response.headers.get("content-type", "no content type")
            raise UpstreamBroken(
                f"{self.order.provider.name} answered 200 with what is no answer ({kind}, {len(body)} bytes). "
                "Check that base_url is the API's, not a web page's."
            ) from error

    def _keep_piece(self, piece: bytes) -> None:
        if self._keep:
            self._stream.append((self._now() - self.begun, piece))

    @property
    def answered_by(self) -> str | None:
        """The model that the provider says has answered."""
        return self.reply.answered_by if self.reply else None

    def record(self, price: Price | None) -> Attempt:
        """The attempt as it ended, billed at `price`."""
        order, reply = self.order, self.reply
        usage = reply.usage if reply else None
        money, basis = billed(usage, price, reply.reported_cost if reply else None)
        return Attempt(
            n=self.n,
            purpose="answer",
            provider=order.provider.name,
            model=order.model.id,
            sent=order.sent,
            started_at=self.started_at,
            ttft_ms=None if self.first is None else self.first - self.begun,
            duration_ms=self._now() - self.begun,
            status=self.status,
            stop_reason=reply.stop_reason if reply else None,
            usage=usage,
            price=price,
            cost=money,
            cost_basis=basis,
            failure=self.failure,
            notes=(*self.notes, *(reply.notes if reply else ())),
            answered_by=self.answered_by,
            connect_ms=None if self.connected is None else self.connected - self.begun,
            stream=tuple(self._stream),
        )


async def drained(stream: AsyncIterator[bytes]) -> None:
    """Read on to the end of a finished stream, which usually has come already: only then can its connection be used
    again."""
    with suppress(TimeoutError, ProxyError):
        async with asyncio.timeout(DRAIN_S):
            async for _ in stream:
                pass


def billed(usage: Usage | None, price: Price | None, reported: int | None) -> tuple[int | None, CostBasis]:
    """The money: what the provider says it took, else tokens at the price, else unknown."""
    if reported is not None:
        return reported, "reported"
    if usage is None or price is None:
        return None, "unknown"
    return cost(usage, price), price.basis
