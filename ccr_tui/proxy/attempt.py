"""One call to one upstream model: what is sent, what comes back, and the record of it.

Owns the difference between the kinds of provider, as data: how a request is made, how an answer is read. Must never
decide which model is asked, or whether to ask again. The one surprise: the connection outlives the answer by a moment,
because a body must be read to its end before its connection can serve again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import field
from itertools import accumulate
from typing import TypeAlias

from ccr_tui import __version__
from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import ProxyError, UpstreamBroken, UpstreamTimeout
from ccr_tui.prices import cost
from ccr_tui.proxy import anthropic, quirks, request
from ccr_tui.proxy.asked import Asked
from ccr_tui.proxy.delivery import joined
from ccr_tui.proxy.disguise import covered, undressed
from ccr_tui.proxy.openai import error_of, redact
from ccr_tui.proxy.passing import pass_through
from ccr_tui.proxy.reply import ChatReply, MessagesReply
from ccr_tui.proxy.unfenced import BareReply
from ccr_tui.proxy.upstream import Call, Response, Upstreams, pieces, whole
from ccr_tui.records import Attempt, CostBasis, Failure, Json, Price, Purpose, Usage
from ccr_tui.seen import written
from ccr_tui.slim import dataclass
from ccr_tui.standins import is_stand_in
from ccr_tui.values import is_sendable

TAIL_S = 5.0
"""How long usage and [DONE] are awaited after the finish reason; then the answer is taken for complete."""
LONGEST = 128 * 1024 * 1024
"""Bytes of one answer. A million tokens, each in a chunk of its own, would take some 200; nobody answers so much."""
LONGEST_ID = 200
"""Characters of a provider's id of a request."""
DRAIN_S = 0.25
"""How long the end of a finished stream's body is awaited, so that its connection can be used again."""

Reply: TypeAlias = ChatReply | MessagesReply
Sink: TypeAlias = Callable[[list[Json]], Awaitable[None]]
"""Where the events of an answer go."""


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
    window: int | None = None
    """The model's context window in tokens, where it is known."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not stand in any sentence, whatever the provider repeats."""


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
        kind = BareReply if made.is_json else ChatReply
        return kind(
            message_id=making.message_id,
            model=making.asked.model,
            estimate=estimate,
            names=made.names,
            stops=made.stops,
            watched=made.watched,
            think_tags=facts.think_tags,
            count=making.tokens_of,
            tools=[tool["function"]["name"] for tool in made.body.get("tools", ())],
            taken=anthropic.tool_ids(making.body),
            provider=provider.name,
            model_id=model.id,
            mute=made.mute,
            cumulative=facts.cumulative,
            seals=facts.reasoning_details or bool(facts.tool_call_extra),
            most=made.body.get(facts.max_tokens_key),
        )

    headers = base_headers(making) | ({"authorization": f"Bearer {making.key}"} if making.key else {})
    call = order_call(making, "/chat/completions", headers, written(made.body))
    return Order(model, provider, made.body, made.notes, call, reply, facts.context, secrets(making))


def messages_order(making: Making) -> Order:
    """For a provider that speaks Anthropic's own format: the body passes but for the model's name."""
    body, notes = pass_through(making.body, making.model.id)

    def reply(estimate: int) -> Reply:
        return MessagesReply(
            estimate=estimate, count=making.tokens_of, provider=making.provider.name, model_id=making.model.id
        )

    path = "/v1/messages" + (f"?{making.query}" if making.query else "")
    headers = base_headers(making) | passed_headers(making)
    call = order_call(making, path, headers, written(body))
    window = quirks.facts_for(making.provider, making.model).context
    return Order(making.model, making.provider, body, notes, call, reply, window, secrets(making))


ORDERS: Mapping[str, Callable[[Making], Order]] = {
    "openai": chat_order,
    "demo": chat_order,
    "anthropic": messages_order,
}


def secrets(making: Making) -> tuple[str, ...]:
    """The credentials that go with this order."""
    given = [making.headers.get("authorization", "").removeprefix("Bearer "), making.headers.get("x-api-key", "")]
    return tuple(
        one for one in (making.key, *making.extra.values(), *given) if one and len(one) >= 8 and not is_stand_in(one)
    )


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
        env=config.env,
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
    given = making.headers
    names = [name for name in given if name.startswith("anthropic-")]
    if making.provider.client_auth:
        names += ["authorization", "x-api-key"]
    passed = {"anthropic-version": "2023-06-01"} | {name: given[name] for name in names if name in given}
    return passed | ({"x-api-key": making.key} if making.key else {})


def id_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """What the provider calls the request: Anthropic's header or OpenAI's; "" without one that is fit to be shown."""
    given = {name.lower(): value for name, value in headers}
    named = (given.get(b"request-id") or given.get(b"x-request-id") or b"")[:LONGEST_ID].decode("latin-1")
    return named if is_sendable(named) else ""


