"""GET and POST /lora-adapters: the loaded LoRA adapters and what each counts by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import check_loras
from llamabox.api.json_body import parse_array
from llamabox.api.single import run_single
from llamabox.http.message import Response, error_response

if TYPE_CHECKING:
    from llamabox import _core
    from llamabox.engine import CoreModule


def lora_scales(core: CoreModule, loras: list[tuple[int, float]]) -> list[_core.LoraScale]:
    """What a request says of adapters, as the core takes it."""
    return [core.LoraScale(id=at, scale=scale) for at, scale in loras]


async def list_loras(call: Call) -> Response:
    """The adapters with the scale at the start and the one that counts now."""
    return describe_loras(call.engine.info.loras, call.engine.lora_scales)


def describe_loras(
    loras: Sequence[_core.LoraInfo | _core.ImageLoraInfo], scales: Sequence[float]
) -> Response:
    """Adapters of any kind of model, with the scales that count now."""
    if not loras:
        return no_loras()
    adapters = [
        {"id": at, "path": lora.path, "scale": scales[at], "init_scale": lora.scale}
        for at, lora in enumerate(loras)
    ]
    return Response(200, orjson.dumps(adapters))


async def set_loras(call: Call) -> Response:
    """Change what requests that name no adapters are computed with; those left out count 0.

    Raises LlamaboxError.
    """
    if not call.engine.info.loras:
        return no_loras()
    loras = check_loras(parse_array(call.request.body), "lora")
    core = call.engine.core
    side = core.SideCall(kind=core.SideKind.SET_LORA, loras=lora_scales(core, loras))
    await run_single(call, core.Request(body=core.SideRequest(call=side)))
    given = dict(loras)
    call.engine.lora_scales = [given.get(at, 0.0) for at in range(len(call.engine.info.loras))]
    return Response(200, orjson.dumps({"success": True}))


def no_loras() -> Response:
    """The answer of a server without adapters."""
    return error_response(
        404,
        "no LoRA adapter is loaded: the server needs --lora or --lora-scaled",
        "not_found_error",
    )
