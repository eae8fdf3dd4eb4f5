"""What embeddings and reranking share: one request to the engine, its figures, its usage."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llamabox.api.call import Call
from llamabox.api.single import run_single
from llamabox.api.urgency import engine_request
from llamabox.api.usage import rate
from llamabox.errors import LlamaboxError
from llamabox.log import fields

if TYPE_CHECKING:
    from llamabox import _core

_logger = logging.getLogger("llamabox.api")

# The core's name of the text at fault.
_TEXT = re.compile(r"text(?:\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The rows of all texts, in the order they were sent."""

    # Native 32-bit floats, n_values for each row.
    rows: memoryview[float]
    n_values: int
    # Of each text.
    n_rows: Sequence[int]
    n_tokens: Sequence[int]
    usage: _core.Usage


async def encode(call: Call, request: _core.EncodeRequest, names: Sequence[str]) -> Encoded | None:
    """Run the request; None when its client left before the end.

    ``names`` are the request's fields that the texts came from: where the core refuses a text, the
    client reads that name. Raises LlamaboxError.
    """
    reason = "stop"
    try:
        event = await run_single(call, engine_request(call, request))
        reason = "cancelled" if event.finish == "cancelled" else "stop"
    except LlamaboxError as error:
        reason = "error"
        _rename(error, names)
        raise
    finally:
        call.metrics.count_choices(call.request.path, [reason])
    result = event.result
    if result is None:
        return None
    if result.n_made_bytes:
        made = fields(encoder_mib=result.n_made_bytes >> 20)
        _logger.info("made the context for these texts", extra=made)
    call.exchange.figures.update(_figures(event.usage, result.n_tokens))
    call.exchange.figures["stop_r"] = reason
    rows = memoryview(result.values).cast("f")
    return Encoded(rows, result.n_values, result.n_rows, result.n_tokens, event.usage)


def _rename(error: LlamaboxError, names: Sequence[str]) -> None:
    found = _TEXT.fullmatch(error.param or "")
    if found is None:
        return
    at = found.group(1)
    name = names[0].partition("[")[0] if at is None else names[int(at)]
    if at is not None:
        error.message = error.message.replace(found.group(), name, 1)
        error.args = (error.message, *error.args[1:])
    error.param = name


def usage_object(encoded: Encoded) -> dict[str, Any]:
    """llama-box's ``usage`` of texts that are only read; rates are tokens per second."""
    n_tokens = sum(encoded.n_tokens)
    return {
        "prompt_tokens": n_tokens,
        "total_tokens": n_tokens,
        "prompt_tokens_per_second": rate(n_tokens, _read_ms(encoded.usage)),
        "min_prompt_tokens": min(encoded.n_tokens),
        "max_prompt_tokens": max(encoded.n_tokens),
    }


def _read_ms(usage: _core.Usage) -> float:
    return max(0.0, usage.ttft_ms - usage.queue_ms)


def _figures(usage: _core.Usage, n_tokens: Sequence[int]) -> dict[str, object]:
    """llama-box's figures of such a request; ``_t`` are tokens, times are milliseconds."""
    return {
        "prefill_t": usage.n_prompt,
        "prefill_tps": round(rate(usage.n_prompt, _read_ms(usage)), 2),
        "queue": round(usage.queue_ms, 2),
        "ttft": round(usage.ttft_ms, 2),
        "total_t": usage.n_prompt,
        "min_prompt_t": min(n_tokens),
        "max_prompt_t": max(n_tokens),
    }
