"""What the text engine and the image engine share: their start and stop in the core, and the way of
their events to the streams of the requests.

Everything here runs on the loop thread. Covered by tests/py/boundary.
"""

from __future__ import annotations

import asyncio
import time
from typing import Generic, Protocol, TypeVar

from llamabox.drain_rate import DrainRate
from llamabox.errors import DeviceLostError
from llamabox.stream import Sink, Stream


class CoreStats(Protocol):
    """What is asked of an engine's figures here."""

    @property
    def n_waiting(self) -> int:
        """Requests that wait for a slot."""


class CoreEvent(Protocol):
    """What is asked of an event here."""

    @property
    def request(self) -> int:
        """The id of its request."""

    @property
    def kind(self) -> str:
        """``done`` for the last one of a request."""

    @property
    def error(self) -> Exception | None:
        """Why the request ended early."""


RequestT = TypeVar("RequestT", contravariant=True)
EventT = TypeVar("EventT", bound=CoreEvent)


class CoreEngine(Protocol[RequestT, EventT]):
    """The shape of every engine of the core."""

    def start(self) -> None:
        """Start its threads."""

    def stop(self) -> None:
        """End every request; returns when the threads have ended."""

    def wake_fd(self) -> int:
        """Readable while events wait."""

    def submit(self, request: RequestT, /) -> int:
        """Accept a request and return its id."""

    def cancel(self, request_id: int, /) -> None:
        """Never blocks; unknown ids are ignored."""

    def drain(self) -> list[EventT]:
        """Every event that waits."""

    def stats(self) -> CoreStats:
        """A snapshot of its figures."""


Asked = TypeVar("Asked")


class CoreStreams(Generic[Asked, EventT]):
    """One engine of the core between start and stop, and the streams of its open requests."""

    def __init__(self, engine: CoreEngine[Asked, EventT]) -> None:
        # Set when a device that the model is on was lost: no request can be answered any more.
        self.device_lost = asyncio.Event()
        self._engine = engine
        self._streams: dict[int, Stream] = {}
        self._drain_rate = DrainRate()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def n_open(self) -> int:
        """Requests that have not had their last event."""
        return len(self._streams)

    def start(self) -> None:
        """Start the engine's threads and watch its events on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._engine.start()
        self._loop.add_reader(self._engine.wake_fd(), self._on_wake)

    async def stop(self) -> None:
        """Stop the engine; every open request ends with UnavailableError before this returns."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        await loop.run_in_executor(None, self._engine.stop)
        loop.remove_reader(self._engine.wake_fd())
        self._on_wake()

    def retry_after_s(self) -> int:
        """Whole seconds after which a refused client may find room, from the recent drain rate."""
        return self._drain_rate.retry_after_s(time.monotonic(), self._engine.stats().n_waiting)

    def _open(self, request: Asked, sink: Sink[EventT], first_choice: int = 0) -> Stream:
        """Hand a request to the engine, which consumes it; its events go to ``sink``.

        Raises what the core refuses it with.
        """
        request_id = self._engine.submit(request)
        if not self._streams:
            self._drain_rate.begin(time.monotonic())
        stream = Stream(request_id, sink, first_choice, self._engine.cancel)
        self._streams[request_id] = stream
        return stream

    def _on_wake(self) -> None:
        batches: dict[int, list[EventT]] = {}
        for event in self._engine.drain():
            batch = batches.get(event.request)
            if batch is None:
                batches[event.request] = [event]
            else:
                batch.append(event)
        for request_id, batch in batches.items():
            self._feed(request_id, batch)

    def _feed(self, request_id: int, batch: list[EventT]) -> None:
        stream = self._streams[request_id]
        if batch[-1].kind == "done":
            del self._streams[request_id]
            self._drain_rate.end(time.monotonic(), len(self._streams))
            if isinstance(batch[-1].error, DeviceLostError):
                self.device_lost.set()
        stream.feed(batch)
