#!/usr/bin/env python3
"""What the boundary between C++ and Python costs, on a model that only sleeps (fake_model.py).

    python bench/boundary.py [--rounds 5] [--quick] [--json]

1. Worst engine step while Python is kept busy, against quiet. 16 sequences with steps of 2 ms. The
   requests want two tokens each, so the time that the engine reports from first to last token is
   the time of one whole step, measured by the engine's own clock; half of them are out of phase
   with the others, so every step is measured. Busy: a second Python thread computes and never
   gives the interpreter lock up by itself, while the main thread drains events as the server does.
   Quiet and busy take turns; of each round's worst step the median over the rounds is compared.

2. CPU per streamed token in Python: the server runs in a process of its own, and the kernel's
   account of its loop thread (system calls included) is divided by the tokens that the load
   generator's clients have read. Requests are long, and their own cost is in the figure. With one
   stream every token wakes the thread from sleep, so what a wake-up alone costs on this machine,
   in a thread that does nothing but sleep, is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_model import ID_HIGH, ID_LOW, N_SLOTS, core_engine, load_core
from load import Load, percentile, run_load
from process_tree import thread_cpu_s
from server_process import HOST, end, end_servers_on_sigterm, free_port, get, wait_until

STEP_US = 2000
MAX_LATER_MS = 1.0
MAX_CPU_US = 25.0


@contextmanager
def busy_python() -> Iterator[None]:
    """A thread that holds the interpreter lock: bytecode, and C calls of several milliseconds."""
    stop = threading.Event()
    numbers = [random.random() for _ in range(30_000)]

    def work() -> None:
        while not stop.is_set():
            sum(i * i for i in range(30_000))
            sorted(numbers)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def step_times(core: Any, n_requests: int) -> list[float]:
    """The time of each step in ms, once for each sequence that it ended."""
    engine = core_engine(core, STEP_US, n_queue=n_requests)
    engine.start()
    try:
        for i in range(n_requests):
            # The first ones of every other slot run a step longer, which puts them out of phase.
            n_tokens = 3 if i < N_SLOTS and i % 2 else 2
            engine.submit(request(core, n_tokens))
        times = []
        n_open = n_requests
        while n_open > 0:
            select.select([engine.wake_fd()], [], [], 10)
            for event in engine.drain():
                n_open -= event.kind == "done"
                if event.kind == "done" and event.usage.n_generated == 2:
                    times.append(event.usage.decode_ms)
    finally:
        engine.stop()
    return times


def request(core: Any, n_tokens: int) -> Any:
    body = core.GenerateRequest(
        prompt=core.TokenPrompt(tokens=[random.randrange(ID_LOW, ID_HIGH)]),
        sampling=core.SamplingParams(temperature=0),
        max_tokens=n_tokens,
    )
    return core.Request(body=body)


def measure_steps(n_rounds: int, n_requests: int) -> dict[str, float]:
    """Medians over the rounds, in ms."""
    core = load_core()
    found: dict[str, list[list[float]]] = {"quiet": [], "busy": []}
    for _ in range(n_rounds):
        found["quiet"].append(step_times(core, n_requests))
        with busy_python():
            found["busy"].append(step_times(core, n_requests))
    result: dict[str, float] = {}
    for name, rounds in found.items():
        result[f"{name}_p50_ms"] = statistics.median(percentile(times, 0.5) for times in rounds)
        result[f"{name}_p99_ms"] = statistics.median(percentile(times, 0.99) for times in rounds)
        result[f"{name}_worst_ms"] = statistics.median(max(times) for times in rounds)
        result[f"{name}_worst_of_all_ms"] = max(max(times) for times in rounds)
    result["busy_minus_quiet_ms"] = result["busy_worst_ms"] - result["quiet_worst_ms"]
    return result


def wake_up_us() -> float:
    """CPU microseconds that one wake-up from a sleep as long as a step costs here."""
    n_times = 300
    begin_ns = time.thread_time_ns()
    for _ in range(n_times):
        time.sleep(STEP_US / 1e6)
    return (time.thread_time_ns() - begin_ns) / 1e3 / n_times


def measure_cpu(streams: int, n_rounds: int, max_tokens: int) -> dict[str, float]:
    """Loop thread's CPU of one number of streams, in microseconds per token; medians."""
    port = free_port()
    script = Path(__file__).with_name("fake_model.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(port), str(STEP_US)], stderr=subprocess.DEVNULL
    )
    try:
        wait_until(process, lambda: get(port, "/v1/models"))
        costs, own = [], []
        for seed in range(n_rounds + 1):
            load = Load(streams, streams * 2, max_tokens, 16, 0, ID_LOW, ID_HIGH, seed)
            # The loop runs in the main thread, whose id is that of the process.
            before = thread_cpu_s(process.pid, process.pid)
            summary = run_load(HOST, port, load)
            used = thread_cpu_s(process.pid, process.pid) - before
            if summary.n_failed or summary.n_early:
                raise RuntimeError(f"{summary.n_failed} failed, {summary.n_early} ended early")
            costs.append(used * 1e6 / summary.n_tokens)
            own.append(summary.cpu_us_per_event)
    finally:
        end(process)
    # The first round warmed up.
    return {
        "cpu_us_per_token": statistics.median(costs[1:]),
        "wake_up_us": wake_up_us(),
        "load_generator_us_per_event": statistics.median(own[1:]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the boundary between C++ and Python.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="of the first part, per round")
    parser.add_argument("--max-tokens", type=int, default=1000, help="of the second part")
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    args = parser.parse_args()
    end_servers_on_sigterm()
    if args.quick:
        args.rounds, args.requests, args.max_tokens = 2, 800, 250
    steps = measure_steps(args.rounds, args.requests)
    cpu = {streams: measure_cpu(streams, args.rounds, args.max_tokens) for streams in (1, 16)}
    if args.json:
        print(json.dumps({"steps": steps, "cpu": cpu}))
        return 0
    show(steps, cpu)
    return 0


def show(steps: dict[str, float], cpu: dict[int, dict[str, float]]) -> None:
    for name in ("quiet", "busy"):
        keys = ("p50", "p99", "worst", "worst_of_all")
        numbers = (f"{key}={steps[f'{name}_{key}_ms']:.3f}" for key in keys)
        print(f"engine step ms, Python {name}: {' '.join(numbers)}")
    later = steps["busy_minus_quiet_ms"]
    # A quiet step that is itself late by more says that others use the machine.
    judged = steps["quiet_worst_ms"] - steps["quiet_p50_ms"] < MAX_LATER_MS
    verdict = met(later < MAX_LATER_MS) if judged else "cannot be told, the machine is not quiet"
    print(f"worst busy - worst quiet: {later:.3f} ms (target < {MAX_LATER_MS}: {verdict})")
    for streams, found in cpu.items():
        cost = found["cpu_us_per_token"]
        print(
            f"loop thread CPU us/token, streams={streams}: {cost:.1f}"
            f" (target <= {MAX_CPU_US:.0f}: {met(cost <= MAX_CPU_US)});"
            f" a bare wake-up here: {found['wake_up_us']:.1f};"
            f" load generator: {found['load_generator_us_per_event']:.1f}"
        )


def met(is_met: bool) -> str:
    return "met" if is_met else "NOT met"


if __name__ == "__main__":
    sys.exit(main())
