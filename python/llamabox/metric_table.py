"""The metrics that come from the engine's counters: name, help and where the value stands.

Names are those after ``llamabox:``. The first sixteen are the specification's. What the engine that
serves does not count, as tokens on a server that makes images, stays 0.
"""

from __future__ import annotations

from typing import NamedTuple


class FromStats(NamedTuple):
    """A counter or gauge whose value is a field of Stats."""

    name: str
    help: str
    field: str


class Rate(NamedTuple):
    """A gauge that divides two fields of Stats; 0 while nothing was counted."""

    name: str
    help: str
    part: str
    whole: str


class Distribution(NamedTuple):
    """A histogram; ``scale`` turns the unit of the engine into that of the name."""

    name: str
    help: str
    field: str
    scale: float


COUNTERS = (
    FromStats("image_forward", "Images forwarded (steps) in diffusion processing.", "n_forward"),
    FromStats("image_forward_seconds", "Time of the image forward process.", "forward_seconds"),
    FromStats("image_reverse", "Images reversed (steps) in diffusion processing.", "n_reverse"),
    FromStats("image_reverse_seconds", "Time of the image reverse process.", "reverse_seconds"),
    FromStats("tokens_prefill", "Prompt tokens run through the model.", "n_prompt_tokens"),
    FromStats("tokens_prefill_seconds", "Time of prompt processing.", "prefill_seconds"),
    FromStats("tokens_decode", "Tokens generated.", "n_generated_tokens"),
    FromStats("tokens_decode_seconds", "Time of generation.", "decode_seconds"),
    FromStats("tokens_drafted", "Tokens proposed by speculative decoding.", "n_draft_tokens"),
    FromStats("tokens_drafted_accepted", "Of these, tokens accepted.", "n_draft_accepted"),
    FromStats(
        "prefix_cache_queried_tokens", "Prompt tokens looked up in KV.", "n_looked_up_tokens"
    ),
    FromStats("prefix_cache_hit_tokens", "Of these, tokens found there.", "n_cached_tokens"),
    FromStats("shared_tokens", "Of these, in cells that another sequence held.", "n_shared_tokens"),
    FromStats("joined_tokens", "Of these, that another request read first.", "n_joined_tokens"),
    FromStats("restored_tokens", "Of these, copied back from RAM.", "n_restored_tokens"),
    FromStats("parked_tokens", "Tokens copied from KV to RAM.", "n_parked_tokens"),
    FromStats("engine_requests", "Requests accepted by the engine.", "n_requests"),
    FromStats(
        "preemptions", "Sequences that gave their slot and KV to others for a while.", "n_preempted"
    ),
    FromStats(
        "preempted_tokens",
        "Tokens of KV that such a sequence did not find again.",
        "n_preempted_tokens",
    ),
    FromStats("context_shifts", "Times a full context lost its older half.", "n_context_shifts"),
    FromStats("steps", "Steps of the engine.", "n_steps"),
    FromStats("encoded_texts", "Texts read for embeddings and scores.", "n_encoded_texts"),
    FromStats("media_encoded", "Pictures and sounds run through the projector.", "n_media_encoded"),
    FromStats("media_cached", "Pictures and sounds whose embeddings were kept.", "n_media_cached"),
    FromStats("encode_passes", "Passes over such texts.", "n_encode_passes"),
)
GAUGES = (
    FromStats("slots", "Sequences that can run at once.", "n_slots"),
    FromStats("parked_bytes", "RAM that parked prefixes take.", "n_parked_bytes"),
    FromStats("slots_busy", "Sequences that run now.", "n_slots_busy"),
    FromStats("requests_waiting", "Requests that wait for a slot.", "n_waiting"),
    FromStats("kv_cache_tokens", "KV-cache tokens.", "n_kv_used"),
    FromStats("kv_cache_cells", "Tokens the KV cache can hold.", "n_kv_cells"),
)
RATES = (
    Rate(
        "image_forward_steps_per_second",
        "Average image forward throughput.",
        "n_forward",
        "forward_seconds",
    ),
    Rate(
        "image_reverse_steps_per_second",
        "Average image reverse throughput.",
        "n_reverse",
        "reverse_seconds",
    ),
    Rate(
        "tokens_prefill_per_second",
        "Average prompt throughput in tokens/s.",
        "n_prompt_tokens",
        "prefill_seconds",
    ),
    Rate(
        "tokens_decode_per_second",
        "Average generation throughput in tokens/s.",
        "n_generated_tokens",
        "decode_seconds",
    ),
    Rate("kv_cache_usage_ratio", "KV-cache usage; 1 is full.", "n_kv_used", "n_kv_cells"),
)
_MS = 1 / 1000
HISTOGRAMS = (
    Distribution("step_seconds", "Duration of a step.", "step_ms", _MS),
    Distribution(
        "time_to_first_token_seconds", "From acceptance to the first token.", "ttft_ms", _MS
    ),
    Distribution("inter_token_seconds", "Between two tokens of a choice.", "itl_ms", _MS),
    Distribution("request_seconds", "From acceptance to the last token.", "e2e_ms", _MS),
    Distribution("queue_seconds", "From acceptance to the first slot.", "queue_ms", _MS),
    Distribution("draft_places", "Place in its draft of each drafted token.", "draft_places", 1),
    Distribution(
        "accepted_draft_places",
        "Place in its draft of each accepted token.",
        "accepted_draft_places",
        1,
    ),
    Distribution("prompt_tokens", "Tokens of a prompt.", "prompt_tokens", 1),
    Distribution("output_tokens", "Tokens of a finished choice.", "output_tokens", 1),
)
