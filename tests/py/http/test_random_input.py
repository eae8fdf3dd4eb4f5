"""Random damage to good requests, cut anywhere: never an exception, never more answers than heads.

The seed of a failing case is its parameter.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from http_harness import GET, Client

Connect = Callable[..., Client]

REQUESTS = (
    GET,
    b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\nA: b\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    b"HEAD /x HTTP/1.0\r\nHost: h\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n\r\n",
)
PIECES = (b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\xff", b"0", b"-", b";", b"\r\n\r\n", b"%")


def damaged(source: random.Random) -> bytes:
    data = bytearray(b"".join(source.choices(REQUESTS, k=source.randint(1, 4))))
    for _ in range(source.randint(0, 4)):
        place = source.randrange(len(data))
        kind = source.randrange(4)
        if kind == 0:
            data[place] = source.randrange(256)
        elif kind == 1:
            data[place:place] = source.choice(PIECES)
        elif kind == 2:
            del data[place : place + source.randint(1, 8)]
        else:
            data[place:place] = data[: source.randint(1, 40)]
    return bytes(data)


def play(client: Client, data: bytes, source: random.Random) -> None:
    position = 0
    while position < len(data) and not client.transport.lost:
        step = source.choice((1, 2, 7, 64, 1000))
        client.connection.data_received(data[position : position + step])
        position += step
        if source.random() < 0.3:
            client.loop.settle()
    client.loop.settle()
    if not client.transport.lost:
        source.choice((client.eof, client.disconnect, lambda: client.advance(80)))()


@pytest.mark.parametrize("seed", range(300))
def test_random_damage(connect: Connect, seed: int) -> None:
    source = random.Random(seed)
    data = damaged(source)
    client = connect()
    play(client, data, source)
    assert client.transport.lost or client.closed
    heads = data.count(b"\r\n\r\n") + 1
    finals = client.output.count(b"HTTP/1.1 ") - client.output.count(b"HTTP/1.1 100 ")
    assert len(client.seen) <= finals <= heads or client.transport.aborted
    # After an error nothing that follows counts as a request.
    position = client.output.find(b"HTTP/1.1 4")
    assert position < 0 or client.output.find(b"HTTP/1.1 ", position + 1) < 0
