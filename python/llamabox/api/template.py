"""POST /apply-template: the prompt of a conversation as the model would see it."""

from __future__ import annotations

import orjson

from llamabox.api.call import Call
from llamabox.api.conversation import chat_prompt, media_of
from llamabox.api.json_body import read_body
from llamabox.api.schema import TEMPLATE, read_fields
from llamabox.api.single import run_single
from llamabox.api.tools import offer_of
from llamabox.api.urgency import engine_request
from llamabox.errors import LlamaboxError
from llamabox.http.message import Response


async def apply_template(call: Call) -> Response:
    """Render without running. Raises what the core says about the messages."""
    values = await read_body(call.request.body, lambda body: read_fields(body, TEMPLATE))
    core = call.engine.core
    offer = offer_of(values["tools"])
    media = await call.media.load(call.engine, media_of(values["prompt"]))
    prompt = chat_prompt(core, call.settings.config.chat, values["prompt"], offer, media)
    request = engine_request(call, core.RenderRequest(prompt=prompt))
    try:
        event = await run_single(call, request)
    except LlamaboxError as error:
        if error.param == "prompt":
            error.param = "messages"
        raise
    text = event.result.text if event.result is not None else ""
    return Response(200, orjson.dumps({"prompt": text}))
