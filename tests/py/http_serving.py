"""A server on a real loopback socket, and requests to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from llamabox.http.application import Application
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.http.server import HttpServer, bind

LOG = logging.getLogger("llamabox.http.test")
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
Run = Callable[[Awaitable[None]], None]


async def echo(request: Request, exchange: Exchange) -> Response:
    return Response(200, f"{request.client.split(':')[0]} {len(request.body)}".encode())


@asynccontextmanager
async def serving(
    handler: Any = echo, limits: Limits | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[HttpServer, Any]]:
    sockets = bind(host, 0)
    server = HttpServer(Application(handler), limits or Limits(), LOG)
    await server.start(sockets)
    try:
        yield server, sockets[0].getsockname()
    finally:
        await server.shutdown(0)
        assert server.connections == 0


async def ask(address: Any, data: bytes = LAST) -> bytes:
    if isinstance(address, str):
        reader, writer = await asyncio.open_unix_connection(address)
    else:
        reader, writer = await asyncio.open_connection(address[0], address[1])
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
