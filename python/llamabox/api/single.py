"""Requests to the engine that end in one event with a result, not in text."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from llamabox.api.call import Call

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox.event import Event
    from llamabox.stream import Stream


class _OneEvent:
    """Takes the one event of such a request."""

    full = False

    def __init__(self) -> None:
        self.done: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    async def drain(self) -> None:
        """Nothing is ever full here."""

    def accept(self, stream: Stream, events: list[Event]) -> None:
        if not self.done.done():
            self.done.set_result(events[-1])

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def run_single(call: Call, request: _core.Request) -> Event:
    """Run the request; a client that leaves cancels it. Raises LlamaboxError."""
    sink = _OneEvent()
    stream = call.engine.submit(request, sink)
    call.exchange.on_close(stream.cancel)
    try:
        event = await sink.done
    finally:
        stream.cancel()
    if event.error is not None:
        raise event.error
    return event
