"""What answers the requests of a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llamabox.http.exchange import Exchange
from llamabox.http.message import Request, Response


def _nothing(exchange: Exchange) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Application:
    """A handler of requests, and who hears of their ends.

    ``handler`` gets every request but OPTIONS. It returns a Response, or streams through the
    exchange and returns None. It may raise HttpError; any other exception becomes a 500, or breaks
    the stream off when that has begun.
    """

    handler: Callable[[Request, Exchange], Awaitable[Response | None]]
    answered: Callable[[Exchange], None] = _nothing  # called at the end of every request
