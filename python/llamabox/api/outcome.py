"""What is noted when a request has ended: the figures of its log line and how its choices ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamabox.api.call import Call
from llamabox.api.gathering import Gathering
from llamabox.api.usage import rate

if TYPE_CHECKING:
    from llamabox._core import Usage


def note_outcome(call: Call, sink: Gathering) -> None:
    """Note it for the log and the metrics.

    ``error`` and ``cancelled`` stand once for whatever they cut off. A request that the engine did
    not accept has neither reasons nor figures.
    """
    reasons = list(sink.reasons)
    if sink.error is not None:
        reasons.append("error")
    elif sink.cancelled:
        reasons.append("cancelled")
    call.metrics.count_choices(call.request.path, reasons)
    if sink.usages:
        call.exchange.figures.update(figures(sink.usages))
        call.exchange.figures["stop_r"] = ",".join(dict.fromkeys(reasons))


def figures(usages: Sequence[Usage]) -> dict[str, object]:
    """llama-box's figures of the requests that answered one client.

    ``_t`` are tokens, ``_tps`` tokens per second, ``ttft`` and ``tpot`` milliseconds; those about
    drafts are there only when tokens were drafted.
    """
    n_prompt = sum(u.n_prompt for u in usages)
    n_cached = sum(u.n_cached for u in usages)
    n_generated = sum(u.n_generated for u in usages)
    n_draft = sum(u.n_draft for u in usages)
    ttft_ms = min(u.ttft_ms for u in usages)
    prefill_ms = max(u.ttft_ms - u.queue_ms for u in usages)
    decode_ms = max(u.decode_ms for u in usages)
    n_decoded = max(0, n_generated - len(usages))
    found: dict[str, object] = {
        "prefill_t": n_prompt,
        "prefill_cached_t": n_cached,
        "prefill_tps": round(rate(n_prompt - n_cached, prefill_ms), 2),
        "queue": round(max(u.queue_ms for u in usages), 2),
        "ttft": round(ttft_ms, 2),
        "decode_t": n_generated,
        "decode_tps": round(rate(n_decoded, decode_ms), 2),
        "tpot": round(decode_ms / n_decoded, 2) if n_decoded else 0.0,
        "total_t": n_prompt + n_generated,
    }
    if n_draft > 0:
        accepted = sum(u.n_draft_accepted for u in usages)
        found["draft_t"] = n_draft
        found["draft_apt"] = round(100 * accepted / n_draft, 1)
    return found
