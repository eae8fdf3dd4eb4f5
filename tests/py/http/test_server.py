"""The server on real loopback sockets, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from http_serving import GET, LAST, LOG, Run, ask, echo, serving
from llamabox.http import server as server_module
from llamabox.http.application import Application
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.http.server import HttpServer, bind

pytestmark = pytest.mark.filterwarnings("error")


def test_ipv4_and_port_zero(run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, address):
            assert address[1] != 0
            assert (await ask(address)).endswith(b"127.0.0.1 0")

    run(main())


def test_a_large_body_and_a_large_answer(run: Run) -> None:
    async def double(request: Request, exchange: Exchange) -> Response:
        return Response(200, request.body * 2)

    async def main() -> None:
        async with serving(double) as (_, address):
            body = os.urandom(3_000_000)
            head = LAST.replace(b"GET", b"POST")[:-2] + b"Content-Length: %d\r\n\r\n" % len(body)
            assert (await ask(address, head + body)).endswith(body * 2)

    run(main())


def test_a_client_that_vanishes_is_noticed(run: Run) -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def waits(request: Request, exchange: Exchange) -> None:
            exchange.on_close(gone.set)
            exchange.start_stream(200, ())
            exchange.write(b"x")
            await gone.wait()

        async with serving(waits) as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(GET)
            await reader.readuntil(b"x\r\n")
            assert server.connections == 1
            writer.close()
            await gone.wait()
            await writer.wait_closed()

    run(main())


def test_a_reset_is_noticed_while_the_handler_only_thinks(run: Run) -> None:
    async def main() -> None:
        started, gone = asyncio.Event(), asyncio.Event()

        async def thinks(request: Request, exchange: Exchange) -> None:
            exchange.on_close(gone.set)
            started.set()
            await gone.wait()

        async with serving(thinks) as (_, address):
            client = socket.create_connection(address)
            client.sendall(GET)
            await started.wait()
            # Lingering for no time at all makes close() send a reset.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            await gone.wait()

    run(main())


def test_a_half_closed_client_gets_its_answer(run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(GET + GET)
            writer.write_eof()
            assert (await reader.read()).count(b"HTTP/1.1 200 ") == 2
            writer.close()

    run(main())


def test_a_refusal_can_be_read_by_a_client_that_goes_on_sending(run: Run) -> None:
    async def main() -> None:
        async with serving() as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
            writer.write(b"x" * 4_000_000)
            assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
            writer.close()

    run(main())


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_ipv6(run: Run) -> None:
    async def main() -> None:
        async with serving(host="::1") as (_, address):
            assert (await ask(address)).startswith(b"HTTP/1.1 200 ")
        async with serving(host="::") as (_, address):
            assert (await ask(("::1", address[1]))).startswith(b"HTTP/1.1 200 ")
            assert (await ask(("127.0.0.1", address[1]))).startswith(b"HTTP/1.1 200 ")

    run(main())


def test_unix_socket(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        path = str(tmp_path / "a.sock")
        async with serving(host=path) as (_, address):
            assert address == path
            assert (await ask(path)).endswith(b"unix 0")
            with pytest.raises(OSError, match="another process listens there"):
                bind(path, 0)
        # The server is gone and its file is stale.
        async with serving(host=path):
            assert (await ask(path)).endswith(b"unix 0")

    run(main())


def test_connections_beyond_the_cap_wait_in_the_backlog(run: Run) -> None:
    async def main() -> None:
        async with serving(limits=replace(Limits(), max_connections=2)) as (server, address):
            kept = [await asyncio.open_connection(*address) for _ in range(2)]
            for reader, writer in kept:
                writer.write(GET)
                await reader.readuntil(b" 0")
            third = asyncio.create_task(ask(address))
            for _ in range(20):
                await asyncio.sleep(0)
            assert server.connections == 2 and not third.done()
            kept[0][1].close()
            assert (await third).startswith(b"HTTP/1.1 200 ")
            kept[1][1].close()

    run(main())


def test_accepting_pauses_when_descriptors_run_out(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    class Listener:
        """A listening socket whose first accepts fail as when the process is out of files."""

        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock
            self.failures = 2

        def accept(self) -> tuple[socket.socket, Any]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return self.sock.accept()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sock, name)

    async def main() -> None:
        (sock,) = bind("127.0.0.1", 0)
        listener = Listener(sock)
        server = HttpServer(Application(echo), replace(Limits(), accept_pause_s=0.001), LOG)
        await server.start([listener])  # type: ignore[list-item]
        assert (await ask(sock.getsockname())).startswith(b"HTTP/1.1 200 ")
        assert listener.failures == 0
        await server.shutdown(0)

    run(main())
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ["accepting pauses"]


def test_bind_is_offered_where_the_server_is() -> None:
    assert server_module.bind is bind
