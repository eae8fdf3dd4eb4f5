"""Messages, routes and bodies: the pure pieces of the HTTP layer."""

from __future__ import annotations

import asyncio
import json

import pytest

from llamabox.http.access import client_text
from llamabox.http.body import ChunkedBody, CountedBody
from llamabox.http.exchange import Exchange
from llamabox.http.flow import Deadline
from llamabox.http.limits import Limits
from llamabox.http.message import (
    Headers,
    HttpError,
    Request,
    Response,
    error_response,
    error_type,
    request_id,
)
from llamabox.http.router import Router


async def first(request: Request, exchange: Exchange) -> Response:
    return Response(200, b"1")


async def second(request: Request, exchange: Exchange) -> Response:
    return Response(200, b"2")


def test_headers_ignore_case_and_join_repeats() -> None:
    headers = Headers([(b"Accept", b"a"), (b"x-y", b"\xff"), (b"ACCEPT", b"b")])
    assert headers.get("aCCept") == headers.get(b"accept") == "a, b"
    assert headers.get("X-Y") == "\xff"
    assert headers.get("none") is None and headers.get("none", "d") == "d"
    assert "ACCEPT" in headers and "none" not in headers
    assert list(headers) == ["accept", "x-y"] and len(headers) == 2


def test_headers_show_no_values() -> None:
    assert "secret" not in repr(Headers([(b"Authorization", b"secret")]))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "invalid_request_error"),
        (500, "server_error"),
        (501, "server_error"),
        (503, "unavailable_error"),
    ],
)
def test_error_types(status: int, kind: str) -> None:
    assert error_type(status) == kind


def test_error_response() -> None:
    response = error_response(400, "no", "invalid_request_error", "n", (("A", "b"),))
    assert response.headers == (("A", "b"),)
    assert json.loads(response.body) == {
        "error": {"code": 400, "message": "no", "type": "invalid_request_error", "param": "n"},
        "detail": "no",
    }


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("a-B_9.z", "a-B_9.z"), ("a b\r\nc\xff", "abc"), ("x" * 200, "x" * 128)],
)
def test_request_id_keeps_harmless_characters(sent: str, kept: str) -> None:
    assert request_id(sent) == kept


@pytest.mark.parametrize("sent", [None, "", "\xff <>"])
def test_request_id_is_made_when_there_is_none(sent: str | None) -> None:
    made = {request_id(sent) for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) == 32 for each in made)


def test_routes() -> None:
    router = Router()
    router.add("GET", "/a", first)
    router.add("POST", "/a", second, large_body=True)
    router.add("POST", "/b", second)
    assert router.match("GET", "/a").handler is first
    assert router.match("HEAD", "/a").handler is first
    assert router.match("POST", "/a").handler is second
    assert router.large_body("/a")
    assert not router.large_body("/b") and not router.large_body("/c")
    with pytest.raises(ValueError, match="POST /b is given twice"):
        router.add("POST", "/b", first)


def test_unknown_paths_and_methods() -> None:
    router = Router()
    router.add("GET", "/a", first)
    router.add("POST", "/b", first)
    with pytest.raises(HttpError) as caught:
        router.match("GET", "/A")
    assert caught.value.status == 404
    with pytest.raises(HttpError) as caught:
        router.match("PUT", "/a")
    assert caught.value.status == 405
    assert caught.value.headers == (("Allow", "GET, HEAD, OPTIONS"),)
    with pytest.raises(HttpError) as caught:
        router.match("HEAD", "/b")
    assert caught.value.headers == (("Allow", "OPTIONS, POST"),)


@pytest.mark.parametrize(
    ("peer", "text"),
    [
        (("192.0.2.1", 1), "192.0.2.1:1"),
        (("2001:db8::1", 2, 0, 0), "[2001:db8::1]:2"),
        ("", "unix"),
        (None, "unix"),
    ],
)
def test_client_text(peer: object, text: str) -> None:
    assert client_text(peer) == text


def test_counted_body_takes_no_more_than_its_own() -> None:
    body = CountedBody(5)
    inbox = bytearray(b"abc")
    assert body.feed(inbox, 100) == 3 and not body.done and not inbox
    inbox += b"defg"
    assert body.feed(inbox, 100) == 2 and body.done
    assert (body.data, inbox) == (b"abcde", b"fg")
    assert CountedBody(0).done


def test_counted_body_keeps_to_its_budget() -> None:
    body = CountedBody(10)
    inbox = bytearray(b"0123456789")
    assert body.feed(inbox, 4) == 4
    assert inbox == b"456789"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_chunked_body_is_the_same_however_it_comes(step: int) -> None:
    data = b"5\r\nhello\r\n1;ext=1\r\n!\r\n00a\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nNEXT"
    body = ChunkedBody(1000, Limits())
    inbox = bytearray()
    for start in range(0, len(data), step):
        inbox += data[start : start + step]
        body.feed(inbox, 1000)
    assert body.done
    assert body.data == b"hello!0123456789"
    assert inbox == b"NEXT"


def test_chunked_body_keeps_to_its_budget() -> None:
    body = ChunkedBody(10_000, Limits())
    inbox = bytearray(b"1\r\na\r\n" * 1000)
    taken = body.feed(inbox, 600)
    assert 600 <= taken <= 606
    assert len(inbox) == 6000 - taken


def test_chunked_body_stops_at_its_limit() -> None:
    body = ChunkedBody(4, Limits())
    body.feed(bytearray(b"4\r\nabcd\r\n"), 100)
    with pytest.raises(HttpError) as caught:
        body.feed(bytearray(b"1\r\n"), 100)
    assert caught.value.status == 413


def test_trailers_are_bounded() -> None:
    body = ChunkedBody(4, Limits())
    with pytest.raises(HttpError) as caught:
        body.feed(bytearray(b"0\r\n" + b"A: b\r\n" * 2000), 10**6)
    assert caught.value.status == 431


def test_a_deadline_moved_later_makes_no_new_timer() -> None:
    class Loop(asyncio.SelectorEventLoop):
        now = 0.0

        def time(self) -> float:
            return self.now

    loop = Loop()
    fired: list[float] = []
    made: list[float] = []
    call_at = loop.call_at

    def counting(when: float, *arguments: object) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *arguments)  # type: ignore[arg-type]

    loop.call_at = counting  # type: ignore[method-assign, assignment]
    deadline = Deadline(loop, fired.append)
    for when in range(10, 20):
        deadline.set(float(when))
    assert made == [10.0]
    for now in (10.0, 18.0, 19.0, 50.0):
        loop.now = now
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
    assert fired == [19.0]
    assert made == [10.0, 19.0]
    deadline.set(60.0)
    deadline.set(55.0)
    assert made == [10.0, 19.0, 60.0, 55.0]
    deadline.cancel()
    loop.now = 100.0
    loop.run_until_complete(asyncio.sleep(0))
    assert fired == [19.0]
    loop.close()
