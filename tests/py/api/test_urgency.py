"""X-Request-Priority and X-Request-Timeout: what they do on each route, and what is no value."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from conftest import CONFIG, StartServer

_PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat(max_tokens=2000),
    "/v1/completions": completion(max_tokens=2000),
    "/completion": {"prompt": "hi", "n_predict": 2000, "temperature": 0},
}
_TEXTS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": "hi"},
    "/apply-template": {"messages": [{"role": "user", "content": "hi"}]},
}
_TIMEOUT = "X-Request-Timeout"
_PRIORITY = "X-Request-Priority"


@pytest.fixture
def encoding(start_server: StartServer) -> LiveServer:
    """A server that makes embeddings too."""
    return start_server(config=CONFIG.replace(encoder__embeddings=True))


def _begin(server: LiveServer, body: dict[str, Any], **headers: str) -> socket.socket:
    """A connection on which a completion has been asked for."""
    data = json.dumps(body).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n{lines}"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return connection


def _wait_for(server: LiveServer, counter: str, count: int) -> None:
    assert server.engine is not None
    while getattr(server.engine.stats(), counter) != count:
        server.get("/health")


@pytest.mark.parametrize("path", _PATHS)
def test_the_time_limit_ends_an_answer_that_is_being_written(
    start_server: StartServer, path: str
) -> None:
    server = start_server(n_slots=1, step_us=1000)
    reply = server.call("POST", path, _PATHS[path], **{_TIMEOUT: "0.1"})
    assert reply.status == 408
    assert reply.error["param"] == _TIMEOUT
    assert "while its answer was generated" in reply.error["message"]
    assert server.engine is not None and server.engine.stats().n_slots_busy == 0


@pytest.mark.parametrize("path", _PATHS)
def test_a_stream_that_is_cut_off_by_its_time_limit_ends_with_the_error(
    start_server: StartServer, path: str
) -> None:
    server = start_server(n_slots=1, step_us=1000)
    body = {**_PATHS[path], "stream": True}
    reply = server.call("POST", path, body, **{_TIMEOUT: "0.1"})
    assert reply.status == 200
    *_, last = [line for line in reply.body.split(b"\n") if line.startswith(b"data: ")]
    error = json.loads(last.removeprefix(b"data: "))["error"]
    assert error["code"] == 408
    assert error["param"] == _TIMEOUT


@pytest.mark.parametrize("stream", [False, True])
def test_the_time_limit_counts_while_a_request_waits(
    start_server: StartServer, stream: bool
) -> None:
    server = start_server(n_slots=1, step_us=2000)
    running = _begin(server, completion(max_tokens=2000))
    _wait_for(server, "n_slots_busy", 1)
    body = completion(max_tokens=1, stream=stream)
    reply = server.call("POST", "/v1/completions", body, **{_TIMEOUT: "0.05"})
    assert "while it waited" in reply.body.decode()
    assert _TIMEOUT in reply.body.decode()
    assert server.engine is not None and server.engine.stats().n_waiting == 0
    running.close()


def test_the_time_limit_counts_while_a_prompt_is_read(start_server: StartServer) -> None:
    server = start_server(n_slots=1, step_us=20_000, n_batch=8, n_ctx=2048)
    body = completion("x" * 2000, max_tokens=1)
    reply = server.call("POST", "/v1/completions", body, **{_TIMEOUT: "0.1"})
    assert reply.status == 408
    assert "while its text was read" in reply.error["message"]


def test_who_is_more_urgent_goes_first(start_server: StartServer) -> None:
    server = start_server(n_slots=1, step_us=2000)
    running = _begin(server, completion(max_tokens=200))
    _wait_for(server, "n_slots_busy", 1)
    low = _begin(server, completion(max_tokens=400), X_Request_Priority="-1")
    _wait_for(server, "n_waiting", 1)
    high = server.call("POST", "/v1/completions", completion(max_tokens=1), **{_PRIORITY: "+2"})
    assert high.status == 200
    low.setblocking(False)
    with pytest.raises(BlockingIOError):
        low.recv(1)  # it came first and has not been answered yet
    running.close()
    low.close()


@pytest.mark.parametrize("path", [*_PATHS, *_TEXTS])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((_PRIORITY, value) for value in ("11", "-11", "1.5", "high", "", "1e1", "99999999999")),
        *((_TIMEOUT, value) for value in ("0", "-1", "86401", "soon", "", "1e3", "nan", "inf")),
    ],
)
def test_what_is_no_value_is_refused_by_name(
    encoding: LiveServer, path: str, name: str, value: str
) -> None:
    body = {**_PATHS, **_TEXTS}[path]
    reply = encoding.call("POST", path, body, **{name: value})
    assert reply.status == 400
    assert reply.error["param"] == name
    assert reply.error["message"].startswith(name)


@pytest.mark.parametrize("path", _TEXTS)
def test_texts_that_are_only_read_take_both(encoding: LiveServer, path: str) -> None:
    headers = {_PRIORITY: "10", _TIMEOUT: "60"}
    assert encoding.call("POST", path, _TEXTS[path], **headers).status == 200


def test_web_pages_may_send_both(server: LiveServer) -> None:
    reply = server.call("OPTIONS", "/v1/completions", None, Origin="http://localhost:3000")
    allowed = reply.headers["Access-Control-Allow-Headers"]
    assert _PRIORITY in allowed
    assert _TIMEOUT in allowed
