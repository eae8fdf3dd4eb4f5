"""What h11 lets pass and this server must not, one row each, and oddities that must work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from http_harness import Client

Connect = Callable[..., Client]

POST = b"POST /x HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and coding": (400, POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "coding on 1.0": (400, b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "length list": (400, POST + b"Content-Length: 4, 4\r\n\r\nabcd"),
    "two equal lengths": (400, POST + b"Content-Length: 4\r\ncontent-length: 4\r\n\r\nabcd"),
    "HTTP/1.2": (505, b"GET /x HTTP/1.2\r\nHost: h\r\n\r\n"),
    "HTTP/2.0": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "bare LF in the request line": (400, b"GET /x HTTP/1.1\nHost: h\r\n\r\n"),
    "bare LF after a header": (400, b"GET /x HTTP/1.1\r\nHost: h\nA: b\r\n\r\n"),
    "bare LF everywhere": (400, b"GET /x HTTP/1.1\nHost: h\n\n"),
    "bare LF at the end": (400, b"GET /x HTTP/1.1\r\nHost: h\r\n\n"),
    "bare LF after a chunk size": (400, CHUNKED + b"4\nabcd\r\n0\r\n\r\n"),
    "bare LF in a trailer": (400, CHUNKED + b"0\r\nA: b\n\n"),
    "bare LF ends the trailer": (400, CHUNKED + b"0\r\n\n"),
    "folded line": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n"),
    "folded with tab": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n"),
    "path in Host": (400, b"GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "user in Host": (400, b"GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    "empty Host": (400, b"GET /x HTTP/1.1\r\nHost:\r\n\r\n"),
    "bad port in Host": (400, b"GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    "absolute target without host": (400, b"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "absolute target with user": (400, b"GET http://u@a/x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "foreign scheme": (400, b"GET ftp://a/x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "CONNECT": (405, b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "asterisk": (400, b"GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    "fragment": (400, b"GET /x#y HTTP/1.1\r\nHost: h\r\n\r\n"),
    "relative target": (400, b"GET x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "lower-case method": (400, b"get /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "method of 2 KiB": (400, b"G" * 2048 + b" /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "request line of 9 KiB": (414, b"GET /" + b"x" * 9216 + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
    "endless request line": (414, b"GET /" + b"x" * 9216),
    "header block of 70 KB": (
        431,
        b"GET /x HTTP/1.1\r\nHost: h\r\nA: " + b"a" * 70000 + b"\r\n\r\n",
    ),
    "endless header": (431, b"GET /x HTTP/1.1\r\nHost: h\r\nA: " + b"a" * 70000),
    "1,000 header lines": (431, b"GET /x HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 1000 + b"\r\n"),
    "chunk extension of 8 KiB": (400, CHUNKED + b"4;" + b"e" * 8192 + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunk extension of 257 B": (400, CHUNKED + b"4;" + b"e" * 256 + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunk of 2^80 bytes": (413, CHUNKED + b"F" * 20 + b"\r\nabcd"),
    "Expect: 200-ok": (417, POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\na"),
    "three empty lines first": (400, b"\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "empty LF line first": (400, b"\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    # These h11 refuses itself, or would: the own chunk decoder must be as strict.
    "TLS hello": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "space first": (400, b" GET /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "no Host": (400, b"GET /x HTTP/1.1\r\n\r\n"),
    "two Hosts": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    "bare CR in a value": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n"),
    "NUL in a value": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"),
    "space before the colon": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n"),
    "no colon": (400, b"GET /x HTTP/1.1\r\nHost: h\r\nAb\r\n\r\n"),
    "two spaces": (400, b"GET  /x HTTP/1.1\r\nHost: h\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /x\r\n\r\n"),
    "negative length": (400, POST + b"Content-Length: -1\r\n\r\n"),
    "plus length": (400, POST + b"Content-Length: +1\r\n\r\na"),
    "length with a point": (400, POST + b"Content-Length: 1.0\r\n\r\na"),
    "huge length": (400, POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n"),
    "gzip coding": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    "two codings": (501, POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n"),
    "empty chunk size": (400, CHUNKED + b"\r\nabcd\r\n0\r\n\r\n"),
    "chunk size 0x4": (400, CHUNKED + b"0x4\r\nabcd\r\n0\r\n\r\n"),
    "chunk size +4": (400, CHUNKED + b"+4\r\nabcd\r\n0\r\n\r\n"),
    "chunk size -4": (400, CHUNKED + b"-4\r\nabcd\r\n0\r\n\r\n"),
    "chunk size 1_0": (400, CHUNKED + b"1_0\r\nabcdabcdabcdabcd\r\n0\r\n\r\n"),
    "space before a chunk size": (400, CHUNKED + b" 4\r\nabcd\r\n0\r\n\r\n"),
    "21 digits": (400, CHUNKED + b"0" * 20 + b"4\r\nabcd\r\n0\r\n\r\n"),
    "chunk too long": (400, CHUNKED + b"4\r\nabcde\r\n0\r\n\r\n"),
    "chunk ends with LF": (400, CHUNKED + b"4\r\nabcd\n0\r\n\r\n"),
    "bare CR in a chunk extension": (400, CHUNKED + b"4;a\rb\r\nabcd\r\n0\r\n\r\n"),
    "trailer without colon": (400, CHUNKED + b"0\r\nabc\r\n\r\n"),
    "bad escape in the path": (400, b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"),
    "path not UTF-8": (400, b"GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n"),
    "NUL in the path": (400, b"GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n"),
    "announced body too large": (413, POST + b"Content-Length: 16777217\r\n\r\n"),
}

PASSES = {
    "empty lines first": (b"\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x 0"),
    "absolute target": (b"GET http://a.b:1/x?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET /x 0"),
    "absolute target without path": (b"GET http://a?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET / 0"),
    "IPv6 host": (b"GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET /x 0"),
    "bytes of 0x80 and more": (b"GET /x HTTP/1.1\r\nHost: h\r\nA: \xff\x80\r\n\r\n", "GET /x 0"),
    "Upgrade: h2c": (
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /x 4",
    ),
    "Connection: content-length": (
        POST + b"Connection: content-length\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /x 4",
    ),
    "trailer named Content-Length": (
        CHUNKED + b"4\r\nabcd\r\n0\r\nContent-Length: 9\r\n\r\n",
        "POST /x 4",
    ),
    "chunk extension of 255 B": (
        CHUNKED + b"4;" + b"e" * 255 + b"\r\nabcd\r\n0\r\n\r\n",
        "POST /x 4",
    ),
    "upper and lower case chunk size": (
        CHUNKED + b"0A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n",
        "POST /x 20",
    ),
    "escaped path": (b"GET /%C3%A4%2F HTTP/1.1\r\nHost: h\r\n\r\n", "GET /ä/ 0"),
    "Expect on 1.0": (
        b"POST /x HTTP/1.0\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\na",
        "POST /x 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("whole", [True, False], ids=["one read", "byte by byte"])
def test_refused(connect: Connect, name: str, whole: bool) -> None:
    status, data = REFUSED[name]
    client = connect()
    if whole:
        client.send(data)
    else:
        for position in range(len(data)):
            client.connection.data_received(data[position : position + 1])
        client.loop.settle()
    answer = client.answer()
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert client.closed
    assert not client.seen


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("whole", [True, False], ids=["one read", "byte by byte"])
def test_passes(connect: Connect, name: str, whole: bool) -> None:
    data, text = PASSES[name]
    client = connect()
    if whole:
        client.send(data)
    else:
        for position in range(len(data)):
            client.connection.data_received(data[position : position + 1])
        client.loop.settle()
    answer = client.answer()
    assert (answer.status, answer.body.decode()) == (200, text)


def test_after_a_refusal_nothing_is_parsed(connect: Connect) -> None:
    client = connect()
    client.send(REFUSED["length and coding"][1] + b"GET /y HTTP/1.1\r\nHost: h\r\n\r\n")
    client.send(b"GET /z HTTP/1.1\r\nHost: h\r\n\r\n")
    assert client.answer().status == 400
    assert not client.seen


def test_framing_is_unchanged_by_ignored_headers(connect: Connect) -> None:
    data, _ = PASSES["Connection: content-length"]
    client = connect().send(data + b"GET /y HTTP/1.1\r\nHost: h\r\n\r\n")
    assert [answer.body for answer in client.answers()] == [b"POST /x 4", b"GET /y 0"]


def test_the_target_names_the_host(connect: Connect) -> None:
    client = connect().send(b"GET http://a.b:1/x?q=1 HTTP/1.1\r\nHost: other\r\n\r\n")
    (request,) = client.seen
    assert (request.path, request.query) == ("/x", "q=1")
    assert request.headers.get("Host") == "a.b:1"


def test_raw_client_bytes_are_not_echoed(connect: Connect) -> None:
    client = connect().send(
        b"GET /x HTTP/1.1\r\nHost: h\r\nX-Request-ID: a\xff b<\r\nOrigin: \xff\r\n\r\n"
    )
    assert client.answer().headers["x-request-id"] == "ab"
    assert b"\xff" not in client.output


def test_100_header_lines_pass_and_101_do_not(connect: Connect) -> None:
    start = b"GET /x HTTP/1.1\r\nHost: h\r\n"
    assert connect().send(start + b"A: b\r\n" * 99 + b"\r\n").answer().status == 200
    assert connect().send(start + b"A: b\r\n" * 100 + b"\r\n").answer().status == 431


def test_error_bodies_have_the_common_shape(connect: Connect) -> None:
    import json

    body = json.loads(connect().send(REFUSED["fragment"][1]).answer().body)
    text = "the request target must not have a fragment"
    error = {"code": 400, "message": text, "type": "invalid_request_error", "param": None}
    assert body == {"error": error, "detail": text}
