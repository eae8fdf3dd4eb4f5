"""Server-sent events: bytes on the wire, and the comments that break a silence."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from llamabox.http.exchange import Exchange
from llamabox.http.limits import Limits
from llamabox.http.message import HeaderPairs

SSE_HEADERS: HeaderPairs = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-cache"),
    # Proxies of the nginx family would otherwise collect the stream before passing it on.
    ("X-Accel-Buffering", "no"),
)
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

# Random, so that no text a client may choose can contain it.
_MARKER = os.urandom(16).hex()


def sse_data(payload: bytes) -> bytes:
    """One event. ``payload`` must not contain line ends; JSON from orjson never does."""
    return b"data: %b\n\n" % payload


def event(prefix: bytes, text_json: bytes, suffix: bytes) -> bytes:
    """One event from the constant parts of ``event_parts`` and a text that is JSON already."""
    return prefix + text_json + suffix


def event_parts(build: Callable[[str], bytes]) -> tuple[bytes, bytes]:
    """The constant parts around the one variable string of an event, made once per request.

    ``build(text)`` gives the JSON of a whole event whose variable string is ``text``; the parts
    include the framing: ``prefix + orjson.dumps(text) + suffix`` is the event on the wire.
    Raises ValueError when ``text`` does not occur exactly once.
    """
    pieces = build(_MARKER).split(f'"{_MARKER}"'.encode("ascii"))
    if len(pieces) != 2:
        raise ValueError("the variable string must occur exactly once in the event")
    return b"data: " + pieces[0], pieces[1] + b"\n\n"


class Pinger:
    """Writes an SSE comment when a stream has been silent for long.

    The first comes ``sse_first_ping_s`` after ``start`` if nothing was written by then, which also
    sends the head; the later ones after ``sse_ping_s`` without a write. The stream must have been
    opened with ``start_stream``. Stops by itself when the answer is finished or the client gone.
    """

    __slots__ = ("_exchange", "_handle", "_limits", "_loop")

    def __init__(self, exchange: Exchange, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._exchange = exchange
        self._loop = loop
        self._limits = limits
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to watch; does nothing when pings are off."""
        if self._limits.sse_ping_s > 0:
            self._wait(self._loop.time() + self._limits.sse_first_ping_s)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wait(self, when: float) -> None:
        self._handle = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._handle = None
        exchange = self._exchange
        if exchange.finished or exchange.closed:
            return
        now = self._loop.time()
        interval = self._limits.sse_ping_s
        due = exchange.last_write + interval if exchange.started else now
        if now < due:
            self._wait(due)
            return
        # A client that does not read needs no further bytes to prove that we live.
        if exchange.backlog == 0:
            exchange.write(PING)
        self._wait(now + interval)
