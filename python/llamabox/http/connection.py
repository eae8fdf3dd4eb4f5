"""One client connection: bytes in, requests to the handler, answers out.

A protocol for plain sockets on asyncio or uvloop; runs on the loop thread only. Whatever bytes a
client sends, nothing is raised out of it: they end in an answer or in a closed connection. Every
phase has a deadline. Covered by tests/py/http/.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from llamabox.http.access import client_text, log_access, log_failure
from llamabox.http.application import Application
from llamabox.http.cycle import answer
from llamabox.http.exchange import Exchange
from llamabox.http.flow import Deadline, FlowControl
from llamabox.http.head import Head, HeadReader, parse_head
from llamabox.http.intake import Intake
from llamabox.http.message import HttpError, Request
from llamabox.http.phase import Phase
from llamabox.http.service import Service


class Connection(asyncio.Protocol):
    """The protocol object of one connection."""

    def __init__(self, service: Service, application: Application) -> None:
        self._service = service
        self._application = application
        self._limits = service.limits
        self._deadline = Deadline(service.loop, self._expired)
        self._watch_period = min(1.0, service.limits.write_stall_s / 4)
        self._head_reader = HeadReader(service.limits)
        self._inbox = bytearray()
        self._phase = Phase.IDLE
        self._is_new = True  # no request has come
        self._eof = False
        self._pump_due = False
        self._handler_runs = False
        self._exchange: Exchange | None = None
        self._intake: Intake | None = None

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._flow = FlowControl(self._transport, self._service.loop, self._limits)
        self._client = client_text(transport.get_extra_info("peername"))
        self._service.connections.add(self)
        self._deadline.set(self._service.loop.time() + self._limits.conn_idle_s)
        if self._service.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        if self._phase in (Phase.LINGERING, Phase.CLOSING, Phase.CLOSED):
            return
        self._inbox += data
        if not self._pump_due:
            self._pump()

    def eof_received(self) -> bool:
        self._eof = True
        if self._phase is Phase.LINGERING:
            self._close()
        elif self._exchange is not None and self._phase is Phase.HANDLING:
            # A dead client and one that only stopped sending look the same. Costly work hears of
            # it and ends; a handler that answers all the same still reaches the second kind.
            self._exchange.client_gone()
        elif not self._pump_due:
            self._pump()
        return self._transport.get_extra_info("sslcontext") is None  # TLS: no half-close

    def pause_writing(self) -> None:
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()
        if self._phase is Phase.FLUSHING:
            self._next_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = Phase.CLOSED
        self._deadline.cancel()
        self._inbox.clear()
        self._flow.close()
        if self._exchange is not None:
            self._exchange.connection_lost()
            if not self._handler_runs:
                self._end_exchange(self._exchange)
        self._service.connections.discard(self)
        self._service.connection_closed()

    # What the server calls.

    def drain(self) -> None:
        """A shutdown has begun: a connection between requests closes, any other ends after its
        answer. The first request of a new one may be on its way and has a moment to come."""
        if self._phase is not Phase.IDLE:
            return
        if self._is_new:
            self._deadline.set(self._service.loop.time() + self._limits.linger_s)
        else:
            self._close()

    def abort(self) -> None:
        """Ends the connection at once; a running handler hears that its client is gone."""
        if self._phase is not Phase.CLOSED:
            self._phase = Phase.CLOSING
            self._flow.close()
            if self._exchange is not None:
                self._exchange.connection_lost()
            self._transport.abort()

    # Input.

    def _pump(self) -> None:
        """Handles the input there is, a slice at a time."""
        self._pump_due = False
        try:
            while self._advance():
                pass
        except HttpError as error:
            self._refuse(error)
        except Exception as error:
            log_failure(self._service.log, "connection failed", self._exchange, error)
            self.abort()
        if self._eof or self._phase in (Phase.CLOSING, Phase.CLOSED):
            return
        if self._pump_due or len(self._inbox) > self._limits.read_slice_bytes:
            self._flow.pause_reading()
        else:
            self._flow.resume_reading()

    def _advance(self) -> bool:
        """One move of the phases; True when another may follow at once."""
        if self._phase is Phase.IDLE:
            return self._begin_head()
        if self._phase is Phase.HEAD:
            return self._read_head()
        if self._phase is Phase.BODY:
            return self._read_body()
        return False

    def _begin_head(self) -> bool:
        if not self._inbox:
            if self._eof:
                self._close()
            return False
        self._phase = Phase.HEAD
        self._is_new = False
        self._deadline.set(self._service.loop.time() + self._limits.header_s)
        return True

    def _read_head(self) -> bool:
        raw = self._head_reader.take(self._inbox)
        if raw is None:
            if self._eof:
                raise HttpError(400, "the request ends within its header")
            return False
        head = parse_head(raw, self._limits)
        self._exchange = Exchange(self._service, self._flow, self._client, head)
        self._begin_body(self._exchange, head)
        return True

    def _begin_body(self, exchange: Exchange, head: Head) -> None:
        self._service.options.gate.check(head)
        self._intake = Intake(self._service, head)
        self._phase = Phase.BODY
        self._deadline.set(self._intake.next_check)
        if head.expects_continue and not self._inbox:
            exchange.send_continue()

    def _read_body(self) -> bool:
        assert self._intake is not None and self._exchange is not None
        more = self._intake.take(self._inbox)
        if self._intake.done:
            self._start_handler(self._intake, self._exchange)
        elif more:
            # The loop gets a turn between two slices of a large input.
            self._pump_due = True
            self._service.loop.call_soon(self._pump)
        elif self._eof:
            raise HttpError(400, "the request ends within its body")
        return False

    # The handler.

    def _start_handler(self, intake: Intake, exchange: Exchange) -> None:
        head = exchange.head
        assert head is not None
        request = Request(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            body=intake.body(),
            client=self._client,
            request_id=exchange.request_id,
            http_version=head.http_version,
        )
        self._phase = Phase.HANDLING
        self._handler_runs = True
        self._start_watch()
        if self._eof:
            exchange.client_gone()
        task = self._service.loop.create_task(self._handle(request, exchange))
        self._service.tasks.add(task)
        task.add_done_callback(self._service.tasks.discard)

    async def _handle(self, request: Request, exchange: Exchange) -> None:
        try:
            await answer(self._service, self._application, request, exchange)
        finally:
            self._handler_runs = False
            self._end_exchange(exchange)
            self._after_answer(exchange)

    def _end_exchange(self, exchange: Exchange) -> None:
        if self._intake is not None:
            self._intake.release()
        self._intake = None
        self._exchange = None
        self._application.answered(exchange)
        log_access(self._service, exchange)

    def _after_answer(self, exchange: Exchange) -> None:
        if self._phase is not Phase.HANDLING:
            return
        if not exchange.finished:
            self.abort()
        elif self._service.draining or not exchange.keeps_connection:
            self._close()
        elif self._flow.write_paused:
            self._phase = Phase.FLUSHING
        else:
            self._next_request()

    def _next_request(self) -> None:
        self._phase = Phase.IDLE
        self._deadline.set(self._service.loop.time() + self._limits.conn_keepalive_s)
        self._pump()

    # Ends.

    def _refuse(self, error: HttpError) -> None:
        """Answers a request that cannot be read on; the rest of the input is thrown away."""
        exchange = self._exchange or Exchange(self._service, self._flow, self._client, None)
        exchange.closes_connection = True
        exchange.send_now(error.response())
        self._end_exchange(exchange)
        self._inbox.clear()
        if self._eof:
            self._close()
            return
        # Closing with input unread would reset the connection before the client reads the answer.
        self._phase = Phase.LINGERING
        self._deadline.set(self._service.loop.time() + self._limits.linger_s)
        # A client that has reset the connection meanwhile cannot be told; the loss comes next.
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()

    def _close(self) -> None:
        self._phase = Phase.CLOSING
        self._transport.close()
        # Closing waits for unsent bytes, which a client that reads nothing would stretch for ever.
        self._start_watch()

    def _start_watch(self) -> None:
        self._flow.watch(self._service.loop.time())
        self._watch_writes()

    def _watch_writes(self) -> None:
        self._deadline.set(self._service.loop.time() + self._watch_period)

    def _expired(self, now: float) -> None:
        try:
            self._overdue(now)
        except HttpError as error:
            self._refuse(error)

    def _overdue(self, now: float) -> None:
        if self._phase is Phase.IDLE:
            self._close()
        elif self._phase is Phase.HEAD:
            raise HttpError(408, "the header took too long")
        elif self._intake is not None and self._phase is Phase.BODY:
            self._intake.check_rate(now)
            self._deadline.set(self._intake.next_check)
        elif self._phase is Phase.LINGERING or self._flow.stalled(now):
            self.abort()
        else:
            self._watch_writes()
