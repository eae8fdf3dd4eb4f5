"""The body of one request while it comes in: its reader, its rate, its share of memory."""

from __future__ import annotations

from llamabox.http.body import BodyReader, ChunkedBody, CountedBody
from llamabox.http.head import Head
from llamabox.http.limits import BodyRate
from llamabox.http.message import HttpError
from llamabox.http.service import Service


class Intake:
    """Reads the body that ``head`` announces.

    ``release`` must be called in the end, whatever happened: until then the body counts against
    the memory that all bodies may take together.
    """

    __slots__ = ("_held", "_rate", "_reader", "_service", "_slice")

    def __init__(self, service: Service, head: Head) -> None:
        """Raises HttpError 413 when the announced length is too large."""
        limits = service.limits
        large = service.options.large_body(head.path)
        max_bytes = limits.large_body_bytes if large else limits.text_body_bytes
        if head.content_length > max_bytes:
            raise HttpError(413, f"the body is larger than {max_bytes} bytes")
        self._reader: BodyReader = (
            ChunkedBody(max_bytes, limits) if head.chunked else CountedBody(head.content_length)
        )
        self._rate = BodyRate(service.loop.time(), limits)
        self._slice = limits.read_slice_bytes
        self._service = service
        self._held = 0

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def next_check(self) -> float:
        return self._rate.next_check

    def take(self, inbox: bytearray) -> bool:
        """Reads one slice off the front of ``inbox``; True when more of it could be read now.

        ERRORS: HttpError 400, 413 or 431 from the body, 503 when all bodies take too much memory.
        """
        taken = self._reader.feed(inbox, self._slice)
        service = self._service
        held = len(self._reader.data)
        service.bodies_bytes += held - self._held
        self._held = held
        if service.bodies_bytes > service.limits.all_bodies_bytes:
            raise HttpError(503, "too many large requests at once", (("Retry-After", "1"),))
        return taken >= self._slice and not self._reader.done

    def check_rate(self, now: float) -> None:
        """ERRORS: HttpError 408 when the body comes too slowly."""
        if self._rate.too_slow(now, self._held):
            raise HttpError(408, "the body comes too slowly")

    def body(self) -> bytearray:
        """The whole body, once and uncopied; its memory stays accounted for until ``release``."""
        data, self._reader.data = self._reader.data, bytearray()
        return data

    def release(self) -> None:
        self._service.bodies_bytes -= self._held
        self._held = 0
