"""TLS on real loopback sockets, with a certificate made here."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from llamabox.http.application import Application
from llamabox.http.exchange import Exchange
from llamabox.http.gate import Gate
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response
from llamabox.http.server import HttpServer, bind
from llamabox.http.service import ServerOptions
from llamabox.http.tls import TlsError, server_context
from llamabox.keys import digest

LOG = logging.getLogger("llamabox.http.test")
Run = Callable[[Awaitable[None]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def runner(main: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as loop:
            loop.run(asyncio.wait_for(main, 30))

    return runner


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A self-signed certificate for localhost and its key."""
    return make_pair(tmp_path_factory.mktemp("tls"))


def make_pair(folder: Path, *more: str) -> tuple[str, str]:
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    words = [*kind.split(), "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", key, "-out", cert]
    subprocess.run(
        ["openssl", *words, *(more or ("-nodes",)), *files], check=True, capture_output=True
    )
    return cert, key


async def echo(request: Request, exchange: Exchange) -> Response:
    return Response(200, b"%d" % len(request.body) + bytes(request.body[:3]))


@asynccontextmanager
async def serving(
    pair: tuple[str, str],
    handler: Any = echo,
    limits: Limits | None = None,
    gate: Gate | None = None,
) -> AsyncIterator[tuple[int, HttpServer]]:
    sockets = bind("127.0.0.1", 0)
    options = ServerOptions(tls=server_context(*pair), gate=gate or Gate())
    server = HttpServer(Application(handler), limits or Limits(), LOG, options)
    await server.start(sockets)
    try:
        yield sockets[0].getsockname()[1], server
    finally:
        await server.shutdown(0)
        assert server.connections == 0


def client_context(pair: tuple[str, str]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pair[0])


async def ask(port: int, pair: tuple[str, str], data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(pair), server_hostname="localhost"
    )
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def post(body: bytes, *lines: bytes) -> bytes:
    head = [b"POST /x HTTP/1.1", b"Host: localhost", b"Connection: close", *lines]
    head.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def test_requests_and_large_bodies(run: Run, pair: tuple[str, str]) -> None:
    async def double(request: Request, exchange: Exchange) -> Response:
        return Response(200, bytes(request.body) * 2)

    async def main() -> None:
        async with serving(pair, double) as (port, _):
            body = os.urandom(2_000_000)
            assert (await ask(port, pair, post(body))).endswith(body * 2)
            assert (await ask(port, pair, post(b"ab"))).endswith(b"abab")

    run(main())


def test_streams_and_keep_alive(run: Run, pair: tuple[str, str]) -> None:
    async def stream(request: Request, exchange: Exchange) -> None:
        exchange.start_stream(200, (("Content-Type", "text/plain"),))
        for piece in (b"one ", b"two ", b"three"):
            exchange.write(piece)
            await asyncio.sleep(0)
        exchange.finish()

    async def main() -> None:
        async with serving(pair, stream) as (port, _):
            get = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
            last = get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            answer = await ask(port, pair, get + last)
            assert answer.count(b"three") == 2

    run(main())


def test_a_refusal_reaches_a_client_that_still_sends(run: Run, pair: tuple[str, str]) -> None:
    async def main() -> None:
        gate = Gate(key_digests=(digest("k"),))
        async with serving(pair, gate=gate) as (port, _):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_context(pair), server_hostname="localhost"
            )
            writer.write(post(b"x" * 500_000)[:400_000])
            assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
            writer.transport.abort()
            answer = await ask(port, pair, post(b"abc", b"X-API-Key: k"))
            assert answer.endswith(b"3abc")

    run(main())


def test_a_client_that_leaves_is_noticed(run: Run, pair: tuple[str, str]) -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def wait(request: Request, exchange: Exchange) -> None:
            exchange.on_close(gone.set)
            exchange.start_stream(200, ())
            exchange.write(b"begun")
            await gone.wait()

        async with serving(pair, wait) as (port, _):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=client_context(pair), server_hostname="localhost"
            )
            writer.write(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"begun")
            writer.close()
            await gone.wait()

    run(main())


def test_what_is_no_handshake_gets_no_answer_and_frees_its_place(
    run: Run, pair: tuple[str, str]
) -> None:
    async def main() -> None:
        limits = replace(Limits(), header_s=0.2)
        async with serving(pair, limits=limits) as (port, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP/1.1 200" not in await read_to_the_end(reader)
            writer.close()
            # One that says nothing is let go when the time for a handshake is over.
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await read_to_the_end(reader) == b""
            writer.close()
            assert server.connections == 0
            assert (await ask(port, pair, post(b"abc"))).endswith(b"3abc")

    run(main())


async def read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_old_versions_are_refused(run: Run, pair: tuple[str, str]) -> None:
    async def main() -> None:
        async with serving(pair) as (port, _):
            context = client_context(pair)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost"
            )
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
            writer.close()
            assert server_context(*pair).minimum_version is ssl.TLSVersion.TLSv1_2

    run(main())


def test_files_that_cannot_be_used_are_named(pair: tuple[str, str], tmp_path: Path) -> None:
    cert, key = pair
    with pytest.raises(TlsError, match=r"cannot read .*missing\.pem: No such file"):
        server_context(cert, str(tmp_path / "missing.pem"))
    with pytest.raises(TlsError, match=r"cannot use .*key\.pem with .*key\.pem"):
        server_context(key, key)
    (tmp_path / "other").mkdir()
    other = make_pair(tmp_path / "other")
    with pytest.raises(TlsError, match="key values mismatch"):
        server_context(cert, other[1])
    (tmp_path / "locked").mkdir()
    locked = make_pair(tmp_path / "locked", "-passout", "pass:secret")
    with pytest.raises(TlsError, match="is encrypted"):
        server_context(*locked)
