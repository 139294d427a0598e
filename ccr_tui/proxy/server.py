"""The HTTP face: what Claude Code and other clients of the Messages API connect to.

Owns the routes, who may come in, and the live client of an exchange. Must never translate or decide anything. The one
surprise: aiohttp's body limit is 1 MiB and its handlers outlive their clients unless it is told otherwise (measured
with 3.14); here and in the engine it is.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from uuid import uuid4

from aiohttp import HttpVersion11, StreamReader, web
from yarl import URL

from ccr_tui import __version__
from ccr_tui.config import Config, Model
from ccr_tui.errors import BadRequest, ConfigError, NotAllowed, NotFound, ProxyError, TooLarge
from ccr_tui.memory import MEMORY, Memory
from ccr_tui.proxy import exchange
from ccr_tui.proxy.anthropic import error_body, models_page
from ccr_tui.proxy.asking import aside
from ccr_tui.proxy.context import Context
from ccr_tui.proxy.delivery import ClientGone
from ccr_tui.proxy.packed import TAKEN, unpacked
from ccr_tui.proxy.quirks import facts_for
from ccr_tui.proxy.refusal import parse
from ccr_tui.proxy.routing import ALIAS
from ccr_tui.proxy.turned_away import TurnedAway
from ccr_tui.records import Json
from ccr_tui.values import is_loopback
from ccr_tui.wire import check_many, dumps

MAX_BODY = 64 * 1024 * 1024
HERE = ("config", "database", "trouble")
"""What /health tells this machine alone: paths, and sentences that name them."""
TROUBLE = "There is trouble with the database; this machine is told which."
"""Instead of a sentence that names its path."""
MOST_MODELS = 1000
"""Entries of one page of models: the API's own limit. Without a limit the page is whole: the lists are short."""
NO_PATH = "There is no such path here: Claude Code uses POST /v1/messages (ANTHROPIC_BASE_URL ends with the port)."
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[A-Za-z0-9._-]+)(?::[0-9]*)?", re.ASCII)
"""What a Host may be (RFC 9110, 7.2)."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Stream(web.StreamResponse):
    """Its headers go out together with its first piece, which is there already: one write into the socket fewer."""

    _send_headers_immediately = False


class LiveClient:
    """A live HTTP connection as the client's end of an exchange."""

    def __init__(self, request: web.Request) -> None:
        self.headers: Mapping[str, str] = as_one(request.headers.items())
        self.query = request.query_string
        self.response: web.StreamResponse | None = None
        self._request = request

    async def whole(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answer at once; the handler returns the response."""
        self.response = web.Response(status=status, headers=headers, body=body)

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Send the headers of a stream."""
        self.response = Stream(headers=headers)
        await self._guard(self.response.prepare(self._request))

    async def write(self, data: bytes) -> None:
        """Send a piece, at the pace of the client."""
        assert self.response is not None
        await self._guard(self.response.write(data))

    async def end(self, data: bytes) -> None:
        """Send the last piece, and that it was the last, in one write into the socket."""
        assert self.response is not None
        await self._guard(self.response.write_eof(data))

    async def _guard(self, sending: Awaitable[object]) -> None:
        try:
            await sending
        except ConnectionError as error:
            raise ClientGone from error


class Server:
    """The routes of the proxy, over a context that may be swapped between requests."""

    def __init__(
        self,
        context: Callable[[], Context],
        ready: Callable[[], Awaitable[object]],
        health: Callable[[], Json],
        count: Callable[[Json], Awaitable[int]],
    ) -> None:
        self._context, self._ready, self._health, self._count = context, ready, health, count
        self.running: set[asyncio.Task[Any]] = set()
        """Exchanges under way."""
        self.turned_away = TurnedAway(context)

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[self._shape])
        app.router.add_route("POST", "/v1/messages", self._messages, expect_handler=go_on)
        app.router.add_route("POST", "/v1/messages/count_tokens", self._count_tokens, expect_handler=go_on)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{id}", self._model)
        app.router.add_get("/health", self._healthy)
        app.router.add_get("/", self._here)
        return app

    @web.middleware
    async def _shape(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the right ones in; every error leaves in Anthropic's shape."""
        try:
            admit(request, self._context().config)
            response = await handler(request)
        except NotAllowed as error:
            if not is_look_of_our_own(request):
                self.turned_away.stranger(request, error)
            return refusal(error)
        except ProxyError as error:
            return refusal(error)
        except web.HTTPException as error:
            if error.status not in (404, 405):
                return refusal(bad(error))
            if request.method == "POST":
                self.turned_away.stranger(request, NotFound(NO_PATH))
            sentence = f"There is no {request.method} {request.path} here: POST /v1/messages is what Claude Code uses."
            return refusal(NotFound(sentence))
        if not response.prepared and "request-id" not in response.headers:
            response.headers["request-id"] = fresh_id()
        return response

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        client = LiveClient(request)
        for given in credentials(request):
            self._context().feed.present(given)
        began = self._context().ticks()
        try:
            raw = await body_of(request)
        except ProxyError as error:
            return refusal(error, self.turned_away.unread(request, error, began))
        except asyncio.CancelledError:
            self.turned_away.hung_up(request, began)
            raise
        task = asyncio.current_task()
        assert task is not None
        self.running.add(task)
        try:
            await exchange.run(raw, client, self._context())
        except ClientGone:
            return client.response or web.Response(status=499)
        finally:
            self.running.discard(task)
        assert client.response is not None
        return client.response

    async def _count_tokens(self, request: web.Request) -> web.Response:
        raw = await body_of(request)
        is_large = len(raw) > MEMORY
        memory = Memory() if is_large else self._context().memory  # as exchange.read does
        try:
            if is_large:
                await aside(True, check_many, raw)
            body = await aside(is_large, memory.read, raw)
        except ValueError as error:
            raise BadRequest(f"The body is not JSON: {error}") from error
        await aside(is_large, parse, body, counting=True)
        await self._ready()
        return answer({"input_tokens": await self._count(body)})

    async def _models(self, request: web.Request) -> web.Response:
        config = self._context().config
        found, more = page([alias(model) for model in config.models.values()], request.query)
        listed = models_page(found)
        shown = [{**entry, **limits(config, entry["id"])} for entry in listed["data"]]
        return answer({**listed, "data": shown, "has_more": more})

    async def _model(self, request: web.Request) -> web.Response:
        wanted, config = request.match_info["id"], self._context().config
        name = wanted.removeprefix(ALIAS)
        if name not in config.models:
            raise NotFound(f"No model {wanted!r} is configured; GET /v1/models lists them.")
        return answer({**models_page([alias(config.models[name])])["data"][0], **limits(config, name)})

    async def _healthy(self, request: web.Request) -> web.Response:
        return answer(told_to(request.remote, self._health()))

    async def _here(self, request: web.Request) -> web.Response:
        return web.Response(text=f"ccr-tui {__version__}\n")


async def body_of(request: web.Request) -> bytes:
    """The body, unpacked. Raises ProxyError."""
    try:
        raw = await whole(request.content, request.content_length)
        encoding = request.headers.get("Content-Encoding", "")
    except web.RequestPayloadError as error:
        sentence = "The body cannot be read: it is not what its transfer-encoding says."
        raise BadRequest(sentence, should_retry=False) from error
    return await asyncio.to_thread(unpacked, raw, encoding, MAX_BODY) if encoding else raw


async def whole(content: StreamReader, length: int | None) -> bytes:
    """All of it, copied once at most (aiohttp's own `read` takes three times as long for 600 KB). Raises TooLarge.

    Where its length is known, nobody is woken for each packet.
    """
    content.set_read_chunk_size(MAX_BODY)
    if length is not None and length <= MAX_BODY:
        begun = content.read_nowait()  # or what came before us would hold up the rest
        await content.wait_eof()
        return begun + content.read_nowait()
    pieces, size = [], 0
    while piece := await content.readany():
        size += len(piece)
        if size > MAX_BODY:
            raise TooLarge("The body is over 64 MiB.")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def admit(request: web.Request, config: Config) -> None:
    """Only local programs, and those that have our key. Raises NotAllowed.

    A web page on this machine could otherwise spend the user's money: browsers send Origin, and a page that rebinds its
    own name to 127.0.0.1 sends that name as Host. Looking is free of the key, so that `ccr-tui code` can see who
    listens, though not for such a page.
    """
    headers = request.headers
    if "Origin" in headers or ("Sec-Fetch-Site" in headers and {*headers.getall("Sec-Fetch-Site")} != {"none"}):
        raise NotAllowed("Requests from web pages are not answered.", status=403, type="permission_error")
    if config.api_key is None:
        if not is_ours(request, config.host):
            raise NotAllowed(f"The Host {headers.get('Host', '')!r} is not ours.", status=403, type="permission_error")
    elif not (request.path in ("/", "/health") and is_ours(request, config.host)) and not has_key(
        request, config.api_key
    ):
        raise NotAllowed(
            "The key is missing or wrong: set ANTHROPIC_AUTH_TOKEN to the value of CCR_TUI_API_KEY.", should_retry=False
        )


def is_look_of_our_own(request: web.Request) -> bool:
    """Whether a browser asks for more after somebody has looked at our own page with it, such as its icon."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "same-origin"


def is_ours(request: web.Request, own: str) -> bool:
    """Whether the request came for this machine: by an address, which no web page can rebind, or by our own name."""
    given = request.headers.get("Host", "")
    try:  # without a name aiohttp would look for ours, in the DNS too
        asked = {name_in(given), request.url.host} if given else {None}  # a target may name one too
    except ValueError:  # no name at all, such as "a:b:c"
        return False
    return all(host and (host in ("localhost", own) or is_address(host)) for host in asked)


@lru_cache(maxsize=256)
def name_in(host: str) -> str | None:
    """The name without the port. Raises ValueError for what is none: a login, letters that become others."""
    if not HOST.fullmatch(host):
        raise ValueError(host)
    return URL.build(scheme="http", authority=host).host


@lru_cache(maxsize=256)
def is_address(host: str) -> bool:
    """Whether the host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def has_key(request: web.Request, key: str) -> bool:
    """Whether our key came as x-api-key or as a bearer token; compared in constant time."""
    given = [one.encode("utf-8", "surrogateescape") for one in credentials(request)]
    return any(hmac.compare_digest(one, key.encode()) for one in given)


def credentials(request: web.Request) -> tuple[str, str]:
    """What came as x-api-key and as a bearer token; "" where nothing did."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.headers.get("x-api-key", ""), token.strip() if scheme.lower() == "bearer" else ""


def as_one(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by name in lower case; one that comes several times is a list (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


async def go_on(request: web.Request) -> None:
    """What a client expects before it sends its body. Others than 100-continue may be passed over (RFC 9110, 10.1.1);
    aiohttp refuses them, in plain text."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer's headers are still to come


def limits(config: Config, name: str) -> Json:
    """The most tokens that a model takes and gives, where they are known."""
    model = config.models[name.removeprefix(ALIAS)]
    with suppress(ConfigError):
        facts = facts_for(config.providers[model.provider], model)
        return {"max_input_tokens": facts.context, "max_tokens": facts.max_output}
    return {"max_input_tokens": None, "max_tokens": None}


def alias(model: Model) -> tuple[str, str]:
    """The model's id as Claude Code keeps it, and the name that a person knows."""
    return f"{ALIAS}{model.name}", model.name if model.name == model.id else f"{model.name} ({model.id})"


def page(entries: list[tuple[str, str]], query: Mapping[str, str]) -> tuple[list[tuple[str, str]], bool]:
    """The entries that limit, after_id and before_id ask for, and whether there are more on that side."""
    limit = query.get("limit", str(MOST_MODELS))
    if not (limit.isdecimal() and 1 <= int(limit) <= MOST_MODELS):
        raise BadRequest(f"limit: Input should be a number from 1 to {MOST_MODELS}", should_retry=False)
    start = place(entries, query, "after_id", -1) + 1
    end = place(entries, query, "before_id", len(entries))
    among, most = entries[start:end], int(limit)
    if "before_id" in query and "after_id" not in query:
        return among[-most:], len(among) > most
    return among[:most], len(among) > most


def place(entries: list[tuple[str, str]], query: Mapping[str, str], key: str, default: int) -> int:
    """Where the entry stands that the query names. Raises BadRequest where there is none."""
    if key not in query:
        return default
    for n, (id, _) in enumerate(entries):
        if id == query[key]:
            return n
    raise BadRequest(f"{key}: {query[key]!r} is no model of this list", should_retry=False)


def answer(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(status=status, body=dumps(body), content_type="application/json", headers=headers)


def fresh_id() -> str:
    """A request-id for what is not recorded."""
    return f"req_{uuid4().hex}"


def refusal(error: ProxyError, uid: str = "") -> web.Response:
    """An error in Anthropic's shape; `uid` is its trace's, if it has one of its own."""
    request_id = f"req_{uid}" if uid else fresh_id()
    headers = {"request-id": request_id, **({"x-ccr-trace": uid} if uid else {})}
    if error.should_retry is not None:
        headers["x-should-retry"] = str(error.should_retry).lower()
    if error.status == 415:
        headers["accept-encoding"] = TAKEN  # RFC 9110, 15.5.16
    return answer(error_body(error.failure, request_id, error.details), error.status, headers)


def told_to(remote: str | None, health: Json) -> Json:
    """What is told about us: whoever comes over the network need not know where things lie."""
    if is_loopback(remote or ""):
        return health
    told = {name: value for name, value in health.items() if name not in HERE}
    return told | {"trouble": TROUBLE} if told.get("trouble") else told


def bad(error: web.HTTPException) -> ProxyError:
    """aiohttp's own complaint about a request, as ours."""
    return BadRequest(f"The request cannot be read: {error.reason}.", status=error.status)
