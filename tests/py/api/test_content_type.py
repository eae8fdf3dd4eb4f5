"""Bodies whose content type is no JSON: what a web page can send unasked is refused."""

from __future__ import annotations

import pytest

from api_harness import LiveServer, completion

_PAGE = {"Origin": "http://localhost:3000"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (None, 200),
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        # What curl -d says when it is not told otherwise.
        ("application/x-www-form-urlencoded", 200),
        ("text/plain", 415),
        ("text/plain;charset=UTF-8", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/json", 415),
        ("", 200),
    ],
)
def test_types(server: LiveServer, kind: str | None, status: int) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    reply = server.call("POST", "/v1/completions", completion(), **headers)
    assert reply.status == status
    if status == 415:
        assert reply.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/tokenize", "/lora-adapters", "/infill"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_no_form_of_a_page_gets_through(server: LiveServer, path: str, kind: str) -> None:
    reply = server.call("POST", path, b"{}", **{"Content-Type": kind}, **_PAGE)
    assert reply.status == 415


def test_a_page_may_send_json(server: LiveServer) -> None:
    reply = server.call(
        "POST", "/v1/completions", completion(), **{"Content-Type": "application/json"}, **_PAGE
    )
    assert reply.status == 200
