"""Limits of tokens per second: the header, the option, and what the stream looks like."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from api_harness import LiveServer, chat, completion
from box_process import TIMEOUT_S, Box
from conftest import CONFIG, StartServer
from fake_core import fake_engine
from llamabox.measure import measure_rate
from llamabox.models import DEMO_MODEL

_RATE = "X-Response-Tokens-Per-Second"
_N = 500
_PATHS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat(max_tokens=24),
    "/v1/completions": completion(max_tokens=24),
    "/completion": {"prompt": "hi", "n_predict": 24, "temperature": 0},
}


@pytest.fixture
def limited(start_server: StartServer) -> LiveServer:
    """A server with a limit."""
    return start_server(config=CONFIG.replace(engine__tokens_per_second=_N))


def _call(server: LiveServer, path: str, rate: str | None, **fields: Any) -> Any:
    headers = {} if rate is None else {"X-Request-Tokens-Per-Second": rate}
    return server.call("POST", path, {**_PATHS[path], **fields}, **headers)


def _seconds_between_tokens(server: LiveServer, path: str, rate: str | None) -> float:
    reply = _call(server, path, rate)
    assert reply.status == 200
    return 1 / float(reply.headers[_RATE])


@pytest.mark.parametrize("path", _PATHS)
def test_the_header_sets_the_rate_of_its_request(limited: LiveServer, path: str) -> None:
    assert 0.05 * 0.95 < _seconds_between_tokens(limited, path, "20") < 0.05 * 1.05
    # Without the header there is no limit: the fake model is far faster than N.
    assert _seconds_between_tokens(limited, path, None) < 0.01


@pytest.mark.parametrize("sent", ["0", "-3", "many", "", "1e3", "nan"])
def test_nonsense_means_the_server_s_own_limit(start_server: StartServer, sent: str) -> None:
    server = start_server(config=CONFIG.replace(engine__tokens_per_second=40))
    assert 0.025 * 0.95 < _seconds_between_tokens(server, "/v1/completions", sent) < 0.025 * 1.05


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("sent", [str(_N + 1), f"{_N}.5", "9" * 18])
def test_more_than_the_limit_is_gone(limited: LiveServer, path: str, sent: str) -> None:
    reply = _call(limited, path, sent)
    assert reply.status == 410
    assert reply.error["type"] == "invalid_request_error"
    assert str(_N) in reply.error["message"]
    assert limited.engine is not None and limited.engine.stats().n_requests == 0


def test_without_the_option_the_header_means_nothing(server: LiveServer) -> None:
    reply = _call(server, "/v1/completions", "1000000")
    assert reply.status == 200
    assert _RATE not in reply.headers
    assert _call(server, "/v1/completions", "1").status == 200  # 24 tokens, and no 23 seconds


def test_all_choices_of_all_prompts_share_the_limit(limited: LiveServer) -> None:
    reply = _call(limited, "/v1/completions", "100", prompt=["a", "b"], n=2, max_tokens=20)
    # 80 tokens of which the first of each choice is not waited for.
    assert 95 < float(reply.headers[_RATE]) < 106


def test_a_stream_is_even_and_ends_with_its_rate(limited: LiveServer) -> None:
    body = b'{"prompt": "hi", "max_tokens": 21, "temperature": 0, "stream": true}'
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "X-Request-Tokens-Per-Second: 20\r\nConnection: close\r\n\r\n"
    )
    arrivals: list[float] = []
    received = b""
    with socket.create_connection(("127.0.0.1", limited.port)) as client:
        client.sendall(head.encode() + body)
        while data := client.recv(65536):
            arrivals += [time.monotonic()] * data.count(b'data: {"id"')
            received += data
    head_text, _, rest = received.partition(b"\r\n\r\n")
    assert b"Trailer: X-Response-Tokens-Per-Second" in head_text
    last_chunk, _, trailer = rest.rpartition(b"\r\n0\r\n")
    assert b"[DONE]" in last_chunk
    name, _, value = trailer.decode().strip().partition(": ")
    assert name == _RATE
    assert 19 < float(value) < 21
    # Never several tokens at once, as a bucket that is filled once a second would send them.
    assert len(set(arrivals)) >= 15


def test_a_limit_is_measured_at_the_start() -> None:
    async def measured() -> int:
        engine = fake_engine(step_us=10_000)
        engine.start()
        try:
            return await measure_rate(engine, 32)
        finally:
            await engine.stop()

    # A step of the fake model takes 10 ms and a little.
    assert 50 <= asyncio.run(measured()) <= 101


def test_the_server_measures_before_it_is_ready() -> None:
    base = ("-m", str(DEMO_MODEL), "-c", "512", "-np", "1", "-t", "1", "--no-warmup")
    box = Box(*base, "--tokens-per-second", "-1")
    try:
        (line,) = [line for line in box.log if "msg=measured" in line]
        measured = int(line.partition("tokens_per_second=")[2].split()[0])
        assert measured > 1
        sent = urllib.request.Request(
            f"http://127.0.0.1:{box.port}/v1/completions",
            b'{"prompt": "hi", "max_tokens": 1}',
            {"X-Request-Tokens-Per-Second": str(measured + 1)},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(sent, timeout=TIMEOUT_S)
        assert caught.value.code == 410
        assert f"which is {measured}" in json.load(caught.value)["error"]["message"]
    finally:
        assert box.stop() == 0


def test_a_measured_limit_counts_like_a_given_one(start_server: StartServer) -> None:
    server = start_server(config=CONFIG.replace(engine__tokens_per_second=None))
    assert server.engine is not None
    server.engine.measured_rate = 30
    assert _call(server, "/v1/completions", "31").status == 410
    assert _call(server, "/v1/completions", "30", max_tokens=2).status == 200
