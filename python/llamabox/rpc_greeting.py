"""What two llamabox ends say to each other inside TLS before the RPC protocol begins.

The client sends MAGIC, the length of its token in two bytes and the token; the server answers
WELCOME and from there on speaks ggml's protocol, or closes the connection. Without TLS none of this
is on the wire, so that stock clients and servers see their own protocol only. Covered by
tests/py/unit/test_rpc_relay.py.
"""

from __future__ import annotations

import struct

MAGIC = b"llamabox-rpc 1\n"
WELCOME = b"+"
MAX_TOKEN = 512
_LENGTH = struct.Struct(">H")

GREETING_S = 5.0
"""The TLS handshake and the greeting together may take so long."""


class GreetingError(Exception):
    """What came is no greeting."""


def greeting(token: str) -> bytes:
    """What a client sends; an empty token where it has none."""
    shown = token.encode("ascii")
    return MAGIC + _LENGTH.pack(len(shown)) + shown


def read_greeting(received: bytes) -> str | None:
    """The token of a whole greeting, or None while more must come.

    Raises GreetingError for anything that is no greeting, also for bytes behind one: a client has
    nothing to say before it is welcome.
    """
    if received[: len(MAGIC)] != MAGIC[: len(received)]:
        raise GreetingError("no greeting")
    begin = len(MAGIC) + _LENGTH.size
    if len(received) < begin:
        return None
    (length,) = _LENGTH.unpack_from(received, len(MAGIC))
    shown = received[begin:]
    if length > MAX_TOKEN or len(shown) > length:
        raise GreetingError("more than a greeting")
    if not shown.isascii():
        raise GreetingError("no token")
    return shown.decode("ascii") if len(shown) == length else None
