"""The event loop of this system, and a channel into it for lines from threads.

uvloop where there is one; elsewhere, and with STOCK_IO in the environment, asyncio's own loop and
pairs of sockets, which every system has. Covered by tests/py/unit/test_systems.py.
"""

from __future__ import annotations

import asyncio
import os
import socket

from llamabox.system_process import uses_stock_io


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop that can watch descriptors."""
    if not uses_stock_io():
        try:
            import uvloop
        except ImportError:
            return asyncio.SelectorEventLoop()
        return uvloop.new_event_loop()
    return asyncio.SelectorEventLoop()


class LineChannel:
    """A reading end for a loop, and a descriptor that never blocks who writes to it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        if uses_stock_io():
            self._socket, writer = socket.socketpair()
            self._socket.setblocking(False)
            writer.setblocking(False)
            self._reader, self.writer = self._socket.fileno(), writer.detach()
        else:
            self._reader, self.writer = os.pipe()
            os.set_blocking(self._reader, False)
            os.set_blocking(self.writer, False)

    def fileno(self) -> int:
        """What the loop watches."""
        return self._reader

    def read(self, n_bytes: int) -> bytes:
        """What has come. Raises BlockingIOError when nothing has."""
        if self._socket is not None:
            return self._socket.recv(n_bytes)
        return os.read(self._reader, n_bytes)

    def close(self) -> None:
        """Close the reading end; threads may still use the other."""
        if self._socket is not None:
            self._socket.close()
        else:
            os.close(self._reader)
