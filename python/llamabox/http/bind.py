"""Binds the listening sockets.

Imports nothing of the server, so that the supervising process can own the sockets and stay small.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from llamabox.http.system import own_address, unix_socket

_PORT_TRIES = 16
_Address = tuple[socket.AddressFamily, str]


def bind(host: str, port: int) -> list[socket.socket]:
    """Bound sockets for a host, not yet listening.

    A host that ends in ``.sock`` is the path of a Unix socket; any other is an address or a name,
    and each address of a name gets a socket. Port 0 lets the system choose one port for all. ``::``
    takes IPv4 too.

    Raises OSError: the system's own, or one without ``errno`` whose text is the reason.
    """
    if host.endswith(".sock"):
        return [_bind_unix(host)]
    addresses = _resolve(host, port)
    for _ in range(_PORT_TRIES):
        sockets = _bind_all(addresses, port)
        if sockets:
            return sockets
    raise OSError("no port is free on all addresses of the host")


def _resolve(host: str, port: int) -> list[_Address]:
    if not 0 <= port <= 65535:
        raise OSError(f"the port must be between 0 and 65535, not {port}")
    if not host:
        raise OSError("the host is empty")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise OSError("this is not a host name") from None
    # A dict keeps the order and drops what is found twice.
    wanted = (socket.AF_INET, socket.AF_INET6)
    return list({(entry[0], str(entry[4][0])): None for entry in found if entry[0] in wanted})


def _bind_all(addresses: list[_Address], port: int) -> list[socket.socket]:
    """One socket per address; an empty list when a chosen port was taken on another address."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    chosen = port
    for family, address in addresses:
        try:
            sock = _bind_one(family, address, chosen, alone=len(addresses) == 1)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error  # a name may have an address of a family this machine lacks
                continue
            for bound in sockets:
                bound.close()
            if port == 0 and sockets and error.errno == errno.EADDRINUSE:
                return []
            raise
        sockets.append(sock)
        chosen = sock.getsockname()[1]
    if not sockets:
        raise missing or OSError("the host has no address")
    return sockets


def _bind_one(
    family: socket.AddressFamily, address: str, port: int, *, alone: bool
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        own_address(sock)
        if family == socket.AF_INET6:
            both = alone and address == "::"
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str) -> socket.socket:
    sock = unix_socket()
    try:
        if os.path.lexists(path):
            _remove_stale(path)
        sock.bind(path)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Removes a socket file that a dead server left behind."""
    if not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise OSError("a file that is not a socket is in the way")
    with unix_socket() as probe:
        probe.setblocking(False)
        # Any other answer, such as a full backlog, means that somebody is there.
        if probe.connect_ex(path) != errno.ECONNREFUSED:
            raise OSError("another process listens there")
    os.unlink(path)
