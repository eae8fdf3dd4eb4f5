"""POST /apply-template: the prompt of a conversation as the model would see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.chat import chat_prompt
from llamabox.api.json_body import read_body
from llamabox.api.schema import TEMPLATE, read_fields
from llamabox.http.message import Response

if TYPE_CHECKING:
    from llamabox import _core


class _RenderSink:
    """Takes the one event of a render request."""

    full = False

    def __init__(self) -> None:
        self.done: asyncio.Future[_core.Event] = asyncio.get_running_loop().create_future()

    async def drain(self) -> None:
        """Nothing is ever full here."""

    def accept(self, stream: Any, events: list[_core.Event]) -> None:
        if not self.done.done():
            self.done.set_result(events[-1])

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def apply_template(call: Call) -> Response:
    """Render without running. Raises what the core says about the messages."""
    values = await read_body(call.request.body, lambda body: read_fields(body, TEMPLATE))
    core = call.engine.core
    prompt = chat_prompt(call, values)
    sink = _RenderSink()
    stream = call.engine.submit(core.Request(body=core.RenderRequest(prompt=prompt)), sink)
    call.exchange.on_close(stream.cancel)
    try:
        event = await sink.done
    finally:
        stream.cancel()
    error = event.error
    if error is not None:
        if error.param == "prompt":
            error.param = "messages"
        raise error
    text = event.result.text if event.result is not None else ""
    return Response(200, orjson.dumps({"prompt": text}))
