"""Request bodies: framing, sizes, memory, 100-continue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from http_harness import GET, Client, echo
from llamabox.http.limits import MIB, Limits
from llamabox.http.router import Router
from llamabox.http.service import ServerOptions

Connect = Callable[..., Client]
HEAD = GET.replace(b"GET", b"HEAD")
GET_10 = b"GET /x HTTP/1.0\r\n\r\n"


def test_chunked_and_counted_bodies_reach_the_handler(connect: Connect) -> None:
    post = b"POST /x HTTP/1.1\r\nHost: h\r\n"
    client = connect()
    client.send(post + b"Content-Length: 3\r\n\r\nabc")
    client.send(post + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")
    assert [request.body for request in client.seen] == [b"abc", b"abc"]


def test_a_large_body_gives_the_loop_turns(connect: Connect) -> None:
    client = connect()
    turns = 0
    size = 8 * MIB
    client.connection.data_received(
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    )
    client.connection.data_received(b"x" * size)

    async def count_turns() -> None:
        nonlocal turns
        while not client.output:
            turns += 1
            await asyncio.sleep(0)

    client.loop.run_until_complete(count_turns())
    assert turns >= size // Limits().read_slice_bytes - 1
    assert client.answer().body == b"POST /x %d" % size
    assert client.transport.reading


def test_100_continue_is_sent_when_the_body_is_wanted(connect: Connect) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    client = connect().send(head)
    assert client.output == b"HTTP/1.1 100 \r\n\r\n"
    client.send(b"abc")
    assert client.output.count(b"HTTP/1.1 ") == 2
    assert client.seen[0].body == b"abc"


def test_100_continue_is_not_sent_for_a_body_that_is_refused_or_here(connect: Connect) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    client = connect().send(head % (17 * MIB))
    assert client.answer().status == 413
    assert client.closed
    assert connect().send(head % 3 + b"abc").answer().status == 200
    assert connect().send(head % 0).answer().status == 200


def test_body_limits_depend_on_the_route(connect: Connect) -> None:
    router = Router()
    router.add("POST", "/text", echo)
    router.add("POST", "/media", echo, large_body=True)
    limits = replace(Limits(), text_body_bytes=4, large_body_bytes=8)
    options = ServerOptions(large_body=router.large_body)
    post = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b"
    for path, size, status in (
        (b"/text", 4, 200),
        (b"/text", 5, 413),
        (b"/media", 8, 200),
        (b"/media", 9, 413),
        (b"/none", 4, 404),
    ):
        client = connect(router, limits, options).send(post % (path, size, b"x" * size))
        assert client.answer().status == status


def test_a_chunked_body_is_capped_by_what_comes(connect: Connect) -> None:
    limits = replace(Limits(), text_body_bytes=8)
    client = connect(echo, limits)
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"4\r\nabcd\r\n").send(b"4\r\nabcd\r\n")
    assert not client.output
    client.send(b"1\r\n")
    assert client.answer().status == 413


def test_all_bodies_together_are_capped(connect: Connect) -> None:
    client = connect(echo, replace(Limits(), all_bodies_bytes=10))
    client.service.bodies_bytes = 8
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabc")
    answer = client.answer()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert client.service.bodies_bytes == 8
    client.service.bodies_bytes = 0


def test_too_many_small_chunks(connect: Connect) -> None:
    client = connect()
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"1\r\na\r\n" * 1024)
    assert not client.output
    client.send(b"1\r\na\r\n" * 100)
    assert client.answer().status == 400


def test_the_rest_of_a_refused_body_is_thrown_away_for_a_moment(connect: Connect) -> None:
    client = connect()
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
    client.send(b"x" * 100_000)
    assert client.answer().status == 413
    assert client.transport.half_closed and not client.transport.lost
    client.eof()
    assert client.transport.lost
    patient = connect().send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n")
    patient.advance(2.25)
    assert patient.transport.lost
