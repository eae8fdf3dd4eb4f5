"""What every answer carries: CORS, request id, server name; and the line in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from http_harness import GET, Client, echo
from llamabox.http.cors import CorsPolicy
from llamabox.http.service import ServerOptions

Connect = Callable[..., Client]
HEAD = GET.replace(b"GET", b"HEAD")
GET_10 = b"GET /x HTTP/1.0\r\n\r\n"


def test_preflight_is_answered_for_every_path(connect: Connect) -> None:
    client = connect().send(
        b"OPTIONS /any HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\n"
        b"Access-Control-Request-Method: POST\r\n"
        b"Access-Control-Request-Headers: authorization, x-y\r\n\r\n"
    )
    answer = client.answer()
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization, x-y"
    assert not client.seen and not client.closed


def test_options_without_origin(connect: Connect) -> None:
    answer = connect().send(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").answer()
    assert answer.status == 204
    assert "GET" in answer.headers["allow"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "allowed"), [("http://a", "http://a"), ("http://b", None), (None, None)]
)
def test_listed_origins(connect: Connect, origin: str | None, allowed: str | None) -> None:
    options = ServerOptions(cors=CorsPolicy(("http://a",)))
    line = f"Origin: {origin}\r\n".encode() if origin else b""
    answer = connect(echo, None, options).send(GET[:-2] + line + b"\r\n").answer()
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert answer.headers.get("vary") == ("Origin" if origin else None)


def test_errors_carry_the_origin_and_the_request_id(connect: Connect) -> None:
    client = connect().send(
        b"POST /x HTTP/1.1\r\nHost: h\r\nOrigin: http://a\r\nX-Request-ID: abc\r\n"
        b"Content-Length: 99999999\r\n\r\n"
    )
    answer = client.answer()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"] == "abc"


def test_access_log(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client = connect(echo, None, ServerOptions(server_name="box/1"))
    client.send(b"GET /a?secret=1 HTTP/1.1\r\nHost: h\r\nX-Request-ID: me\r\n\r\n")
    client.send(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
    client.send(b"nonsense\r\n\r\n")
    first, second = (record.__dict__["fields"] for record in caplog.records)
    assert first == {
        "request_id": "me",
        "method": "GET",
        "path": "/a",
        "client": "192.0.2.1:4711",
        "status": 200,
        "bytes": 8,
        "ms": 0.0,
    }
    assert (second["status"], "path" in second) == (400, False)
    assert client.answers()[0].headers["server"] == "box/1"
