"""How a server ends: live requests finish, idle connections close, a second call overtakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from http_serving import GET, Run, ask, serving
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response

pytestmark = pytest.mark.filterwarnings("error")


def test_shutdown_lets_live_requests_finish(run: Run) -> None:
    async def main() -> None:
        started, release = asyncio.Event(), asyncio.Event()

        async def slow(request: Request, exchange: Exchange) -> Response:
            started.set()
            await release.wait()
            return Response(200, b"done")

        async with serving(slow) as (server, address):
            idle_reader, idle_writer = await asyncio.open_connection(*address)
            release.set()
            idle_writer.write(GET)
            await idle_reader.readuntil(b"done")
            release.clear()
            started.clear()
            reader, writer = await asyncio.open_connection(*address)
            writer.write(GET)
            await started.wait()
            ending = asyncio.create_task(server.shutdown(20))
            assert await idle_reader.read() == b""
            assert not ending.done()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
            release.set()
            answer = await reader.read()
            assert answer.endswith(b"done") and b"Connection: close" in answer
            await ending
            for each in (writer, idle_writer):
                each.close()

    run(main())


def test_shutdown_answers_the_first_request_of_a_new_connection(run: Run) -> None:
    async def main() -> None:
        limits = replace(Limits(), linger_s=0.5)
        async with serving(limits=limits) as (server, address):
            clients = [await asyncio.open_connection(*address) for _ in range(2)]
            await ask(address)  # taken after the two
            ending = asyncio.create_task(server.shutdown(20))
            await asyncio.sleep(0)
            (reader, late), (silent_reader, silent) = clients
            late.write(GET)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer
            assert not ending.done()
            assert await silent_reader.read() == b""
            await ending
            for each in (late, silent):
                each.close()

    run(main())


def test_a_second_shutdown_overtakes_the_first(run: Run) -> None:
    async def main() -> None:
        started = asyncio.Event()
        cancelled = []

        async def endless(request: Request, exchange: Exchange) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(1)
                raise

        async with serving(endless) as (server, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(GET)
            await started.wait()
            first = asyncio.create_task(server.shutdown(1000))
            await asyncio.sleep(0)
            await server.shutdown(0)
            await first
            assert cancelled == [1]
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()

    run(main())
