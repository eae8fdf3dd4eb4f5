"""Requests whose single times and texts matter: one thread each, streams that can be cut off.

For rates of many streams load.py is the better generator: it costs far less.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from server_process import HOST

TIMEOUT_S = 300.0
Prompt = list[int] | str


class Ask(threading.Thread):
    """One completion, running from ``start`` on; the fields may be read at any time."""

    def __init__(
        self, port: int, prompt: Prompt, max_tokens: int, stream: bool = True, **fields: Any
    ) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._body = {
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
            **fields,
        }
        self._socket: socket.socket | None = None
        self._closed = False
        self.sent_s = 0.0
        self.times: list[float] = []  # of events with text
        self.text = ""
        self.usage: dict[str, Any] = {}
        self.n_reused = 0  # prompt tokens that were not read again
        self.error = ""
        self.ended_s = 0.0

    def run(self) -> None:
        try:
            self._ask()
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._closed:
                self.error = str(error) or type(error).__name__
        self.ended_s = time.perf_counter()

    def close(self) -> None:
        """Leave as a client does that closes its page."""
        self._closed = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    @property
    def ttft_s(self) -> float:
        return self.times[0] - self.sent_s

    def gaps_s(self, begin: float, end: float) -> list[float]:
        """The times between two events that are, in part, between ``begin`` and ``end``."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return [after - before for before, after in pairs if before < end and after > begin]

    def wait_for(self, n_events: int, timeout_s: float = TIMEOUT_S) -> bool:
        """Wait until so many events have come; False when the answer ended before."""
        until = time.perf_counter() + timeout_s
        while len(self.times) < n_events and self.is_alive() and time.perf_counter() < until:
            time.sleep(0.002)
        return len(self.times) >= n_events

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT_S)
        data = json.dumps(self._body).encode()
        connection.connect()
        self._socket = connection.sock
        self.sent_s = time.perf_counter()
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", "/v1/completions", data, headers)
        response = connection.getresponse()
        if response.status != 200:
            message = response.read().decode(errors="replace")[:200]
            self.error = f"{response.status} {message}"
            return
        if not self._body["stream"]:
            self._take(json.loads(response.read()))
            return
        ended = False
        for line in response:
            if line.startswith(b"data: [DONE]"):
                ended = True
            elif line.startswith(b"data: "):
                self._take(json.loads(line[6:]))
        if not ended and not self.error and not self._closed:
            self.error = "the stream ended before [DONE]"

    def _take(self, event: dict[str, Any]) -> None:
        if "error" in event:
            self.error = str(event["error"])[:200]
        for choice in event.get("choices", ()):
            if choice.get("text"):
                self.times.append(time.perf_counter())
                self.text += choice["text"]
        usage = event.get("usage")
        if usage:
            self.usage = usage
            details = usage.get("prompt_tokens_details") or {}
            self.n_reused = int(details.get("cached_tokens", 0))
        timings = event.get("timings") or {}
        self.n_reused = max(self.n_reused, int(timings.get("cache_n", 0)))

    @property
    def n_prefilled(self) -> int:
        return int(self.usage.get("prompt_tokens", 0)) - self.n_reused


@dataclass(slots=True)
class Asker:
    """Makes the requests of one round; the same seed gives both servers the same prompts."""

    port: int
    seed: int
    id_low: int = 300
    id_high: int = 1000
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def ids(self, n_tokens: int) -> list[int]:
        return [self._random.randrange(self.id_low, self.id_high) for _ in range(n_tokens)]

    def one_of(self, words: Sequence[str]) -> str:
        return self._random.choice(words)

    def ask(self, prompt: Prompt, max_tokens: int, **fields: Any) -> Ask:
        """One request, sent at once."""
        asked = Ask(self.port, prompt, max_tokens, **fields)
        asked.start()
        return asked

    def whole(self, prompt: Prompt, max_tokens: int, **fields: Any) -> Ask:
        """One request and its end."""
        return joined([self.ask(prompt, max_tokens, **fields)])[0]


def joined(asked: Sequence[Ask]) -> Sequence[Ask]:
    """All of them, ended; those that take too long are cut off with an error."""
    until = time.perf_counter() + TIMEOUT_S
    for one in asked:
        one.join(max(0.0, until - time.perf_counter()))
        if one.is_alive():
            one.close()
            one.join()
            one.error = one.error or "timed out"
    return asked


def closed(asked: Sequence[Ask]) -> None:
    """Leave them all and wait until they have noticed."""
    for one in asked:
        one.close()
    for one in asked:
        one.join()


def errors(asked: Sequence[Ask]) -> list[str]:
    return [one.error for one in asked if one.error]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
