#!/usr/bin/env python3
"""Compares llamabox with upstream's llama-server on the same model, threads and settings.

    python bench/compare.py [--model FILE] [--rounds 3] [--quick] [--json FILE]
    python bench/compare.py --scenario NAME[,NAME] | all    (scenarios.py; names in README.md)
    python bench/compare.py --preset gpu --model FILE       (README.md says what that needs)

One server runs at a time; they take turns within each round, and each round begins with the other
one. A round also runs the speeds without a server (references.py). One table is printed: medians
over the rounds, their ratio, and the project's targets. Exit code 1 when a request failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import embeddings
import process_tree
from compare_table import OURS, PEER, render, rows
from endless_model import endless
from load import Load, Summary, run_load
from references import Lengths, bare_loop, batched_bench
from scenarios import chosen, run_scenarios
from server_process import HOST, Running, Setup, check_tools, end_servers_on_sigterm, running

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("step_bench", "llama-server", "llama-batched-bench")
N_REQUESTS_BEFORE_MEMORY = 100
SETTLE_S = 1.0
# Defaults of options. On a GPU a step costs about the same for one row and for a hundred, so it
# takes many streams to fill it, and longer prompts to see how it reads them.
PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "gpu": {
        "levels": "1,8,32,64,128",
        "prompt_tokens": 512,
        "max_tokens": 256,
        "ctx_size": 131072,
        "parallel": 128,
        "threads": 4,
        "gpu_layers": 999,
    },
}
NOTES = (
    "same for both: model, -t, -c, -b, -ub, -np, unified KV, flash attention, polling 50, greedy",
    "different: llama-server runs with --cache-ram 0; llamabox is two processes (supervisor), both"
    " counted; each sends its own form of event",
    "a request: connection of its own, prompt of random token ids, stream, usage",
    "tok/s: new tokens over wall time, prefill included; decode tok/s: after the first token",
    "the model never ends by itself (endless_model.py), so every answer has --max-tokens",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run with each server in each round."""

    levels: list[int]  # concurrent streams
    requests_per_stream: int
    lengths: Lengths
    idle_s: float
    timeout_s: float  # of one load


@dataclass(frozen=True, slots=True)
class Measured:
    """One server in one round."""

    models_s: float
    first_token_s: float
    loads: dict[int, Summary]  # by number of streams
    server_cpu_ms_per_token: dict[int, float]
    memory: process_tree.Memory
    idle_cpu_percent: float


def measure(name: str, setup: Setup, plan: Plan, seed: int, log: IO[bytes]) -> Measured:
    """Start one server, load it, and end it."""
    with running(name, setup, log) as server:
        run = Requests(server, plan, seed)
        run.short(2)
        loads, cpu = {}, {}
        for streams in plan.levels:
            before = process_tree.cpu_s(server.pid)
            loads[streams] = run.full(streams)
            used = process_tree.cpu_s(server.pid) - before
            cpu[streams] = used * 1e3 / max(1, loads[streams].n_tokens)
            say(f"  {name} streams={streams} tok_s={loads[streams].tok_s:.1f}")
        run.short(max(0, N_REQUESTS_BEFORE_MEMORY - run.n_done))
        time.sleep(SETTLE_S)
        memory = process_tree.memory(server.pid)
        begin, before = time.perf_counter(), process_tree.cpu_s(server.pid)
        time.sleep(plan.idle_s)
        idle = (process_tree.cpu_s(server.pid) - before) / (time.perf_counter() - begin)
        return Measured(server.models_s, server.first_token_s, loads, cpu, memory, idle * 100)


class Requests:
    """The requests of one round to one server; no two prompts are equal."""

    def __init__(self, server: Running, plan: Plan, seed: int) -> None:
        self._port, self._plan, self._seed = server.port, plan, seed
        self.n_done = 1  # the one that ended the start

    def full(self, streams: int) -> Summary:
        lengths = self._plan.lengths
        n_requests = streams * self._plan.requests_per_stream
        return self._run(Load(streams, n_requests, lengths.new, lengths.prompt))

    def short(self, n_requests: int) -> None:
        if n_requests > 0:
            self._run(Load(streams=4, requests=n_requests, max_tokens=8, prompt_tokens=16))

    def _run(self, load: Load) -> Summary:
        self._seed += 1
        self.n_done += load.requests
        load = replace(load, seed=self._seed, timeout_s=self._plan.timeout_s)
        return run_load(HOST, self._port, load)


def run_round(number: int, setup: Setup, plan: Plan, log: IO[bytes]) -> dict[str, Any]:
    """All measurements once, as plain values."""
    say(f"round {number + 1}")
    batched = batched_bench(setup, plan.lengths, plan.levels, plan.timeout_s * len(plan.levels))
    found: dict[str, Any] = {
        "bare_loop": bare_loop(setup, plan.lengths, plan.timeout_s),
        "batched_bench": {str(level): speed for level, speed in batched.items()},
    }
    names = (OURS, PEER) if number % 2 == 0 else (PEER, OURS)
    for name in names:
        # Both see the same prompts.
        measured = measure(name, setup, plan, seed=number * 1000, log=log)
        found[name] = with_string_keys(asdict(measured))
    return found


def with_string_keys(value: Any) -> Any:
    """As it would be after a way through JSON."""
    return json.loads(json.dumps(value))


