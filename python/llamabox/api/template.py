"""POST /apply-template: the prompt of a conversation as the model would see it."""

from __future__ import annotations

import orjson

from llamabox.api.call import Call
from llamabox.api.chat import chat_prompt
from llamabox.api.json_body import read_body
from llamabox.api.schema import TEMPLATE, read_fields
from llamabox.api.single import run_single
from llamabox.errors import LlamaboxError
from llamabox.http.message import Response


async def apply_template(call: Call) -> Response:
    """Render without running. Raises what the core says about the messages."""
    values = await read_body(call.request.body, lambda body: read_fields(body, TEMPLATE))
    core = call.engine.core
    request = core.Request(body=core.RenderRequest(prompt=chat_prompt(call, values)))
    try:
        event = await run_single(call, request)
    except LlamaboxError as error:
        if error.param == "prompt":
            error.param = "messages"
        raise
    text = event.result.text if event.result is not None else ""
    return Response(200, orjson.dumps({"prompt": text}))
