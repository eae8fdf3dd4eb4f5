"""The door of an RPC server that asks for TLS, and perhaps for a token.

Who has shown a token gets one end of a socket pair whose other end the core serves; nobody else can
reach that. Runs on the loop thread. Covered by tests/py/unit/test_rpc_relay.py.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence

from llamabox.keys import is_known
from llamabox.log import fields
from llamabox.rpc_greeting import GREETING_S, WELCOME, GreetingError, read_greeting
from llamabox.rpc_pipe import PipeEnd

_MAX_GUESTS = 64
"""Connections at once, those that are still at the door included."""

_PAUSE_S = 0.1

_logger = logging.getLogger(__name__)

Adopt = Callable[[int, str], None]
"""Takes over a connected descriptor with the name of the peer."""


class _Guest(PipeEnd):
    """A connection from outside; ``token`` has what it shows, or None when it is no greeting."""

    def __init__(self) -> None:
        super().__init__()
        self.token: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._received = b""

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
        elif not self.token.done():
            self._received += data
            self._look()
        else:
            # Nothing may come before the welcome.
            self.close()

    def _look(self) -> None:
        try:
            token = read_greeting(self._received)
        except GreetingError:
            self.token.set_result(None)
        else:
            if token is not None:
                self.token.set_result(token)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.token.done():
            self.token.set_result(None)


class RpcDoor:
    """Accepts connections on listening sockets and hands over those that may come in.

    ``digests`` are those of the tokens, any of which will do; none: no token is asked for.
    """

    def __init__(self, context: ssl.SSLContext, digests: Sequence[str], adopt: Adopt) -> None:
        self._context = context
        self._digests = digests
        self._adopt = adopt
        self._guests: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []

    def open(self, listeners: Sequence[socket.socket]) -> None:
        """Begin to accept."""
        for listener in listeners:
            listener.setblocking(False)
            self._accepting.append(asyncio.ensure_future(self._accept(listener)))

    async def close(self) -> None:
        """Stop accepting and hang up on everybody; no connection is left for the loop's end."""
        tasks = [*self._accepting, *self._guests]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_PAUSE_S)  # no descriptor is left, for now
                continue
            peer = _name(address)
            if len(self._guests) >= _MAX_GUESTS:
                sock.close()
                _turned_away(peer, "too many connections")
                continue
            guest = asyncio.ensure_future(self._receive(sock, peer))
            self._guests.add(guest)
            guest.add_done_callback(self._guests.discard)

    async def _receive(self, sock: socket.socket, peer: str) -> None:
        guest = _Guest()
        try:
            if (refused := await self._admit(guest, sock, peer)) is not None:
                _turned_away(peer, refused)
                guest.close()
            await guest.wait_gone()
        except asyncio.CancelledError:
            guest.abort()
            await guest.wait_gone()
            raise
        finally:
            if guest.transport is None:
                sock.close()

    async def _admit(self, guest: _Guest, sock: socket.socket, peer: str) -> str | None:
        """Let in who may come in; else say why not."""
        try:
            async with asyncio.timeout(GREETING_S):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: guest, sock, ssl=self._context, ssl_handshake_timeout=GREETING_S,
                    ssl_shutdown_timeout=GREETING_S,
                )  # fmt: skip
                token = await guest.token
            if token is None:
                return "no greeting"
            if self._digests and not is_known([token], self._digests):
                return "a wrong token"
            await self._let_in(guest, peer)
        except (OSError, TimeoutError) as error:
            return "timeout" if isinstance(error, TimeoutError) else str(error)
        return None

    async def _let_in(self, guest: _Guest, peer: str) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        inner = PipeEnd()
        await loop.create_connection(lambda: inner, sock=ours)
        try:
            await loop.run_in_executor(None, self._adopt, theirs.detach(), peer)
        except BaseException:
            inner.abort()
            raise
        guest.say(WELCOME)
        guest.join(inner)


def _turned_away(peer: str, reason: str) -> None:
    _logger.warning("rpc client turned away", extra=fields(peer=peer, reason=reason))


def _name(address: tuple[object, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
