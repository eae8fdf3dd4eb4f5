"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from llamabox.http.cors import CorsPolicy
from llamabox.http.gate import Gate
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response

if TYPE_CHECKING:
    from llamabox.http.connection import Connection
    from llamabox.http.exchange import Exchange


def _never(path: str) -> bool:
    return False


def _nothing(exchange: Exchange) -> None:
    pass


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Choices of the operator and of the application."""

    cors: CorsPolicy = field(default_factory=CorsPolicy)
    gate: Gate = field(default_factory=Gate)
    tls: ssl.SSLContext | None = None  # None: plain connections
    large_body: Callable[[str], bool] = _never  # does this path take ``large_body_bytes``?
    server_name: str = ""  # value of the Server field; "" sends none
    quiet_paths: frozenset[str] = frozenset({"/health", "/livez", "/readyz"})  # not logged
    answered: Callable[[Exchange], None] = _nothing  # called at the end of every request


@dataclass(slots=True)
class Service:
    """The state shared by the connections of one server; only the loop thread touches it."""

    handler: Callable[[Request, Exchange], Awaitable[Response | None]]
    limits: Limits
    log: logging.Logger
    options: ServerOptions
    loop: asyncio.AbstractEventLoop
    connection_closed: Callable[[], None] = lambda: None  # the server's own bookkeeping
    connections: set[Connection] = field(default_factory=set)
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
