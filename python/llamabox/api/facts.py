"""GET /props and GET /slots: what the server is and what its slots do. No text of any request."""

from __future__ import annotations

from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.sampling_fields import sampling_defaults
from llamabox.http.message import HttpError, Response


async def props(call: Call) -> Response:
    """The model's template, the defaults of a request and the number of slots."""
    info = call.engine.info
    sampling = sampling_defaults(call.settings.config.sampling)
    body = {
        "default_generation_settings": {
            "n_ctx": call.engine.n_ctx,
            "params": {**sampling, "seed": -1 if sampling["seed"] is None else sampling["seed"]},
        },
        "total_slots": call.engine.stats().n_slots,
        "model_alias": call.settings.alias,
        "model_path": call.settings.config.model.path,
        "chat_template": info.chat_template,
        "modalities": {"vision": info.sees_images, "audio": info.hears_audio},
    }
    return Response(200, orjson.dumps(body))


async def slots(call: Call) -> Response:
    """The state of each slot after the last step; counts are tokens.

    With ``?fail_on_no_slot=1`` the answer is 503 while none is idle, for probes that route by load.
    """
    # The engine's snapshot is the truth here, so nothing of a request can be in the answer.
    n_ctx = call.engine.n_ctx
    found: list[dict[str, Any]] = [
        {
            "id": index,
            "id_task": slot.request,
            "is_processing": slot.request != 0,
            "state": _state(slot.request, slot.decoding),
            "n_ctx": n_ctx,
            "n_prompt_tokens": slot.n_prompt,
            "n_decoded": slot.n_generated,
            "n_held_tokens": slot.n_held,
        }
        for index, slot in enumerate(call.engine.stats().slots)
    ]
    if "fail_on_no_slot=1" in call.request.query.split("&") and all(
        slot["is_processing"] for slot in found
    ):
        raise HttpError(503, "no slot is idle", (("Retry-After", "1"),))
    return Response(200, orjson.dumps(found))


def _state(request: int, decoding: bool) -> str:
    if request == 0:
        return "idle"
    return "decode" if decoding else "prefill"
