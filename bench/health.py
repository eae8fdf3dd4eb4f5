#!/usr/bin/env python3
"""How long /health takes while the server is busy with large bodies and large answers.

    python bench/health.py [--seconds 10] [--every-ms 20] [--port PORT]

Starts a server on the model that only sleeps (or uses the one on PORT), and asks for /health on one
connection at a fixed pace while another process posts one kind of load after another. Each wait is
counted from the moment the request was due, so that a held loop is seen in all requests it delays.
The target is a p99 of 20 ms on a quiet machine; the first row shows what the machine gives.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
FOLDER = Path(__file__).resolve().parent
Body = Callable[[], bytes]


def long_text() -> bytes:
    return json.dumps({"content": "the quick brown fox " * (15 * MIB // 20)}).encode()


def text_with_pieces() -> bytes:
    return json.dumps(
        {"content": "the quick brown fox " * (MIB // 20), "with_pieces": True}
    ).encode()


def many_ids() -> bytes:
    return json.dumps({"tokens": [104, 105] * (3 * MIB // 2)}, separators=(",", ":")).encode()


def many_texts() -> bytes:
    return json.dumps({"content": ["a short text of a few words"] * 2048}).encode()


def too_long_chat() -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "x" * (15 * MIB)}]}).encode()


def many_choices() -> bytes:
    return json.dumps({"prompt": ["hello"] * 4, "n": 16, "max_tokens": 128}).encode()


LOADS: dict[str, tuple[str, Body] | None] = {
    "idle": None,
    "tokenize, 15 MiB of text": ("/tokenize", long_text),
    "tokenize, 1 MiB with pieces": ("/tokenize", text_with_pieces),
    "tokenize, 2048 texts": ("/tokenize", many_texts),
    "detokenize, 3M ids": ("/detokenize", many_ids),
    "chat, 15 MiB refused": ("/v1/chat/completions", too_long_chat),
    "completions, 64 choices": ("/v1/completions", many_choices),
}


def post_again_and_again(port: int, path: str, body: Body, stop: float) -> None:
    """Post one body until ``stop``; whatever the answer is, all of it is read."""
    data = body()
    while time.monotonic() < stop:
        connection = http.client.HTTPConnection("localhost", port, timeout=120)
        connection.request("POST", path, data)
        connection.getresponse().read()
        connection.close()


def ask_for_health(port: int, seconds: float, every_s: float) -> list[float]:
    """Milliseconds from when each request was due until its answer was there, in order."""
    waits: list[float] = []
    with socket.create_connection(("localhost", port), timeout=120) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.monotonic()
        end = due + seconds
        while due < end:
            time.sleep(max(0.0, due - time.monotonic()))
            sock.sendall(HEALTH)
            answer = b""
            while not answer.endswith(b"}"):
                received = sock.recv(4096)
                if not received:
                    raise SystemExit("the server closed the connection")
                answer += received
            waits.append((time.monotonic() - due) * 1000)
            due += every_s
    return sorted(waits)


def row(name: str, waits: list[float]) -> str:
    def at(share: float) -> float:
        return waits[min(len(waits) - 1, int(share * len(waits)))]

    figures = "".join(f"{at(share):>10.2f}" for share in (0.5, 0.99, 1.0))
    return f"{name:<30}{len(waits):>8}{figures}"


def measure(port: int, seconds: float, every_s: float) -> None:
    print(f"{'load':<30}{'asked':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}")
    for name, load in LOADS.items():
        process = None
        if load is not None:
            arguments = (port, *load, time.monotonic() + seconds)
            process = multiprocessing.Process(target=post_again_and_again, args=arguments)
            process.start()
        print(row(name, ask_for_health(port, seconds, every_s)), flush=True)
        if process is not None:
            process.join()


def start_server(port: int) -> subprocess.Popen[bytes]:
    server = subprocess.Popen([sys.executable, FOLDER / "fake_model.py", str(port), "200"])
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("localhost", port, timeout=10)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return server
        except OSError:
            if server.poll() is not None:
                break
        time.sleep(0.05)
    server.kill()
    raise SystemExit("the server did not start")


def main() -> int:
    parser = argparse.ArgumentParser(description="Latency of /health under load.")
    parser.add_argument("--seconds", type=float, default=10, help="for each load (10)")
    parser.add_argument("--every-ms", type=float, default=20, help="pace of the requests (20)")
    parser.add_argument("--port", type=int, help="use the server on this port of localhost")
    arguments = parser.parse_args()
    every_s = arguments.every_ms / 1000
    if arguments.port is not None:
        measure(arguments.port, arguments.seconds, every_s)
        return 0
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    server = start_server(port)
    try:
        measure(port, arguments.seconds, every_s)
    finally:
        server.terminate()
        server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
