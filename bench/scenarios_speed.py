"""Scenarios of rates: many streams, large vocabularies; beside a tool that is no server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from endless_model import endless
from load import Load, Summary, run_load
from references import Lengths, batched_bench
from scenario import (
    Figure,
    Found,
    Scenario,
    Size,
    at_least_peer,
    at_least_reference,
    at_most,
    seen,
)
from server_process import HOST, Running, Setup

LEVELS = (1, 4, 16, 32)
LENGTHS = Lengths(prompt=64, new=128)
VOCABULARY_STREAMS = 16
VOCABULARY_LENGTHS = Lengths(prompt=32, new=128)
DEMO_MODEL = Path(__file__).resolve().parent.parent / "python/llamabox/models/demo.gguf"
LEAST_OF_BARE = 0.95
TIMEOUT_S = 180.0


def _levels(size: Size) -> tuple[int, ...]:
    return LEVELS[:2] if size.quick else LEVELS


def _lengths(size: Size) -> Lengths:
    return Lengths(LENGTHS.prompt, size.of(LENGTHS.new, 32))


def _load(server: Running, load: Load) -> Summary:
    run_load(HOST, server.port, replace(load, streams=1, requests=1, seed=load.seed + 5000))
    return run_load(HOST, server.port, load)


def _streams(name: str, server: Running, size: Size, seed: int) -> Found:
    lengths = _lengths(size)
    found: Found = {"failed": 0.0, "early": 0.0}
    for level in _levels(size):
        n_requests = max(2, 2 * level)
        load = Load(level, n_requests, lengths.new, lengths.prompt, seed=seed * 100 + level)
        summary = _load(server, replace(load, timeout_s=TIMEOUT_S))
        found[f"tok_s_{level}"] = summary.tok_s
        found["failed"] += summary.n_failed
        found["early"] += summary.n_early
    return found


def _bare(setup: Setup, size: Size) -> Found:
    """New tokens per second of llama-batched-bench, prefill included as in the servers' figures."""
    speeds = batched_bench(setup, _lengths(size), list(_levels(size)), TIMEOUT_S)
    return {f"tok_s_{level}": speed for level, speed in speeds.items()}


def _stream_figures(factor: float) -> tuple[Figure, ...]:
    rates = [at_least_peer(factor, f"tok_s_{n}", f"tok/s, {n} streams") for n in LEVELS]
    bare = [
        at_least_reference(LEAST_OF_BARE, f"tok_s_{n}", f"the same, {n} streams") for n in LEVELS
    ]
    return (
        *rates,
        *bare,
        at_most(0, "failed", "requests failed"),
        seen("early", "answers ended early"),
    )


STREAMS = Scenario(
    "streams",
    "1, 4, 16 and 32 streams of the 100M model; reference: llama-batched-bench",
    lambda setup, size: setup,
    _streams,
    _stream_figures(1.15),
    _bare,
)

STREAMS_DEMO = Scenario(
    "streams-demo",
    "the same with the demo model",
    lambda setup, size: replace(setup, model=endless_copy(DEMO_MODEL, setup.model.parent)),
    _streams,
    _stream_figures(1.0),
    _bare,
)


def endless_copy(model: Path, folder: Path) -> Path:
    """An endless copy of a model that stands in a folder which is not for copies."""
    copy = folder / model.name
    if not copy.exists() or copy.stat().st_mtime < model.stat().st_mtime:
        copy.write_bytes(model.read_bytes())
    return endless(copy)


def _vocabulary(fields: dict[str, float]) -> Callable[[str, Running, Size, int], Found]:
    def run(name: str, server: Running, size: Size, seed: int) -> Found:
        lengths, streams = _vocabulary_lengths(size), VOCABULARY_STREAMS
        load = Load(streams, size.of(32, 16), lengths.new, lengths.prompt, seed=seed)
        summary = _load(server, replace(load, fields=fields, timeout_s=TIMEOUT_S))
        return {
            "tok_s": summary.tok_s,
            "decode_tok_s": streams * summary.decode_tok_s,
            "failed": float(summary.n_failed),
            "early": float(summary.n_early),
        }

    return run


def _vocabulary_lengths(size: Size) -> Lengths:
    return Lengths(VOCABULARY_LENGTHS.prompt, size.of(VOCABULARY_LENGTHS.new, 32))


def _vocabulary_bare(setup: Setup, size: Size) -> Found:
    """llama-batched-bench, which copies the logits as a server does and samples nothing."""
    streams = VOCABULARY_STREAMS
    speeds = batched_bench(setup, _vocabulary_lengths(size), [streams], TIMEOUT_S)
    return {"tok_s": speeds[streams]}


def _vocabulary_scenario(name: str, about: str, fields: dict[str, float]) -> Scenario:
    return Scenario(
        name,
        about,
        lambda setup, size: replace(
            setup,
            model=endless(setup.model.with_name("bench-vocab.gguf")),
            parallel=VOCABULARY_STREAMS,
        ),
        _vocabulary(fields),
        (
            at_least_peer(1.8, "tok_s", "tok/s, 16 streams"),
            at_least_reference(LEAST_OF_BARE, "tok_s", "the same, 16 streams"),
            seen("decode_tok_s", "decode tok/s, 16 streams"),
            at_most(0, "failed", "requests failed"),
            seen("early", "answers ended early"),
        ),
        _vocabulary_bare,
    )


VOCABULARY_GREEDY = _vocabulary_scenario(
    "vocabulary-greedy", "a random model of 128,256 tokens, greedy", {}
)
# The load generator says temperature 0; both servers have the same defaults, 0.8 among them.
VOCABULARY_DEFAULT = _vocabulary_scenario(
    "vocabulary-default", "the same with the default samplers", {"temperature": 0.8}
)

SCENARIOS = (STREAMS, STREAMS_DEMO, VOCABULARY_GREEDY, VOCABULARY_DEFAULT)
