"""Server-sent events: the bytes, and the comments that break a silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from http_harness import GET, Client
from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import Request
from llamabox.http.sse import PING, SSE_HEADERS, Pinger, event, event_parts, sse_data

Connect = Callable[..., Client]


class PingedStream:
    """A handler whose stream is watched by a Pinger and written by the test."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.exchange: Exchange

    async def __call__(self, request: Request, exchange: Exchange) -> None:
        self.exchange = exchange
        exchange.on_close(self.ended.set)
        exchange.start_stream(200, SSE_HEADERS)
        loop = asyncio.get_running_loop()
        self.pinger = Pinger(exchange, loop, self.limits)
        self.pinger.start()
        await self.ended.wait()

    limits = Limits()


def pings(client: Client) -> int:
    return client.output.count(PING)


def test_bytes_of_an_event() -> None:
    assert sse_data(b"{}") == b"data: {}\n\n"


def test_parts_give_the_same_bytes_as_the_whole() -> None:
    def build(text: str) -> bytes:
        return orjson.dumps({"model": 'a"b', "choices": [{"delta": {"content": text}}]})

    prefix, suffix = event_parts(build)
    for text in ("", "a", '"\n\\', "\u00e4\U0001f600", "\u2028"):
        assert event(prefix, orjson.dumps(text), suffix) == sse_data(build(text))


@pytest.mark.parametrize("build", [lambda _: b"{}", lambda t: orjson.dumps([t, t])])
def test_parts_need_the_text_exactly_once(build: Callable[[str], bytes]) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        event_parts(build)


def test_silence_brings_the_head_and_a_comment_then_one_every_interval(connect: Connect) -> None:
    client = connect(PingedStream()).send(GET)
    client.advance(4.75)
    assert client.output == b""
    client.advance(0.25)
    assert client.output.startswith(b"HTTP/1.1 200 ")
    assert pings(client) == 1
    client.advance(14.75)
    assert pings(client) == 1
    client.advance(0.25)
    assert pings(client) == 2


def test_writes_put_the_comment_off(connect: Connect) -> None:
    stream = PingedStream()
    client = connect(stream).send(GET)
    for _ in range(10):
        client.advance(4)
        stream.exchange.write(b"data: x\n\n")
    assert pings(client) == 0
    client.advance(14.75)
    assert pings(client) == 0
    client.advance(0.25)
    assert pings(client) == 1


def test_no_comment_for_a_client_that_does_not_read(connect: Connect) -> None:
    stream = PingedStream()
    client = connect(stream).send(GET)
    client.transport.reads = False
    stream.exchange.write(b"data: x\n\n")
    client.advance(20)
    assert pings(client) == 0


def test_comments_end_with_the_answer(connect: Connect) -> None:
    stream = PingedStream()
    client = connect(stream).send(GET)
    stream.ended.set()
    client.advance(10)
    assert pings(client) == 0
    assert client.answer().status == 200


def test_a_stopped_pinger_is_silent(connect: Connect) -> None:
    stream = PingedStream()
    client = connect(stream).send(GET)
    stream.pinger.stop()
    client.advance(100)
    assert client.output == b""


def test_zero_turns_comments_off(connect: Connect) -> None:
    stream = PingedStream()
    stream.limits = replace(Limits(), sse_ping_s=0.0)
    client = connect(stream).send(GET)
    client.advance(100)
    assert client.output == b""
