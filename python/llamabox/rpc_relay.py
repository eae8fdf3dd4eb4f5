"""A relay between ggml's RPC client, which speaks plain TCP, and servers that ask for TLS.

It listens on the loopback interface and takes only connections that this very process has opened:
another user of the machine who connects is hung up on. It runs an event loop in a thread of its
own. Covered by tests/py/unit/test_rpc_relay.py and tests/py/api/test_rpc_secure.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import threading
from dataclasses import dataclass

from llamabox.errors import LoadFailedError
from llamabox.event_loop import new_event_loop
from llamabox.log import fields
from llamabox.rpc_greeting import GREETING_S, WELCOME, greeting
from llamabox.rpc_pipe import PipeEnd, keep_alive

_MAX_GUESTS = 64
_DESCRIPTORS = "/dev/fd"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How this end trusts a server, and what it shows."""

    context: ssl.SSLContext
    # Empty: none is shown.
    token: str = ""


def credentials(token: str | None, ca_file: str | None) -> Credentials:
    """Those of the command line: certificates that ``ca_file`` or the system trusts.

    Raises LoadFailedError for a file that holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise LoadFailedError(f"--rpc-ssl-ca-file: cannot use {ca_file}: {reason}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return Credentials(context, token or "")


class _Remote(PipeEnd):
    """The connection to a server; ``welcome`` is set once it has answered the greeting."""

    def __init__(self) -> None:
        super().__init__()
        self.welcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
        elif data == WELCOME and not self.welcome.done():
            self.welcome.set_result(None)
        else:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.welcome.done():
            self.welcome.set_exception(ConnectionError("it refuses the token, or takes none"))


class RpcRelay:
    """Loopback addresses for servers. Its thread ends with the process."""

    def __init__(self, shown: Credentials) -> None:
        """Raises LoadFailedError where a process cannot look at its own descriptors."""
        if not os.path.isdir(_DESCRIPTORS):
            raise LoadFailedError(f"rpc: TLS to servers needs {_DESCRIPTORS}, which is not here")
        self._shown = shown
        self._loop = new_event_loop()
        self._guests: set[asyncio.Task[None]] = set()
        self._addresses: dict[str, str] = {}
        threading.Thread(target=self._run, name="rpc-relay", daemon=True).start()

    def address_of(self, server: str) -> str:
        """Where ggml's client reaches ``server``, which is tried out on the way.

        Raises LoadFailedError, which names the server, when it cannot be reached or refuses.
        """
        asyncio.run_coroutine_threadsafe(self._try(server), self._loop).result()
        if server not in self._addresses:
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            self._addresses[server] = f"127.0.0.1:{listener.getsockname()[1]}"
            asyncio.run_coroutine_threadsafe(self._accept(listener, server), self._loop)
        return self._addresses[server]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _try(self, server: str) -> None:
        try:
            remote = await self._dial(server)
        except (OSError, TimeoutError) as error:
            raise LoadFailedError(f"rpc: the server {server} {_reason(error)}", "rpc") from None
        remote.close()

    async def _dial(self, server: str) -> _Remote:
        """A connection that the server has welcomed. Raises OSError or TimeoutError."""
        host, _, port = server.rpartition(":")
        remote = _Remote()
        async with asyncio.timeout(GREETING_S):
            await self._loop.create_connection(
                lambda: remote, host, int(port), ssl=self._shown.context, server_hostname=host,
                ssl_handshake_timeout=GREETING_S,
            )  # fmt: skip
            try:
                remote.say(greeting(self._shown.token))
                await remote.welcome
            except BaseException:
                remote.close()
                raise
        return remote

    async def _accept(self, listener: socket.socket, server: str) -> None:
        while True:
            sock, address = await self._loop.sock_accept(listener)
            if len(self._guests) >= _MAX_GUESTS or not is_own(address, listener.getsockname()):
                _logger.warning(
                    "another process was turned away from the RPC relay",
                    extra=fields(server=server),
                )
                sock.close()
                continue
            guest = self._loop.create_task(self._relay(sock, server))
            self._guests.add(guest)
            guest.add_done_callback(self._guests.discard)

    async def _relay(self, sock: socket.socket, server: str) -> None:
        keep_alive(sock)
        try:
            remote = await self._dial(server)
        except (OSError, TimeoutError) as error:
            sock.close()
            _logger.error(
                "the RPC relay cannot reach a server",
                extra=fields(server=server, reason=_reason(error)),
            )
            return
        # Its first bytes may come before this returns.
        local = PipeEnd(remote)
        await self._loop.connect_accepted_socket(lambda: local, sock)
        local.join(remote)


def is_own(client: tuple[str, int], listener: tuple[str, int]) -> bool:
    """Whether a socket of this process is the other end of a connection from ``client``.

    Both addresses of a TCP connection name it alone, so no other process can look like that.
    """
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):
            sock = socket.socket(fileno=int(name))
            try:
                if sock.getsockname() == client and sock.getpeername() == listener:
                    return True
            finally:
                sock.detach()
    return False


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"does not speak TLS as this end does: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "gives no answer to a handshake: timeout"
    if isinstance(error, ConnectionError) and error.errno is None:
        return f"ends the handshake: {error}"
    return f"cannot be reached: {_words(error)}"


def _words(error: Exception) -> str:
    """The system's own; asyncio puts addresses around them."""
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return str(error)
