#!/usr/bin/env python3
"""Compares embeddings of short texts with upstream's llama-server and with the bare model.

    python bench/embeddings.py --model minilm.gguf [--rounds 3] [--json FILE]

Texts have 4 to 16 words and no two are alike. Two loads: one request of 512 texts, and 16 clients
that each send one text at a time. The servers take turns as in compare.py, which runs this too when
it is given --embeddings-model. tools/minilm_to_gguf.py makes a model.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from server_process import (
    HOST,
    Setup,
    check_tools,
    end,
    end_servers_on_sigterm,
    free_port,
    get,
    wait_until,
)

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("llama-server", "llama-bench")
OURS, PEER = "llamabox", "llama-server"
N_TEXTS, N_CLIENTS = 512, 16
TIMEOUT_S = 120
LENGTHS = (16, 512)  # of llama-bench's sequences
TARGETS = {"one request, 512 texts": 1.2, "16 clients, one text each": 1.2, "bare model": 0.95}
WORDS = """
time year people way day man thing woman life child world school state family student group
country problem hand part place case week company system program question work government number
night point home water room mother area money story fact month lot right study book eye job word
business issue side kind head house service friend father power hour game line end member law
car city community name president team minute idea kid body information back parent face others
level office door health person art war history party result change morning reason research girl
guy moment air teacher force education
""".split()


@dataclass(frozen=True, slots=True)
class Plan:
    """What each server does in a round."""

    n_whole: int  # requests of all texts
    n_each: int  # requests of each client


def texts(seed: int, n: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(4, 16))) for _ in range(n)]


def command(name: str, setup: Setup, port: int) -> list[str]:
    common = [*setup.common(), "--host", HOST, "--port", str(port), "--embeddings"]
    if name == OURS:
        return [sys.executable, "-m", "llamabox", *common]
    server = str(setup.bin_dir / "llama-server")
    return [server, *common, "-np", str(setup.parallel), "--cache-ram", "0"]


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
        self.n_tokens = 0

    def embed(self, value: list[str]) -> None:
        body = json.dumps({"input": value, "model": "m"})
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/v1/embeddings", body, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"status {response.status}: {answer[:200]!r}")
        # The counts stand before or after the vectors, which are not read here.
        at = answer.rfind(b'"prompt_tokens":')
        self.n_tokens += int(answer[at + 16 : at + 26].split(b",")[0].split(b"}")[0])


def whole(port: int, plan: Plan, seed: int) -> dict[str, float]:
    client = Client(port)
    bodies = [texts(seed + at, N_TEXTS) for at in range(plan.n_whole)]
    begin = time.perf_counter()
    for body in bodies:
        client.embed(body)
    seconds = time.perf_counter() - begin
    return {"texts_s": plan.n_whole * N_TEXTS / seconds, "tok_s": client.n_tokens / seconds}


def each(port: int, plan: Plan, seed: int) -> dict[str, float]:
    clients = [Client(port) for _ in range(N_CLIENTS)]
    errors: list[BaseException] = []

    def run(at: int) -> None:
        try:
            for text in texts(seed + 100 + at, plan.n_each):
                clients[at].embed([text])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(N_CLIENTS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    if errors:
        raise errors[0]
    n_tokens = sum(client.n_tokens for client in clients)
    return {"texts_s": plan.n_each * N_CLIENTS / seconds, "tok_s": n_tokens / seconds}


def measure(name: str, setup: Setup, plan: Plan, seed: int, log: IO[bytes]) -> dict[str, Any]:
    port = free_port()
    process = subprocess.Popen(command(name, setup, port), stdout=log, stderr=log)
    try:
        wait_until(process, lambda: get(port, "/health"))
        Client(port).embed(texts(seed - 1, 32))
        found = {"whole": whole(port, plan, seed), "each": each(port, plan, seed)}
    finally:
        end(process)
    shown = {load: round(values["texts_s"], 1) for load, values in found.items()}
    print(f"  {name} texts/s {shown}", file=sys.stderr, flush=True)
    return found


def bare(setup: Setup) -> dict[str, float]:
    """Tokens per second of llama-bench, by the length of its sequences."""
    line = [str(setup.bin_dir / "llama-bench"), "-m", str(setup.model), "-t", str(setup.threads)]
    line += ["--embeddings", "1", "-n", "0", "-p", ",".join(map(str, LENGTHS)), "-o", "json"]
    line += ["-ub", str(setup.n_ubatch), "-r", "2"]
    done = subprocess.run(line, check=True, capture_output=True, timeout=TIMEOUT_S)
    return {str(row["n_prompt"]): row["avg_ts"] for row in json.loads(done.stdout)}


def run_round(number: int, setup: Setup, plan: Plan, log: IO[bytes]) -> dict[str, Any]:
    print(f"embeddings, round {number + 1}", file=sys.stderr, flush=True)
    found: dict[str, Any] = {"bare": bare(setup)}
    for name in (OURS, PEER) if number % 2 == 0 else (PEER, OURS):
        found[name] = measure(name, setup, plan, number * 1000 + 1, log)
    return found


def median(rounds: list[dict[str, Any]], *path: str) -> float:
    def value(found: Any) -> float:
        for key in path:
            found = found[key]
        return float(found)

    return statistics.median(value(found) for found in rounds)


def render(rounds: list[dict[str, Any]]) -> str:
    """One line for each load and each length: ours, the other's, the ratio and the target."""
    one_request, clients, bare_model = TARGETS
    lines = [f"{'embeddings, tok/s':<34}{'llamabox':>10}{'other':>10}{'ratio':>8}{'target':>8}"]

    def add(label: str, ours: float, other: float, target: float) -> None:
        lines.append(f"{label:<34}{ours:>10.0f}{other:>10.0f}{ours / other:>8.2f}{target:>8.2f}")

    for label, load in ((one_request, "whole"), (clients, "each")):
        ours, peer = (median(rounds, name, load, "tok_s") for name in (OURS, PEER))
        add(f"{label} ({PEER})", ours, peer, TARGETS[label])
    ours = median(rounds, OURS, "whole", "tok_s")
    for length in LENGTHS:
        other = median(rounds, "bare", str(length))
        add(f"512 texts (llama-bench -p {length})", ours, other, TARGETS[bare_model])
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--bin-dir", type=Path, default=ROOT / "build/bench/bin")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--n-whole", type=int, default=4, help="requests of 512 texts")
    parser.add_argument("--n-each", type=int, default=64, help="requests of each of 16 clients")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-ub", "--ubatch-size", type=int, default=512)
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    args = parser.parse_args()
    end_servers_on_sigterm()
    setup = Setup(
        model=args.model,
        bin_dir=args.bin_dir,
        threads=args.threads,
        n_ubatch=args.ubatch_size,
        parallel=N_CLIENTS,
    )
    check_tools(setup, TOOLS)
    plan = Plan(args.n_whole, args.n_each)
    with tempfile.NamedTemporaryFile(prefix="embeddings-", suffix=".log", delete=False) as log:
        rounds = [run_round(number, setup, plan, log) for number in range(args.rounds)]
    print(render(rounds))
    if args.json:
        args.json.write_text(json.dumps(rounds, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
