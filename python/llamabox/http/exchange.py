"""One request's answer on its way out.

Whole answers go through ``send``, streams through ``start_stream``, ``write`` and ``finish``. h11
writes heads and ends; the frames of a stream are written here, because a token passes this code.
Covered by tests/py/http/test_exchange.py and test_disconnect.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

import h11

from llamabox.http.flow import FlowControl
from llamabox.http.head import Head
from llamabox.http.message import HeaderPairs, Headers, Response, reason_phrase, request_id
from llamabox.http.service import Service
from llamabox.log import fields

_SLICE_BYTES = 256 * 1024


class _Framing(Enum):
    CHUNKED = auto()
    RAW = auto()
    NONE = auto()


class Exchange:
    """The answer to one request.

    ``started``: the head is out, so the status can no longer change. ``finished``: the answer is
    complete. ``delivered``: it was complete while the connection stood. ``closed``: the client is
    gone. ``last_write``: loop time of the last stream write.
    """

    __slots__ = (
        "_close_callbacks",
        "_flow",
        "_framing",
        "_held",
        "_lost",
        "_protocol",
        "_service",
        "_sink",
        "_time",
        "accepted_at",
        "body_bytes",
        "client",
        "closed",
        "closes_connection",
        "delivered",
        "figures",
        "finished",
        "head",
        "last_write",
        "request_id",
        "started",
        "status",
    )

    def __init__(self, service: Service, flow: FlowControl, client: str, head: Head | None) -> None:
        self._service = service
        self._flow = flow
        self._sink: Callable[[bytes | memoryview], None] = flow.transport.write
        self._time = service.loop.time
        # Without a head (it was refused) the answer needs a protocol state of its own.
        self._protocol = head.protocol if head else h11.Connection(h11.SERVER)
        self._held: tuple[int, HeaderPairs] | None = None
        self._framing = _Framing.NONE
        self._close_callbacks: list[Callable[[], None]] = []
        self._lost = False
        self.head = head
        self.client = client
        self.request_id = request_id(head.headers.get("x-request-id") if head else None)
        self.accepted_at = self._time()
        self.last_write = self.accepted_at
        self.status = 0
        self.body_bytes = 0
        self.figures: dict[str, object] = {}  # more pairs for the line at the end
        self.started = False
        self.finished = False
        self.delivered = False
        self.closed = False
        self.closes_connection = head is None

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream, begun or about to begin."""
        return self.started or self._held is not None

    @property
    def backlog(self) -> int:
        """Bytes written that the client has not taken; compare with Limits.unread_bytes."""
        return self._flow.unsent

    @property
    def keeps_connection(self) -> bool:
        """Whether the connection may carry another request after this answer."""
        return self.finished and self._protocol.our_state is h11.DONE

    # Streams.

    def start_stream(self, status: int, headers: HeaderPairs) -> None:
        """Chooses status and header; the head is held until the first write.

        Raises RuntimeError when the answer has begun.
        """
        if self.started or self.finished:
            raise RuntimeError("the answer has begun")
        self._held = (status, headers)

    def write(self, data: bytes) -> None:
        """Writes a piece of the stream as one transport write; never blocks.

        Nothing happens once the connection is lost. Raises RuntimeError before ``start_stream`` or
        after ``finish``.
        """
        if not data:
            return
        head = b"" if self.started else self._open_stream()
        if self._framing is _Framing.CHUNKED:
            frame = b"%b%x\r\n%b\r\n" % (head, len(data), data)
        elif self._framing is _Framing.RAW:
            frame = head + data
        else:
            self._write_unframed(head)
            return
        self._sink(frame)
        self._flow.written += len(frame)
        self.body_bytes += len(data)
        self.last_write = self._time()

    async def drain(self) -> None:
        """Waits while the client lags behind; returns at once when the connection is lost."""
        await self._flow.drain()

    def finish(self, trailers: HeaderPairs = ()) -> None:
        """Ends the stream; without chunks it has no place for trailers. Repeating does nothing."""
        if self.finished:
            return
        head = b"" if self.started else self._open_stream()
        pairs = _encoded(trailers) if self._framing is _Framing.CHUNKED else []
        self._put(head + self._protocol.send(h11.EndOfMessage(headers=pairs)))
        self._finish()

    # Whole answers.

    def send_now(self, response: Response) -> None:
        """Writes a whole small answer at once."""
        head, body = self._whole(response)
        self._put(head + body)
        self._finish()

    async def send(self, response: Response) -> None:
        """Writes a whole answer; a large one in slices, as fast as the client reads."""
        if len(response.body) <= _SLICE_BYTES:
            self.send_now(response)
            return
        head, body = self._whole(response)
        self._put(head)
        view = memoryview(body)
        for start in range(0, len(view), _SLICE_BYTES):
            await self._flow.drain()
            if self._lost:
                return
            self._put(view[start : start + _SLICE_BYTES])
            # A fast client must not keep the loop busy for the whole of a large answer.
            await asyncio.sleep(0)
        self._finish()

    def send_continue(self) -> None:
        """Tells a client that waits for it to send the body."""
        self._put(self._protocol.send(h11.InformationalResponse(status_code=100, headers=[])))

    # The end.

    def on_close(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` once if the client goes away before the answer is finished.

        At once when it is gone already. The callback must not block.
        """
        if self.closed:
            self._call(callback)
        elif not self.finished:
            self._close_callbacks.append(callback)

    def client_gone(self) -> None:
        """The client closed its side or the connection: runs the callbacks, once."""
        if self.closed or self.finished:
            return
        self.closed = True
        callbacks, self._close_callbacks = self._close_callbacks, []
        for callback in callbacks:
            self._call(callback)

    def connection_lost(self) -> None:
        """The transport is gone: what is written from now on is dropped."""
        self._lost = True
        self._sink = _drop
        self.client_gone()

    # Inner parts.

    def _open_stream(self) -> bytes:
        if self._held is None or self.finished:
            raise RuntimeError("the stream is not open")
        status, headers = self._held
        return self._open(status, headers)

    def _open(self, status: int, headers: HeaderPairs) -> bytes:
        """Settles status and framing; the bytes of the head."""
        head = self.head
        if status in (204, 304) or (head is not None and head.method == "HEAD"):
            framing = _Framing.NONE
        elif head is not None and head.http_version == "1.0":
            framing = _Framing.RAW
        else:
            framing = _Framing.CHUNKED
        data = self._protocol.send(
            h11.Response(
                status_code=status,
                reason=reason_phrase(status),
                headers=_encoded((*headers, *self._own_fields())),
            )
        )
        self._framing = framing
        self.status = status
        self.started = True
        return data

    def _own_fields(self) -> HeaderPairs:
        service, head = self._service, self.head
        own: HeaderPairs = (
            ("X-Request-ID", self.request_id),
            ("X-Request-Accepted-At", str(int(self.accepted_at * 1e6))),
            ("Date", service.date()),
        )
        if service.options.server_name:
            own += (("Server", service.options.server_name),)
        if self.closes_connection or service.draining:
            own += (("Connection", "close"),)
        return own + service.options.cors.fields(head.headers if head else Headers(()))

    def _whole(self, response: Response) -> tuple[bytes, bytes | bytearray]:
        """Head and body of a whole answer; h11 has then seen all of it."""
        headers = response.headers
        if response.status not in (204, 304):
            length = str(len(response.body))
            headers = (
                ("Content-Type", response.content_type),
                ("Content-Length", length),
                *headers,
            )
        data = self._open(response.status, headers)
        body = b"" if self._framing is _Framing.NONE else response.body
        if body:
            self._protocol.send_with_data_passthrough(h11.Data(data=cast(bytes, body)))
        self._protocol.send(h11.EndOfMessage())
        self.body_bytes = len(body)
        return data, body

    def _write_unframed(self, head: bytes) -> None:
        if self.finished:
            raise RuntimeError("the stream is not open")
        if head:
            self._put(head)
            self.last_write = self._time()

    def _put(self, data: bytes | memoryview) -> None:
        if data:
            self._sink(data)
            self._flow.written += len(data)

    def _finish(self) -> None:
        self.finished = True
        self.delivered = not self._lost
        self._framing = _Framing.NONE
        self._close_callbacks.clear()

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:
            # One bad callback must not keep the others from hearing that the client is gone.
            pairs = fields(
                request_id=self.request_id, error=type(error).__name__, reason=str(error)
            )
            self._service.log.error("close callback failed", extra=pairs)


def _encoded(pairs: HeaderPairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _drop(data: bytes | memoryview) -> None:
    """Stands in for the transport's write once the transport is gone."""
