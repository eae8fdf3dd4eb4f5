"""Flow control of one connection, and its one timer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from llamabox.http.limits import Limits, WriteWatch


class FlowControl:
    """Pauses and resumes both directions of a transport.

    ``written`` counts every byte handed to the transport.
    """

    __slots__ = (
        "_closed",
        "_loop",
        "_reading",
        "_waiters",
        "_watch",
        "transport",
        "write_paused",
        "written",
    )

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, limits: Limits
    ) -> None:
        transport.set_write_buffer_limits(limits.write_high_bytes, limits.write_low_bytes)
        self.transport = transport
        self._watch = WriteWatch(limits)
        self.written = 0
        self.write_paused = False
        self._loop = loop
        self._reading = True
        self._closed = False
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def unsent(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return 0 if self._closed else self.transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if self._reading and not self._closed:
            self._reading = False
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._reading and not self._closed:
            self._reading = True
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        self._wake()

    def watch(self, now: float) -> None:
        """Begins to watch whether the client takes what is written; ``stalled`` goes on."""
        self._watch.restart(now)

    def stalled(self, now: float) -> bool:
        """True when the client has taken nothing, or too little, for too long."""
        return self._watch.stalled(now, self.written, self.unsent)

    def close(self) -> None:
        """The transport is gone: nobody waits any more."""
        self._closed = True
        self._wake()

    async def drain(self) -> None:
        """Waits while too much is unsent; returns at once when the transport is gone."""
        while self.write_paused and not self._closed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Deadline:
    """One timer whose time may be moved often.

    Moving it later costs an assignment: the pending handle fires early, sees the new time and
    arms itself again.
    """

    __slots__ = ("_expired", "_handle", "_loop", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[float], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._when = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Calls ``expired(now)`` at or soon after the loop time ``when``."""
        self._when = when
        if self._handle is not None:
            if self._handle.when() <= when:
                return
            self._handle.cancel()
        self._handle = self._loop.call_at(when, self._fire)

    def cancel(self) -> None:
        self._when = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        now = self._loop.time()
        if now < self._when:
            self._handle = self._loop.call_at(self._when, self._fire)
            return
        self._when = math.inf
        self._expired(now)
