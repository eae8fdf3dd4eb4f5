#!/usr/bin/env python3
"""Load generator: concurrent completion streams over raw sockets.

    python bench/load.py --port 8080 --streams 16 --requests 32 --max-tokens 128

Each stream asks for one completion after another, each on a connection of its own and with a prompt
of its own (random token ids). One thread waits in epoll and reads each ready socket once; events
are counted in the bytes, and no JSON is parsed but the usage at the end. Times are taken when the
bytes have been read. TTFT: request sent until the first event. ITL: time between two events with
text; events that arrive in one read have no time between them. What the generator costs is printed
twice: the CPU time of this process per event, in which the kernel counts every wake-up from sleep,
and what an event costs once it is awake.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from sse_stream import Stream, gaps_ms, handling_us


@dataclass(frozen=True, slots=True)
class Load:
    """What to ask for. Token ids of prompts lie in [id_low, id_high)."""

    streams: int = 1
    requests: int = 1
    max_tokens: int = 128
    prompt_tokens: int = 64
    shared_prefix: int = 0  # leading tokens that all prompts have in common
    id_low: int = 300
    id_high: int = 1000
    seed: int = 1
    timeout_s: float = 300.0
    fields: dict[str, Any] = field(default_factory=dict)  # of each request, besides the usual ones


@dataclass(frozen=True, slots=True)
class Summary:
    """One run. Rates are per second of wall time."""

    streams: int
    requests: int
    n_failed: int
    n_early: int  # ended before max_tokens
    n_tokens: int
    n_events: int  # events with text
    tok_s: float  # all tokens, first request sent until last event
    decode_tok_s: float  # of one stream: after its first token, mean over the streams
    ttft_ms_p50: float
    ttft_ms_p99: float
    itl_ms_p50: float
    itl_ms_p99: float
    wall_s: float
    cpu_s: float
    cpu_us_per_event: float  # of this process, wake-ups and requests included
    handling_us_per_event: float  # waiting, reading and counting while events are there
    errors: tuple[str, ...]  # the first few, one line each


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile; 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Prompts:
    """Makes the body of one request after another; bodies differ from each other."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._random = random.Random(load.seed)
        self._prefix = self._tokens(load.shared_prefix)

    def _tokens(self, n_tokens: int) -> list[int]:
        return [
            self._random.randrange(self._load.id_low, self._load.id_high) for _ in range(n_tokens)
        ]

    def request(self, host: str) -> bytes:
        load = self._load
        own = self._tokens(load.prompt_tokens - load.shared_prefix)
        body = json.dumps(
            {
                "prompt": self._prefix + own,
                "max_tokens": load.max_tokens,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
                **load.fields,
            }
        ).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Generator:
    """Runs one load; ``run`` may be called once."""

    def __init__(self, host: str, port: int, load: Load) -> None:
        self._address = (host, port)
        self._host = f"{host}:{port}"
        self._load = load
        self._prompts = Prompts(load)
        self._epoll = select.epoll()
        self._open: dict[int, Stream] = {}
        self._ended: list[Stream] = []
        self._left = load.requests

    def run(self) -> Summary:
        gc_was_on = gc.isenabled()
        gc.collect()
        gc.disable()
        first = [self._connect() for _ in range(min(self._load.streams, self._left))]
        cpu_ns, begin_ns = time.process_time_ns(), time.perf_counter_ns()
        for stream in first:
            self._send(stream)
        self._loop(begin_ns + int(self._load.timeout_s * 1e9))
        cpu_ns = time.process_time_ns() - cpu_ns
        self._epoll.close()
        if gc_was_on:
            gc.enable()
        for stream in self._open.values():
            stream.socket.close()
            stream.error = stream.error or "timed out"
        return self._summary(begin_ns, cpu_ns)

    def _connect(self) -> Stream:
        self._left -= 1
        sock = socket.create_connection(self._address, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Stream(sock)

    def _send(self, stream: Stream) -> None:
        request = self._prompts.request(self._host)
        stream.sent_ns = time.perf_counter_ns()
        stream.socket.sendall(request)
        stream.socket.setblocking(False)
        self._open[stream.socket.fileno()] = stream
        self._epoll.register(stream.socket.fileno(), select.EPOLLIN)

    def _loop(self, until_ns: int) -> None:
        buffer = bytearray(1 << 18)
        streams, now_ns, poll = self._open, time.perf_counter_ns, self._epoll.poll
        while streams and now_ns() < until_ns:
            for fd, _ in poll(1.0):
                stream = streams[fd]
                try:
                    length = stream.socket.recv_into(buffer)
                except OSError as error:
                    stream.error = str(error)
                    length = 0
                if length:
                    stream.take(buffer, length, now_ns())
                else:
                    self._end(stream)

    def _end(self, stream: Stream) -> None:
        self._epoll.unregister(stream.socket.fileno())
        del self._open[stream.socket.fileno()]
        stream.socket.close()
        if not stream.done:
            stream.error = stream.error or "the stream ended before [DONE]"
        self._ended.append(stream)
        if self._left > 0:
            self._send(self._connect())

    def _summary(self, begin_ns: int, cpu_ns: int) -> Summary:
        streams = [*self._ended, *self._open.values()]
        good = [stream for stream in streams if not stream.error and stream.times]
        rates = []
        for stream in good:
            span_s = (stream.times[-1] - stream.times[0]) / 1e9
            rates.append((stream.n_tokens - 1) / span_s if span_s > 0 else 0.0)
        ttft = [(stream.times[0] - stream.sent_ns) / 1e6 for stream in good]
        itl = [gap for stream in good for gap in gaps_ms(stream)]
        n_events = sum(sum(stream.counts) for stream in streams)
        n_tokens = sum(stream.n_tokens for stream in good)
        end_ns = max((stream.times[-1] for stream in good), default=begin_ns + 1)
        wall_s = (end_ns - begin_ns) / 1e9
        return Summary(
            streams=self._load.streams,
            requests=self._load.requests,
            n_failed=self._load.requests - len(good),
            n_early=sum(stream.n_tokens < self._load.max_tokens for stream in good),
            n_tokens=n_tokens,
            n_events=n_events,
            tok_s=n_tokens / wall_s,
            decode_tok_s=sum(rates) / max(1, len(rates)),
            ttft_ms_p50=percentile(ttft, 0.5),
            ttft_ms_p99=percentile(ttft, 0.99),
            itl_ms_p50=percentile(itl, 0.5),
            itl_ms_p99=percentile(itl, 0.99),
            wall_s=wall_s,
            cpu_s=cpu_ns / 1e9,
            cpu_us_per_event=cpu_ns / 1e3 / max(1, n_events),
            handling_us_per_event=handling_us(),
            errors=tuple(stream.error for stream in streams if stream.error)[:5],
        )


def run_load(host: str, port: int, load: Load) -> Summary:
    """Run one load to its end or its timeout. Raises OSError when nobody listens."""
    return Generator(host, port, load).run()


def main() -> int:
    parser = argparse.ArgumentParser(description="Load a server with completion streams.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--json", action="store_true", help="print JSON, one object a run")
    parser.add_argument("--repeat", type=int, default=1, help="runs, each with other prompts")
    for name, value in asdict(Load()).items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(value), default=value, help=f"default: {value}")
    args = vars(parser.parse_args())
    names = asdict(Load())
    failed = 0
    for i in count():
        if i == args["repeat"]:
            break
        load = Load(**{name: args[name] for name in names} | {"seed": args["seed"] + i})
        try:
            summary = run_load(args["host"], args["port"], load)
        except OSError as error:
            raise SystemExit(f"{args['host']}:{args['port']}: {error}") from error
        failed += summary.n_failed
        if args["json"]:
            print(json.dumps(asdict(summary)))
        else:
            print(" ".join(f"{key}={show(value)}" for key, value in asdict(summary).items()))
    return 1 if failed else 0


def show(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
