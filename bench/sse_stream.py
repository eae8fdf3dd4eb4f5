"""Reads one stream of server-sent events as cheaply as Python can: counts in the bytes."""

from __future__ import annotations

import re
import select
import socket
import time
from array import array

# None of these can occur in a text, where quotes are escaped. Both servers write the first into
# every event with text, and no other.
EVENT = b'"finish_reason":null'
FINISH = b'"finish_reason":"'
USAGE = b'"usage":{'
DONE = b"data: [DONE]"
COMPLETION_TOKENS = re.compile(rb'"completion_tokens":(\d+)')
NEWLINE = 10
N_SAMPLES = 200
SAMPLE = (
    b'de\r\ndata: {"id":"cmpl-0123456789abcdef0123456789abcdef","object":"text_completion",'
    b'"created":1700000000,"model":"model.gguf","choices":[{"index":0,"text":" word",'
    b'"logprobs":null,"finish_reason":null}],"usage":null}\n\n\r\n'
)


class Stream:
    """One request and what has been read of its answer."""

    __slots__ = ("counts", "done", "error", "n_tokens", "partial", "sent_ns", "socket", "times")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.sent_ns = 0
        self.times = array("q")  # ns, one for each read that brought events with text
        self.counts = array("i")  # events with text in that read
        self.partial = b""  # an event whose end has not been read
        self.n_tokens = -1  # as the server counted them
        self.done = False
        self.error = ""

    def take(self, data: bytearray, length: int, now: int) -> None:
        """Count the events in the first ``length`` bytes."""
        if self.partial or data[length - 1] != NEWLINE:
            data = bytearray(self.partial) + data[:length]
            length = data.rfind(b"\n") + 1
            self.partial = bytes(data[length:])
        n_events = data.count(EVENT, 0, length)
        if n_events == 0 or data.find(FINISH, 0, length) >= 0:
            self._take_other(bytes(data[:length]))
        if n_events > 0:
            self.times.append(now)
            self.counts.append(n_events)

    def _take_other(self, data: bytes) -> None:
        """Take what comes before and after the events with text."""
        if data.startswith(b"HTTP/") and data[9:12] != b"200":
            self.error = data.split(b"\r\n", 1)[0].decode("latin-1")
        at = data.find(USAGE)
        found = COMPLETION_TOKENS.search(data, at) if at >= 0 else None
        if found:
            self.n_tokens = int(found[1])
        if self.n_tokens >= 0 and DONE in data:
            self.done = True


def gaps_ms(stream: Stream) -> list[float]:
    """The times between the events with text."""
    gaps: list[float] = []
    before = -1
    for now, n_events in zip(stream.times, stream.counts, strict=True):
        if before >= 0:
            gaps.append((now - before) / 1e6)
        gaps += [0.0] * (n_events - 1)
        before = now
    return gaps


def handling_us() -> float:
    """CPU microseconds of this machine for one event that is there: wait, read and count it."""
    source, sink = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    buffer, epoll, stream = bytearray(1 << 18), select.epoll(), Stream(sink)
    with source, sink, epoll:
        epoll.register(sink.fileno(), select.EPOLLIN)
        used_ns = n_events = 0
        while n_events < N_SAMPLES:
            # Few at a time, since the kernel holds only some packets of a pair.
            for _ in range(8):
                source.send(SAMPLE)
            begin_ns = time.thread_time_ns()
            for _ in range(8):
                epoll.poll(1.0)
                length = sink.recv_into(buffer)
                stream.take(buffer, length, time.perf_counter_ns())
            used_ns += time.thread_time_ns() - begin_ns
            n_events += 8
    return used_ns / 1e3 / n_events
