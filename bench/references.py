"""Speeds without a server: a bare loop over llama_decode, and upstream's llama-batched-bench."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from server_process import Setup


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of each prompt and of each answer."""

    prompt: int
    new: int


def bare_loop(setup: Setup, lengths: Lengths, timeout_s: float) -> dict[str, float]:
    """``prefill_tok_s``, ``decode_tok_s`` and ``total_tok_s`` of one sequence in step_bench."""
    command = [str(setup.bin_dir / "step_bench"), *setup.common(), "-s", "1"]
    command += ["-np", str(setup.parallel), "-fa", str(int(setup.flash_attn))]
    command += ["-p", str(lengths.prompt), "-n", str(lengths.new)]
    output = _output(command, timeout_s)
    return {name: float(value) for name, value in (word.split("=") for word in output.split())}


def batched_bench(
    setup: Setup, lengths: Lengths, levels: list[int], timeout_s: float
) -> dict[int, float]:
    """New tokens per second, prefill included, by number of sequences."""
    command = [str(setup.bin_dir / "llama-batched-bench"), *setup.common(), "--kv-unified"]
    command += ["-fa", "on" if setup.flash_attn else "off", "--output-format", "jsonl"]
    command += ["-npp", str(lengths.prompt), "-ntg", str(lengths.new)]
    command += ["-npl", ",".join(map(str, levels))]
    lines = [line for line in _output(command, timeout_s).splitlines() if line.startswith("{")]
    rows = [json.loads(line) for line in lines]
    return {row["pl"]: row["pl"] * row["tg"] / (row["t_pp"] + row["t_tg"]) for row in rows}


def _output(command: list[str], timeout_s: float) -> str:
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout_s
    )
    return done.stdout.decode()
