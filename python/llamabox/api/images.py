"""POST /v1/images/generations and POST /v1/images/edits."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.completion import client_gone
from llamabox.api.errors import event_lines
from llamabox.api.image_call import ImageCall
from llamabox.api.image_events import (
    ImageEvents,
    base64_of,
    envelope,
    image_items,
    step_item,
    usage_object,
    whole_item,
)
from llamabox.api.image_fields import EDIT, GENERATE, form_values
from llamabox.api.image_request import ImageJob, ImageReply, build_job
from llamabox.api.json_body import parse_object
from llamabox.api.schema import Values, read_fields
from llamabox.http.message import Response
from llamabox.http.multipart import parse_form
from llamabox.http.sse import DONE, SSE_HEADERS, Pinger, sse_data
from llamabox.picture import Output

if TYPE_CHECKING:
    from llamabox import _core

_PREVIEW = Output()
# Large pictures take seconds and several times their pixels; other requests do not wait for them.
_READERS = ThreadPoolExecutor(2, "pictures")


def generation_values(body: bytes | bytearray) -> Values:
    """The fields of a prompt's request. Raises InvalidArgumentError."""
    return read_fields(parse_object(body), GENERATE)


def edit_values(content_type: str, body: bytes | bytearray) -> Values:
    """The fields of a picture's request, the pictures among them. Raises InvalidArgumentError and
    HttpError."""
    return read_fields(form_values(parse_form(content_type, body), EDIT), EDIT)


async def generations(call: ImageCall) -> Response | None:
    """Images from a prompt."""
    return await _run(call, generation_values(call.request.body))


async def edits(call: ImageCall) -> Response | None:
    """Images from a prompt and a picture."""
    loop = asyncio.get_running_loop()
    kind = call.request.headers.get("content-type") or ""
    # A large form is cut up in a thread, as its pictures are read in one.
    values = await loop.run_in_executor(None, edit_values, kind, call.request.body)
    return await _run(call, values)


async def _run(call: ImageCall, values: Values) -> Response | None:
    """Make the images and answer: a Response, or None when the answer was streamed.

    Raises LlamaboxError while nothing has been sent.
    """
    config = call.settings.config
    loop = asyncio.get_running_loop()
    readers = _READERS if "files" in values else None
    job = await loop.run_in_executor(readers, build_job, call.engine, config, values)
    return await (_stream if job.reply.stream else _whole)(call, job)


async def _whole(call: ImageCall, job: ImageJob) -> Response:
    events = ImageEvents()
    stream = call.engine.submit(job.request, events)
    call.exchange.on_close(stream.cancel)
    items: list[dict[str, Any]] = []
    try:
        async for event in events:
            if event.kind == "finish" and event.pixels is not None:
                data = await base64_of(event.pixels, job.reply.output_of(event.index))
                items.append(whole_item(event, data))
    finally:
        stream.cancel()
    _note(call, event)
    if event.error is not None:
        raise event.error
    if event.finish == "cancelled":
        return client_gone()
    body = envelope(job.reply, items, usage_object(event.usage))
    return Response(200, await asyncio.to_thread(orjson.dumps, body))


async def _stream(call: ImageCall, job: ImageJob) -> Response | None:
    exchange, limits = call.exchange, call.settings.limits
    events = ImageEvents()
    stream = call.engine.submit(job.request, events)
    exchange.on_close(stream.cancel)
    exchange.start_stream(200, SSE_HEADERS)
    pinger = Pinger(exchange, asyncio.get_running_loop(), limits)
    pinger.start()
    writer = _Writer(call, job.reply)
    try:
        async for event in events:
            await writer.write(event)
    finally:
        pinger.stop()
        stream.cancel()
    _note(call, event)
    if not exchange.started:
        if event.error is not None:
            raise event.error
        if event.finish == "cancelled":
            return client_gone()
    writer.finish(event)
    return None


class _Writer:
    """Writes the events of one request; the last image waits for the usage that goes with it."""

    def __init__(self, call: ImageCall, reply: ImageReply) -> None:
        self._exchange = call.exchange
        self._limits = call.settings.limits
        self._reply = reply
        self._held: dict[str, Any] | None = None

    async def write(self, event: _core.ImageEvent) -> None:
        pixels = event.pixels
        # The last step is told with the image that it made.
        if event.kind == "delta" and event.step < event.n_steps:
            preview = None if pixels is None else await base64_of(pixels, _PREVIEW)
            await self._send([step_item(event, preview)])
        elif event.kind == "finish" and pixels is not None:
            data = await base64_of(pixels, self._reply.output_of(event.index))
            items = image_items(event, data, self._reply.chunk_size)
            if event.index == self._reply.n - 1:
                self._held = items.pop()
            await self._send(items)

    def finish(self, event: _core.ImageEvent) -> None:
        """End the stream with the last image, or with the error."""
        if event.error is not None:
            self._exchange.write(event_lines(event.error))
        elif self._held is not None:
            usage = usage_object(event.usage) if self._reply.include_usage else None
            last = sse_data(orjson.dumps(envelope(self._reply, [self._held], usage)))
            self._exchange.write(last + DONE)
        self._exchange.finish()

    async def _send(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            if self._exchange.closed:
                return
            self._exchange.write(sse_data(orjson.dumps(envelope(self._reply, [item], None))))
            if self._exchange.backlog > self._limits.unread_bytes:
                await self._exchange.drain()


def _note(call: ImageCall, event: _core.ImageEvent) -> None:
    """Note the end of a request for the log and the metrics."""
    usage, reason = event.usage, event.finish
    figures = usage_object(usage)
    call.metrics.count_choices(call.request.path, [reason])
    call.exchange.figures.update(
        {
            "forward_s": round(usage.prepare_ms / 1000, 3),
            "reverse_s": round(usage.generation_ms / 1000, 3),
            "reverse_t": usage.n_steps,
            "reverse_sps": figures["generation_per_second"],
            "stop_r": reason,
        }
    )
