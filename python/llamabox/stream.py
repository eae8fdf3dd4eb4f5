"""One accepted request on its way from the engine to whoever consumes it.

Everything here runs on the loop thread. Covered by tests/py/boundary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

EventT = TypeVar("EventT")


class Sink(Protocol[EventT]):
    """Takes the events of one or several streams; ``accept`` must not block."""

    @property
    def full(self) -> bool:
        """Whether events should wait, because what came before has not been taken yet."""

    async def drain(self) -> None:
        """Wait until events may come again; returns also when nobody will ever take them."""

    def accept(self, stream: Stream, events: list[EventT]) -> None:
        """Take what one wake-up brought, in order. The last event of a stream is its ``done``."""

    def fail(self, error: Exception) -> None:
        """Hear that ``accept`` raised; no more events of that stream come."""


# Events that a sink takes before it is asked again whether it is full: so much may come at once
# from an engine that is faster than the loop, and all that was held back does.
_SLICE = 64


class Stream:
    """Hands a request's events to its sink: all of one wake-up at once, without a task switch.

    While the sink is full the events wait here; their number is bounded by the request's tokens.
    Nothing of an event is looked at but its kind, so that the events of any engine do.
    """

    __slots__ = ("_cancel", "_ended", "_held", "_resuming", "_sink", "first_choice", "request_id")

    def __init__(
        self, request_id: int, sink: Sink[Any], first_choice: int, cancel: Callable[[int], None]
    ) -> None:
        self.request_id = request_id
        # Added to the choice of each event where several requests answer one client.
        self.first_choice = first_choice
        self._sink = sink
        self._cancel = cancel
        self._held: list[Any] = []
        self._resuming: asyncio.Task[None] | None = None
        self._ended = False

    def cancel(self) -> None:
        """End the request within one step. May be repeated; nothing happens after its end."""
        if not self._ended:
            self._cancel(self.request_id)

    def feed(self, events: list[Any]) -> None:
        """Take the events of one wake-up."""
        if events[-1].kind == "done":
            self._ended = True
        if self._resuming is not None:
            self._held += events
        elif self._sink.full:
            self._hold(events)
        else:
            self._deliver(events)

    def _hold(self, events: list[Any]) -> None:
        self._held = events
        self._resuming = asyncio.get_running_loop().create_task(self._resume())

    async def _resume(self) -> None:
        await self._sink.drain()
        self._resuming = None
        held, self._held = self._held, []
        self._deliver(held)

    def _deliver(self, events: list[Any]) -> None:
        try:
            for start in range(0, len(events), _SLICE):
                if start and self._sink.full:
                    self._hold(events[start:])
                    return
                self._sink.accept(self, events[start : start + _SLICE])
        except Exception as error:
            # One reader's fault must not keep the others from their events.
            self.cancel()
            self._sink.fail(error)
