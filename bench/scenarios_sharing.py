"""Scenarios about who has the server: sets of adapters that take turns, clients that leave."""

from __future__ import annotations

import http.client
import json
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from asking import Ask, Asker, closed, errors, joined
from scenario import Found, Scenario, Size, at_most, at_most_peer, seen
from server_process import HOST, Running, Setup

MODELS = Path(__file__).resolve().parent.parent / "tests/models"
DEMO_MODEL = MODELS.parent.parent / "python/llamabox/models/demo.gguf"
ADAPTERS = ("lora-a.gguf", "lora-b.gguf")
N_PER_SET = 4
QUANTUM_STEPS = 8
N_SLOTS = 4
FREED_TIMEOUT_S = 30.0


def _lora_setup(setup: Setup, size: Size) -> Setup:
    more = [word for name in ADAPTERS for word in ("--lora", str(MODELS / name))]
    return replace(setup, model=DEMO_MODEL, n_ctx=8192, parallel=8, more=tuple(more))


def _lora_sets(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    n_new = size.of(400, 120)
    asked = [
        asker.ask(asker.ids(32), n_new, lora=[{"id": at % 2, "scale": 1.0}])
        for at in range(2 * N_PER_SET)
    ]
    joined(asked)
    good = [one for one in asked if one.times]
    waits = [wait for one in good for wait in pairwise([one.sent_s, *one.times])]
    # In tokens of those who had the model meanwhile: a pause of the machine delays all alike.
    passed = [_n_between(other.times, *wait) for wait in waits for other in good]
    return {
        "longest_ms": max((end - begin for begin, end in waits), default=math.nan) * 1e3,
        "quanta": max(passed, default=math.nan) / QUANTUM_STEPS,
        "failed": float(len(errors(asked))),
    }


def _n_between(times: list[float], begin: float, end: float) -> int:
    """How many of the ascending ``times`` lie between the two, without these."""
    return bisect_left(times, end) - bisect_right(times, begin)


LORA_SETS = Scenario(
    "lora-sets",
    "8 streams of the demo model, every other one with the other adapter",
    _lora_setup,
    _lora_sets,
    (
        at_most(2, "quanta", "longest wait, in quanta of 8 steps"),
        at_most_peer(1, "longest_ms", "longest wait of any, ms"),
        at_most(0, "failed", "requests failed"),
    ),
)


def n_busy(port: int) -> int:
    """Slots that have a request; -1 where the server does not say."""
    connection = http.client.HTTPConnection(HOST, port, timeout=FREED_TIMEOUT_S)
    try:
        connection.request("GET", "/slots", headers={"Connection": "close"})
        response = connection.getresponse()
        slots: Any = json.loads(response.read())
    except (OSError, ValueError):
        return -1
    finally:
        connection.close()
    return sum(bool(slot["is_processing"]) for slot in slots) if response.status == 200 else -1


def _until(works: Callable[[], bool]) -> float:
    """Seconds until it works; nan when it never does."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < FREED_TIMEOUT_S:
        if works():
            return time.perf_counter() - begin
        time.sleep(0.001)
    return math.nan


def _leave(port: int, leaving: Ask, n_left: int) -> float:
    """Seconds from the moment a client leaves until no more than ``n_left`` slots are busy."""
    begin = time.perf_counter()
    leaving.close()
    _until(lambda: 0 <= n_busy(port) <= n_left)
    return time.perf_counter() - begin


def _disconnect(name: str, server: Running, size: Size, seed: int) -> Found:
    asker = Asker(server.port, seed)
    found: Found = {}
    steps: list[float] = []
    for kind, stream in (("stream", True), ("whole", False)):
        neighbours = [asker.ask(asker.ids(32), 1500) for _ in range(N_SLOTS - 1)]
        for one in neighbours:
            one.wait_for(2)
        begin = time.perf_counter()
        # Decoding.
        leaving = asker.ask(asker.ids(16), 1500, stream=stream)
        _until(lambda: n_busy(server.port) == N_SLOTS)
        time.sleep(0.3)
        found[f"decode_{kind}_ms"] = _leave(server.port, leaving, N_SLOTS - 1) * 1e3
        # Prefilling.
        leaving = asker.ask(asker.ids(size.of(6000, 2000)), 8, stream=stream)
        _until(lambda: n_busy(server.port) == N_SLOTS)
        found[f"prefill_{kind}_ms"] = _leave(server.port, leaving, N_SLOTS - 1) * 1e3
        # Queued: the slot that it waited for must stay free when its holder leaves too.
        holder = asker.ask(asker.ids(16), 1500)
        holder.wait_for(2)
        leaving = asker.ask(asker.ids(size.of(6000, 2000)), 8, stream=stream)
        time.sleep(0.3)
        leaving.close()
        found[f"queued_{kind}_ms"] = _leave(server.port, holder, N_SLOTS - 1) * 1e3
        end = time.perf_counter()
        steps += [gap for one in neighbours for gap in one.gaps_s(begin, end)]
        closed([*neighbours, holder, leaving])
        _until(lambda: n_busy(server.port) == 0)
    freed = list(found.values())
    found["longest_ms"] = max(freed)
    found["step_ms"] = max(steps, default=math.nan) * 1e3
    found["in_steps"] = found["longest_ms"] / found["step_ms"]
    return found


DISCONNECT = Scenario(
    "disconnect",
    "clients that leave while they are queued, read or answered, beside 3 streams on 4 slots",
    lambda setup, size: replace(setup, n_ctx=16384, parallel=N_SLOTS),
    _disconnect,
    (
        # One step until it is seen, and one that was under way.
        at_most(2, "in_steps", "longest time until the slot is free, in steps"),
        at_most_peer(1, "longest_ms", "the same, ms"),
        seen("step_ms", "longest step beside it, ms"),
        *(
            seen(f"{phase}_{kind}_ms", f"{phase}, {kind}: slot free after ms")
            for phase in ("decode", "prefill", "queued")
            for kind in ("stream", "whole")
        ),
    ),
)

SCENARIOS = (LORA_SETS, DISCONNECT)
