"""Every phase of a connection has its limit in time; the clock is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from http_harness import GET, Client, echo
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request, Response

Connect = Callable[..., Client]
POST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n"


class Stream:
    """A handler whose stream the test writes."""

    def __init__(self) -> None:
        self.calls = 0
        self.ended = asyncio.Event()
        self.exchange: Exchange

    def closed(self) -> None:
        self.calls += 1
        self.ended.set()

    async def __call__(self, request: Request, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.on_close(self.closed)
        exchange.start_stream(200, ())
        await self.ended.wait()


def test_idle_before_the_first_byte(connect: Connect) -> None:
    client = connect()
    client.advance(59.75)
    assert not client.closed
    client.advance(0.5)
    assert client.transport.lost
    assert not client.output


def test_keepalive_between_requests(connect: Connect) -> None:
    client = connect().send(GET)
    client.advance(14.75)
    client.send(GET)
    client.advance(14.75)
    assert not client.closed
    client.advance(0.5)
    assert client.transport.lost
    assert len(client.answers()) == 2


def test_a_slow_header_ends_ten_seconds_after_its_first_byte(connect: Connect) -> None:
    client = connect()
    client.advance(30)
    for position in range(9):
        client.send(GET[position : position + 1])
        client.advance(1)
    assert not client.output
    client.send(GET[9:10])
    client.advance(1.25)
    assert client.answer().status == 408
    assert client.closed


def test_a_body_without_a_byte(connect: Connect) -> None:
    client = connect().send(POST)
    client.advance(14.75)
    assert not client.output
    client.advance(0.5)
    assert client.answer().status == 408


def test_a_body_that_is_fast_enough_and_then_is_not(connect: Connect) -> None:
    client = connect().send(POST)
    for _ in range(35):
        client.send(b"x" * 4096)
        client.advance(1)
    assert not client.output
    client.advance(10.25)
    assert client.answer().status == 408


def test_timeout_is_the_ceiling_for_a_body(connect: Connect) -> None:
    client = connect(echo, replace(Limits(), timeout_s=20.0)).send(POST)
    for _ in range(19):
        client.send(b"x" * 40_000)
        client.advance(1)
    assert not client.output
    client.advance(1.25)
    assert client.answer().status == 408


def test_a_handler_has_no_deadline_of_its_own(connect: Connect) -> None:
    release = asyncio.Event()

    async def slow(request: Request, exchange: Exchange) -> Response:
        await release.wait()
        return Response(200, b"late")

    client = connect(slow).send(GET)
    client.advance(1000)
    release.set()
    client.loop.settle()
    assert client.answer().body == b"late"


@pytest.mark.parametrize("size", [10, 200_000])
def test_a_client_that_reads_nothing_is_cut_after_the_stall_limit(
    connect: Connect, size: int
) -> None:
    stream = Stream()
    client = connect(stream)
    client.transport.reads = False
    client.send(GET)
    client.advance(100)
    stream.exchange.write(b"x" * size)
    client.advance(29)
    assert stream.calls == 0
    client.advance(3)
    assert stream.calls == 1
    assert client.transport.aborted


def test_writes_do_not_count_as_progress(connect: Connect) -> None:
    stream = Stream()
    client = connect(stream)
    client.transport.reads = False
    client.send(GET)
    seconds = 0
    while not stream.calls:
        stream.exchange.write(b"x")
        client.advance(1)
        seconds += 1
    assert seconds <= 32


def test_a_slow_reader_that_goes_on_reading_is_kept(connect: Connect) -> None:
    stream = Stream()
    client = connect(stream)
    client.transport.reads = False
    client.send(GET)
    stream.exchange.write(b"x" * 60_000)
    for _ in range(10):
        client.advance(20)
        client.transport.take(100)
    assert stream.calls == 0


def test_timeout_is_the_ceiling_for_a_blocked_write(connect: Connect) -> None:
    stream = Stream()
    client = connect(stream, replace(Limits(), timeout_s=60.0))
    client.transport.reads = False
    client.send(GET)
    stream.exchange.write(b"x" * 1_000_000)
    for _ in range(13):
        client.advance(5)
        client.transport.take(100)
    assert stream.calls == 1


def test_an_answer_that_nobody_reads_holds_back_the_next_request(connect: Connect) -> None:
    async def large(request: Request, exchange: Exchange) -> Response:
        return Response(200, b"x" * 200_000)

    client = connect(large)
    client.transport.reads = False
    client.send(GET * 3)
    assert len(client.seen) == 1
    client.transport.take(200_000)
    client.loop.settle()
    assert len(client.seen) == 2
    client.advance(32)
    assert client.transport.aborted
    assert len(client.seen) == 2


def test_closing_waits_for_a_reader_but_not_for_ever(connect: Connect) -> None:
    client = connect()
    client.transport.reads = False
    client.send(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert client.transport.closing and not client.transport.lost
    client.advance(32)
    assert client.transport.aborted and client.transport.lost


def test_an_idle_connection_has_one_timer(connect: Connect) -> None:
    client = connect()
    made = []
    call_at = client.loop.call_at
    client.loop.call_at = lambda *args, **kw: made.append(1) or call_at(*args, **kw)  # type: ignore
    for _ in range(50):
        client.send(GET)
    # The connection's timer stands at the idle limit or before; only nearer deadlines need one.
    assert len(made) <= 2
