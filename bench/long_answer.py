#!/usr/bin/env python3
"""Server CPU outside the model for streamed answers of up to 32,000 tokens: does it grow linearly?

    python bench/long_answer.py [--tokens 32000] [--step-us 20]

Two servers, one answer after another, each twice as long as the one before:
* a model that only sleeps: CPU of the event loop's thread, which knows nothing of the model (the
  fake itself reads all that its memory holds for each token, so its own thread says nothing). The
  last column is the cost per token against that of the shortest answer: linear where it ends level;
* the demo model: the route for chats with tools, whose output is parsed, against the plain one, in
  the loop's thread and in all threads. The model's own work is the same for both, and grows with
  its context; as it slows down its tokens no longer share wake-ups, so that the loop's cost per
  token rises on both routes. Parsing is linear where the ratios stay level.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import process_tree
from server_process import HOST, end, end_servers_on_sigterm, free_port, get, wait_until

from llamabox.models import DEMO_MODEL

FOLDER = Path(__file__).resolve().parent
SHORTEST = 1000
ROOM = 512
"""Tokens of the context beyond the longest answer."""
TIMEOUT_S = 600

WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}
PLAIN: dict[str, Any] = {"prompt": "Tell me a story."}
CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "tools": [{"type": "function", "function": WEATHER}],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of one answer."""

    all_s: float
    loop_s: float


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, int]]:
    """A server's process id and port."""
    port = free_port()
    process = subprocess.Popen(
        [word.replace("PORT", str(port)) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(process, lambda: get(port, "/v1/models"))
        yield process.pid, port
    finally:
        end(process)


def answer(pid: int, port: int, path: str, fields: dict[str, Any], n_tokens: int) -> Cost:
    """Stream one answer to its end and return what it cost. Raises SystemExit when it is short."""
    body = {**fields, "max_tokens": n_tokens, "stream": True, "temperature": 0}
    body |= {"ignore_eos": True, "stream_options": {"include_usage": True}}
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: "
    before = Cost(process_tree.cpu_s(pid), process_tree.thread_cpu_s(pid, pid))
    tail = b""
    with socket.create_connection((HOST, port), TIMEOUT_S) as client:
        client.sendall(f"{head}{len(data)}\r\n\r\n".encode() + data)
        while received := client.recv(1 << 16):
            tail = (tail + received)[-4096:]
    if f'"completion_tokens":{n_tokens},'.encode() not in tail:
        raise SystemExit(f"the answer of {n_tokens} tokens ended otherwise: {tail[-300:]!r}")
    return Cost(
        process_tree.cpu_s(pid) - before.all_s, process_tree.thread_cpu_s(pid, pid) - before.loop_s
    )


def table(title: str, lengths: list[int], cost_s: Callable[[int], float]) -> None:
    """Measure and print one row for each length."""
    print(f"\n{title}\n{'tokens':>8} {'CPU s':>9} {'us/token':>9} {'vs first':>9}")
    first = 0.0
    for n_tokens in lengths:
        used = cost_s(n_tokens)
        per_token = used * 1e6 / n_tokens
        first = first or per_token
        print(f"{n_tokens:8} {used:9.3f} {per_token:9.2f} {per_token / first:9.2f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU of long streamed answers.")
    parser.add_argument("--tokens", type=int, default=32000)
    parser.add_argument("--step-us", type=int, default=20)
    parser.add_argument("-t", "--threads", type=int, default=1)
    args = parser.parse_args()
    end_servers_on_sigterm()
    lengths = [SHORTEST]
    while lengths[-1] * 2 <= args.tokens:
        lengths.append(lengths[-1] * 2)
    n_ctx = str(args.tokens + ROOM)
    fake = [sys.executable, str(FOLDER / "fake_model.py"), "PORT", str(args.step_us), n_ctx]
    with serving(fake) as (pid, port):
        answer(pid, port, "/v1/completions", PLAIN, SHORTEST)
        table(
            "thread of the event loop, plain route, a model that only sleeps",
            lengths,
            lambda n: answer(pid, port, "/v1/completions", PLAIN, n).loop_s,
        )
    demo = [sys.executable, "-m", "llamabox", "--no-supervise", "--port", "PORT"]
    demo += ["-m", str(DEMO_MODEL), "-c", n_ctx, "-np", "1", "-t", str(args.threads)]
    with serving(demo) as (pid, port):
        answer(pid, port, "/v1/chat/completions", CHAT, SHORTEST)
        print(f"\nchat with tools against the plain route, demo model\n{'tokens':>8}", end="")
        print(f"{'loop us/token':>15}{'ratio':>7}{'all us/token':>14}{'ratio':>7}")
        for n_tokens in lengths:
            chat = answer(pid, port, "/v1/chat/completions", CHAT, n_tokens)
            plain = answer(pid, port, "/v1/completions", PLAIN, n_tokens)
            print(
                f"{n_tokens:8}{chat.loop_s * 1e6 / n_tokens:15.1f}{chat.loop_s / plain.loop_s:7.2f}"
                f"{chat.all_s * 1e6 / n_tokens:14.1f}{chat.all_s / plain.all_s:7.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
