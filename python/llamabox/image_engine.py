"""The image engine as the shell sees it: submits requests and brings their events to the loop.

Everything here runs on the loop thread. Covered by tests/py/boundary/test_image_engine.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from llamabox.core_streams import CoreStreams
from llamabox.stream import Sink, Stream

if TYPE_CHECKING:
    from llamabox import _core


class ImageModule(Protocol):
    """The value types of image requests; an extension module fits this protocol."""

    ImageLora: type[_core.ImageLora]
    ImageRequest: type[_core.ImageRequest]
    Pixels: type[_core.Pixels]
    Preview: type[_core.Preview]
    SkipLayers: type[_core.SkipLayers]


class ImageEngine(CoreStreams["_core.ImageRequest", "_core.ImageEvent"]):
    """Wraps one image engine of the core; ``core`` is the extension module it came from."""

    def __init__(self, core: ImageModule, engine: _core.ImageEngine) -> None:
        super().__init__(engine)
        self.core = core
        self.info = engine.info
        # What each LoRA adapter counts in requests that name none.
        self.lora_scales = [lora.scale for lora in engine.info.loras]
        self.stats: Callable[[], _core.ImageStats] = engine.stats

    def submit(self, request: _core.ImageRequest, sink: Sink[_core.ImageEvent]) -> Stream:
        """Hand a request to the engine; its events go to ``sink``.

        Raises InvalidArgumentError, UnsupportedError, QueueFullError or UnavailableError.
        """
        return self._open(request, sink)
