"""GET /v1/models and the LoRA adapters of a server that makes images."""

from __future__ import annotations

import orjson

from llamabox.api.checks import check_loras
from llamabox.api.image_call import ImageCall
from llamabox.api.json_body import parse_array
from llamabox.api.lora import describe_loras, no_loras
from llamabox.errors import InvalidArgumentError
from llamabox.http.message import Response
from llamabox.image_names import family_defaults


async def image_models(call: ImageCall) -> Response:
    """The one model that is served, with the server's defaults and limits in ``meta``."""
    config, info = call.settings.config, call.engine.info
    images, defaults = config.images, family_defaults(info.family)
    meta = {
        "family": info.family,
        "size": info.size_bytes,
        "n_slot": call.engine.stats().n_slots,
        # The number that means "random" on the command line of llama-box.
        "seed": -1 if config.sampling.seed is None else config.sampling.seed,
        "max_batch_count": images.max_batch,
        "max_height": images.max_height,
        "max_width": images.max_width,
        "default_height": min(defaults.native, images.max_height),
        "default_width": min(defaults.native, images.max_width),
        "guidance": images.guidance,
        "strength": defaults.strength if images.strength is None else images.strength,
        "sample_method": images.sampler or defaults.sampler,
        "sampling_steps": images.steps or defaults.steps,
        "cfg_scale": defaults.cfg_scale if images.cfg_scale is None else images.cfg_scale,
        "slg_scale": images.slg_scale if info.is_dit else 0.0,
        "slg_skip_layers": images.slg_skip_layers,
        "slg_start": images.slg_start,
        "slg_end": images.slg_end,
        "schedule_method": images.schedule,
        "negative_prompt": "",
        "upscale_factor": info.upscale_factor,
        "support_inpaint": info.inpaints,
        "support_control_net": info.has_control_net,
    }
    model = {
        "id": call.settings.alias,
        "object": "model",
        "created": call.settings.started_at,
        "owned_by": "llama-box",
        "meta": meta,
    }
    return Response(200, orjson.dumps({"object": "list", "data": [model]}))


async def list_image_loras(call: ImageCall) -> Response:
    """The adapters with the scale at the start and the one that counts now."""
    return describe_loras(call.engine.info.loras, call.engine.lora_scales)


async def set_image_loras(call: ImageCall) -> Response:
    """Change what requests that name no adapters are made with; those left out count 0.

    Raises InvalidArgumentError.
    """
    n_loras = len(call.engine.info.loras)
    if not n_loras:
        return no_loras()
    given = dict(check_loras(parse_array(call.request.body), "lora"))
    for at in given:
        if at >= n_loras:
            raise InvalidArgumentError(f"lora names the adapter {at}; there are {n_loras}", "lora")
    call.engine.lora_scales = [given.get(at, 0.0) for at in range(n_loras)]
    return Response(200, orjson.dumps({"success": True}))
