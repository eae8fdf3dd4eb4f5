"""Clients that go away: on_close is called exactly once, in every phase, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from http_harness import GET, Client
from llamabox.http.exchange import Exchange
from llamabox.http.message import Request, Response

Connect = Callable[..., Client]
POST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"


class Work:
    """A handler that works until it is told to end, and counts what it hears."""

    def __init__(self, *, streams: bool, large: bool = False) -> None:
        self.streams = streams
        self.large = large
        self.calls = 0
        self.ended = asyncio.Event()
        self.exchange: Exchange | None = None
        self.drained = False

    def closed(self) -> None:
        self.calls += 1
        self.ended.set()

    async def __call__(self, request: Request, exchange: Exchange) -> Response | None:
        self.exchange = exchange
        exchange.on_close(self.closed)
        if self.streams:
            exchange.start_stream(200, ())
            exchange.write(b"x" * (100_000 if self.large else 1))
            if self.large:
                await exchange.drain()
                self.drained = True
        await self.ended.wait()
        if self.streams:
            return None
        return Response(200, b"late")


def lose(client: Client) -> None:
    client.disconnect()


def half_close(client: Client) -> None:
    client.eof()


@pytest.mark.parametrize("data", [b"", GET[:9], POST, POST + b"abc"], ids=len)
def test_while_reading_no_handler_runs(connect: Connect, data: bytes) -> None:
    work = Work(streams=False)
    client = connect(work).send(data)
    client.disconnect()
    assert work.exchange is None
    assert not client.output


@pytest.mark.parametrize("end", [lose, half_close])
@pytest.mark.parametrize("streams", [False, True])
def test_while_the_handler_runs(
    connect: Connect, end: Callable[[Client], None], streams: bool
) -> None:
    work = Work(streams=streams)
    client = connect(work).send(GET)
    assert work.calls == 0
    end(client)
    client.disconnect()
    assert work.calls == 1
    assert work.exchange is not None and work.exchange.closed


def test_while_waiting_in_drain(connect: Connect) -> None:
    work = Work(streams=True, large=True)
    client = connect(work)
    client.transport.reads = False
    client.send(GET)
    assert work.exchange is not None and work.exchange.backlog > 100_000
    assert not work.drained
    client.disconnect()
    assert work.drained and work.calls == 1
    assert work.exchange.backlog == 0


def test_drain_ends_when_the_client_has_read(connect: Connect) -> None:
    work = Work(streams=True, large=True)
    client = connect(work)
    client.transport.reads = False
    client.send(GET)
    client.transport.take(50_000)
    client.loop.settle()
    assert not work.drained
    client.transport.take(50_000)
    client.loop.settle()
    assert work.drained and work.calls == 0


def test_after_the_answer_nothing_is_called(connect: Connect) -> None:
    work = Work(streams=True)
    client = connect(work).send(GET)
    work.ended.set()
    client.loop.settle()
    assert work.exchange is not None and work.exchange.finished
    work.exchange.on_close(work.closed)
    client.disconnect()
    assert work.calls == 0
    assert client.answer().body == b"x"


def test_on_close_after_the_client_went_calls_at_once(connect: Connect) -> None:
    calls = []
    gone = asyncio.Event()

    async def registers_late(request: Request, exchange: Exchange) -> None:
        exchange.on_close(gone.set)
        await gone.wait()
        exchange.on_close(lambda: calls.append(1))
        assert calls == [1]

    client = connect(registers_late).send(GET)
    client.disconnect()
    assert calls == [1]


def test_a_bad_callback_does_not_silence_the_others(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(streams=False)

    async def two(request: Request, exchange: Exchange) -> Response | None:
        exchange.on_close(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        return await work(request, exchange)

    client = connect(two).send(GET)
    client.disconnect()
    assert work.calls == 1
    assert [record.getMessage() for record in caplog.records] == ["close callback failed"]


def test_writes_after_the_loss_are_dropped(connect: Connect) -> None:
    gone = asyncio.Event()

    async def goes_on(request: Request, exchange: Exchange) -> None:
        exchange.on_close(gone.set)
        exchange.start_stream(200, ())
        exchange.write(b"a")
        await gone.wait()
        exchange.write(b"b")
        await exchange.drain()
        exchange.finish()

    client = connect(goes_on).send(GET)
    client.disconnect()
    assert client.output.endswith(b"1\r\na\r\n")


def test_a_half_closed_client_is_answered_when_the_handler_answers(connect: Connect) -> None:
    client = connect()
    client.connection.data_received(GET + GET)
    client.eof()
    assert [answer.status for answer in client.answers()] == [200, 200]
    assert client.transport.lost


@pytest.mark.parametrize("data", [GET[:9], GET[:-2], POST + b"abc"], ids=len)
def test_a_truncated_request_is_a_400(connect: Connect, data: bytes) -> None:
    client = connect().send(data)
    client.eof()
    assert client.answer().status == 400
    assert client.transport.lost


def test_an_idle_client_that_half_closes_is_closed(connect: Connect) -> None:
    client = connect().send(GET)
    client.eof()
    assert client.transport.lost
    assert client.answer().status == 200


def test_a_disconnected_request_is_logged_once_as_499(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for data in (GET, POST + b"abc"):
        caplog.clear()
        client = connect(Work(streams=True)).send(data)
        client.disconnect()
        assert [record.__dict__["fields"]["status"] for record in caplog.records] == [499]


def test_abort_tells_the_handler(connect: Connect) -> None:
    work = Work(streams=True)
    client = connect(work).send(GET)
    client.connection.abort()
    assert work.calls == 1
    assert work.exchange is not None
    work.exchange.write(b"dropped, for the transport is closing")
    client.loop.settle()
    assert client.transport.lost and work.calls == 1
