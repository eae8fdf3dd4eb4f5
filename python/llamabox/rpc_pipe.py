"""Two connections whose bytes go to each other, on an event loop.

Covered by tests/py/unit/test_rpc_relay.py.
"""

from __future__ import annotations

import asyncio
import socket
from typing import cast

_BUFFER_BYTES = 1 << 20
"""So much waits for one side before the other is read no further."""

_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class PipeEnd(asyncio.Protocol):
    """One of the two; what it receives goes to ``other``, and it closes with ``other``."""

    def __init__(self, other: PipeEnd | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    def join(self, other: PipeEnd) -> None:
        """Let the bytes flow, in both directions."""
        self.other, other.other = other, self
        for end in (self, other):
            if end.transport is None or end.transport.is_closing():
                self.close()
                other.close()

    def say(self, data: bytes) -> None:
        """Send words of our own, before what comes from the other."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Hang up once what was written is sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Cut both ends off."""
        for end in (self, self.other):
            if end is not None and end.transport is not None:
                end.transport.abort()

    async def wait_gone(self) -> None:
        """Wait until both ends are closed."""
        for end in (self, self.other):
            if end is not None and end.transport is not None:
                await end.gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        keep_alive(self.transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if (source := self._source()) is not None:
            source.pause_reading()

    def resume_writing(self) -> None:
        if (source := self._source()) is not None:
            source.resume_reading()

    def _source(self) -> asyncio.Transport | None:
        """Where what is written here comes from, while it is open."""
        source = self.other.transport if self.other is not None else None
        return None if source is None or source.is_closing() else source

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        if self.other is not None:
            self.other.close()


def keep_alive(sock: socket.socket) -> None:
    """Have the system notice a peer that is gone, and send small messages at once."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