def limits(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers in which Anthropic tells a client how much it may still ask."""
    told = ((name, value) for name, value in headers.items() if name.lower().startswith("anthropic-ratelimit-"))
    return {name: value for name, value in told if is_sendable(value)}


class Calling:
    """One call under way, and then its record. Times are milliseconds of the exchange's clock."""

    def __init__(
        self, n: int, purpose: Purpose, order: Order, now: Callable[[], int], started_at: float, keep: bool
    ) -> None:
        self.n, self.purpose, self.order, self.started_at = n, purpose, order, started_at
        self.begun = now()
        self.connected: int | None = None
        self.status: int | None = None
        self.first: int | None = None
        self.reply: Reply | None = None
        self.failure: Failure | None = None
        self.estimate: int | None = None
        self.told: dict[str, str] = {}
        """What the client is to be told in headers: the provider's id of the request, the limits of the account."""
        self.request_id = ""
        self.notes = list(order.notes)
        self._now, self._keep = now, keep
        self._stream: list[tuple[int, bytes]] = []
        self._size = 0

    async def carry(self, upstreams: Upstreams, sink: Sink, estimate: Awaitable[int]) -> None:
        """Send, read, deliver. Raises ProxyError; what went out before stays delivered."""
        async with upstreams.send(self.order.call) as response:
            self._connect(response)
            if response.status_code != 200:
                raise await self._refusal(response, estimate)
            self.estimate = await estimate
            self.reply = self.order.reply(self.estimate)
            async with aclosing(pieces(response, self.order.call)) as stream:
                await self._read(stream, self.reply, sink)

    async def _read(self, stream: AsyncIterator[bytes], reply: Reply, sink: Sink) -> None:
        """Everything up to the end of the answer; then the rest of the body, so that its connection serves again."""
        async for data in stream:
            self._keep_piece(data)
            await self._deliver(reply.feed(data), sink)
            if reply.answered:
                break
        if not reply.finished:
            with suppress(TimeoutError, UpstreamBroken, UpstreamTimeout):  # what breaks now takes nothing away
                async with asyncio.timeout(TAIL_S):
                    await self._read_tail(stream, reply, sink)
        await self._deliver(reply.close(), sink)
        with suppress(TimeoutError, ProxyError):
            async with asyncio.timeout(DRAIN_S):
                async for data in stream:
                    self._keep_piece(data)

    async def _read_tail(self, stream: AsyncIterator[bytes], reply: Reply, sink: Sink) -> None:
        """What comes after the finish reason: usage and [DONE]."""
        while not reply.finished:
            data = await anext(stream, None)
            if data is None:
                return
            self._keep_piece(data)
            await self._deliver(reply.feed(data), sink)

    def _connect(self, response: Response) -> None:
        self.status, self.connected = response.status_code, self._now()
        self.request_id = redact(id_in(response.headers.raw), self.order.secrets)
        if self.request_id:
            self.told["x-ccr-upstream-request-id"] = self.request_id
        if self.order.provider.kind == "anthropic":
            self.told.update(limits(response.headers))
        if response.extensions.get("resent"):
            self.notes.append(response.extensions["resent"])

    async def _refusal(self, response: Response, estimate: Awaitable[int]) -> ProxyError:
        body = await whole(response, self.order.call)
        self._keep_piece(body)
        order, self.estimate = self.order, await estimate
        return error_of(
            response.status_code,
            response.headers,
            body,
            order.provider.name,
            order.sent,
            estimate=self.estimate,
            window=order.window,
            secrets=order.secrets,
            guess=quirks.guess_of(order.provider, order.model) if order.provider.kind == "openai" else None,
        )

    async def _deliver(self, events: list[Json], sink: Sink) -> None:
        reply = self.reply
        assert reply is not None
        if self.first is None and reply.started:
            self.first = self._now()
        await sink(events if isinstance(reply, MessagesReply) else joined(events))
        if reply.error:
            reply.error.message = redact(undressed(reply.error.message, self.order.secrets), self.order.secrets)
            raise reply.error

    def _keep_piece(self, piece: bytes) -> None:
        """For the record. Raises UpstreamBroken where there is no end of it."""
        self._size += len(piece)
        if self._size > LONGEST:
            name = self.order.provider.name
            raise UpstreamBroken(f"{name} sent {LONGEST >> 20} MiB without an end, so nothing more was read.")
        if self._keep:
            self._stream.append((self._now() - self.begun, piece))

    @property
    def answered_by(self) -> str | None:
        """The model that the provider says has answered."""
        return self.reply.answered_by if self.reply else None

    def record(self, price_of: Callable[[Usage], Price | None]) -> Attempt:
        """The attempt as it ended, billed at the price of the tokens that it used."""
        order, reply = self.order, self.reply
        usage = used(reply)
        price = price_of(usage) if usage else None
        money, basis = billed(usage, price, reply.reported_cost if reply else None)
        return Attempt(
            n=self.n,
            purpose=self.purpose,
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
            stream=masked(self._stream, self.order.secrets, self.failure is not None),
            estimate=self.estimate,
            family=quirks.facts_for(order.provider, order.model).family,
            request_id=self.request_id,
        )


def masked(
    stream: Sequence[tuple[int, bytes]], secrets: tuple[str, ...], is_refusal: bool
) -> tuple[tuple[int, bytes], ...]:
    """The pieces, with asterisks for every byte of a credential that the provider repeated, even across two pieces; in
    a refusal however it is written."""
    data = b"".join(piece for _, piece in stream)
    found = [secret for text in secrets if (secret := text.encode()) in data]
    if not found and not is_refusal:
        return tuple(stream)
    for secret in found:
        data = data.replace(secret, b"*" * len(secret))
    data = covered(data, secrets) if is_refusal else data
    ends = [*accumulate((len(piece) for _, piece in stream), initial=0)]
    return tuple((ms, data[start:end]) for (ms, _), start, end in zip(stream, ends, ends[1:], strict=False))


def used(reply: Reply | None) -> Usage | None:
    """The tokens of an answer, estimated where it was cut short; None where nothing was answered."""
    if reply is None or not (reply.finished or reply.started):
        return None
    return reply.usage if reply.finished else reply.settled()


def billed(usage: Usage | None, price: Price | None, reported: int | None) -> tuple[int | None, CostBasis]:
    """The money: what the provider says it took, else tokens at the price, else unknown."""
    if reported is not None:
        return reported, "reported"
    if usage is None or price is None:
        return None, "unknown"
    return cost(usage, price), price.basis
