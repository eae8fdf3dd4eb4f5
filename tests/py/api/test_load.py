"""Many clients, clients that leave, clients that do not read."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

from api_harness import LiveServer, chat, completion, deltas
from conftest import StartServer
from fake_core import fake_text, rendered_length
from llamabox.http.limits import Limits

N_PROMPT = rendered_length(("user", "hi"))


def send(
    server: LiveServer, path: str, body: object, receive_bytes: int | None = None
) -> socket.socket:
    """A connection on which one request has been sent."""
    data = json.dumps(body).encode()
    connection = socket.socket()
    connection.settimeout(60)
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.connect(("127.0.0.1", server.port))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    connection.sendall(head.encode() + data)
    return connection


def wait_until_idle(server: LiveServer, n_requests: int) -> None:
    """Return when this many requests have been accepted and none is open; each look is a probe."""

    def is_idle() -> bool:
        engine = server.engine
        assert engine is not None
        return engine.stats().n_requests >= n_requests and engine.n_open == 0

    while not server.on_loop(is_idle):
        assert server.get("/health").status == 200


def test_many_streams_at_once(start_server: StartServer) -> None:
    server = start_server(n_slots=8)

    def one(_: int) -> str:
        events = server.post("/v1/chat/completions", chat(stream=True, max_tokens=40)).events()
        return "".join(part["delta"].get("content", "") for part in deltas(events))

    with ThreadPoolExecutor(64) as pool:
        texts = list(pool.map(one, range(256)))
    assert texts == [fake_text(N_PROMPT, 40)] * 256


def test_a_full_queue_is_429_with_a_time(start_server: StartServer) -> None:
    server = start_server(n_slots=1, n_queue=1, step_us=5000)
    assert server.engine is not None
    running = []
    # One after the other: the second would be refused while the first still waits for its slot.
    for counter in ("n_slots_busy", "n_waiting"):
        running.append(send(server, "/v1/completions", completion(max_tokens=2000)))
        while getattr(server.engine.stats(), counter) != 1:
            server.get("/health")
    reply = server.post("/v1/completions", completion(max_tokens=1))
    assert reply.status == 429
    assert reply.error["type"] == "rate_limit_error"
    assert 1 <= int(reply.headers["Retry-After"]) <= 60
    for connection in running:
        connection.close()
    # Only requests that still run are refused; those of clients that left make room.
    while server.post("/v1/completions", completion(max_tokens=1)).status != 200:
        pass


def test_a_prompt_that_does_not_fit_the_queue_ends_the_others(start_server: StartServer) -> None:
    server = start_server(n_slots=1, n_queue=4, step_us=1000)
    asked = completion([f"prompt {at}" for at in range(20)], max_tokens=400)
    assert server.post("/v1/completions", asked).status == 429
    wait_until_idle(server, n_requests=4)


def test_clients_that_leave_free_their_slots(start_server: StartServer) -> None:
    server = start_server(n_slots=2, step_us=1000)
    for n_rounds, stream in enumerate((True, False), start=1):
        gone = [
            send(server, "/v1/chat/completions", chat(stream=stream, max_tokens=2000))
            for _ in range(20)
        ]
        # One of them has its first bytes, so that a running stream is among those that end.
        if stream:
            assert gone[0].recv(1)
        for connection in gone:
            connection.close()
        wait_until_idle(server, n_requests=20 * n_rounds)
    assert server.engine is not None
    assert server.engine.stats().n_slots_busy == 0


def test_a_client_that_does_not_read_holds_up_only_itself(start_server: StartServer) -> None:
    limits = Limits(unread_bytes=65536, write_high_bytes=65536, write_low_bytes=1024)
    server = start_server(limits=limits, n_slots=9)
    # A long name makes long events: about 8 MB, more than the kernel keeps for a connection.
    body = chat(stream=True, max_tokens=1000, n=8, model="m" * 512)
    slow = send(server, "/v1/chat/completions", body, receive_bytes=4096)
    wait_until_idle(server, n_requests=1)
    n_unsent = server.on_loop(server.n_unsent)
    received = bytearray()
    while not received.endswith(b"0\r\n\r\n"):
        data = slow.recv(1 << 20)
        assert data
        received += data
    slow.close()
    # The engine had ended; the rest waited as events, not as bytes.
    assert limits.unread_bytes < n_unsent < 2 * limits.unread_bytes
    assert len(received) > 4 * n_unsent
    assert received.count(b'"delta":{"content":') == 8 * 1000
    assert b"data: [DONE]\n\n" in received


def test_a_silent_stream_says_so_and_ends_with_an_error_event(start_server: StartServer) -> None:
    limits = Limits(sse_first_ping_s=0.01, sse_ping_s=0.01)
    server = start_server(limits=limits, n_slots=1, step_us=2000)
    first = send(server, "/v1/completions", completion(max_tokens=2000))
    waiting = send(server, "/v1/chat/completions", chat(stream=True, max_tokens=2000))
    received = bytearray()
    while b": ping" not in received:
        received += waiting.recv(65536)
    assert received.startswith(b"HTTP/1.1 200 ")
    stopping = threading.Thread(
        target=lambda: server.engine is not None and server.engine._engine.stop()
    )
    stopping.start()
    while not received.endswith(b"0\r\n\r\n"):
        data = waiting.recv(65536)
        assert data
        received += data
    stopping.join()
    assert b'error: {"error":{"code":503,' in received
    assert b'data: {"error":{"code":503,' in received
    assert b"[DONE]" not in received
    first.close()
    waiting.close()
