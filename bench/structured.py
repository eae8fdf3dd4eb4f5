#!/usr/bin/env python3
"""What a JSON schema costs in tokens per second: the same load with and without one.

    python bench/structured.py [--streams 8] [--rounds 5] [-t 2]

Both kinds run in turn on one server with the demo model; answers are equally long, since the free
ones go on after the end of a text and the schema asks for more than fits. The target is that the
schema costs at most 10 %.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from load import Load, Summary, run_load
from server_process import HOST, Setup, end_servers_on_sigterm, running

from llamabox.models import DEMO_MODEL

TARGET_PERCENT = 10.0
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
KINDS: dict[str, dict[str, Any]] = {
    "free": {"ignore_eos": True},
    "schema": {"json_schema": {"type": "array", "items": PERSON, "minItems": 500}},
}


def main() -> int:
    parser = argparse.ArgumentParser(description="What structured output costs.")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--requests-per-stream", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-t", "--threads", type=int, default=2)
    args = parser.parse_args()
    end_servers_on_sigterm()
    setup = Setup(DEMO_MODEL, Path(), threads=args.threads, parallel=args.streams)
    speeds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryFile() as log, running("llamabox", setup, log) as server:

        def one(kind: str, n_requests: int, seed: int) -> Summary:
            load = Load(
                args.streams, n_requests, args.max_tokens, 32, seed=seed, fields=KINDS[kind]
            )
            done = run_load(HOST, server.port, load)
            if done.n_failed or done.n_early:
                raise SystemExit(f"{kind}: {done.n_failed} failed, {done.n_early} too short")
            return done

        for kind in KINDS:  # the grammar is compiled once, here
            one(kind, args.streams, 0)
        for number in range(args.rounds):
            kinds = list(KINDS) if number % 2 == 0 else list(reversed(KINDS))
            for kind in kinds:
                n_requests = args.streams * args.requests_per_stream
                speeds[kind].append(one(kind, n_requests, 1 + number).tok_s)
    middle = {kind: statistics.median(values) for kind, values in speeds.items()}
    cost = 100 * (1 - middle["schema"] / middle["free"])
    print(f"{args.streams} streams, {args.max_tokens} tokens each, {args.rounds} rounds")
    for kind, values in speeds.items():
        print(f"{kind:8} {middle[kind]:9.1f} tok/s  ({min(values):.1f} to {max(values):.1f})")
    verdict = "met" if cost <= TARGET_PERCENT else "missed"
    print(f"a schema costs {cost:.1f} %; target {TARGET_PERCENT:.0f} %: {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
