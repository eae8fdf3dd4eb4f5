"""Accepts connections and ends them in good order.

The accept loop is our own, because a full house or a lack of descriptors must leave new clients
in the backlog instead of taking and dropping them. Runs on the loop thread only.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import socket

from llamabox.http.application import Application
from llamabox.http.bind import bind
from llamabox.http.connection import Connection
from llamabox.http.limits import Limits, connection_cap
from llamabox.http.service import ServerOptions, Service
from llamabox.http.system import is_unix
from llamabox.http.tls import tls_arguments
from llamabox.log import fields

__all__ = ["HttpServer", "ServerOptions", "bind"]

_ACCEPTS_PER_WAKE = 64
_WARNING_PERIOD_S = 60.0
_HANDLER_GRACE_S = 1.0
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class HttpServer:
    """Serves one application on sockets that others bound."""

    def __init__(
        self,
        application: Application,
        limits: Limits,
        log: logging.Logger,
        options: ServerOptions | None = None,
    ) -> None:
        self._application = application
        self._limits = limits
        self._log = log
        self._options = options or ServerOptions()
        self._service: Service | None = None
        self._sockets: list[socket.socket] = []
        self._accepting = False
        self._opening: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._next_warning = -math.inf
        self._cap = connection_cap(limits)

    @property
    def connections(self) -> int:
        """Connections open now."""
        return 0 if self._service is None else len(self._service.connections)

    async def start(self, socks: list[socket.socket]) -> None:
        """Listens on bound sockets and begins to accept. The server closes them in the end."""
        loop = asyncio.get_running_loop()
        self._service = Service(self._limits, self._log, self._options, loop)
        self._service.connection_closed = self._connection_closed
        for sock in socks:
            sock.listen(self._limits.backlog)
            sock.setblocking(False)
        self._sockets = list(socks)
        self._resume()

    async def shutdown(self, grace_s: float) -> None:
        """Stops accepting, closes idle connections and gives the others ``grace_s`` seconds.

        What then still runs is aborted and its handlers are cancelled. Calling it again with a
        shorter grace overtakes a shutdown that waits.
        """
        service = self._service
        if service is None:
            return
        service.draining = True
        self._pause()
        for sock in self._sockets:
            sock.close()
        self._sockets = []
        for connection in list(service.connections):
            connection.drain()
        if not await self._emptied(grace_s):
            for connection in list(service.connections):
                connection.abort()
            await self._emptied(_HANDLER_GRACE_S)
        await self._end_handlers(service, min(grace_s, _HANDLER_GRACE_S))

    async def _end_handlers(self, service: Service, grace_s: float) -> None:
        """Handlers whose client is gone may still tidy up; what does not end is cancelled."""
        if service.tasks:
            await asyncio.wait(list(service.tasks), timeout=grace_s)
        tasks = list(service.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _emptied(self, grace_s: float) -> bool:
        """Waits until no connection is left; False when that took too long."""
        assert self._service is not None
        if not self._service.connections and not self._opening:
            return True
        self._empty.clear()
        try:
            await asyncio.wait_for(self._empty.wait(), grace_s)
        except TimeoutError:
            return False
        return True

    def _connection_closed(self) -> None:
        assert self._service is not None
        if self._service.draining:
            if not self._service.connections and not self._opening:
                self._empty.set()
        elif not self._accepting:
            self._resume()

    # Accepting.

    def _resume(self) -> None:
        service = self._service
        if service is None or service.draining or self._accepting or self._full():
            return
        self._accepting = True
        for sock in self._sockets:
            service.loop.add_reader(sock, self._accept, sock)

    def _pause(self) -> None:
        if self._service is not None and self._accepting:
            self._accepting = False
            for sock in self._sockets:
                self._service.loop.remove_reader(sock)

    def _full(self) -> bool:
        assert self._service is not None
        return len(self._service.connections) + len(self._opening) >= self._cap

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS_PER_WAKE):
            if self._full():
                self._warn("all connections are taken", limit=self._cap)
                self._pause()
                return
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._accept_failed(error)
                return
            self._open(sock)

    def _accept_failed(self, error: OSError) -> None:
        # Any other error belongs to the one connection that was to be accepted.
        if error.errno in _NO_RESOURCES:
            assert self._service is not None
            self._warn("accepting pauses", reason=os.strerror(error.errno))
            self._pause()
            self._service.loop.call_later(self._limits.accept_pause_s, self._resume)

    def _open(self, sock: socket.socket) -> None:
        assert self._service is not None
        sock.setblocking(False)
        if not is_unix(sock):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._service.loop.create_task(self._connect(sock))
        self._opening.add(task)
        task.add_done_callback(self._opened)

    async def _connect(self, sock: socket.socket) -> None:
        service = self._service
        assert service is not None
        try:
            await service.loop.connect_accepted_socket(
                lambda: Connection(service, self._application), sock, **tls_arguments(service)
            )
        except OSError as error:
            sock.close()
            self._log.debug("accept failed", extra=fields(reason=str(error)))

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._connection_closed()

    def _warn(self, text: str, **pairs: object) -> None:
        """One line a minute at most."""
        assert self._service is not None
        now = self._service.loop.time()
        if now >= self._next_warning:
            self._next_warning = now + _WARNING_PERIOD_S
            self._log.warning(text, extra=fields(**pairs))
