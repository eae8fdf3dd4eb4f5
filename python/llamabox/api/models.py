"""GET /v1/models."""

from __future__ import annotations

from typing import Any

import orjson

from llamabox.api.call import Call
from llamabox.api.sampling_fields import sampling_defaults
from llamabox.http.message import Response


async def models(call: Call) -> Response:
    """The one model that is served, with its facts and the server's defaults in ``meta``."""
    model = {
        "id": call.settings.alias,
        "object": "model",
        "created": call.settings.started_at,
        "owned_by": "llama-box",
        "meta": _meta(call),
    }
    return Response(200, orjson.dumps({"object": "list", "data": [model]}))


def _meta(call: Call) -> dict[str, Any]:
    info = call.engine.info
    stats = call.engine.stats()
    sampling = sampling_defaults(call.settings.config.sampling)
    return {
        "vocab_type": info.vocab_type,
        "n_vocab": info.n_vocab,
        "n_ctx_train": info.n_ctx_train,
        "n_embd": info.n_embd,
        "n_params": info.n_params,
        "size": info.size_bytes,
        "n_ctx": stats.n_kv_cells or call.engine.n_ctx,
        "n_slot": stats.n_slots,
        "n_slot_ctx": call.engine.n_ctx,
        "ctx_shift": call.engine.shifts,
        "prompt_cache": call.settings.config.engine.cache_prompt,
        **sampling,
        # The number that means "random" on the command line of llama-box.
        "seed": -1 if sampling["seed"] is None else sampling["seed"],
        "support_vision": info.sees_images,
        "support_audio": info.hears_audio,
        "support_speculative": call.settings.config.draft.is_on,
        "support_tool_calls": info.supports_tools,
        "support_reasoning": info.supports_thinking,
        "support_completion": info.generates,
        "support_embedding": info.pooling != "",
        "support_rerank": call.settings.config.encoder.ranks and info.has_rank_head,
        "pooling": info.pooling or None,
    }
