"""The events of one image request on their way to its client: as a stream or as one answer.

The engine's events wait here, since an image becomes a file in a thread. Runs on the loop thread.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from llamabox.api.image_request import ImageReply
from llamabox.picture import Output, encode_picture
from llamabox.stream import Stream

if TYPE_CHECKING:
    from llamabox import _core

_MOST_WAITING = 64


class ImageEvents:
    """Keeps the events of one request, in order, until they are asked for."""

    def __init__(self) -> None:
        self._waiting: deque[_core.ImageEvent] = deque()
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()

    @property
    def full(self) -> bool:
        return len(self._waiting) >= _MOST_WAITING

    async def drain(self) -> None:
        while self.full:
            self._taken.clear()
            await self._taken.wait()

    def accept(self, stream: Stream, events: list[_core.ImageEvent]) -> None:
        self._waiting.extend(events)
        self._changed.set()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[_core.ImageEvent]:
        """The events up to the one that ends the request."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._taken.set()
                yield event
                if event.kind == "done":
                    return
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()


async def base64_of(pixels: _core.Pixels, output: Output) -> str:
    """Pixels as a file in base64; made in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, _base64, pixels, output)


def _base64(pixels: _core.Pixels, output: Output) -> str:
    size = pixels.width, pixels.height
    return b2a_base64(encode_picture(pixels.bytes, size, output), newline=False).decode("ascii")


def usage_object(usage: _core.ImageUsage) -> dict[str, float]:
    """The specification's figures of a request; milliseconds, and steps per second."""
    per_step = usage.generation_ms / usage.n_steps if usage.n_steps else 0.0
    return {
        "time_to_process_ms": round(usage.prepare_ms, 3),
        "time_per_generation_ms": round(per_step, 3),
        "generation_per_second": round(1000 / per_step, 3) if per_step else 0.0,
    }


def whole_item(event: _core.ImageEvent, data: str) -> dict[str, Any]:
    """A finished image in an answer that is no stream."""
    return {
        "index": event.index,
        "object": "image",
        "progressed_steps": event.n_steps,
        "progress_steps": event.n_steps,
        "progress": 100.0,
        "finish_reason": "stop",
        "b64_json": data,
    }


def step_item(event: _core.ImageEvent, preview: str | None) -> dict[str, Any]:
    """The progress of an image in a stream."""
    item = {
        "index": event.index,
        "object": "image.chunk",
        "progressed_steps": event.step,
        "progress_steps": event.n_steps,
        "progress": round(100 * event.step / event.n_steps, 2),
        "finish_reason": None,
    }
    return item if preview is None else {**item, "b64_json": preview}


def image_items(event: _core.ImageEvent, data: str, chunk_size: int) -> list[dict[str, Any]]:
    """A finished image in a stream: one item, or the parts that join to its base64."""
    size = chunk_size or len(data)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    before = event.n_steps - 1
    items: list[dict[str, Any]] = []
    for sent, part in enumerate(parts, 1):
        is_last = sent == len(parts)
        progress = 100 * (before + sent / len(parts)) / event.n_steps
        items.append(
            {
                "index": event.index,
                "object": "image.chunk",
                "progressed_steps": event.n_steps,
                "progress_steps": event.n_steps,
                "progress": 100.0 if is_last else round(progress, 2),
                "finish_reason": "stop" if is_last else None,
                "b64_json": part,
            }
        )
    return items


def envelope(
    reply: ImageReply, items: list[dict[str, Any]], usage: dict[str, float] | None
) -> dict[str, Any]:
    """One event of a stream, or the whole answer."""
    return {
        "created": reply.created,
        "model": reply.model,
        "object": "list",
        "usage": usage,
        "data": items,
    }
