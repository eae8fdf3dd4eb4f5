"""The Prometheus page: the specification's 16 names, and ours.

The text format (version 0.0.4) is a few lines; label values come from closed sets, so nothing in
it needs quoting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llamabox._core import Histogram, Stats

_COUNTERS = (
    # Name, help, field of Stats or None where this server has nothing to count.
    ("image_forward_total", "Images forwarded (steps) in diffusion processing.", None),
    ("image_forward_seconds_total", "Time of the image forward process.", None),
    ("image_reverse_total", "Images reversed (steps) in diffusion processing.", None),
    ("image_reverse_seconds_total", "Time of the image reverse process.", None),
    ("tokens_prefill_total", "Prompt tokens run through the model.", "n_prompt_tokens"),
    ("tokens_prefill_seconds_total", "Time of prompt processing.", "prefill_seconds"),
    ("tokens_decode_total", "Tokens generated.", "n_generated_tokens"),
    ("tokens_decode_seconds_total", "Time of generation.", "decode_seconds"),
    ("tokens_drafted_total", "Tokens proposed by speculative decoding.", "n_draft_tokens"),
    ("tokens_drafted_accepted_total", "Of these, tokens accepted.", "n_draft_accepted"),
    ("prefix_cache_hit_tokens_total", "Prompt tokens taken from KV instead.", "n_cached_tokens"),
    ("engine_requests_total", "Requests accepted by the engine.", "n_requests"),
    ("preemptions_total", "Sequences whose KV was taken away to be filled again.", "n_preempted"),
    ("steps_total", "Steps of the engine.", "n_steps"),
)
_GAUGES = (
    ("slots", "Sequences that can run at once.", "n_slots"),
    ("slots_busy", "Sequences that run now.", "n_slots_busy"),
    ("requests_waiting", "Requests that wait for a slot.", "n_waiting"),
    ("kv_cache_tokens", "KV-cache tokens.", "n_kv_used"),
    ("kv_cache_cells", "Tokens the KV cache can hold.", "n_kv_cells"),
)
_RATES = {
    "image_forward_steps_per_second": "Average image forward throughput in steps/s.",
    "image_reverse_steps_per_second": "Average image reverse throughput in steps/s.",
    "tokens_prefill_per_second": "Average prompt throughput in tokens/s.",
    "tokens_decode_per_second": "Average generation throughput in tokens/s.",
    "kv_cache_usage_ratio": "KV-cache usage. 1 means 100 percent usage.",
}


class Metrics:
    """Counts what the engine does not know, and renders everything."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, restart_count: int) -> None:
        self._restart_count = restart_count
        self._requests: Counter[tuple[str, int]] = Counter()

    def count_request(self, route: str, status: int) -> None:
        """Note one answer; ``route`` is a path of the route table, never the client's text."""
        self._requests[route, status] += 1

    def render(self, stats: Stats | None) -> bytes:
        """The page. Without ``stats`` (still loading) the engine's values are all 0."""
        lines: list[str] = []
        for name, text, field in _COUNTERS:
            value = getattr(stats, field) if stats is not None and field else 0
            lines += _family(name, "counter", text, {"": value})
        for name, text, field in _GAUGES:
            value = getattr(stats, field) if stats is not None else 0
            lines += _family(name, "gauge", text, {"": value})
        for name, value in _rates(stats).items():
            lines += _family(name, "gauge", _RATES[name], {"": value})
        lines += _family(
            "worker_restarts_total",
            "counter",
            "Unexpected ends of the worker process.",
            {"": self._restart_count},
        )
        requests = {
            f'{{route="{route}",status="{status}"}}': count
            for (route, status), count in self._requests.items()
        }
        lines += _family("requests_total", "counter", "Answers by route and status.", requests)
        if stats is not None:
            lines += _seconds("step_seconds", "Duration of a step.", stats.step_ms)
            lines += _seconds(
                "time_to_first_token_seconds", "From acceptance to the first token.", stats.ttft_ms
            )
        return ("\n".join(lines) + "\n").encode()


def _rates(stats: Stats | None) -> dict[str, float]:
    rates = dict.fromkeys(_RATES, 0.0)
    if stats is not None:
        rates["tokens_prefill_per_second"] = _ratio(stats.n_prompt_tokens, stats.prefill_seconds)
        rates["tokens_decode_per_second"] = _ratio(stats.n_generated_tokens, stats.decode_seconds)
        rates["kv_cache_usage_ratio"] = _ratio(stats.n_kv_used, stats.n_kv_cells)
    return rates


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _family(name: str, kind: str, text: str, samples: Mapping[str, float]) -> list[str]:
    """A metric with its samples, which are named by what follows the name."""
    full_name = f"llamabox:{name}"
    return [
        f"# HELP {full_name} {text}",
        f"# TYPE {full_name} {kind}",
        *(f"{full_name}{rest} {value!r}" for rest, value in samples.items()),
    ]


def _seconds(name: str, text: str, histogram: Histogram) -> list[str]:
    """A histogram of milliseconds as the cumulative one in seconds that Prometheus wants."""
    counts = list(accumulate(histogram.counts))
    labels = [*(f"{bound / 1000:g}" for bound in histogram.bounds), "+Inf"]
    samples: dict[str, float] = {
        f'_bucket{{le="{label}"}}': count for label, count in zip(labels, counts, strict=True)
    }
    samples["_sum"] = histogram.sum / 1000
    samples["_count"] = counts[-1]
    return _family(name, "histogram", text, samples)
