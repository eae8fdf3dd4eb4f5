"""The ``usage`` object: OpenAI's counts and llama-box's rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llamabox._core import Usage


def usage_object(usages: Sequence[Usage], n_choices: int) -> dict[str, Any]:
    """Add up the requests that answered one client.

    Rates are tokens per second: of the prompt over the time its own tokens took (those taken from
    KV and the wait for a slot do not count), of the output over the time after the first token.
    They are 0 where nothing was measured.
    """
    n_prompt = sum(u.n_prompt for u in usages)
    n_cached = sum(u.n_cached for u in usages)
    n_generated = sum(u.n_generated for u in usages)
    n_draft = sum(u.n_draft for u in usages)
    n_accepted = sum(u.n_draft_accepted for u in usages)
    ttft_ms = min(u.ttft_ms for u in usages)
    prefill_ms = max(u.ttft_ms - u.queue_ms for u in usages)
    decode_ms = max(u.decode_ms for u in usages)
    n_decoded = _n_decoded(usages, n_choices)
    usage: dict[str, Any] = {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_generated,
        "total_tokens": n_prompt + n_generated,
        "prompt_tokens_details": _prompt_details(usages),
        "completion_tokens_details": {
            "reasoning_tokens": sum(u.n_reasoning for u in usages),
            "accepted_prediction_tokens": n_accepted,
            "rejected_prediction_tokens": n_draft - n_accepted,
        },
        "time_to_first_token_ms": ttft_ms,
        "time_per_output_token_ms": decode_ms / n_decoded if n_decoded else 0.0,
        "prompt_tokens_per_second": rate(n_prompt - n_cached, prefill_ms),
        "tokens_per_second": decode_rate(usages, n_choices),
    }
    if n_draft > 0:
        usage["draft_tokens"] = n_draft
        usage["draft_tokens_acceptance"] = n_accepted / n_draft
    return usage


def _prompt_details(usages: Sequence[Usage]) -> dict[str, int]:
    """Tokens of pictures and sounds are named only where there are some."""
    details = {"cached_tokens": sum(u.n_cached for u in usages)}
    n_image, n_audio = sum(u.n_image for u in usages), sum(u.n_audio for u in usages)
    if n_image:
        details["image_tokens"] = n_image
    if n_audio:
        details["audio_tokens"] = n_audio
    return details


def decode_rate(usages: Sequence[Usage], n_choices: int) -> float:
    """Tokens per second of the output after the first token."""
    return rate(_n_decoded(usages, n_choices), max(u.decode_ms for u in usages))


def _n_decoded(usages: Sequence[Usage], n_choices: int) -> int:
    # The first token of each choice comes from the prefill.
    return max(0, sum(u.n_generated for u in usages) - n_choices)


def rate(count: int, ms: float) -> float:
    """Per second; 0 of no time."""
    return 1000 * count / ms if ms > 0 else 0.0
