"""A connection under test without sockets: a loop with a clock of its own and a mock transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import h11

from llamabox.http.application import Application
from llamabox.http.connection import Connection
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.http.service import ServerOptions, Service

Handler = Callable[[Request, Exchange], Awaitable[Response | None]]
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


class FakeClockLoop(asyncio.SelectorEventLoop):
    """A loop whose time only moves when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__()

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Runs what is ready, and what that makes ready."""

        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.run_until_complete(turns())

    def advance(self, seconds: float) -> None:
        """Moves the clock in small steps, so that timers fire in order."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            self.settle()


class MockTransport(asyncio.Transport):
    """Records what is written. With ``reads`` off, the client takes nothing."""

    def __init__(self, loop: FakeClockLoop) -> None:
        super().__init__()
        self.loop = loop
        self.sent = bytearray()
        self.writes = 0
        self.reads = True
        self.unsent = 0
        self.reading = True
        self.half_closed = False
        self.closing = False
        self.lost = False
        self.aborted = False
        self.high = self.low = 0
        self.protocol: Any = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.1", 4711) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high, self.low = high or 0, low or 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def write(self, data: Any) -> None:
        assert not self.closing, "write after close"
        self.writes += 1
        self.sent += data
        if not self.reads:
            before = self.unsent
            self.unsent += len(data)
            if before <= self.high < self.unsent:
                self.protocol.pause_writing()

    def take(self, count: int) -> None:
        """The client reads some of what waits for it."""
        before = self.unsent
        self.unsent = max(0, self.unsent - count)
        if before > self.low >= self.unsent:
            self.protocol.resume_writing()
        if self.closing and not self.unsent:
            self.lose()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading and not self.closing
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.unsent:
                self.loop.call_soon(self.lose)

    def abort(self) -> None:
        self.aborted = self.closing = True
        self.loop.call_soon(self.lose)

    def lose(self, error: Exception | None = None) -> None:
        """The connection is gone."""
        if not self.lost:
            self.lost = self.closing = True
            self.unsent = 0
            self.protocol.connection_lost(error)


@dataclass
class Answer:
    """One parsed response."""

    status: int
    headers: dict[str, str]
    body: bytes


async def echo(request: Request, exchange: Exchange) -> Response:
    """The handler of most tests: says what it was asked."""
    return Response(200, f"{request.method} {request.path} {len(request.body)}".encode())


class Client:
    """Plays the client of one connection."""

    def __init__(
        self,
        handler: Handler = echo,
        limits: Limits | None = None,
        options: ServerOptions | None = None,
    ) -> None:
        self.loop = FakeClockLoop()
        self.seen: list[Request] = []
        self.errors: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))

        async def spy(request: Request, exchange: Exchange) -> Response | None:
            self.seen.append(request)
            return await handler(request, exchange)

        log = logging.getLogger("llamabox.http.test")
        self.service = Service(limits or Limits(), log, options or ServerOptions(), self.loop)
        self.transport = MockTransport(self.loop)
        self.connection = Connection(self.service, Application(spy))
        self.transport.protocol = self.connection
        self.connection.connection_made(self.transport)
        self.waiting = b""

    def send(self, data: bytes) -> Client:
        """Sends bytes as the kernel would deliver them: not while reading is paused."""
        self.waiting += data
        self.deliver()
        return self

    def deliver(self) -> None:
        while self.waiting and self.transport.reading and not self.transport.lost:
            piece, self.waiting = self.waiting[: 256 * 1024], self.waiting[256 * 1024 :]
            self.connection.data_received(piece)
            self.loop.settle()
        self.loop.settle()

    def eof(self) -> None:
        assert self.connection.eof_received()
        self.loop.settle()

    def disconnect(self) -> None:
        self.transport.lose(ConnectionResetError())
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @property
    def output(self) -> bytes:
        return bytes(self.transport.sent)

    def answers(self, *methods: str) -> list[Answer]:
        """All responses so far; name the methods of the requests when one is HEAD."""
        rest, found = self.output, []
        while rest:
            method = methods[len(found)] if len(found) < len(methods) else "GET"
            answer, rest = parse_answer(rest, method)
            found.append(answer)
        return found

    def answer(self, method: str = "GET") -> Answer:
        """The only response."""
        (answer,) = self.answers(method)
        return answer

    @property
    def closed(self) -> bool:
        """The server has ended its side."""
        return self.transport.lost or self.transport.half_closed

    def close(self) -> None:
        """Ends the test: nothing may have been raised, nothing may be left."""
        if not self.transport.lost:
            self.disconnect()
        for task in list(self.service.tasks):
            task.cancel()
        self.loop.settle()
        assert not self.errors, self.errors
        assert not self.service.connections
        assert not self.service.tasks
        assert self.service.bodies_bytes == 0
        self.loop.close()


def parse_answer(data: bytes, method: str) -> tuple[Answer, bytes]:
    """The first response in ``data``, judged by h11 as a client, and what follows it."""
    peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    head = h11.Request(method=method, target="/", headers=[("Host", "h")])
    peer.send(head)
    peer.send(h11.EndOfMessage())
    peer.receive_data(data)
    answer: Answer | None = None
    body = bytearray()
    while True:
        event = peer.next_event()
        if event is h11.NEED_DATA:
            peer.receive_data(b"")
        elif isinstance(event, h11.Response):
            headers = {name.decode(): value.decode() for name, value in event.headers}
            answer = Answer(event.status_code, headers, b"")
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert answer is not None
            answer.body = bytes(body)
            return answer, bytes(peer.trailing_data[0])
