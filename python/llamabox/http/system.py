"""Sockets and descriptors, as far as systems differ. Covered by tests/py/unit/test_systems.py."""

from __future__ import annotations

import socket
import sys

UNIX: int | None = getattr(socket, "AF_UNIX", None)
"""The family of Unix sockets, where there are any."""

_SELECT_SOCKETS = 512
"""What asyncio's loop can watch where it has nothing better than select()."""


def is_unix(sock: socket.socket) -> bool:
    """Whether a socket has a path instead of a host and a port."""
    return UNIX is not None and sock.family == UNIX


def unix_socket() -> socket.socket:
    """A new one. Raises OSError, whose text is the reason, where there are none."""
    if UNIX is None:
        raise OSError("this system has no Unix sockets")
    return socket.socket(UNIX, socket.SOCK_STREAM)


def own_address(sock: socket.socket) -> None:
    """Take an address that a dead server of this machine used until now, but none that is used."""
    if sys.platform == "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def descriptor_limit() -> int | None:
    """Descriptors that this process may have open; None: any number."""
    try:
        import resource
    except ImportError:
        return _SELECT_SOCKETS
    n_open, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if n_open == resource.RLIM_INFINITY else n_open
