"""The HTTP connections of our server: aiohttp's, with three of its habits mended.

Owns what happens where a client sends its end, or bytes that are no HTTP. Must never read a request: the server does.
The surprises: aiohttp closes a connection when its client has said all that it has to say, though it may still listen
for the answer; it answers what is no HTTP in plain text, where every client of ours expects Anthropic's errors; and
its runner has no name for the class of connections, so ours is put where the runner makes its server.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ccr_tui.errors import BadRequest
from ccr_tui.proxy.anthropic import error_body
from ccr_tui.proxy.listening import Ends, listening
from ccr_tui.records import Failure
from ccr_tui.wire import dumps

LOOK_S = 0.005
"""After a client's end: so that one look serves all that leave together, and the kernel knows of it."""
AGAIN_S = 0.03
"""Between two looks at a client that has sent its end and still listens, so that its leaving is noticed in 0.1 s..."""
SPARING = 10
"""...unless a look takes long (14 ms at a table of 1,300 connections, measured): then so many times the CPU of that.
(Not the time: a busy machine would make it look less and less often, at half a second where 0.06 s was meant.)"""
LONGEST_HEADER = 64 * 1024
"""Bytes of one header or of the path; aiohttp's 8 KiB are few for a client behind a company's gateway."""
MOST_WORDS = 200
"""Characters of a complaint about bytes that are no HTTP."""


NO_HTTP = "This is no request that can be read"


class Connection(RequestHandler):
    """One client's."""

    __slots__ = ("_newest",)

    def data_received(self, data: bytes) -> None:
        """Read as ever; the newest request's body is remembered.

        What is no HTTP in the middle of a body is a request of its own to aiohttp, and the handler of the broken one
        would wait for the rest of it until the client gives up.
        """
        before, waiting = getattr(self, "_newest", None), len(self._messages)
        super().data_received(data)
        if len(self._messages) > waiting and before is not None and not before.is_eof():
            self._messages.pop()
            self._close = True  # after this answer: nothing that comes can be understood
            before.set_exception(web.RequestPayloadError("no HTTP in the middle of a body"))
            before.feed_eof()
        elif self._messages:
            self._newest = self._messages[-1][1]

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's closes always
        """The client has sent its end. True: the connection stays open for the answer."""
        if not self._is_owed_an_answer() or not isinstance(self._manager, Connections):
            return False
        self._close = True  # after this answer: nothing more can be asked
        self._manager.desk.watch(self)
        return True

    def _is_owed_an_answer(self) -> bool:
        """Whether a whole request is being answered, or is about to be."""
        is_idle = self._waiter is not None and not self._waiter.done()
        newest = getattr(self, "_newest", None)
        return not is_idle and newest is not None and newest.is_eof()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """An error of aiohttp's own, such as bytes that are no HTTP, in Anthropic's shape."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response has been begun")
        if status >= 500:
            self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        words = " ".join((message or "the request cannot be read").split())[:MOST_WORDS]
        sentence = f"{NO_HTTP}: {words}" if status < 500 else "ccr-tui made a mistake."
        if status < 500 and isinstance(self._manager, Connections):
            why = re.split(r"[:('\"]", words)[0].strip()  # what follows may be a header, with a key in it
            self._manager.unreadable(request, BadRequest(f"{NO_HTTP}: {why}.", status=status))
        kind = "invalid_request_error" if status < 500 else "api_error"
        request_id = f"req_{uuid4().hex}"
        body = dumps(error_body(Failure(status, kind, sentence, False), request_id))
        headers = {"request-id": request_id, "x-should-retry": "false"}
        response = web.Response(status=status, body=body, content_type="application/json", headers=headers)
        response.force_close()
        return response


Unreadable = Callable[[web.BaseRequest, BadRequest], None]
"""Is told of whoever sent what is no HTTP."""


class Desk:
    """Those that have sent their end, until they are answered or have left."""

    def __init__(self) -> None:
        self._watched: set[Connection] = set()
        self._looking: asyncio.TimerHandle | None = None

    def watch(self, connection: Connection) -> None:
        """Look in a moment, and again while it listens."""
        self._watched.add(connection)
        loop = asyncio.get_running_loop()
        if self._looking is not None:
            if self._looking.when() <= loop.time() + LOOK_S:
                return  # whoever leaves after others does not put off the look at them
            self._looking.cancel()
        self._looking = loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        """Close those that nobody listens at any more; their requests are cancelled by that."""
        begun = time.thread_time()
        self._watched = {one for one in self._watched if one.transport is not None}
        pairs = list(self._pairs())
        for (connection, _), listens in zip(pairs, listening(ends for _, ends in pairs), strict=True):
            if not listens:
                self._watched.discard(connection)
                assert connection.transport is not None
                connection.transport.abort()
        pause = max(AGAIN_S, SPARING * (time.thread_time() - begun))
        self._looking = asyncio.get_running_loop().call_later(pause, self._look) if self._watched else None

    def _pairs(self) -> Iterator[tuple[Connection, Ends]]:
        for one in self._watched:
            assert one.transport is not None
            yield one, (one.transport.get_extra_info("sockname"), one.transport.get_extra_info("peername"))


class Connections(web.Server):
    """Makes them."""

    desk: Desk
    unreadable: Unreadable

    def __call__(self) -> RequestHandler:
        """A new one, as aiohttp makes its own."""
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on them."""

    def __init__(self, app: web.Application, unreadable: Unreadable, **more: Any) -> None:
        self._unreadable = unreadable
        more = {"auto_decompress": False, **more}  # the server unpacks, and says what is wrong with what was packed
        super().__init__(app, max_line_size=LONGEST_HEADER, max_field_size=LONGEST_HEADER, **more)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = Connections
        assert isinstance(server, Connections)
        server.desk, server.unreadable = Desk(), self._unreadable
        return server
