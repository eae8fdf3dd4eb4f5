"""The image engine as the shell sees it: submits requests and brings their events to the loop.

Everything here runs on the loop thread. Covered by tests/py/boundary/test_image_engine.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from llamabox.stream import Sink, Stream

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox.event import Event

_RETRY_AFTER_S = 10


class ImageModule(Protocol):
    """The value types of image requests; an extension module fits this protocol."""

    ImageLora: type[_core.ImageLora]
    ImageRequest: type[_core.ImageRequest]
    Pixels: type[_core.Pixels]
    Preview: type[_core.Preview]
    SkipLayers: type[_core.SkipLayers]


class ImageSink(Protocol):
    """As ``stream.Sink``, for image events."""

    @property
    def full(self) -> bool:
        """Whether events should wait."""

    async def drain(self) -> None:
        """Wait until events may come again."""

    def accept(self, stream: Stream, events: list[_core.ImageEvent]) -> None:
        """Take what one wake-up brought, in order."""

    def fail(self, error: Exception) -> None:
        """Hear that ``accept`` raised."""


class ImageEngine:
    """Wraps one image engine of the core; ``core`` is the extension module it came from."""

    def __init__(self, core: ImageModule, engine: _core.ImageEngine) -> None:
        self.core = core
        self.info = engine.info
        # What each LoRA adapter counts in requests that name none.
        self.lora_scales = [lora.scale for lora in engine.info.loras]
        self.stats: Callable[[], _core.ImageStats] = engine.stats
        self._engine = engine
        self._streams: dict[int, Stream] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def n_open(self) -> int:
        """Requests that have not had their last event."""
        return len(self._streams)

    def start(self) -> None:
        """Start the engine's thread and watch its events on the running loop."""
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

    def submit(self, request: _core.ImageRequest, sink: ImageSink) -> Stream:
        """Hand a request to the engine; its events go to ``sink``.

        Raises InvalidArgumentError, UnsupportedError, QueueFullError or UnavailableError.
        """
        request_id = self._engine.submit(request)
        # A stream looks at nothing of an event but its kind.
        stream = Stream(request_id, cast("Sink", sink), 0, self._engine.cancel)
        self._streams[request_id] = stream
        return stream

    def retry_after_s(self) -> int:
        """Whole seconds after which a refused client may find room."""
        return _RETRY_AFTER_S

    def _on_wake(self) -> None:
        batches: dict[int, list[_core.ImageEvent]] = {}
        for event in self._engine.drain():
            batches.setdefault(event.request, []).append(event)
        for request_id, batch in batches.items():
            stream = self._streams[request_id]
            if batch[-1].kind == "done":
                del self._streams[request_id]
            stream.feed(cast("list[Event]", batch))
