"""Answers: whole and streamed, keep-alive and pipelining, HEAD, HTTP/1.0, failures."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from http_harness import GET, Client, echo
from llamabox.http.exchange import Exchange
from llamabox.http.limits import MIB
from llamabox.http.message import HttpError, Request, Response

Connect = Callable[..., Client]
HEAD = GET.replace(b"GET", b"HEAD")
GET_10 = b"GET /x HTTP/1.0\r\n\r\n"


async def stream(request: Request, exchange: Exchange) -> None:
    exchange.start_stream(200, (("Content-Type", "text/event-stream"),))
    for piece in (b"one", b"", b"two"):
        exchange.write(piece)
    exchange.finish()


def test_whole_answer(connect: Connect) -> None:
    client = connect().send(GET)
    answer = client.answer()
    assert (answer.status, answer.body) == (200, b"GET /x 0")
    assert answer.headers["content-length"] == "8"
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["date"].endswith(" GMT")
    assert client.transport.writes == 1
    assert not client.closed


def test_stream_is_chunked_and_one_write_each(connect: Connect) -> None:
    client = connect(stream).send(GET)
    answer = client.answer()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"onetwo"
    assert client.transport.writes == 3
    assert client.output.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_stream_for_http_1_0_ends_with_the_connection(connect: Connect) -> None:
    client = connect(stream).send(GET_10)
    assert client.output.endswith(b"\r\n\r\nonetwo")
    answer = client.answer()
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert client.closed


def test_whole_answer_for_http_1_0(connect: Connect) -> None:
    client = connect().send(GET_10)
    assert client.answer().body == b"GET /x 0"
    assert client.closed


@pytest.mark.parametrize("handler", [echo, stream])
def test_head_has_no_body_and_keeps_the_connection(connect: Connect, handler: object) -> None:
    client = connect(handler).send(HEAD).send(GET)
    first, second = client.answers("HEAD", "GET")
    assert (first.status, first.body, second.status) == (200, b"", 200)
    assert second.body


def test_an_empty_stream_still_has_a_head(connect: Connect) -> None:
    async def empty(request: Request, exchange: Exchange) -> None:
        exchange.start_stream(200, ())

    assert connect(empty).send(GET).answer().status == 200


def test_the_head_is_held_until_the_first_write(connect: Connect) -> None:
    async def fails_early(request: Request, exchange: Exchange) -> None:
        exchange.start_stream(200, ())
        assert not exchange.started
        raise HttpError(503, "full", (("Retry-After", "7"),))

    answer = connect(fails_early).send(GET).answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert json.loads(answer.body)["error"]["type"] == "unavailable_error"


def test_a_failing_handler_is_a_500_and_one_log_line(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(request: Request, exchange: Exchange) -> None:
        raise ZeroDivisionError("secret")

    client = connect(fails).send(GET).send(GET)
    assert [answer.status for answer in client.answers()] == [500, 500]
    assert b"secret" not in client.output
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == ["handler failed"] * 2
    assert errors[0].__dict__["fields"]["error"] == "ZeroDivisionError"


def test_a_handler_that_fails_in_its_stream_breaks_the_connection(connect: Connect) -> None:
    async def fails(request: Request, exchange: Exchange) -> None:
        exchange.start_stream(200, ())
        exchange.write(b"one")
        raise ZeroDivisionError

    client = connect(fails).send(GET)
    assert client.transport.aborted
    assert not client.output.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("headers", [(("A", "b\r\nC: d"),), (("A", "\u20ac"),), (("A b", "c"),)])
def test_a_bad_header_of_a_handler_is_a_500(connect: Connect, headers: object) -> None:
    async def bad(request: Request, exchange: Exchange) -> Response:
        return Response(200, b"", headers=headers)  # type: ignore[arg-type]

    assert connect(bad).send(GET).answer().status == 500


def test_a_handler_without_an_answer_is_a_500(connect: Connect) -> None:
    async def nothing(request: Request, exchange: Exchange) -> None:
        return None

    assert connect(nothing).send(GET).answer().status == 500


def test_misuse_of_a_stream_is_an_error(connect: Connect) -> None:
    async def misuses(request: Request, exchange: Exchange) -> None:
        with pytest.raises(RuntimeError):
            exchange.write(b"before the start")
        exchange.start_stream(200, ())
        exchange.write(b"x")
        with pytest.raises(RuntimeError):
            exchange.start_stream(404, ())
        exchange.finish()
        exchange.finish()
        with pytest.raises(RuntimeError):
            exchange.write(b"after the end")

    assert connect(misuses).send(GET).answer().body == b"x"


def test_pipelined_requests_are_answered_in_order_one_at_a_time(connect: Connect) -> None:
    running = []
    gate: list[asyncio.Event] = []

    async def slow(request: Request, exchange: Exchange) -> Response:
        running.append(request.path)
        gate.append(asyncio.Event())
        await gate[-1].wait()
        return Response(200, request.path.encode())

    data = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(3))
    client = connect(slow).send(data)
    for count in (1, 2, 3):
        assert len(running) == count
        gate[-1].set()
        client.loop.settle()
    assert [answer.body for answer in client.answers()] == [b"/0", b"/1", b"/2"]


def test_a_client_that_pipelines_too_far_ahead_is_not_read(connect: Connect) -> None:
    release = asyncio.Event()

    async def slow(request: Request, exchange: Exchange) -> Response:
        await release.wait()
        return Response(200, b"")

    client = connect(slow)
    count = 40_000
    client.send(GET * count)
    assert not client.transport.reading
    assert len(client.waiting) >= len(GET) * count - 256 * 1024
    client.disconnect()
    release.set()


def test_pipelined_garbage_after_a_good_request(connect: Connect) -> None:
    client = connect().send(GET + b"\x00\x01garbage\r\n\r\n")
    assert [answer.status for answer in client.answers()] == [200, 400]
    assert client.closed


def test_the_connection_closes_when_the_client_says_so(connect: Connect) -> None:
    client = connect().send(b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert client.answer().headers["connection"] == "close"
    assert client.closed


def test_a_large_answer_goes_out_as_the_client_reads(connect: Connect) -> None:
    body = b"x" * (4 * MIB)

    async def large(request: Request, exchange: Exchange) -> Response:
        return Response(200, body)

    client = connect(large)
    client.transport.reads = False
    client.send(GET)
    assert client.transport.unsent < MIB
    while client.transport.unsent:
        client.transport.take(client.transport.unsent)
        client.loop.settle()
    assert client.answer().body == body
    assert not client.closed
