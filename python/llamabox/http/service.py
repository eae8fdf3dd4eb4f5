"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from llamabox.http.cors import CorsPolicy
from llamabox.http.gate import Gate
from llamabox.http.limits import Limits


def _never(path: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Choices of the operator and of the application."""

    cors: CorsPolicy = field(default_factory=CorsPolicy)
    gate: Gate = field(default_factory=Gate)
    tls: ssl.SSLContext | None = None  # None: plain connections
    large_body: Callable[[str], bool] = _never  # does this path take ``large_body_bytes``?
    server_name: str = ""  # value of the Server field; "" sends none
    quiet_paths: frozenset[str] = frozenset({"/health", "/livez", "/readyz"})  # not logged


class OpenConnection(Protocol):
    """What a server asks of its connections."""

    def drain(self) -> None:
        """Ends as soon as no answer is under way."""

    def abort(self) -> None:
        """Ends now."""


@dataclass(slots=True)
class Service:
    """The state shared by the connections of one server; only the loop thread touches it."""

    limits: Limits
    log: logging.Logger
    options: ServerOptions
    loop: asyncio.AbstractEventLoop
    connection_closed: Callable[[], None] = lambda: None  # the server's own bookkeeping
    connections: set[OpenConnection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    draining: bool = False  # a shutdown has begun: answers end their connection
    bodies_bytes: int = 0  # request bodies held now
    _date: str = ""
    _date_until: float = 0.0

    def date(self) -> str:
        """The Date field, made anew once a second."""
        now = self.loop.time()
        if now >= self._date_until:
            self._date = formatdate(usegmt=True)
            self._date_until = now + 1.0
        return self._date
