"""Which requests are let in: Host, Origin and keys, before the body is read."""

from __future__ import annotations

import pytest

from http_harness import Client
from llamabox.http.cors import CorsPolicy
from llamabox.http.gate import Gate, is_loopback
from llamabox.http.names import host_of, is_local
from llamabox.http.service import ServerOptions
from llamabox.keys import digest

KEYS = Gate(key_digests=(digest("first"), digest("second")), is_public=lambda path: path == "/open")
LOCAL = Gate(hosts=frozenset({"box.example"}), pages=CorsPolicy((), local=True))


def status(gate: Gate, *lines: str, method: str = "GET", path: str = "/x") -> int:
    """The status of one request without a body."""
    client = Client(options=ServerOptions(gate=gate))
    head = [f"{method} {path} HTTP/1.1", *lines]
    if not any(line.startswith("Host:") for line in lines):
        head.append("Host: localhost")
    client.send(("\r\n".join(head) + "\r\n\r\n").encode())
    answer = client.answer(method)
    client.close()
    return answer.status


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer first",
        "Authorization: bearer second",
        "Authorization: Bearer  second ",
        "X-API-Key: first",
        "x-api-key: second",
    ],
)
def test_a_key_is_taken_in_either_field(line: str) -> None:
    assert status(KEYS, line) == 200


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Authorization: first"],
        ["Authorization: Basic first"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer "],
        ["Authorization: Bearer firs"],
        ["Authorization: Bearer first second"],
        ["Authorization: Bearer FIRST"],
        ["X-API-Key:"],
        ["X-API-Key: Bearer first"],
        ["X-API-Key: first, second"],
        ["X-API-Key: f\u00efrst"],
        [f"X-API-Key: {digest('first')}"],
        ["Cookie: api_key=first"],
    ],
)
def test_anything_else_is_401(lines: list[str]) -> None:
    assert status(KEYS, *lines) == 401


def test_a_401_is_an_error_of_openai_s_shape_and_closes_before_the_body() -> None:
    client = Client(options=ServerOptions(gate=KEYS))
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc")
    answer = client.answer("POST")
    assert answer.status == 401
    assert b'"type":"authentication_error"' in answer.body
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["connection"] == "close"
    assert not client.seen
    assert client.closed
    client.close()


def test_a_client_that_asks_before_it_sends_is_refused_at_once() -> None:
    client = Client(options=ServerOptions(gate=KEYS))
    client.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    assert client.output.startswith(b"HTTP/1.1 401 ")
    client.close()


def test_public_paths_and_preflights_need_no_key() -> None:
    assert status(KEYS, path="/open") == 200
    assert status(KEYS, path="/open/") == 401
    assert status(KEYS, "Origin: https://a.example", method="OPTIONS") == 204


def test_pages_can_read_a_401() -> None:
    client = Client(options=ServerOptions(gate=KEYS))
    client.send(b"GET /x HTTP/1.1\r\nHost: h\r\nOrigin: https://a.example\r\n\r\n")
    assert client.answer().headers["access-control-allow-origin"] == "*"
    client.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("localhost.:8080", 200),
        ("app.localhost", 200),
        ("127.0.0.1:8080", 200),
        ("127.9.9.9", 200),
        ("[::1]:8080", 200),
        ("box.example:1", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evillocalhost", 421),
        ("box.example.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("0.0.0.0", 421),
        ("2130706433", 421),
        ("[::2]", 421),
        ("[::ffff:10.0.0.1]", 421),
    ],
)
def test_only_own_names_are_taken_as_host(host: str, expected: int) -> None:
    assert status(LOCAL, f"Host: {host}") == expected


def test_an_absolute_target_is_judged_by_its_own_host() -> None:
    assert status(LOCAL, "Host: localhost", path="http://evil.example/x") == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://localhost:3000", 200),
        ("https://app.localhost", 200),
        ("http://127.0.0.1", 200),
        ("http://[::1]:5173", 200),
        ("https://evil.example", 403),
        ("https://localhost.evil.example", 403),
        ("http://localhost@evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("chrome-extension://localhost", 403),
        ("", 403),
    ],
)
def test_only_local_pages_may_change_something(origin: str, expected: int) -> None:
    assert status(LOCAL, f"Origin: {origin}", method="POST") == expected
    # Reading is let through: without the CORS field the page does not get to see the answer.
    assert status(LOCAL, f"Origin: {origin}") == 200


def test_named_origins_may_change_something_and_no_others() -> None:
    gate = Gate(pages=CorsPolicy(("https://app.example",)))
    assert status(gate, "Origin: https://app.example", method="POST") == 200
    assert status(gate, "Origin: http://app.example", method="POST") == 403
    assert status(gate, "Origin: http://localhost", method="POST") == 403


def test_the_default_gate_lets_everybody_in() -> None:
    assert status(Gate(), "Host: evil.example", "Origin: null", method="POST") == 200


def test_names() -> None:
    assert host_of("[::1]:80") == "::1"
    assert host_of("A.example.:80") == "a.example"
    assert not is_local("")
    assert [is_loopback(x) for x in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert [is_loopback(x) for x in ("0.0.0.0", "::", "box", "/run/a.sock")] == [False] * 4