def run_rounds(
    n_rounds: int, time_limit_s: float, one: Callable[[int], dict[str, Any]]
) -> list[dict[str, Any]]:
    """As many rounds as asked for, and as surely fit into the time; at least one."""
    begin = time.perf_counter()
    rounds: list[dict[str, Any]] = []
    longest = 0.0
    while len(rounds) < n_rounds:
        started = time.perf_counter()
        if rounds and started - begin + longest > time_limit_s:
            say(f"time limit: {len(rounds)} of {n_rounds} rounds were run")
            break
        rounds.append(one(len(rounds)))
        longest = max(longest, time.perf_counter() - started)
    return rounds


def compare_embeddings(args: argparse.Namespace, setup: Setup) -> list[dict[str, Any]]:
    """The rounds of embeddings.py with its own model, printed as a table."""
    plan = embeddings.Plan(n_whole=4, n_each=64)
    # As many slots for the other server as there are clients.
    setup = replace(setup, model=args.embeddings_model, parallel=embeddings.N_CLIENTS)
    check_tools(setup, embeddings.TOOLS)
    with tempfile.NamedTemporaryFile(prefix="embeddings-", suffix=".log", delete=False) as log:
        rounds = [embeddings.run_round(number, setup, plan, log) for number in range(args.rounds)]
    print(embeddings.render(rounds))
    return rounds


def compare_scenarios(args: argparse.Namespace, setup: Setup) -> int:
    """The scenarios that were asked for, printed as one table."""
    with tempfile.NamedTemporaryFile(prefix="compare-", suffix=".log", delete=False) as log:
        say(f"the servers' output goes to {log.name}")
        found = run_scenarios(args.scenarios, setup, args, log)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare llamabox with llama-server.")
    models = ROOT / "build/bench_models"
    parser.add_argument("--model", type=Path, default=models / "bench-chat.gguf")
    parser.add_argument("--bin-dir", type=Path, default=ROOT / "build/bench/bin")
    parser.add_argument("--preset", choices=PRESETS, default="cpu", help="other defaults")
    parser.add_argument("--scenario", action="append", help="these instead, comma-separated")
    parser.add_argument("--levels", default="1,4,16,32", help="numbers of streams")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests-per-stream", type=int, default=2)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-c", "--ctx-size", type=int, default=8192)
    parser.add_argument("-b", "--batch-size", type=int, default=2048)
    parser.add_argument("-ub", "--ubatch-size", type=int, default=512)
    parser.add_argument("-np", "--parallel", type=int, default=32)
    parser.add_argument("-ngl", "--gpu-layers", type=int, help="of both servers")
    parser.add_argument("--no-flash-attn", dest="flash_attn", action="store_false")
    parser.add_argument("--embeddings-model", type=Path, help="compare embeddings too")
    parser.add_argument("--idle-s", type=float, default=4.0, help="seconds the idle CPU is watched")
    parser.add_argument("--load-timeout-s", type=float, default=180.0)
    parser.add_argument("--time-limit-s", type=float, default=1500.0, help="no round starts after")
    parser.add_argument("--quick", action="store_true", help="one short round at 1 and 4 streams")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.set_defaults(**PRESETS[parser.parse_known_args(words)[0].preset])
    args = parser.parse_args(words)
    if not args.model.is_file():
        parser.error(f"no such model: {args.model}; bench/make_models.py makes the usual ones")
    try:
        args.scenarios = chosen(args.scenario or [])
    except ValueError as error:
        parser.error(str(error))
    if args.quick:
        args.levels, args.rounds, args.max_tokens, args.idle_s = "1,4", 1, 32, 2.0
    return args


def setup_of(args: argparse.Namespace, model: Path) -> Setup:
    """What both servers are started with."""
    return Setup(
        model=model,
        bin_dir=args.bin_dir,
        threads=args.threads,
        n_ctx=args.ctx_size,
        n_batch=args.batch_size,
        n_ubatch=args.ubatch_size,
        parallel=args.parallel,
        flash_attn=args.flash_attn,
        more=() if args.gpu_layers is None else ("-ngl", str(args.gpu_layers)),
    )


def main() -> int:
    args = parse()
    end_servers_on_sigterm()
    setup = setup_of(args, endless(args.model))
    check_tools(setup, TOOLS)
    if args.scenarios:
        return compare_scenarios(args, setup)
    plan = Plan(
        levels=[int(word) for word in args.levels.split(",")],
        requests_per_stream=args.requests_per_stream,
        lengths=Lengths(args.prompt_tokens, args.max_tokens),
        idle_s=args.idle_s,
        timeout_s=args.load_timeout_s,
    )
    with tempfile.NamedTemporaryFile(prefix="compare-", suffix=".log", delete=False) as log:
        say(f"the servers' output goes to {log.name}")
        rounds = run_rounds(
            args.rounds, args.time_limit_s, lambda number: run_round(number, setup, plan, log)
        )
    table = rows(rounds, plan.levels)
    print(render(table))
    print("\n".join(f"note: {note}" for note in NOTES))
    encoded = compare_embeddings(args, setup) if args.embeddings_model else []
    if args.json:
        settings = {name: str(value) for name, value in vars(args).items()}
        whole = {"settings": settings, "table": [asdict(row) for row in table], "rounds": rounds}
        whole["embeddings"] = encoded
        args.json.write_text(json.dumps(whole, indent=1) + "\n")
    loads = [
        load for found in rounds for name in (OURS, PEER) for load in found[name]["loads"].values()
    ]
    for error in sorted({error for load in loads for error in load["errors"]}):
        print(f"failed: {error}")
    return 1 if any(load["n_failed"] for load in loads) else 0


if __name__ == "__main__":
    sys.exit(main())
