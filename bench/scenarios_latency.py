"""Scenarios in which somebody's long prompt stands beside what others wait for."""

from __future__ import annotations

import time
from dataclasses import replace

from asking import Asker, closed, errors, joined, mean
from load import percentile
from scenario import Found, Scenario, Size, at_most, at_most_peer, seen
from server_process import Running, Setup

N_STREAMS = 8
N_SHORTS = 8


def _n_long(size: Size) -> int:
    # The bench models were made for 8,192 tokens.
    return size.of(8000, 1500)


def _setup(setup: Setup, size: Size) -> Setup:
    return replace(setup, n_ctx=16384, parallel=16)


def _long_prompt(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    streams = [asker.ask(asker.ids(64), 700) for _ in range(N_STREAMS)]
    for stream in streams:
        stream.wait_for(5)
    long = asker.ask(asker.ids(_n_long(size)), 8)
    long.wait_for(1)
    first_s = time.perf_counter()
    # A gap that covers the end of the prompt is over with the next event.
    for stream in streams:
        stream.wait_for(len(stream.times) + 1, timeout_s=5)
    joined([long])
    closed(streams)
    if not long.times:
        return {"failed": 1.0}
    gaps = [gap for stream in streams for gap in stream.gaps_s(long.sent_s, first_s)]
    n_tokens = sum(long.sent_s < at < first_s for stream in streams for at in stream.times)
    return {
        "itl_p99_ms": percentile(gaps, 0.99) * 1e3,
        "itl_max_ms": max(gaps, default=0.0) * 1e3,
        "ttft_s": long.ttft_s,
        "n_tokens": float(n_tokens),
        "failed": float(len(errors([long, *streams]))),
    }


LONG_PROMPT = Scenario(
    "long-prompt",
    "8 decoding streams, and one prompt of 8,000 tokens arrives",
    _setup,
    _long_prompt,
    (
        at_most_peer(0.05, "itl_p99_ms", "p99 ITL of the streams while it is read, ms"),
        seen("itl_max_ms", "longest ITL meanwhile, ms"),
        seen("n_tokens", "tokens of the streams meanwhile"),
        at_most_peer(1.3, "ttft_s", "TTFT of the long prompt, s"),
        at_most(0, "failed", "requests failed"),
    ),
)


def _short_behind_long(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    long = asker.ask(asker.ids(_n_long(size)), 8)
    shorts = []
    for _ in range(N_SHORTS):
        time.sleep(0.25)
        shorts.append(asker.ask(asker.ids(32), 8))
    joined([long, *shorts])
    ttft = [short.ttft_s for short in shorts if short.times]
    if not ttft or not long.times:
        return {"failed": 1.0}
    return {
        "short_p99_s": percentile(ttft, 0.99),
        "short_mean_s": mean(ttft),
        "long_s": long.ttft_s,
        "failed": float(len(errors([long, *shorts]))),
    }


SHORT_BEHIND_LONG = Scenario(
    "short-behind-long",
    "8 prompts of 32 tokens arrive while one of 8,000 is read and nobody decodes",
    _setup,
    _short_behind_long,
    (
        at_most_peer(0.2, "short_p99_s", "p99 TTFT of the short prompts, s"),
        seen("short_mean_s", "mean TTFT of the short prompts, s"),
        seen("long_s", "TTFT of the long prompt, s"),
        at_most(0, "failed", "requests failed"),
    ),
)

SCENARIOS = (LONG_PROMPT, SHORT_BEHIND_LONG)
